"""Sessions of engines that know files alone: a workbook is recalculated by converting a copy of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Protocol

from sheetgrad.recalculation import Change, Changes, Formula, Grids, Session, Values, Wanted, cells_to_set, known, only
from sheetgrad.xlsx.contents import Contents

AT_ONCE = 200  # copies of a file in one call
_Set = dict[tuple[str, str], Change]  # what was set, by sheet and cell


class Converter(Protocol):
    """An engine that recalculates files."""

    def converted(
        self, books: Sequence[bytes], changes: Sequence[Changes], seconds: float | None = None
    ) -> Iterator[Grids]:
        """The values of each workbook with its changes; ``seconds`` is for all of them."""


class Copies(Session):
    """A workbook that is recalculated by converting a copy of it, and reading the values stored in the result.

    What is changed is kept here and set in the copy when values are asked for: ask for many at once.
    """

    quick = False

    def __init__(self, program: Converter, data: bytes, seconds: float | None):
        self._program, self._data, self._contents = program, data, Contents(data)
        self._ends = None if seconds is None else monotonic() + seconds
        self.sheets = self._contents.sheets
        self._set: _Set = {}

    def change(self, changes: Changes | None) -> _Set:
        known(changes or {}, self.sheets)
        before = dict(self._set)
        self._set |= {(sheet, cell): value for sheet, cells in (changes or {}).items() for cell, value in cells.items()}
        return before

    def restore(self, before: _Set) -> None:
        self._set = before

    def grids(self) -> Grids:
        return next(self._recalculated([self._changes()]))

    def values(self, wanted: Wanted) -> Values:
        return only(self.grids(), wanted)

    def values_after(self, scenarios: Sequence[Changes], wanted: Wanted) -> Iterator[Values]:
        """A copy of the file for each scenario, so many at a time in one process."""
        for start in range(0, len(scenarios), AT_ONCE):
            all_changes = []
            for changes in scenarios[start : start + AT_ONCE]:
                before = self.change(changes)
                all_changes.append(self._changes())
                self.restore(before)
            for grids in self._recalculated(all_changes):
                yield only(grids, wanted)

    def values_from(self, starts: Sequence[tuple[Changes, Sequence[Changes]]], wanted: Wanted) -> Iterator[Values]:
        """From all starts at once: to begin a process takes longest."""
        return self.values_after([_both(start, changes) for start, each in starts for changes in each], wanted)

    def formula(self, sheet: str, cell: str) -> str | None:
        if (sheet, cell) in self._set:
            value = self._set[sheet, cell]
            return str(value) if isinstance(value, Formula) else None
        return self._contents.sheet(sheet).formulas.get(cell)

    def _changes(self) -> Changes:
        changes: dict[str, dict[str, Change]] = {}
        for (sheet, cell), value in self._set.items():
            changes.setdefault(sheet, {})[cell] = value
        return changes

    def _recalculated(self, changes: Sequence[Changes]) -> Iterator[Grids]:
        left = None if self._ends is None else self._ends - monotonic()
        return self._program.converted([self._data] * len(changes), changes, left)


def _both(first: Changes, then: Changes) -> Changes:
    """Two changes as one; where both set a cell the second counts."""
    return {sheet: {**first.get(sheet, {}), **then.get(sheet, {})} for sheet in {**first, **then}}


def set_in(copy: Path, changes: Mapping[str, Mapping[str, Change]]) -> None:
    """Sets cells in a file, with openpyxl."""
    if not changes:
        return
    from openpyxl import load_workbook

    book = load_workbook(copy)
    for sheet, row, column, value in cells_to_set(changes, [sheet.title for sheet in book.worksheets]):
        cell = book[sheet].cell(row, column)
        cell.value = str(value) if isinstance(value, str) else value
        if isinstance(value, str) and not isinstance(value, Formula):
            cell.data_type = "s"  # openpyxl would take "=A1" for a formula
    book.save(copy)
