"""Printing: from an expression and the places of its tensors to an Excel formula that a person could have typed."""

from __future__ import annotations

from collections.abc import Sequence

from sheetgrad.formulas.expressions import Call, Expr, Fold, Index, Neg, Num, Op, Ref, Text, Whole
from sheetgrad.formulas.places import Area, Book, Placement, rectangles

SPELLED_OUT = 4  # so many terms of a sum are written one by one; more become a range
MOST_PANELS = 16  # so many ranges are joined where a tensor of rank 3 lies in panels
LEVELS = {"&": 1.5, "=": 1, "<>": 1, "<": 1, "<=": 1, ">": 1, ">=": 1, "+": 2, "-": 2, "*": 3, "/": 3, "^": 4}
ATOM = 6
Token = str | Area


class FormulaError(ValueError):
    """An element that cannot be written as a formula of the portable dialect."""


class Unaligned(FormulaError):  # noqa: N818 (it asks for a copy rather than reports a fault)
    """Cells that a range function needs side by side, but that do not stand so.

    ``groups`` are the operands of the sum, each a list of elements in order; a copy of one of these tensors in
    the order of the other makes the formula possible.
    """

    def __init__(self, groups: Sequence[Sequence[Ref]]):
        super().__init__(f"{' and '.join(group[0].tensor for group in groups)} do not stand side by side")
        self.groups = groups


class Printer:
    """Writes expressions as token lists: text and areas, in the portable dialect (DESIGN, section 6)."""

    def __init__(self, book: Book):
        self.book = book

    def tokens(self, expression: Expr) -> list[Token]:
        """The formula without ``=``. Raises ``Unaligned`` when a range is needed where there is none."""
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
            case Fold(function="MAX", terms=terms):
                return self._largest(terms), ATOM
            case Fold(terms=terms):
                return self._sum(terms)
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

    def _places(self, tensor: str) -> Sequence[Placement]:
        try:
            return self.book[tensor]
        except KeyError:
            raise FormulaError(f"{tensor} has no place on the sheets") from None

    @staticmethod
    def _cell(place: Placement, index: Index) -> Area:
        row, column = place.cell(index)
        return Area(place.sheet, row, column, row, column)

    # -- many terms -----------------------------------------------------------------------------------------------

    def _largest(self, terms: Sequence[Expr]) -> list[Token]:
        if all(isinstance(term, Ref) for term in terms):
            try:
                return self._function("MAX", [[runs[0]] for runs in self._aligned([terms])])
            except Unaligned:
                if len(terms) > SPELLED_OUT:
                    raise
        if len(terms) > SPELLED_OUT:
            raise FormulaError(
                "the largest of more than four computed terms; give the inner values a line of their own"
            )
        return self._function("MAX", [self._write(term)[0] for term in terms])

    def _sum(self, terms: Sequence[Expr]) -> tuple[list[Token], int]:
        if len(terms) <= SPELLED_OUT:
            tokens = self._bracketed(terms[0], 2)
            for term in terms[1:]:
                tokens = [*tokens, "+", *self._bracketed(term, 3)]
            return tokens, 2
        match terms[0]:
            case Ref():
                if all(isinstance(term, Ref) for term in terms):
                    return self._ranges("SUM", [terms])
            case Neg() if all(isinstance(term, Neg) for term in terms):
                inner = Fold("SUM", tuple(term.operand for term in terms))
                return self._write(Neg(inner))
            case Op(symbol=symbol) if all(isinstance(t, Op) and t.symbol == symbol for t in terms):
                return self._sum_of_operations(symbol, terms)
        if all(term == terms[0] for term in terms):
            return self._write(Op("*", Num(len(terms)), terms[0]))
        raise FormulaError("a sum of more than four computed terms; give the inner values a line of their own")

    def _sum_of_operations(self, symbol: str, terms: Sequence[Op]) -> tuple[list[Token], int]:
        lefts, rights = [term.left for term in terms], [term.right for term in terms]
        same_left = all(left == lefts[0] for left in lefts)
        same_right = all(right == rights[0] for right in rights)
        if same_left and same_right:
            return self._write(Op("*", Num(len(terms)), terms[0]))
        if symbol == "*" and same_left:
            return self._write(Op("*", lefts[0], Fold("SUM", tuple(rights))))
        if symbol in "*/" and same_right:
            return self._write(Op(symbol, Fold("SUM", tuple(lefts)), rights[0]))
        if symbol == "*" and _all_refs(lefts) and _all_refs(rights):
            return self._ranges("SUMPRODUCT", [lefts, rights])
        if symbol == "*" and _all_refs(rights) and all(isinstance(left, Op) for left in lefts):
            factors, inner = [left.left for left in lefts], [left.right for left in lefts]
            if all(left.symbol == "*" and left.left == factors[0] for left in lefts) and _all_refs(inner):
                product = Fold("SUM", tuple(Op("*", a, b) for a, b in zip(inner, rights, strict=True)))
                return self._write(Op("*", factors[0], product))
        if symbol == "^" and rights[0] == Num(2):
            if _all_refs(lefts):
                return self._ranges("SUMSQ", [lefts])
            if all(isinstance(left, Op) and left.symbol == "-" for left in lefts):
                groups = [[left.left for left in lefts], [left.right for left in lefts]]
                if all(map(_all_refs, groups)):
                    return self._ranges("SUMXMY2", groups)
        if symbol in "+-":
            return self._write(Op(symbol, Fold("SUM", tuple(lefts)), Fold("SUM", tuple(rights))))
        raise FormulaError("a sum of more than four computed terms; give the inner values a line of their own")

    def _ranges(self, function: str, groups: Sequence[Sequence[Ref]]) -> tuple[list[Token], int]:
        runs = self._aligned(groups)
        if function in ("SUM", "SUMSQ"):
            return self._function(function, [[areas[0]] for areas in runs]), ATOM
        tokens: list[Token] = []
        for areas in runs:
            tokens += ["+"] if tokens else []
            tokens += self._function(function, [[area] for area in areas])
        return tokens, ATOM if len(runs) == 1 else 2

    def _aligned(self, groups: Sequence[Sequence[Ref]]) -> list[tuple[Area, ...]]:
        """The groups as rectangles of equal form, in as few runs as possible; ``Unaligned`` when there are none."""
        choices: list[list[Placement]] = [[]]
        for group in groups:
            if any(term.tensor != group[0].tensor for term in group):
                raise Unaligned(groups)
            choices = [[*chosen, place] for chosen in choices for place in self._places(group[0].tensor)]
        best: list[tuple[Area, ...]] | None = None
        for chosen in choices:
            cells = [[p.cell(term.index) for term in g] for p, g in zip(chosen, groups, strict=True)]
            runs = rectangles(cells)
            if best is None or len(runs) < len(best):
                best = [
                    tuple(Area(p.sheet, *corner) for p, corner in zip(chosen, corners, strict=True)) for corners in runs
                ]
            if len(best) == 1:
                break
        panels = any(len(term.index) > 2 for group in groups for term in group[:1])
        if best is None or len(best) > (MOST_PANELS if panels else SPELLED_OUT if len(groups) == 1 else 1):
            raise Unaligned(groups)
        return best


def _in_brackets(tokens: list[Token], found: float, level: float) -> list[Token]:
    return tokens if found >= level else ["(", *tokens, ")"]


def _all_refs(terms: Sequence[Expr]) -> bool:
    return all(isinstance(term, Ref) for term in terms)


def number_text(value: float) -> str:
    """A number as it is typed into a formula."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value)).upper()
