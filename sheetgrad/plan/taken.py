"""What a line takes of a tensor by an index or a slice, and where a gradient that comes back is added."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.autodiff.program import Line
from sheetgrad.formulas.expressions import Index, Shape
from sheetgrad.lines.evaluate import evaluate
from sheetgrad.lines.names import tensor_key, tensor_node
from sheetgrad.lines.readings import NUMBERS

AXES = ("stack", "panel", "row", "column")  # the last of them, as far as a tensor has any


@dataclass(frozen=True)
class Taken:
    """A part of a tensor: as the line writes it (``x[1:3]``), in ``words`` (``rows 2 and 3``), and its elements."""

    key: str
    text: str
    words: str
    elements: frozenset[Index]

    @property
    def caption(self) -> str:
        return f"{self.text}: {self.words}"


Framed = tuple[Taken, ...]  # parts of a tensor that do not overlap


def taken(line: Line, shapes: Mapping[str, Shape]) -> dict[str, list[Framed]]:
    """By tensor the parts that a line takes of it; apart where they share an element, or would be all of it together."""
    found: dict[str, list[Framed]] = {}
    for node in _subscripts(line.expression):
        key = tensor_key(node.value.value if _turned(node.value) else node.value)
        if key in shapes:
            _add(found.setdefault(key, []), part(key, node, shapes[key]), math.prod(shapes[key]))
    return {key: framed for key, framed in found.items() if framed}


def _add(framed: list[Framed], one: Taken | None, size: int) -> None:
    if one is None or any(one in parts for parts in framed):
        return
    for k, parts in enumerate(framed):
        together = sum(len(other.elements) for other in (*parts, one))
        if together < size and not any(one.elements & other.elements for other in parts):
            framed[k] = (*parts, one)
            return
    framed.append((one,))


def part(key: str, node: ast.Subscript, shape: Shape) -> Taken | None:
    """What is taken of a tensor, perhaps turned; None where that is all of it."""
    size = math.prod(shape)
    numbers = np.asarray(evaluate(node, {key: np.arange(size).reshape(shape)}, NUMBERS)).astype(int).ravel()
    if numbers.size in (0, size):
        return None
    elements = frozenset(tuple(map(int, np.unravel_index(k, shape))) for k in numbers)
    return Taken(key, ast.unparse(node), _words(elements, shape), elements)


def _turned(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "T"


def _words(elements: frozenset[Index], shape: Shape) -> str:
    """``rows 2 to 4, column 1``, counted from 1; axes that are taken whole go without saying."""
    names = ("number",) if len(shape) == 1 else AXES[-len(shape) :]
    axes = [sorted({index[axis] + 1 for index in elements}) for axis in range(len(shape))]
    said = [_along(name, at) for name, at, size in zip(names, axes, shape, strict=True) if len(at) < size]
    return ", ".join(said)


def _along(name: str, at: Sequence[int]) -> str:
    if len(at) == 1:
        return f"{name} {at[0]}"
    if at[-1] - at[0] == len(at) - 1:
        return f"{name}s {at[0]} {'and' if len(at) == 2 else 'to'} {at[-1]}"
    return f"{name}s {', '.join(map(str, at[:-1]))} and {at[-1]}"


def _subscripts(node: ast.AST) -> Iterator[ast.Subscript]:
    """In the order of reading."""
    if isinstance(node, ast.Subscript):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _subscripts(child)


# -- backward ---------------------------------------------------------------------------------------------------------


def added(line: Line) -> list[Taken]:
    """The parts of a gradient to which something is added, unless that is all of it."""
    places = [place for place, _ in _added(line) if place is not None]
    parts = [one for place in places if (one := part(line.target, place, line.shape))]
    reached = frozenset[Index]().union(*(one.elements for one in parts))
    return parts if len(reached) < math.prod(line.shape) else []


def in_words(line: Line) -> list[str]:
    """A line as it is said: ``x.g[1:3] = z.g`` and ``0 elsewhere``, for ``x.g = zeros((4, 3)).at[1:3].add(z.g)``."""
    terms = _added(line)
    if all(place is None for place, _ in terms):
        return [line.text]
    whole = [ast.unparse(value) for place, value in terms if place is None]
    said = [f"{line.target} = {' + '.join(whole)}"] if whole else []
    reached = np.full(line.shape, bool(whole))
    for place, value in terms:
        if place is not None:
            one = part(line.target, place, line.shape)
            here = np.zeros(line.shape, dtype=bool)
            here[tuple(zip(*one.elements, strict=True)) if one else ...] = True
            said.append(_said(ast.unparse(place), value, bool((reached & here).any())))
            reached |= here
    return said if reached.all() else [*said, "0 elsewhere"]


def _said(where: str, value: ast.expr, more: bool) -> str:
    """``x.g[0] = z.g``, or where there is something already, ``x.g[0] += z.g``."""
    if more and isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        return f"{where} -= {ast.unparse(value.operand)}"
    return f"{where} {'+=' if more else '='} {ast.unparse(value)}"


def _added(line: Line) -> list[tuple[ast.Subscript | None, ast.expr]]:
    """What a line adds up, each with the part that it is added to, if not to all."""
    return [_placed(tensor_node(line.target), term) for term in _terms(line.expression)]


def _terms(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _terms(node.left)
        yield from _terms(node.right)
    else:
        yield node


def _placed(whole: ast.expr, term: ast.expr) -> tuple[ast.Subscript | None, ast.expr]:
    match term:
        case ast.Attribute(value=ast.Call() as inner, attr="T"):
            place, value = _placed(ast.Attribute(whole, "T", ast.Load()), inner)
            return (place, value) if place else (None, term)
        case ast.Call(
            func=ast.Attribute(value=ast.Subscript(value=ast.Attribute(attr="at"), slice=index), attr="add"),
            args=[value],
        ):
            return ast.Subscript(whole, index, ast.Load()), value
    return None, term
