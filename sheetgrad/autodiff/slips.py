"""The usual slips: backward lines that are wrong in the way in which people get them wrong.

A slip is made from the right line by one change of its syntax tree: the sign, the factor 2 of a square, the 1/n of a mean, a
transpose, a mask, the slope of an activation, all examples but one, the neighbour's number. Hints recognise a slip by the
numbers that its line gives; a lesson of the kind "find the wrong gradient" writes its line into the workbook.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sheetgrad.autodiff.program import Line, Program, run_lines
from sheetgrad.autodiff.simplify import Simplifier, negative, number_of
from sheetgrad.formulas.expressions import Shape
from sheetgrad.lines.evaluate import shape_of
from sheetgrad.lines.names import mentioned, substitute, tensor_key, tensor_node
from sheetgrad.lines.parse import LanguageError
from sheetgrad.lines.shapes import ShapeError, broadcast_shape

NAMES = (
    *("mask", "sum", "transposed", "slope", "mean", "two", "averaged", "sign"),
    *("neighbour", "before", "upstream", "share"),
)
Change = Callable[[ast.expr], ast.expr | None]  # of one node; None where it does not apply
Made = Iterator[tuple[str, str, ast.expr]]  # name, which, the wrong expression


@dataclass(frozen=True)
class Slip:
    """A wrong line for one gradient.

    ``name`` is one of :data:`NAMES`, ``which`` tells the ways to make it apart; with the line's target they are the same on
    any numbers. ``lines`` are the backward lines that are wrong, in order, the gradient's own last: more than one where
    the slip was made on the way to it. ``here``: made in this very line, so that the line alone is a mistake that somebody
    could write.
    """

    name: str
    which: str
    lines: tuple[Line, ...]
    here: bool = True

    @property
    def line(self) -> Line:
        return self.lines[-1]

    @property
    def label(self) -> str:
        """``l1.g mask``, ``w1.g sum 2``: what it is known by."""
        return " ".join(filter(None, (self.line.target, self.name, self.which)))

    def on_numbers(self, program: Program, values: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """What the gradient becomes, given all other ``values``; None where the wrong line gives no numbers."""
        try:
            wrong = run_lines(self.lines, values, program.rules)[self.line.target]
        except (LanguageError, ValueError, TypeError, IndexError, AttributeError):
            return None
        return wrong if np.isfinite(wrong).all() else None


def slips(program: Program, key: str) -> list[Slip]:
    """All slips for the gradient ``key``; likelier ones first."""
    line = next(line for line in reversed(program.backward) if line.target == key)
    return _Slips(program, line).all()


def whole_expression(program: Program, line: Line) -> ast.expr:
    """A backward line's expression with the steps on the way to it (``w.g_1``) put back in."""
    steps = {step.target: step.expression for step in program.backward if not step.target.endswith(".g")}
    return _Inlined(steps).visit(substitute(line.expression, {}))


class _Inlined(ast.NodeTransformer):
    def __init__(self, steps: Mapping[str, ast.expr]):
        self.steps = steps

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        key = tensor_key(node)
        if key in self.steps:
            return self.visit(substitute(self.steps[key], {}))
        return node if key else self.generic_visit(node)


