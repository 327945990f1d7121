"""The way of the numbers, a map on the Lesson sheet: a row a step, with what comes back to it, each a link."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

import numpy as np

from sheetgrad.autodiff.program import Step
from sheetgrad.formulas.expressions import Ref
from sheetgrad.formulas.places import address
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.shapes import shape_text
from sheetgrad.plan.blocks import Sheet
from sheetgrad.plan.drawing import GRADIENTS, Drawing

NUMBER, LINE, SHAPE, ARROW, BACK = range(10, 15)  # columns; from BACK on as many as BACK_WIDTHS
BACK_WIDTHS = (10.5, 10.5, 10.5, 10.5)
WIDTHS = {NUMBER: 3.0, LINE: 35.0, SHAPE: 9.3, ARROW: 2.7} | dict(zip(count(BACK), BACK_WIDTHS, strict=False))
LONGEST_LINE, LONGEST_BACK = 30, 38  # characters of Consolas 10 that fit, in a wider font where that is missing


def draw(sheet: Sheet, lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray], top: int) -> int:
    """Draws the map; gives the first row below it."""
    program = lesson.program
    sheet.label(top, NUMBER, "The way of the numbers", "heading")
    sheet.label(top, SHAPE, "shape", "map_note")
    sheet.label(top, ARROW, "what comes back, from the bottom up", "map_note")
    sheet.label(top + 1, LINE, shortened("  ".join(program.leaves), LONGEST_LINE), "map_given")
    sheet.label(top + 1, SHAPE, "given", "map_note")
    bars, written = section_rows(drawing), gradients_written(lesson, drawing)
    for row, step in enumerate(program.steps, top + 2):
        _step(sheet, row, step, program.shapes, bars)
        _back(sheet, lesson, drawing, row, written[step.number])
    row = top + 2 + len(program.steps)
    loss = program.loss
    sheet.label(row, LINE, f"{loss} now", "map_given")
    shown, form = float(values[loss]), "0.0000##"
    form = form if 5e-4 <= abs(shown) < 1e5 or shown == 0 else "0.00E+00"
    sheet.formula(row, SHAPE, Ref(loss, ()), drawing.places, shown, "map_loss", number_format=form)
    sheet.label(row, ARROW, "↑", "map_arrow")
    sheet.label(row, BACK, f"{loss}.g = 1, where it starts", "map_back")
    name = program.requested[0]
    alone = f"when a number of {name}" if program.shapes[name] else f"when {name}"
    sheet.label(row + 1, LINE, f"{name}.g says how fast {loss} grows {alone} alone grows a little", "map_note")
    return row + 2


def _step(sheet: Sheet, row: int, step: Step, shapes, bars: Mapping[int, int]) -> None:
    sheet.label(row, NUMBER, str(step.number), "map_number")
    link = dict(link=GRADIENTS, cell=address(bars[step.number], 1))
    sheet.label(row, LINE, shortened(step.heading, LONGEST_LINE), "map_line", **link)
    shape = shapes[step.result]
    sheet.label(row, SHAPE, shape_text(shape) if shape else "1", "map_note")


def _back(sheet: Sheet, lesson: Lesson, drawing: Drawing, row: int, written: list[str]) -> None:
    """The gradients that a step writes: the whole line of one, the names of several."""
    if not written:
        return
    texts = written
    if len(written) == 1:
        line = next(line for line in lesson.program.backward if line.target == written[0])
        texts = [shortened(line.text, LONGEST_BACK)]
    sheet.label(row, ARROW, "↑", "map_arrow")
    room = len(BACK_WIDTHS)
    if len(texts) > room:
        texts = [*texts[: room - 1], f"… {len(texts) - room + 1} more"]
    for k, (key, text) in enumerate(zip(written, texts, strict=False)):
        at = drawing.places[key][0]
        link = dict(link=GRADIENTS, cell=address(at.row, at.column))
        sheet.label(row, BACK + k, shortened(text, LONGEST_BACK), "map_back_link", **link)


def section_rows(drawing: Drawing) -> dict[int, int]:
    """Where the section of each step begins, by the number that stands there."""
    return {int(label.text): label.row for label in drawing.labels if label.style == "bar_number"}


def gradients_written(lesson: Lesson, drawing: Drawing) -> dict[int, list[str]]:
    """By step, the gradients whose blocks stand in its section, in the order in which they are computed."""
    bars = sorted((row, number) for number, row in section_rows(drawing).items())
    found: dict[int, list[str]] = {number: [] for _, number in bars}
    for line in lesson.program.backward:
        if line.target.endswith(".g"):
            at = drawing.places[line.target][0].row
            found[max((row, number) for row, number in bars if row <= at)[1]].append(line.target)
    return found


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
