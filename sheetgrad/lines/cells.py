"""Arrays of cells: what a forward or a backward line becomes when it is read over cells instead of numbers.

A :class:`CellArray` is a shape and a rule that gives one element as an :data:`Expr`. It has the operators and
methods of ``numpy.ndarray`` that the language of lessons knows, so the very same line runs over both. Elements
are made when asked for: one element of a matrix product costs one element, whatever the size of the matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from sheetgrad.formulas.expressions import (
    COMPARISONS,
    Call,
    Expr,
    Index,
    Neg,
    Num,
    Op,
    Ranges,
    Ref,
    Shape,
    binary,
    folded,
)
from sheetgrad.formulas.printing import Piece, pieces
from sheetgrad.formulas.sums import ranges_in
from sheetgrad.lines.shapes import MOST_ELEMENTS, ShapeError, broadcast_shape, checked_axis, shape_text


def _aligned(index: Index, shape: Shape) -> Index:
    """Where element ``index`` of a broadcast result comes from in an operand of ``shape``."""
    return tuple(0 if size == 1 else i for i, size in zip(index[len(index) - len(shape) :], shape, strict=True))


class CellArray:
    """A shape and a rule from an index to an :data:`Expr`; behaves like an ``ndarray`` in a lesson's lines.

    ``uniform`` says that the rule is the same everywhere (indices move in even steps), so that a few corners
    prove how a whole block is filled. It is false after a reshape, a concatenation or a placement.
    """

    __array_ufunc__ = None  # so that numpy numbers leave `number * cells` to this class

    def __init__(self, shape: Shape, rule: Callable[[Index], Expr], uniform: bool = True):
        self.shape = tuple(shape)
        if math.prod(self.shape) > MOST_ELEMENTS:
            raise ShapeError(f"{shape_text(self.shape)} has more than {MOST_ELEMENTS:,} numbers")
        self.uniform = uniform
        self._rule = rule
        self._made: dict[Index, Expr] = {}
        self._pieces: dict[Index, list[Piece]] = {}

    @classmethod
    def named(cls, name: str, shape: Shape) -> CellArray:
        """The cells of the tensor ``name`` itself."""
        return cls(shape, lambda index: Ref(name, index))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def element(self, index: Index) -> Expr:
        """The expression of one element; made once."""
        if index not in self._made:
            self._made[index] = self._rule(index)
        return self._made[index]

    def pieces(self, index: Index) -> list[Piece]:
        """The formula of one element, ready to be placed; made once, however many sheets show it."""
        if index not in self._pieces:
            self._pieces[index] = pieces(self.element(index))
        return self._pieces[index]

    @cached_property
    def ranges(self) -> tuple[Ranges, ...]:
        """The ranges that its formulas need, each once: those of the first and last element where all are alike."""
        corners = (0,) * self.ndim, tuple(n - 1 for n in self.shape)
        indices = dict.fromkeys(corners) if self.uniform else np.ndindex(self.shape)
        return tuple(dict.fromkeys(one for index in indices for one in ranges_in(self.element(index))))

    # -- element by element ---------------------------------------------------------------------------------

    def __add__(self, other):
        return elementwise(lambda a, b: binary("+", a, b), self, other)

    def __radd__(self, other):
        return elementwise(lambda a, b: binary("+", a, b), other, self)

    def __sub__(self, other):
        return elementwise(lambda a, b: binary("-", a, b), self, other)

    def __rsub__(self, other):
        return elementwise(lambda a, b: binary("-", a, b), other, self)

    def __mul__(self, other):
        return elementwise(lambda a, b: binary("*", a, b), self, other)

    def __rmul__(self, other):
        return elementwise(lambda a, b: binary("*", a, b), other, self)

    def __truediv__(self, other):
        return elementwise(lambda a, b: binary("/", a, b), self, other)

    def __rtruediv__(self, other):
        return elementwise(lambda a, b: binary("/", a, b), other, self)

    def __pow__(self, other):
        return power(self, other)

    def __rpow__(self, other):
        return power(other, self)

    def __neg__(self):
        return elementwise(Neg, self)

    def __gt__(self, other):
        return elementwise(lambda a, b: Op(">", a, b), self, other)

    def __ge__(self, other):
        return elementwise(lambda a, b: Op(">=", a, b), self, other)

    def __lt__(self, other):
        return elementwise(lambda a, b: Op("<", a, b), self, other)

    def __le__(self, other):
        return elementwise(lambda a, b: Op("<=", a, b), self, other)

    def __eq__(self, other):
        return elementwise(lambda a, b: Op("=", a, b), self, other)

    def __ne__(self, other):
        return elementwise(lambda a, b: Op("<>", a, b), self, other)

    __hash__ = None

    # -- moved, turned, cut -----------------------------------------------------------------------------------

    @property
    def T(self) -> CellArray:  # noqa: N802 (NumPy's name)
        return CellArray(self.shape[::-1], lambda index: self._rule(index[::-1]), self.uniform)

    @property
    def mT(self) -> CellArray:  # noqa: N802 (NumPy's name)
        if self.ndim < 2:
            raise ShapeError(f".mT needs two axes or more, found {shape_text(self.shape)}")
        shape = (*self.shape[:-2], self.shape[-1], self.shape[-2])
        return CellArray(shape, lambda index: self._rule((*index[:-2], index[-1], index[-2])), self.uniform)

    def __getitem__(self, key) -> CellArray:
        try:
            source = np.arange(self.size).reshape(self.shape)[key]
        except IndexError as error:
            raise ShapeError(f"the index does not fit {shape_text(self.shape)}: {error}") from None
        if source.size == 0:
            raise ShapeError(f"the index leaves nothing of {shape_text(self.shape)}")
        return self._gather(source, self.uniform)

    def reshape(self, *shape) -> CellArray:
        target = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        try:
            source = np.arange(self.size).reshape(target)
        except ValueError:
            raise ShapeError(f"{shape_text(self.shape)} cannot be reshaped to {shape_text(target)}") from None
        return self._gather(source, False)

    def _gather(self, source: np.ndarray, uniform: bool) -> CellArray:
        """Elements taken from the flat positions in ``source``."""
        shape = self.shape

        def rule(index: Index) -> Expr:
            return self._rule(tuple(map(int, np.unravel_index(int(source[index]), shape))) if shape else ())

        return CellArray(source.shape, rule, uniform)

    # -- many to one ------------------------------------------------------------------------------------------

    def sum(self, axis=None, keepdims=False) -> CellArray:
        return self._reduce("SUM", axis, keepdims)

    def max(self, axis=None, keepdims=False) -> CellArray:
        return self._reduce("MAX", axis, keepdims)

    def mean(self, axis=None, keepdims=False) -> CellArray:
        total = self.sum(axis, keepdims)
        return total / (self.size // total.size)

    def _reduce(self, function: str, axis: int | None, keepdims: bool) -> CellArray:
        axes = range(self.ndim) if axis is None else [checked_axis(axis, self.shape)]
        kept = [k for k in range(self.ndim) if k not in axes]
        shape = tuple(1 if k in axes else self.shape[k] for k in range(self.ndim))
        inner = [range(self.shape[k]) if k in axes else None for k in range(self.ndim)]

        def rule(index: Index) -> Expr:
            at = list(index) if keepdims else [0] * self.ndim
            if not keepdims:
                for k, i in zip(kept, index, strict=True):
                    at[k] = i
            runs = [run if run is not None else (at[k],) for k, run in enumerate(inner)]
            return folded(function, [self._rule(i) for i in _product(runs)])

        return CellArray(shape if keepdims else tuple(self.shape[k] for k in kept), rule, self.uniform)

    def __matmul__(self, other) -> CellArray:
        a, b = self, as_cells(other)
        if not a.ndim or not b.ndim:
            raise ShapeError("@ needs vectors or matrices on both sides")
        inner, found = a.shape[-1], b.shape[-2] if b.ndim > 1 else b.shape[0]
        if inner != found:
            raise ShapeError(f"{inner} ≠ {found}")
        stack = broadcast_shape(a.shape[:-2], b.shape[:-2])
        rows = a.shape[-2:-1] if a.ndim > 1 else ()
        columns = b.shape[-1:] if b.ndim > 1 else ()

        def rule(index: Index) -> Expr:
            panel, i = index[: len(stack)], index[len(stack) : len(stack) + len(rows)]
            j = index[len(stack) + len(rows) :]
            at_a, at_b = _aligned(panel, a.shape[:-2]), _aligned(panel, b.shape[:-2])
            return folded(
                "SUM",
                [binary("*", a._rule((*at_a, *i, k)), b._rule((*at_b, k, *j))) for k in range(inner)],
            )

        return CellArray((*stack, *rows, *columns), rule, a.uniform and b.uniform)

    def __rmatmul__(self, other) -> CellArray:
        return as_cells(other) @ self


def _product(runs: Sequence[Sequence[int]]) -> list[Index]:
    """All indices of the given runs, last axis fastest."""
    indices: list[Index] = [()]
    for run in runs:
        indices = [(*head, i) for head in indices for i in run]
    return indices


def as_cells(value) -> CellArray:
    """A number as a scalar array of cells; a ``CellArray`` as it is."""
    if isinstance(value, CellArray):
        return value
    number = Num(-0.0 + float(value)) if float(value) >= 0 else Neg(Num(-float(value)))
    return CellArray((), lambda index: number)


def elementwise(make: Callable[..., Expr], *operands) -> CellArray:
    """``make`` applied to corresponding elements, broadcast by NumPy's rule."""
    arrays = [as_cells(value) for value in operands]
    shape = broadcast_shape(*(array.shape for array in arrays))

    def rule(index: Index) -> Expr:
        return make(*(array._rule(_aligned(index, array.shape)) for array in arrays))

    return CellArray(shape, rule, all(array.uniform for array in arrays))


