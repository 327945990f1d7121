"""Finds loss, numbers and gradients in a workbook that somebody made, by their labels and by what depends on what.

A label is a text above or left of the cells that it names. A gradient's label names a number and says that it is one:
``dw``, ``dL/dw``, ``∂E/∂w``, ``w.g``, ``w.grad``, ``grad w``, ``gradient of w``. The number is a cell, or a block, that holds no
formula, has that label, and that the loss depends on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from openpyxl import Workbook
from openpyxl.formula import Tokenizer
from openpyxl.formula.tokenizer import Token, TokenizerError
from openpyxl.utils.cell import range_boundaries
from openpyxl.worksheet.formula import ArrayFormula

from sheetgrad.gradchecking.ranges import GradcheckError, Range

LOSS = re.compile(
    r"(?:the |total |mean |final )*(?:loss|cost|error|objective|mse|sse|bce|cross[- ]?entropy|e_?tot(?:al)?|e|l|j|ℒ)"
    r"(?: total| \(.*\)|_t(?:otal)?|total)?[ :=]*",
    re.I,
)
GRADIENT = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        r"[d∂δ] ?\(?[a-zℒ_]*\)? ?/ ?[d∂δ] ?\(?(?P<name>[^()]+)\)?",  # dL/dw, ∂E_t/∂w1
        r"(?:grad(?:ient)?s?|slope|∇)(?: (?:of|for|wrt|w\.r\.t\.))?[ _:]*\(?(?P<name>[^()]+)\)?",  # grad w, ∇w
        r"(?P<name>[^ ]+?)[ ._](?:g|grad|gradients?)",  # w.g, w.grad, w gradient
        r"[d∂](?P<name>[^/ ]+)",  # dw
    )
)
PLAIN = re.compile(r"[^a-z0-9α-ω]+")
MOST_CELLS = 200_000  # of a workbook that is searched
Cell = tuple[str, int, int]  # sheet, row, column


@dataclass(frozen=True)
class Labelled:
    """A rectangle of cells of one kind with the text that names it."""

    label: str
    range: Range
    formulas: bool

    @property
    def size(self) -> int:
        rows, columns = self.range.shape
        return rows * columns


@dataclass(frozen=True)
class Found:
    """What to check: the loss, and pairs of numbers and their gradients, each as a range, with the labels they were
    found by."""

    loss: Labelled
    pairs: tuple[tuple[Labelled, Labelled], ...]


def find(book: Workbook) -> Found:
    """Loss, numbers and gradients of a workbook with its formulas; :class:`GradcheckError` says what is missing."""
    sheets = _Sheets(book)
    gradients = {}
    for item in sheets.labelled:
        name = gradient_of(item.label)
        if name and item.formulas:
            gradients.setdefault(name, item)
    if not gradients:
        raise GradcheckError(
            "--find: no label such as dw, dL/dw, w.g or grad w stands beside formulas; name them instead"
        )
    given = [item for item in sheets.labelled if not item.formulas and _plain(item.label) in gradients]
    if not given:
        wanted = ", ".join(sorted(gradients)[:5])
        raise GradcheckError(f"--find: no numbers are labelled {wanted}; name them with --input and --gradient")
    loss = _loss(sheets, given)
    reached = sheets.ancestors(loss.range)
    pairs, seen = [], set()
    for item in given:
        gradient, name = gradients[_plain(item.label)], _plain(item.label)
        fitted = _fitted(item, gradient)
        if name not in seen and fitted and _first(item.range) in reached:
            seen.add(name)
            pairs.append((item, fitted))
    if not pairs:
        raise GradcheckError(
            f"--find: {loss.label} ({loss.range}) does not depend on {given[0].label} ({given[0].range})"
        )
    return Found(loss, tuple(pairs))


def gradient_of(label: str) -> str:
    """The plain name of the number whose gradient a label says it is; empty when it says no such thing."""
    text = label.strip().rstrip(":=").strip()
    for pattern in GRADIENT:
        match = pattern.fullmatch(text)
        if match and _plain(match["name"]):
            return _plain(match["name"])
    return ""


def _plain(label: str) -> str:
    return PLAIN.sub("", label.lower())


def _loss(sheets: _Sheets, given: Iterable[Labelled]) -> Labelled:
    """The single formula that is called a loss and depends on most of the numbers."""
    numbers = [_first(item.range) for item in given]
    best, most = None, 0
    for item in sheets.labelled:
        if not item.formulas or not LOSS.fullmatch(item.label.strip()):
            continue
        top = replace(item.range, bottom=item.range.top, right=item.range.left)
        reached = sheets.ancestors(top)
        count = sum(number in reached for number in numbers)
        if count > most:
            best, most = replace(item, range=top), count
    if best is None:
        raise GradcheckError(
            "--find: no formula that depends on these numbers is labelled loss, cost or error; name it with --loss"
        )
    return best


def _fitted(number: Labelled, gradient: Labelled) -> Labelled | None:
    """The gradient's cells that go with the number's: of a longer run, as in a table of steps, the first."""
    rows, columns = number.range.shape
    have = gradient.range.shape
    if have == (rows, columns) or have == (columns, rows):
        return gradient
    if have[0] >= rows and have[1] >= columns:
        area = gradient.range
        return replace(gradient, range=replace(area, bottom=area.top + rows - 1, right=area.left + columns - 1))
    return None


def _first(area: Range) -> Cell:
    return area.sheet, area.top, area.left


class _Sheets:
    """The cells of a workbook by what they hold."""

    def __init__(self, book: Workbook):
        self.texts: dict[Cell, str] = {}
        self.numbers: set[Cell] = set()
        self.formulas: dict[Cell, str] = {}
        for sheet in book.worksheets:
            for row in sheet.iter_rows():
                for cell in row:
                    self._keep((sheet.title, cell.row, cell.column), cell.value)

    def _keep(self, at: Cell, value: object) -> None:
        if isinstance(value, ArrayFormula):
            value = value.text
        if isinstance(value, str) and value.startswith("="):
            self.formulas[at] = value
        elif isinstance(value, str) and value.strip():
            self.texts[at] = value
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            self.numbers.add(at)
        if len(self.formulas) + len(self.numbers) > MOST_CELLS:
            raise GradcheckError(
                f"--find: more than {MOST_CELLS:,} cells; name the loss, the numbers and the gradients instead"
            )

    @cached_property
    def labelled(self) -> list[Labelled]:
        """Every rectangle that a text names: what stands below it, or else at its right."""
        found = []
        for (sheet, row, column), text in self.texts.items():
            below, beside = (sheet, row + 1, column), (sheet, row, column + 1)
            if self._kind(below) is not None:
                found.append(self._region(text, below, above=True))
            if self._kind(beside) is not None:
                found.append(self._region(text, beside, above=False))
        return found

    def _kind(self, at: Cell) -> bool | None:
        """True for a formula, False for a number, None for anything else."""
        return True if at in self.formulas else False if at in self.numbers else None

    def _region(self, text: str, start: Cell, above: bool) -> Labelled:
        """The cells of one kind from ``start`` to the right and down, as far as no other label names them."""
        sheet, top, left = start
        kind, right, bottom = self._kind(start), left, top
        while self._kind((sheet, top, right + 1)) == kind and not (above and (sheet, top - 1, right + 1) in self.texts):
            right += 1
        while all(self._kind((sheet, bottom + 1, column)) == kind for column in range(left, right + 1)) and not (
            not above and (sheet, bottom + 1, left - 1) in self.texts
        ):
            bottom += 1
        return Labelled(text, Range(sheet, top, left, bottom, right), bool(kind))

    def ancestors(self, area: Range) -> set[Cell]:
        """Every cell that the cells of an area are computed from."""
        waiting = [
            (area.sheet, row, column)
            for row in range(area.top, area.bottom + 1)
            for column in range(area.left, area.right + 1)
        ]
        reached: set[Cell] = set()
        while waiting:
            at = waiting.pop()
            if at in reached:
                continue
            reached.add(at)
            if at in self.formulas:
                waiting += self._read_by(at)
        return reached

    def _read_by(self, at: Cell) -> Iterator[Cell]:
        for sheet, left, top, right, bottom in referenced(self.formulas[at], at[0]):
            for row in range(top, bottom + 1):
                for column in range(left, right + 1):
                    cell = (sheet, row, column)
                    if cell in self.formulas or cell in self.numbers:
                        yield cell


def referenced(formula: str, own: str) -> Iterator[tuple[str, int, int, int, int]]:
    """The ranges that a formula on the sheet ``own`` names: sheet, left, top, right, bottom. What is no plain range, such
    as a defined name or a whole column, is passed over."""
    try:
        tokens = Tokenizer(formula).items
    except (TokenizerError, IndexError, ValueError):
        return
    for token in tokens:
        if token.type == Token.OPERAND and token.subtype == Token.RANGE:
            sheet, _, cells = token.value.rpartition("!")
            name = sheet.strip("'").replace("''", "'") if sheet else own
            try:
                left, top, right, bottom = range_boundaries(cells.replace("$", ""))
            except (ValueError, TypeError):
                continue
            if None not in (left, top, right, bottom) and (right - left + 1) * (bottom - top + 1) <= MOST_CELLS:
                yield name, left, top, right, bottom


def shown(found: Found) -> Mapping[str, str]:
    """What was found, for people: label and range."""
    return {"loss": f"{found.loss.label} at {found.loss.range}"} | {
        number.label: f"{number.range}, its gradient {gradient.label} at {gradient.range}"
        for number, gradient in found.pairs
    }
