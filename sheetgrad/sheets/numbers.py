"""The hidden Numbers sheet: every number that can be picked by name, with its value and gradient as they are now."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sheetgrad.formulas.places import Area, Book, Placement
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import Block, Sheet
from sheetgrad.plan.drawing import Drawing
from sheetgrad.plan.fields import cells_of, column
from sheetgrad.sheets.nudge import in_block
from sheetgrad.tables import table

NAME = "Numbers"
TABLE = table("numbers")
COLUMNS = tuple(TABLE.fields)


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The list. The rows and columns count within the number's block on the Gradients sheet."""
    sheet = Sheet(NAME, hidden=True, widths={1: 16.0})
    for name, field in TABLE.fields.items():
        sheet.label(1, _column(name), field.heading, "header")
    row = 2
    for name in lesson.program.requested:
        picked = {text: index for text, (tensor, index) in lesson.numbers.items() if tensor == name}
        if picked:
            _section(sheet, drawing, values, name, picked, row)
            row += len(picked)
    return sheet


def _section(sheet: Sheet, drawing: Drawing, values, name: str, picked: Mapping[str, tuple], first: int) -> None:
    """The numbers of one tensor."""
    rows, columns = in_block(drawing.places[name][0], list(picked.values()))
    fixed = {"name": list(picked), "tensor": [name] * len(picked), "row": rows, "column": columns}
    for word, cells in fixed.items():
        expected, field = np.array([[value] for value in cells], dtype=object), TABLE.fields[word]
        at = (first, _column(word), expected.tolist(), field.style, "fixed", expected)
        sheet.blocks.append(Block(*at, number_format=field.format))
    blocks = {"block": drawing.places[name], "gradients": drawing.places[f"{name}.g"]}
    formulas = TABLE.on_cells({key: cells_of(block, key) for key, block in blocks.items()})

    def book(row: int) -> Book:
        return {**blocks, **{word: [Placement(NAME, row, _column(word), (), ())] for word in ("row", "column")}}

    for word, key in (("value", name), ("gradient", f"{name}.g")):
        found = TABLE.on_numbers({word: [float(values[key][index]) for index in picked.values()]})[word]
        column(sheet, first, _column(word), TABLE.fields[word], formulas[word], book, found, name=key)


def _column(word: str) -> int:
    return 1 + COLUMNS.index(word)


def choices(lesson: Lesson) -> Area:
    """Where the names stand, for a cell that picks one."""
    return Area(NAME, 2, 1, 1 + len(lesson.numbers), 1)


def places(lesson: Lesson) -> dict[str, list[Placement]]:
    """The columns with their headings, by the names in ``picked.toml``."""
    shape, steps = (1 + len(lesson.numbers),), ((1, 0),)
    return {f"numbers.{word}": [Placement(NAME, 1, _column(word), shape, steps)] for word in COLUMNS}


def listed(lesson: Lesson, values: Mapping[str, np.ndarray]) -> dict[str, list]:
    """What stands in the columns of names, tensors, values and gradients, by the names in ``picked.toml``."""
    numbers = lesson.numbers
    return {
        "numbers.name": list(numbers),
        "numbers.tensor": [tensor for tensor, _ in numbers.values()],
        "numbers.value": [float(values[tensor][index]) for tensor, index in numbers.values()],
        "numbers.gradient": [float(values[f"{tensor}.g"][index]) for tensor, index in numbers.values()],
    }
