"""One cell's formula as a tree that knows no addresses.

An :data:`Expr` names elements of tensors; :mod:`sheetgrad.formulas.printing` writes it as Excel text once it is known where
each tensor stands, :mod:`sheetgrad.formulas.words` for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Ranges:
    """A function of many single cells that is written over ranges of them, such as ``SUMPRODUCT(A1:A9, B1:B9)``.

    ``groups`` are its arguments, each with its elements in order; what goes together has the same place in each.
    Made from a :class:`Fold` by :func:`sheetgrad.formulas.sums.written`, once it is known how it can be written.
    """

    function: str
    groups: tuple[tuple[Ref, ...], ...]


Expr = Ref | Num | Text | Neg | Op | Call | Fold | Whole | Ranges


def children(expression: Expr) -> tuple[Expr, ...]:
    """What an expression is made of, in the order of reading."""
    match expression:
        case Neg(operand=operand):
            return (operand,)
        case Op(left=left, right=right):
            return left, right
        case Call(arguments=arguments):
            return arguments
        case Fold(terms=terms):
            return terms
        case Ranges(groups=groups):
            return tuple(term for group in groups for term in group)
    return ()


def mapped(expression: Expr, function: Callable[[Expr], Expr]) -> Expr:
    """The expression made again from ``function`` of each of its children."""
    match expression:
        case Neg(operand=operand):
            return Neg(function(operand))
        case Op(symbol=symbol, left=left, right=right):
            return Op(symbol, function(left), function(right))
        case Call(function=name, arguments=arguments):
            return Call(name, tuple(map(function, arguments)))
        case Fold(function=name, terms=terms):
            return Fold(name, tuple(map(function, terms)))
        case Ranges(function=name, groups=groups):
            return Ranges(name, tuple(tuple(map(function, group)) for group in groups))
    return expression


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
    match mapped(expression, simplified):
        case Neg(operand=Num(value=value)):
            return Num(-value)
        case Op(symbol="+" | "-" | "*" as symbol, left=Num(value=a), right=Num(value=b)):
            return Num(a + b if symbol == "+" else a - b if symbol == "-" else a * b)
        case Op(symbol="*", left=Num(value=0)) | Op(symbol="*", right=Num(value=0)) | Op(symbol="/", left=Num(value=0)):
            return Num(0)
        case Op(symbol="-", left=Num(value=0), right=right):
            return Neg(right)
        case Op(symbol=symbol, left=left, right=right):
            return binary(symbol, left, right)
        case Fold(function="SUM", terms=terms):
            rest = [term for term in terms if term != Num(0)]
            return folded("SUM", rest) if rest else Num(0)
        case other:
            return other


def replaced(expression: Expr, parts: Mapping[Ref, Expr]) -> Expr:
    """The expression with some of its references replaced by what stands for them."""
    if isinstance(expression, Ref):
        return parts.get(expression, expression)
    return mapped(expression, lambda child: replaced(child, parts))