def truth_as_number(array: CellArray) -> CellArray:
    """The array with TRUE and FALSE as 1 and 0, as ``SUM`` needs them: it passes over truth values in a range."""

    def rule(index: Index) -> Expr:
        element = array.element(index)
        truth = isinstance(element, Op) and element.symbol in COMPARISONS
        return Call("IF", (element, Num(1), Num(0))) if truth else element

    return CellArray(array.shape, rule, array.uniform)


def call(function: str) -> Callable[..., CellArray]:
    """The array function that applies an Excel function element by element."""
    return lambda *operands: elementwise(lambda *arguments: Call(function, arguments), *operands)


def raised(base, exponent) -> CellArray:
    """``base ** exponent`` where it is known that it is not 0 ** 0."""
    return elementwise(lambda a, b: binary("^", a, b), base, exponent)


def power(base, exponent) -> CellArray:
    """``base ** exponent``, which is 1 where the exponent is 0, also of 0: there a spreadsheet shows an error."""

    def rule(a: Expr, b: Expr) -> Expr:
        plain = isinstance(b, Num) or isinstance(b, Neg) and isinstance(b.operand, Num)
        if b == Num(0):
            return Num(1)
        if plain or isinstance(a, Num) and a.value:
            return binary("^", a, b)
        return Call("IF", (Op("=", b, Num(0)), Num(1), Op("^", a, b)))

    return elementwise(rule, base, exponent)


