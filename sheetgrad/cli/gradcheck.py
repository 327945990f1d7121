"""``sheetgrad gradcheck``"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sheetgrad.cli.app import app
from sheetgrad.cli.console import MOST_SHOWN, engine_names, out, refusals

if TYPE_CHECKING:
    from sheetgrad.gradchecking.check import CheckedCell, Gradcheck

STEP = 1e-4
MOST_PLACES = 3  # of slips that show elsewhere only


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
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Write a copy with the verdicts marked.")] = None,
) -> None:
    """Nudge the inputs of any workbook and compare the slopes of its loss with its gradient cells.

    First at the numbers that stand in it, then at a few random sets near them and far from them (the same ones in every
    run), since a slip may be too small to see where the numbers stand. The file itself is never changed.

    Exit status: 0 some gradients agree and all others stand at a kink; 1 some disagree, or of some nothing can be told;
    2 the call or the file is wrong.

    [bold]sheetgrad gradcheck net.xlsx --loss Sheet1!B9 --input Sheet1!B2:C4 --gradient Sheet1!E2:F4[/]

    [bold]… --loss "-SUMPRODUCT(Sheet1!Y1:Y3, LN(Sheet1!P1:P3))"[/]     for a sheet that shows no loss
    """
    with refusals():
        from sheetgrad.gradchecking.check import check
        from sheetgrad.gradchecking.marked import write_report
        from sheetgrad.gradchecking.ranges import GradcheckError

        if len(given) != len(gradient):
            raise GradcheckError(
                f"found {len(given)} --input and {len(gradient)} --gradient, expected one for each other"
            )
        found = check(book, loss, list(zip(given, gradient, strict=True)), engine, step)
        if report:
            write_report(found, book, report)
    if as_json:
        print(json.dumps(found.as_dict(), ensure_ascii=False))
    else:
        _show(found)
    if not found.ok:
        raise typer.Exit(1)


def _show(found: Gradcheck) -> None:
    """Each cell that does not agree, with both numbers; then what there is to say, and the counts."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("input", "gradient cell", box=None)
    for heading in ("gradient", "slope", "left", "right", ""):
        table.add_column(heading, justify="right")
    odd = [cell for cell in found.cells if cell.verdict != "✓"]
    for cell in odd[:MOST_SHOWN]:
        numbers = (f"{number:.6g}" for number in (cell.gradient, cell.slope, cell.left, cell.right))
        table.add_row(escape(cell.input), escape(cell.gradient_cell), *numbers, cell.verdict)
    if odd:
        out.print(table)
    if len(odd) > MOST_SHOWN:
        out.print(f"  … and {len(odd) - MOST_SHOWN} more; --report and --json list all")
    for line in [*_hidden(odd), *found.notes, *_slips(found)]:
        out.print(f"  {line}", markup=False, soft_wrap=True)
    out.print(_counted(found), soft_wrap=True)


def _hidden(odd: list[CheckedCell]) -> list[str]:
    """Where gradients that pass at the given numbers are wrong."""
    hidden = [cell for cell in odd if cell.shows]
    lines = [
        f"{cell.gradient_cell}: at the given numbers the slip is too small to see; it shows at {cell.shows}"
        for cell in hidden[:MOST_PLACES]
    ]
    more = len(hidden) - MOST_PLACES
    return (
        [*lines, f"… and {more} more that pass at the given numbers; --json tells where they show"]
        if more > 0
        else lines
    )


def _slips(found: Gradcheck) -> list[str]:
    """The slips that were recognised."""
    lines = [slip.says for slip in found.slips]
    more = len(lines) - MOST_SHOWN
    return lines if more <= 0 else [*lines[:MOST_SHOWN], f"… and {more} more slips; --json lists all"]


def _counted(found: Gradcheck) -> str:
    """The line that sums up."""
    counts, total = found.counts, len(found.cells)
    sign = "[green]✓[/]" if found.ok else "[red]✗[/]" if counts["disagree"] else "[yellow]?[/]"
    parts = [f"{counts['agree']:,} of {total:,} gradients agree with their nudges"]
    parts += [f"{counts['kink']:,} at a kink"] if counts["kink"] else []
    parts += [f"of {counts['cannot_tell']:,} nothing can be told"] if counts["cannot_tell"] else []
    if not counts["agree"] and not counts["disagree"]:
        parts.append("so that nothing is shown: try other numbers, or another --step")
    return (
        f"{sign} {', '.join(parts)}; at the given numbers and at {found.random_sets} random sets; "
        f"loss {found.loss:.8g}, recalculated by {found.engine}"
    )
