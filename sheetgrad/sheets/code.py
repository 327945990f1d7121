"""The Code sheet: the lesson as a NumPy and as a PyTorch program, line beside line, and where each line stands."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sheetgrad.formulas.places import address
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.listings import listing
from sheetgrad.plan.blocks import Sheet
from sheetgrad.plan.drawing import Drawing

NAME = "Code"
HEADINGS = {
    "import": "What both need",
    "given": "The numbers",
    "forward": "Forward: top to bottom",
    "backward": "Backward: NumPy spells out each gradient, PyTorch finds them by itself",
    "training": "Training: the same again and again",
}
LONGEST = 78  # characters of code in a column


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The sheet."""
    sheet = Sheet(NAME)
    sheet.label(1, 2, "The same lesson as code", "title")
    sheet.label(
        2,
        2,
        "Each line makes one block of the sheet Gradients. What is w.g here is w_g in NumPy and w.grad in "
        "PyTorch. Both programs run as they stand.",
        "subtitle",
    )
    for column, text in ((2, "on the sheet"), (3, "NumPy"), (4, "PyTorch")):
        sheet.label(4, column, text, "header")
    row, part = 5, ""
    for line in listing(lesson):
        if line.part != part:
            part = line.part
            sheet.sections.append(row)
            sheet.label(row + 1, 2, HEADINGS[part], "heading")
            row += 2
        if line.key in drawing.places and part != "training":
            place = drawing.places[line.key][0]
            at = address(*place.cell((0,) * len(place.shape)))
            sheet.label(row, 2, line.key, "link", link=place.sheet, cell=at)
        for column, text in ((3, line.numpy), (4, line.torch)):
            if text:
                sheet.label(row, column, text, "code")
        row += 1
    sheet.widths = {1: 3.5, 2: 12.0}
    for column in (3, 4):
        longest = max([len(label.text) for label in sheet.labels if (label.column, label.style) == (column, "code")])
        sheet.widths[column] = 1.15 * min(LONGEST, longest) + 2
    sheet.freeze = "A5"
    return sheet


def read(table: Mapping, lesson: Lesson, values: Mapping[str, np.ndarray]) -> bool:
    """``code = true`` asks for the sheet; there is nothing to choose."""
    return True


def write(section: bool) -> bool:
    return section


SHEET = SheetKind(
    name=NAME,
    about="the same lesson in NumPy and in PyTorch, line by line",
    order=70,
    build=build,
    key="code",
    read=read,
    write=write,
)