class _Slips:
    """Makes the slips of one line."""

    def __init__(self, program: Program, line: Line):
        self.program, self.line = program, line
        self.right = whole_expression(program, line)
        self.gradients = [key for key in dict.fromkeys(mentioned(self.right)) if ".g" in key]
        self.counts = _divisors(program)
        self.sizes = {program.shapes[key][0] for key in self.gradients if program.shapes[key]} - {1}

    def all(self) -> list[Slip]:
        squares = [_twos(self.right), any(_twos(line.expression) for line in self.program.backward)]
        halves = [self._slip(*one, here=squares[0]) for one in self._halved()] if squares[1] else []
        masks = [self._slip("mask", "", _opened(self.right))] if _compares(self.right) else self._carried_mask()
        found = [
            *masks,
            *(self._slip(*one) for one in self._one_example()),
            *self._turned(),
            *(self._slip(*one) for one in self._unchanged()),
            *self._means(),
            *(halves if squares[0] else []),
            *self._averaged(),
            *([] if squares[0] else halves),
            *self._both(squares[1]),
            self._slip("sign", "", self._signed()),
            *(self._slip(*one) for one in (*self._neighbours(), *self._before(), *self._alone(), *self._unshared())),
        ]
        return [slip for slip in found if slip is not None]

    def _slip(self, name: str, which: str, wrong: ast.expr | None, here: bool = True) -> Slip | None:
        """The slip with this expression, as a person would write it; None where its shape does not fit."""
        if wrong is None:
            return None
        try:
            wrong = Simplifier(self._shape).visit(substitute(wrong, {}))
            if broadcast_shape(self._shape(wrong), self.line.shape) != self.line.shape:
                return None
        except (LanguageError, ShapeError, ValueError, TypeError, IndexError, AttributeError):
            return None  # a line turned wrong may make no sense
        if ast.unparse(wrong) == ast.unparse(self.right):
            return None
        return Slip(name, which, (Line(self.line.target, wrong, self.line.shape, self.line.step),), here)

    def _shape(self, node: ast.AST) -> Shape:
        return shape_of(node, self.program.shapes, self.program.rules)

    # -- what is forgotten ------------------------------------------------------------------------------------------

    def _carried_mask(self) -> list[Slip]:
        """Every comparison let through in all lines that lead to this one."""
        backward = self.program.backward
        if not any(_compares(line.expression) for line in backward):
            return []
        before = backward[: backward.index(self.line) + 1]
        opened = (Line(line.target, _opened(line.expression), line.shape, line.step) for line in before)
        return [Slip("mask", "", tuple(opened), here=False)]

    def _one_example(self) -> Made:
        """A single example where the line sums over the batch: the first axis of the gradients in it."""
        if len(self.sizes) != 1:
            return
        (size,) = self.sizes
        for example in range(size):
            alone = _OneExample(self._shape, size, example)
            wrong = alone.visit(substitute(self.right, {}))
            if alone.found:
                yield "sum", str(example + 1), wrong

    def _unchanged(self) -> Made:
        """The gradient of the result handed on as it came."""
        for key in self.gradients:
            if self.program.shapes[key] == self.line.shape and tensor_key(self.right) != key:
                yield "slope", key, tensor_node(key)

    def _alone(self) -> Made:
        """Not multiplied by the gradient that comes from the step after it."""

        def change(node: ast.expr) -> ast.expr | None:
            match node:
                case ast.BinOp(left=left, op=ast.Mult(), right=right):
                    if tensor_key(left) in self.gradients:
                        return right
                    if tensor_key(right) in self.gradients:
                        return left
            return None

        yield "upstream", "", _along(self.right, change)

    def _unshared(self) -> Made:
        """The sum that a softmax takes off again."""

        def change(node: ast.expr) -> ast.expr | None:
            match node:
                case ast.BinOp(left=left, op=ast.Sub(), right=right) if _sums(right) and not _sums(left):
                    return left
            return None

        yield "share", "", _along(self.right, change)

    # -- factors ----------------------------------------------------------------------------------------------------

    def _means(self) -> Iterator[Slip | None]:
        """Without the 1/n of a mean: left out where it stands, or made good again after it was divided by."""
        for n in self.counts:
            bare = _along(self.right, lambda node, n=n: _undivided(node, n))
            yield self._slip("mean", str(n), bare or _times(self.right, n), here=bare is not None)

    def _halved(self) -> Made:
        bare = _along(self.right, _undoubled)
        yield "two", "", bare or _over(self.right, 2)

    def _averaged(self) -> Iterator[Slip | None]:
        sums = any(True for _ in self._one_example())
        for n in sorted({*self.sizes, *self.counts}):
            yield self._slip("averaged", str(n), _over(self.right, n), here=sums and n in self.sizes)

    def _both(self, squares: bool) -> Iterator[Slip | None]:
        for n in self.counts if squares else ():
            yield self._slip("mean", f"{n} and 2", _over(_times(self.right, n), 2), here=False)

    def _signed(self) -> ast.expr:
        return _along(self.right, _swapped) or negative(substitute(self.right, {}))

    # -- one for another --------------------------------------------------------------------------------------------

    def _turned(self) -> Iterator[Slip | None]:
        """The block turned over, which is a mistake of this line where rows meet columns, and the line with one of its
        transposes left out."""
        shape = self.line.shape
        if len(shape) == 2 and shape[0] == shape[1]:
            turned = ast.Attribute(substitute(self.right, {}), "T", ast.Load())
            yield self._slip("transposed", "", turned, here=_products(self.right))
        turns = sum(isinstance(node, ast.Attribute) and node.attr in ("T", "mT") for node in ast.walk(self.right))
        for which in range(turns):
            yield self._slip("transposed", str(which + 1), _Unturned(which).visit(substitute(self.right, {})))

    def _neighbours(self) -> Made:
        """Another tensor of the same kind, or the first of a block for all of them."""
        for key in self._factors():
            for other in self._siblings(key):
                yield "neighbour", f"{key} {other}", _exchanged(self.right, key, tensor_node(other))
            shape = self.program.shapes[key]
            if shape == self.line.shape and shape and shape[-1] > 1:
                yield "neighbour", key, _exchanged(self.right, key, _first(key, len(shape)))

    def _before(self) -> Made:
        """What went into a function where its result belongs."""
        for key in self._factors():
            for step in self.program.steps:
                match step.expression:
                    case ast.Call(func=ast.Name(), args=[ast.Name(id=given)]) if step.result == key:
                        if self.program.shapes[given] == self.program.shapes[key]:
                            yield "before", f"{key} {given}", _exchanged(self.right, key, tensor_node(given))

    def _factors(self) -> list[str]:
        """The tensors that the line multiplies a gradient with."""
        return [key for key in dict.fromkeys(mentioned(self.right)) if ".g" not in key] if self.gradients else []

    def _siblings(self, key: str) -> list[str]:
        """Tensors that are made in the same way: ``a2`` for ``a1``."""
        forms = {step.result: _form(step.expression) for step in self.program.steps}
        stem = key.rstrip("0123456789")
        return [
            other
            for other in (*self.program.leaves, *forms)
            if other != key
            and other.rstrip("0123456789") == stem
            and self.program.shapes[other] == self.program.shapes[key]
            and forms.get(other) == forms.get(key)
        ]


