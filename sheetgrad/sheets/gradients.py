"""The Gradients sheet: one section a forward line, drawn as its equation; under each block its gradient.

Top to bottom is the forward pass, bottom to top the backward pass. All formulas come from the program's lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sheetgrad.autodiff.program import Program
from sheetgrad.formulas.expressions import Expr, Index
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.cells import CellArray
from sheetgrad.lines.typed import Range, Typed
from sheetgrad.plan.blocks import COLUMN_WIDTH, Block, Sheet
from sheetgrad.plan.drawing import GRADIENTS, Drawing, Drawn, blank_blocks, formula_blocks, input_blocks
from sheetgrad.plan.equations import FIRST_COLUMN
from sheetgrad.tables.table import table

NAME = GRADIENTS
TABLE = table("waiting")
HOW_TO_READ = (
    "Top to bottom is the forward pass. Under each block stands its gradient .g; read those from bottom to top: "
    "that is the backward pass."
)


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The sheet with every formula and what NumPy says it must show."""
    sheet = drawing.sheet
    roles = {name: tensor.role for name, tensor in lesson.tensors.items()}
    sheet.label(1, FIRST_COLUMN, lesson.title, "title")
    sheet.label(2, FIRST_COLUMN, HOW_TO_READ, "subtitle")
    legend(
        sheet,
        3,
        FIRST_COLUMN,
        {*roles.values()},
        ["value", "gradient", "blank"] if drawing.blanks.keys else ["value", "gradient"],
    )
    loss = lesson.program.loss
    sheet.label(
        4, FIRST_COLUMN, f"It starts at the end with {loss}.g = 1: {loss} grows exactly as fast as itself.", "note"
    )
    waiting = drawing.blanks.withheld(lesson.program)
    for item in drawing.drawn:
        if item.purpose != "check":  # those are made by the sheet that judges
            sheet.blocks += _blocks(lesson, drawing, item, values[item.key], roles, waiting)
    sheet.widths = {1: 3.5} | {k: COLUMN_WIDTH for k in range(2, sheet.last_column + 1)}
    last = max(sheet.last_column, 14)
    for label in [label for label in sheet.labels if label.style == "bar_number"]:
        taken = {other.column for other in sheet.labels if other.row == label.row}
        for column in range(1, last + 1):
            if column not in taken:
                sheet.label(label.row, column, "", "bar")
    sheet.freeze = "A5"
    return sheet


def _blocks(lesson: Lesson, drawing: Drawing, item: Drawn, value: np.ndarray, roles, waiting) -> list[Block]:
    place, shape = item.place, item.place.shape
    style = (
        "answer" if item.key in drawing.blanks.keys else "gradient" if "." in item.key else roles.get(item.key, "value")
    )
    if item.purpose in ("again", "turned") and style in roles.values():
        style = f"{style}_copy"
    if item.line is not None and item.key == lesson.program.loss:
        style = "loss"
    more = dict(style=style, name=item.key)
    if item.purpose == "given":
        return input_blocks(place, value, **more)
    if item.purpose == "blank":
        return blank_blocks(place, value, item.key)
    cells = lesson.program.cells[item.key] if item.line else CellArray.named(item.key, shape)
    if drawing.number_format:
        more["number_format"] = drawing.number_format
    needs = waiting.get(item.key, [])
    if item.purpose == "turned" and item.key in drawing.blanks.keys and not drawing.blanks.answered:
        needs = [item.key]
    elif item.line is None:
        needs = []
    if needs:
        cells = _once_filled(cells, needs, lesson.program)
        value = np.full(value.shape, "", dtype=object)
    elif item.key in waiting:  # a copy of what waits itself
        value = np.full(value.shape, "", dtype=object)
    book = drawing.book(item.step) if item.line else drawing.places
    what = item.line.text if item.line else item.key
    return formula_blocks(cells, place, book, value, what, turned=item.purpose == "turned", **more)


def _once_filled(cells: CellArray, needs: Sequence[str], program: Program) -> CellArray:
    """The cells, or an empty text as long as some number is missing in the blocks that they need."""
    every = sum(int(np.prod(program.shapes[key], dtype=int)) for key in needs)
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


def legend(sheet: Sheet, row: int, column: int, roles: set[str], computed: list[str]) -> None:
    """The colours in use, each with its word."""
    shown = [role for role in WORDS if role in roles] + computed
    for k, role in enumerate(shown):
        sheet.label(row, column + k, WORDS[role], f"legend_{role}")
    if "blank" not in shown:
        sheet.label(row, column + len(shown) + 1, "blue numbers are yours to change", "editable_note")


SHEET = SheetKind(
    name=NAME,
    about="the forward pass line by line, and under each block its gradient",
    order=10,
    build=build,
)
