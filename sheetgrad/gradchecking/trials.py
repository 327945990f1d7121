"""A workbook held open by an engine and tried on sets of numbers: what its cells show, how its loss answers to nudges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from openpyxl.utils.cell import get_column_letter

from sheetgrad.engines import Change, Changes, Formula, Session, Values
from sheetgrad.gradchecking.draws import GIVEN, Cell, Drawn
from sheetgrad.gradchecking.judging import Nudged

STEPS = (1.0, -1.0, 0.5, -0.5)  # of a nudge, in h: up, down, half of it up and down
SCRATCH_WIDTH = 100  # columns of the free area that formulas are tried in


@dataclass
class Trials:
    """``free`` is, for each sheet, the row and column of a cell far from what is there; ``step`` is the size of a nudge of
    a number x in max(1, |x|)."""

    session: Session
    loss: Cell
    step: float
    free: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def shown(self, sets: Sequence[Drawn], cells: Sequence[Cell]) -> np.ndarray:
        """What cells show: a row a set, a column a cell, NaN for what is no number."""
        found = self.session.values_after([_changes(one) for one in sets], _wanted(cells))
        return np.array([[_number(values, cell) for cell in cells] for values in found]).reshape(len(sets), len(cells))

    def nudged(self, sets: Sequence[Drawn], cells: Sequence[Cell]) -> Nudged:
        """The loss at each set of numbers with each of ``cells`` nudged."""
        value = np.array([[one.numbers[cell] for cell in cells] for one in sets]).reshape(len(sets), len(cells))
        h = self.step * np.maximum(1.0, np.abs(value))
        starts = []
        for one, numbers, sizes in zip(sets, value.tolist(), h.tolist(), strict=True):
            each = zip(cells, numbers, sizes, strict=True)
            nudges = [{sheet: {cell: x + size * by}} for (sheet, cell), x, size in each for by in STEPS]
            starts.append((_changes(one), [{}, *nudges]))
        found = self.session.values_from(starts, _wanted([self.loss]))
        losses = np.array([_number(one, self.loss) for one in found]).reshape(len(sets), -1)
        moved = losses[:, 1:].reshape(len(sets), len(cells), len(STEPS))
        return Nudged(value, h, losses[:, :1], *np.moveaxis(moved, -1, 0))

    def tried(self, sets: Sequence[Drawn], formulas: Sequence[tuple[str, str]]) -> np.ndarray:
        """What formulas would show, each given with its sheet: a row a set, a column a formula.

        All stand at once in free cells of their sheets, which are empty again afterwards.
        """
        places: list[Cell] = []
        changes: dict[Cell, Formula] = {}
        used: Counter[str] = Counter()
        for sheet, formula in formulas:
            row, column = self.free[sheet]
            down, right = divmod(used[sheet], SCRATCH_WIDTH)
            used[sheet] += 1
            places.append((sheet, f"{get_column_letter(column + right)}{row + down}"))
            changes[places[-1]] = Formula(formula)
        with self.changed(changes):
            return self.shown(sets, places)

    @contextmanager
    def changed(self, cells: Mapping[Cell, Change]) -> Iterator[None]:
        """Cells as they are meanwhile."""
        before = self.session.change(by_sheet(cells))
        try:
            yield
        finally:
            self.session.restore(before)

    def with_cells(
        self, sets: Sequence[Drawn], cells: Sequence[Cell], values: np.ndarray, seen: Sequence[Cell]
    ) -> np.ndarray:
        """What the cells ``seen`` show with one of ``cells`` at a time holding its value (a row a set): set, cell, seen."""
        starts = [
            (_changes(one), [by_sheet({cell: value}) for cell, value in zip(cells, row, strict=True)])
            for one, row in zip(sets, values.tolist(), strict=True)
        ]
        found = self.session.values_from(starts, _wanted(seen))
        return np.array([[_number(one, cell) for cell in seen] for one in found]).reshape(*values.shape, len(seen))

    def slopes_of_computed(self, sets: Sequence[Drawn], cells: Sequence[Cell]) -> np.ndarray:
        """The slope of the loss with respect to cells that hold formulas: set, cell. The numbers that these show are
        nudged as if they were typed."""
        value = self.shown(sets, cells)
        h = self.step * np.maximum(1.0, np.abs(value))
        losses = [self.with_cells(sets, cells, value + by * h, [self.loss])[:, :, 0] for by in STEPS]
        return Nudged(value, h, np.full((len(sets), 1), np.nan), *losses).slope


def _changes(one: Drawn) -> Changes:
    return {} if one.kind == GIVEN else by_sheet(one.numbers)  # the given ones stand there


def by_sheet(cells: Mapping[Cell, Change]) -> Changes:
    changes: dict[str, dict[str, Change]] = {}
    for (sheet, cell), value in cells.items():
        changes.setdefault(sheet, {})[cell] = value
    return changes


def _wanted(cells: Sequence[Cell]) -> Mapping[str, list[str]]:
    wanted: dict[str, list[str]] = {}
    for sheet, cell in dict.fromkeys(cells):
        wanted.setdefault(sheet, []).append(cell)
    return wanted


def _number(values: Values, cell: Cell) -> float:
    value = values[cell[0]][cell[1]]
    return value if isinstance(value, float) else float("nan")
