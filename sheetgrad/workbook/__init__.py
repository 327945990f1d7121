"""Workbooks as files."""
