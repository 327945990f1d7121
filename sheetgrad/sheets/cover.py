"""The Lesson sheet: the question, the answer in words, the numbers to play with, and the live verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sheetgrad.formulas.places import Placement
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lesson.sections import SCHEMES
from sheetgrad.lines.spreads import Spread
from sheetgrad.plan.blocks import Sheet
from sheetgrad.plan.fields import single
from sheetgrad.sheets import gradients, nudge

NAME = "Lesson"
TEXT_COLUMN, SPAN = 2, 8
CHARACTERS = 108  # of Calibri 11 in the merged text columns
LINE = 15  # points
TOP = 8  # the numbers to play with
TO_MEND = """
One backward line of this workbook is wrong, on purpose: find it and mend it. The sheet Nudge knows no rule. It changes one number by a little and watches the loss, so where it says ✗ the gradient is not what the loss does.

A wrong gradient makes those wrong that are computed from it. So go through the sheet Gradients from bottom to top, as the backward pass does, and ask of each line whether it can be right: the first that cannot is the one.

To mend it, type the right formula over the wrong one, in every cell of its block. The gradients are yours to change, all of them. When the right line stands there again, every sign is ✓.
"""


def settings_places() -> dict[str, Placement]:
    """Where h and the scheme stand: the same cells in every workbook."""
    return {nudge.H: Placement(NAME, TOP, 4, (), ()), nudge.SCHEME: Placement(NAME, TOP + 1, 4, (), ())}


def build(lesson: Lesson, others: Mapping[SheetKind, Sheet], missing: Sequence[str], proof: str = "") -> Sheet:
    """The sheet, which leads to the ``others``; ``missing`` says which sheets are left out and why, ``proof`` what was
    proven of the lesson, if it was."""
    sheet = Sheet(NAME, one_page=True)
    sheet.label(1, TEXT_COLUMN, lesson.title, "title")
    sheet.label(3, TEXT_COLUMN, lesson.question, "question", span=SPAN)
    sheet.heights[3] = 20 * math.ceil(len(lesson.question) / 70)
    counts = next(other.tally for other in others.values() if other.tally)
    _verdict(sheet, counts)
    _proven(sheet, lesson, proof, int(counts["total"].value))
    sheet.label(7, TEXT_COLUMN, "Numbers to play with", "heading")
    h, scheme = lesson.nudge.step, lesson.nudge.scheme
    sheet.label(TOP, TEXT_COLUMN, "h, the size of a nudge", "setting_name")
    sheet.label(TOP + 1, TEXT_COLUMN, "scheme", "setting_name")
    sheet.label(TOP, 5, "try 0.01 or 0.000001", "editable_note")
    sheet.label(TOP + 1, 5, "central: nudge up and down; forward: only up", "editable_note")
    sheet.input(TOP, 4, h, nudge.H, "0.0E+00")
    sheet.input(TOP + 1, 4, scheme, nudge.SCHEME)
    sheet.choices[TOP + 1, 4] = SCHEMES
    row = _paragraphs(sheet, lesson.text, TOP + 3)
    if lesson.bug:
        sheet.label(row, TEXT_COLUMN, "Your task", "heading")
        row = _paragraphs(sheet, TO_MEND, row + 1)
    row = _links(sheet, row, others, missing)
    _colours(sheet, row, lesson)
    sheet.widths = {1: 3.5} | {k: 12.5 for k in range(TEXT_COLUMN, TEXT_COLUMN + SPAN)}
    return sheet


def _verdict(sheet: Sheet, counts: Mapping[str, Spread]) -> None:
    shown = single(sheet, 5, TEXT_COLUMN, nudge.TALLY.panel["sentence"], *nudge.sentence(counts))
    sheet.sentences.append(shown.area(NAME))


def _proven(sheet: Sheet, lesson: Lesson, proof: str, nudged: int) -> None:
    """What was proven when the workbook was made, which numbers that are changed later do not change; and what the lesson
    says against the table of operations."""
    sizes = (math.prod(lesson.program.shapes[name]) for name in lesson.program.requested)
    many = "all" if nudged == sum(sizes) else f"{nudged:,}"
    told = [f"Proof by exact slopes, when this workbook was made: {proof}; {many} of them are nudged here."]
    told = told * bool(proof) + [f"{one}." for one in lesson.replacements]
    if told:
        text = " ".join(told)
        sheet.label(6, TEXT_COLUMN, text, "remark_wrapped", span=SPAN)
        sheet.heights[6] = LINE * math.ceil(len(text) / CHARACTERS) + 9


def _paragraphs(sheet: Sheet, words: str, row: int) -> int:
    for paragraph in words.split("\n\n"):
        text = " ".join(paragraph.split())
        if text:
            sheet.label(row, TEXT_COLUMN, text, "text", span=SPAN)
            sheet.heights[row] = LINE * math.ceil(len(text) / CHARACTERS) + 6
            row += 1
    return row + 1


def _links(sheet: Sheet, row: int, others: Mapping[SheetKind, Sheet], missing: Sequence[str]) -> int:
    sheet.label(row, TEXT_COLUMN, "Where to look", "heading")
    shown = [kind for kind in others if not kind.hidden]
    for k, kind in enumerate(shown, 1):
        sheet.label(row + k, TEXT_COLUMN, kind.name, "link", link=kind.name)
        sheet.label(row + k, TEXT_COLUMN + 2, kind.about, "text_line")
    for k, reason in enumerate(missing, len(shown) + 1):
        sheet.label(row + k, TEXT_COLUMN, reason, "note")
    return row + len(shown) + len(missing) + 2


def _colours(sheet: Sheet, row: int, lesson: Lesson) -> None:
    sheet.label(row, TEXT_COLUMN, "The colours", "heading")
    roles = {tensor.role for tensor in lesson.tensors.values()}
    gradients.legend(sheet, row + 1, TEXT_COLUMN, roles, ["value", "gradient", "nudge"])
    if lesson.next:
        sheet.label(row + 3, TEXT_COLUMN, f"The next lesson: {lesson.next}", "text_line")
