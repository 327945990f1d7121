"""The sheet Row by row: one number grows by a tiny step, row after row; everything else stays. How does the loss move?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.autodiff.program import run_lines
from sheetgrad.formulas.expressions import Expr, Ref
from sheetgrad.formulas.places import Book, Placement
from sheetgrad.lesson.fields import LessonError, Section, number_of, setting, text_of
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.spreads import Spread
from sheetgrad.plan.blocks import PlanError, Sheet
from sheetgrad.plan.drawing import Drawing
from sheetgrad.plan.fields import column, largest
from sheetgrad.tables.table import Field, table

NAME = "Row by row"
STEP = "steps.step"
TABLE = table("row_by_row")
HEADER, FIRST = 7, 8
LESSON_STEP = Placement(NAME, 4, 3, (), ())
FORMAT = "0.00########"


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
            f"[steps]: {name} leads to values that are not single numbers; the sheet Row by row shows single ones"
        )
    others = [key for key in lesson.tensors if key != name and not program.shapes[key]]
    sheet = Sheet(NAME)
    _heading(sheet, lesson, others)
    at = {key: 2 + k for k, key in enumerate([name, *others, *(line.target for line in lines)])}
    runs = _runs(lesson, lines, values)
    _passes(sheet, lesson, drawing, lines, others, at, runs)
    _what_the_loss_did(sheet, lesson, drawing, at, runs[loss], len(lines), float(values[f"{name}.g"]))
    _explain(sheet, FIRST + steps.rows + 2, name, loss)
    sheet.widths = {1: 3.5} | {k: 13.5 for k in range(2, sheet.last_column + 1)}
    sheet.heights[HEADER] = 32
    sheet.freeze = f"A{FIRST}"
    return sheet


def _heading(sheet: Sheet, lesson: Lesson, others: Sequence[str]) -> None:
    name, loss = lesson.sections["steps"].number, lesson.program.loss
    sheet.label(1, 2, f"{name} grows by a tiny step, row after row", "title")
    stay = f"{' and '.join(others)} stay{'s' * (len(others) == 1)} as {'it is' if len(others) == 1 else 'they are'}. "
    sheet.label(2, 2, f"{stay if others else ''}How much does {loss} move each time?", "subtitle")
    sheet.label(4, 2, f"{name} step", "setting_name")
    sheet.label(4, 4, "yours to change: try 0.5, then 0.00000000000001", "editable_note")
    sheet.input(4, 3, lesson.sections["steps"].step, STEP)


def _place(column: int, row: int) -> list[Placement]:
    return [Placement(NAME, row, column, (), ())]


def _passes(sheet: Sheet, lesson: Lesson, drawing: Drawing, lines, others, at, runs) -> None:
    """The numbers and the forward pass in every row."""
    name, program = lesson.sections["steps"].number, lesson.program
    for key, number in at.items():
        sheet.label(HEADER, number, key, "header")
    own = drawing.places

    def book(row: int) -> Book:
        return {**own, **{key: _place(number, row) for key, number in at.items()}}

    def add(key: str, row: int, formula: Expr, places, expected) -> None:
        style = f"{lesson.tensors[key].role}_copy" if key in lesson.tensors else "value"
        column(sheet, row, at[key], Field(key, key, style, FORMAT), formula, places, Spread(expected))

    add(name, FIRST, Ref(name, ()), lambda row: own, runs[name][:1])
    grown = TABLE.on_cells()["grown"]
    above = {"size": [LESSON_STEP]}
    add(name, FIRST + 1, grown, lambda row: {**above, "number_before": _place(at[name], row - 1)}, runs[name][1:])
    for key in others:
        add(
            key,
            FIRST,
            Ref(key, ()),
            lambda row: own,
            np.full(lesson.sections["steps"].rows + 1, float(lesson.values[key])),
        )
    for line in lines:
        add(line.target, FIRST, program.cells[line.target].element(()), book, runs[line.target])


def _what_the_loss_did(
    sheet: Sheet,
    lesson: Lesson,
    drawing: Drawing,
    at: Mapping[str, int],
    losses: np.ndarray,
    lines: int,
    gradient: float,
) -> None:
    """How far the loss moved from row to row, and beside it what the rule says."""
    name, loss = lesson.sections["steps"].number, lesson.program.loss
    given = dict(loss=losses[1:], before=losses[:-1], size=lesson.sections["steps"].step, start=gradient)
    found = TABLE.on_numbers({**given, "largest": largest(losses), "longest": float(max(1, lines))})
    formulas = TABLE.on_cells()
    first = 2 + len(at)
    columns = {word: first + k for k, word in enumerate(TABLE.fields)}

    def book(row: int) -> Book:
        here = {word: _place(number, row) for word, number in columns.items()}
        return {**here, "loss": _place(at[loss], row), "before": _place(at[loss], row - 1), "size": [LESSON_STEP]}

    for word, field in TABLE.fields.items():
        sheet.label(HEADER, columns[word], field.heading.format(loss=loss, number=name), "header")
        column(sheet, FIRST + 1, columns[word], field, formulas[word], book, found[word])
    field, last = TABLE.panel["gradient"], first + len(TABLE.fields)
    sheet.label(HEADER, last, field.heading.format(loss=loss, number=name), "header")
    start = {"start": drawing.places[f"{name}.g"]}
    column(sheet, FIRST, last, field, formulas["gradient"], lambda row: start, Spread([gradient]))


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
