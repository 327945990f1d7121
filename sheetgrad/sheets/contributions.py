"""The Contributions sheet: a gradient that is a sum over the batch, taken apart example by example.

``w.g = inp.T @ out.g`` adds up, over the examples n, the outer products of row n of ``inp`` with row n of ``out.g``;
``b.g = out.g.sum(0)`` adds up the rows of ``out.g``.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.autodiff.program import Line
from sheetgrad.formulas.places import Placement
from sheetgrad.lesson.fields import Section, names_of
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.cells import CellArray
from sheetgrad.lines.names import tensor_key
from sheetgrad.plan.blocks import COLUMN_WIDTH, PlanError, Sheet
from sheetgrad.plan.drawing import Drawing, formula_blocks
from sheetgrad.plan.extents import placed

NAME = "Contributions"
FIRST_COLUMN = 2
PAGE_COLUMNS = 24
MOST_EXAMPLES = 64


@dataclass(frozen=True)
class Contributions(Section):
    """The tensors whose gradient is taken apart, example by example."""

    of: tuple[str, ...]


def read(table: Mapping, lesson: Lesson, values: Mapping[str, np.ndarray]) -> Contributions:
    default = [name for name in lesson.gradients if lesson.tensors[name].role == "parameter"] or lesson.gradients
    return Contributions(names_of(table, "of", lesson.gradients, "[contributions]", default))


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The sheet. Raises ``PlanError`` for a gradient that is no sum over examples."""
    sheet = Sheet(NAME)
    sheet.label(1, FIRST_COLUMN, "What each example contributes, and the sum", "title")
    sheet.label(
        2,
        FIRST_COLUMN,
        "Each example says by itself how fast the loss grows with each number. The gradient adds these up.",
        "subtitle",
    )
    row = 4
    for name in lesson.sections["contributions"].of:
        sheet.sections.append(row)
        line = next(line for line in lesson.program.backward if line.target == f"{name}.g")
        row = _Apart(drawing, values, sheet, line).draw(row) + 2
    sheet.widths = {1: 3.5} | {k: COLUMN_WIDTH for k in range(2, sheet.last_column + 1)}
    return sheet


def operands(line: Line) -> tuple[str, ...]:
    """The tensors whose rows, example by example, make the gradient: two for a matrix, one for a bias."""
    match line.expression:
        case ast.BinOp(left=ast.Attribute(value=left, attr="T"), op=ast.MatMult(), right=right):
            found = tensor_key(left), tensor_key(right)
        case ast.Call(func=ast.Attribute(value=value, attr="sum"), args=[ast.Constant(value=0)], keywords=[]):
            found = (tensor_key(value),)
        case _:
            found = (None,)
    if None in found:
        raise PlanError(
            f"[contributions]: {line.text} is no sum over examples; expected a line such as w.g = x.T @ out.g "
            "or b.g = out.g.sum(0)"
        )
    return found


