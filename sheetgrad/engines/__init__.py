"""Programs that recalculate a workbook: one small interface, whichever program does the work.

An engine knows how to recalculate a file and nothing of lessons. Engines are imported only when asked for,
so that a missing one troubles nobody who does not use it.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeAlias

from openpyxl.utils.cell import coordinate_to_tuple
from openpyxl.utils.datetime import to_excel

from sheetgrad.errors import SheetgradError
from sheetgrad.workbook.package import UnsafeFileError, check_package

ENGINES = ("formualizer", "ironcalc", "libreoffice", "cached")


class EngineError(SheetgradError):
    """An engine is missing or failed: one line that names the engine, the file, and what to install or do."""


class ErrorValue(str):
    """What a cell shows instead of a value, such as ``#DIV/0!``: told apart from text by its class."""


class Formula(str):
    """A formula to set in a cell, with its ``=``; a plain ``str`` in :data:`Changes` is always text."""


Value: TypeAlias = float | str | bool | ErrorValue | None
Values: TypeAlias = dict[str, dict[str, Value]]  # {sheet: {"B6": value}}: empty cells are absent
Changes: TypeAlias = Mapping[str, Mapping[str, float | str | Formula]]  # a plain str is text, never a formula
Wanted: TypeAlias = Mapping[str, Sequence[str]]  # {sheet: [cells]}


class Engine(Protocol):
    """What `verify`, `grade` and `gradcheck` stand on."""

    name: str

    def recalculate(self, path: Path, changes: Changes | None = None) -> Values:
        """All values of the workbook at `path`, computed anew with the cells in `changes` set first.

        Hidden and very hidden sheets are included; numbers are floats, a date is its serial number. The file
        itself is never changed. Raises `EngineError` when the engine cannot do so.
        """
        ...

    def recalculate_each(self, path: Path, scenarios: Sequence[Changes], wanted: Wanted) -> Iterator[Values]:
        """The values of the `wanted` cells for each of the scenarios, which do not add up: each starts anew.

        An empty cell is None. Raises `EngineError` as `recalculate` does.
        """
        ...


def get_engine(name: str) -> Engine:
    """The engine called `name`, one of `ENGINES`; raises `EngineError` when unknown or not installed."""
    try:
        match name:
            case "formualizer":
                from sheetgrad.engines.formualizer import Formualizer

                return Formualizer()
            case "ironcalc":
                from sheetgrad.engines.ironcalc import IronCalc

                return IronCalc()
            case "libreoffice":
                from sheetgrad.engines.libreoffice import LibreOffice

                return LibreOffice()
            case "cached":
                from sheetgrad.engines.cached import Cached

                return Cached()
    except ImportError as error:
        wanted = "'sheetgrad[ironcalc]'" if name == "ironcalc" else name
        raise EngineError(f"{name} is not installed: pip install {wanted}") from error
    raise EngineError(f"no engine is called {name!r}: use one of {', '.join(ENGINES)}")


@contextmanager
def guard(engine: str, path: Path) -> Iterator[None]:
    """Turn whatever goes wrong inside `engine` into an `EngineError` of one line.

    Broad on purpose: a Rust panic reaches Python as a `BaseException`, and openpyxl fails on a damaged file
    in many ways. A file that is no zip archive is refused here: LibreOffice would import it as text.
    """
    try:
        check_package(path)
    except UnsafeFileError as error:
        raise EngineError(f"{engine}: {error}") from None
    try:
        with warnings.catch_warnings(action="ignore"):  # openpyxl warns of extensions that bear on no value
            yield
    except (EngineError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise EngineError(f"{engine}: {path}: {reason}") from error


def plain_value(raw: object) -> Value:
    """What an engine gives for a cell, as a `Value`: numbers are floats, dates and times serial numbers."""
    if raw is None or isinstance(raw, bool | str):
        return raw
    return float(raw if isinstance(raw, int | float) else to_excel(raw))


def only(values: Values, wanted: Wanted) -> Values:
    """The values of some cells; an empty one is None."""
    return {sheet: {cell: values.get(sheet, {}).get(cell) for cell in cells} for sheet, cells in wanted.items()}


@lru_cache(maxsize=1 << 16)
def cell_position(cell: str) -> tuple[int, int]:
    """Row and column of ``B6``, counted from 1. The same cells are asked for again and again."""
    return coordinate_to_tuple(cell)


def cells_to_set(changes: Changes | None, sheets: Sequence[str]) -> Iterator[tuple[str, int, int, float | str]]:
    """`(sheet, row, column, value)` of each change, counted from 1; `ValueError` for an unknown sheet."""
    for sheet, cells in (changes or {}).items():
        if sheet not in sheets:
            raise ValueError(f"there is no sheet {sheet!r}, only {', '.join(sheets)}")
        for cell, value in cells.items():
            yield sheet, *cell_position(cell), value if isinstance(value, str) else float(value)
