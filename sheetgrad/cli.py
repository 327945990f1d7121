"""The command line: reads the call, shows the outcome, sets the exit status. All work is done elsewhere."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from sheetgrad.build import build
from sheetgrad.classroom.give import handout, paper
from sheetgrad.classroom.give.handout import HandoutError
from sheetgrad.classroom.give.roster import RosterError, read_roster
from sheetgrad.classroom.give.workshop import ProofError
from sheetgrad.classroom.mark import grade
from sheetgrad.classroom.workers import SchedulerError, WorkerLost
from sheetgrad.engines import ENGINES, EngineError
from sheetgrad.files import TargetError
from sheetgrad.gradcheck import AUTOMATIC, STEP, Gradcheck, GradcheckError, check, counts, write_report
from sheetgrad.lesson.fields import LessonError
from sheetgrad.lesson.model import Lesson
from sheetgrad.lesson.sources import available
from sheetgrad.plan.blocks import PlanError
from sheetgrad.verify import Report, verify
from sheetgrad.workbook.reading import WorkbookError

REFUSALS = (
    *(LessonError, PlanError, EngineError, WorkbookError, TargetError, GradcheckError),
    *(HandoutError, RosterError, SchedulerError, ProofError, WorkerLost),
)
MOST_SHOWN = 20  # mismatches named before the rest is only counted

app = typer.Typer(
    help="Backpropagation as a workbook: live formulas for the forward pass, the nudges and the gradients, "
    "every number verified against NumPy.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
out, err = Console(highlight=False), Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def refusals() -> Iterator[None]:
    """What is wrong with the call or an input is said in one line, with exit status 2."""
    try:
        yield
    except REFUSALS as error:
        refuse(" ".join(str(error).split()))
    except OSError as error:
        refuse(f"{error.filename or 'file'}: {error.strerror or error}")
    except KeyboardInterrupt:
        refuse("stopped; nothing is half written")


def refuse(message: str) -> None:
    err.print(f"sheetgrad: {message}", markup=False)
    raise typer.Exit(2)


@app.command("list")
def list_lessons() -> None:
    """The lessons that come with sheetgrad, in the order of a course, each with the question that it answers."""
    with refusals():
        lessons = sorted((Lesson.load(path) for path in available()), key=lambda lesson: (lesson.order, lesson.name))
    table = Table("lesson", "the question it answers", box=None, pad_edge=False, header_style="bold")
    for lesson in lessons:
        table.add_row(escape(lesson.name), escape(lesson.question))
    out.print(table)


@app.command("build")
def build_workbooks(
    lessons: Annotated[
        list[str] | None,
        typer.Argument(help="A name from [bold]sheetgrad list[/] or a path to a .toml template. None: all lessons."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the workbooks.")] = Path("workbooks"),
    force: Annotated[bool, typer.Option("--force", help="Replace files that are not this lesson's.")] = False,
) -> None:
    """Build a workbook for each lesson and verify every formula cell against NumPy.

    Writes OUTPUT/NAME.xlsx. Exit status: 0 all agree, 1 something disagrees, 2 the call or a template is wrong.

    [bold]sheetgrad build mlp[/]              the two-layer network, as ./workbooks/mlp.xlsx

    [bold]sheetgrad build my.toml -o .[/]     a template of your own
    """
    with refusals():
        if lessons:
            loaded = [Lesson.load(name) for name in lessons]
        else:
            loaded = sorted((Lesson.load(path) for path in available()), key=lambda lesson: (lesson.order, lesson.name))
        names = [lesson.name for lesson in loaded]
        if len(set(names)) < len(names):
            raise LessonError(f"{next(n for n in names if names.count(n) > 1)}: named twice; each writes its own file")
        good = True
        for lesson in _progress(loaded, "building"):
            target = output / f"{lesson.name}.xlsx"
            report = build(lesson, target, force)
            out.print(_line(report), soft_wrap=True)
            _complain(report)
            good &= report.ok
    if not good:
        raise typer.Exit(1)


@app.command("verify")
def verify_workbooks(
    books: Annotated[list[Path], typer.Argument(help="Workbooks made by sheetgrad, as they are now.")],
    engine: Annotated[
        list[str] | None, typer.Option("--engine", help=f"What recalculates: {', '.join(ENGINES)}. May be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a workbook and engine.")] = False,
) -> None:
    """Verify workbooks from themselves: the lesson is inside, the numbers are those that stand in the cells now.

    Every formula cell is recalculated and compared with NumPy; a formula that was changed is named.
    Exit status: 0 all agree, 1 something disagrees, 2 the call or a file is wrong.
    """
    good, refused = True, False
    engines = list(dict.fromkeys(engine or ["formualizer"]))
    for book in _progress(books, "verifying") if not as_json else books:
        reports = []
        for name in engines:
            try:
                with refusals():
                    reports.append(verify(book, name))
            except typer.Exit:
                refused = True
        good &= all(report.ok for report in reports)
        if as_json:
            for report in reports:
                print(json.dumps(report.as_dict(), ensure_ascii=False))
        elif len(engines) > 1:
            _compare(reports, engines)
        else:
            for report in reports:
                _show(report)
    if refused:
        raise typer.Exit(2)
    if not good:
        raise typer.Exit(1)


@app.command("new")
def new_template(name: Annotated[str, typer.Argument(help="The lesson's name; the file becomes NAME.toml.")]) -> None:
    """Write a commented template to start a lesson of your own from."""
    with refusals():
        stem = name.removesuffix(".toml")
        path = Path(f"{stem}.toml")
        if not stem.replace("-", "_").isidentifier():
            raise LessonError(f"{name}: expected a plain name of letters, digits, - and _")
        try:
            with open(path, "x", encoding="utf-8") as file:
                file.write(STARTER.replace("NAME", stem))
        except FileExistsError:
            raise TargetError(f"{path}: exists already; choose another name") from None
    out.print(f"{path} written. Now: sheetgrad build {path}", soft_wrap=True)


@app.command("handout")
def hand_out(
    lesson: Annotated[str, typer.Argument(help="A name from [bold]sheetgrad list[/] or a path to a .toml template.")],
    roster: Annotated[
        Path, typer.Option("--roster", help="CSV or XLSX with a column [bold]id[/], perhaps [bold]name[/], and others.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the class.")],
    mode: Annotated[
        str, typer.Option("--mode", help="practice: ✓ or ✗ beside each blank; exam: nothing to check with.")
    ] = "practice",
    blank: Annotated[
        str, typer.Option("--blank", help="Gradients to leave blank, such as w.g,b.g; else those of the template.")
    ] = "",
    seed: Annotated[
        str | None, typer.Option("--seed", help="What the numbers are drawn from, with the id; the same ones again.")
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Print them as well, through LibreOffice.")] = False,
    paper_form: Annotated[
        bool, typer.Option("--paper", help="Print a form for pencil and paper: larger boxes, space for working.")
    ] = False,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, max=256, help="Processes; else one a core.")] = None,
    scheduler: Annotated[str | None, typer.Option("--scheduler", help="The address of a Dask cluster.")] = None,
) -> None:
    """Give every student of a class a workbook with numbers of their own and blanks to fill in.

    Writes OUTPUT/ID.xlsx for the students, OUTPUT/key/ID.xlsx with the answers, and OUTPUT/handout.json, which
    [bold]sheetgrad grade[/] needs: keep the last two to yourself. Run again, it makes what is missing, for new
    students too, and leaves what is there as it is.

    [bold]sheetgrad handout mlp --roster class.csv -o monday[/]

    [bold]sheetgrad handout mlp --roster class.csv -o exam --mode exam --blank w1.g,b1.g --pdf[/]
    """
    with refusals():
        students = read_roster(roster)
        if pdf or paper_form:
            paper.check_tools()
        wanted = [name.strip() for name in blank.split(",") if name.strip()]
        record = handout.prepare(Lesson.load(lesson).with_blank(wanted), students, output, mode, seed)
        todo = handout.missing(record, output)
        for _ in _steady(handout.make(record, output, todo, jobs, scheduler), len(todo), "handouts"):
            pass
        there = len(record.given) - len(todo)
        kept = f", {there} there already" if there else ""
        out.print(f"[green]✓[/] {escape(str(output))}: {len(todo)} handouts and their keys made{kept}", soft_wrap=True)
        course = record.course
        seeded = f"seed {course.seed}" if mode == "practice" or seed else "the seed is in handout.json"
        out.print(f"  blank: {', '.join(course.lesson.exercise.blank)}; mode {mode}; {seeded}", markup=False)
        others = len(record.given) - len(students)
        if others:
            out.print(f"  {others} students of {output} are not in {roster.name}", markup=False, soft_wrap=True)
        for form in [form for form, asked in ((paper.PDF, pdf), (paper.PAPER, paper_form)) if asked]:
            todo = paper.missing_pages(record, output, form)
            for _ in _steady(paper.print_pages(record, output, todo, form, jobs), len(todo), "printing"):
                pass
            merged = " and ".join(str(path) for path in paper.merge(record, output, form))
            out.print(f"[green]✓[/] {escape(merged)}: {len(record.given)} students in each", soft_wrap=True)


@app.command("grade")
def grade_class(
    folder: Annotated[Path, typer.Argument(help="The folder that [bold]sheetgrad handout[/] wrote.")],
    submissions: Annotated[
        Path | None,
        typer.Option("--submissions", help="Where the submissions are, folders in it too; else the folder."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The report, with a .csv beside it; else FOLDER/grades.xlsx.")
    ] = None,
    feedback: Annotated[
        Path | None, typer.Option("--feedback", help="Write a copy of each submission with marks and hints.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a report and feedback that are there.")] = False,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, max=256, help="Processes; else one a core.")] = None,
    scheduler: Annotated[str | None, typer.Option("--scheduler", help="The address of a Dask cluster.")] = None,
) -> None:
    """Mark the submissions of a class by what their formulas do.

    The numbers in each are changed several times, it is recalculated, and every blank is compared with NumPy. Only
    FOLDER/handout.json is trusted, never a submission. Interrupted and started again, it goes on.
    Exit status: 0 all marked or missing, 1 some could not be marked, 2 the call or an input is wrong.

    [bold]sheetgrad grade monday --submissions inbox --feedback returned[/]
    """
    with refusals():
        record = handout.Record.load(folder)
        target = output or folder / "grades.xlsx"
        if target.suffix.lower() != ".xlsx":
            raise TargetError(f"{target}: expected a name that ends in .xlsx; the .csv is written beside it")
        files = grade.find_files(submissions or folder, folder, (target, feedback))
        for there in (target, target.with_suffix(".csv")):
            if there.exists() and not force:
                raise TargetError(f"{there}: exists; --force replaces it, or choose another name with -o")
        if feedback and not force and any(feedback.glob("*.xlsx")) and not grade.journal_path(target).exists():
            raise TargetError(f"{feedback}: has workbooks in it; --force replaces them, or choose another folder")
        chosen, stray = grade.assign(record, files, jobs, scheduler)
        journal = grade.Journal(grade.journal_path(target), record)
        finished = False
        try:
            marking = grade.mark_class(record, chosen, journal, feedback, jobs, scheduler)
            marked = list(_steady(marking, len(chosen), "marking"))
            rows = grade.report_rows(record, marked, stray)
            found = grade.tables(record, rows)
            beside = grade.write_report(found, target)
            finished = True
        finally:
            journal.close(finished)
    _show_grades(rows, found["Grades"])
    out.print(f"[green]✓[/] {escape(str(target))} and {escape(beside.name)}: {len(rows)} rows", soft_wrap=True)
    if any(row.status not in ("marked", "missing") for row in rows):
        raise typer.Exit(1)


def _show_grades(rows: list, frame) -> None:
    """What a teacher must look at, and the counts."""
    table = Table("id", "status", "flags", box=None)
    odd = [row for row in rows if row.flags or row.status not in ("marked", "missing")]
    for row in odd[:MOST_SHOWN]:
        table.add_row(escape(row.mark or row.file), escape(row.status), escape("; ".join(row.flags)))
    if odd:
        out.print(table)
    if len(odd) > MOST_SHOWN:
        out.print(f"  … and {len(odd) - MOST_SHOWN} more; the report lists all")
    done = frame[frame["status"] == "marked"]
    missing = int((frame["status"] == "missing").sum())
    rest = len(frame) - len(done) - missing
    mean = f", {done['total'].mean():.1f} of {done['of'].iloc[0]} marks on average" if len(done) else ""
    out.print(f"{len(done)} marked{mean}; {missing} missing; {rest} not marked", highlight=False)


@app.command("gradcheck")
def gradcheck_workbook(
    book: Annotated[
        Path, typer.Argument(help="Any workbook: .xlsx, .xlsm (macros are not run), .ods with LibreOffice.")
    ],
    loss: Annotated[str, typer.Option("--loss", help="The cell of the loss, or a formula over the workbook's cells.")],
    given: Annotated[list[str], typer.Option("--input", help="A range of numbers to nudge. May be repeated.")],
    gradient: Annotated[list[str], typer.Option("--gradient", help="The range of their gradients, in the same order.")],
    engine: Annotated[
        str | None, typer.Option("--engine", help=f"One of {', '.join(AUTOMATIC)}; else the first that can.")
    ] = None,
    step: Annotated[float, typer.Option("--step", help="The size of a nudge, times max(1, |number|).")] = STEP,
    report: Annotated[Path | None, typer.Option("--report", help="Write a copy with the verdicts marked.")] = None,
) -> None:
    """Nudge the inputs of any workbook and compare the slopes of its loss with its gradient cells.

    The file itself is never changed. Exit status: 0 all agree, 1 some disagree, 2 the call or the file is wrong.

    [bold]sheetgrad gradcheck net.xlsx --loss Sheet1!B9 --input Sheet1!B2:C4 --gradient Sheet1!E2:F4[/]

    [bold]… --loss "-SUMPRODUCT(Sheet1!Y1:Y3, LN(Sheet1!P1:P3))"[/]     for a sheet that shows no loss
    """
    with refusals():
        if len(given) != len(gradient):
            raise GradcheckError(
                f"found {len(given)} --input and {len(gradient)} --gradient, expected one for each other"
            )
        found = check(book, loss, list(zip(given, gradient, strict=True)), engine, step)
        if report:
            write_report(found, book, report)
    _show_gradcheck(found)
    if not found.ok:
        raise typer.Exit(1)


def _show_gradcheck(found: Gradcheck) -> None:
    """Each cell that disagrees or stands at a kink, with both numbers; then the counts."""
    table = Table("input", "gradient cell", box=None)
    for heading in ("gradient", "slope", "left", "right", ""):
        table.add_column(heading, justify="right")
    odd = found.table[found.table["verdict"] != "✓"]
    for row in odd.head(MOST_SHOWN).itertuples():
        numbers = (f"{number:.6g}" for number in (row.gradient, row.slope, row.left, row.right))
        table.add_row(escape(row.input), escape(row.gradient_cell), *numbers, row.verdict)
    if len(odd):
        out.print(table)
    if len(odd) > MOST_SHOWN:
        out.print(f"  … and {len(odd) - MOST_SHOWN} more; --report lists all")
    for note in found.notes:
        out.print(f"  {note}", markup=False, soft_wrap=True)
    number = counts(found.table)
    sign = "[green]✓[/]" if found.ok else "[red]✗[/]"
    kinks = f", {number['kink']} at a kink" if number["kink"] else ""
    out.print(
        f"{sign} {number['agree']} of {len(found.table)} gradients agree with their nudges{kinks}; "
        f"loss {found.loss:.8g}, recalculated by {found.engine}",
        soft_wrap=True,
    )


def _progress(items: list, word: str) -> Iterator:
    """The items, with a progress bar on a terminal when there are several."""
    if len(items) < 2 or not err.is_terminal:
        yield from items
        return
    columns = (TextColumn(word), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        yield from bar.track(items, total=len(items))


def _steady(items: Iterable, total: int, word: str) -> Iterator:
    """The items as they are done, with a progress bar that shows the rate and the time left on a terminal."""
    if not err.is_terminal:
        yield from items
        return
    columns = (TextColumn(word), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        yield from bar.track(items, total=total)


class RateColumn(ProgressColumn):
    """How many are done in a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


