"""The usual slips: wrong gradients that many students arrive at, so that a hint can name what went wrong.

Each slip is computed from the right backward line, turned wrong in one way, on the same numbers. A student's cell is
recognised when it shows the slip's number and not the right one, on all the numbers that it was tried on.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sheetgrad.autodiff.program import Line, Program, run_lines
from sheetgrad.lines.names import tensor_key
from sheetgrad.lines.parse import LanguageError

Values = Mapping[str, np.ndarray]

HINTS = {
    "sum": "Only one example is counted. This number is used by every example of the batch, and each adds its part.",
    "transposed": "Rows and columns are exchanged. Which row of one block meets which column of the other?",
    "mean": "The size is off by a whole factor. Where did the 1/n of the mean go?",
    "averaged": "Averaged where it should be summed: the 1/n of the mean is in the gradient that you start from already.",
    "two": "A factor of 2 is missing. How fast does a square grow?",
    "sign": "The size is right, the sign is not. Which way does the loss move when this number grows?",
    "mask": "The mask is missing: where the ReLU (or another comparison) shut, nothing passes back.",
    "slope": "The gradient went through the function unchanged. Multiply by the slope of the function at that place.",
}


@dataclass(frozen=True)
class Slip:
    """A wrong gradient of the whole block. ``name`` is that of the slip in :data:`HINTS`, ``which`` tells the ways to
    make it apart: with ``name`` it is the same on any numbers."""

    name: str
    which: int
    values: np.ndarray


def usual_slips(program: Program, key: str, values: Values) -> list[Slip]:
    """The slips for the gradient ``key``, given all other values; likelier ones first.

    ``values`` holds every tensor and gradient; those that are not the student's own are right. On some numbers a
    slip may be missing, where it gives nothing or no number.
    """
    line = next(line for line in reversed(program.backward) if line.target == key)
    right = np.asarray(values[key], dtype=float)
    counts, sizes = _divisors(program), _batch_sizes(program, line)
    averaged = [("averaged", n, right / n) for n in sorted({*sizes, *counts})]
    squares = [_twos(line), any(map(_twos, program.backward))]  # in this line, or anywhere
    half = [("two", 0, right / 2)]
    made = [
        *_without_mask(program, line, values),
        *_examples(program, line, values),
        *_turned(program, line, values, right),
        *_unchanged(line, values),
        *(("mean", n, right * n) for n in counts),
        *(half if squares[0] else []),
        *averaged,
        *(half if squares[1] and not squares[0] else []),
        *(("mean", -n, right * n / 2) for n in counts if squares[1]),
        ("sign", 0, -right),
    ]
    return [Slip(*one) for one in made if one[2].shape == right.shape and np.isfinite(one[2]).all()]


Made = Iterator[tuple[str, int, np.ndarray]]


def _run(program: Program, line: Line, values: Values) -> np.ndarray | None:
    """The line on these values; None where it makes no sense, as a line turned wrong may not."""
    try:
        return run_lines([line], values, program.rules)[line.target]
    except (LanguageError, ValueError, TypeError, IndexError, AttributeError):
        return None


def _without_mask(program: Program, line: Line, values: Values) -> Made:
    """Every comparison let through: in this line, and in all lines that lead to it."""
    if any(isinstance(node, ast.Compare) for node in ast.walk(line.expression)):
        if (wrong := _run(program, _open(line), values)) is not None:
            yield "mask", 0, wrong
    elif any(isinstance(node, ast.Compare) for other in program.backward for node in ast.walk(other.expression)):
        wrong = run_lines([_open(other) for other in program.backward], values, program.rules)[line.target]
        yield "mask", 0, wrong


class _Opened(ast.NodeTransformer):
    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        return ast.Constant(1)


def _open(line: Line) -> Line:
    return Line(line.target, _copied(_Opened(), line), line.shape, line.step)


def _copied(transformer: ast.NodeTransformer, line: Line) -> ast.expr:
    tree = ast.parse(ast.unparse(line.expression), mode="eval").body
    return ast.fix_missing_locations(transformer.visit(tree))


def _examples(program: Program, line: Line, values: Values) -> Made:
    """What a single example adds, where the line sums over the batch: the first axis of the gradients in it."""
    for example, part in enumerate(_parts(program, line, values)):
        yield "sum", example, part


def _parts(program: Program, line: Line, values: Values) -> list[np.ndarray]:
    gradients = [key for key in line.operands if key.endswith(".g") and np.ndim(values[key])]
    sizes = {np.shape(values[key])[0] for key in gradients}
    if len(sizes) != 1 or sizes == {1}:
        return []
    parts = []
    for example in range(sizes.pop()):
        alone = {key: _only(values[key], example) for key in gradients}
        part = _run(program, line, {**values, **alone})
        if part is None:
            return []
        parts.append(part)
    busy = sum((part != 0).astype(int) for part in parts)
    return parts if (busy > 1).any() else []  # every number has its own example: nothing is summed


def _only(value: np.ndarray, example: int) -> np.ndarray:
    alone = np.zeros_like(value)
    alone[example] = value[example]
    return alone


def _turned(program: Program, line: Line, values: Values, right: np.ndarray) -> Made:
    """The block turned over, and the line with one of its transposes left out."""
    if right.ndim == 2 and right.shape[0] == right.shape[1]:
        yield "transposed", -1, right.T
    count = sum(isinstance(node, ast.Attribute) and node.attr in ("T", "mT") for node in ast.walk(line.expression))
    for which in range(count):
        wrong = _run(program, Line(line.target, _copied(_Unturned(which), line), line.shape, line.step), values)
        if wrong is not None:
            yield "transposed", which, wrong


class _Unturned(ast.NodeTransformer):
    def __init__(self, which: int):
        self.left = which

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if node.attr in ("T", "mT"):
            self.left -= 1
            if self.left == -1:
                return node.value
        return self.generic_visit(node)


def _unchanged(line: Line, values: Values) -> Made:
    """The gradient of the result handed on as it came."""
    for which, key in enumerate(line.operands):
        if key.endswith(".g") and np.shape(values[key]) == line.shape and tensor_key(line.expression) != key:
            yield "slope", which, np.asarray(values[key], dtype=float)


def _twos(line: Line) -> bool:
    """Whether a 2 stands in the line as a factor: the slope of a square."""
    return any(
        isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and 2 in (_number(node.left), _number(node.right))
        for node in ast.walk(line.expression)
    )


def _number(node: ast.AST) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _divisors(program: Program) -> list[int]:
    """The whole numbers that the backward pass divides by: the n of its means."""
    found = set()
    for line in program.backward:
        for node in ast.walk(line.expression):
            match node:
                case ast.BinOp(op=ast.Div(), right=ast.Constant(value=n)) if n > 1 and float(n).is_integer():
                    found.add(int(n))
    return sorted(found)


def _batch_sizes(program: Program, line: Line) -> set[int]:
    return {program.shapes[key][0] for key in line.operands if program.shapes[key] and program.shapes[key][0] > 1}
