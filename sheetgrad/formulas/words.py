"""For people: an element in words, with names instead of addresses, counted from 1."""

from __future__ import annotations

from collections.abc import Sequence

from sheetgrad.formulas.expressions import Call, Expr, Fold, Index, Neg, Num, Op, Ref
from sheetgrad.formulas.printing import ATOM, LEVELS, number_text, starts_with_minus
from sheetgrad.formulas.sums import SPELLED_OUT

_SIGNS = {"*": "·", "-": "−", "=": "=", "<>": "≠", ">=": "≥", "<=": "≤"}
_FUNCTIONS = {"LN": "log", "IF": "where"}  # as the lines of a lesson call them
Word = str | Ref


def spell(expression: Expr) -> str:
    """An element with names instead of addresses, counted from 1: ``inp[1,1]·w[1,1] + inp[1,2]·w[2,1] + b[1]``."""
    return said(words(expression))


def said(parts: Sequence[Word]) -> str:
    """What :func:`words` gives, in names."""
    return "".join(word if isinstance(word, str) else element_name(word.tensor, word.index) for word in parts)


def words(expression: Expr) -> tuple[Word, ...]:
    """The same with each element as a :class:`Ref`, for who shows them otherwise than by their names."""
    return tuple(_joined(_spell(expression)[0]))


def element_name(tensor: str, index: Index) -> str:
    """``w[1,2]``: an element as a person counts, from 1."""
    return f"{tensor}[{','.join(str(i + 1) for i in index)}]" if index else tensor


def stands_between(parts: Sequence[Word], k: int) -> bool:
    """Whether an element follows a sign or is raised to a power."""
    before = str(parts[k - 1]) if k else ""
    after = str(parts[k + 1]) if k + 1 < len(parts) else ""
    return bool(before) and not before.endswith(("(", ", ")) or after.startswith(("²", "^"))


def _spell(expression: Expr) -> tuple[list[Word], int]:
    match expression:
        case Num(value=value):
            return ([number_text(value)], ATOM) if value >= 0 else ([number_text(value).replace("-", "−")], 2)
        case Ref():
            return [expression], ATOM
        case Neg(operand=operand):
            return ["−", *_spelled(operand, 5)], 2
        case Op(symbol="^", left=left, right=Num(value=2)):
            return [*_spelled(left, ATOM), "²"], LEVELS["^"]
        case Op(symbol=symbol, left=left, right=right):
            level = LEVELS[symbol]
            sign = _SIGNS.get(symbol, symbol)
            gap = "" if symbol in "*^" else " "
            if symbol in "*/" and starts_with_minus(left):
                return [*_spelled(left, 2), f"{gap}{sign}{gap}", *_spelled(right, level + 1)], 2
            return [*_spelled(left, level + (symbol == "^")), f"{gap}{sign}{gap}", *_spelled(right, level + 1)], level
        case Call(function=function, arguments=arguments):
            name = _FUNCTIONS.get(function, function.lower())
            return [f"{name}(", *_listed([_spell(a)[0] for a in arguments], ", "), ")"], ATOM
        case Fold(function="MAX", terms=terms):
            return ["max(", *_listed(_few([_spell(term)[0] for term in terms]), ", "), ")"], ATOM
        case Fold(terms=terms):
            return _listed(_few([_spelled(term, 3) for term in terms]), " + "), 2
    raise TypeError(expression)


def _spelled(expression: Expr, level: int) -> list[Word]:
    found, own = _spell(expression)
    return found if own >= level else ["(", *found, ")"]


def _few(terms: list[list[Word]]) -> list[list[Word]]:
    return terms if len(terms) <= SPELLED_OUT else [*terms[:2], ["…"], terms[-1]]


def _listed(terms: Sequence[list[Word]], between: str) -> list[Word]:
    return [word for k, term in enumerate(terms) for word in ([between, *term] if k else term)]


def _joined(parts: Sequence[Word]) -> list[Word]:
    """Texts that follow one another as one."""
    joined: list[Word] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return joined
