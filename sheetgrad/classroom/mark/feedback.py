"""What a student gets back: a copy of the submission with every blank marked, and a hint where it is wrong.

No answer is in it: the hints name what went wrong, and the copy holds nothing but what the student handed in.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.hyperlink import Hyperlink
from openpyxl.worksheet.worksheet import Worksheet

from sheetgrad.classroom.give.workshop import Cell, Cells
from sheetgrad.classroom.mark.answers import FOLLOWED, RIGHT, WORDS, Answer, Marked
from sheetgrad.engines import EngineError
from sheetgrad.formulas.words import element_name
from sheetgrad.workbook.reading import open_workbook
from sheetgrad.workbook.style import (
    AGREE,
    AGREE_INK,
    BAR,
    CODE,
    EDITABLE,
    INK,
    MUTED,
    UNSURE,
    UNSURE_INK,
    WRONG,
    WRONG_INK,
)
from sheetgrad.workbook.style import WORDS as CALIBRI
from sheetgrad.workbook.values import store_values

SHEET = "Feedback"
LOOKS = {RIGHT: ("✓", AGREE, AGREE_INK), FOLLOWED: ("✓", UNSURE, UNSURE_INK)}
ELSE = ("✗", WRONG, WRONG_INK)
SAID = {RIGHT: "Right.", FOLLOWED: "Right for your own earlier numbers: this earns the mark. Those need another look."}
LONGEST = 250  # characters of what shows when a cell is picked


def write_feedback(data: bytes, marked: Marked, blanks: Cells, title: str) -> bytes:
    """The submission ``data`` with its marks. Raises ``WorkbookError`` for a file that openpyxl cannot read."""
    with tempfile.TemporaryDirectory(prefix="sheetgrad-") as room:
        path = Path(room) / "feedback.xlsx"
        path.write_bytes(data)
        book = open_workbook(path)
        sheet = _first_sheet(book)
        _head(sheet, marked, title)
        places = {element_name(key, index): place for place, (key, index) in blanks.items()}
        for row, (number, answer) in enumerate(marked.answers.items(), 5):
            _mark_blank(book, sheet, row, number, answer, places[number])
        _set_up(sheet)
        book.save(path)
        with suppress(
            EngineError
        ):  # a function that the engine does not know: the application computes it when it opens
            store_values(path)  # so that a preview shows numbers
        return path.read_bytes()


def _first_sheet(book: Workbook) -> Worksheet:
    """A new sheet before all others, which is shown first."""
    name = SHEET
    while name in book.sheetnames:
        name += " 1"
    sheet = book.create_sheet(name, 0)
    book.active = 0
    for other in book.worksheets[1:]:
        other.sheet_view.tabSelected = False
    return sheet


def _head(sheet: Worksheet, marked: Marked, title: str) -> None:
    """What was earned, and what was changed that should not have been."""
    earned = sum(answer.mark for answer in marked.answers.values())
    _text(sheet.cell(1, 1), title, Font(name=CALIBRI, size=18, bold=True))
    _text(sheet.cell(2, 1), f"{earned} of {len(marked.answers)} marks", Font(name=CALIBRI, size=14, bold=True))
    if marked.changed:
        places = ", ".join(marked.changed[:5]) + (" …" if len(marked.changed) > 5 else "")
        said = f"Formulas outside the blanks were changed: {places}. What reads them may be wrong for that reason."
        _text(sheet.cell(3, 1), said, Font(name=CALIBRI, color=WRONG_INK))
    for column, text in enumerate(("cell", "number", "", "what to look at"), 1):
        _text(sheet.cell(4, column), text, Font(name=CALIBRI, bold=True, color="FFFFFF"))
        sheet.cell(4, column).fill = PatternFill("solid", fgColor=BAR)


def _mark_blank(book: Workbook, sheet: Worksheet, row: int, number: str, answer: Answer, place: Cell) -> None:
    """A row about one blank, and its mark where it stands."""
    where, at = place
    sign, fill, ink = LOOKS.get(answer.verdict, ELSE)
    said = SAID.get(answer.verdict) or WORDS[answer.hint]
    _text(sheet.cell(row, 1), at, Font(name=CALIBRI, underline="single", color=EDITABLE))
    sheet.cell(row, 1).hyperlink = Hyperlink(f"A{row}", location=f"'{where}'!{at}")
    _text(sheet.cell(row, 2), number, Font(name=CODE, size=10))
    _text(sheet.cell(row, 3), sign, Font(name=CALIBRI, bold=True, color=ink))
    sheet.cell(row, 3).fill = PatternFill("solid", fgColor=fill)
    sheet.cell(row, 3).alignment = Alignment(horizontal="center")
    _text(sheet.cell(row, 4), said, Font(name=CALIBRI, color=MUTED if answer.verdict == RIGHT else INK))
    book[where][at].fill = PatternFill("solid", fgColor=fill)
    shown = DataValidation(allow_blank=True, showInputMessage=True)
    shown.promptTitle, shown.prompt = f"{sign} {number}"[:30], said[:LONGEST]
    book[where].add_data_validation(shown)
    shown.add(at)


def _set_up(sheet: Worksheet) -> None:
    """How the sheet is looked at and printed."""
    for column, width in {"A": 9, "B": 14, "C": 6, "D": 110}.items():
        sheet.column_dimensions[column].width = width
    sheet.sheet_view.showGridLines = False
    sheet.freeze_panes = "A5"
    sheet.page_setup.orientation, sheet.page_setup.paperSize = "landscape", sheet.PAPERSIZE_A4
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.page_setup.fitToHeight = 0


def _text(cell, text: str, font: Font) -> None:
    cell.value = text
    cell.data_type = "s"  # whatever it starts with
    cell.font = font
