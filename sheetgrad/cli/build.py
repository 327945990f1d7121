"""``sheetgrad build``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sheetgrad.cli.app import app
from sheetgrad.cli.console import out, progress, refusals


@app.command("build")
def build_workbooks(
    lessons: Annotated[
        list[str] | None,
        typer.Argument(help="A name from [bold]sheetgrad list[/] or a path to a .toml template. None: all lessons."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the workbooks.")] = Path("workbooks"),
    laboratory: Annotated[
        bool, typer.Option("--laboratory", help="Add the sheets Best h, Ripple and Tangent to every lesson.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are not this lesson's.")] = False,
) -> None:
    """Build a workbook for each lesson and verify every formula cell against NumPy.

    Writes OUTPUT/NAME.xlsx. Exit status: 0 all agree, 1 something disagrees, 2 the call or a template is wrong.

    [bold]sheetgrad build mlp[/]              the two-layer network, as ./workbooks/mlp.xlsx

    [bold]sheetgrad build my.toml -o .[/]     a template of your own

    [bold]sheetgrad build mlp --laboratory[/] with the sheets on which one number is looked at closely
    """
    with refusals():
        from sheetgrad.building import build
        from sheetgrad.cli.reports import complain, line
        from sheetgrad.lesson.fields import LessonError
        from sheetgrad.lesson.model import Lesson
        from sheetgrad.lesson.sources import available

        if lessons:
            loaded = [Lesson.load(name) for name in lessons]
        else:
            loaded = sorted((Lesson.load(path) for path in available()), key=lambda lesson: (lesson.order, lesson.name))
        names = [lesson.name for lesson in loaded]
        if len(set(names)) < len(names):
            raise LessonError(f"{next(n for n in names if names.count(n) > 1)}: named twice; each writes its own file")
        if laboratory:
            loaded = [lesson.asking_for("laboratory") for lesson in loaded]
        good = True
        for lesson in progress(loaded, "building"):
            target = output / f"{lesson.name}.xlsx"
            report = build(lesson, target, force)
            out.print(line(report), soft_wrap=True)
            complain(report)
            if report.bug:
                out.print(f"  for the teacher: the wrong line is {report.bug.line}", markup=False, soft_wrap=True)
            good &= report.ok
    if not good:
        raise typer.Exit(1)