def _line(report: Report) -> str:
    """One line on a workbook that was just built."""
    sign = "[green]✓[/]" if report.ok else "[red]✗[/]"
    total = sum(report.nudges.values())
    kinks = f", {report.nudges['kink']} at a kink" if report.nudges["kink"] else ""
    return (
        f"{sign} {escape(report.workbook)}: {report.checked_cells:,} of {report.formula_cells:,} formula cells checked, "
        f"{report.nudges['agree']} of {total} gradients agree with their nudges{kinks}"
    )


def _show(report: Report) -> None:
    """The table for people: a row a tensor, then what is wrong."""
    table = Table("tensor", title=f"{escape(report.workbook)} · {report.engine}", title_justify="left", box=None)
    for heading in ("cells", "largest error", "relative", ""):
        table.add_column(heading, justify="right")
    for tensor in report.tensors:
        sign = "[green]✓[/]" if tensor.ok else "[red]✗[/]"
        table.add_row(
            escape(tensor.name), str(tensor.cells), f"{tensor.max_abs_error:.1e}", f"{tensor.max_rel_error:.1e}", sign
        )
    out.print(table)
    out.print(_line(report), soft_wrap=True)
    own = report.formula_cells - report.checked_cells
    if own > 0 and report.checked_cells:
        out.print(f"  {own} formula{'s' * (own > 1)} outside the lesson, not checked")
    _complain(report)


