"""The Lesson sheet of a handout: whose it is, the question, what to fill in, and how much of it is right so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sheetgrad.formulas.places import Area, address
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.shapes import shape_text
from sheetgrad.plan.blocks import Sheet
from sheetgrad.plan.drawing import Drawing
from sheetgrad.sheets import check, gradients
from sheetgrad.sheets.cover import CHARACTERS, LINE, NAME, SPAN, TEXT_COLUMN

PRACTICE = """
Type a formula into every cell with a blue border. The sign beside it says at once whether its number is right: … while the cell is empty, then ✓ or ✗, kink at a corner, ? where the nudges cannot tell. The check knows no rule; it nudges the number and watches the loss. A number that is typed in gets its ✓ as well, but no mark.
"""
EXAM = """
Type a formula into every cell with a blue border.
"""
PRINT_SPAN, PRINT_CHARACTERS = 13, 125  # columns of a printed Gradients sheet, and what fits them
MARKED = """
Every such cell is one mark. Write formulas that start with = and use the cells of the sheet, not results: each formula is tried on other numbers as well. A formula that is right for your own earlier cells earns its mark even where those are wrong. What needs a blank stays empty until you have filled it in; all other cells are locked.
"""


def build(lesson: Lesson, drawing: Drawing, verdicts: Sequence[Area], name: str, mark: str) -> Sheet:
    """The sheet; ``name`` and ``mark`` are the student's name and id, ``verdicts`` stand on the Check sheet."""
    sheet = Sheet(NAME, one_page=True)
    blanks = drawing.blanks
    sheet.label(1, TEXT_COLUMN, lesson.title, "title")
    for row, word, text in ((2, "name", name), (3, "id", mark)):
        sheet.label(row, TEXT_COLUMN, word, "setting_name")
        sheet.label(row, TEXT_COLUMN + 1, text, "text_line")
    task = " ".join(lesson.exercise.text.split()) or lesson.question
    sheet.label(5, TEXT_COLUMN, task, "question", span=SPAN)
    sheet.heights[5] = 20 * math.ceil(len(task) / 75)
    if blanks.checked:
        check.score(sheet, 7, TEXT_COLUMN, verdicts)
    row = 9
    for text in (PRACTICE if blanks.checked else EXAM, MARKED):
        for paragraph in filter(None, (" ".join(part.split()) for part in text.split("\n\n"))):
            sheet.label(row, TEXT_COLUMN, paragraph, "text", span=SPAN)
            sheet.heights[row] = LINE * math.ceil(len(paragraph) / CHARACTERS) + 6
            row += 1
    row = _to_fill_in(sheet, drawing, row + 1)
    sheet.label(row, TEXT_COLUMN, "The colours", "heading")
    roles = {tensor.role for tensor in lesson.tensors.values()}
    gradients.legend(sheet, row + 1, TEXT_COLUMN, roles, ["value", "gradient", "blank"])
    sheet.widths = {1: 3.5} | {k: 12.5 for k in range(TEXT_COLUMN, TEXT_COLUMN + SPAN)}
    return sheet


def print_heading(lesson: Lesson, name: str, mark: str, answered: bool) -> gradients.Heading:
    """What stands at the top of a printed Gradients sheet instead of how to read it, and on each of its pages."""
    blank = ", ".join(lesson.exercise.blank)
    task = " ".join(lesson.exercise.text.split()) or lesson.question
    text = f"The answers: {blank}." if answered else f"{task} Fill in the boxes: {blank}."
    height = LINE * math.ceil(len(text) / PRINT_CHARACTERS) + 4
    return gradients.Heading(text, "text", PRINT_SPAN, height, (f"Answers: {name}" if answered else name, mark))


def _to_fill_in(sheet: Sheet, drawing: Drawing, row: int) -> int:
    sheet.label(row, TEXT_COLUMN, "To fill in", "heading")
    blanks = [item for item in drawing.drawn if item.purpose == "blank"]
    for item in blanks:
        row += 1
        corner = address(*item.place.cell((0,) * len(item.place.shape)))
        sheet.label(row, TEXT_COLUMN, item.key, "link", link=gradients.NAME, cell=corner)
        cells = int(np.prod(item.place.shape, dtype=int))
        shape = f"{shape_text(item.place.shape)}: " if len(item.place.shape) > 1 else ""
        many = f"{shape}{cells} cell{'s' * (cells > 1)} on the sheet {gradients.NAME}, from {corner}"
        sheet.label(row, TEXT_COLUMN + 1, many, "text_line")
    return row + 2
