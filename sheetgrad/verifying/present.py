"""The lesson on the numbers that stand in a workbook now: whoever changed an input gets the same proof."""

from __future__ import annotations

import math

import numpy as np

from sheetgrad.engines import Grid, Grids, Value
from sheetgrad.formulas.places import address
from sheetgrad.lesson.fields import LessonError
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import Block, Plan
from sheetgrad.verifying.report import Mismatch, plain

EMPTY = Grid({})


def with_present_numbers(lesson: Lesson, plan: Plan, found: Grids) -> tuple[Lesson | None, list[Mismatch]]:
    """The lesson on the numbers in the input cells; None when they are the lesson's own. Or what is wrong with them."""
    values = {name: np.array(value) for name, value in lesson.values.items()}
    changed, problems, same = lesson, [], True
    for sheet in plan.sheets:
        grid = found.get(sheet.name, EMPTY)
        for block in sheet.blocks:
            if block.kind != "input":
                continue
            shown = [list(grid.line(block.row + i, block.column, block.columns)) for i in range(block.rows)]
            if shown == block.expected.tolist():
                continue
            same = False
            if block.name in values:
                wrong = [
                    (i, j, "an input is not a number")
                    for i, j in np.ndindex(block.rows, block.columns)
                    if not _is_number(shown[i][j])
                ]
                if not wrong:
                    _put(values, block, np.array(shown, dtype=float))
            else:
                changed, wrong = _with_settings(changed, block, shown)
            problems += [_mismatch(sheet.name, block, shown, *one) for one in wrong]
    return (None if same or problems else changed.with_values(values)), problems


def _with_settings(lesson: Lesson, block: Block, shown: list[list[Value]]) -> tuple[Lesson, list[tuple[int, int, str]]]:
    """The lesson with other settings, such as the step of the nudges."""
    wrong = []
    for i, j in np.ndindex(block.rows, block.columns):
        try:
            lesson = lesson.with_setting(block.name, shown[i][j])
        except LessonError as error:
            wrong.append((i, j, str(error)))
    return lesson, wrong


def _mismatch(sheet: str, block: Block, shown: list[list[Value]], i: int, j: int, problem: str) -> Mismatch:
    at = address(block.row + i, block.column + j)
    return Mismatch(sheet, at, problem, plain(block.expected[i, j]), plain(shown[i][j]))


def _is_number(value: Value) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _put(values: dict[str, np.ndarray], block: Block, numbers: np.ndarray) -> None:
    """The numbers of a block as part of their tensor."""
    target = values[block.name]
    if target.ndim > 2:
        target[np.unravel_index(block.panel, target.shape[:-2])] = numbers
    else:
        values[block.name] = numbers.reshape(target.shape)
