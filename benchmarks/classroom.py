"""How many handouts and submissions a second, on two processes, and what memory a large class takes.

    python benchmarks/classroom.py [--students 200] [--class-sizes 100 3000] [--markdown docs/benchmarks-classroom.md]

For the lessons ``mlp`` (27 blanks) and ``mini-batch`` (8), to practise with (checks beside the blanks) and as an exam:

handouts     ``handout.make`` for so many students: a handout and an answer key each, both recalculated and proven
submissions  ``grade.mark_class``: every handout filled in with right formulas (by the printer of the key), marked on its
             own numbers and at least three others; the report is not counted
LibreOffice  the yardstick: ``soffice --convert-to xlsx`` once a file, for ten of the same handouts, one process at a time
             and its start counted, as a script that recalculates every file that way would do

The start of the two processes, about two seconds, is measured by itself and not counted in the rates. Memory is the peak
of the process that hands out or marks, and of its largest worker, each class in a process of its own.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
from openpyxl import load_workbook
from rich.console import Console
from workbooks import machine

from sheetgrad.classroom.give import handout
from sheetgrad.classroom.give.roster import Student
from sheetgrad.classroom.give.workshop import workshop
from sheetgrad.classroom.mark import assign, grade, report
from sheetgrad.classroom.mark.journal import Journal
from sheetgrad.classroom.workers import each
from sheetgrad.engines.libreoffice import XLSX, LibreOffice
from sheetgrad.formulas.fills import fill
from sheetgrad.formulas.printing import Printer
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.drawing import Blanks
from sheetgrad.plan.equations import draw
from sheetgrad.sheets import gradients

CASES = (("mlp", "practice"), ("mlp", "exam"), ("mini-batch", "practice"), ("mini-batch", "exam"))
JOBS, YARDSTICKS = 2, 10


def measure(name: str, mode: str, students: int, work: str) -> dict:
    """One lesson and class: seconds from the first result to the last, and peak memory in MB."""
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room)
        marks = [Student(f"S{k:05d}", f"Student {k}") for k in range(students)]
        record = handout.prepare(Lesson.load(name).with_blank(), marks, folder, mode, "s")
        if work == "handouts":
            figures = timed(handout.make(record, folder, handout.missing(record, folder), JOBS), students)
        elif work == "yardstick":
            list(handout.make(record, folder, handout.missing(record, folder), JOBS))
            start = time.perf_counter()
            for path in sorted(folder.glob("S*.xlsx")):
                LibreOffice().convert([path], folder / path.stem, XLSX)
            figures = {"rate": students / (time.perf_counter() - start)}
        else:
            shop = workshop(record.course.text)
            answers = right_formulas(shop)
            inbox = folder / "inbox"
            inbox.mkdir()
            tasks = ((record.course.text, one.student.mark, one.numbers, answers) for one in record.given.values())
            for task, data in each(handed_in, tasks, JOBS):
                (inbox / f"{task[1]}.xlsx").write_bytes(data)
            submissions, _ = assign.assign(record, assign.find_files(inbox, inbox.parent))
            journal = Journal(folder / "journal", record)
            rows = []
            figures = timed(kept(grade.mark_class(record, submissions, journal, None, JOBS), rows), students)
            journal.close(True)
            assert all(answer.strict for row in rows for answer in row.marked.answers.values())
            report.write_report(report.tables(record, grade.report_rows(record, rows, [])), folder / "grades.xlsx")
    peak = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {**figures, "own": peak[0], "worker": peak[1]}


def kept(items, rows: list):
    for item in items:
        rows.append(item)
        yield item


def timed(items, count: int) -> dict:
    """Results a second, from the first on; and how long the first took."""
    begin = time.perf_counter()
    next(items)
    first = time.perf_counter()
    for _ in items:
        pass
    return {"rate": (count - 1) / (time.perf_counter() - first), "start": first - begin}


def right_formulas(shop) -> dict[str, str]:
    """The right formula of every blank, by its cell."""
    drawing = draw(shop.lesson, {}, Blanks(shop.lesson.exercise.blank, shop.course.checked))
    found = {}
    for item in (item for item in drawing.drawn if item.purpose == "blank"):
        cells, printer = shop.lesson.program.cells[item.key], Printer(drawing.book(item.step))
        places = {place: index for place, (key, index) in shop.blanks.items() if key == item.key}
        for (_, cell), index in places.items():
            tokens = printer.tokens(cells.element(index))
            found[cell] = fill(lambda i, j, tokens=tokens: tokens, 1, 1, gradients.NAME, True).formulas[0][0]
    assert len(found) == sum(np.prod(shop.lesson.program.shapes[key], dtype=int) for key in shop.lesson.exercise.blank)
    return found


def handed_in(course: str, mark: str, numbers: tuple[float, ...], answers: dict[str, str]) -> bytes:
    """One student's work."""
    return filled(workshop(course).make(mark, "", numbers)[0], answers)


def filled(data: bytes, answers: dict[str, str]) -> bytes:
    """The handout as a student would save it, through openpyxl."""
    book = load_workbook(io.BytesIO(data))
    for cell, formula in answers.items():
        book[gradients.NAME][cell] = formula
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def run(name: str, mode: str, students: int, work: str) -> dict:
    command = [sys.executable, __file__, "--one", name, mode, str(students), work]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--class-sizes", type=int, nargs="*", default=[100, 3000])
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the report there")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, mode, students, work = arguments.one
        print(json.dumps(measure(name, mode, int(students), work)))
        return
    console = Console()
    lines = [
        "# Benchmarks of the classroom",
        "",
        f"Written by `python benchmarks/classroom.py --markdown docs/benchmarks-classroom.md` on {date.today():%d %B %Y}; "
        "the script says in full what is measured.",
        "",
        *(f"- {line}" for line in machine()),
        "",
        f"{arguments.students} students, {JOBS} processes; files a second, and how many times as many as LibreOffice "
        "converts when it is started once a file.",
        "",
        "| lesson | handouts with keys | submissions marked | LibreOffice, once a file | handouts ÷ | submissions ÷ |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, mode in CASES:
        with console.status(f"{name}, {mode}"):
            made, marked = (run(name, mode, arguments.students, work)["rate"] for work in ("handouts", "submissions"))
            yardstick = run(name, mode, YARDSTICKS, "yardstick")["rate"]
        times = f"{made / yardstick:.0f} | {marked / yardstick:.0f}"
        lines.append(f"| `{name}`, {mode} | {made:.0f} | {marked:.0f} | {yardstick:.2f} | {times} |")
    lines += [
        "",
        f"Peak memory in MB by the size of the class, `{CASES[0][0]}` to practise with: of the process itself (the report included), and of "
        "its largest worker.",
        "",
        "| students | handing out | worker | marking | worker |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for students in arguments.class_sizes:
        with console.status(f"{students} students"):
            made, marked = (run(*CASES[0], students, work) for work in ("handouts", "submissions"))
        lines.append(
            f"| {students:,} | {made['own']:.0f} | {made['worker']:.0f} | {marked['own']:.0f} | {marked['worker']:.0f} |"
        )
    console.print("\n".join(lines), soft_wrap=True, markup=False)
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
