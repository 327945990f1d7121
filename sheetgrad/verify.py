"""Proves a workbook from itself: every formula cell is compared with NumPy, whatever numbers now stand in it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from openpyxl import Workbook
from openpyxl.worksheet.formula import ArrayFormula

from sheetgrad.engines import ErrorValue, Value, Values, get_engine
from sheetgrad.formulas.places import address
from sheetgrad.lesson.fields import LessonError
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import Block, Plan
from sheetgrad.planning import make_plan
from sheetgrad.tables.agreement import AGREE, KINK
from sheetgrad.workbook.reading import carried_lesson, formula_cells, open_workbook, same_formula, saved_by

RELATIVE = 1e-9  # the same operations in double precision (DESIGN, section 5)


@dataclass(frozen=True)
class Mismatch:
    """One cell that is not as the lesson says. ``problem`` says what is wrong in words."""

    sheet: str
    cell: str
    problem: str
    expected: float | str | None
    found: float | str | bool | None

    def __str__(self) -> str:
        at = f"{self.sheet}!{self.cell}"
        match self.problem:
            case "formula changed":
                return f"{at}: formula changed: {self.found} was {self.expected}"
            case "formula overwritten":
                return f"{at}: {_shown(self.found)} typed over the formula {self.expected}"
            case "label changed":
                return f"{at}: {_shown(self.found)} stands where formulas look for {_shown(self.expected)}"
        return f"{at}: {self.problem}: found {_shown(self.found)}, expected {_shown(self.expected)}"


@dataclass(frozen=True)
class TensorCheck:
    """How well the cells of one tensor or gradient agree with NumPy."""

    name: str
    cells: int
    max_abs_error: float
    max_rel_error: float
    ok: bool


@dataclass(frozen=True)
class Report:
    """What verification found. ``as_dict`` is the JSON of ``sheetgrad verify --json``."""

    workbook: str
    lesson: str
    engine: str
    formula_cells: int
    checked_cells: int
    tensors: tuple[TensorCheck, ...]
    nudges: dict[str, int]
    mismatches: tuple[Mismatch, ...]
    disagreeing: tuple[str, ...] = field(default=())
    saved_by: str = ""

    @property
    def ok(self) -> bool:
        """Every formula is the lesson's, every number is NumPy's, and no gradient contradicts its nudge."""
        return not self.mismatches and not self.nudges["disagree"]

    def as_dict(self) -> dict:
        """Plain data, with ``ok`` included."""
        data = asdict(self)
        return {"workbook": data.pop("workbook"), "engine": data.pop("engine"), "ok": self.ok, **data}


def verify(path: str | Path, engine: str = "formualizer") -> Report:
    """Verifies a workbook of ours with the named engine.

    The lesson and the numbers come from the workbook itself. Raises :class:`WorkbookError` when the file cannot
    be read or is not a workbook of ours, ``EngineError`` when the engine is missing or fails.
    """
    path = Path(path)
    book = open_workbook(path)
    report = _verified(path, book, engine)
    return replace(report, saved_by=saved_by(path))


def _verified(path: Path, book: Workbook, engine: str) -> Report:
    lesson = carried_lesson(book, path)
    found = get_engine(engine).recalculate(path)
    plan = make_plan(lesson)
    changed, problems = _with_present_numbers(lesson, plan, found)
    if changed is not None:
        plan = make_plan(changed)
    if problems:
        checker = Checker(plan, book, found)
        checker.mismatches += problems
        return checker.report(str(path), lesson.name, engine)
    return compare(plan, book, found, str(path), lesson.name, engine)


def compare(plan: Plan, book: Workbook, found: Values, workbook: str, lesson: str, engine: str) -> Report:
    """Compares every formula and value of an opened workbook with a plan; the last three are for the report."""
    checker = Checker(plan, book, found)
    checker.run()
    return checker.report(workbook, lesson, engine)


def _with_present_numbers(lesson: Lesson, plan: Plan, found: Values) -> tuple[Lesson | None, list[Mismatch]]:
    """The lesson on the numbers that stand in the input cells now; None when they are the lesson's own."""
    values = {name: np.array(value) for name, value in lesson.values.items()}
    changed, problems, same = lesson, [], True
    for sheet in plan.sheets:
        for block in sheet.blocks:
            if block.kind != "input":
                continue
            numbers = np.empty((block.rows, block.columns), dtype=object)
            for (i, j), expected in np.ndenumerate(block.expected):
                cell = address(block.row + i, block.column + j)
                value = found.get(sheet.name, {}).get(cell)
                wrong = None
                if block.name in values:
                    wrong = None if _is_number(value) else "an input is not a number"
                else:
                    try:
                        changed = changed.with_setting(block.name, value)
                    except LessonError as error:
                        wrong = str(error)
                if wrong:
                    problems.append(Mismatch(sheet.name, cell, wrong, expected, value))
                same &= not wrong and value == expected
                numbers[i, j] = value
            if not problems and block.name in values:
                _store(values, block, numbers.astype(float))
    return (None if same or problems else changed.with_values(values)), problems


def _is_number(value: Value) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _store(values: dict[str, np.ndarray], block: Block, numbers: np.ndarray) -> None:
    target = values[block.name]
    if target.ndim > 2:
        index = np.unravel_index(block.panel, target.shape[:-2])
        target[index] = numbers
    else:
        values[block.name] = numbers.reshape(target.shape)


