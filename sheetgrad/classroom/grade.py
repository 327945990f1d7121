"""Marks a whole class: finds whose file is whose, has each marked, and writes the report.

What is marked is noted at once in a journal beside the report; an interrupted run goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.formatting.rule import CellIsRule
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties

from sheetgrad.classroom.feedback import write_feedback
from sheetgrad.classroom.handout import Given, HandoutError, Record
from sheetgrad.classroom.marking import EMPTY, NUDGED, SHORT, TYPED, UNSURE, Marked, digest, examiner, mark_one
from sheetgrad.classroom.roster import OURS
from sheetgrad.classroom.workers import each
from sheetgrad.files import TargetError, whole, write_whole
from sheetgrad.formulas import element_name
from sheetgrad.style import AGREE, BAR, WORDS, WRONG
from sheetgrad.verify import WorkbookError

if TYPE_CHECKING:
    import pandas as pd
    from openpyxl.worksheet.worksheet import Worksheet

ENDINGS = (".xlsx", ".xlsm")
BODY, HEAD = Font(name=WORDS, size=11), Font(name=WORDS, size=11, bold=True, color="FFFFFF")
LEFT, MIDDLE = Alignment(horizontal="left"), Alignment(horizontal="center")
LARGEST_SUBMISSION = 20_000_000  # bytes
SYSTEM = ("thumbs.db", "desktop.ini")  # what file managers leave in folders
MOST_FILES = 200_000
MOST_NAMED = 3  # cells or students in a flag
FLAGGED = {
    TYPED: "hard-coded",
    NUDGED: "uses the nudges",
    UNSURE: "no program here knows a function of it, look yourself",
}
ALIKE = 4  # a way of writing that more students share is common; so is that of more than this part of the class:
COMMON = 0.05
WORTH_COMPARING = 8  # characters: shorter formulas leave no choice
COLUMNS = ("id", "name", "total", "of", "strict", "status", "flags", "file")  # of the report, besides the marks
LONG = 30  # and of a formula that nobody writes twice by chance
BLANKS = re.compile(r"[\s$]")
REFERENCE = r"(?:[A-Z]{1,3}[0-9]{1,7}(?::[A-Z]{1,3}[0-9]{1,7})?)"
TEST = rf"{REFERENCE}(?:>|<|>=|<=)0"
PLAIN = re.compile(
    rf"[-+]?{REFERENCE}(?:[-+*/]{REFERENCE})*"
    rf"|(?:SUM|SUMPRODUCT|AVERAGE)\(\(?{REFERENCE}(?:\)?[,*]\(?{REFERENCE})*\)?\)"
    rf"|{REFERENCE}\*\({TEST}\)|\({TEST}\)\*{REFERENCE}"
    rf"|IF\({TEST},(?:{REFERENCE},0|0,{REFERENCE})\)|{REFERENCE}\*IF\({TEST},(?:1,0|0,1)\)"
    rf"|IF\({TEST},(?:1,0|0,1)\)\*{REFERENCE}"
    rf"|(?:INDEX\()?MMULT\((?:TRANSPOSE\({REFERENCE}\)|{REFERENCE}),{REFERENCE}\)(?:,[0-9]+,[0-9]+\))?"
)


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


# -- whose file is whose -----------------------------------------------------------------------------------------


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
                mark, record.given[mark], _shown(path), Marked(problem=f"found {path.suffix}, expected .xlsx")
            )
        else:
            stray.append(_stray(path, "not a workbook (.xlsx); nobody's"))
    read = ((record.course.text, None, data, str(path)) for path in strangers for data in [_read(path)] if data)
    asked = {task[3]: said for task, said in each(_whose, read, jobs, scheduler)} if strangers else {}
    for path in strangers:
        said = asked.get(str(path), _too_large(path))
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
        stray += [_stray(one.path, f"not marked: {_shown(first.path)} counts") for one in several if one is not first]
    stray += [row for mark, row in wrong.items() if mark not in claims]
    order = {mark: k for k, mark in enumerate(record.given)}
    return sorted(chosen, key=lambda one: order[one.mark]), stray


def _stray(path: Path, problem: str) -> Row:
    return Row("", None, _shown(path), Marked(problem=problem))


def _shown(path: Path) -> str:
    """A path as text, also where its bytes are none."""
    return os.fsencode(path).decode("utf-8", "replace")


def _too_large(path: Path) -> str:
    size = path.stat().st_size if path.exists() else 0
    return f"{size:,} bytes, at most {LARGEST_SUBMISSION:,}" if size > LARGEST_SUBMISSION else "cannot be opened"


def _read(path: Path) -> bytes | None:
    """The bytes of a file that is not too large; None when it cannot be read."""
    try:
        return path.read_bytes() if path.stat().st_size <= LARGEST_SUBMISSION else None
    except OSError:
        return None


def _whose(course: str, numbers: None, data: bytes, name: str) -> dict:
    return mark_one(course, None, data)


# -- marking -----------------------------------------------------------------------------------------------------


def journal_path(report: Path) -> Path:
    """Where the journal of a report stands while it is not finished."""
    return report.with_name(f".{report.stem}.journal")


class Journal:
    """What is marked already: a line of JSON each, written at once. A line that was cut off is done again."""

    def __init__(self, path: Path, record: Record):
        self.path = path
        self.done: dict[tuple[str, str], dict] = {}
        self.record = record
        self.made_by = f"{version('sheetgrad')} {hashlib.sha256(record.course.text.encode()).hexdigest()[:16]}"
        try:
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            for line in lines:
                try:
                    entry = json.loads(line)
                    if entry["by"] == self.made_by and entry["given"] == self._given(entry["student"]):
                        self.done[entry["student"], entry["sha256"]] = entry
                except (ValueError, KeyError, TypeError):
                    continue
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (closed by close)
            self.file.write("\n")  # after a line that was cut off
        except OSError as error:
            raise TargetError(f"{path}: cannot be written: {error.strerror or error}") from None

    def _given(self, mark: str) -> str:
        return digest(self.record.given[mark].numbers)

    def add(self, mark: str, sha256: str, marked: dict, feedback: bool) -> None:
        """``feedback`` says whether what there is to give back was written."""
        entry = {"by": self.made_by, "student": mark, "given": self._given(mark), "sha256": sha256}
        self.file.write(json.dumps({**entry, "feedback": feedback, "marked": marked}) + "\n")
        self.file.flush()

    def close(self, finished: bool) -> None:
        self.file.close()
        if finished:
            self.path.unlink(missing_ok=True)


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
            data = _read(one.path)
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
            yield record.course.text, given.numbers, data, title if feedback else "", sha256, one

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
        yield _row(record, owners, one, Marked(problem=f"cannot be read: {_too_large(one.path)}").as_dict())


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
    row = Row(one.mark, record.given[one.mark], _shown(one.path), Marked.from_dict(table))
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


# -- looking at the class as a whole --------------------------------------------------------------------------------


def report_rows(record: Record, rows: Iterable[Row], stray: Sequence[Row]) -> list[Row]:
    """A row for every student in the order of the roster, then the stray files; with their flags."""
    found = {row.mark: row for row in [*stray, *rows] if row.mark}
    every = [found.get(mark) or Row(mark, one) for mark, one in record.given.items()]
    _alike([row for row in every if row.marked.answers])
    return [*every, *(row for row in stray if not row.mark)]


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


def _alike(rows: Sequence[Row]) -> None:
    """Flags those who wrote the same where the exercise leaves a choice.

    There are few good ways to write a sum of products, so the same formulas are no sign by themselves. What counts is a
    block that only a handful of the class wrote so, and not in one of the plain ways; a long formula counts twice, and
    two points make a flag. Spaces, ``$`` and upper and lower case do not hide a copy.
    """
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        blocks: dict[str, list[str]] = defaultdict(list)
        for name, answer in row.marked.answers.items():
            blocks[name.partition("[")[0]].append(BLANKS.sub("", answer.formula.lstrip("=")).upper())
        for key, texts in blocks.items():
            if not all(map(_forced, texts)):
                groups[key, *texts].append(row)
    common = max(ALIKE, COMMON * len(rows))
    points: dict[tuple[str, str], int] = defaultdict(int)
    for (_, *texts), group in groups.items():
        if 2 <= len(group) <= common:
            worth = 2 if max(map(len, texts)) > LONG else 1
            for row in group:
                for other in group:
                    points[row.mark, other.mark] += worth
    for row in rows:
        others = [other.mark for other in rows if other is not row and points.get((row.mark, other.mark), 0) >= 2]
        if others:
            named = ", ".join(others[:MOST_NAMED]) + (" …" if len(others) > MOST_NAMED else "")
            row.flags.append(f"same formulas as {named}")


def _forced(text: str) -> bool:
    """Whether a formula is what anyone would type: a reference, a plain sum of products, a mask, one function of ranges."""
    return len(text) < WORTH_COMPARING or PLAIN.fullmatch(text) is not None


# -- the report ------------------------------------------------------------------------------------------------------


def tables(record: Record, rows: Sequence[Row]) -> dict[str, pd.DataFrame]:
    """The report as two tables with a row a student: ``Grades`` in numbers, ``Answers`` in words."""
    import pandas as pd

    shop = examiner(record.course.text).shop
    names: dict[str, list[str]] = {key: [] for key in record.course.lesson.exercise.blank}
    for key, index in shop.blanks.values():
        names[key].append(element_name(key, index))
    cells = [name for part in names.values() for name in part]
    taken = {*COLUMNS, *names, *cells}
    more = dict.fromkeys(key for one in record.given.values() for key in one.student.more)
    extra = {key: f"{key} (roster)" if key in taken else key for key in more}
    grades, answers = [], []
    for row in rows:
        student = row.given.student if row.given else None
        who = {"id": row.mark, "name": student.name if student else ""}
        who |= {shown: student.more.get(key, "") if student else "" for key, shown in extra.items()}
        found = row.marked.answers
        marks = {name: found[name].mark if found else 0 for name in cells}
        strict = sum(answer.strict for answer in found.values())
        total = {"total": sum(marks.values()), "of": len(cells), "strict": strict, "status": row.status}
        per_tensor = {key: sum(marks[name] for name in part) for key, part in names.items()}
        flags = {"flags": "; ".join(row.flags), "file": row.file}
        grades.append({**who, **total, **per_tensor, **marks, **flags})
        said = {name: _said(found[name].verdict, found[name].hint) if found else "" for name in cells}
        answers.append({**who, **said})
    return {"Grades": pd.DataFrame(grades), "Answers": pd.DataFrame(answers)}


def _said(verdict: str, hint: str) -> str:
    return verdict if hint in ("", verdict) else f"{verdict}: {SHORT[hint]}"


def write_report(found: Mapping[str, pd.DataFrame], target: Path) -> Path:
    """Writes the report as XLSX at ``target`` and as CSV beside it; gives the path of the CSV.

    Texts stay texts in both: what begins like a formula is not computed by whoever opens the report.
    """
    import pandas as pd

    beside = target.with_suffix(".csv")
    safe = found["Grades"].map(_no_formula)
    with whole(beside) as temporary:
        safe.rename(columns=_no_formula).to_csv(temporary, index=False, encoding="utf-8-sig")
    with whole(target) as temporary, pd.ExcelWriter(temporary, engine="openpyxl") as writer:
        for title, frame in found.items():
            frame.map(_printable).to_excel(writer, sheet_name=title, index=False, freeze_panes=(1, 2))
            _look(writer.sheets[title], frame)
    return beside


def _look(sheet: Worksheet, frame: pd.DataFrame) -> None:
    """Headings, widths, pages; marks in green, lost marks in red, each with its number."""
    words = {"total", "of", "strict"}
    for number, column in enumerate(frame.columns, 1):
        shown = [cell for (cell,) in sheet.iter_rows(min_col=number, max_col=number)]
        centred = column in words or frame[column].dtype.kind in "iub"
        for cell in shown:
            if cell.data_type == "f":
                cell.data_type = "s"
            cell.font, cell.alignment = BODY, MIDDLE if centred else LEFT
        shown[0].font, shown[0].fill = HEAD, PatternFill("solid", fgColor=BAR)
        longest = max([len(str(column)), *(len(str(value)) for value in frame[column].head(200))])
        sheet.column_dimensions[get_column_letter(number)].width = min(60, longest + 3)
        if "[" in str(column) and centred and len(frame):
            area = f"{shown[1].coordinate}:{shown[-1].coordinate}"
            for value, fill in ((1, AGREE), (0, WRONG)):
                rule = CellIsRule(operator="equal", formula=[str(value)], fill=PatternFill("solid", bgColor=fill))
                sheet.conditional_formatting.add(area, rule)
    sheet.auto_filter.ref = sheet.dimensions
    sheet.sheet_view.showGridLines = False
    sheet.page_setup.orientation, sheet.page_setup.paperSize = "landscape", sheet.PAPERSIZE_A4
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.page_setup.fitToHeight = 0
    sheet.print_title_rows = "1:1"


def _no_formula(value: object) -> object:
    """A text that a spreadsheet would take for a formula gets the apostrophe that says it is none."""
    risky = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{value}" if risky else value


def _printable(value: object) -> object:
    return ILLEGAL_CHARACTERS_RE.sub("�", value) if isinstance(value, str) else value
