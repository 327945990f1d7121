"""Marks one submission by what it does: its inputs are changed, it is recalculated, and every blank is compared with NumPy.

Only what was handed out is trusted: the lesson, the numbers and the places of the blanks come from ``handout.json``, never
from the submission. A typed number is right once and wrong after; a correct formula in any form is right each time.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from time import monotonic

import numpy as np

from sheetgrad.classroom.give.bugs import MOST
from sheetgrad.classroom.give.workshop import Cell, Workshop, by_sheet, changes_to, workshop
from sheetgrad.classroom.mark.answers import Marked
from sheetgrad.classroom.mark.judging import Judge, Run, Submission
from sheetgrad.classroom.mark.trials import Arrays, choose_trials, close
from sheetgrad.classroom.workers import time_limit
from sheetgrad.engines import (
    AUTOMATIC,
    Changes,
    EngineError,
    ErrorValue,
    Session,
    Values,
    Wanted,
    get_engine,
    guard,
    save_as_xlsx,
)
from sheetgrad.formulas.places import address
from sheetgrad.sheets import check
from sheetgrad.workbook.spelling import same_formula
from sheetgrad.workbook.write import CARRIER
from sheetgrad.xlsx.contents import Contents
from sheetgrad.xlsx.package import UnsafeFileError, read_package
from sheetgrad.xlsx.parts import without_formulas, without_values

SECONDS = 60.0  # for one submission
SECOND_SECONDS = 25.0  # of these for another engine, which must have ended before the process is
OWN_CELLS = re.compile(  # formulas that cannot but read the sheet that they stand on; never tries a second way to match
    r"(?:\$?[A-Z]{1,3}+\$?[0-9]{1,7}+|[0-9.]++(?:E[-+]?[0-9]++)?+|[-+*/^(),:<>= {}]"
    r"|(?:SUM|SUMPRODUCT|AVERAGE|IF|MAX|MIN|ABS|SIGN|MMULT|TRANSPOSE|SUMIF|COUNT|EXP|LN|SQRT|TANH|SUMSQ)\()*+",
    re.I,
)
UNKNOWN = ("#NAME?", "#SPILL!", "#CALC!", "#VALUE!", "#N/A", "#NULL!", "#N/IMPL!", "#ERROR!")

Texts = Mapping[str, Mapping[str, str]]  # the formulas of every sheet as they stand in the file, without =


def mark_one(course: str, numbers: Sequence[float] | None, data: bytes) -> dict:
    """Marks the workbook in ``data`` for a student who was given ``numbers``; without numbers, only says whose it is.

    This is what a worker does: it takes and gives plain data, and never raises for what is in the file.
    """
    with time_limit(SECONDS):
        return examiner(course).mark(numbers, data).as_dict()


@lru_cache(maxsize=MOST + 1)
def examiner(course: str) -> Examiner:
    """The examiner of the course with this text, made once in every process."""
    return Examiner(workshop(course))


def digest(numbers: Sequence[float]) -> str:
    """A short name for a list of numbers."""
    return hashlib.sha256(repr([float(number) for number in numbers]).encode()).hexdigest()[:16]


class Examiner:
    """Knows what the handout looked like, and which numbers to try."""

    def __init__(self, shop: Workshop):
        self.shop, self.program = shop, shop.right.program
        given = Contents(shop.handouts.first).all()
        self.texts = {name: _bare(sheet.formulas) for name, sheet in given.items()}
        self.line = {**shop.blanks, **shop.beside}
        self.wanted = by_sheet(self.line)

    @cached_property
    def trials(self) -> list[Arrays]:
        return choose_trials(self.shop)

    def mark(self, numbers: Sequence[float] | None, data: bytes) -> Marked:
        """See :func:`mark_one`. A file that breaks the first engine is tried once more as another one saves it."""
        ends = monotonic() + SECONDS - SECOND_SECONDS / 5
        with tempfile.TemporaryDirectory(prefix="sheetgrad-") as room:
            path = Path(room) / "submission.xlsx"
            path.write_bytes(data)
            try:
                return self._mark(numbers, path, ends)
            except EngineError as error:
                if _is_package(path):
                    with suppress(EngineError):
                        return self._mark(numbers, save_as_xlsx(path, Path(room), _left(ends)), ends)
                reason = str(error).replace(str(path), "the file").removeprefix(f"{AUTOMATIC[0]}: ")
                return Marked(problem=f"cannot be read: {reason.removeprefix('the file: ')}")

    def _mark(self, numbers: Sequence[float] | None, path: Path, ends: float) -> Marked:
        """Marks the file at ``path``, before ``ends``; ``EngineError`` where the first engine cannot read it."""
        with guard(AUTOMATIC[0], path):
            data = read_package(path)
            sheets = Contents(data).all()
            filled = {name: sheet.filled for name, sheet in sheets.items() if sheet.filled}
            data = without_values(data, filled) if filled else data
            texts = {name: {**_bare(sheet.formulas), **_bare(sheet.filled)} for name, sheet in sheets.items()}
            light = self.shop.course.checked and check.NAME in texts and not self._may_read_checks(texts)
            book = get_engine(AUTOMATIC[0]).open(without_formulas(data, check.NAME) if light else data)
            marked = self._whose(book, texts)
            if numbers is None or marked.problem:
                return marked
            tried = [self.program.run(self.shop.tensors(numbers)), *self.trials]
            scenarios = self._scenarios(tried)
            formulas = {
                (sheet, cell): texts[sheet].get(cell) or (book.formula(sheet, cell) or "").removeprefix("=")
                for sheet, cell in self.shop.blanks
            }
            marked.engine, found, run = self._evaluated(book, scenarios, formulas, path, ends)
            marked.answers = Judge(self.shop, tried).answers(Submission(found, formulas, run))
            marked.changed += self._spoiled(found, tried)
            return marked

    def _spoiled(self, found: Sequence[Values], tried: Sequence[Arrays]) -> list[str]:
        """The cells of a line to be mended that were right when it was handed out, and are no more."""
        return [
            f"{sheet}!{cell}"
            for (sheet, cell), (key, index) in self.shop.beside.items()
            for shown in [[values[sheet][cell] for values in found[: len(tried)]]]
            if not all(
                isinstance(value, float) and close(np.float64(value), right[key][index])
                for value, right in zip(shown, tried, strict=True)
            )
        ]

    def _evaluated(
        self, book: Session, scenarios: Sequence[Changes], formulas: Mapping[Cell, str], path: Path, ends: float
    ) -> tuple[str, list[Values], Run]:
        """The values of the blanks in every scenario, by the first engine that can compute the formulas in them: its
        name, the values, and how it is asked for more. Where none can, those of the first engine."""
        first = None
        for name in AUTOMATIC:
            try:
                if name != AUTOMATIC[0]:
                    with guard(name, path):
                        book = get_engine(name).open(read_package(path), _left(ends))
                run = _runs(name, book, path)
                found = run(scenarios, self.wanted)
            except EngineError:
                if first is None:
                    raise
                continue  # not installed, or it cannot either
            first = first or (name, found, run)
            if not any(
                isinstance(value := found[0][sheet][cell], ErrorValue) and value in UNKNOWN
                for (sheet, cell), formula in formulas.items()
                if formula
            ):
                return name, found, run
        return first

    def _may_read_checks(self, texts: Texts) -> bool:
        """Whether a formula of the student's could take something from the Check sheet, which has most of the formulas:
        where none can, it need not be computed. Plain cells of its own sheet and well-known functions cannot."""
        for sheet, formulas in texts.items():
            given = self.texts.get(sheet, {})
            if sheet != check.NAME and any(
                text != given.get(cell) and not OWN_CELLS.fullmatch(text) for cell, text in formulas.items()
            ):
                return True
        return False

    def _whose(self, book: Session, texts: Texts) -> Marked:
        """What the file says of itself, the numbers in it, and which of its formulas were changed."""
        marked, table = self._said(book)
        if "lesson" in table:
            marked.problem = "not a handout but a complete workbook of a lesson, such as an answer key"
            return marked
        if marked.course and marked.course != self.shop.course.digest:
            marked.problem = "file of another lesson or class"
            return marked
        missing = [sheet.name for sheet in self.shop.handout_plan.sheets if sheet.name not in book.sheets]
        if missing:
            marked.problem = f"file of another lesson: it has no sheet {missing[0]}"
            return marked
        marked.numbers = self._numbers(book)
        marked.changed = self._changed(book, texts)
        return marked

    @staticmethod
    def _said(book: Session) -> tuple[Marked, dict]:
        """Whose the file says that it is, and all that it carries."""
        marked = Marked()
        carried = book.values_of_few({CARRIER: ["A1"]})[CARRIER]["A1"] if CARRIER in book.sheets else None
        try:
            table = json.loads(carried) if isinstance(carried, str) else {}
            said = table.get("handout", {})
            marked.course, marked.carried = str(said.get("class", ""))[:40], str(said.get("student", ""))[:200]
        except (ValueError, AttributeError, RecursionError):
            table = {}
        return marked, table

    def _numbers(self, book: Session) -> str:
        """A digest of the numbers in the input cells."""
        given = book.values_of_few(by_sheet(self.shop.inputs))
        stand: dict[str, np.ndarray] = {name: np.zeros(shape) for name, shape in self.shop.shapes.items()}
        for (sheet, cell), (name, index) in self.shop.inputs.items():
            value = given[sheet][cell]
            stand[name][index] = value if isinstance(value, float) else np.nan
        return digest(self.shop.flat(stand))

    def _changed(self, book: Session, texts: Texts) -> list[str]:
        """The formulas that are no longer those that were handed out."""
        changed = []
        for sheet, formulas in self.texts.items():
            now = texts.get(sheet, {})
            for cell, text in formulas.items():
                if now.get(cell) == text or (sheet, cell) in self.line:
                    continue
                # another application may write the same formula in another way
                written = now.get(cell) or (book.formula(sheet, cell) or "" if sheet in book.sheets else "")
                if not same_formula(f"={written.lstrip('=')}", f"={text}"):
                    changed.append(f"{sheet}!{cell}")
        return changed

    def _scenarios(self, tried: Sequence[Arrays]) -> list[Changes]:
        """What to set for every trial; where there are checks, the last trial once more with a nudge of 0."""
        scenarios: list[Changes] = [changes_to(self.shop.inputs, values) for values in tried]
        if self.shop.course.checked:
            h = address(*check.STEP)
            step = self.shop.lesson.nudge.step
            scenarios = [{**changes, check.NAME: {h: step}} for changes in scenarios]
            scenarios.append({**scenarios[-1], check.NAME: {h: 0.0}})
        return scenarios


def _runs(name: str, book: Session, path: Path) -> Run:
    """How an engine that holds the workbook open is asked for values."""

    def run(scenarios: Sequence[Changes], wanted: Wanted) -> list[Values]:
        with guard(name, path):
            return list(book.values_after(scenarios, wanted))

    return run


def _left(ends: float) -> float:
    """The seconds that another engine may take; it must have ended before the process is."""
    return min(SECOND_SECONDS, ends - monotonic())


def _bare(formulas: Mapping[str, str]) -> dict[str, str]:
    """Formulas without their ``=``."""
    return {cell: text[1:] for cell, text in formulas.items()}


def _is_package(path: Path) -> bool:
    try:
        read_package(path)
    except UnsafeFileError:
        return False
    return True