def broadcast_to(value, shape: Shape) -> CellArray:
    array = as_cells(value)
    if broadcast_shape(array.shape, shape) != tuple(shape):
        raise ShapeError(f"{shape_text(array.shape)} cannot be spread over {shape_text(shape)}")
    return CellArray(shape, lambda index: array._rule(_aligned(index, array.shape)), array.uniform)


def concatenate(parts: Sequence, axis: int = 0) -> CellArray:
    """Arrays end to end along ``axis``."""
    if not isinstance(parts, tuple):
        raise ShapeError("expected concatenate((a, b), axis=0)")
    arrays = [as_cells(part) for part in parts]
    first = arrays[0]
    axis = checked_axis(axis, first.shape)
    for other in arrays[1:]:
        same = other.ndim == first.ndim and all(
            other.shape[k] == first.shape[k] for k in range(first.ndim) if k != axis
        )
        if not same:
            raise ShapeError(
                f"{shape_text(first.shape)} and {shape_text(other.shape)} do not fit end to end on axis {axis}"
            )

    def rule(index: Index) -> Expr:
        at = index[axis]
        for array in arrays:
            if at < array.shape[axis]:
                return array._rule((*index[:axis], at, *index[axis + 1 :]))
            at -= array.shape[axis]
        raise IndexError(index)

    total = sum(array.shape[axis] for array in arrays)
    return CellArray((*first.shape[:axis], total, *first.shape[axis + 1 :]), rule, False)


def place(value, shape: Shape, key) -> CellArray:
    """Zeros of ``shape`` with ``value`` added at ``key``: what the gradient of an index is."""
    target = np.arange(math.prod(shape)).reshape(shape)[key]
    array = broadcast_to(value, target.shape)
    sources = {int(flat): index for index, flat in np.ndenumerate(target)}

    def rule(index: Index) -> Expr:
        source = sources.get(int(np.ravel_multi_index(index, shape)))
        return Num(0) if source is None else array._rule(source)

    return CellArray(shape, rule, False)


def one_hot(labels, scores) -> CellArray:
    """``labels`` (class numbers from 0) as rows of 0 and 1 of the shape of ``scores``; one-hot rows as they are."""
    labels, scores = as_cells(labels), as_cells(scores)
    if labels.shape == scores.shape:
        return labels
    if labels.shape != scores.shape[:-1]:
        raise ShapeError(
            f"targets of {shape_text(labels.shape)} do not fit scores of {shape_text(scores.shape)}: "
            f"expected class numbers of {shape_text(scores.shape[:-1])} or one-hot rows of the scores' own shape"
        )

    def rule(index: Index) -> Expr:
        hit = Op("=", labels._rule(index[:-1]), Num(index[-1]))
        return Call("IF", (hit, Num(1), Num(0)))

    return CellArray(scores.shape, rule, labels.uniform)
