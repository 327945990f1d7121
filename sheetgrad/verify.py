"""Proves a workbook from itself: every formula cell is compared with NumPy, whatever numbers now stand in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sheetgrad.engines import AUTOMATIC, Grids, get_engine, guard
from sheetgrad.planning import make_plan
from sheetgrad.verifying.comparing import Comparison, compare
from sheetgrad.verifying.difference import difference
from sheetgrad.verifying.present import with_present_numbers
from sheetgrad.verifying.report import Mismatch, Report, TensorCheck
from sheetgrad.workbook.reading import carried_lesson, read_workbook, readable, saved_by
from sheetgrad.xlsx.contents import Contents


def verify(path: str | Path, engine: str = AUTOMATIC[0]) -> Report:
    """Verifies a workbook of ours with the named engine.

    The lesson and the numbers come from the workbook itself. Raises :class:`WorkbookError` when the file cannot
    be read or is not a workbook of ours, ``EngineError`` when the engine is missing or fails.
    """
    path = Path(path)
    data = read_workbook(path)
    with readable(path):
        contents = Contents(data)
        lesson = carried_lesson(contents, path)
    found = _evaluated(data, path, engine)
    plan = make_plan(lesson)
    changed, problems = with_present_numbers(lesson, plan, found)
    if changed is not None:
        plan = make_plan(changed)
    with readable(path):
        if problems:  # there is nothing to compare with
            formulas = sum(len(contents.sheet(name).formulas) for name in contents.sheets)
            report = Comparison(formulas, mismatches=problems).report(str(path), lesson.name, engine)
        else:
            report = compare(plan, contents, found, str(path), lesson.name, engine)
    return replace(report, saved_by=saved_by(data))


def _evaluated(data: bytes, path: Path, engine: str) -> Grids:
    """All values of the workbook; the engine has let go of it before the comparison needs the memory."""
    chosen = get_engine(engine)
    with guard(engine, path):
        return chosen.open(data).grids()


__all__ = ["Mismatch", "Report", "TensorCheck", "compare", "difference", "verify"]
