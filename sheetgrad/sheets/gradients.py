"""The Gradients sheet: one section a forward line, drawn as its equation; under each block its gradient.

Top to bottom is the forward pass, bottom to top the backward pass. All formulas come from the program's lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.formulas.expressions import Expr, Index, Shape
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.cells import CellArray
from sheetgrad.lines.typed import Range, Typed
from sheetgrad.plan.blocks import COLUMN_WIDTH, Block, Sheet
from sheetgrad.plan.drawing import (
    GRADIENTS,
    Drawing,
    Drawn,
    blank_blocks,
    copied,
    copy_blocks,
    formula_blocks,
    input_blocks,
)
from sheetgrad.plan.equations import FIRST_COLUMN
from sheetgrad.tables.table import table

NAME = GRADIENTS
TABLE = table("waiting")
HOW_TO_READ = (
    "Top to bottom is the forward pass. Under each block stands its gradient .g; read those from bottom to top: "
    "that is the backward pass."
)


@dataclass(frozen=True)
class Heading:
    """What stands below the title: how to read the sheet, or what a printed one asks for.

    ``page`` stands at the top of each printed page, left and right.
    """

    text: str = HOW_TO_READ
    style: str = "subtitle"
    span: int = 1
    height: float | None = None
    page: tuple[str, str] = ("", "")


def build(
    lesson: Lesson,
    drawing: Drawing,
    values: Mapping[str, np.ndarray],
    heading: Heading = Heading(),
    marks: Sequence[Block] = (),
) -> Sheet:
    """The sheet with every formula and what NumPy says it must show; ``marks`` are the verdicts beside blanks."""
    sheet = Sheet(NAME, labels=list(drawing.labels), sections=list(drawing.sections), heights=dict(drawing.heights))
    roles = {name: tensor.role for name, tensor in lesson.tensors.items()}
    sheet.label(1, FIRST_COLUMN, lesson.title, "title")
    sheet.label(2, FIRST_COLUMN, heading.text, heading.style, span=heading.span)
    if heading.height:
        sheet.heights[2] = heading.height
    sheet.heading = heading.page
    shown = ["value", "gradient", "blank"] if drawing.blanks.keys and not lesson.bug else ["value", "gradient"]
    yours = MENDABLE if drawing.blanks.keys else EDITABLE
    legend(sheet, 3, FIRST_COLUMN, {*roles.values()}, shown, "" if drawing.blanks.on_paper else yours)
    loss = lesson.program.loss
    sheet.label(
        4, FIRST_COLUMN, f"It starts at the end with {loss}.g = 1: {loss} grows exactly as fast as itself.", "note"
    )
    waiting = drawing.blanks.withheld(lesson.program)
    for item in drawing.drawn:
        if item.purpose != "check":  # those are made by the sheet that judges
            sheet.blocks += _blocks(lesson, drawing, item, values, roles, waiting)
    sheet.blocks += marks
    sheet.verdicts += [mark.area(NAME) for mark in marks]
    sheet.widths = {1: 3.5} | {k: COLUMN_WIDTH for k in range(2, sheet.last_column + 1)}
    sheet.freeze = "A5"
    return sheet


def _blocks(lesson: Lesson, drawing: Drawing, item: Drawn, values, roles, waiting) -> list[Block]:
    value, place = values[item.key], item.place
    style = _style(lesson, drawing, item, roles)
    more = dict(style=style, name=item.key)
    if item.purpose == "given":
        return input_blocks(place, value, **more)
    if item.purpose == "blank":
        return blank_blocks(place, value, item.key)
    if drawing.number_format:
        more["number_format"] = drawing.number_format
    more["open"] = style == "gradient_open"
    if item.copy:
        return _copied(drawing, item, values, waiting, more)
    if item.line is None:
        cells, book = CellArray.named(item.key, place.shape), drawing.places
    else:
        cells, book = lesson.program.cells[item.key], drawing.book(item.step)
        if item.key in waiting:
            cells = _once_filled(cells, waiting[item.key], lesson.program.shapes)
    if item.key in waiting:  # a tensor shown again waits itself
        value = np.full(value.shape, "", dtype=object)
    what = lesson.program.written(item.key) if item.line else item.key
    return formula_blocks(cells, place, book, value, what, **more)


def _style(lesson: Lesson, drawing: Drawing, item: Drawn, roles: Mapping[str, str]) -> str:
    if item.line is not None and item.key == lesson.program.loss:
        return "loss"
    if lesson.bug and item.line is not None and "." in item.key:
        return "gradient_open"  # all alike, so that none looks wrong
    if item.key in drawing.blanks.keys:
        return "answer"
    style = "gradient" if "." in item.key else roles.get(item.key, "value")
    return f"{style}_copy" if item.purpose in ("again", "copy") and style in roles.values() else style


def _copied(drawing: Drawing, item: Drawn, values, waiting, more: dict) -> list[Block]:
    """A copy in another order. What waits for a blank is empty until it is filled in; so is a copy of a blank, which
    would show 0."""
    blanks = [] if drawing.blanks.answered else [key for key in item.copy.tensors if key in drawing.blanks.keys]
    copy, shapes = item.copy, {key: values[key].shape for key in item.copy.tensors}
    nothing = np.full(copy.extent, "", dtype=object)
    value = nothing if blanks or waiting.keys() & copy.tensors else copy.numbers(values)
    cells = _once_filled(copied(copy), blanks, shapes) if blanks else copied(copy)
    more["name"] = copy.tensors[0]
    return copy_blocks(cells, item.place, drawing.places, value, item.key, **more)


def _once_filled(cells: CellArray, needs: Sequence[str], shapes: Mapping[str, Shape]) -> CellArray:
    """The cells, or an empty text as long as some number is missing in the blocks that they need."""
    every = sum(int(np.prod(shapes[key], dtype=int)) for key in needs)
    known = {"needed": Range(tuple(needs)), "every": every}

    def element(index: Index) -> Expr:
        return TABLE.on_cells(values={**known, "number": Typed(cells.element(index))})["shown"]

    return CellArray(cells.shape, element, cells.uniform)


WORDS = {
    "input": "input",
    "parameter": "parameter",
    "target": "target",
    "constant": "constant",
    "value": "value",
    "gradient": "gradient",
    "nudge": "nudge",
    "blank": "yours",
}


EDITABLE, MENDABLE = "blue numbers are yours to change", "the gradients are yours to change"


def legend(sheet: Sheet, row: int, column: int, roles: set[str], computed: list[str], yours: str = EDITABLE) -> None:
    """The colours in use, each with its word; and where nothing is blank, what is the student's to change."""
    shown = [role for role in WORDS if role in roles] + computed
    for k, role in enumerate(shown):
        sheet.label(row, column + k, WORDS[role], f"legend_{role}")
    if yours and "blank" not in shown:
        sheet.label(row, column + len(shown) + 1, yours, "editable_note")


SHEET = SheetKind(
    name=NAME,
    about="the forward pass line by line, and under each block its gradient",
    order=10,
    build=build,
)
