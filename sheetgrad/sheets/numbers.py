"""The hidden Numbers sheet: every number that can be picked by name, with its value and gradient as they are now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sheetgrad.formulas.expressions import Call, Expr, Num, Ref, Whole
from sheetgrad.formulas.fills import fill
from sheetgrad.formulas.places import Area, Placement
from sheetgrad.formulas.printing import Printer
from sheetgrad.lesson.fields import LessonError, Section, WordSetting, choice, number_of, setting, text_of
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.names import closest
from sheetgrad.plan.blocks import Block, PlanError, Sheet
from sheetgrad.plan.drawing import Drawing
from sheetgrad.plan.passes import pass_cells

NAME = "Numbers"
COLUMNS = ("name", "tensor", "row", "column", "value", "gradient")
PICK_ONE = WordSetting(lambda lesson: lesson.numbers)
LARGEST = 20_000  # cells of forward pass on a sheet where one number is picked: a school laptop opens it quickly
PICK = "picked"  # what the formulas of other sheets call the cell with the picked name


@dataclass(frozen=True)
class Laboratory(Section):
    """What the Step size, Ripple and Tangent sheets start with: the number that each has picked, such as
    ``w[1,2]``, and how far it is nudged there. Students change all of it in the workbook."""

    step_size: str = setting("", PICK_ONE)
    ripple: str = setting("", PICK_ONE)
    tangent: str = setting("", PICK_ONE)
    nudge: float = setting(0.1)
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
    for k, word in enumerate(COLUMNS, 1):
        sheet.label(1, k, word, "header")
    row = 2
    for name in lesson.program.requested:
        picked = [(text, index) for text, (tensor, index) in lesson.numbers.items() if tensor == name]
        if not picked:
            continue
        block = drawing.places[name][0]
        cells = [block.cell(index) for _, index in picked]
        fixed = {
            "name": [text for text, _ in picked],
            "tensor": [name] * len(picked),
            "row": [float(r - block.row + 1) for r, _ in cells],
            "column": [float(c - block.column + 1) for _, c in cells],
        }
        for word, column in fixed.items():
            expected = np.array([[value] for value in column], dtype=object)
            form = "@" if isinstance(column[0], str) else "0"
            sheet.blocks.append(
                Block(row, _column(word), expected.tolist(), "index", "fixed", expected, number_format=form)
            )
        for word, key in (("value", name), ("gradient", f"{name}.g")):
            expected = np.array([[float(values[key][index])] for _, index in picked])
            expression = _looked_up(drawing, key)

            def tokens(i: int, j: int, expression=expression, row=row):
                places = {word: [Placement(NAME, row + i, _column(word), (), ())] for word in ("row", "column")}
                return Printer({**drawing.places, **places}).tokens(expression)

            filled = fill(tokens, len(picked), 1, NAME, True)
            sheet.formulas(row, _column(word), filled, expected, "index", name=key)
        row += len(picked)
    return sheet


def _column(word: str) -> int:
    return 1 + COLUMNS.index(word)


def _looked_up(drawing: Drawing, key: str) -> Expr:
    area = drawing.places[key][0].area
    if (area.top, area.left) == (area.bottom, area.right):
        return Whole(key)
    return Call("INDEX", (Whole(key), Ref("row", ()), Ref("column", ())))


def refuse_heavy(lesson: Lesson, passes: int) -> None:
    """Raises :class:`PlanError` where so many forward passes of the picked number would make a heavy sheet."""
    cells = passes * pass_cells(lesson.program, lesson.program.requested)
    if cells > LARGEST:
        raise PlanError(f"{cells:,} cells of forward pass would be too many")


def choices(lesson: Lesson) -> Area:
    """Where the names stand, for a cell that picks one."""
    return Area(NAME, 2, 1, 1 + len(lesson.numbers), 1)


def places(lesson: Lesson) -> dict[str, list[Placement]]:
    """The columns with their headings, for :func:`of_the_picked`."""
    shape, steps = (1 + len(lesson.numbers),), ((1, 0),)
    return {f"numbers.{word}": [Placement(NAME, 1, _column(word), shape, steps)] for word in COLUMNS}


def of_the_picked(word: str) -> Expr:
    """The value, gradient, tensor, row or column of the number whose name stands in the cell called ``PICK``."""
    return Call("INDEX", (Whole(f"numbers.{word}"), Call("MATCH", (Ref(PICK, ()), Whole("numbers.name"), Num(0)))))


SHEET = SheetKind(
    name=NAME,
    about="the numbers that can be picked",
    order=110,
    build=build,
    key="laboratory",
    fields=("number", "nudge", "reach"),
    read=read,
    write=write,
    default={},
    hidden=True,
)
