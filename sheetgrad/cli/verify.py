"""``sheetgrad verify``"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sheetgrad.cli.app import app
from sheetgrad.cli.console import engine_names, progress, refusals


@app.command("verify")
def verify_workbooks(
    books: Annotated[list[Path], typer.Argument(help="Workbooks made by sheetgrad, as they are now.")],
    engine: Annotated[
        list[str] | None, typer.Option("--engine", help=f"What recalculates: {engine_names()}. May be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a workbook and engine.")] = False,
) -> None:
    """Verify workbooks from themselves: the lesson is inside, the numbers are those that stand in the cells now.

    Every formula cell is recalculated and compared with NumPy; a formula that was changed is named.
    Exit status: 0 all agree, 1 something disagrees, 2 the call or a file is wrong.

    [bold]sheetgrad verify workbooks/mlp.xlsx[/]

    [bold]sheetgrad verify mlp.xlsx --engine formualizer --engine libreoffice[/]     in one table
    """
    from sheetgrad.cli.reports import compare, show
    from sheetgrad.engines import AUTOMATIC
    from sheetgrad.verifying.verify import verify

    good, refused = True, False
    engines = list(dict.fromkeys(engine or AUTOMATIC[:1]))
    for book in progress(books, "verifying") if not as_json else books:
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
            compare(reports, engines)
        else:
            for report in reports:
                show(report)
    if refused:
        raise typer.Exit(2)
    if not good:
        raise typer.Exit(1)
