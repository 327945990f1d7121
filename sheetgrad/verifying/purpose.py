"""What is wrong on purpose: the ``[bug]`` of a lesson, as the workbook shows it or as a student has mended it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.engines import Grid, Grids, Value
from sheetgrad.formulas.expressions import Index
from sheetgrad.formulas.places import address
from sheetgrad.lesson.bugs import SHOWS, apart_by
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import Plan
from sheetgrad.verifying.comparing import Sheets, rewritten
from sheetgrad.verifying.difference import difference
from sheetgrad.verifying.report import MENDED, NOT_MENDED, PARTLY, Mismatch, OnPurpose, plain

EMPTY = Grid({})
NEAR_ZERO = 1e-12  # as everywhere between a sheet and NumPy


@dataclass(frozen=True)
class Own:
    """A cell of a gradient that holds what a student wrote: what number of what gradient it is, what it shows, and whether
    it is a formula."""

    sheet: str
    cell: str
    key: str
    index: Index
    shows: Value
    formula: bool


def own_cells(lesson: Lesson, plan: Plan, sheets: Sheets, found: Grids) -> list[Own]:
    """The gradients over which a student has written something else."""
    cells = []
    for sheet in plan.sheets:
        for block in (block for block in sheet.blocks if block.open and sheet.name in sheets):
            indices = block.indices(lesson.program.shapes[block.name])
            places = [(block.row + i, block.column + j) for i, j in np.ndindex(block.rows, block.columns)]
            changed = rewritten(block, sheets[sheet.name].formulas)
            for index, place in zip(indices, places, strict=True):
                if place in changed:
                    shows = found.get(sheet.name, EMPTY).at(*place)
                    formula = changed[place] is not None
                    cells.append(Own(sheet.name, address(*place), block.name, index, shows, formula))
    return cells


def values_with(lesson: Lesson, cells: Sequence[Own]) -> dict[str, np.ndarray]:
    """What NumPy makes of the lesson where a student's numbers stand in some cells. Where one shows no number, the right
    one is expected."""
    right = lesson.derived.run(lesson.values)
    own = {one.key: np.full(lesson.program.shapes[one.key], np.nan) for one in cells}
    for one in cells:
        number = isinstance(one.shows, float)
        own[one.key][one.index] = one.shows if number else right.get(one.key, own[one.key])[one.index]
    return lesson.program.run_around(lesson.program.run(lesson.values), own)


def on_purpose(
    lesson: Lesson, values: Mapping[str, np.ndarray], cells: Sequence[Own]
) -> tuple[OnPurpose, list[Mismatch]]:
    """How far the bug is mended in a workbook that shows these ``values``, and which of the student's ``cells`` are not
    the gradient that they stand for. A number that was typed in mends nothing: it stays when the others move."""
    right = lesson.derived.run(lesson.values)
    wrong = [
        Mismatch(one.sheet, one.cell, "not the gradient", plain(right[one.key][one.index]), plain(one.shows))
        for one in cells
        if one.formula and one.key in right and not difference(one.shows, right[one.key][one.index], 0.0, NEAR_ZERO)[2]
    ]
    everywhere = all(one.formula for one in cells) and all(
        difference(float(values[key][index]), right[key][index], 0.0, NEAR_ZERO)[2]
        for key in right
        if key.endswith(".g")
        for index in np.ndindex(right[key].shape)
    )
    touched = any(one.key == lesson.bug.gradient for one in cells)
    state = (MENDED if everywhere else PARTLY) if touched else NOT_MENDED
    apart = apart_by(lesson.program, right, values)
    shows = tuple(name for name, share in apart.items() if not share <= SHOWS)
    return OnPurpose(lesson.bug.line, state, shows, tuple(apart)), wrong
