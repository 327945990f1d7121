"""How a sum, or the largest, of many terms is written: a few one by one, more over ranges of cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce

from sheetgrad.formulas.expressions import Call, Expr, Fold, Neg, Num, Op, Ranges, Ref, children

SPELLED_OUT = 4  # so many terms are written one by one; more become a range


class FormulaError(ValueError):
    """An element that cannot be written as a formula of the portable dialect."""


def written(fold: Fold) -> Expr:
    """The fold without folding: an expression of single cells and :class:`Ranges`.

    Raises ``FormulaError`` for more than four computed terms, which no plain range holds.
    """
    if fold.function == "MAX":
        return _largest(fold.terms)
    if len(fold.terms) <= SPELLED_OUT:
        return reduce(lambda left, right: Op("+", left, right), fold.terms)
    return _sum(fold.terms)


def ranges_in(expression: Expr) -> Iterator[Ranges]:
    """Every function over ranges that the expression is written with."""
    match expression:
        case Ranges():
            yield expression
        case Fold():
            yield from ranges_in(written(expression))
        case _:
            for child in children(expression):
                yield from ranges_in(child)


def _largest(terms: tuple[Expr, ...]) -> Expr:
    if _all_refs(terms) and (len(terms) > SPELLED_OUT or all(term.tensor == terms[0].tensor for term in terms)):
        return Ranges("MAX", (terms,))
    if len(terms) > SPELLED_OUT:
        raise FormulaError("the largest of more than four computed terms; give the inner values a line of their own")
    return Call("MAX", terms)


def _sum(terms: tuple[Expr, ...]) -> Expr:
    if all(term == terms[0] for term in terms):
        return Op("*", Num(len(terms)), terms[0])
    if _all_refs(terms):
        return Ranges("SUM", (terms,))
    if all(isinstance(term, Neg) for term in terms):
        return Neg(Fold("SUM", tuple(term.operand for term in terms)))
    if all(isinstance(term, Op) and term.symbol == terms[0].symbol for term in terms):
        return _sum_of_operations(terms[0].symbol, terms)
    raise FormulaError("a sum of more than four computed terms; give the inner values a line of their own")


def _sum_of_operations(symbol: str, terms: Sequence[Op]) -> Expr:
    """The sum of ``left symbol right``: what is the same in all terms stands before or after it."""
    lefts, rights = tuple(term.left for term in terms), tuple(term.right for term in terms)
    same_left = all(left == lefts[0] for left in lefts)
    same_right = all(right == rights[0] for right in rights)
    if symbol == "*" and same_left:
        return Op("*", lefts[0], Fold("SUM", rights))
    if symbol in "*/" and same_right:
        return Op(symbol, Fold("SUM", lefts), rights[0])
    found = _of_products(lefts, rights) if symbol == "*" else _of_squares(lefts) if _squares(symbol, rights) else None
    if found is None and symbol in "+-":
        found = Op(symbol, Fold("SUM", lefts), Fold("SUM", rights))
    if found is None:
        raise FormulaError("a sum of more than four computed terms; give the inner values a line of their own")
    return found


def _of_products(lefts: tuple[Expr, ...], rights: tuple[Expr, ...]) -> Expr | None:
    if not _all_refs(rights):
        return None
    if _all_refs(lefts):
        return Ranges("SUMPRODUCT", (lefts, rights))
    if all(isinstance(left, Op) and left.symbol == "*" and left.left == lefts[0].left for left in lefts):
        inner = tuple(left.right for left in lefts)
        if _all_refs(inner):
            return Op("*", lefts[0].left, Ranges("SUMPRODUCT", (inner, rights)))
    return None


def _squares(symbol: str, rights: tuple[Expr, ...]) -> bool:
    return symbol == "^" and all(right == Num(2) for right in rights)


def _of_squares(bases: tuple[Expr, ...]) -> Expr | None:
    if _all_refs(bases):
        return Ranges("SUMSQ", (bases,))
    if all(isinstance(base, Op) and base.symbol == "-" for base in bases):
        groups = tuple(base.left for base in bases), tuple(base.right for base in bases)
        if all(map(_all_refs, groups)):
            return Ranges("SUMXMY2", groups)
    return None


def _all_refs(terms: Sequence[Expr]) -> bool:
    return all(isinstance(term, Ref) for term in terms)
