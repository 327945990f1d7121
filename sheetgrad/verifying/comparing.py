"""Compares a workbook's formulas and values with a plan: whole blocks at once, and cell by cell where something differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from sheetgrad.engines import Grid, Grids, Value
from sheetgrad.formulas.places import address
from sheetgrad.plan.blocks import Block, Plan, Sheet
from sheetgrad.tables.agreement import AGREE, KINK, SIGNS, UNKNOWN
from sheetgrad.verifying.difference import difference, largest_differences, numbers_of
from sheetgrad.verifying.report import Mismatch, Report, TensorCheck, plain
from sheetgrad.workbook.spelling import same_formula
from sheetgrad.xlsx.contents import SheetContents

EMPTY = Grid({})


Sheets = Mapping[str, SheetContents]


def compare(plan: Plan, sheets: Sheets, found: Grids, workbook: str, lesson: str, engine: str) -> Report:
    """Compares every formula of a workbook's sheets, and the values that were found, with a plan; the last three are for
    the report."""
    comparison = Comparison(count_formulas(sheets))
    for sheet in plan.sheets:
        if sheet.name in sheets:
            SheetComparison(comparison, sheet, sheets[sheet.name], found.get(sheet.name, EMPTY)).run()
        else:
            missing = Mismatch(sheet.name, "A1", "the sheet is missing", sheet.name, None)
            comparison.mismatches.append(missing)
    return comparison.report(workbook, lesson, engine)


def count_formulas(sheets: Sheets) -> int:
    """The formula cells of a workbook, the lesson's and others."""
    return sum(len(sheet.formulas) for sheet in sheets.values())


@dataclass
class Comparison:
    """What is found, sheet by sheet."""

    formula_cells: int
    checked: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)
    errors: dict[str, list[tuple[int, float, float, bool]]] = field(default_factory=dict)  # by tensor, of its blocks
    verdicts: list[tuple[str, Value]] = field(default_factory=list)  # as the workbook shows them, with what was nudged

    def report(self, workbook: str, lesson: str, engine: str) -> Report:
        tensors = []
        for name, rows in self.errors.items():
            sizes, absolute, relative, good = zip(*rows, strict=True)
            tensors.append(TensorCheck(name, sum(sizes), max(absolute), max(relative), all(good)))
        signs = [sign for _, sign in self.verdicts]
        nudges = {word: signs.count(sign) for word, sign in SIGNS.items()}
        nudges["disagree"] = len(signs) - sum(nudges[word] for word in nudges if word != "disagree")
        disagreeing = tuple(name for name, sign in self.verdicts if sign not in (AGREE, KINK, UNKNOWN))
        return Report(
            workbook,
            lesson,
            engine,
            self.formula_cells,
            self.checked,
            tuple(tensors),
            nudges,
            tuple(sorted(self.mismatches, key=lambda one: one.problem == "value")),  # causes before what follows
            disagreeing,
        )


def rewritten(block: Block, formulas: Grid) -> dict[tuple[int, int], Value]:
    """The cells of a block, by row and column, that hold other formulas than the lesson's, with these; None for none."""
    lines = [formulas.line(block.row + i, block.column, block.columns) for i in range(block.rows)]
    return {
        (block.row + i, block.column + j): lines[i][j]
        for i, j in np.ndindex(block.rows, block.columns)
        if not _same(lines[i][j], block.cells[i][j])
    }


def _same(written: Value, formula: object) -> bool:
    return written == formula or same_formula(written, formula)


class SheetComparison:
    """Compares one sheet; what it finds is added to ``result``."""

    def __init__(self, result: Comparison, sheet: Sheet, contents: SheetContents, shown: Grid):
        self.result, self.sheet, self.contents, self.shown = result, sheet, contents, shown

    def run(self) -> None:
        for block in self.sheet.blocks:
            if block.kind == "formula":
                self._formulas(block)
            elif block.kind == "fixed":
                self._labels(block)

    def _lines(self, grid: Grid, block: Block) -> list[list[Value]]:
        return [list(grid.line(block.row + i, block.column, block.columns)) for i in range(block.rows)]

    def _formulas(self, block: Block) -> None:
        """The formulas of a block, and what they show; where it is open, a student's formula counts by what it shows."""
        written, shown = self._lines(self.contents.formulas, block), self._lines(self.shown, block)
        self.result.checked += sum(len(line) - line.count(None) for line in written)
        same = all(line == list(row) for line, row in zip(written, block.cells, strict=True))
        numbers = numbers_of(shown) if same and block.expected.dtype.kind == "f" else None
        errors = None
        if numbers is not None:
            errors = largest_differences(numbers, block.expected, block.tolerance, block.near_zero)
        good = errors is not None
        if errors is None:
            errors, good = self._cell_by_cell(block, written, shown)
        if block.name:
            self.result.errors.setdefault(block.name, []).append((block.rows * block.columns, *errors, good))
        if block.items:
            self.result.verdicts += zip(block.items, chain.from_iterable(shown), strict=True)

    def _cell_by_cell(
        self, block: Block, written: Sequence[Sequence[Value]], shown: Sequence[Sequence[Value]]
    ) -> tuple[tuple[float, float], bool]:
        """The largest errors of a block, and whether all is well; what is not becomes a mismatch."""
        tolerances = np.broadcast_to(block.tolerance, block.expected.shape)
        worst, good = (0.0, 0.0), True
        for (i, j), expected in np.ndenumerate(block.expected):
            formula = block.cells[i][j]
            if not _same(written[i][j], formula) and not (block.open and written[i][j] is not None):
                self._changed(address(block.row + i, block.column + j), formula, written[i][j])
                good = False
                continue
            absolute, relative, agrees = difference(shown[i][j], expected, tolerances[i, j], block.near_zero)
            worst = max(worst[0], absolute), max(worst[1], relative)
            if not agrees:
                self._mismatch(block, i, j, "value", expected, shown[i][j])
                good = False
        return worst, good

    def _changed(self, at: str, formula: str, written: Value) -> None:
        """A cell that holds another formula than the lesson's, or none."""
        problem = "formula changed"
        if written is None:
            problem, written = "formula overwritten", self.contents.dates.get(at) or self.contents.values.get(at)
        self.result.mismatches.append(Mismatch(self.sheet.name, at, problem, formula, plain(written)))

    def _labels(self, block: Block) -> None:
        shown = self._lines(self.shown, block)
        if shown == block.expected.tolist():
            return
        for (i, j), expected in np.ndenumerate(block.expected):
            if shown[i][j] != expected:
                self._mismatch(block, i, j, "label changed", expected, shown[i][j])

    def _mismatch(self, block: Block, i: int, j: int, problem: str, expected: object, found: object) -> None:
        at = address(block.row + i, block.column + j)
        self.result.mismatches.append(Mismatch(self.sheet.name, at, problem, plain(expected), plain(found)))
