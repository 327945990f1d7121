"""What stands where in somebody's workbook, and what is computed from what.

Everything is bounded, whoever made the file: so many cells, so many steps, and no recursion along a chain of formulas.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from openpyxl.formula.tokenizer import Token
from openpyxl.utils.cell import get_column_letter, quote_sheetname, range_boundaries

from sheetgrad.gradchecking.ranges import GradcheckError, Place, Range, tokens
from sheetgrad.xlsx.contents import Contents, SheetContents
from sheetgrad.xlsx.grid import ErrorValue, cell_position

MOST_CELLS = 200_000  # texts, numbers and formulas of a workbook that is searched
MOST_STEPS = 5_000_000  # cells looked at on the way from formulas to what they read
LONGEST_FORMULA = 8_192  # characters, as in Excel
LAST_ROW, LAST_COLUMN = 1_048_576, 16_384


class Kind(Enum):
    """What stands in a cell."""

    NOTHING = "nothing"
    TEXT = "a text"
    NUMBER = "a number"
    FORMULA = "a formula"
    OTHER = "a date, a truth value or an error"


@dataclass
class Cells:
    """The cells of a workbook by what they hold. ``merged`` has the last row and column of merged cells by their first;
    ``names`` the ranges of the names that the workbook gives, in lower case."""

    sheets: list[str] = field(default_factory=list)
    texts: dict[Place, str] = field(default_factory=dict)
    numbers: set[Place] = field(default_factory=set)
    formulas: dict[Place, str] = field(default_factory=dict)
    others: set[Place] = field(default_factory=set)
    merged: dict[Place, tuple[int, int]] = field(default_factory=dict)
    names: dict[str, Range] = field(default_factory=dict)
    steps: int = 0

    @classmethod
    def read(cls, contents: Contents) -> Cells:
        """The cells of a workbook's file; :class:`GradcheckError` where there are too many to search."""
        cells = cls(contents.sheets)
        for name in contents.sheets:
            cells._keep(name, contents.sheet(name))
            for area in contents.merged(name):
                left, top, right, bottom = range_boundaries(area)
                cells.merged[name, top, left] = bottom, right
        for name, text in contents.names.items():
            for area in referenced(f"={text}", ""):
                cells.names[name.lower()] = area
        return cells

    def _keep(self, name: str, sheet: SheetContents) -> None:
        self._bound(name, max(len(sheet.formulas), len(sheet.values)))
        formulas = {(name, row, column): text for row, column, text in sheet.formulas.cells()}
        formulas |= {(name, *cell_position(cell)): text for cell, text in sheet.filled.items()}
        dates = {(name, *cell_position(cell)) for cell in sheet.dates}
        for row, column, value in sheet.values.cells():
            at = name, row, column
            if isinstance(value, str) and not isinstance(value, ErrorValue):
                if value.strip():
                    self.texts[at] = value
            elif at not in formulas:
                number = isinstance(value, float) and at not in dates
                (self.numbers if number else self.others).add(at)
        self.formulas |= formulas
        self._bound(name, len(self.texts) + len(self.numbers) + len(self.formulas))

    @staticmethod
    def _bound(name: str, count: int) -> None:
        if count > MOST_CELLS:
            raise GradcheckError(
                f"--find: {name} brings the workbook above {MOST_CELLS:,} cells; "
                "name the loss, the numbers and the gradients instead"
            )

    def kind(self, at: Place) -> Kind:
        """What stands in a cell; a formula that gives a text is a text."""
        if at in self.texts:
            return Kind.TEXT
        if at in self.formulas:
            return Kind.FORMULA
        if at in self.numbers:
            return Kind.NUMBER
        return Kind.OTHER if at in self.others else Kind.NOTHING

    def extent(self, at: Place) -> tuple[int, int]:
        """The last row and column of a cell, which may be merged with others."""
        return self.merged.get(at, at[1:])

    def step(self, count: int = 1) -> None:
        """Counts steps of a search; raises :class:`GradcheckError` after too many."""
        self.steps += count
        if self.steps > MOST_STEPS:
            raise GradcheckError(
                "--find: the workbook's formulas are too much to follow; "
                "name the loss, the numbers and the gradients instead"
            )

    # -- what is computed from what --

    @cached_property
    def _columns(self) -> dict[str, dict[int, list[int]]]:
        """The rows in use by sheet and column, in order."""
        found: dict[str, dict[int, list[int]]] = {}
        for sheet, row, column in sorted([*self.formulas, *self.numbers]):
            found.setdefault(sheet, {}).setdefault(column, []).append(row)
        return found

    def within(self, area: Range) -> Iterator[Place]:
        """The numbers and formulas of an area, however large it is."""
        columns = self._columns.get(area.sheet, {})
        wide = area.right - area.left >= len(columns)
        for column in columns if wide else range(area.left, area.right + 1):
            if not area.left <= column <= area.right:
                continue
            self.step()
            rows = columns.get(column, [])
            for k in range(bisect_left(rows, area.top), bisect_right(rows, area.bottom)):
                self.step()
                yield area.sheet, rows[k], column

    def reads(self, at: Place) -> list[Range]:
        """The ranges that a cell's formula names; none for a number."""
        return list(referenced(self.formulas[at], at[0], self.names)) if at in self.formulas else []

    def ancestors(self, areas: Iterable[Range]) -> set[Place]:
        """The cells of some areas, and every cell that they are computed from."""
        waiting, seen = list(areas), set()
        reached: set[Place] = set()
        while waiting:
            area = waiting.pop()
            if area in seen:
                continue
            seen.add(area)
            for at in self.within(area):
                if at not in reached:
                    reached.add(at)
                    waiting += self.reads(at)
        return reached


def referenced(formula: str, own: str, names: dict[str, Range] | None = None) -> Iterator[Range]:
    """The ranges that a formula on the sheet ``own`` names, ``names`` that the workbook gives among them; whole columns and rows too.
    What is none of these, such as a column of a table, is passed over."""
    if len(formula) > LONGEST_FORMULA:
        return
    for token in tokens(formula):
        if token.type == Token.OPERAND and token.subtype == Token.RANGE:
            named = (names or {}).get(token.value.lower())
            area = named or _range(token.value, own)
            if area:
                yield area


def _range(text: str, own: str) -> Range | None:
    sheet, _, cells = text.rpartition("!")
    if sheet[:1] == "'":
        sheet = sheet[1:-1].replace("''", "'")
    try:
        left, top, right, bottom = range_boundaries(cells.replace("$", "").rstrip("#").upper())
    except (ValueError, TypeError):
        return None
    columns, rows = sorted((left or 1, right or LAST_COLUMN)), sorted((top or 1, bottom or LAST_ROW))
    return Range(sheet or own, rows[0], columns[0], rows[1], columns[1])


def named(area: Range) -> str:
    """A range as a call and a formula name it: the sheet in quotes where it needs them."""
    sheet, first = area.sheet, f"{get_column_letter(area.left)}{area.top}"
    if not sheet.replace("_", "").isalnum():
        sheet = quote_sheetname(sheet)
    last = f":{get_column_letter(area.right)}{area.bottom}" if area.shape != (1, 1) else ""
    return f"{sheet}!{first}{last}"
