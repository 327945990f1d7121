"""The report of a gradcheck: a copy of the workbook with every gradient cell coloured by its verdict."""

from __future__ import annotations

import math
from dataclasses import astuple, fields
from pathlib import Path

from openpyxl.styles import Font, PatternFill
from openpyxl.utils.cell import get_column_letter

from sheetgrad.files import whole
from sheetgrad.gradchecking.check import CheckedCell, Gradcheck
from sheetgrad.gradchecking.ranges import GradcheckError
from sheetgrad.workbook.reading import open_workbook
from sheetgrad.workbook.style import VERDICTS

COLUMNS = [field.name for field in fields(CheckedCell)]


def write_report(found: Gradcheck, path: Path, target: Path) -> None:
    """Writes the copy of the workbook at ``path``, with the table on a sheet of its own."""
    if target.exists():
        raise GradcheckError(f"{target}: exists; choose another name for the report")
    book = open_workbook(path)
    fills = {sign: PatternFill("solid", fgColor=colour) for sign, (colour, _) in VERDICTS.items()}
    for cell in found.cells:
        sheet, _, place = cell.gradient_cell.rpartition("!")
        book[sheet][place].fill = fills[cell.verdict]
    title = "gradcheck"
    while title in book.sheetnames:
        title += " 1"
    sheet = book.create_sheet(title)
    for line in (f"loss {found.loss:.12g}, recalculated by {found.engine}", *found.notes):
        sheet.append([line])
    sheet.append([])
    sheet.append(COLUMNS)
    for heading in sheet[sheet.max_row]:
        heading.font = Font(bold=True)
    for cell in found.cells:
        numbers = astuple(cell)
        sheet.append(
            [value if not isinstance(value, float) or math.isfinite(value) else str(value) for value in numbers]
        )
        sheet.cell(sheet.max_row, COLUMNS.index("verdict") + 1).fill = fills[cell.verdict]
    for column in range(1, len(COLUMNS) + 1):
        sheet.column_dimensions[get_column_letter(column)].width = 18
    with whole(target) as temporary:
        book.save(temporary)
