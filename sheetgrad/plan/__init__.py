"""The plan of a workbook: pure data."""
