"""``sheetgrad gradcheck``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sheetgrad.cli.app import app
from sheetgrad.cli.console import MOST_SHOWN, engine_names, out, refusals

if TYPE_CHECKING:
    from sheetgrad.gradchecking.check import Gradcheck

STEP = 1e-4


@app.command("gradcheck")
def gradcheck_workbook(
    book: Annotated[
        Path, typer.Argument(help="Any workbook: .xlsx, .xlsm (macros are not run), .ods with LibreOffice.")
    ],
    loss: Annotated[str, typer.Option("--loss", help="The cell of the loss, or a formula over the workbook's cells.")],
    given: Annotated[list[str], typer.Option("--input", help="A range of numbers to nudge. May be repeated.")],
    gradient: Annotated[list[str], typer.Option("--gradient", help="The range of their gradients, in the same order.")],
    engine: Annotated[
        str | None, typer.Option("--engine", help=f"One of {engine_names()}; else the first that can.")
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
        from sheetgrad.gradchecking.check import check, write_report
        from sheetgrad.gradchecking.ranges import GradcheckError

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
    from rich.markup import escape
    from rich.table import Table

    from sheetgrad.gradchecking.check import counts

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