# -- trees ----------------------------------------------------------------------------------------------------------


def _along(node: ast.expr, change: Change) -> ast.expr | None:
    """A copy in which the first part that ``change`` applies to is changed; looked for only where a factor of the part is a
    factor of the whole."""
    changed = change(node)
    if changed is not None:
        return changed
    for field, owner in _whole_parts(node):
        part = _along(getattr(owner, field), change)
        if part is not None:
            copy = substitute(node, {})
            twin = next(twin for name, twin in _whole_parts(copy) if name == field)
            setattr(twin, field, part)
            return copy
    return None


def _whole_parts(node: ast.expr) -> list[tuple[str, ast.expr]]:
    """The parts of a node that it is proportional to, each as the field of a node that holds it."""
    match node:
        case ast.BinOp(op=ast.Mult() | ast.MatMult()):
            return [("left", node), ("right", node)]
        case ast.BinOp(op=ast.Div()):
            return [("left", node)]
        case ast.UnaryOp(op=ast.USub()):
            return [("operand", node)]
        case ast.Call(func=ast.Attribute(attr="sum" | "reshape") as method):
            return [("value", method)]
        case ast.Attribute() | ast.Subscript() if tensor_key(node) is None:
            return [("value", node)]
    return []


def _undivided(node: ast.expr, n: int) -> ast.expr | None:
    match node:
        case ast.BinOp(left=left, op=ast.Div(), right=right) if number_of(right) == n:
            return left
    return None


def _undoubled(node: ast.expr) -> ast.expr | None:
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right) if 2 in (number_of(left), number_of(right)):
            return right if number_of(left) == 2 else left
    return None


def _swapped(node: ast.expr) -> ast.expr | None:
    match node:
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return ast.BinOp(right, ast.Sub(), left)
    return None


def _times(node: ast.expr, n: int) -> ast.expr:
    return ast.BinOp(substitute(node, {}), ast.Mult(), ast.Constant(n))


def _over(node: ast.expr, n: int) -> ast.expr:
    return ast.BinOp(substitute(node, {}), ast.Div(), ast.Constant(n))


def _first(key: str, rank: int) -> ast.expr:
    """The first of a block, for all of them: ``a[0]``, or of every row ``a[:, :1]``."""
    text = f"{key}[0]" if rank == 1 else f"{key}[{':, ' * (rank - 1)}:1]"
    return ast.parse(text, mode="eval").body


