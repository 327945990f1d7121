"""Formualizer (Rust, from PyPI): the default, and the one that fills the stored values."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import formualizer
import numpy as np
from openpyxl.utils.cell import get_column_letter, range_boundaries

from sheetgrad.engines import (
    Changes,
    ErrorValue,
    Formula,
    Value,
    Values,
    Wanted,
    cell_position,
    cells_to_set,
    guard,
    plain_value,
)

_ERRORS = {
    "Div": "#DIV/0!",
    "Na": "#N/A",
    "Name": "#NAME?",
}  # the other kinds are spelled as they are: Num is #NUM!
_MOST_CELLS = 10_000_000  # values come as a full rectangle: one stray cell far out must not exhaust the memory


class Formualizer:
    """Recalculates in memory, ignoring what is stored."""

    name = "formualizer"

    def recalculate(self, path: Path, changes: Changes | None = None) -> Values:
        """See `Engine.recalculate`."""
        with guard(self.name, path):
            book = _load(path.read_bytes())
            sheets = book.sheet_names
            _set(book, changes)
            book.evaluate_all()
            return {sheet: _sheet_values(book, sheet) for sheet in sheets}

    def recalculate_each(self, path: Path, scenarios: Sequence[Changes], wanted: Wanted) -> Iterator[Values]:
        """See `Engine.recalculate_each`. The file is read once; what a scenario changes is put back after it."""
        with guard(self.name, path):
            book = OpenWorkbook(path.read_bytes())
            if unknown := set(wanted) - set(book.sheets):
                raise ValueError(f"there is no sheet {unknown.pop()!r}, only {', '.join(book.sheets)}")
            for changes in scenarios:
                before = book.change(changes)
                yield book.values(wanted)
                book.restore(before)


class OpenWorkbook:
    """A workbook kept in memory, to be recalculated with other numbers again and again.

    Broken files and the engine's own failures raise whatever they raise: call it within `guard`.
    """

    def __init__(self, data: bytes) -> None:
        self._book = _load(data)
        self._book.evaluate_all()  # first: Formualizer 0.13 may panic when few cells are asked for after many changes
        self.sheets: list[str] = self._book.sheet_names

    def change(self, changes: Changes | None) -> list[tuple[tuple[str, int, int], str | None, object]]:
        """Set cells; the result says what stood there, for `restore`."""
        book = self._book
        found = list(cells_to_set(changes, self.sheets))
        before = [(cell, book.get_formula(*cell), book.get_value(*cell)) for *cell, _ in found]
        for cell, numbers in _rectangles([change for change in found if isinstance(change[3], float)]):
            book.set_values_batch(*cell, numbers)
        for *cell, value in found:
            if not isinstance(value, float):
                _put(book, *cell, value)
        return before

    def clear(self, sheet: str, cells: Iterable[str]) -> None:
        """Empty cells: what stands where an array formula must spill keeps it from doing so."""
        for cell in cells:
            _put(self._book, sheet, *cell_position(cell), None)

    def restore(self, before: Sequence[tuple[tuple[str, int, int], str | None, object]]) -> None:
        """Put back what `change` had replaced. A formula that refers to itself cannot be set: its cell stays empty."""
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

    def values(self, wanted: Wanted) -> Values:
        """The values of these cells, computed anew after what was changed."""
        self._book.evaluate_all()
        get = self._book.get_value
        return {
            sheet: {cell: _value(get(sheet, *cell_position(cell))) for cell in cells} for sheet, cells in wanted.items()
        }

    def values_of_few(self, wanted: Wanted) -> Values:
        """The same, computing only what these cells depend on: faster for few cells of a large workbook."""
        cells = [(sheet, cell, *cell_position(cell)) for sheet, cells in wanted.items() for cell in cells]
        found = self._book.evaluate_cells([(sheet, row, column) for sheet, _, row, column in cells])
        values: Values = {sheet: {} for sheet in wanted}
        for (sheet, cell, *_), value in zip(cells, found, strict=True):
            values[sheet][cell] = _value(value)
        return values

    def formula(self, sheet: str, cell: str) -> str | None:
        """The formula of a cell as the engine writes it: the same however an application spells it."""
        return self._book.get_formula(sheet, *cell_position(cell))


def _load(data: bytes) -> formualizer.Workbook:
    book = formualizer.load_workbook_bytes(data)
    book.set_changelog_enabled(False)  # nobody undoes; in a workbook that is changed thousands of times it only grows
    book.register_function("MMULT", _matrix_product, min_args=2, max_args=2)
    return book


def _matrix_product(one: Sequence, other: Sequence) -> list[list[float]]:
    """MMULT, which Formualizer 0.13 does not know. Ranges come as rows of numbers; texts and holes are errors."""
    return (np.atleast_2d(np.array(one, dtype=float)) @ np.atleast_2d(np.array(other, dtype=float))).tolist()


def _rectangles(changes: Sequence[tuple[str, int, int, float]]) -> list[tuple[tuple[str, int, int], list[list[float]]]]:
    """Numbers to set, as rectangles that lie side by side: to set one at once is several times faster."""
    runs: list[tuple[str, int, int, list[float]]] = []
    for sheet, row, column, number in sorted(changes):
        if runs and runs[-1][:2] == (sheet, row) and runs[-1][2] + len(runs[-1][3]) == column:
            runs[-1][3].append(number)
        else:
            runs.append((sheet, row, column, [number]))
    found: list[tuple[tuple[str, int, int], list[list[float]]]] = []
    growing: dict[tuple[str, int, int, int], int] = {}  # by the row that would go on, which rectangle
    for sheet, row, column, numbers in runs:
        which = growing.pop((sheet, row, column, len(numbers)), len(found))
        if which == len(found):
            found.append(((sheet, row, column), []))
        found[which][1].append(numbers)
        growing[sheet, row + 1, column, len(numbers)] = which
    return found


def _set(book: formualizer.Workbook, changes: Changes | None) -> None:
    for change in cells_to_set(changes, book.sheet_names):
        _put(book, *change)


def _put(book: formualizer.Workbook, sheet: str, row: int, column: int, value: object) -> None:
    if isinstance(value, Formula):
        book.set_formula(sheet, row, column, str(value))
    else:
        book.set_value(sheet, row, column, value)


def store_values(path: Path) -> None:
    """Recalculate the workbook at `path` and store the values in it, leaving all else in the file as it is.

    Raises `EngineError` when a formula was not evaluated or its value not stored; by then the file may have
    been rewritten.
    """
    with guard(Formualizer.name, path):
        try:
            done = formualizer.recalculate_xlsx_file(str(path))
        except OSError as error:
            if "limit in worksheet" in str(error) or "too many" in str(error):
                return  # temporary, until values are stored from the evaluation in memory
            raise
        summary = done["summary"]
        if unknown := [function["name"] for function in summary["unknown_functions"] if function["name"] != "MMULT"]:
            raise ValueError(f"Formualizer does not know {', '.join(unknown)}")
        if not summary["evaluated"] == summary["total_formulas"] == done["formula_cells"]:
            raise ValueError(f"{summary['evaluated']} of {done['formula_cells']} formulas were evaluated")


def _sheet_values(book: formualizer.Workbook, sheet: str) -> dict[str, Value]:
    quoted = "'" + sheet.replace("'", "''") + "'"
    # An open range resolves to the rows, or the columns, in use: there is no other way to ask for these.
    rows = book.range_page(f"{quoted}!A:XFD", limit=1).resolved
    columns = book.range_page(f"{quoted}!1:1048576", limit=1).resolved
    if rows is None or columns is None:
        return {}
    _, top, _, bottom = range_boundaries(rows.rpartition("!")[2])
    left, _, right, _ = range_boundaries(columns.rpartition("!")[2])
    letters = [get_column_letter(column) for column in range(left, right + 1)]
    if (bottom - top + 1) * len(letters) > _MOST_CELLS:
        raise ValueError(f"{sheet} reaches to {letters[-1]}{bottom}: clear the stray cells far out")
    area = formualizer.RangeAddress(sheet, top, left, bottom, right)
    return {
        f"{letter}{row}": _value(raw)
        for row, line in enumerate(book.sheet(sheet).get_values(area), start=top)
        for letter, raw in zip(letters, line, strict=True)
        if raw is not None
    }


def _value(raw: object) -> Value:
    if isinstance(raw, dict):  # {"type": "Error", "kind": "Div"}
        return ErrorValue(_ERRORS.get(raw["kind"], f"#{raw['kind'].upper()}!"))
    return plain_value(raw)
