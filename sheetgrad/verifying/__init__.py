"""Workbooks compared with what their plan says: what is reported, what counts as the same, cell by cell."""
