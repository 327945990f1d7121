"""Proves a workbook from itself: every formula cell is compared with NumPy, whatever numbers now stand in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from sheetgrad.engines import AUTOMATIC, Grids, get_engine, guard
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import Plan
from sheetgrad.planning import make_plan
from sheetgrad.verifying.comparing import Comparison, Sheets, compare, count_formulas
from sheetgrad.verifying.difference import difference
from sheetgrad.verifying.present import with_present_numbers
from sheetgrad.verifying.proof import Proof, prove
from sheetgrad.verifying.purpose import on_purpose, own_cells, values_with
from sheetgrad.verifying.report import Mismatch, Report, TensorCheck
from sheetgrad.workbook.reading import carried_lesson, carried_table, read_workbook, readable, saved_by
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
    chosen = get_engine(engine)
    with guard(engine, path):
        found = chosen.open(data).grids()  # and the engine lets go of it: the comparison needs the memory
    with readable(path):
        sheets = contents.all()
    report = _compared(lesson, sheets, found, path, engine)
    return replace(report, saved_by=saved_by(data))


def verify_stored(path: Path, engine: str, lesson: Lesson, plan: Plan, proof: Proof | None = None) -> Report:
    """Verifies a workbook of the ``lesson``, just written from its ``plan``, in which ``engine`` has stored the values that
    it computed: these are read back and compared. ``proof`` is that of the lesson, where it was made already."""
    data = read_workbook(path)
    with readable(path):
        contents = Contents(data)
        same = carried_table(contents, path)["lesson"] == json.loads(json.dumps(lesson.to_table()))
        if not same:  # then it proves itself by another plan than it was written from
            lesson, plan, proof = carried_lesson(contents, path), None, None
        sheets = contents.all()
    found = {name: sheet.values for name, sheet in sheets.items()}
    return replace(_compared(lesson, sheets, found, path, engine, plan, proof), saved_by=saved_by(data))


def _compared(
    lesson: Lesson,
    sheets: Sheets,
    found: Grids,
    path: Path,
    engine: str,
    plan: Plan | None = None,
    proof: Proof | None = None,
) -> Report:
    """The sheets and the values found in them, compared with the lesson on the numbers that stand in them now."""
    plan = plan or make_plan(lesson)
    changed, problems = with_present_numbers(lesson, plan, found)
    if problems:  # there is nothing to compare with
        return Comparison(count_formulas(sheets), mismatches=problems).report(str(path), lesson.name, engine)
    if changed is not None:
        lesson, plan, proof = changed, make_plan(changed), None
    more: dict[str, object] = {"replacements": lesson.replacements}
    mending = ()
    if lesson.bug:
        own = own_cells(lesson, plan, sheets, found)
        values = values_with(lesson, own)
        if own:
            plan, proof = make_plan(lesson, values=values), prove(lesson, values)
        more["bug"], mending = on_purpose(lesson, values, own)
    report = compare(plan, sheets, found, str(path), lesson.name, engine)
    return replace(report, proof=proof or prove(lesson), mismatches=(*mending, *report.mismatches), **more)


__all__ = ["Mismatch", "Report", "TensorCheck", "compare", "difference", "verify"]
