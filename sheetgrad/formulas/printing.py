"""Printing: from an expression and the places of its tensors to an Excel formula that a person could have typed.

In two steps, since the first does not depend on where anything stands: an expression becomes pieces (:func:`pieces`),
text and elements by name; a :class:`Printer` puts cells in place of the names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sheetgrad.formulas.expressions import Call, Expr, Fold, Neg, Num, Op, Ranges, Ref, Text, Whole
from sheetgrad.formulas.places import Area, Book, Place
from sheetgrad.formulas.sidebyside import lined_up
from sheetgrad.formulas.sums import FormulaError, written

LEVELS = {"&": 1.5, "=": 1, "<>": 1, "<": 1, "<=": 1, ">": 1, ">=": 1, "+": 2, "-": 2, "*": 3, "/": 3, "^": 4}
ATOM = 6
Token = str | Area


@dataclass(frozen=True, slots=True)
class Summed:
    """Ranges in a formula, in brackets where they become a sum of parts that binds less than ``level``."""

    ranges: Ranges
    level: float = 0


Piece = str | Ref | Whole | Summed


def pieces(expression: Expr) -> list[Piece]:
    """The formula without ``=``, with names where cells will be, in the portable dialect (DESIGN, section 6).

    Raises ``FormulaError`` for a sum that cannot be written.
    """
    return _write(expression)[0]


class Printer:
    """Writes formulas as token lists, text and areas: ``book`` says where everything stands."""

    def __init__(self, book: Book):
        self.book = book

    def tokens(self, expression: Expr) -> list[Token]:
        """The formula without ``=``. Raises ``FormulaError`` when a range is needed where there is none."""
        return self.placed(pieces(expression))

    def placed(self, parts: Sequence[Piece]) -> list[Token]:
        """The same for a formula in pieces."""
        tokens: list[Token] = []
        for part in parts:
            match part:
                case str():
                    tokens.append(part)
                case Ref(tensor=tensor, index=index):
                    place = self._places(tensor)[0]
                    row, column = place.cell(index)
                    tokens.append(Area(place.sheet, row, column, row, column))
                case Whole(tensor=tensor):
                    tokens.append(self._places(tensor)[0].area)
                case Summed(ranges=ranges, level=level):
                    tokens += self._ranges(ranges, level)
        return tokens

    def _places(self, tensor: str) -> Sequence[Place]:
        try:
            return self.book[tensor]
        except KeyError:
            raise FormulaError(f"{tensor} has no place on the sheets") from None

    def _ranges(self, ranges: Ranges, level: float) -> list[Token]:
        runs = lined_up(ranges, [self._places(group[0].tensor) for group in ranges.groups])
        if runs is None:
            names = " and ".join(dict.fromkeys(group[0].tensor for group in ranges.groups))
            raise FormulaError(f"{names} do not stand side by side")
        if len(ranges.groups) == 1:
            return _function(ranges.function, [[areas[0]] for areas in runs])
        tokens: list[Token] = []
        for areas in runs:
            tokens += ["+"] if tokens else []
            tokens += _pair(ranges.function, areas)
        return tokens if len(runs) == 1 or level <= LEVELS["+"] else ["(", *tokens, ")"]


def _pair(function: str, areas: Sequence[Area]) -> list[Token]:
    """Two ranges of the same form, or a row and a column: their product is one number, which ``SUMPRODUCT`` makes plain
    (Excel shows an ``@`` before a lone ``MMULT``)."""
    one, other = areas
    both = [[one], [other]]
    if (one.bottom - one.top, one.right - one.left) == (other.bottom - other.top, other.right - other.left):
        return _function(function, both)
    return _function(function, [_function("MMULT", both)])


def _write(expression: Expr) -> tuple[list[Piece], float]:
    """Pieces and the binding level of the outermost operator."""
    match expression:
        case Num(value=value):
            return [number_text(value)], ATOM if value >= 0 else 2
        case Text(value=value):
            return ['"' + value.replace('"', '""') + '"'], ATOM
        case Ref() | Whole():
            return [expression], ATOM
        case Neg(operand=operand):
            return _negative(operand)
        case Op(symbol=symbol, left=left, right=right):
            level = LEVELS[symbol]
            if symbol in "*/" and starts_with_minus(left):
                return [
                    *_bracketed(left, 2),
                    symbol,
                    *_bracketed(right, level + 1),
                ], 2  # -A1*B1 is typed without brackets
            base = level + 1 if symbol == "^" else level  # 2^3^2 is 64 in Excel: always bracketed
            return [*_bracketed(left, base), symbol, *_bracketed(right, level + 1)], level
        case Call(function=function, arguments=arguments):
            return _function(function, [_write(argument)[0] for argument in arguments]), ATOM
        case Fold():
            return _write(written(expression))
        case Ranges():
            return [Summed(expression)], ATOM
    raise TypeError(expression)


def starts_with_minus(expression: Expr) -> bool:
    """Whether a product or quotient has a minus sign in front of it."""
    match expression:
        case Op(symbol="*" | "/", left=left):
            return starts_with_minus(left)
    return isinstance(expression, Neg)


def _negative(operand: Expr) -> tuple[list[Piece], float]:
    """``-operand``. Before a power it is ``-1*``: Excel reads ``-A1^2`` as ``(-A1)^2``, and not every application that
    opens a file keeps the brackets of ``-(A1^2)`` (IronCalc 0.9 does not)."""
    parts, level = _write(operand)
    if level < ATOM and "^" in parts:
        return ["-1*", *_in_brackets(parts, level, 3)], 3
    return ["-", *_in_brackets(parts, level, 5)], 2


def _bracketed(expression: Expr, level: float) -> list[Piece]:
    return _in_brackets(*_write(expression), level)


def _in_brackets(parts: list[Piece], found: float, level: float) -> list[Piece]:
    if len(parts) == 1 and isinstance(parts[0], Summed):
        return [Summed(parts[0].ranges, level)]
    return parts if found >= level else ["(", *parts, ")"]


def _function(name: str, arguments: Sequence[Sequence]) -> list:
    parts: list = [f"{name}("]
    for k, argument in enumerate(arguments):
        parts += [",", *argument] if k else argument
    return [*parts, ")"]


def number_text(value: float) -> str:
    """A number as it is typed into a formula."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value)).upper()
