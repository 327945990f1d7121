"""``sheetgrad handout``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sheetgrad.cli.app import app
from sheetgrad.cli.console import out, refusals, steady

if TYPE_CHECKING:
    from sheetgrad.classroom.give.handout import Record


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
    from rich.markup import escape

    with refusals():
        from sheetgrad.classroom.give import handout, paper
        from sheetgrad.classroom.give.roster import read_roster
        from sheetgrad.lesson.model import Lesson

        students = read_roster(roster)
        if pdf or paper_form:
            paper.check_tools()
        wanted = [name.strip() for name in blank.split(",") if name.strip()]
        record = handout.prepare(Lesson.load(lesson).with_blank(wanted), students, output, mode, seed)
        todo = handout.missing(record, output)
        for _ in steady(handout.make(record, output, todo, jobs, scheduler), len(todo), "handouts"):
            pass
        there = len(record.given) - len(todo)
        kept = f", {there} there already" if there else ""
        out.print(f"[green]✓[/] {escape(str(output))}: {len(todo)} handouts and their keys made{kept}", soft_wrap=True)
        course = record.course
        seeded = f"seed {course.seed}" if mode == "practice" or seed else "the seed is in handout.json"
        out.print(f"  {_asked(record)}; mode {mode}; {seeded}", markup=False)
        others = len(record.given) - len(students)
        if others:
            out.print(f"  {others} students of {output} are not in {roster.name}", markup=False, soft_wrap=True)
        for form in [form for form, asked in ((paper.PDF, pdf), (paper.PAPER, paper_form)) if asked]:
            _print_pages(record, output, form, jobs)


def _asked(record: Record) -> str:
    """What the students are to do."""
    if record.course.lesson.bug:
        return f"a wrong line in each, {len({one.slip for one in record.given.values()})} different ones"
    return f"blank: {', '.join(record.course.lesson.exercise.blank)}"


def _print_pages(record: Record, output: Path, form: str, jobs: int | None) -> None:
    """What is not printed yet, and all of it in one file for the students and one for the teacher."""
    from rich.markup import escape

    from sheetgrad.classroom.give import paper

    todo = paper.missing_pages(record, output, form)
    for _ in steady(paper.print_pages(record, output, todo, form, jobs), len(todo), "printing"):
        pass
    merged = " and ".join(str(path) for path in paper.merge(record, output, form))
    out.print(f"[green]✓[/] {escape(merged)}: {len(record.given)} students in each", soft_wrap=True)
