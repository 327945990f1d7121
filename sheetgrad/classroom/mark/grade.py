"""Has every submission of a class marked, side by side."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from sheetgrad.classroom.give.handout import Record
from sheetgrad.classroom.mark.alike import MOST_NAMED, flag_alike
from sheetgrad.classroom.mark.answers import EMPTY, NUDGED, TYPED, UNSURE, Marked
from sheetgrad.classroom.mark.assign import Row, Submission, read_bytes, shown_path, too_large
from sheetgrad.classroom.mark.feedback import write_feedback
from sheetgrad.classroom.mark.journal import Journal
from sheetgrad.classroom.mark.marking import digest, examiner, mark_one
from sheetgrad.classroom.workers import each
from sheetgrad.files import write_whole
from sheetgrad.workbook.reading import WorkbookError


def mark_class(
    record: Record,
    submissions: Sequence[Submission],
    journal: Journal,
    feedback: Path | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
) -> Iterator[Row]:
    """A row for every submission, as it is done. With ``feedback``, writes ``feedback/ID.xlsx`` for each as well."""

    def tasks() -> Iterator[tuple]:
        for one in submissions:
            data = read_bytes(one.path)
            if data is None:
                unreadable.append(one)
                continue
            sha256 = hashlib.sha256(data).hexdigest()
            entry = journal.done.get((one.mark, sha256))
            if entry and (feedback is None or entry["feedback"]):
                known.append((one, entry["marked"]))
                continue
            given = record.given[one.mark]
            who = f"{given.student.name} ({one.mark})" if given.student.name else one.mark
            title = f"{who}: {record.course.lesson.title}"
            yield record.course_of(given).text, given.numbers, data, title if feedback else "", sha256, one

    owners = _owners(record)
    unreadable: list[Submission] = []
    known: list[tuple[Submission, dict]] = []
    for (*_, sha256, one), result in each(_mark_one, tasks(), jobs, scheduler):
        if isinstance(result, Exception):
            marked, copy = Marked(problem=f"not marked: {result}").as_dict(), None
        else:
            marked, copy = result
        row = _row(record, owners, one, marked)
        if feedback is not None and copy is not None and not row.marked.problem:
            write_whole(feedback / f"{one.mark}.xlsx", copy)
        journal.add(one.mark, sha256, marked, feedback is not None)
        yield row
    for one, marked in known:
        yield _row(record, owners, one, marked)
    for one in unreadable:
        yield _row(record, owners, one, Marked(problem=f"cannot be read: {too_large(one.path)}").as_dict())


def _mark_one(course: str, numbers: Sequence[float], data: bytes, title: str, sha256: str, one: Submission):
    """What a worker does: the marks, and the feedback where it has a ``title``."""
    table = mark_one(course, numbers, data)
    if not title or table["problem"]:
        return table, None
    try:
        return table, write_feedback(data, Marked.from_dict(table), examiner(course).shop.blanks, title)
    except WorkbookError:
        return table, None


def _row(record: Record, owners: Mapping[str, Collection[str]], one: Submission, table: Mapping) -> Row:
    row = Row(one.mark, record.given[one.mark], shown_path(one.path), Marked.from_dict(table))
    if one.renamed:
        row.flags.append("renamed")
    if not row.marked.problem:
        _look_at(row, owners)
    return row


def _owners(record: Record) -> dict[str, set[str]]:
    """Who was given these numbers: in a lesson with few of them, perhaps more than one student."""
    owners: dict[str, set[str]] = defaultdict(set)
    for mark, one in record.given.items():
        owners[digest(one.numbers)].add(mark)
    return owners


def _look_at(row: Row, owners: Mapping[str, Collection[str]]) -> None:
    """Whose file it is by the numbers in it and by what it says, and what a teacher should know of it."""
    marked = row.marked
    theirs = owners.get(marked.numbers, ())
    others = [] if row.mark in theirs else sorted(theirs)
    if marked.carried and marked.carried.lower() != row.mark.lower():
        others = sorted({marked.carried, *others})
    if others:
        marked.problem, marked.answers = f"wrong student's file: that of {' or '.join(others[:MOST_NAMED])}", {}
        return
    if not theirs:
        row.flags.append("inputs changed")
    if not marked.carried:
        row.flags.append("does not say whose it is")
    if marked.changed:
        named = ", ".join(marked.changed[:MOST_NAMED]) + (" …" if len(marked.changed) > MOST_NAMED else "")
        row.flags.append(f"formula elsewhere changed: {named}")
    for verdict, words in FLAGGED.items():
        names = [name for name, answer in marked.answers.items() if answer.verdict == verdict]
        if names:
            more = " …" if len(names) > MOST_NAMED else ""
            row.flags.append(f"{words}: {', '.join(names[:MOST_NAMED])}{more}")
    if all(answer.verdict == EMPTY for answer in marked.answers.values()):
        row.flags.append("nothing filled in")


FLAGGED = {
    TYPED: "hard-coded",
    NUDGED: "uses the nudges",
    UNSURE: "no program here knows a function of it, look yourself",
}


def report_rows(record: Record, rows: Iterable[Row], stray: Sequence[Row]) -> list[Row]:
    """A row for every student in the order of the roster, then the stray files; with their flags."""
    found = {row.mark: row for row in [*stray, *rows] if row.mark}
    every = [found.get(mark) or Row(mark, one) for mark, one in record.given.items()]
    flag_alike([row for row in every if row.marked.answers])
    return [*every, *(row for row in stray if not row.mark)]
