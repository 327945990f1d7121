"""The Lesson sheet of a handout: whose it is, the question, what to fill in, and how much of it is right so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sheetgrad.formulas.places import address
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.shapes import shape_text
from sheetgrad.plan.blocks import Sheet
from sheetgrad.plan.drawing import Drawing
from sheetgrad.sheets import check, gradients
from sheetgrad.sheets.cover import LINE, NAME

TEXT_COLUMN, SPAN = 2, 8
CHARACTERS = 108  # of Calibri 11 in the merged text columns
PRACTICE = """
Type a formula into every cell with a blue border. The sign beside it says at once whether its number is right: … while the cell is empty, then ✓ or ✗, kink at a corner, ? where the nudges cannot tell; "waits" as long as a gradient that it is computed from is empty. The check knows no rule: it nudges the number and watches the loss. A number that is typed in gets its ✓ as well, but no mark.
"""
EXAM = """
Type a formula into every cell with a blue border.
"""
FIND = """
One backward line on the sheet Gradients is wrong, another one for every student: find it, and mend it. A wrong gradient makes those wrong that are computed from it. So go from bottom to top, as the backward pass does, and ask of each line whether it can be right: the first that cannot is the one.
"""
SIGNS = """
The signs beside the gradients help: ✗ where the loss does not move as the gradient says. They know no rule; they nudge a number and watch the loss (sheet Check). Not every gradient has one.
"""
ON_PAPER = "Cross it out, and write the right line and its numbers beside it."
MEND = """
Type the right formula over the wrong one, in every cell of its block that was wrong: each of these is one mark. Write formulas that start with = and use the cells of the sheet, not results: each is tried on other numbers as well. All gradients can be typed over, all other cells are locked; change only what is wrong.
"""
PRINT_SPAN, PRINT_CHARACTERS = 18, 125  # columns of a printed Gradients sheet, and what fits them
MARKED = """
Every such cell is one mark. Write formulas that start with = and use the cells of the sheet, not results: each formula is tried on other numbers as well. A formula that is right for your own earlier cells earns its mark even where those are wrong. What needs a blank stays empty until you have filled it in; all other cells are locked.
"""


def build(lesson: Lesson, drawing: Drawing, checks: check.Checks | None, name: str, mark: str) -> Sheet:
    """The sheet; ``name`` and ``mark`` are the student's name and id, ``checks`` the Check sheet where there is one."""
    sheet = Sheet(NAME)
    sheet.label(1, TEXT_COLUMN, lesson.title, "title")
    sheet.heights[1] = 27
    for row, word, text in ((2, "name", name), (3, "id", mark)):
        sheet.label(row, TEXT_COLUMN, word, "setting_name")
        sheet.label(row, TEXT_COLUMN + 1, text, "text_line")
    task = " ".join(lesson.task.text.split()) or lesson.question
    sheet.label(5, TEXT_COLUMN, task, "question", span=SPAN)
    sheet.heights[5] = 20 * math.ceil(len(task) / 75)
    if checks:
        check.score(sheet, 7, TEXT_COLUMN, checks)
        sheet.heights[7] = 20
    if lesson.bug:
        row = _said(sheet, 9, (FIND, *([SIGNS] if checks else []), MEND))
        shown, yours = ["value", "gradient"], gradients.MENDABLE
    else:
        row = _to_fill_in(sheet, lesson, drawing, checks, 9)
        row = _said(sheet, row + 1, (PRACTICE if checks else EXAM, MARKED))
        shown, yours = ["value", "gradient", "blank"], ""
    row += 1
    sheet.label(row, TEXT_COLUMN, "The colours", "heading")
    roles = {tensor.role for tensor in lesson.tensors.values()}
    gradients.legend(sheet, row + 1, TEXT_COLUMN, roles, shown, yours)
    sheet.widths = {1: 3.5} | {k: 12.5 for k in range(TEXT_COLUMN, TEXT_COLUMN + SPAN)}
    return sheet


def _said(sheet: Sheet, row: int, texts: Sequence[str]) -> int:
    """Paragraphs on how to go about it; gives the first free row."""
    for paragraph in (" ".join(text.split()) for text in texts):
        sheet.label(row, TEXT_COLUMN, paragraph, "text", span=SPAN)
        sheet.heights[row] = LINE * math.ceil(len(paragraph) / CHARACTERS) + 6
        row += 1
    return row


def print_heading(lesson: Lesson, name: str, mark: str, answered: bool) -> gradients.Heading:
    """What stands at the top of a printed Gradients sheet instead of how to read it, and on each of its pages."""
    task = " ".join(lesson.task.text.split()) or lesson.question
    if lesson.bug:
        answer, asked = f"The wrong line was {lesson.bug.line}. Here it is mended.", f"{task} {ON_PAPER}"
    else:
        blank = ", ".join(lesson.exercise.blank)
        answer, asked = f"The answers: {blank}.", f"{task} Fill in the boxes: {blank}."
    text = answer if answered else asked
    height = LINE * math.ceil(len(text) / PRINT_CHARACTERS) + 4
    return gradients.Heading(text, "text", PRINT_SPAN, height, (f"Answers: {name}" if answered else name, mark))


def _to_fill_in(sheet: Sheet, lesson: Lesson, drawing: Drawing, checks: check.Checks | None, row: int) -> int:
    """The blanks in the order in which they can be filled in, each with how far it has got; gives the first free row."""
    sheet.label(row, TEXT_COLUMN, "To fill in, in this order", "heading")
    places = {item.key: item.place for item in drawing.drawn if item.purpose == "blank"}
    for key in check.awaited(lesson.program, drawing.blanks):
        row, place = row + 1, places[key]
        corner = address(*place.cell((0,) * len(place.shape)))
        sheet.label(row, TEXT_COLUMN, key, "link", link=gradients.NAME, cell=corner)
        cells = int(np.prod(place.shape, dtype=int))
        shape = f"{shape_text(place.shape)}: " if len(place.shape) > 1 else ""
        many = f"{shape}{cells} cell{'s' * (cells > 1)} on {gradients.NAME}, from {corner}"
        sheet.label(row, TEXT_COLUMN + 1, many, "text_line")
        if checks:
            check.state(sheet, row, TEXT_COLUMN + 5, checks, key, drawing)
    return row + 1
