"""Formualizer (Rust, from PyPI): the default, and the one that fills the stored values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from openpyxl.utils.cell import range_boundaries

from sheetgrad.recalculation import (
    Changes,
    Engine,
    ErrorValue,
    Formula,
    Grid,
    Grids,
    Session,
    Value,
    Values,
    Wanted,
    cell_position,
    cells_to_set,
    known,
    plain_value,
)
from sheetgrad.xlsx.grid import letter
from sheetgrad.xlsx.package import MOST_CELLS

if TYPE_CHECKING:
    import formualizer

_ERRORS = {
    "Div": "#DIV/0!",
    "Na": "#N/A",
    "Name": "#NAME?",
}  # the other kinds are spelled as they are: Num is #NUM!
_PLAIN = {float, str, bool, type(None)}  # what needs no translation
_AT_ONCE = 500_000  # cells of a sheet's rectangle that are asked for
_Cell = tuple[str, int, int]  # sheet, row, column
_Before = list[tuple[_Cell, str | None, object]]  # the formula and the value that stood in each cell


class OpenWorkbook(Session):
    """A workbook in memory; what is stored in it is ignored."""

    def __init__(self, data: bytes) -> None:
        self._book = _load(data)
        self._book.evaluate_all()  # first: Formualizer 0.13 may panic when few cells are asked for after many changes
        self.sheets: list[str] = self._book.sheet_names
        self._stale = False

    def change(self, changes: Changes | None) -> _Before:
        book = self._book
        found = list(cells_to_set(changes, self.sheets))
        before = [(cell, book.get_formula(*cell), book.get_value(*cell)) for *cell, _ in found]
        for cell, numbers in _rectangles([change for change in found if isinstance(change[3], float)]):
            book.set_values_batch(*cell, numbers)
        for *cell, value in found:
            if not isinstance(value, float):
                _put(book, *cell, value)
        self._stale |= bool(found)
        return before

    def restore(self, before: _Before) -> None:
        """Puts back what was replaced. A formula that refers to itself cannot be set: its cell stays empty."""
        numbers = [(*cell, value) for cell, formula, value in before if not formula and isinstance(value, float)]
        for cell, rectangle in _rectangles(numbers):
            self._book.set_values_batch(*cell, rectangle)
        for cell, formula, value in before:
            if not formula and isinstance(value, float):
                continue
            try:
                _put(self._book, *cell, Formula(f"={formula.lstrip('=')}") if formula else value)
            except Exception as error:
                if "#CIRC!" not in str(error):
                    raise
                _put(self._book, *cell, None)
        self._stale |= bool(before)

    def clear(self, sheet: str, cells: Iterable[str]) -> None:
        """Formualizer 0.13 does not look again at a formula that could not spill, nor at all of those that read it: what
        shows an error is set once more."""
        if not (cells := list(cells)):
            return
        super().clear(sheet, cells)
        for name, grid in self.grids().items():
            for row, column, value in list(grid.cells()):
                if isinstance(value, ErrorValue) and (formula := self._book.get_formula(name, row, column)):
                    _put(self._book, name, row, column, Formula(f"={formula.lstrip('=')}"))
        self._stale = True

    def grids(self) -> Grids:
        self._settle()
        return {sheet: Grid(dict(_rows(self._book, sheet))) for sheet in self.sheets}

    def values(self, wanted: Wanted) -> Values:
        known(wanted, self.sheets)
        self._settle()
        get = self._book.get_value
        return {
            sheet: {cell: _value(get(sheet, *cell_position(cell))) for cell in cells} for sheet, cells in wanted.items()
        }

    def values_of_few(self, wanted: Wanted) -> Values:
        known(wanted, self.sheets)
        cells = [(sheet, cell, *cell_position(cell)) for sheet, cells in wanted.items() for cell in cells]
        found = self._book.evaluate_cells([(sheet, row, column) for sheet, _, row, column in cells])
        values: dict[str, dict[str, Value]] = {sheet: {} for sheet in wanted}
        for (sheet, cell, *_), value in zip(cells, found, strict=True):
            values[sheet][cell] = _value(value)
        return values

    def formula(self, sheet: str, cell: str) -> str | None:
        return self._book.get_formula(sheet, *cell_position(cell))

    def unknown_functions(self, names: Collection[str]) -> list[str]:
        """Those that a formula without arguments calls by no name that is known."""
        import formualizer

        book = _taught(formualizer.Workbook())
        book.add_sheet("S")
        for row, name in enumerate(names, 1):
            book.set_formula("S", row, 1, f"={name}(1,1)")
        book.evaluate_all()
        return [name for row, name in enumerate(names, 1) if _value(book.get_value("S", row, 1)) == _ERRORS["Name"]]

    def _settle(self) -> None:
        if self._stale:
            self._book.evaluate_all()
            self._stale = False


class Formualizer(Engine):
    """Recalculates in memory, ignoring what is stored."""

    name = "formualizer"
    install = "pip install formualizer"
    order = 10

    def __init__(self) -> None:
        import formualizer  # noqa: F401 (an engine that is not installed says so before it is asked)

    def open(self, data: bytes, seconds: float | None = None) -> OpenWorkbook:
        return OpenWorkbook(data)


ENGINE = Formualizer


def _load(data: bytes) -> formualizer.Workbook:
    import formualizer

    book = formualizer.load_workbook_bytes(data)
    book.set_changelog_enabled(False)  # nobody undoes; in a workbook that is changed thousands of times it only grows
    return _taught(book)


def _taught(book: formualizer.Workbook) -> formualizer.Workbook:
    book.register_function("MMULT", _matrix_product, min_args=2, max_args=2)
    return book


def _matrix_product(one: Sequence, other: Sequence) -> list[list[float]]:
    """MMULT, which Formualizer 0.13 does not know. Ranges come as rows of numbers; texts and holes are errors."""
    if len(one) == 1 and isinstance(one[0], list) and isinstance(other[0], list):  # a row times columns: twice as fast
        return [[sum(a * b for a, b in zip(one[0], column, strict=True)) for column in zip(*other, strict=True)]]
    import numpy as np

    return (np.atleast_2d(np.array(one, dtype=float)) @ np.atleast_2d(np.array(other, dtype=float))).tolist()


def _rectangles(changes: Sequence[tuple[str, int, int, float]]) -> list[tuple[_Cell, list[list[float]]]]:
    """Numbers to set, as rectangles that lie side by side: to set one at once is several times faster."""
    runs: list[tuple[str, int, int, list[float]]] = []
    for sheet, row, column, number in sorted(changes):
        if runs and runs[-1][:2] == (sheet, row) and runs[-1][2] + len(runs[-1][3]) == column:
            runs[-1][3].append(number)
        else:
            runs.append((sheet, row, column, [number]))
    found: list[tuple[_Cell, list[list[float]]]] = []
    growing: dict[tuple[str, int, int, int], int] = {}  # by the row that would go on, which rectangle
    for sheet, row, column, numbers in runs:
        which = growing.pop((sheet, row, column, len(numbers)), len(found))
        if which == len(found):
            found.append(((sheet, row, column), []))
        found[which][1].append(numbers)
        growing[sheet, row + 1, column, len(numbers)] = which
    return found


def _put(book: formualizer.Workbook, sheet: str, row: int, column: int, value: object) -> None:
    if isinstance(value, Formula):
        book.set_formula(sheet, row, column, str(value))
    else:
        book.set_value(sheet, row, column, value)


def _rows(book: formualizer.Workbook, sheet: str) -> Iterator[tuple[int, tuple[range, list[Value]]]]:
    """Every row of a sheet's rectangle: its columns, and what stands in them."""
    import formualizer

    quoted = "'" + sheet.replace("'", "''") + "'"
    # An open range resolves to the rows, or the columns, in use: there is no other way to ask for these.
    rows = book.range_page(f"{quoted}!A:XFD", limit=1).resolved
    columns = book.range_page(f"{quoted}!1:1048576", limit=1).resolved
    if rows is None or columns is None:
        return
    _, top, _, bottom = range_boundaries(rows.rpartition("!")[2])
    left, _, right, _ = range_boundaries(columns.rpartition("!")[2])
    width = right - left + 1
    if (bottom - top + 1) * width > MOST_CELLS:
        raise ValueError(f"{sheet} reaches to {letter(right)}{bottom}: clear the stray cells far out")
    step = max(1, _AT_ONCE // width)
    for first in range(top, bottom + 1, step):
        area = formualizer.RangeAddress(sheet, first, left, min(bottom, first + step - 1), right)
        for row, line in enumerate(book.sheet(sheet).get_values(area), first):
            end = width
            while end and line[end - 1] is None:
                end -= 1
            if end:
                found = line[:end]
                plain = set(map(type, found)) <= _PLAIN
                yield row, (range(left, left + end), found if plain else list(map(_value, found)))


def _value(raw: object) -> Value:
    if isinstance(raw, dict):  # {"type": "Error", "kind": "Div"}
        return ErrorValue(_ERRORS.get(raw["kind"], f"#{raw['kind'].upper()}!"))
    return plain_value(raw)
