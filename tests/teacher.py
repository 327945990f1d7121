"""What a teacher does in the tests of handouts and marking: gives out, collects, has it marked."""

import shutil
import zipfile
from pathlib import Path

from pupils import BLANK, Desk, spelled
from shelf import Shelf

from sheetgrad import Lesson
from sheetgrad.classroom.give import handout
from sheetgrad.classroom.give.roster import Student
from sheetgrad.classroom.mark import assign, grade
from sheetgrad.classroom.mark.journal import Journal


def mlp(*blank: str) -> Lesson:
    return Lesson.load("mlp").with_blank(blank or BLANK)


def give(folder: Path, students: list[str], lesson: Lesson, mode: str = "exam", seed: str = "s") -> handout.Record:
    """Handouts and keys as `sheetgrad handout` makes them, but in this process: to start others takes longest."""
    record = handout.prepare(lesson, [Student(mark, f"Pupil {mark}") for mark in students], folder, mode, seed)
    (folder / "key").mkdir(exist_ok=True)
    for mark, one in record.given.items():
        blank, key = handout.make_one(record.course_of(one).text, mark, one.student.name, one.numbers)
        (folder / f"{mark}.xlsx").write_bytes(blank)
        (folder / "key" / f"{mark}.xlsx").write_bytes(key)
    return record


def one_student(shelf: Shelf, name: str, mode: str) -> tuple[handout.Record, Path]:
    """A class of one, A, with the lesson's own blanks; its folder is not to be changed."""

    def make(folder: Path) -> None:
        give(folder, ["A"], Lesson.load(name).with_blank(), mode)

    folder, _ = shelf.once(f"{name}-{mode}", make)
    return handout.Record.load(folder), folder


def three_students(shelf: Shelf) -> tuple[handout.Record, Path]:
    """A class of A, B and C, and in the folder `other` an A of another class; not to be changed."""

    def make(folder: Path) -> None:
        give(folder, ["A", "B", "C"], mlp())
        give(folder / "other", ["A"], Lesson.load("neuron").with_blank())

    folder, _ = shelf.once("trio", make)
    return handout.Record.load(folder), folder


def graded(record: handout.Record, inbox: Path, journal: Path) -> dict[str, assign.Row]:
    """The rows of the report by student, or by file where it is nobody's. Few files are marked by one process."""
    submissions, stray = assign.assign(record, assign.find_files(inbox, inbox.parent))
    book = Journal(journal, record)
    rows = list(grade.mark_class(record, submissions, book, jobs=1 if len(submissions) < 20 else None))
    book.close(True)
    return {row.mark or row.file: row for row in grade.report_rows(record, rows, stray)}


def inbox(folder: Path, tmp_path: Path, **files) -> Path:
    box = tmp_path / "inbox"
    box.mkdir()
    for name, made in files.items():
        target = box / f"{name}.xlsx"
        shutil.copyfile(folder / "A.xlsx", target)
        if callable(made):
            made(target)
        elif made is not None:
            shutil.copyfile(made, target)
    return box


def solved(path: Path) -> None:
    desk = Desk(path)
    spelled(desk)
    desk.save()


def parts(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()}