def _compare(reports: list[Report], engines: list[str]) -> None:
    """One table for several engines: how far each is from NumPy, a row a tensor; then what is wrong in which."""
    if not reports:
        return
    table = Table("tensor", "cells", title=escape(reports[0].workbook), title_justify="left", box=None)
    for report in reports:
        table.add_column(report.engine, justify="right")
    for k, tensor in enumerate(reports[0].tensors):
        found = [report.tensors[k] for report in reports if k < len(report.tensors)]
        shown = [f"{one.max_abs_error:.1e} {'[green]✓[/]' if one.ok else '[red]✗[/]'}" for one in found]
        table.add_row(escape(tensor.name), str(tensor.cells), *shown)
    out.print(table)
    for report in reports:
        out.print(f"{report.engine}: {_line(report)}", soft_wrap=True)
        _complain(report)
    missing = [name for name in engines if name not in [report.engine for report in reports]]
    if missing:
        out.print(f"not compared: {', '.join(missing)}", markup=False)


def _complain(report: Report) -> None:
    if report.engine == "cached":
        stale = "; some are stale: recalculate and save it again" if report.mismatches else ""
        out.print(f"  values as {report.saved_by} stored them{stale}", markup=False, soft_wrap=True)
    for mismatch in report.mismatches[:MOST_SHOWN]:
        out.print(f"  {mismatch}", markup=False, soft_wrap=True)
    if len(report.mismatches) > MOST_SHOWN:
        out.print(f"  … and {len(report.mismatches) - MOST_SHOWN} more; --json lists all")
    if report.disagreeing:
        names = ", ".join(report.disagreeing[:8]) + (" …" if len(report.disagreeing) > 8 else "")
        out.print(f"  the rule's gradient disagrees with the nudge: {names}", markup=False, soft_wrap=True)


