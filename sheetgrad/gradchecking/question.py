"""What a call of gradcheck asks, made sure of: ranges that fit, numbers that can be nudged, a loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from openpyxl.formula import Tokenizer
from openpyxl.formula.tokenizer import Token, TokenizerError

from sheetgrad.engines import Changes, Formula
from sheetgrad.gradchecking.draws import Cell
from sheetgrad.gradchecking.ranges import REFERENCE, GradcheckError, Range
from sheetgrad.workbook.reading import read_workbook, readable
from sheetgrad.xlsx.contents import Contents, SheetContents

MOST_INPUTS = 5_000
APART = 5  # rows and columns between what stands on a sheet and where something is tried


@dataclass(frozen=True)
class Pair:
    """A range of inputs and the range of their gradients. ``typed`` are gradient cells that hold no formula."""

    given: Range
    gradient: Range
    numbers: Mapping[Cell, float]
    typed: frozenset[Cell]

    @property
    def inputs(self) -> list[Cell]:
        return list(self.numbers)

    @property
    def gradients(self) -> list[Cell]:
        return [(self.gradient.sheet, cell) for cell in self.gradient.cells()]

    def orders(self) -> list[tuple[bool, np.ndarray]]:
        """The ways to lay the gradients over the inputs that fit: whether turned, and which gradient is which input's."""
        rows, columns = self.gradient.shape
        order = np.arange(rows * columns)
        ways = [(False, order)] if self.given.shape == self.gradient.shape else []
        if self.given.shape == (columns, rows) and (rows > 1 and columns > 1 or not ways):
            ways.append((True, order.reshape(rows, columns).T.ravel()))
        return ways

    def __str__(self) -> str:
        return f"{self.given} → {self.gradient}"


@dataclass(frozen=True)
class Question:
    """``extra`` sets the formula of a loss that the workbook does not show; ``sheets`` is what stands in it,
    ``names`` what it gives names to."""

    path: Path
    loss: Cell
    extra: Changes
    pairs: tuple[Pair, ...]
    step: float
    sheets: Mapping[str, SheetContents]
    names: Mapping[str, str]

    @cached_property
    def free(self) -> Mapping[str, tuple[int, int]]:
        """A cell of each sheet far from what is there, so that what is tried stands in nobody's way."""
        return {name: _free(sheet) for name, sheet in self.sheets.items()}


def asked(path: Path, loss: str, pairs: Sequence[tuple[str, str]], step: float) -> Question:
    """The question of a call; raises :class:`GradcheckError` where it cannot be answered, and as ``read_workbook`` does."""
    ranges = [(Range.parse(given, "--input"), Range.parse(gradient, "--gradient")) for given, gradient in pairs]
    if not ranges:
        raise GradcheckError("expected at least one --input with its --gradient")
    if not 0 < step <= 0.1:
        raise GradcheckError(f"--step: found {step:g}, expected a number from 0 to 0.1")
    for given, gradient in ranges:
        _fit(given, gradient)
    if sum(given.shape[0] * given.shape[1] for given, _ in ranges) > MOST_INPUTS:
        raise GradcheckError(f"--input: more than {MOST_INPUTS:,} cells; check a part of them")
    with readable(path):
        contents = Contents(read_workbook(path))
    for area in [area for pair in ranges for area in pair]:
        if area.sheet not in contents.sheets:
            known = ", ".join(contents.sheets)
            raise GradcheckError(f"{area}: there is no sheet {area.sheet!r}; expected one of {known}")
    with readable(path):
        sheets, names = contents.all(), contents.names
    found = tuple(_pair(given, gradient, sheets) for given, gradient in ranges)
    return Question(path, *_loss(loss, sheets, ranges[0][0].sheet), found, step, sheets, names)


def _fit(given: Range, gradient: Range) -> None:
    if gradient.shape not in (given.shape, given.shape[::-1]):
        raise GradcheckError(
            f"{given} is {given.shape[0]}×{given.shape[1]} and {gradient} {gradient.shape[0]}×{gradient.shape[1]}: "
            "expected the same shape, or one the transpose of the other"
        )


def _pair(given: Range, gradient: Range, sheets: Mapping[str, SheetContents]) -> Pair:
    numbers = {(given.sheet, cell): _nudgeable(sheets[given.sheet], given.sheet, cell) for cell in given.cells()}
    about = sheets[gradient.sheet]
    computed = [cell for cell in gradient.cells() if cell in about.filled or about.formulas.get(cell)]
    typed = {(gradient.sheet, cell) for cell in gradient.cells()} - {(gradient.sheet, cell) for cell in computed}
    return Pair(given, gradient, numbers, frozenset(typed))


def _nudgeable(sheet: SheetContents, name: str, cell: str) -> float:
    """A number that is typed in, not computed."""
    computed = sheet.formulas.get(cell) or sheet.filled.get(cell)
    value = computed or sheet.dates.get(cell) or sheet.values.get(cell)
    if not isinstance(value, float):
        found = "nothing" if value is None else repr(str(value)[:60])
        raise GradcheckError(f"{name}!{cell}: found {found}, expected a number that can be nudged")
    return value


def _loss(text: str, sheets: Mapping[str, SheetContents], home: str) -> tuple[Cell, Changes]:
    """The cell of the loss; a formula gets one on the sheet ``home``."""
    if REFERENCE.match(text.strip()):
        cell = Range.parse(text, "--loss")
        if cell.shape != (1, 1) or cell.sheet not in sheets:
            raise GradcheckError(f"--loss: found {text!r}, expected a single cell of one of {', '.join(sheets)}")
        return (cell.sheet, cell.cells()[0]), {}
    row, column = _free(sheets[home])
    free = Range(home, row - 1, column, row - 1, column).cells()[0]
    return (home, free), {home: {free: _formula(text)}}


def _free(sheet: SheetContents) -> tuple[int, int]:
    rows, columns = zip(sheet.formulas.corner, sheet.values.corner, strict=True)
    return max(rows) + APART, max(columns) + APART


def _formula(text: str) -> Formula:
    """The formula of a loss; what is no formula is refused here, since an engine may pass it over."""
    formula = "=" + text.strip().lstrip("=")
    try:
        tokens = Tokenizer(formula).items
    except (TokenizerError, IndexError, ValueError):
        tokens = []
    opened = sum((token.subtype == Token.OPEN) - (token.subtype == Token.CLOSE) for token in tokens)
    if not tokens or opened or len(formula) > 8192:
        raise GradcheckError(f"--loss: found {text[:60]!r}, expected a cell such as Sheet1!B9, or a formula")
    return Formula(formula)
