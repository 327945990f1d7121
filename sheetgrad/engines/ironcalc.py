"""IronCalc (Rust, from PyPI, an optional extra): a second, unrelated opinion."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

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
from sheetgrad.xlsx.parts import rewritten

if TYPE_CHECKING:
    import ironcalc

NUMBER_TYPE = re.compile(rb'(<c\b[^>]*?)\st="n"')
_Before = list[tuple[tuple[int, int, int], str | None, Value]]  # the formula and the value that stood in each cell


def _quiet(method: Callable) -> Callable:
    """Send file descriptors 1 and 2 nowhere while a method runs.

    IronCalc prints what it does not understand on standard output, which would spoil `--json`, and the stack
    of a panic on standard error; it does so from Rust, past `sys.stdout`.
    """

    @wraps(method)
    def silenced(*arguments, **named):
        with _silence():
            return method(*arguments, **named)

    return silenced


class OpenModel(Session):
    """A workbook in memory; what is stored in it is ignored."""

    @_quiet
    def __init__(self, data: bytes) -> None:
        self._model = _load(data)
        self.sheets = [sheet["name"] for sheet in self._model.get_worksheets_properties()]
        self._model.evaluate()
        self._stale = False

    @_quiet
    def change(self, changes: Changes | None) -> _Before:
        before = []
        for sheet, row, column, value in cells_to_set(changes, self.sheets):
            place = self.sheets.index(sheet), row, column
            before.append((place, self._formula(*place), self._value(*place)))
            self._set(*place, value)
        self._stale |= bool(before)
        return before

    @_quiet
    def restore(self, before: _Before) -> None:
        for place, formula, value in reversed(before):
            self._set(*place, Formula(formula) if formula else value)
        self._stale |= bool(before)

    def clear(self, sheet: str, cells: Iterable[str]) -> None:
        """IronCalc lets nobody into the cells that an array formula fills, and fills them whatever is stored there."""
        for cell in cells:
            try:
                self.change({sheet: {cell: None}})
            except Exception as error:
                if "array formulas" not in str(error):
                    raise

    @_quiet
    def grids(self) -> Grids:
        self._settle()
        cells: list[list[tuple[int, int, Value]]] = [[] for _ in self.sheets]
        for sheet, row, column in self._model.get_all_cells():
            if not self._model.is_empty_cell(sheet, row, column):  # formatted, and no more
                cells[sheet].append((row, column, self._value(sheet, row, column)))
        return {name: Grid.of(found) for name, found in zip(self.sheets, cells, strict=True)}

    @_quiet
    def values(self, wanted: Wanted) -> Values:
        known(wanted, self.sheets)
        self._settle()
        return {
            sheet: {cell: self._value(self.sheets.index(sheet), *cell_position(cell)) for cell in cells}
            for sheet, cells in wanted.items()
        }

    @_quiet
    def formula(self, sheet: str, cell: str) -> str | None:
        return self._formula(self.sheets.index(sheet), *cell_position(cell))

    def _settle(self) -> None:
        if self._stale:
            self._model.evaluate()
            self._stale = False

    def _formula(self, sheet: int, row: int, column: int) -> str | None:
        return self._model.get_cell_formula(sheet, row, column) or None

    def _set(self, sheet: int, row: int, column: int, value: float | str | bool | None) -> None:
        if value is None or isinstance(value, ErrorValue):
            self._model.range_clear_contents(sheet, row, column, row, column)
        elif isinstance(value, Formula):
            self._model.set_user_input(sheet, row, column, str(value))
        elif isinstance(value, str):
            self._model.update_cell_with_text(sheet, row, column, value)
        elif isinstance(value, bool):
            self._model.update_cell_with_bool(sheet, row, column, value)
        else:
            self._model.update_cell_with_number(sheet, row, column, value)

    def _value(self, sheet: int, row: int, column: int) -> Value:
        if self._model.is_empty_cell(sheet, row, column):
            return None
        raw = self._model.get_cell_value(sheet, row, column)
        # Errors come as str, like text; the type is asked only where it can matter, for speed.
        if isinstance(raw, str) and raw.startswith("#"):
            import ironcalc

            if self._model.get_cell_type(sheet, row, column) == ironcalc.CellType.ErrorValue:
                return ErrorValue(raw)
        return plain_value(raw)


class IronCalc(Engine):
    """Recalculates in memory, ignoring what is stored."""

    name = "ironcalc"
    install = "pip install 'sheetgrad[ironcalc]'"
    order = 20

    def __init__(self) -> None:
        import ironcalc  # noqa: F401 (an engine that is not installed says so before it is asked)

    def open(self, data: bytes, seconds: float | None = None) -> OpenModel:
        return OpenModel(data)


ENGINE = IronCalc


def _load(data: bytes) -> ironcalc.Model:
    """Read a copy without the attribute `t="n"`: it says that a cell holds a number, as is understood anyhow.

    openpyxl writes it for cells that are formatted and empty too, and IronCalc 0.9 takes these for zeros:
    COUNT, AVERAGE and MIN over them would be wrong.
    """
    import ironcalc

    def plain(name: str, part: bytes) -> bytes:
        return NUMBER_TYPE.sub(rb"\1", part) if name.startswith("xl/worksheets/") and b't="n"' in part else part

    with TemporaryDirectory(prefix="sheetgrad-") as folder:
        copy = Path(folder) / "book.xlsx"
        copy.write_bytes(rewritten(data, plain))
        return ironcalc.load_from_xlsx(str(copy), "en", "UTC", "en")


@contextmanager
def _silence() -> Iterator[None]:
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
