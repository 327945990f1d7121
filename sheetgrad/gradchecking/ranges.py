"""Ranges of cells as they are named in a call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from openpyxl.formula import Tokenizer
from openpyxl.formula.tokenizer import Token, TokenizerError
from openpyxl.utils.cell import get_column_letter, quote_sheetname, range_boundaries

from sheetgrad.errors import SheetgradError

REFERENCE = re.compile(
    r"^(?:'((?:[^']|'')+)'|([^'!=*/+()<>&^,;:]+))!\$?([A-Z]{1,3})\$?(\d+)(?::\$?([A-Z]{1,3})\$?(\d+))?$", re.I
)


Place = tuple[str, int, int]  # sheet, row, column: a cell to reckon with
MOST_READ = 20_000  # cells of a range that a formula reads, for it to be looked into


class GradcheckError(SheetgradError, ValueError):
    """A call that cannot be answered; the message says in one line what was found and expected."""


@dataclass(frozen=True)
class Range:
    """A rectangle of cells of a sheet."""

    sheet: str
    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def parse(cls, text: str, what: str) -> Range:
        """``Sheet!B2:C4``; raises :class:`GradcheckError` naming ``what`` it was given for."""
        match = REFERENCE.match(text.strip())
        if not match:
            raise GradcheckError(f"{what}: found {text!r}, expected a range with its sheet, such as Sheet1!B2:C4")
        quoted, plain, left, top, right, bottom = match.groups()
        sheet = quoted.replace("''", "'") if quoted else plain
        corner = range_boundaries(f"{left}{top}:{right or left}{bottom or top}".upper())
        return cls(sheet, min(corner[1], corner[3]), min(corner[0], corner[2]), max(corner[1::2]), max(corner[::2]))

    @property
    def shape(self) -> tuple[int, int]:
        return self.bottom - self.top + 1, self.right - self.left + 1

    def cells(self) -> list[str]:
        """The cells, row by row."""
        columns = [get_column_letter(column) for column in range(self.left, self.right + 1)]
        return [f"{column}{row}" for row in range(self.top, self.bottom + 1) for column in columns]

    @property
    def places(self) -> list[Place]:
        """The cells as sheet, row and column, row by row."""
        rows, columns = range(self.top, self.bottom + 1), range(self.left, self.right + 1)
        return [(self.sheet, row, column) for row in rows for column in columns]

    def moved(self, down: int, right: int, sheet: str | None = None) -> Range:
        """The range so many rows and columns further on; nothing keeps it on the sheet."""
        edges = self.top + down, self.left + right, self.bottom + down, self.right + right
        return Range(sheet or self.sheet, *edges)

    def written(self, home: str) -> str:
        """As a formula on the sheet ``home`` names it."""
        sheet, _, cells = str(self).rpartition("!")
        return cells if sheet == home else f"{quote_sheetname(sheet)}!{cells}"

    def __str__(self) -> str:
        first, last = f"{get_column_letter(self.left)}{self.top}", f"{get_column_letter(self.right)}{self.bottom}"
        return f"{self.sheet}!{first}" + ("" if first == last else f":{last}")


@lru_cache(maxsize=1 << 14)
def tokens(formula: str) -> tuple[Token, ...]:
    """The tokens of a formula with its ``=``; none of what is no formula."""
    try:
        return tuple(Tokenizer(formula).items)
    except (TokenizerError, IndexError, ValueError):
        return ()


def operands(formula: str, sheet: str, names: Mapping[str, str]) -> dict[int, Range]:
    """The ranges that a formula on ``sheet`` reads, by the number of their token. ``names`` are those that the workbook
    gives, in capitals. What is no rectangle, such as a whole column, is passed over."""
    found = {}
    for k, token in enumerate(tokens(formula)):
        if token.type == Token.OPERAND and token.subtype == Token.RANGE:
            text = names.get(token.value.upper(), token.value)
            whole = text if "!" in text else f"{quote_sheetname(sheet)}!{text}"
            if REFERENCE.match(whole):
                area = Range.parse(whole, formula)
                if area.shape[0] * area.shape[1] <= MOST_READ:
                    found[k] = area
    return found
