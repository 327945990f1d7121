"""Tables of lines: what a sheet computes beyond the lesson's own tensors, written once and read twice.

A table is a TOML file of this folder. Its lines are read on cells (:mod:`sheetgrad.lines.typed`), which gives the
formulas of a sheet, and on numbers (:mod:`sheetgrad.lines.spreads`), which gives what each of them must show and by
how much it may be off.

``[constants]`` are written into the formulas. ``[places]`` and ``[ranges]`` are the cells that a sheet says where to
find. ``[lines]`` have no cell of their own: they stand in the formulas that use them. A ``[fields.NAME]`` has a cell in
every row (or column) of a table, a ``[panel.NAME]`` one on the sheet: both have a ``heading``, a ``style``, a number
``format`` and a ``line``; without one the field uses the line of its name, or holds what the sheet puts there.
``include`` takes over all but the cells of other tables; what is said again replaces it. In lines ``all.NAME`` is a
field in every row, and ``POINT.NAME`` the field in the row that ``[points]`` gives (counted from 0). ``[off]`` says
by how much a number may be off in the cells, and is read on numbers only.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files

import numpy as np

from sheetgrad.formulas.expressions import Expr, Ref
from sheetgrad.lines.evaluate import evaluate
from sheetgrad.lines.parse import LanguageError, parse_expression
from sheetgrad.lines.spreads import SPREADS, Choice, Range, Reading, Spread, reading, spread
from sheetgrad.lines.typed import TYPED, Typed, expression
from sheetgrad.lines.typed import Range as Cells

ALL = "all"  # the name of every row


@dataclass(frozen=True)
class Field:
    """A cell of a table: how it looks. ``folded`` away at first; ``exact``: nothing near 0 is forgiven."""

    name: str
    heading: str
    style: str
    format: str = "General"
    folded: bool = False
    exact: bool = False


@dataclass(frozen=True, eq=False)
class Table:
    """The lines of one file with what they include."""

    name: str
    constants: Mapping[str, float | str]
    places: Mapping[str, str]
    ranges: Mapping[str, str]
    lines: Mapping[str, ast.expr]
    off: Mapping[str, ast.expr]
    points: Mapping[str, int]
    fields: Mapping[str, Field]
    panel: Mapping[str, Field]

    @cached_property
    def names(self) -> frozenset[str]:
        """All that a line can name without a dot."""
        parts = (self.constants, self.places, self.ranges, self.lines, self.fields, self.panel)
        return frozenset(name for part in parts for name in part)

    @property
    def shown(self) -> int:
        """How many fields show before those that fold away."""
        return sum(not field.folded for field in self.fields.values())

    def on_numbers(self, values: Mapping[str, object], exact: bool = False) -> Mapping[str, Spread | Choice]:
        """What each line gives on numbers; read when asked for.

        ``values`` are numbers, texts or arrays of them by the names of places, ranges and fields: a field along
        axis 0 of an array, a range as an array or a :class:`~sheetgrad.lines.spreads.Range`. What a value is given
        for is not computed. ``exact``: the numbers are taken to be off by nothing.
        """
        known = _Numbers(self, values, lambda name: 0.0)

        def off(name: str):
            return spread(evaluate(self.off[name], known, SPREADS)).value if name in self.off else 0.0

        return known if exact else _Numbers(self, values, off)

    def on_cells(
        self, ranges: Mapping[str, Cells] | None = None, values: Mapping[str, object] | None = None, lying: bool = False
    ) -> Mapping[str, Expr]:
        """The formula of each line over :class:`~sheetgrad.formulas.expressions.Ref` of the names of cells.

        ``ranges`` says how those of ``[ranges]`` lie that are not a plain column or block, ``values`` what is known
        when the sheet is made and stands in the formula itself (texts, a tuple of texts, truths); ``lying``: each
        field is a row.
        """
        if not values:
            return _formulas(self, tuple((ranges or {}).items()), lying)
        return _Cells(self, ranges or {}, values, lying)


class _Lines(Mapping):
    """The lines of a table read by name, each once."""

    def __init__(self, table: Table):
        self.table = table
        self.made: dict[str, object] = {}

    def __contains__(self, name: object) -> bool:
        return name in self.table.lines

    def __iter__(self) -> Iterator[str]:
        return iter(self.table.lines)

    def __len__(self) -> int:
        return len(self.table.lines)

    def _point(self, name: str) -> tuple[str, str]:
        """``reference.h`` as the point and the field; two empty texts for other names."""
        first, _, rest = name.partition(".")
        known = rest in self.table.fields and (first == ALL or first in self.table.points)
        return (first, rest) if known else ("", "")


class _Numbers(_Lines):
    def __init__(self, table: Table, values: Mapping[str, object], off: Callable[[str], object]):
        super().__init__(table)
        self.values, self.off = values, off

    def __contains__(self, name: object) -> bool:
        table = self.table
        known = name in self.values or name in table.lines or name in table.constants
        return known or self._point(str(name)) != ("", "")

    def __getitem__(self, name: str):
        if name not in self.made:
            self.made[name] = self._read(name)
        return self.made[name]

    def _read(self, name: str):
        table = self.table
        if name in self.values:
            found = self.values[name]
            if isinstance(found, (bool, tuple, Range)):
                return found
            found = self._off(name, reading(found))
            return Range(found) if name in table.ranges else found
        if name in table.constants:
            return reading(table.constants[name])
        if name in table.lines:
            return self._off(name, evaluate(table.lines[name], self, SPREADS))
        return self._of_row(*self._point(name))

    def _off(self, name: str, found):
        more = self.off(name)
        return found + Spread(np.zeros(np.shape(more)), more) if isinstance(found, Spread) and np.any(more) else found

    def _of_row(self, point: str, field: str) -> Range | Reading:
        if not field:
            raise KeyError(field)
        column = self[field]
        if point == ALL:
            return Range(column)
        return column.take(self.table.points[point])


class _Cells(_Lines):
    def __init__(self, table: Table, ranges: Mapping[str, Cells], values: Mapping[str, object], lying: bool):
        super().__init__(table)
        self.ranges, self.values, self.lying = ranges, values, lying
        self.named = _Named(self)

    def __getitem__(self, name: str) -> Expr:
        return expression(self.line(name))

    def line(self, name: str):
        if name not in self.made:
            self.made[name] = evaluate(self.table.lines[name], self.named, TYPED)
        return self.made[name]


class _Named(_Lines):
    """What a name in a line stands for: a cell, cells, a constant, or the line itself in its place."""

    def __init__(self, cells: _Cells):
        super().__init__(cells.table)
        self.cells = cells

    def __contains__(self, name: object) -> bool:
        return name in self.table.names or name in self.cells.values or self._point(str(name)) != ("", "")

    def __getitem__(self, name: str):
        table = self.table
        if name in self.cells.values:
            return self.cells.values[name]
        if name in table.constants:
            return table.constants[name]
        if name in table.ranges:
            return self.cells.ranges.get(name, Cells((name,)))
        if name in table.lines and name not in table.fields and name not in table.panel:
            return self.cells.line(name)
        if self._point(name)[0] == ALL:
            return Cells((name,), lying=self.cells.lying)
        return Typed(Ref(name, ()))


@lru_cache(256)
def _formulas(table: Table, ranges: tuple[tuple[str, Cells], ...], lying: bool) -> _Cells:
    """The formulas that are the same on every sheet, made once."""
    return _Cells(table, dict(ranges), {}, lying)


@cache
def table(name: str) -> Table:
    """The table of ``NAME.toml``. Raises ``LanguageError`` for a line that cannot be read."""
    read = tomllib.loads(files("sheetgrad.tables").joinpath(f"{name}.toml").read_text("utf-8"))
    included = [table(other) for other in read.get("include", ())]
    cells = {part: _fields(read.get(part, {})) for part in ("fields", "panel")}
    own = {key: row["line"] for part in cells for key, row in read.get(part, {}).items() if "line" in row}
    texts = {"lines": {**read.get("lines", {}), **own}, "off": read.get("off", {})}
    parsed = {part: {key: _parsed(name, key, text) for key, text in entries.items()} for part, entries in texts.items()}

    def together(part: str) -> dict:
        found: dict = {}
        for other in included:
            found |= getattr(other, part)
        return found | parsed.get(part, read.get(part, {}))

    plain = ("constants", "places", "ranges", "lines", "off", "points")
    return Table(name, **{part: together(part) for part in plain}, **cells)


def _fields(entries: Mapping[str, Mapping]) -> dict[str, Field]:
    return {
        name: Field(name, **{key: value for key, value in row.items() if key != "line"})
        for name, row in entries.items()
    }


def _parsed(table_name: str, name: str, text: str) -> ast.expr:
    try:
        return parse_expression(text)
    except LanguageError as error:
        raise LanguageError(f"{table_name}.toml: {name}: {error}") from None
