"""Formualizer (Rust, from PyPI): the default, and the one that fills the stored values."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import formualizer
from openpyxl.utils.cell import coordinate_to_tuple, get_column_letter, range_boundaries

from sheetgrad.engines import Changes, ErrorValue, Formula, Value, Values, Wanted, cells_to_set, guard, plain_value

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
            book = formualizer.load_workbook(str(path), strategy="eager_all")
            sheets = book.sheet_names
            _set(book, changes)
            book.evaluate_all()
            return {sheet: _sheet_values(book, sheet) for sheet in sheets}

    def recalculate_each(self, path: Path, scenarios: Sequence[Changes], wanted: Wanted) -> Iterator[Values]:
        """See `Engine.recalculate_each`. The file is read once; what a scenario changes is put back after it."""
        with guard(self.name, path):
            book = formualizer.load_workbook(str(path), strategy="eager_all")
            places = [(sheet, cell, *coordinate_to_tuple(cell)) for sheet, cells in wanted.items() for cell in cells]
            if unknown := {sheet for sheet, *_ in places} - set(book.sheet_names):
                raise ValueError(f"there is no sheet {unknown.pop()!r}, only {', '.join(book.sheet_names)}")
            book.evaluate_all()
            for changes in scenarios:
                changed = [(sheet, row, column) for sheet, row, column, _ in cells_to_set(changes, book.sheet_names)]
                before = [(book.get_formula(*cell), book.get_value(*cell)) for cell in changed]
                _set(book, changes)
                book.evaluate_all()
                values: Values = {sheet: {} for sheet in wanted}
                for sheet, cell, row, column in places:
                    values[sheet][cell] = _value(book.get_value(sheet, row, column))
                for cell, (formula, value) in zip(changed, before, strict=True):
                    _put(book, *cell, Formula(f"={formula.lstrip('=')}") if formula else value)
                yield values


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
        done = formualizer.recalculate_xlsx_file(str(path))
        summary = done["summary"]
        if unknown := [function["name"] for function in summary["unknown_functions"]]:
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
