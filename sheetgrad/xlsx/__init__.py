"""The file format: what may be opened, what stands in a workbook's cells, and how other values are put there.

Knows nothing of lessons, plans or engines.
"""
