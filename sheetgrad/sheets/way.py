"""The way of the numbers, a map on the Lesson sheet: a row a step, with what comes back to it, each a link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.autodiff.program import Line
from sheetgrad.formulas.expressions import Ref
from sheetgrad.formulas.places import address
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.shapes import shape_text
from sheetgrad.plan.blocks import Sheet
from sheetgrad.plan.drawing import GRADIENTS, Drawing

NUMBER, LINE, SHAPE, ARROW, BACK = range(10, 15)  # columns
BACKS = 4  # columns from BACK on
LAST = BACK + BACKS - 1
WIDTHS = {NUMBER: 3.0, SHAPE: 9.3, ARROW: 2.7}
SHARED = 77.0  # the width that lines and what comes back have together
LEAST, MOST_BACK = 35.0, 48.0  # what either may ask for whatever the other needs, and what suits the second
CODE = 1.15  # the width of a character of Consolas 10, or of a wider font where that is missing


@dataclass(frozen=True)
class Room:
    """How wide the column of lines is, and each of those of what comes back."""

    line: float
    back: float

    @property
    def widths(self) -> dict[int, float]:
        return WIDTHS | {LINE: self.line} | dict.fromkeys(range(BACK, LAST + 1), self.back)


def draw(sheet: Sheet, lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray], top: int) -> int:
    """Draws the map and sets the widths of its columns; gives the first row below it."""
    program = lesson.program
    written = gradients_written(lesson, drawing)
    room = _room(lesson, written)
    sheet.widths |= room.widths
    sheet.label(top, NUMBER, "The way of the numbers", "heading")
    sheet.label(top, SHAPE, "shape", "map_note")
    sheet.label(top, ARROW, "what comes back, from the bottom up", "map_note")
    sheet.label(top + 1, LINE, shortened(_given(lesson), room.line), "map_given")
    sheet.label(top + 1, SHAPE, "given", "map_note")
    bars = section_rows(drawing)
    for row, step in enumerate(program.steps, top + 2):
        sheet.label(row, NUMBER, str(step.number), "map_number")
        link = dict(link=GRADIENTS, cell=address(bars[step.number], 1))
        sheet.label(row, LINE, shortened(step.heading, room.line), "map_line", **link)
        shape = program.shapes[step.result]
        sheet.label(row, SHAPE, shape_text(shape) if shape else "1", "map_note")
        _back(sheet, drawing, row, written[step.number], room)
    _loss(sheet, lesson, drawing, values, top + 2 + len(program.steps), room)
    return top + 4 + len(program.steps)


def _given(lesson: Lesson) -> str:
    return "  ".join(lesson.program.leaves)


def _room(lesson: Lesson, written: Mapping[int, Sequence[Line]]) -> Room:
    """Lines and what comes back share the width as they need it."""
    longest = max(len(_given(lesson)), *(len(step.heading) for step in lesson.program.steps))
    texts = [(len(_texts(lines)), text) for lines in written.values() for text in _texts(lines)]
    back = max([LEAST, *((CODE * len(text) + 1) * BACKS / _columns(count) for count, text in texts)])
    line = min(CODE * longest + 1, SHARED - min(back, SHARED - LEAST))
    line = max(line, SHARED - MOST_BACK)
    return Room(line, (SHARED - line) / BACKS)


def _texts(written: Sequence[Line]) -> list[str]:
    """What stands on the map for the gradients that a step writes: the whole line of one, the names of several, side by
    side where each has room."""
    if len(written) == 1:
        return [written[0].text]
    names = [line.target for line in written]
    room = (SHARED - LEAST) / BACKS * _columns(len(names))
    return names if all(CODE * len(name) + 1 <= room for name in names) else ["  ".join(names)]


def _columns(count: int) -> int:
    """How many columns each of so many texts can have."""
    return BACKS // max(1, count)


def _back(sheet: Sheet, drawing: Drawing, row: int, written: Sequence[Line], room: Room) -> None:
    texts = _texts(written)
    if texts:
        sheet.label(row, ARROW, "↑", "map_arrow")
    for k, (line, text) in enumerate(zip(written, texts, strict=False)):
        columns = _columns(len(texts))
        at = drawing.places[line.target][0]
        link = dict(link=GRADIENTS, cell=address(at.row, at.column))
        sheet.label(row, BACK + k * columns, shortened(text, columns * room.back), "map_back_link", **link)


def _loss(
    sheet: Sheet, lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray], row: int, room: Room
) -> None:
    """The loss as it is, where the way back starts; and what a gradient says."""
    program = lesson.program
    loss, shown = program.loss, float(values[program.loss])
    form = "0.0000##" if 5e-4 <= abs(shown) < 1e5 or shown == 0 else "0.00E+00"
    sheet.label(row, LINE, shortened(f"{loss} now", room.line), "map_given")
    sheet.formula(row, SHAPE, Ref(loss, ()), drawing.places, shown, "map_loss", number_format=form)
    sheet.label(row, ARROW, "↑", "map_arrow")
    sheet.label(row, BACK, f"{loss}.g = 1, where it starts", "map_back")
    name, end = program.requested[0], program.loss_in_words
    said = f"{name}.g says how fast {end} grows when {name} alone grows"
    if program.shapes[name]:
        said = f"{name}.g says for each number of {name} how fast {end} grows when it alone grows"
    sheet.label(row + 1, LINE, said, "map_note")


def section_rows(drawing: Drawing) -> dict[int, int]:
    """Where the section of each step begins, by the number that stands there."""
    return {int(label.text): label.row for label in drawing.labels if label.style == "bar_number"}


def gradients_written(lesson: Lesson, drawing: Drawing) -> dict[int, list[Line]]:
    """By step, the lines of the gradients whose blocks stand in its section, in the order in which they are computed."""
    bars = sorted((row, number) for number, row in section_rows(drawing).items())
    found: dict[int, list[Line]] = {number: [] for _, number in bars}
    for line in lesson.program.backward:
        if line.target.endswith(".g"):
            at = drawing.places[line.target][0].row
            found[max((row, number) for row, number in bars if row <= at)[1]].append(line)
    return found


def shortened(text: str, width: float) -> str:
    """As much of a line of code as fits."""
    most = int((width - 1) / CODE + 1e-6)
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
