"""The hidden Numbers sheet: every number that can be picked by name, with its value and gradient as they are now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sheetgrad.formulas.places import Area, Book, Placement
from sheetgrad.lesson.fields import LessonError, Section, WordSetting, choice, number_of, setting, text_of
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.names import closest
from sheetgrad.plan.blocks import Block, PlanError, Sheet
from sheetgrad.plan.drawing import Drawing
from sheetgrad.plan.fields import cells_of, column
from sheetgrad.plan.passes import pass_cells
from sheetgrad.sheets.nudge import in_block
from sheetgrad.tables.table import table

NAME = "Numbers"
TABLE = table("numbers")
COLUMNS = tuple(TABLE.fields)
PICK_ONE = WordSetting(lambda lesson: lesson.numbers)
LARGEST = 20_000  # cells of forward pass on a sheet where one number is picked: a school laptop opens it quickly


@dataclass(frozen=True)
class Laboratory(Section):
    """What the Best h, Ripple and Tangent sheets start with: the number that each has picked, such as
    ``w[1,2]``, and how far it is nudged there. Students change all of it in the workbook."""

    best_h: str = setting("", PICK_ONE)
    ripple: str = setting("", PICK_ONE)
    tangent: str = setting("", PICK_ONE)
    nudge: float = setting(0.001)
    reach: float = setting(0.5)


def read(table: Mapping, lesson: Lesson, values: Mapping[str, np.ndarray]) -> Laboratory:
    """What the template picks; otherwise the first number that moves the loss, parameters before inputs."""
    names = list(lesson.numbers)

    def rank(name: str) -> tuple[bool, bool]:
        tensor, index = lesson.numbers[name]
        return values[f"{tensor}.g"][index] == 0, lesson.tensors[tensor].role != "parameter"

    number = text_of(table, "number", 60, min(names, key=rank), "[laboratory] ")
    if number not in names:
        raise LessonError(f"[laboratory] number: found {number!r}, expected {choice(names)}{closest(number, names)}")
    nudge = number_of(table, "nudge", Laboratory.nudge, 1e-12, 1e6, "[laboratory] ")
    reach = number_of(table, "reach", Laboratory.reach, 1e-12, 1e6, "[laboratory] ")
    return Laboratory(number, number, number, nudge, reach)


def write(section: Laboratory) -> dict:
    return {"number": section.ripple, "nudge": section.nudge, "reach": section.reach}


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


def refuse_heavy(lesson: Lesson, passes: int) -> None:
    """Raises :class:`PlanError` where so many forward passes of the picked number would make a heavy sheet."""
    cells = passes * pass_cells(lesson.program, lesson.program.requested)
    if cells > LARGEST:
        raise PlanError(f"{cells:,} cells of forward pass would be too many")


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


SHEET = SheetKind(
    name=NAME,
    about="the numbers that can be picked",
    order=110,
    build=build,
    key="laboratory",
    fields=("number", "nudge", "reach"),
    read=read,
    write=write,
    hidden=True,
)
