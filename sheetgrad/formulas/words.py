"""For people: an element with names instead of addresses, counted from 1."""

from __future__ import annotations

from sheetgrad.formulas.expressions import Call, Expr, Fold, Index, Neg, Num, Op, Ref
from sheetgrad.formulas.printing import ATOM, LEVELS, number_text
from sheetgrad.formulas.sums import SPELLED_OUT

_SIGNS = {"*": "·", "-": "−", "=": "=", "<>": "≠", ">=": "≥", "<=": "≤"}


def spell(expression: Expr) -> str:
    """An element with names instead of addresses, counted from 1: ``inp[1,1]·w[1,1] + inp[1,2]·w[2,1] + b[1]``."""
    return _spell(expression)[0]


def element_name(tensor: str, index: Index) -> str:
    """``w[1,2]``: an element as a person counts, from 1."""
    return f"{tensor}[{','.join(str(i + 1) for i in index)}]" if index else tensor


def _spell(expression: Expr) -> tuple[str, int]:
    match expression:
        case Num(value=value):
            return (number_text(value), ATOM) if value >= 0 else (number_text(value).replace("-", "−"), 2)
        case Ref(tensor=tensor, index=index):
            return element_name(tensor, index), ATOM
        case Neg(operand=operand):
            return f"−{_spelled(operand, 5)}", 2
        case Op(symbol="^", left=left, right=Num(value=2)):
            return f"{_spelled(left, ATOM)}²", LEVELS["^"]
        case Op(symbol=symbol, left=left, right=right):
            level = LEVELS[symbol]
            sign = _SIGNS.get(symbol, symbol)
            gap = "" if symbol in "*^" else " "
            return f"{_spelled(left, level + (symbol == '^'))}{gap}{sign}{gap}{_spelled(right, level + 1)}", level
        case Call(function=function, arguments=arguments):
            return f"{function.lower()}({', '.join(_spell(a)[0] for a in arguments)})", ATOM
        case Fold(function="MAX", terms=terms):
            return f"max({', '.join(_few([_spell(term)[0] for term in terms]))})", ATOM
        case Fold(terms=terms):
            return " + ".join(_few([_spelled(term, 3) for term in terms])), 2
    raise TypeError(expression)


def _spelled(expression: Expr, level: int) -> str:
    text, found = _spell(expression)
    return text if found >= level else f"({text})"


def _few(words: list[str]) -> list[str]:
    return words if len(words) <= SPELLED_OUT else [*words[:2], "…", words[-1]]
