"""Handouts for a class: a workbook with blanks for every student, an answer key for each, and what marking needs.

The folder holds ``ID.xlsx``, ``key/ID.xlsx`` and ``handout.json``. That file is written first: what is missing after
an interruption is made when the same command runs again, and what students may have changed is never written over.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from sheetgrad.classroom.give.bugs import draw_slip, possible_bugs
from sheetgrad.classroom.give.roster import Student, unusable
from sheetgrad.classroom.give.workshop import MODES, Course, Workshop, workshop
from sheetgrad.classroom.workers import each
from sheetgrad.errors import SheetgradError
from sheetgrad.files import TargetError, write_first, write_whole
from sheetgrad.lesson.model import Lesson

RECORD, KEYS = "handout.json", "key"
FORMAT = 2  # of handout.json, and of where the blanks stand
REDRAWS = 20
LARGEST_RECORD = 500_000_000  # bytes


class HandoutError(SheetgradError, ValueError):
    """A folder that is not, or must not become, that of a handout; the message says what was found and expected."""


@dataclass(frozen=True)
class Given:
    """What one student was given: the numbers of all tensors, one after the other; and where a wrong line is to be found,
    the slip that it has."""

    student: Student
    numbers: tuple[float, ...]
    slip: str = ""


@dataclass(frozen=True)
class Record:
    """``handout.json``: the course, and what every student was given. Marking needs nothing else."""

    course: Course
    given: Mapping[str, Given]

    def course_of(self, one: Given) -> Course:
        """The course with the slip that a student got."""
        return self._courses.setdefault(one.slip, self.course.with_slip(one.slip))

    @cached_property
    def _courses(self) -> dict[str, Course]:
        return {"": self.course}

    @classmethod
    def load(cls, folder: Path) -> Record:
        """Raises :class:`HandoutError` when the folder has none, or a damaged one."""
        path = folder / RECORD
        try:
            if path.stat().st_size > LARGEST_RECORD:
                raise HandoutError(f"{path}: larger than {LARGEST_RECORD:,} bytes")
            table = json.loads(path.read_text(encoding="utf-8"))
            if table["format"] != FORMAT:
                raise HandoutError(
                    f"{path}: found format {str(table['format'])[:20]}, expected {FORMAT}: where cells stand has changed; "
                    "grade it with the version that made it, or hand it out again"
                )
            course = Course.from_text(json.dumps(table["course"]))
            size = sum(tensor.values.size for tensor in course.lesson.tensors.values())
            given = {}
            for row in table["students"]:
                student = Student(row["id"], row["name"], row["more"])
                numbers, slip = tuple(map(float, row["numbers"])), row.get("slip", "")
                known = bool(slip) == bool(course.lesson.bug)
                if unusable(student.mark) or len(numbers) != size or not all(map(math.isfinite, numbers)) or not known:
                    raise HandoutError(f"{path}: what it says of {str(student.mark)[:60]!r} was changed")
                given[student.mark] = Given(student, numbers, slip)
            for slip in {one.slip for one in given.values()}:
                _ = course.with_slip(slip).shown  # ValueError for one that is none of the lesson's
        except FileNotFoundError:
            raise HandoutError(f"{folder}: has no {RECORD}; expected a folder made by `sheetgrad handout`") from None
        except OSError as error:
            raise HandoutError(f"{path}: {error.strerror or error}") from None
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            if isinstance(error, HandoutError):
                raise
            raise HandoutError(f"{path}: damaged; expected the file that `sheetgrad handout` wrote") from None
        return cls(course, given)

    def save(self, folder: Path, new: bool) -> None:
        """Writes ``handout.json``; a ``new`` one only where there is none, or :class:`HandoutError`."""
        rows = [
            {"id": one.student.mark, "name": one.student.name, "more": dict(one.student.more), "numbers": one.numbers}
            | ({"slip": one.slip} if one.slip else {})
            for one in self.given.values()
        ]
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        head = f'{{"format": {FORMAT},\n"course": {self.course.text},\n"students": [\n'
        data = (head + lines + "\n]}\n").encode("utf-8")
        if not new:
            write_whole(folder / RECORD, data)
        elif not write_first(folder / RECORD, data):
            raise HandoutError(
                f"{folder}: another handout was begun there just now; run again, or choose another folder"
            )


def prepare(lesson: Lesson, roster: Sequence[Student], folder: Path, mode: str, seed: str | None) -> Record:
    """The record of the folder's handout, written before any workbook is made.

    In a folder that has one already, students who were given numbers keep them and new ones are added; the lesson,
    mode and seed must be the same. Without a ``seed`` a lesson to practise uses its own name, so that the numbers are
    the same wherever it is made, and an exam one that nobody can guess. Raises :class:`HandoutError`.
    """
    if mode not in MODES:
        raise HandoutError(f"--mode: found {mode!r}, expected {' or '.join(MODES)}")
    before = Record.load(folder) if (folder / RECORD).exists() else None
    if seed is None:
        seed = before.course.seed if before else lesson.name if mode == "practice" else secrets.token_hex(8)
    secret = before.course.secret if before else secrets.token_hex(16)
    course = Course(lesson, mode, seed, secret)
    if before and before.course.text != course.text:
        what = next(
            word
            for word, differs in (
                ("lesson", before.course.lesson.name != lesson.name),
                ("mode", before.course.mode != mode),
                ("seed", before.course.seed != seed),
                ("choice of blanks", before.course.lesson.exercise != lesson.exercise),
                ("text or numbers of the lesson", True),
            )
            if differs
        )
        raise HandoutError(f"{folder}: holds a handout with another {what}; choose another folder")
    given = dict(before.given) if before else {}
    twins = {mark.lower(): mark for mark in given}
    taken, slips = {one.numbers for one in given.values()}, {one.slip for one in given.values()}
    shop, bugs = workshop(course.text), possible_bugs(lesson) if lesson.bug else {}
    for student in roster:
        mark = student.mark
        if twins.get(mark.lower(), mark) != mark:
            raise HandoutError(f"{folder}: {mark} was given out as {twins[mark.lower()]}; write the id the same way")
        if mark in given:
            given[mark] = replace(given[mark], student=student)
        else:
            if not before and (folder / f"{mark}.xlsx").exists():
                raise HandoutError(f"{folder / mark}.xlsx: exists, and {RECORD} does not; choose another folder")
            given[mark] = _drawn(shop, bugs, student, taken, slips)
            taken.add(given[mark].numbers)
            slips.add(given[mark].slip)
    record = Record(course, given)
    try:
        (folder / KEYS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TargetError(f"{folder}: cannot be written: {error.strerror}") from None
    record.save(folder, new=before is None)
    return record


def _drawn(
    shop: Workshop,
    bugs: Mapping[str, Lesson],
    student: Student,
    taken: Collection[tuple[float, ...]],
    slips: Collection[str],
) -> Given:
    """What a new student gets, with one of the ``bugs`` if there are any: drawn again where somebody has the same, as far as the lesson has others."""
    course, mark = shop.course, student.mark
    for again in range(REDRAWS):
        drawn = shop.variants.draw(course.seed, mark, *[str(again)] * (again > 0))
        numbers = tuple(shop.flat(drawn))
        if numbers not in taken:
            break
    return Given(student, numbers, draw_slip(bugs, drawn, slips, course.seed, mark) if bugs else "")


def missing(record: Record, folder: Path) -> list[Given]:
    """Those whose handout or key is not there yet."""
    return [one for one in record.given.values() if any(not path.exists() for path in _paths(folder, one))]


def make(
    record: Record, folder: Path, todo: Sequence[Given], jobs: int | None = None, scheduler: str | None = None
) -> Iterator[Given]:
    """Makes the handouts and keys of ``todo``, and gives each student when the files are there.

    Raises ``ProofError`` for numbers that are not NumPy's: nothing of that student is written.
    """
    together = sorted(todo, key=lambda one: one.slip)  # who shares a slip shares a workshop
    tasks = ((record.course_of(one).text, one.student.mark, one.student.name, one.numbers) for one in together)
    for task, made in each(make_one, tasks, jobs, scheduler):
        if isinstance(made, Exception):
            raise made
        one = record.given[task[1]]
        for path, data in zip(_paths(folder, one), made, strict=True):
            if not path.exists():
                write_whole(path, data)
        yield one


def make_one(course: str, mark: str, name: str, numbers: Sequence[float]) -> tuple[bytes, bytes]:
    """The handout and the key of one student: what a worker does."""
    return workshop(course).make(mark, name, numbers)


def _paths(folder: Path, one: Given) -> tuple[Path, Path]:
    name = f"{one.student.mark}.xlsx"
    return folder / name, folder / KEYS / name
