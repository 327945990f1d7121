"""The parts of a section: blocks of numbers, and figures of blocks and texts that keep their places to one another."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from textwrap import wrap

from sheetgrad.autodiff.program import Line
from sheetgrad.formulas.expressions import Index, Shape
from sheetgrad.formulas.places import Place, Placement
from sheetgrad.plan.extents import extent, placed
from sheetgrad.plan.pictures import Picture
from sheetgrad.plan.placing import Copy

NO_BREAK = "\u00a0"
OPERATOR = re.compile(r" ([-−+*/@]|\*\*) ")
NARROW = 6.9  # characters of Calibri 11 of a column of the sheet, wide enough for -123.45
CODE, NAME, BAR, CAPTION, TEXT = (
    6.2,
    5.2,
    4.9,
    7.4,
    6.7,
)  # letters of each size that fit one such column, with other fonts too


@dataclass(frozen=True)
class Part:
    """A block of numbers; ``key``, ``purpose`` and the rest as in :class:`~sheetgrad.plan.drawing.Drawn`."""

    key: str
    purpose: str
    shape: Shape
    way: str = "row"
    line: Line | None = None
    copy: Copy | None = None
    turned: bool = False
    node: ast.expr | None = None
    reader: str = ""
    framed: frozenset[Index] = frozenset()

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns of the block."""
        rows, columns = self.copy.extent if self.copy else extent(self.shape, self.way)
        return (columns, rows) if self.turned else (rows, columns)

    def placed(self, sheet: str, row: int, column: int) -> Place:
        if self.copy:
            return self.copy.placed(sheet, row, column)
        if self.turned:
            return Placement(sheet, row, column, self.shape, ((0, 1), (1, 0)))
        return placed(sheet, row, column, self.shape, self.way)


@dataclass(frozen=True)
class Standing:
    """A part and the row and column of its corner."""

    part: Part
    row: int
    column: int


@dataclass(frozen=True)
class Words:
    """A text and where it begins; ``to`` is the tensor or gradient whose block it leads to, ``of`` the one it is about."""

    row: int
    column: int
    text: str
    style: str
    to: str = ""
    of: str = ""


@dataclass(frozen=True)
class Shown:
    """A picture with what stands for it: its factors (None for a plain number), the signs and numbers that are written as
    texts, and the result."""

    picture: Picture
    factors: tuple[Standing | None, ...]
    signs: tuple[Words, ...]
    result: Standing


@dataclass
class Figure:
    """Blocks and texts at rows and columns counted from 0. ``base`` is the row in which the numbers of its result begin:
    what stands beside one another is lined up there. ``columns`` it wants to itself; ``words`` come below."""

    parts: list[Standing] = field(default_factory=list)
    texts: list[Words] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    words: list[tuple[str, str]] = field(default_factory=list)
    base: int = 0
    columns: int = 0

    @property
    def rows(self) -> int:
        blocks = [one.row + one.part.extent[0] for one in self.parts]
        return max([*blocks, *(text.row + 1 for text in self.texts)], default=0)

    def block(self, part: Part, row: int, column: int) -> Standing:
        standing = Standing(part, row, column)
        self.parts.append(standing)
        self.columns = max(self.columns, column + part.extent[1])
        return standing

    def text(self, row: int, column: int, words: str, style: str, columns: int = 1) -> Words:
        found = Words(row, column, words, style)
        self.texts.append(found)
        self.columns = max(self.columns, column + columns)
        return found

    def put(self, other: Figure, row: int, column: int) -> None:
        """Takes another figure in, with its corner there."""
        for name in ("parts", "texts", "shown"):
            getattr(self, name).extend(moved(one, row, column) for one in getattr(other, name))
        self.words += other.words
        self.columns = max(self.columns, column + other.columns)


def moved(one: Standing | Words | Shown, row: int, column: int):
    """The same so many rows further down and columns further right."""
    if isinstance(one, Shown):
        factors = tuple(factor and moved(factor, row, column) for factor in one.factors)
        signs = tuple(moved(sign, row, column) for sign in one.signs)
        return replace(one, factors=factors, signs=signs, result=moved(one.result, row, column))
    return replace(one, row=one.row + row, column=one.column + column)


def columns_of(text: str, letters: float = CODE) -> int:
    """Columns that a text needs."""
    return max(1, math.ceil(len(text) / letters))


def wrapped(text: str, columns: float, letters: float = CODE, most: int = 6) -> list[str]:
    """A text broken at spaces to fit so many columns: before an operator, not after it, and not within short brackets."""
    room = max(8, int(columns * letters))
    short = re.compile(rf"\([^()]{{,{2 * room // 3}}}\)")
    together = short.sub(lambda found: found[0].replace(" ", NO_BREAK), OPERATOR.sub(rf" \1{NO_BREAK}", text))
    lines = wrap(together, room, break_long_words=False, subsequent_indent="  ")
    lines = lines if len(lines) <= most else [*lines[: most - 1], "  …"]
    return [line.replace(NO_BREAK, " ") for line in lines]


def tile(part: Part, headings: Sequence[str], style: str, beside: str = "", checked: bool = False) -> Figure:
    """A block under its heading; ``beside`` stands at the right end of that, and where it is ``checked`` there is room for
    a verdict at the right of each number."""
    figure, last = Figure(), len(headings) - 1
    letters = NAME if style == "name" else CODE
    for k, text in enumerate(headings):
        figure.text(k, 0, text, style, columns_of(text, letters))
    columns = part.extent[1]
    figure.base = last + 1
    figure.block(part, last + 1, 0)
    at = max(columns - 1, columns_of(headings[-1], letters))
    if beside:
        figure.text(last, at, beside, "shape" if at < columns else "shape_left", int(at < columns))
    if checked:
        if part.purpose == "blank" and columns_of(headings[last], letters) <= columns:
            figure.text(last, columns, "right?", "shape_left")
        figure.block(Part(part.key, "check", part.shape, part.way), last + 1, columns)
    return figure
