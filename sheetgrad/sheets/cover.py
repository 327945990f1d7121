"""The Lesson sheet, one screen: the question, what to do first, the answer; the live verdict and the way of the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from textwrap import wrap

import numpy as np

from sheetgrad.formulas.places import Placement, address
from sheetgrad.formulas.words import element_name
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lesson.sections import SCHEMES
from sheetgrad.lines.spreads import Spread
from sheetgrad.plan.blocks import Sheet
from sheetgrad.plan.drawing import GRADIENTS, Drawing
from sheetgrad.plan.fields import single
from sheetgrad.sheets import gradients, nudge, way

NAME = "Lesson"
LEFT, SPAN = 2, 7  # the columns of words
LONGEST_LINK = 11  # letters that fit one of them, with room to the next
CHARACTERS = 93  # of Calibri 11 in them
LINE, AIRY, GAP = 15, 17, 7  # points
QUESTION_CHARACTERS = 150  # of Calibri 14, across the sheet
QUESTION, FIRST, ANSWER = 2, 4, 9  # rows
VERDICT, PROOF, SETTINGS = (FIRST, way.NUMBER), (FIRST + 1, way.NUMBER), FIRST + 3
TO_MEND = """
One backward line is wrong, on purpose. Nudge knows no rule: it changes one number a little and watches the loss. ✗ says that the loss does not do what the gradient says. But a wrong gradient spoils those that are computed from it. So go through Gradients from the bottom up: the first line that cannot be right is the one.

Mend it: type the right formula over the wrong one, in every cell of its block. All gradients are yours to change. When every sign is ✓, you have found it.
"""


def settings_places() -> dict[str, Placement]:
    """Where h and the scheme stand: the same cells in every workbook."""
    return {
        nudge.H: Placement(NAME, SETTINGS, way.SHAPE, (), ()),
        nudge.SCHEME: Placement(NAME, SETTINGS, way.BACK + 1, (), ()),
    }


def build(
    lesson: Lesson,
    drawing: Drawing,
    values: Mapping[str, np.ndarray],
    others: Mapping[SheetKind, Sheet],
    missing: Sequence[str],
    proof: str = "",
) -> Sheet:
    """The sheet, which leads to the ``others``; ``missing`` says which sheets are left out and why, ``proof`` what was
    proven of the lesson, if it was."""
    sheet = Sheet(NAME)
    sheet.label(1, LEFT, lesson.title, "title")
    sheet.label(QUESTION, LEFT, lesson.question, "question", span=way.LAST - LEFT + 1)
    _first(sheet, lesson, drawing)
    row = _words(sheet, lesson) + 1
    row = _links(sheet, row, others)
    roles = {tensor.role for tensor in lesson.tensors.values()}
    gradients.legend(sheet, row, LEFT, roles, ["value", "gradient", "nudge"], "")
    if lesson.next:
        sheet.label(row + 1, LEFT, f"Next lesson: {lesson.next_title or lesson.next}", "text_line")
    counts = next(other.tally for other in others.values() if other.tally)
    _verdict(sheet, lesson, proof, counts)
    _settings(sheet, lesson)
    below = way.draw(sheet, lesson, drawing, values, ANSWER)
    for k, remark in enumerate([*(f"{one}." for one in lesson.replacements), *missing], below + 1):
        sheet.label(k, way.NUMBER, remark, "note")
    sheet.widths |= {1: 2.0, way.NUMBER - 1: 3.0} | {k: 11.5 for k in range(LEFT, LEFT + SPAN)}
    sheet.heights |= {row: LINE for row in range(ANSWER + 1, sheet.last_row + 1)}
    sheet.heights |= {1: 26, QUESTION: 20 * math.ceil(len(lesson.question) / QUESTION_CHARACTERS)}
    sheet.heights |= {row: AIRY for row in range(FIRST, ANSWER + 1)} | {3: GAP, FIRST: 19, ANSWER - 1: GAP}
    return sheet


def _first(sheet: Sheet, lesson: Lesson, drawing: Drawing) -> None:
    """One thing to change and what to watch for, on yellow as the numbers that can be changed; the first line leads to
    the number."""
    sheet.label(FIRST, LEFT, "Do this first", "first_heading", span=3)
    sheet.label(FIRST, LEFT + 3, gradients.EDITABLE, "first_note", span=SPAN - 3)
    tensor, index = lesson.starts_at
    at = address(*drawing.places[tensor][0].cell(index))
    lines = lesson.first or (
        f"Go to {element_name(tensor, index)} on {GRADIENTS} and change it.",
        "Which gradients move, and which stay as they are?",
    )
    for k in range(3):
        text = f"{k + 1}  {lines[k]}" if k < len(lines) else ""
        more = dict(link=GRADIENTS, cell=at) if k == 0 else {}
        sheet.label(FIRST + 1 + k, LEFT, text, "first_link" if more else "first_line", span=SPAN, **more)


def _words(sheet: Sheet, lesson: Lesson) -> int:
    """The answer, or the longer text of a lesson that has none; where a wrong line is to be found, the task. Gives the
    first row below."""
    words = lesson.answer or lesson.text
    heading = "The answer" if lesson.answer else "In words" if lesson.text else ""
    if lesson.bug:
        words, heading = f"{words}\n\n{TO_MEND}", "Your task"
    sheet.label(ANSWER, LEFT, heading, "heading")
    paragraphs = [" ".join(part.split()) for part in words.strip().split("\n\n")]
    lines = sum(len(wrap(paragraph, CHARACTERS)) for paragraph in paragraphs) + len(paragraphs) - 1
    if lines:
        sheet.label(ANSWER + 1, LEFT, "\n\n".join(paragraphs), "text", span=SPAN, rows=lines)
    return ANSWER + 1 + lines


def _verdict(sheet: Sheet, lesson: Lesson, proof: str, counts: Mapping[str, Spread]) -> None:
    """The live verdict, and what was proven when the workbook was made, which numbers that are changed later do not
    change."""
    shown = single(sheet, *VERDICT, nudge.TALLY.panel["sentence"], *nudge.sentence(counts))
    sheet.sentences.append(shown.area(NAME))
    sizes = (math.prod(lesson.program.shapes[name]) for name in lesson.program.requested)
    nudged = int(counts["total"].value)
    many = "all" if nudged == sum(sizes) else f"{nudged:,}"
    if proof:
        told = f"{proof}, by exact slopes when this workbook was made; {many} of them are nudged here"
        sheet.label(*PROOF, told, "map_note" if lesson.bug else "proof")


def _settings(sheet: Sheet, lesson: Lesson) -> None:
    sheet.label(SETTINGS, way.NUMBER, "h, the size of a nudge", "setting_beside", span=2)
    sheet.label(SETTINGS, way.BACK, "scheme", "setting_beside")
    places = settings_places()
    h, scheme = ((place.row, place.column) for place in (places[nudge.H], places[nudge.SCHEME]))
    sheet.input(*h, lesson.nudge.step, nudge.H)
    sheet.input(*scheme, lesson.nudge.scheme, nudge.SCHEME)
    sheet.choices[scheme] = SCHEMES


def _links(sheet: Sheet, row: int, others: Mapping[SheetKind, Sheet]) -> int:
    """The other sheets, as many in a row as find room; gives the first row below."""
    column = LEFT
    for kind in (kind for kind in others if not kind.hidden):
        wide = 2 if len(kind.name) > LONGEST_LINK else 1
        if column + wide > LEFT + SPAN:
            row, column = row + 1, LEFT
        sheet.label(row, column, kind.name, "link", link=kind.name, tip=kind.about)
        column += wide
    return row + 1
