"""The Steps sheet: one number grows by a tiny step, row after row; everything else stays. How does the loss move?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sheetgrad.autodiff.program import run_lines
from sheetgrad.formulas.expressions import Expr, Op, Ref
from sheetgrad.formulas.fills import fill
from sheetgrad.formulas.places import Placement
from sheetgrad.formulas.printing import Printer
from sheetgrad.lesson.fields import LessonError, Section, number_of, setting, text_of
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import PlanError, Sheet
from sheetgrad.plan.drawing import Drawing
from sheetgrad.sheets.nudge import EPSILON

NAME = "Steps"
STEP = "steps.step"
HEADER, FIRST = 7, 8
LESSON_STEP = Placement(NAME, 4, 3, (), ())


@dataclass(frozen=True)
class Steps(Section):
    """The tensor ``number`` (a single number) grows by ``step``, ``rows`` times."""

    number: str
    step: float = setting(1e-6)
    rows: int = 10


def read(table: Mapping, lesson: Lesson, values: Mapping[str, np.ndarray]) -> Steps:
    """The section of a template; the number must be a single one with a gradient."""
    number = text_of(table, "number", 30, where="[steps] ")
    if number not in lesson.tensors or lesson.tensors[number].values.ndim:
        single = [name for name, tensor in lesson.tensors.items() if not tensor.values.ndim]
        raise LessonError(
            f"[steps] number: found {number!r}, expected a tensor that is a single number: {', '.join(single) or 'none'}"
        )
    if number not in lesson.gradients:
        raise LessonError(f"[steps] number: {number} has no gradient; expected one of {', '.join(lesson.gradients)}")
    return Steps(
        number=number,
        step=number_of(table, "step", Steps.step, 1e-15, 1e6, "[steps] "),
        rows=int(number_of(table, "rows", Steps.rows, 1, 1000, "[steps] ")),
    )


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The sheet. Columns: the number, the other given numbers, the forward pass, and what the loss did."""
    steps, program = lesson.sections["steps"], lesson.program
    name, loss = steps.number, program.loss
    lines = program.forward_after([name])
    if any(line.shape for line in lines):
        raise PlanError(
            f"[steps]: {name} leads to values that are not single numbers; the Steps sheet shows single ones"
        )
    others = [key for key in lesson.tensors if key != name and not program.shapes[key]]
    columns = [name, *others, *(line.target for line in lines)]
    at = {key: 2 + k for k, key in enumerate(columns)}
    runs = _runs(lesson, lines, values)
    sheet = Sheet(NAME)
    sheet.label(1, 2, f"{name} grows by a tiny step, row after row", "title")
    stay = f"{' and '.join(others)} stay{'s' * (len(others) == 1)} as {'it is' if len(others) == 1 else 'they are'}. "
    sheet.label(2, 2, f"{stay if others else ''}How much does {loss} move each time?", "subtitle")
    sheet.label(4, 2, f"{name} step", "setting_name")
    sheet.label(4, 4, "yours to change: try 0.5, then 0.00000000000001", "editable_note")
    sheet.input(4, 3, steps.step, STEP)
    rows = steps.rows

    def add(column: int, start: int, tokens_at, expected: np.ndarray, style: str, form: str, tolerance=0.0) -> None:
        grid = expected.reshape(-1, 1)
        filled = fill(tokens_at, len(grid), 1, NAME, True)
        sheet.formulas(start, column, filled, grid, style, tolerance=tolerance, number_format=form)

    def place(column: int, row: int) -> list[Placement]:
        return [Placement(NAME, row, column, (), ())]

    def book(row: int) -> dict[str, list[Placement]]:
        here = {key: place(column, row) for key, column in at.items()}
        above = {f"above.{key}": place(column, row - 1) for key, column in at.items()}
        return {**drawing.places, **here, **above, STEP: [LESSON_STEP], "field.step": place(last + 2, row)}

    def formula(expression: Expr):
        return lambda start: lambda i, j: Printer(book(start + i)).tokens(expression)

    last = 1 + len(columns)
    for key in columns:
        sheet.label(HEADER, at[key], key, "header")
    own = Printer(drawing.places)
    roles = {key: f"{tensor.role}_copy" for key, tensor in lesson.tensors.items()}
    grow = formula(Op("+", Ref(f"above.{name}", ()), Ref(STEP, ())))
    add(at[name], FIRST, lambda i, j: own.tokens(Ref(name, ())), runs[name][:1], roles[name], "0.00########")
    add(at[name], FIRST + 1, grow(FIRST + 1), runs[name][1:], roles[name], "0.00########")
    for key in others:
        stays = np.full(rows + 1, float(values[key]))
        add(at[key], FIRST, lambda i, j, key=key: own.tokens(Ref(key, ())), stays, roles[key], "0.00########")
    for line in lines:
        cells = program.cells[line.target]
        add(at[line.target], FIRST, formula(cells.element(()))(FIRST), runs[line.target], "value", "0.00########")
    moved = np.diff(runs[loss])
    noise = 32 * EPSILON * float(np.abs(runs[loss]).max()) * max(1, len(lines))
    size = lesson.sections["steps"].step
    difference = formula(Op("-", Ref(loss, ()), Ref(f"above.{loss}", ())))
    share = formula(Op("/", Ref("field.step", ()), Ref(STEP, ())))
    shown = [
        (f"{loss} step, 2 decimals", difference, moved, "nudge", "0.00", noise),
        (f"{loss} step", difference, moved, "nudge", "0.00000E+00", noise),
        (f"{loss} step ÷ {name} step", share, moved / size, "slope", "0.000000", noise / size),
    ]
    for k, (heading, tokens, expected, style, form, tolerance) in enumerate(shown, last + 1):
        sheet.label(HEADER, k, heading, "header")
        add(k, FIRST + 1, tokens(FIRST + 1), expected, style, form, tolerance)
    gradient = Ref(f"{name}.g", ())
    now = np.array([float(values[f"{name}.g"])])
    sheet.label(HEADER, last + 4, f"{name}.g (rule, at the start)", "header")
    add(last + 4, FIRST, lambda i, j: own.tokens(gradient), now, "gradient_bold", "0.000000")
    _explain(sheet, FIRST + rows + 2, name, loss)
    sheet.widths = {1: 3.5} | {k: 13.5 for k in range(2, last + 5)}
    sheet.heights[HEADER] = 32
    sheet.freeze = f"A{FIRST}"
    return sheet


