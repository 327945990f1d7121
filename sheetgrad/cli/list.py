"""``sheetgrad list``"""

from __future__ import annotations

from sheetgrad.cli.app import app
from sheetgrad.cli.console import out, refusals


@app.command("list")
def list_lessons() -> None:
    """The lessons that come with sheetgrad, in the order of a course, each with the question that it answers.

    [bold]sheetgrad list[/]
    """
    from rich.markup import escape
    from rich.table import Table

    with refusals():
        from sheetgrad.lesson.model import Lesson
        from sheetgrad.lesson.sources import available

        lessons = sorted((Lesson.load(path) for path in available()), key=lambda lesson: (lesson.order, lesson.name))
    table = Table("lesson", "the question it answers", box=None, pad_edge=False, header_style="bold")
    for lesson in lessons:
        table.add_row(escape(lesson.name), escape(lesson.question))
    out.print(table)