STARTER = '''\
# A lesson for sheetgrad. Build it with:  sheetgrad build NAME.toml
# Lines that start with # are for you; take away what you do not need.

title = "NAME"
question = "Which one question does this lesson answer?"
text = """
A few short paragraphs for the first sheet. What is computed, where to look, what to try.

An empty line starts a new paragraph.
"""

# The forward pass: one NumPy line each, the last one is a single number, the loss.
# What stands after # becomes the note beside the block. Known: + - * / ** @ .T .sum(axis) .mean(axis) .max(axis),
# indices, and relu, sigmoid, tanh, softmax, exp, log, sqrt, abs, mse, cross_entropy and the others of the README.
forward = """
out = x @ w + b        # every output is a weighted sum of the inputs, plus its bias
loss = mse(out, y)     # one number: the mean of the squared errors
"""

# gradients = ["w", "b"]        # default: all parameters and inputs

[tensors.x]
role = "input"                  # input | parameter | target | constant
values = [[1.0, 2.0], [0.5, -1.0], [-1.5, 0.25]]

[tensors.w]
role = "parameter"
shape = [2, 2]                  # or drawn at random: the same seed gives the same numbers
random = "kaiming"              # normal | uniform | kaiming
seed = 1
decimals = 2

[tensors.b]
role = "parameter"
values = [0.1, -0.2]

[tensors.y]
role = "target"
values = [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]
# csv = "flowers.csv"           # or from a CSV beside this file
# columns = ["length", "width"]
# rows = [1, 2, 3]              # counted from 1

[nudge]
step = 1e-4                     # h, how far each number is nudged
scheme = "central"              # or "forward"

# An operation of your own: what it does, and its derivative (g is the gradient of the result).
# [ops.cube]
# forward = "a ** 3"
# a = "g * 3 * a ** 2"
'''


def main() -> None:
    """The command ``sheetgrad``."""
    if "COLUMNS" not in os.environ and not out.is_terminal:
        out.width = 120
    signal.signal(signal.SIGTERM, _stop)  # so that what is half written is taken away
    app()


def _stop(number: int, frame: object) -> None:
    raise KeyboardInterrupt
