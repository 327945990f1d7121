"""Where tensors stand: rectangles of cells, and how a tensor's elements lie in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from openpyxl.utils import get_column_letter, quote_sheetname

from sheetgrad.formulas.expressions import Index, Shape


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

    @property
    def area(self) -> Area:
        """All its cells, for panels with the labels between them."""
        return Area(self.sheet, self.row, self.column, *self.cell(tuple(n - 1 for n in self.shape)))


Book = Mapping[str, Sequence[Placement]]  # by tensor, the places to look at, nearest first
Corners = tuple[int, int, int, int]  # top, left, bottom, right


def rectangles(groups: Sequence[Sequence[tuple[int, int]]]) -> list[list[Corners]]:
    """Splits cells, given in order, into rectangles read row by row, of equal form in every group."""
    runs: list[tuple[int, int, tuple[int, int]]] = []  # start, length, step
    count, start = len(groups[0]), 0
    while start < count:
        length, step = 1, (0, 1)
        if start + 1 < count:
            moves = {move(group, start) for group in groups}
            if len(moves) == 1 and moves <= {(0, 1), (1, 0)}:
                step = moves.pop()
                while start + length < count and all(move(g, start + length - 1) == step for g in groups):
                    length += 1
        runs.append((start, length, step))
        start += length
    merged: list[tuple[int, int, int]] = []  # start, width, height
    for start, length, step in runs:
        width, height = (length, 1) if step == (0, 1) else (1, length)
        if merged and step == (0, 1):
            first, wide, high = merged[-1]
            below = all(g[start] == (g[first][0] + high, g[first][1]) for g in groups)
            if wide == width and below and first + wide * high == start:
                merged[-1] = (first, wide, high + 1)
                continue
        merged.append((start, width, height))
    return [[(*g[s], g[s][0] + high - 1, g[s][1] + wide - 1) for g in groups] for s, wide, high in merged]


def move(cells: Sequence[tuple[int, int]], at: int) -> tuple[int, int]:
    (row, column), (next_row, next_column) = cells[at], cells[at + 1]
    return next_row - row, next_column - column


@lru_cache(maxsize=4096)
def letter(column: int) -> str:
    return get_column_letter(column)


@lru_cache(maxsize=64)
def prefix(sheet: str) -> str:
    return f"{quote_sheetname(sheet) if not sheet.isidentifier() else sheet}!"


def address(row: int, column: int) -> str:
    return f"{letter(column)}{row}"
