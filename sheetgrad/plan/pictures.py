"""What a line looks like as a picture of the numbers in it: pure data, no cells yet.

A picture is only drawn where the numbers in it, combined as it says, are the numbers of the result; every other line
gets an arrow, and its element in words says the rest. How numbers lie is part of that: a vector that lies in a row is
added to every row, one that stands in a column to every column, as a reader would do it with the blocks as drawn.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sheetgrad.autodiff.program import Line
from sheetgrad.formulas.expressions import Shape
from sheetgrad.lines.names import mentioned, tensor_key

SIGNS = {ast.Add: "+", ast.Sub: "−", ast.Mult: "×", ast.Div: "÷"}
LONGEST_PART = 28  # characters of a part that stands in a picture as a block of its own
MOST_FACTORS = 8  # of a chain: nobody follows a longer one from left to right
LARGEST_FACTOR = 600  # numbers that are drawn once more to show how they are combined


@dataclass(frozen=True)
class Factor:
    """What stands in a picture: a tensor or gradient (``key``), a plain ``number``, or the numbers of a part of the line
    (neither; what is taken of a tensor has that as its ``source``). ``shape`` is that of its numbers, ``way`` how a vector
    lies, ``turned`` a matrix with rows and columns exchanged."""

    node: ast.expr
    shape: Shape
    key: str = ""
    way: str = "row"
    turned: bool = False
    number: float | None = None
    source: str = ""

    @property
    def text(self) -> str:
        own = ast.unparse(self.node)
        return f"({own})" if isinstance(self.node, (ast.BinOp, ast.UnaryOp, ast.Compare)) else own

    @property
    def plain(self) -> bool:
        """Whether it is a tensor as it is, rather than a part, a number or a matrix turned."""
        return bool(self.key) and tensor_key(self.node) == self.key

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns as drawn, of what is no stack of panels."""
        match self.shape:
            case ():
                return 1, 1
            case (n,):
                return (1, n) if self.way == "row" else (n, 1)
            case (rows, columns):
                return (columns, rows) if self.turned else (rows, columns)
        raise ValueError(self.shape)

    @property
    def flat(self) -> bool:
        return len(self.shape) <= 2

    @property
    def stands(self) -> bool:
        """Whether it is a vector stood up, ``v[:, None]``."""
        return bool(self.key) and isinstance(self.node, ast.Subscript)


@dataclass(frozen=True)
class Crossing:
    """A matrix product: each number where a row of ``left`` and a column of ``right`` meet, plus what is ``added``, each
    with its sign."""

    left: Factor
    right: Factor
    added: tuple[tuple[str, Factor], ...] = ()

    @property
    def factors(self) -> tuple[Factor, ...]:
        return (self.left, self.right, *(factor for _, factor in self.added))


@dataclass(frozen=True)
class Chain:
    """Numbers combined one by one from left to right, each by the sign before it; the first has none, or ``−``."""

    factors: tuple[Factor, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True)
class Down:
    """The sum over the rows of a matrix: under each column its sum. Of a vector that is passed on, the vector."""

    factor: Factor
    summed: bool = True

    @property
    def factors(self) -> tuple[Factor, ...]:
        return (self.factor,)


@dataclass(frozen=True)
class Arrow:
    """More than a picture can say: its operands, an arrow, the result."""

    factors: tuple[Factor, ...] = ()


Picture = Crossing | Chain | Down | Arrow


