"""What an engine is: a program that recalculates a workbook, declared in a module of its own.

An engine knows nothing of lessons. What it stands on besides this package and the program itself is the file format.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, TypeAlias

from sheetgrad.errors import SheetgradError
from sheetgrad.xlsx.grid import ErrorValue, Grid, Value, cell_position
from sheetgrad.xlsx.package import UnsafeFileError, read_package


class EngineError(SheetgradError):
    """An engine is missing or failed: one line that names the engine, the file, and what to install or do."""


class Formula(str):
    """A formula to set in a cell, with its ``=``; a plain ``str`` in :data:`Changes` is always text."""


Values: TypeAlias = Mapping[str, Mapping[str, Value]]  # {sheet: {"B6": value}}
Grids: TypeAlias = dict[str, Grid]  # all values by sheet: empty cells are absent
Change: TypeAlias = float | str | Formula | None  # None empties a cell
Changes: TypeAlias = Mapping[str, Mapping[str, Change]]
Wanted: TypeAlias = Mapping[str, Sequence[str]]  # {sheet: [cells]}


class Session(ABC):
    """A workbook that an engine holds open, to be changed and asked again and again; the file is never changed.

    What goes wrong raises whatever it raises: use it within :func:`guard`, or by :meth:`Engine.opened`. An unknown
    sheet is a ``ValueError``.
    """

    sheets: Sequence[str]  # hidden and very hidden ones too
    quick: ClassVar[bool] = True  # whether it can be asked thousands of times

    @abstractmethod
    def change(self, changes: Changes | None) -> object:
        """Sets cells. The result is for :meth:`restore` alone."""

    @abstractmethod
    def restore(self, before: object) -> None:
        """Puts back what stood there before :meth:`change`."""

    @abstractmethod
    def grids(self) -> Grids:
        """All values, computed anew: numbers are floats, a date is its serial number."""

    @abstractmethod
    def values(self, wanted: Wanted) -> Values:
        """The values of these cells, computed anew; an empty cell is None."""

    @abstractmethod
    def formula(self, sheet: str, cell: str) -> str | None:
        """The formula of a cell as the engine writes it: the same however an application spells it."""

    def clear(self, sheet: str, cells: Iterable[str]) -> None:
        """Empties cells: what stands where an array formula must spill keeps it from doing so."""
        self.change({sheet: dict.fromkeys(cells)})

    def values_of_few(self, wanted: Wanted) -> Values:
        """The same as :meth:`values`, for an engine that computes no more than these cells depend on."""
        return self.values(wanted)

    def values_after(self, scenarios: Sequence[Changes], wanted: Wanted) -> Iterator[Values]:
        """The values of these cells after each of the scenarios, which do not add up: each starts anew."""
        for changes in scenarios:
            before = self.change(changes)
            found = self.values_of_few(wanted)
            self.restore(before)
            yield found

    def values_from(self, starts: Sequence[tuple[Changes, Sequence[Changes]]], wanted: Wanted) -> Iterator[Values]:
        """As :meth:`values_after`, from several starts: each is set before all of the scenarios given with it."""
        for start, scenarios in starts:
            before = self.change(start)
            yield from self.values_after(scenarios, wanted)
            self.restore(before)

    def unknown_functions(self, names: Collection[str]) -> list[str]:
        """Which of these functions the engine does not know, as far as it can tell."""
        return []


class Engine(ABC):
    """A program that recalculates: its class declares it, and is found by the name ``ENGINE`` in its module.

    ``install`` says how to get it. Engines are tried in the ``order`` of their numbers where none is named and they are
    ``automatic``. One that ``computes`` follows changes; others give what is stored. One that ``converts`` reads files of
    other kinds, too.
    """

    name: ClassVar[str]
    install: ClassVar[str]
    order: ClassVar[int]
    automatic: ClassVar[bool] = True
    computes: ClassVar[bool] = True
    converts: ClassVar[bool] = False

    @abstractmethod
    def open(self, data: bytes, seconds: float | None = None) -> Session:
        """Opens a workbook's file that ``read_package`` has passed.

        ``seconds`` is how long all that the session is asked may take, where the engine is a process of its own that
        can be stopped; one that works inside this process cannot be.
        """

    def save_as_xlsx(self, path: Path, folder: Path, seconds: float | None = None) -> Path:
        """A file of another kind, such as .ods, as .xlsx in ``folder``, by an engine that ``converts``; macros are not
        run. Raises :class:`EngineError` when it cannot read the file, or not in that time."""
        raise EngineError(f"{self.name}: {path}: it reads no other files than .xlsx")

    @contextmanager
    def opened(self, path: Path, seconds: float | None = None) -> Iterator[Session]:
        """The workbook at ``path``, opened; whatever goes wrong, here or with it, is an :class:`EngineError`."""
        with guard(self.name, path):
            yield self.open(read_package(path), seconds)

    def recalculate(self, path: Path, changes: Changes | None = None) -> Grids:
        """All values of a workbook, computed anew with the cells in ``changes`` set first.

        Raises :class:`EngineError` when the engine cannot do so.
        """
        with self.opened(path) as session:
            session.change(changes)
            return session.grids()

    def recalculate_each(self, path: Path, scenarios: Sequence[Changes], wanted: Wanted) -> Iterator[Values]:
        """See :meth:`Session.values_after`; raises as :meth:`recalculate` does."""
        with self.opened(path) as session:
            yield from session.values_after(scenarios, wanted)


@contextmanager
def guard(engine: str, path: Path) -> Iterator[None]:
    """Turns whatever goes wrong inside ``engine`` into an :class:`EngineError` of one line.

    Broad on purpose: a Rust panic reaches Python as a ``BaseException``, and a damaged file breaks readers in many ways.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # openpyxl warns of extensions that bear on no value
            yield
    except (EngineError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except UnsafeFileError as error:
        raise EngineError(f"{engine}: {error}") from None
    except BaseException as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise EngineError(f"{engine}: {path}: {reason}") from error


def plain_value(raw: object) -> Value:
    """What an engine gives for a cell, as a `Value`: numbers are floats, dates and times serial numbers."""
    if raw is None or isinstance(raw, bool | str):
        return raw
    if isinstance(raw, int | float):
        return float(raw)
    from openpyxl.utils.datetime import to_excel

    return float(to_excel(raw))


def only(values: Mapping[str, Grid], wanted: Wanted) -> Values:
    """The values of some cells; an empty one is None. ``ValueError`` for an unknown sheet."""
    known(wanted, list(values))
    return {sheet: {cell: values[sheet].get(cell) for cell in cells} for sheet, cells in wanted.items()}


def known(wanted: Iterable[str], sheets: Sequence[str]) -> None:
    """``ValueError`` for a sheet that is not there."""
    for sheet in wanted:
        if sheet not in sheets:
            raise ValueError(f"there is no sheet {sheet!r}, only {', '.join(sheets)}")


def cells_to_set(changes: Changes | None, sheets: Sequence[str]) -> Iterator[tuple[str, int, int, Change]]:
    """`(sheet, row, column, value)` of each change, counted from 1; `ValueError` for an unknown sheet."""
    known(changes or {}, sheets)
    for sheet, cells in (changes or {}).items():
        for cell, value in cells.items():
            yield sheet, *cell_position(cell), value if value is None or isinstance(value, str) else float(value)


__all__ = [
    "Change",
    "Changes",
    "Engine",
    "EngineError",
    "ErrorValue",
    "Formula",
    "Grid",
    "Grids",
    "Session",
    "Value",
    "Values",
    "Wanted",
    "cell_position",
    "cells_to_set",
    "guard",
    "known",
    "only",
    "plain_value",
]
