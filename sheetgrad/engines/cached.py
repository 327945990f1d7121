"""What the last application to save the file stored: how a workbook saved by Excel itself is verified."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from openpyxl import load_workbook
from openpyxl.cell.read_only import ReadOnlyCell

from sheetgrad.engines import Changes, EngineError, ErrorValue, Value, Values, Wanted, guard, only, plain_value


def stored_values(path: Path) -> Values:
    """The values stored in a workbook, as they are."""
    values: Values = {}
    for sheet, cells in _sheets(path, data_only=True):
        values[sheet] = {
            cell.coordinate: _value(cell) for cell in cells if cell.value is not None or cell.data_type == "str"
        }
    return values


def _sheets(path: Path, data_only: bool) -> Iterator[tuple[str, Iterator[ReadOnlyCell]]]:
    with closing(load_workbook(path, read_only=True, data_only=data_only)) as book:
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # the file's own word on its size may be wrong, and would hide cells
            yield sheet.title, (cell for row in sheet.iter_rows() for cell in row)


def _value(cell: ReadOnlyCell) -> Value:
    if cell.value is None:  # a formula's stored text "" is read as nothing; only its type tells
        return ""
    return ErrorValue(cell.value) if cell.data_type == "e" else plain_value(cell.value)


class Cached:
    """Recalculates nothing: trusts what is stored."""

    name = "cached"

    def recalculate(self, path: Path, changes: Changes | None = None) -> Values:
        """The stored values; `EngineError` when asked to change a cell, or when a formula has none."""
        if changes:
            raise EngineError(f"cached: {path}: stored values cannot follow a change: use another engine")
        with guard(self.name, path):
            values = stored_values(path)
            for sheet, cells in _sheets(path, data_only=False):
                for cell in cells:
                    if cell.data_type == "f" and cell.coordinate not in values[sheet]:
                        raise ValueError(f"{sheet}!{cell.coordinate} has no stored value: save it in a spreadsheet")
        return values

    def recalculate_each(self, path: Path, scenarios: Sequence[Changes], wanted: Wanted) -> Iterator[Values]:
        """See `Engine.recalculate_each`: refused for every scenario that changes a cell."""
        for changes in scenarios:
            yield only(self.recalculate(path, changes), wanted)
