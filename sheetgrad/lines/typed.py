"""The lines of tables read on cells: each becomes the formula that says the same, as a person would type it.

Unlike :mod:`sheetgrad.lines.cells` nothing is left out: ``1 * (a - b)`` stays, because an application may treat
``a - b`` otherwise. What the portable dialect cannot say about a range of one cell (DESIGN, section 6) is said of
the cell itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sheetgrad.formulas.expressions import Call, Expr, Neg, Num, Op, Text, Whole
from sheetgrad.formulas.printing import number_text


@dataclass(frozen=True, eq=False)
class Typed:
    """What one cell shows, as an :data:`~sheetgrad.formulas.expressions.Expr`."""

    expression: Expr

    def __neg__(self):
        return Typed(Neg(self.expression))


def _operator(symbol: str, turned: bool = False) -> Callable[[Typed, object], Typed]:
    def operator(self: Typed, other) -> Typed:
        left, right = (other, self) if turned else (self, other)
        return Typed(Op(symbol, expression(left), expression(right)))

    return operator


for _name, _symbol in {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "^"}.items():
    setattr(Typed, f"__{_name}__", _operator(_symbol))
    setattr(Typed, f"__r{_name}__", _operator(_symbol, turned=True))
for _name, _symbol in {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "=", "ne": "<>"}.items():
    setattr(Typed, f"__{_name}__", _operator(_symbol))


@dataclass(frozen=True)
class Range:
    """Ranges of cells that a line looks through: several where a line adds up what stands apart, ``single`` when each
    is one cell, ``lying`` when it is a row."""

    names: tuple[str, ...]
    single: bool = False
    lying: bool = False

    @property
    def parts(self) -> tuple[Expr, ...]:
        return tuple(map(Whole, self.names))

    @property
    def cell(self) -> Typed | None:
        """The cell, where there is but one."""
        return Typed(self.parts[0]) if self.single and len(self.names) == 1 else None


def expression(value) -> Expr:
    """A formula, a number or a text of a line as an expression."""
    match value:
        case Typed(expression=found):
            return found
        case str():
            return Text(value)
        case int() | float():
            return Num(value) if value >= 0 else Neg(Num(-value))
    raise TypeError(f"found {value!r}, expected a number, a text or a cell")


def _called(function: str) -> Callable[..., Typed]:
    def call(*values) -> Typed:
        parts = [value.parts if isinstance(value, Range) else (expression(value),) for value in values]
        return Typed(Call(function, tuple(part for found in parts for part in found)))

    return call


_sum, _index, _same, _count = map(_called, ("SUM", "INDEX", "MATCH", "COUNTIF"))
_if, _root, _size, _squares, _apart = map(_called, ("IF", "SQRT", "ABS", "SUMSQ", "SUMXMY2"))


def _where(test, then, otherwise):
    """``IF``, unless the table already knows the answer."""
    if isinstance(test, bool):
        return then if test else otherwise
    return _if(test, then, otherwise)


def _all_or_any(function: str, decides: bool) -> Callable:
    """``AND`` and ``OR`` without what is already known; ``decides`` is the truth that settles it."""

    def join(*tests):
        if decides in [test for test in tests if isinstance(test, bool)]:
            return decides
        parts: list[Expr] = []
        for test in tests:
            match test:
                case bool():
                    pass
                case Typed(expression=Call(function=same, arguments=inner)) if same == function:
                    parts += inner
                case _:
                    parts.append(expression(test))
        if not parts:
            return not decides
        return Typed(parts[0] if len(parts) == 1 else Call(function, tuple(parts)))

    return join


_and, _or = _all_or_any("AND", False), _all_or_any("OR", True)


def _among(value: Typed, words):
    """Whether a cell holds one of a few texts."""
    return _or(*(value == word for word in words))


def _joined(*parts) -> Typed:
    sentence = expression(parts[0])
    for part in parts[1:]:
        sentence = Op("&", sentence, expression(part))
    return Typed(sentence)


def _counted(area: Range, word) -> Typed:
    if area.cell is not None:
        return _if(area.cell == word, 1, 0)
    return _count(area, word)


def _counted_beyond(area: Range, limit: float) -> Typed:
    """How many numbers are larger than ``limit`` in size."""
    if area.cell is not None:
        return _if(_size(area.cell) > limit, 1, 0)
    return _count(area, f">{number_text(limit)}") + _count(area, f"<-{number_text(limit)}")


def _numbers_in(area: Range) -> Typed:
    """How many cells hold a number."""
    first, *others = (Typed(Call("COUNT", (part,))) for part in area.parts)
    return sum(others, first)


def _summed(area: Range) -> Typed:
    return area.cell or _sum(area)


def _looked_up(area: Range, row, column=None) -> Typed:
    """The cell at a row and a column of a range, or so far along a line of cells."""
    if area.cell is not None:
        return area.cell
    if column is None:
        return _index(area, 1, row) if area.lying else _index(area, row)
    return _index(area, row, column)


def _distance(one: Range, other: Range) -> Typed:
    """The root of the sum of squared differences."""
    if one.cell is not None:
        return _size(one.cell - other.cell)
    return _root(_apart(one, other))


def _length(area: Range) -> Typed:
    return _size(area.cell) if area.cell is not None else _root(_squares(area))


TYPED: dict[str, Callable] = {
    "abs": _size,
    "sqrt": _root,
    "round": _called("ROUND"),
    "max": _called("MAX"),
    "min": _called("MIN"),
    "is_number": _called("ISNUMBER"),
    "is_error": _called("ISERROR"),
    "find": lambda value, area: _same(value, area, 0),
    "look": _looked_up,
    "count": _counted,
    "count_beyond": _counted_beyond,
    "numbers_in": _numbers_in,
    "sum": _summed,
    "distance": _distance,
    "length": _length,
    "where": _where,
    "and": _and,
    "or": _or,
    "among": _among,
    "joined": _joined,
    "text": str,
    "flag": lambda truth: truth,
}
