"""Whose file is whose: by its name, or by what it says of itself."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sheetgrad.classroom.give.handout import Given, HandoutError, Record
from sheetgrad.classroom.give.roster import OURS
from sheetgrad.classroom.mark.answers import Marked
from sheetgrad.classroom.mark.marking import mark_one
from sheetgrad.classroom.workers import each

ENDINGS = (".xlsx", ".xlsm")
LARGEST_SUBMISSION = 20_000_000  # bytes
SYSTEM = ("thumbs.db", "desktop.ini")  # what file managers leave in folders
MOST_FILES = 200_000


@dataclass(frozen=True)
class Submission:
    """A file, and whose it is taken to be: the student that it is named after, or that it says it is of."""

    path: Path
    mark: str
    renamed: bool = False


@dataclass
class Row:
    """One line of the report. ``file`` is empty where nothing was handed in, ``given`` None for a stray file."""

    mark: str
    given: Given | None
    file: str = ""
    marked: Marked = field(default_factory=Marked)
    flags: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        if self.marked.problem:
            return self.marked.problem
        return "marked" if self.marked.answers else "missing"


def find_files(folder: Path, handouts: Path, skip: Sequence[Path | None] = ()) -> list[Path]:
    """What may be submissions: all files below ``folder``; in the folder of the ``handouts`` itself, its workbooks alone.

    What lies in or below ``skip`` is ours: an earlier report, the feedback.
    """
    if not folder.is_dir():
        raise HandoutError(f"{folder}: no such folder; expected the one with the submissions")
    own = folder.resolve() == handouts.resolve()
    ours = {path.resolve() for path in skip if path}
    found = []
    for path in sorted(folder.iterdir() if own else folder.rglob("*")):
        hidden = path.name.startswith((".", "~$")) or path.name.lower() in SYSTEM
        other = own and (path.suffix.lower() not in ENDINGS or path.stem.lower() in OURS)
        if (
            path.is_file()
            and not hidden
            and not other
            and not ours.intersection((path.resolve(), *path.resolve().parents))
        ):
            found.append(path)
            if len(found) > MOST_FILES:
                raise HandoutError(f"{folder}: more than {MOST_FILES:,} files")
    return found


def assign(
    record: Record, files: Sequence[Path], jobs: int | None = None, scheduler: str | None = None
) -> tuple[list[Submission], list[Row]]:
    """Each student's file, and a row for every file that is nobody's.

    A file is that of the student whose id it is named by; of two such, in two folders, the newer. One with another name
    is that of the student whose handout it says it is, if it alone says so: anybody can write that into a file.
    """
    by_name = {mark.lower(): mark for mark in record.given}
    claims: dict[str, list[Submission]] = defaultdict(list)
    stray: list[Row] = []
    strangers = []
    wrong: dict[str, Row] = {}
    for path in files:
        mark = by_name.get(path.stem.strip().lower())
        if mark and path.suffix.lower() in ENDINGS:
            claims[mark].append(Submission(path, mark))
        elif path.suffix.lower() in ENDINGS:
            strangers.append(path)
        elif mark:
            wrong[mark] = Row(
                mark, record.given[mark], shown_path(path), Marked(problem=f"found {path.suffix}, expected .xlsx")
            )
        else:
            stray.append(_stray(path, "not a workbook (.xlsx); nobody's"))
    read = ((record.course.text, None, data, str(path)) for path in strangers for data in [read_bytes(path)] if data)
    asked = {task[3]: said for task, said in each(_whose, read, jobs, scheduler)} if strangers else {}
    for path in strangers:
        said = asked.get(str(path), too_large(path))
        marked = Marked.from_dict(said) if isinstance(said, dict) else Marked(problem=f"cannot be read: {said}")
        mark = by_name.get(marked.carried.lower())
        if mark and not marked.problem:
            claims[mark].append(Submission(path, mark, renamed=True))
        else:
            stray.append(
                _stray(path, marked.problem or "nobody's: named after no student, and it does not say whose it is")
            )
    chosen = []
    for mark, several in claims.items():
        named = sorted((one for one in several if not one.renamed), key=lambda one: -one.path.stat().st_mtime)
        if not named and len(several) > 1:
            stray += [
                _stray(one.path, f"not marked: {len(several)} files say that they are {mark}'s") for one in several
            ]
            continue
        first = (named or several)[0]
        chosen.append(first)
        stray += [
            _stray(one.path, f"not marked: {shown_path(first.path)} counts") for one in several if one is not first
        ]
    stray += [row for mark, row in wrong.items() if mark not in claims]
    order = {mark: k for k, mark in enumerate(record.given)}
    return sorted(chosen, key=lambda one: order[one.mark]), stray


def _stray(path: Path, problem: str) -> Row:
    return Row("", None, shown_path(path), Marked(problem=problem))


def shown_path(path: Path) -> str:
    """A path as text, also where its bytes are none."""
    return os.fsencode(path).decode("utf-8", "replace")


def too_large(path: Path) -> str:
    size = path.stat().st_size if path.exists() else 0
    return f"{size:,} bytes, at most {LARGEST_SUBMISSION:,}" if size > LARGEST_SUBMISSION else "cannot be opened"


def read_bytes(path: Path) -> bytes | None:
    """The bytes of a file that is not too large; None when it cannot be read."""
    try:
        return path.read_bytes() if path.stat().st_size <= LARGEST_SUBMISSION else None
    except OSError:
        return None


def _whose(course: str, numbers: None, data: bytes, name: str) -> dict:
    return mark_one(course, None, data)
