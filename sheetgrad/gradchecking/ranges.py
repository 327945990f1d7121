"""Ranges of cells as they are named in a call."""

from __future__ import annotations

import re
from dataclasses import dataclass

from openpyxl.utils.cell import get_column_letter, range_boundaries

from sheetgrad.errors import SheetgradError

REFERENCE = re.compile(r"^(?:'((?:[^']|'')+)'|([^'!]+))!\$?([A-Z]{1,3})\$?(\d+)(?::\$?([A-Z]{1,3})\$?(\d+))?$", re.I)


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

    def __str__(self) -> str:
        first, last = f"{get_column_letter(self.left)}{self.top}", f"{get_column_letter(self.right)}{self.bottom}"
        return f"{self.sheet}!{first}" + ("" if first == last else f":{last}")