@dataclass(frozen=True)
class Painter:
    """Makes pictures of lines: ``shapes`` are those of all tensors and gradients, ``lying`` says which way vectors lie,
    ``shape_of`` gives the shape of a part of a line."""

    shapes: Mapping[str, Shape]
    lying: Mapping[str, str]
    shape_of: Callable[[ast.expr], Shape]

    def picture(self, line: Line) -> Picture:
        result = Factor(line.expression, line.shape, line.target, self.lying.get(line.target, "row"))
        for attempt in (self._down, self._crossing, self._chain):
            found = attempt(line.expression, result)
            if found and all(self._small(factor) for factor in found.factors):
                return found
        return Arrow(tuple(self._tensor(key) for key in line.operands))

    def _small(self, factor: Factor) -> bool:
        size = 1
        for n in factor.shape:
            size *= n
        return size <= LARGEST_FACTOR

    def _tensor(self, key: str) -> Factor:
        node = ast.parse(key, mode="eval").body
        return Factor(node, self.shapes[key], key, self.lying.get(key, "row"))

    def _factor(self, node: ast.expr) -> Factor | None:
        """A tensor, a matrix turned, a vector stood up, or a number."""
        match node:
            case ast.Constant(value=int() | float() as value):
                return Factor(node, (), number=float(value))
            case ast.Attribute(value=inner, attr="T") if tensor_key(inner) in self.shapes:
                key = tensor_key(inner)
                if len(self.shapes[key]) == 2:
                    return Factor(node, self.shapes[key], key, turned=True)
            case ast.Subscript(
                value=inner, slice=ast.Tuple(elts=[ast.Slice(None, None, None), ast.Constant(value=None)])
            ):
                key = tensor_key(inner)
                if key in self.shapes and len(self.shapes[key]) == 1:
                    return Factor(node, self.shapes[key], key, "column")
        key = tensor_key(node)
        return self._tensor(key) if key in self.shapes else self._slice(node)

    def _slice(self, node: ast.expr) -> Factor | None:
        """Rows and columns that are taken of a tensor, perhaps turned."""
        inner = node.value if isinstance(node, ast.Attribute) and node.attr == "T" else node
        if not isinstance(inner, ast.Subscript) or tensor_key(inner.value) not in self.shapes:
            return None
        index = inner.slice.elts if isinstance(inner.slice, ast.Tuple) else [inner.slice]
        if not all(isinstance(one, ast.Slice) or _whole_number(one) is not None for one in index):
            return None
        shape, source = self.shape_of(node), tensor_key(inner.value)
        return Factor(node, shape, way=self.lying.get(source, "row"), source=source) if len(shape) <= 2 else None

    def _part(self, node: ast.expr, like: Factor) -> Factor | None:
        """A part of the line as numbers of its own, such as ``(out - targ)``."""
        if not _elementwise(node) or len(ast.unparse(node)) > LONGEST_PART or not mentioned(node):
            return None
        return Factor(node, self.shape_of(node), way=like.way)

    # -- sums ---------------------------------------------------------------------------------------------------------

    def _down(self, node: ast.expr, result: Factor) -> Down | None:
        match node:
            case ast.Call(func=ast.Attribute(value=inner, attr="sum"), args=[ast.Constant(value=0)], keywords=[]):
                key = tensor_key(inner)
                if key in self.shapes and len(self.shapes[key]) == 2 and result.way == "row":
                    return Down(self._tensor(key))
        return None

    # -- products -----------------------------------------------------------------------------------------------------

    def _crossing(self, node: ast.expr, result: Factor) -> Crossing | None:
        added: list[tuple[str, Factor]] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            if isinstance(node.op, ast.Add) and not _has_product(node.left):
                other, node = node.left, ast.BinOp(node.right, node.op, node.left)
            else:
                other = node.right
            factor = self._factor(other)
            if factor is None or not factor.plain or not factor.flat:
                return None
            added.insert(0, (SIGNS[type(node.op)], factor))
            node = node.left
        pair = self._pair(node)
        if pair is None or len(result.shape) > 2:
            return None
        left, right = pair
        (rows, inner), (other, columns) = left.grid, right.grid
        if inner != other or result.grid != (rows, columns):
            return None
        added = [(sign, self._above(factor, result)) for sign, factor in added]
        if any(factor.grid not in {(rows, columns), (1, columns), (1, 1)} for _, factor in added):
            return None
        return Crossing(left, right, tuple(added))

    def _above(self, factor: Factor, result: Factor) -> Factor:
        return replace(factor, way=result.way if len(result.shape) == 1 else "row")

    def _pair(self, node: ast.expr) -> tuple[Factor, Factor] | None:
        """The factors of a matrix product, a vector at the left lying and one at the right standing; or of a column
        times a row."""
        if not isinstance(node, ast.BinOp):
            return None
        left, right = self._factor(node.left), self._factor(node.right)
        if left is None or right is None or not (left.flat and right.flat):
            return None
        if left.number is not None or right.number is not None:
            return None
        if isinstance(node.op, ast.MatMult):
            return replace(left, way="row"), replace(right, way="column")
        if isinstance(node.op, ast.Mult) and left.stands and len(right.shape) == 1 and right.plain:
            return left, replace(right, way="row")
        return None

    # -- one by one ---------------------------------------------------------------------------------------------------

    def _chain(self, node: ast.expr, result: Factor) -> Chain | None:
        found = self._links(node, result)
        if found is None:
            return None
        factors, signs = found
        if signs == [""] and factors[0].source:  # an arrow from where it is taken says it
            return None
        if not any(factor.key for factor in factors) and not any(factor.number is None for factor in factors):
            return None
        if len(factors) > MOST_FACTORS or not self._in_order(signs):
            return None
        drawn = [self._as_drawn(factor, result) for factor in factors]
        return None if None in drawn else Chain(tuple(drawn), tuple(signs))

    def _links(self, node: ast.expr, like: Factor) -> tuple[list[Factor], list[str]] | None:
        factor = self._factor(node)
        if factor is not None:
            return None if factor.turned else ([factor], [""])
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                factor = self._factor(operand)
                return ([factor], ["−"]) if factor and not factor.turned else None
            case ast.BinOp(op=op) if type(op) in SIGNS:
                sign = SIGNS[type(op)]
                left = self._links(node.left, like)
                if left is None or not self._in_order([*left[1], sign]):
                    part = self._part(node.left, like)
                    left = ([part], [""]) if part else None
                right = self._factor(node.right) or self._part(node.right, like)
                if left is None or right is None or right.turned:
                    return None
                return [*left[0], right], [*left[1], sign]
        part = self._part(node, like) if isinstance(node, ast.Compare) else None
        return ([part], [""]) if part else None

    @staticmethod
    def _in_order(signs: Sequence[str]) -> bool:
        """Whether the signs mean the same from left to right as in a line, where × and ÷ come first."""
        added = [sign for sign in signs[1:] if sign in "+−"]
        return not added or all(sign in "+−" for sign in signs[1 + list(signs[1:]).index(added[0]) :])

    @staticmethod
    def _as_drawn(factor: Factor, result: Factor) -> Factor | None:
        """The factor lying as it must to meet the result's numbers; None where it cannot be drawn so."""
        if factor.number is not None or factor.shape == ():
            return factor
        if factor.stands:
            return factor if len(result.shape) == 2 else None
        if factor.shape == result.shape:
            return replace(factor, way=result.way)
        if not factor.flat or len(result.shape) > 2 or len(factor.shape) > len(result.shape):
            return None
        return replace(factor, way=result.way if len(result.shape) == 1 else "row")


def _whole_number(node: ast.expr | None) -> int | None:
    match node:
        case ast.Constant(value=int() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            return -value
    return None


def _has_product(node: ast.expr) -> bool:
    return any(isinstance(part, ast.BinOp) and isinstance(part.op, ast.MatMult) for part in ast.walk(node))


def _elementwise(node: ast.expr) -> bool:
    """Whether a part is made of tensors and numbers by signs and comparisons alone."""
    if tensor_key(node) is not None or isinstance(node, ast.Constant):
        return True
    match node:
        case ast.BinOp(op=op, left=left, right=right):
            return not isinstance(op, ast.MatMult) and _elementwise(left) and _elementwise(right)
        case ast.UnaryOp(operand=operand):
            return _elementwise(operand)
        case ast.Compare(left=left, comparators=[right]):
            return _elementwise(left) and _elementwise(right)
    return False
