"""The command ``sheetgrad``; each command is a module of its own, imported by the package."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="Backpropagation as a workbook: live formulas for the forward pass, the nudges and the gradients, "
    "every number verified against NumPy.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