class Checker:
    """Compares a workbook's formulas and values with a plan, cell by cell."""

    def __init__(self, plan: Plan, book: Workbook, found: Values):
        self.plan, self.book, self.found = plan, book, found
        self.mismatches: list[Mismatch] = []
        self.checked = 0
        self.errors: dict[str, list[tuple[int, float, float, bool]]] = {}
        self.verdicts: list[tuple[str, Value]] = []

    def run(self) -> None:
        for sheet in self.plan.sheets:
            if sheet.name not in self.book.sheetnames:
                self.mismatches.append(Mismatch(sheet.name, "A1", "the sheet is missing", sheet.name, None))
                continue
            cells = self.book[sheet.name]
            shown = self.found.get(sheet.name, {})
            for block in sheet.blocks:
                if block.kind == "formula":
                    self._formulas(sheet.name, block, cells, shown)
                elif block.kind == "fixed":
                    self._labels(sheet.name, block, shown)

    def _formulas(self, sheet: str, block: Block, cells, shown: dict[str, Value]) -> None:
        tolerances = np.broadcast_to(block.tolerance, block.expected.shape)
        worst_absolute = worst_relative = 0.0
        good = True
        for i, row in enumerate(block.cells):
            for j, formula in enumerate(row):
                at = address(block.row + i, block.column + j)
                written = cells.cell(block.row + i, block.column + j).value
                if isinstance(written, ArrayFormula):  # what Ctrl+Shift+Enter leaves in a cell
                    written = written.text
                value, expected = shown.get(at), block.expected[i, j]
                is_formula = isinstance(written, str) and written.startswith("=")
                self.checked += is_formula
                if written != formula and not same_formula(written, formula):
                    problem = "formula changed" if is_formula else "formula overwritten"
                    self.mismatches.append(Mismatch(sheet, at, problem, formula, _plain(written)))
                    good = False
                    continue
                absolute, relative, agrees = difference(value, expected, tolerances[i, j], block.near_zero)
                worst_absolute, worst_relative = max(worst_absolute, absolute), max(worst_relative, relative)
                if not agrees:
                    self.mismatches.append(Mismatch(sheet, at, "value", _plain(expected), _plain(value)))
                    good = False
        if block.name:
            size = block.rows * block.columns
            self.errors.setdefault(block.name, []).append((size, worst_absolute, worst_relative, good))
        if block.items:
            self._tally(block, shown)

    def _tally(self, block: Block, shown: dict[str, Value]) -> None:
        """The verdicts as the workbook shows them, each with the number that was nudged."""
        cells = [address(block.row + i, block.column + j) for i in range(block.rows) for j in range(block.columns)]
        self.verdicts += [(item, shown.get(cell)) for item, cell in zip(block.items, cells, strict=True)]

    def _labels(self, sheet: str, block: Block, shown: dict[str, Value]) -> None:
        for (i, j), expected in np.ndenumerate(block.expected):
            at = address(block.row + i, block.column + j)
            if shown.get(at) != expected:
                self.mismatches.append(Mismatch(sheet, at, "label changed", _plain(expected), _plain(shown.get(at))))

    def report(self, workbook: str, lesson: str, engine: str) -> Report:
        tensors = []
        for name, rows in self.errors.items():
            sizes, absolute, relative, good = zip(*rows, strict=True)
            tensors.append(TensorCheck(name, sum(sizes), max(absolute), max(relative), all(good)))
        signs = [sign for _, sign in self.verdicts]
        nudges = {
            "agree": signs.count(AGREE),
            "disagree": len(signs) - signs.count(AGREE) - signs.count(KINK),
            "kink": signs.count(KINK),
        }
        disagreeing = tuple(name for name, sign in self.verdicts if sign not in (AGREE, KINK))
        return Report(
            workbook,
            lesson,
            engine,
            sum(1 for _ in formula_cells(self.book)),
            self.checked,
            tuple(tensors),
            nudges,
            tuple(self.mismatches),
            disagreeing,
        )


def difference(
    found: Value, expected: float | str | tuple, tolerance: float, near_zero: float
) -> tuple[float, float, bool]:
    """Absolute and relative error, and whether it is within bounds.

    Where NumPy has no finite number, a spreadsheet must show an error, and the other way round.
    """
    if isinstance(expected, tuple):  # several, of which any will do
        return min((difference(found, one, tolerance, near_zero) for one in expected), key=lambda one: not one[2])
    if isinstance(expected, str):  # an empty text may come as nothing
        return 0.0, 0.0, ("" if found is None else found) == expected
    if not math.isfinite(expected):
        return 0.0, 0.0, isinstance(found, ErrorValue)
    if isinstance(found, bool):
        found = float(found)
    if not isinstance(found, float):
        return 0.0, 0.0, False
    absolute = abs(found - float(expected))
    relative = absolute / abs(expected) if expected else (0.0 if absolute == 0 else math.inf)
    agrees = absolute <= RELATIVE * abs(expected) + near_zero + tolerance
    return absolute, (relative if absolute > near_zero + tolerance else min(relative, RELATIVE)), agrees


def _plain(value: object) -> float | str | bool | None:
    """A value as JSON can hold it."""
    if isinstance(value, tuple):
        return " or ".join(map(repr, value))
    if isinstance(value, (bool, str)) or value is None:
        return value if not isinstance(value, ErrorValue) else str(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)  # a date, say
    return number if math.isfinite(number) else str(number)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    return "nothing" if value is None else repr(value) if isinstance(value, str) else f"{value:.12g}"
