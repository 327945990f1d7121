"""How a report of a verification is shown to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from sheetgrad.cli.console import MOST_SHOWN, out
from sheetgrad.engines import get_engine

if TYPE_CHECKING:
    from sheetgrad.verifying.verify import Report

OTHER_VERDICTS = {"kink": "at a kink", "cannot_tell": "cannot tell", "disagree": "disagree"}


def line(report: Report) -> str:
    """One line on a workbook that was just built."""
    sign = "[green]✓[/]" if report.ok else "[red]✗[/]"
    nudged = sum(report.nudges.values())
    verdicts = [f"{report.nudges['agree']:,} agree"]
    verdicts += [f"{count:,} {word}" for key, word in OTHER_VERDICTS.items() if (count := report.nudges.get(key, 0))]
    return (
        f"{sign} {escape(report.workbook)}: {report.checked_cells:,} of {report.formula_cells:,} formula cells checked, "
        f"{report.proof}; {nudged:,} of them nudged on the sheet, "
        f"{', '.join(verdicts)}"
    )


def show(report: Report) -> None:
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
    out.print(line(report), soft_wrap=True)
    own = report.formula_cells - report.checked_cells
    if own > 0 and report.checked_cells:
        out.print(f"  {own} formula{'s' * (own > 1)} outside the lesson, not checked")
    complain(report)


def compare(reports: list[Report], engines: list[str]) -> None:
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
        out.print(f"{report.engine}: {line(report)}", soft_wrap=True)
        complain(report)
    missing = [name for name in engines if name not in [report.engine for report in reports]]
    if missing:
        out.print(f"not compared: {', '.join(missing)}", markup=False)


def complain(report: Report) -> None:
    if not get_engine(report.engine).computes:
        stale = "; some are stale: recalculate and save it again" if report.mismatches else ""
        out.print(f"  values as {report.saved_by} stored them{stale}", markup=False, soft_wrap=True)
    for mismatch in report.mismatches[:MOST_SHOWN]:
        out.print(f"  {mismatch}", markup=False, soft_wrap=True)
    if len(report.mismatches) > MOST_SHOWN:
        out.print(f"  … and {len(report.mismatches) - MOST_SHOWN} more; --json lists all")
    if report.bug and report.ok:
        out.print(f"  one line was made wrong on purpose: {report.bug.state}", markup=False)
        return
    for tensor in report.proof.tensors:
        if tensor.complaint:
            out.print(f"  {tensor.complaint}", markup=False, soft_wrap=True)
    if report.proof.blamed:
        out.print(f"  wrong rules: {', '.join(report.proof.blamed)}", markup=False, soft_wrap=True)
    for sentence in report.replacements:
        out.print(f"  {sentence}", markup=False, soft_wrap=True)
    if report.disagreeing:
        names = ", ".join(report.disagreeing[:8]) + (" …" if len(report.disagreeing) > 8 else "")
        out.print(f"  the rule's gradient disagrees with the nudge: {names}", markup=False, soft_wrap=True)
