"""Formualizer (Rust, from PyPI): the default, and the one that fills the stored values."""

from pathlib import Path

import formualizer
from openpyxl.utils.cell import get_column_letter, range_boundaries

from sheetgrad.engines import Changes, ErrorValue, Value, Values, cells_to_set, guard, plain_value

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
            for sheet, row, column, value in cells_to_set(changes, sheets):
                book.set_value(sheet, row, column, value)
            book.evaluate_all()
            return {sheet: _sheet_values(book, sheet) for sheet in sheets}


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
