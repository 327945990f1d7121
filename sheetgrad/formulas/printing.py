"""Printing: from an expression and the places of its tensors to an Excel formula that a person could have typed."""

from __future__ import annotations

from collections.abc import Sequence

from sheetgrad.formulas.expressions import Call, Expr, Fold, Index, Neg, Num, Op, Ranges, Ref, Text, Whole
from sheetgrad.formulas.places import Area, Book, Place, Placement, lined_up
from sheetgrad.formulas.sums import FormulaError, written

LEVELS = {"&": 1.5, "=": 1, "<>": 1, "<": 1, "<=": 1, ">": 1, ">=": 1, "+": 2, "-": 2, "*": 3, "/": 3, "^": 4}
ATOM = 6
Token = str | Area


class Printer:
    """Writes expressions as token lists: text and areas, in the portable dialect (DESIGN, section 6)."""

    def __init__(self, book: Book):
        self.book = book

    def tokens(self, expression: Expr) -> list[Token]:
        """The formula without ``=``. Raises ``FormulaError`` when a range is needed where there is none."""
        return self._write(expression)[0]

    def _write(self, expression: Expr) -> tuple[list[Token], int]:
        """Tokens and the binding level of the outermost operator."""
        match expression:
            case Num(value=value):
                return ([number_text(value)], ATOM) if value >= 0 else ([number_text(value)], 2)
            case Text(value=value):
                return ['"' + value.replace('"', '""') + '"'], ATOM
            case Ref(tensor=tensor, index=index):
                return [self._cell(self._places(tensor)[0], index)], ATOM
            case Whole(tensor=tensor):
                return [self._places(tensor)[0].area], ATOM
            case Neg(operand=operand):
                return self._negative(operand)
            case Op(symbol=symbol, left=left, right=right):
                level = LEVELS[symbol]
                base = level + 1 if symbol == "^" else level  # 2^3^2 is 64 in Excel: always bracketed
                return [*self._bracketed(left, base), symbol, *self._bracketed(right, level + 1)], level
            case Call(function=function, arguments=arguments):
                return self._function(function, [self._write(argument)[0] for argument in arguments]), ATOM
            case Fold():
                return self._write(written(expression))
            case Ranges():
                return self._ranges(expression)
        raise TypeError(expression)

    def _negative(self, operand: Expr) -> tuple[list[Token], int]:
        """``-operand``. Before a power it is ``-1*``: Excel reads ``-A1^2`` as ``(-A1)^2``, and not every
        application that opens a file keeps the brackets of ``-(A1^2)`` (IronCalc 0.9 does not)."""
        tokens, level = self._write(operand)
        if level < ATOM and "^" in tokens:
            return ["-1*", *_in_brackets(tokens, level, 3)], 3
        return ["-", *_in_brackets(tokens, level, 5)], 2

    def _bracketed(self, expression: Expr, level: int) -> list[Token]:
        return _in_brackets(*self._write(expression), level)

    @staticmethod
    def _function(name: str, arguments: Sequence[Sequence[Token]]) -> list[Token]:
        tokens: list[Token] = [f"{name}("]
        for k, argument in enumerate(arguments):
            tokens += [",", *argument] if k else argument
        return [*tokens, ")"]

    def _places(self, tensor: str) -> Sequence[Place]:
        try:
            return self.book[tensor]
        except KeyError:
            raise FormulaError(f"{tensor} has no place on the sheets") from None

    @staticmethod
    def _cell(place: Placement, index: Index) -> Area:
        row, column = place.cell(index)
        return Area(place.sheet, row, column, row, column)

    def _ranges(self, ranges: Ranges) -> tuple[list[Token], int]:
        runs = lined_up(ranges, [self._places(group[0].tensor) for group in ranges.groups])
        if runs is None:
            names = " and ".join(dict.fromkeys(group[0].tensor for group in ranges.groups))
            raise FormulaError(f"{names} do not stand side by side")
        if len(ranges.groups) == 1:
            return self._function(ranges.function, [[areas[0]] for areas in runs]), ATOM
        tokens: list[Token] = []
        for areas in runs:
            tokens += ["+"] if tokens else []
            tokens += self._pair(ranges.function, areas)
        return tokens, ATOM if len(runs) == 1 else 2

    def _pair(self, function: str, areas: Sequence[Area]) -> list[Token]:
        """Two ranges of the same form, or a row and a column: their product is one number, which ``SUMPRODUCT`` makes
        plain (Excel shows an ``@`` before a lone ``MMULT``)."""
        tokens = self._function(function, [[area] for area in areas])
        one, other = areas
        if (one.bottom - one.top, one.right - one.left) == (other.bottom - other.top, other.right - other.left):
            return tokens
        return self._function(function, [self._function("MMULT", [[area] for area in areas])])


def _in_brackets(tokens: list[Token], found: float, level: float) -> list[Token]:
    return tokens if found >= level else ["(", *tokens, ")"]


def number_text(value: float) -> str:
    """A number as it is typed into a formula."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value)).upper()
