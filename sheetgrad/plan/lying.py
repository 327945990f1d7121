"""Which way vectors lie: in a row, or standing in a column."""

from __future__ import annotations

import ast

from sheetgrad.autodiff.program import Program
from sheetgrad.formulas.expressions import Expr, Fold, Ref, children
from sheetgrad.lines.names import tensor_key
from sheetgrad.plan.blocks import MOST_SHEET_COLUMNS


def lie(program: Program) -> dict[str, str]:
    """For each vector, whether it lies in a ``row`` or stands in a ``column``.

    A vector whose elements go with the rows of a matrix (one number an example) stands in a column, so that it
    fills down beside them; vectors that meet element by element lie the same way. In a matrix product the left one lies
    and the right one stands, as they are drawn. Found from how the indices of
    neighbouring elements, and of neighbouring terms of a sum, move together.
    """
    votes: dict[str, str] = {}
    same: dict[str, str] = {}

    def root(name: str) -> str:
        while same.get(name, name) != name:
            name = same[name]
        return name

    def meet(moves: list[tuple[str, int, int]]) -> None:
        """Tensors whose index moves in the same step: vectors together, matrices give the direction."""
        vectors = [name for name, rank, _ in moves if rank == 1]
        for a, b in zip(vectors, vectors[1:], strict=False):
            ra, rb = root(a), root(b)
            if ra != rb:
                same[rb] = ra
                if rb in votes:
                    votes.setdefault(ra, votes[rb])
        axes = [axis for _, rank, axis in moves if rank >= 2]
        if vectors and axes:
            votes.setdefault(root(vectors[0]), "column" if axes[0] == 0 else "row")

    for line in program.forward:
        cells = program.cells[line.target]
        origin = (0,) * cells.ndim
        first = cells.element(origin)
        for axis, size in enumerate(cells.shape):
            if size > 1:
                step = tuple(int(k == axis) for k in range(cells.ndim))
                offset = 2 - cells.ndim if cells.ndim > 2 else 0
                meet([(line.target, cells.ndim, axis + offset), *_moves(first, cells.element(step))])
        for terms in _folds(first):
            meet(_moves(terms[0], terms[1]))
    names = [name for name, shape in program.shapes.items() if len(shape) == 1 and "." not in name]
    lying = {name: votes.get(root(name), "row") for name in names} | _in_products(program)
    for line in program.backward:
        name = line.target.split(".")[0]
        if len(line.shape) == 1:
            lying[line.target] = lying.get(name, "row")
    too_long = {key for key in lying if program.shapes[key][0] > MOST_SHEET_COLUMNS // 2}
    return lying | dict.fromkeys(too_long, "column")


def _in_products(program: Program) -> dict[str, str]:
    """How vectors lie that are factors of a matrix product, by the first."""
    found: dict[str, str] = {}
    for line in program.forward:
        for node in ast.walk(line.expression):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
                for part, way in ((node.left, "row"), (node.right, "column")):
                    key = tensor_key(part)
                    if key and len(program.shapes[key]) == 1:
                        found.setdefault(key, way)
    return found


def _moves(one: Expr, other: Expr) -> list[tuple[str, int, int]]:
    """(tensor, rank, axis) of every reference whose index differs between two elements of the same form."""
    if isinstance(one, Ref) and isinstance(other, Ref):
        changed = [k for k, (i, j) in enumerate(zip(one.index, other.index, strict=False)) if i != j]
        rank = len(one.index)
        return [(one.tensor, rank, changed[0] - max(0, rank - 2))] if changed and one.tensor == other.tensor else []
    pairs = zip(children(one), children(other), strict=False)
    return [move for a, b in pairs for move in _moves(a, b)]


def _folds(expression: Expr) -> list[tuple[Expr, ...]]:
    own = [expression.terms] if isinstance(expression, Fold) else []
    inner = expression.terms[:1] if isinstance(expression, Fold) else children(expression)
    return [*own, *(terms for child in inner for terms in _folds(child))]
