"""``sheetgrad grade``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sheetgrad.cli.app import app
from sheetgrad.cli.console import MOST_SHOWN, out, refusals, steady


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
    from rich.markup import escape

    with refusals():
        from sheetgrad.classroom.give import handout
        from sheetgrad.classroom.mark.assign import assign, find_files
        from sheetgrad.classroom.mark.grade import mark_class, report_rows
        from sheetgrad.classroom.mark.journal import Journal, journal_path
        from sheetgrad.classroom.mark.report import tables, write_report

        record = handout.Record.load(folder)
        target = output or folder / "grades.xlsx"
        files = find_files(submissions or folder, folder, (target, feedback))
        _refuse_to_overwrite(target, feedback, force)
        chosen, stray = assign(record, files, jobs, scheduler)
        journal = Journal(journal_path(target), record)
        finished = False
        try:
            marking = mark_class(record, chosen, journal, feedback, jobs, scheduler)
            marked = list(steady(marking, len(chosen), "marking"))
            rows = report_rows(record, marked, stray)
            found = tables(record, rows)
            beside = write_report(found, target)
            finished = True
        finally:
            journal.close(finished)
    _show_grades(rows, found["Grades"])
    out.print(f"[green]✓[/] {escape(str(target))} and {escape(beside.name)}: {len(rows)} rows", soft_wrap=True)
    if any(row.status not in ("marked", "missing") for row in rows):
        raise typer.Exit(1)


def _refuse_to_overwrite(target: Path, feedback: Path | None, force: bool) -> None:
    """Nothing is replaced that was not asked for; feedback of an interrupted run goes on."""
    from sheetgrad.classroom.mark.journal import journal_path
    from sheetgrad.files import TargetError

    if target.suffix.lower() != ".xlsx":
        raise TargetError(f"{target}: expected a name that ends in .xlsx; the .csv is written beside it")
    for there in (target, target.with_suffix(".csv")):
        if there.exists() and not force:
            raise TargetError(f"{there}: exists; --force replaces it, or choose another name with -o")
    if feedback and not force and any(feedback.glob("*.xlsx")) and not journal_path(target).exists():
        raise TargetError(f"{feedback}: has workbooks in it; --force replaces them, or choose another folder")


def _show_grades(rows: list, frame) -> None:
    """What a teacher must look at, and the counts."""
    from rich.markup import escape
    from rich.table import Table

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
    mean = ""
    if done["of"].nunique() == 1:
        mean = f", {done['total'].mean():.1f} of {done['of'].iloc[0]} marks on average"
    elif len(done):  # everybody had another line to mend
        mean = f", {(done['total'] / done['of']).mean():.0%} of the marks on average"
    out.print(f"{len(done)} marked{mean}; {missing} missing; {rest} not marked", highlight=False)
