"""Where tensors stand: how a tensor's elements lie in their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from openpyxl.utils import get_column_letter, quote_sheetname

from sheetgrad.formulas.expressions import Index, Ref, Shape


@dataclass(frozen=True, slots=True)
class Area:
    """Cells ``top:bottom`` by ``left:right`` (counted from 1) of a sheet."""

    sheet: str
    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Placement:
    """Where a tensor stands: the cell of its first element, and how one step along each axis moves (rows, columns).

    A matrix block has steps ``((1, 0), (0, 1))``, its turned copy ``((0, 1), (1, 0))``, a matrix laid flat in a
    row of ``m`` columns a line ``((0, m), (0, 1))``, stacked panels ``((rows + 1, 0), (1, 0), (0, 1))``.
    """

    sheet: str
    row: int
    column: int
    shape: Shape
    steps: tuple[tuple[int, int], ...]

    def cell(self, index: Index) -> tuple[int, int]:
        """Row and column of an element."""
        row, column = self.row, self.column
        for i, (down, right) in zip(index, self.steps, strict=True):
            row += i * down
            column += i * right
        return row, column

    def cells(self, group: Sequence[Ref]) -> list[tuple[int, int]] | None:
        """The cells of elements of its tensor, in order; None where others are among them."""
        tensor = group[0].tensor
        if any(term.tensor != tensor for term in group):
            return None
        return [self.cell(term.index) for term in group]

    @property
    def area(self) -> Area:
        """All its cells, for panels with the labels between them."""
        return Area(self.sheet, self.row, self.column, *self.cell(tuple(n - 1 for n in self.shape)))


@dataclass(frozen=True)
class Gathered:
    """Where the elements of sums stand once more, side by side: ``runs`` numbers the sums by their elements.

    One element is ``step`` (rows, columns) from the one before, one sum ``stride`` from the sum before.
    """

    sheet: str
    row: int
    column: int
    runs: Mapping[tuple[Ref, ...], int]
    step: tuple[int, int]
    stride: tuple[int, int]

    def cells(self, group: Sequence[Ref]) -> list[tuple[int, int]] | None:
        """The cells of one sum; None when it is not among them."""
        number = self.runs.get(tuple(group))
        if number is None:
            return None
        row, column = self.row + number * self.stride[0], self.column + number * self.stride[1]
        return [(row + k * self.step[0], column + k * self.step[1]) for k in range(len(group))]


Place = Placement | Gathered
Book = Mapping[str, Sequence[Place]]  # by tensor, the places to look at, nearest first; the first holds the tensor
Corners = tuple[int, int, int, int]  # top, left, bottom, right


@lru_cache(maxsize=4096)
def letter(column: int) -> str:
    return get_column_letter(column)


@lru_cache(maxsize=64)
def prefix(sheet: str) -> str:
    return f"{quote_sheetname(sheet) if not sheet.isidentifier() else sheet}!"


def address(row: int, column: int) -> str:
    return f"{letter(column)}{row}"
