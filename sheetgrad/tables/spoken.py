"""An element in its numbers, as a live formula."""

from __future__ import annotations

from sheetgrad.formulas.expressions import Expr, Ref, replaced
from sheetgrad.formulas.words import in_numbers
from sheetgrad.tables.table import table


def element_in_numbers(expression: Expr) -> Expr:
    """``0.5·2 + 1.25·(-3)``: what :func:`sheetgrad.formulas.words.spell` says with names, said with what the cells
    hold; a formula that gives a text."""
    lines = table("spoken").on_cells()

    def number(element: Ref, bracketed: bool) -> Expr:
        return replaced(lines["bracketed" if bracketed else "plain"], {Ref("number", ()): element})

    return in_numbers(expression, number)
