"""Makes a workbook: plan, write, recalculate, verify, and only then put it in its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sheetgrad.engines import AUTOMATIC
from sheetgrad.files import TargetError, whole
from sheetgrad.lesson.model import Lesson
from sheetgrad.planning import make_plan
from sheetgrad.verifying.proof import prove
from sheetgrad.verifying.verify import Report, verify_stored
from sheetgrad.workbook.reading import WorkbookError, carried_table, read_workbook, readable
from sheetgrad.workbook.values import store_values
from sheetgrad.workbook.write import FORMAT, write
from sheetgrad.xlsx.contents import Contents


def build(lesson: Lesson, path: str | Path, force: bool = False) -> Report:
    """Builds the lesson's workbook at ``path`` and verifies it.

    The file is written beside its target and renamed, so that the target is always whole. An existing file is
    replaced only when it is a workbook of the same lesson, or with ``force``. Raises :class:`TargetError` when
    it may not be or cannot be written, ``PlanError`` when the lesson does not fit a workbook, ``EngineError``
    when it cannot be recalculated.
    """
    path = Path(path)
    _may_replace(path, lesson.name, force)
    proof = prove(lesson)
    plan = make_plan(lesson, proof=str(proof))
    with whole(path) as temporary:
        write(plan, carried(lesson), temporary)
        store_values(temporary)
        report = verify_stored(temporary, AUTOMATIC[0], lesson, plan, proof)
    return replace(report, workbook=str(path))


def carried(lesson: Lesson) -> dict:
    """What a workbook carries: the lesson's name and the lesson as plain data."""
    return {"format": FORMAT, "name": lesson.name, "lesson": lesson.to_table()}


def _may_replace(path: Path, name: str, force: bool) -> None:
    if force or not path.exists():
        return
    if path.is_dir():
        raise TargetError(f"{path}: is a folder; expected a place for a workbook")
    try:
        with readable(path):
            contents = Contents(read_workbook(path))
        found = carried_table(contents, path)["name"]
    except (WorkbookError, KeyError):
        raise TargetError(f"{path}: exists and was not made by sheetgrad; --force replaces it") from None
    if found != name:
        raise TargetError(f"{path}: exists and holds another lesson, {found}; --force replaces it")
