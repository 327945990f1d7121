"""How far rounding can move the loss: the error of every value times the gradient that carries it there.

A value v of a pass is off by about ε of itself, which moves the loss by v.g as much; added up over the values without
regard to sign this is ε·Σ|v·v.g|, to first order (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed.,
section 3.1). Each term is a line over v and v.g, bounded by √(Σv²·Σv.g²) (Cauchy and Schwarz), which a sheet can say in
plain sums of squares. What a line adds up besides its own value, such as the c of ``(c + x) - c``, has a term as well.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from sheetgrad.autodiff.program import Program
from sheetgrad.formulas.expressions import Shape
from sheetgrad.lines.evaluate import evaluate, shape_of
from sheetgrad.lines.names import tensor_key
from sheetgrad.lines.readings import NUMBERS


def rounding_terms(program: Program) -> dict[str, ast.expr]:
    """For every value of a nudged pass the line of what an error of 100 % in it, and in what its line adds up, would do
    to the loss, by its name; each is a single number."""
    terms = {name: [_term(name, f"{name}.g")] for name in program.requested if f"{name}.g" in program.shapes}
    for line in program.forward_after(program.requested):
        gradient = f"{line.target}.g"
        if gradient in program.shapes and program.shapes[gradient] == line.shape:
            terms[line.target] = [_term(line.target, gradient)]
        elif line.target == program.loss:
            gradient = ""
            terms[line.target] = [f"abs({line.target})"]
        else:
            continue

        def shape(node: ast.AST) -> Shape:
            return shape_of(node, program.shapes, program.rules)

        inner = dict.fromkeys(_added(line.expression, shape, 1.0, False))  # each once
        terms[line.target] += [_term(name, gradient, factor) for name, factor in inner]
    return {name: ast.parse(" + ".join(parts), mode="eval").body for name, parts in terms.items()}


def carried(program: Program, values: Mapping[str, np.ndarray]) -> float:
    """Σ|v·v.g| on numbers, as bounded by the terms."""
    with np.errstate(all="ignore"):
        return float(sum(evaluate(term, values, NUMBERS, program.rules) for term in rounding_terms(program).values()))


def _term(name: str, gradient: str, factor: float = 1.0) -> str:
    """√(Σv²·Σv.g²), times the root of ``factor``: how many elements of the gradient an element of v meets."""
    times = f"{factor:g} * " if factor != 1 else ""
    return f"sqrt({times}({name} ** 2).sum()" + (f" * ({gradient} ** 2).sum())" if gradient else ")")


def _added(
    node: ast.AST, shape: Callable[[ast.AST], Shape], spread: float, inside: bool
) -> Iterator[tuple[str, float]]:
    """The tensors that an expression adds or subtracts, with how many elements of the result each element meets."""
    key = tensor_key(node)
    if key is not None:
        if inside:
            yield key, spread
        return
    match node:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            for part in (left, right):
                wider = _count(shape(node)) / max(1, _count(shape(part)))
                yield from _added(part, shape, spread * wider, True)
        case ast.UnaryOp(operand=operand):
            yield from _added(operand, shape, spread, inside)
        case ast.Call(func=ast.Attribute(value=summed, attr="sum" | "mean" as how)):
            each = _count(shape(summed)) / max(1, _count(shape(node)))
            yield from _added(summed, shape, spread * each if how == "sum" else spread / each, inside)


def _count(shape: Shape) -> int:
    return int(np.prod(shape, dtype=int))