class _Apart:
    """One gradient taken apart."""

    def __init__(self, drawing: Drawing, values: Mapping[str, np.ndarray], sheet: Sheet, line: Line):
        self.drawing, self.values, self.sheet, self.line = drawing, values, sheet, line
        self.operands = operands(line)
        self.value = values[line.target]
        self.count = len(values[self.operands[0]])
        if self.count > MOST_EXAMPLES or any(values[key].ndim != 2 for key in self.operands):
            raise PlanError(f"[contributions]: {line.text} adds up more than rows of matrices, or over {MOST_EXAMPLES}")
        self.outer = len(self.operands) == 2
        self.rows = self.value.shape[0] if self.outer else 1
        self.columns = self.value.shape[-1]
        self.above = 3 if self.outer else 1  # rows above a contribution: its name, and what meets in it
        self.height = self.above + self.rows + 2

    def draw(self, row: int) -> int:
        """Draws the contributions, wrapped to the width of a page, then their sum; gives the last row."""
        sheet = self.sheet
        for column in range(1, FIRST_COLUMN + PAGE_COLUMNS):
            sheet.label(row, column, self.line.text if column == FIRST_COLUMN else "", "bar")
        places: list[Placement] = []
        column, top = FIRST_COLUMN, row + 2
        for n in range(self.count):
            if n and column + self.outer + self.columns > FIRST_COLUMN + PAGE_COLUMNS:
                column, top = FIRST_COLUMN + 1, top + self.height
            if n:
                sheet.label(self._middle(top), column - 1, "+", "operator")
            places.append(self._contribution(n, top, column))
            column += self.outer + self.columns + 1
        if column + 2 * self.columns + 1 > FIRST_COLUMN + PAGE_COLUMNS:
            column, top = FIRST_COLUMN + 1, top + self.height
        self._sum(places, top, column)
        return top + self.height - 1

    def _middle(self, top: int) -> int:
        return top + self.above + (self.rows - 1) // 2

    def _contribution(self, n: int, top: int, column: int) -> Placement:
        """One example: row n of the one operand standing, row n of the other lying, and their products between."""
        sheet, first = self.sheet, top + self.above
        sheet.label(top, column, f"example {n + 1}", "name")
        if not self.outer:
            return self._row_of(self.operands[0], n, first, column, standing=False)
        left, right = self.operands
        sheet.label(first - 1, column, left, "note_code")
        sheet.label(first - 2, column + 1, right, "note_code")
        standing = self._row_of(left, n, first, column, standing=True)
        lying = self._row_of(right, n, first - 1, column + 1, standing=False)
        product = CellArray.named(left, (self.rows, 1)) * CellArray.named(right, (1, self.columns))
        place = placed(NAME, first, column + 1, self.value.shape)
        book = {
            left: [Placement(NAME, standing.row, standing.column, (self.rows, 1), ((1, 0), (0, 0)))],
            right: [Placement(NAME, lying.row, lying.column, (1, self.columns), ((0, 0), (0, 1)))],
        }
        value = np.outer(self.values[left][n], self.values[right][n])
        sheet.blocks += formula_blocks(product, place, book, value, self._what, style="gradient")
        return place

    @property
    def _what(self) -> str:
        return f"{self.line.target} on the {NAME} sheet"

    def _row_of(self, key: str, n: int, row: int, column: int, standing: bool) -> Placement:
        """Row n of a tensor, copied from the Gradients sheet."""
        value = self.values[key][n]
        place = placed(NAME, row, column, value.shape, "column" if standing else "row")
        style = "gradient" if key.endswith(".g") else "value"
        cells = CellArray.named(key, self.values[key].shape)[n]
        self.sheet.blocks += formula_blocks(cells, place, self.drawing.places, value, self._what, style=style)
        return place

    def _sum(self, places: Sequence[Placement], top: int, column: int) -> None:
        """The contributions added up, beside the gradient as the backward line makes it."""
        sheet, first, shape = self.sheet, top + self.above, self.value.shape
        sheet.label(self._middle(top), column - 1, "=", "operator")
        names = [f"part {n}" for n in range(len(places))]
        added = CellArray.named(names[0], shape)
        for name in names[1:]:
            added = added + CellArray.named(name, shape)
        beside = column + self.columns + 1
        for text, at, cells, book, style in (
            ("added up", column, added, dict(zip(names, ([p] for p in places), strict=True)), "gradient_bold"),
            (self.line.target, beside, CellArray.named(self.line.target, shape), self.drawing.places, "gradient"),
        ):
            sheet.label(first - 1, at, text, "name")
            place = placed(NAME, first, at, shape)
            sheet.blocks += formula_blocks(cells, place, book, self.value, self._what, style=style)
        sheet.label(first + self.rows, column, "the same numbers, made in two ways", "caption")


SHEET = SheetKind(
    name=NAME,
    about="the gradient taken apart: what each example adds to it",
    order=50,
    build=build,
    key="contributions",
    fields=("of",),
    read=read,
)
