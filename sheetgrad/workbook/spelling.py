"""Whether two formulas are the same, however an application writes them."""

from __future__ import annotations

from openpyxl.formula import Tokenizer
from openpyxl.formula.tokenizer import Token, TokenizerError


def same_formula(one: object, other: str) -> bool:
    """Whether two formulas are the same but for how an application writes them: spaces, case, ``1E-04``."""
    try:
        return isinstance(one, str) and one.startswith("=") and _normal(one) == _normal(other)
    except (TokenizerError, IndexError, ValueError):
        return False  # not a formula at all


def functions_in(formula: str) -> set[str]:
    """The functions that a formula calls, in capitals; none where it is no formula."""
    try:
        tokens = Tokenizer(formula).items
    except (TokenizerError, IndexError, ValueError):
        return set()
    return {t.value[:-1].upper() for t in tokens if t.type == Token.FUNC and t.subtype == Token.OPEN}


def _normal(formula: str) -> list[str]:
    words = []
    for token in Tokenizer(formula).items:
        if token.type == Token.WSPACE:
            continue
        if token.type == Token.OPERAND and token.subtype == Token.NUMBER:
            words.append(f"{float(token.value):.15g}")  # LibreOffice writes no more digits
        elif token.type == Token.OPERAND and token.subtype == Token.TEXT:
            words.append(token.value)
        else:
            words.append(token.value.upper().replace("'", ""))
    return words
