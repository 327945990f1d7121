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
    from sheetgrad.gradchecking.find import Found

STEP = 1e-4
MOST_PLACES = 3  # of slips that show elsewhere only


@app.command("gradcheck")
def gradcheck_workbook(
    book: Annotated[
        Path, typer.Argument(help="Any workbook: .xlsx, .xlsm (macros are not run), .ods with LibreOffice.")
    ],
    loss: Annotated[
        str | None, typer.Option("--loss", help="The cell of the loss, or a formula over the workbook's cells.")
    ] = None,
    given: Annotated[
        list[str] | None, typer.Option("--input", help="A range of numbers to nudge. May be repeated.")
    ] = None,
    gradient: Annotated[
        list[str] | None, typer.Option("--gradient", help="The range of their gradients, in the same order.")
    ] = None,
    find: Annotated[
        bool, typer.Option("--find", help="Look for what is not named, by labels and by what depends on what.")
    ] = False,
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

    [bold]sheetgrad gradcheck net.xlsx --find[/]     for a sheet with labels such as loss, w and dw
    """
    with refusals():
        from sheetgrad.gradchecking.check import check
        from sheetgrad.gradchecking.marked import write_report

        pairs = _pairs(given or [], gradient or [])
        searched = _search(book, loss, pairs, find)
        if searched:
            loss, pairs = searched.loss, searched.ranges
            if not as_json:
                _show_search(searched, book)
        found = check(book, loss, pairs, engine, step)
        if report:
            write_report(found, book, report)
    if as_json:
        searched_for = {"found": searched.as_dict()} if searched else {}
        print(json.dumps(found.as_dict() | searched_for, ensure_ascii=False))
    else:
        _show(found)
    if not found.ok:
        raise typer.Exit(1)


def _pairs(given: list[str], gradient: list[str]) -> list[tuple[str, str]]:
    from sheetgrad.gradchecking.ranges import GradcheckError

    if len(given) != len(gradient):
        raise GradcheckError(f"found {len(given)} --input and {len(gradient)} --gradient, expected one for each other")
    return list(zip(given, gradient, strict=True))


def _search(book: Path, loss: str | None, pairs: list[tuple[str, str]], find: bool) -> Found | None:
    """What is to be looked for, found; None where the call names everything."""
    from sheetgrad.gradchecking import find as finding
    from sheetgrad.gradchecking.ranges import GradcheckError

    if not find and (loss is None or not pairs):
        missing = "--loss" if loss is None else "--input with its --gradient"
        raise GradcheckError(f"expected {missing}, or --find to look for it")
    return finding.find(book, loss, pairs) if find else None


def _show_search(found: Found, book: Path) -> None:
    """What is checked: the loss, the numbers and their gradients, what is left out and why, and the call that names it."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("found", "label", "cells", "gradient's label", "cells", box=None)
    table.add_row("loss", escape(found.loss_label), escape(found.loss), "", "")
    for pair in found.pairs:
        table.add_row("numbers", *map(escape, pair.row))
    out.print(table)
    for line in found.left_out[:MOST_SHOWN]:
        out.print(f"  left out: {line}", markup=False, soft_wrap=True)
    if len(found.left_out) > MOST_SHOWN:
        out.print(f"  … and {len(found.left_out) - MOST_SHOWN} more that are left out")
    out.print(f"  the same, named: {found.command(book)}", markup=False, soft_wrap=True)


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
