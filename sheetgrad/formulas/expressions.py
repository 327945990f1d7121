"""One cell's formula as a tree that knows no addresses.

An :data:`Expr` names elements of tensors; :mod:`sheetgrad.formulas.printing` writes it as Excel text once it is known where
each tensor stands, :mod:`sheetgrad.formulas.words` for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Index = tuple[int, ...]
Shape = tuple[int, ...]
COMPARISONS = (">", ">=", "<", "<=", "=", "<>")


@dataclass(frozen=True, slots=True)
class Ref:
    """One element of a named tensor: ``Ref("w", (0, 1))`` is ``w[0, 1]``."""

    tensor: str
    index: Index


@dataclass(frozen=True, slots=True)
class Num:
    """A number written into the formula."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A text written into the formula."""

    value: str


@dataclass(frozen=True, slots=True)
class Neg:
    """``-operand``."""

    operand: Expr


@dataclass(frozen=True, slots=True)
class Op:
    """A binary operator, by its Excel symbol: ``+ - * / ^ > >= < <= = <>``."""

    symbol: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Call:
    """An Excel function of single cells: ``EXP``, ``IF``, ``MAX`` of two, …"""

    function: str
    arguments: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """The sum (``SUM``) or the largest (``MAX``) of many terms, in the order of the elements they come from."""

    function: str
    terms: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Whole:
    """All cells of a tensor's block, as a range: what ``INDEX``, ``MATCH`` and ``COUNTIF`` look through."""

    tensor: str


Expr = Ref | Num | Text | Neg | Op | Call | Fold | Whole


def binary(symbol: str, left: Expr, right: Expr) -> Expr:
    """``left symbol right`` without the no-ops that a person would not type (``1*x``, ``x+0``)."""
    if symbol == "*" and left == Num(1) or symbol == "+" and left == Num(0):
        return right
    if symbol in "*/^" and right == Num(1) or symbol in "+-" and right == Num(0):
        return left
    return Op(symbol, left, right)


def folded(function: str, terms: Sequence[Expr]) -> Expr:
    return terms[0] if len(terms) == 1 else Fold(function, tuple(terms))


def simplified(expression: Expr) -> Expr:
    """The same value without zeros and ones: what is left of a rule when most of a gradient is 0."""
    match expression:
        case Neg(operand=operand):
            inner = simplified(operand)
            return Num(-inner.value) if isinstance(inner, Num) else Neg(inner)
        case Op(symbol=symbol, left=left, right=right):
            left, right = simplified(left), simplified(right)
            if isinstance(left, Num) and isinstance(right, Num) and symbol in "+-*":
                a, b = left.value, right.value
                return Num(a + b if symbol == "+" else a - b if symbol == "-" else a * b)
            zeros = left == Num(0), right == Num(0)
            if (symbol == "*" and any(zeros)) or (symbol == "/" and zeros[0]):
                return Num(0)
            if symbol == "-" and zeros[0]:
                return simplified(Neg(right))
            return binary(symbol, left, right)
        case Call(function=function, arguments=arguments):
            return Call(function, tuple(map(simplified, arguments)))
        case Fold(function="SUM", terms=terms):
            rest = [term for term in map(simplified, terms) if term != Num(0)]
            return folded("SUM", rest) if rest else Num(0)
    return expression


def replaced(expression: Expr, parts: Mapping[Ref, Expr]) -> Expr:
    """The expression with some of its references replaced by what stands for them."""
    match expression:
        case Ref():
            return parts.get(expression, expression)
        case Neg(operand=operand):
            return Neg(replaced(operand, parts))
        case Op(symbol=symbol, left=left, right=right):
            return Op(symbol, replaced(left, parts), replaced(right, parts))
        case Call(function=function, arguments=arguments):
            return Call(function, tuple(replaced(argument, parts) for argument in arguments))
        case Fold(function=function, terms=terms):
            return Fold(function, tuple(replaced(term, parts) for term in terms))
    return expression