def _runs(lesson: Lesson, lines, values) -> dict[str, np.ndarray]:
    """Every value of every row, on numbers: the number grows by adding the step, as the sheet does."""
    name, runs = lesson.sections["steps"].number, {}
    number = float(values[name])
    for _ in range(lesson.sections["steps"].rows + 1):
        result = run_lines(lines, {**values, name: np.array(number)}, lesson.program.rules)
        for key in (name, *(line.target for line in lines)):
            runs.setdefault(key, []).append(float(result[key]))
        number += lesson.sections["steps"].step
    return {key: np.array(column) for key, column in runs.items()}


def _explain(sheet: Sheet, row: int, name: str, loss: str) -> None:
    """Why a step may look like 0, in two causes."""
    lines = (
        f"A {loss} step of 0.00 is not 0: the cell shows two decimals. The next column shows the same number in full.",
        "With a very tiny step the difference itself suffers: a spreadsheet keeps about 16 digits of each number, and "
        "some applications turn a difference of two nearly equal numbers into an exact 0.",
        f"What to do: show more decimals (or scientific notation), or take a larger {name} step.",
    )
    for k, text in enumerate(lines):
        sheet.label(row + k, 2, text, "note_text")


SHEET = SheetKind(
    name=NAME,
    about="one number grows by a tiny step, row after row",
    order=30,
    build=build,
    key="steps",
    fields=("number", "step", "rows"),
    read=read,
)