def _exchanged(node: ast.expr, key: str, other: ast.expr) -> ast.expr:
    """A copy with one tensor for another; its gradient, which has its name in it, stays."""
    return _Exchanged(key, other).visit(substitute(node, {}))


class _Exchanged(ast.NodeTransformer):
    def __init__(self, key: str, other: ast.expr):
        self.key, self.other = key, other

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self.other if node.id == self.key else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return node if tensor_key(node) else self.generic_visit(node)


def _opened(node: ast.expr) -> ast.expr:
    return _Opened().visit(substitute(node, {}))


class _Opened(ast.NodeTransformer):
    """Every comparison is let through."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        return ast.Constant(1)


class _Unturned(ast.NodeTransformer):
    """One transpose is left out."""

    def __init__(self, which: int):
        self.left = which

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if node.attr in ("T", "mT"):
            self.left -= 1
            if self.left == -1:
                return node.value
        return self.generic_visit(node)


class _OneExample(ast.NodeTransformer):
    """Sums over the first axis of a batch keep one of its examples; ``found`` says whether there was one."""

    def __init__(self, shape: Callable[[ast.AST], Shape], size: int, example: int):
        self.shape, self.size, self.example, self.found = shape, size, example, False

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node:
            case ast.Call(func=ast.Attribute(value=base, attr="sum"), args=arguments, keywords=words) if self._batch(
                base
            ) and (not arguments or number_of(arguments[0]) == 0):
                self.found = True
                if words:
                    return self._run(base)
                one = ast.Subscript(base, ast.Constant(self.example), ast.Load())
                rest = len(self.shape(base)) > 1 and not arguments
                return ast.Call(ast.Attribute(one, "sum", ast.Load()), [], []) if rest else one
        return self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        match node:
            case ast.BinOp(left=ast.Attribute(value=left, attr="T"), op=ast.MatMult() as op, right=right) if (
                self._batch(left, right)
            ):
                self.found = True
                turned = ast.Attribute(self._run(left), "T", ast.Load())
                return ast.BinOp(turned, op, self._run(right))
            case ast.BinOp(left=left, op=ast.MatMult(), right=right) if (
                not _is_turned(right) and len(self.shape(left)) == 1 and self._batch(left, right)
            ):
                self.found = True
                one, other = (ast.Subscript(part, ast.Constant(self.example), ast.Load()) for part in (left, right))
                return ast.BinOp(one, ast.Mult(), other)
        return self.generic_visit(node)

    def _batch(self, *parts: ast.expr) -> bool:
        gradients = any(".g" in key for part in parts for key in mentioned(part))
        return gradients and all(self.shape(part)[:1] == (self.size,) for part in parts)

    def _run(self, node: ast.expr) -> ast.expr:
        start = ast.Constant(self.example) if self.example else None
        return ast.Subscript(node, ast.Slice(start, ast.Constant(self.example + 1)), ast.Load())


def _products(node: ast.expr) -> bool:
    """Whether rows meet columns: a matrix product, or an outer one (``a[:, None] * g``)."""
    return any(isinstance(part, ast.MatMult) or ast.unparse(part).endswith("None]") for part in ast.walk(node))


def _is_turned(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in ("T", "mT")


def _compares(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Compare) for part in ast.walk(node))


def _sums(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Call) and ast.unparse(part.func).endswith(".sum") for part in ast.walk(node))


def _twos(node: ast.expr) -> bool:
    """Whether a 2 stands there as a factor: the slope of a square."""
    return any(_undoubled(part) is not None for part in ast.walk(node) if isinstance(part, ast.BinOp))


def _divisors(program: Program) -> list[int]:
    """The whole numbers that the backward pass divides by: the n of its means."""
    found = set()
    for line in program.backward:
        for node in ast.walk(line.expression):
            match node:
                case ast.BinOp(op=ast.Div(), right=ast.Constant(value=n)) if n > 1 and float(n).is_integer():
                    found.add(int(n))
    return sorted(found)


def _form(node: ast.expr) -> str:
    """An expression with its names left out, so that lines which do the same look the same."""
    return ast.unparse(substitute(node, dict.fromkeys(mentioned(node), ast.Name("_", ast.Load()))))
