"""The values of a sheet, kept row by row: a million of them take some tens of megabytes, as a dictionary hundreds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import TypeAlias

from openpyxl.utils.cell import coordinate_to_tuple, get_column_letter


class ErrorValue(str):
    """What a cell shows instead of a value, such as ``#DIV/0!``: told apart from text by its class."""


Value: TypeAlias = float | str | bool | ErrorValue | None
Row: TypeAlias = tuple[Sequence[int], Sequence[Value]]  # columns, which grow, and what stands in them


@lru_cache(maxsize=1 << 16)
def cell_position(cell: str) -> tuple[int, int]:
    """Row and column of ``B6``, counted from 1. The same cells are asked for again and again."""
    return coordinate_to_tuple(cell)


@lru_cache(maxsize=1 << 15)
def letter(column: int) -> str:
    return get_column_letter(column)


class Grid(Mapping[str, Value]):
    """What stands in the cells of a sheet, by address: ``grid["B6"]``. Empty cells are absent (None by row)."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Mapping[int, Row]):
        self._rows = rows

    @classmethod
    def of(cls, cells: Iterable[tuple[int, int, Value]]) -> Grid:
        """The grid of these cells (row, column, value), in whatever order; of two for one place the last counts."""
        rows: dict[int, dict[int, Value]] = {}
        for row, column, value in cells:
            rows.setdefault(row, {})[column] = value
        return cls(
            {row: (columns := sorted(found), [found[c] for c in columns]) for row, found in sorted(rows.items())}
        )

    def at(self, row: int, column: int) -> Value:
        """What stands in a cell; None where nothing does."""
        columns, values = self._rows.get(row, ((), ()))
        k = bisect_left(columns, column)
        return values[k] if k < len(columns) and columns[k] == column else None

    def line(self, row: int, column: int, count: int) -> Sequence[Value]:
        """``count`` cells side by side, None where nothing stands."""
        columns, values = self._rows.get(row, ((), ()))
        k = bisect_left(columns, column)
        if k + count <= len(columns) and columns[k] == column and columns[k + count - 1] == column + count - 1:
            return values[k : k + count]
        return [self.at(row, column + j) for j in range(count)]

    def column(self, column: int) -> Iterator[Value]:
        """What stands in a column, from the top, without its empty cells."""
        found = (self.at(row, column) for row in self._rows)
        return (value for value in found if value is not None)

    def cells(self) -> Iterator[tuple[int, int, Value]]:
        """Every cell: row, column and what stands there."""
        for row, (columns, values) in self._rows.items():
            for place in zip(repeat(row), columns, values, strict=False):
                if place[2] is not None:
                    yield place

    @property
    def corner(self) -> tuple[int, int]:
        """The last row and the last column in use; (0, 0) of an empty sheet."""
        return max(self._rows, default=0), max(
            (columns[-1] for columns, _ in self._rows.values() if columns), default=0
        )

    def __getitem__(self, cell: str) -> Value:
        try:
            value = self.at(*cell_position(cell))
        except ValueError:
            value = None
        if value is None:
            raise KeyError(cell)
        return value

    def __iter__(self) -> Iterator[str]:
        return (f"{letter(column)}{row}" for row, column, _ in self.cells())

    def __len__(self) -> int:
        return sum(len(values) - values.count(None) for _, values in self._rows.values())

    def __or__(self, others: Mapping[str, Value]) -> Grid:
        """These cells, with ``others`` in their places."""
        changed = ((*cell_position(cell), value) for cell, value in others.items())
        return Grid.of([*self.cells(), *changed])

    def __repr__(self) -> str:
        return f"Grid({dict(self)!r})"
