"""IronCalc (Rust, from PyPI, an optional extra): a second, unrelated opinion."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import ironcalc
from openpyxl.utils.cell import get_column_letter

from sheetgrad.engines import (
    Changes,
    ErrorValue,
    Formula,
    Value,
    Values,
    Wanted,
    cells_to_set,
    guard,
    only,
    plain_value,
)


class IronCalc:
    """Recalculates in memory, ignoring what is stored."""

    name = "ironcalc"

    def recalculate(self, path: Path, changes: Changes | None = None) -> Values:
        """See `Engine.recalculate`."""
        with guard(self.name, path), _silence():
            model = _load(path)
            sheets = [sheet["name"] for sheet in model.get_worksheets_properties()]
            for sheet, row, column, value in cells_to_set(changes, sheets):
                if isinstance(value, Formula):
                    model.set_user_input(sheets.index(sheet), row, column, str(value))
                elif isinstance(value, str):
                    model.update_cell_with_text(sheets.index(sheet), row, column, value)
                else:
                    model.update_cell_with_number(sheets.index(sheet), row, column, value)
            model.evaluate()
            values: Values = {sheet: {} for sheet in sheets}
            for sheet, row, column in model.get_all_cells():
                if not model.is_empty_cell(sheet, row, column):  # formatted, and no more
                    cell = f"{get_column_letter(column)}{row}"
                    values[sheets[sheet]][cell] = _value(model, sheet, row, column)
            return values

    def recalculate_each(self, path: Path, scenarios: Sequence[Changes], wanted: Wanted) -> Iterator[Values]:
        """See `Engine.recalculate_each`."""
        for changes in scenarios:
            yield only(self.recalculate(path, changes), wanted)


def _load(path: Path) -> ironcalc.Model:
    """Read a copy without the attribute `t="n"`: it says that a cell holds a number, as is understood anyhow.

    openpyxl writes it for cells that are formatted and empty too, and IronCalc 0.9 takes these for zeros:
    COUNT, AVERAGE and MIN over them would be wrong.
    """
    with TemporaryDirectory(prefix="sheetgrad-") as folder:
        copy = Path(folder) / path.name
        with ZipFile(path) as source, ZipFile(copy, "w") as target:
            for name in source.namelist():
                part = source.read(name)
                if name.startswith("xl/worksheets/"):
                    part = re.sub(rb'(<c\b[^>]*?)\st="n"', rb"\1", part)
                target.writestr(name, part)
        return ironcalc.load_from_xlsx(str(copy), "en", "UTC", "en")


def _value(model: ironcalc.Model, sheet: int, row: int, column: int) -> Value:
    raw = model.get_cell_value(sheet, row, column)
    # Errors come as str, like text; the type is asked only where it can matter, for speed.
    may_be_error = isinstance(raw, str) and raw.startswith("#")
    if may_be_error and model.get_cell_type(sheet, row, column) == ironcalc.CellType.ErrorValue:
        return ErrorValue(raw)
    return plain_value(raw)


@contextmanager
def _silence() -> Iterator[None]:
    """Send file descriptors 1 and 2 nowhere for a while.

    IronCalc prints what it does not understand on standard output, which would spoil `--json`, and the stack
    of a panic on standard error; it does so from Rust, past `sys.stdout`.
    """
    kept = {number: os.dup(number) for number in (1, 2)}
    try:
        with open(os.devnull, "wb") as nowhere:
            for number in kept:
                os.dup2(nowhere.fileno(), number)
        yield
    finally:
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)
