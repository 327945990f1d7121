"""How much room a tensor takes on a sheet, and where its elements then stand."""

from __future__ import annotations

import math

import numpy as np

from sheetgrad.formulas.expressions import Shape
from sheetgrad.formulas.places import Placement


def extent(shape: Shape, lying: str = "row") -> tuple[int, int]:
    """Rows and columns of a tensor's block. Tensors of rank 3 and more are 2-D panels below one another, each under
    a row with its label."""
    match shape:
        case ():
            return 1, 1
        case (n,):
            return (1, n) if lying == "row" else (n, 1)
        case (rows, columns):
            return rows, columns
    *stack, rows, columns = shape
    return math.prod(stack) * (rows + 1), columns


def placed(sheet: str, row: int, column: int, shape: Shape, lying: str = "row") -> Placement:
    """The placement of a block that starts at ``row``, ``column`` (for panels: at the first label)."""
    match shape:
        case ():
            steps: tuple[tuple[int, int], ...] = ()
        case (_,):
            steps = ((0, 1),) if lying == "row" else ((1, 0),)
        case (_, _):
            steps = ((1, 0), (0, 1))
        case (*stack, rows, _):
            strides = [(rows + 1) * math.prod(stack[k + 1 :]) for k in range(len(stack))]
            steps = (*((stride, 0) for stride in strides), (1, 0), (0, 1))
            row += 1
    return Placement(sheet, row, column, shape, steps)


def panels(shape: Shape) -> list[tuple[int, ...]]:
    """The leading indices of the 2-D panels of a tensor: one empty index for rank 2 and less."""
    return list(np.ndindex(shape[:-2])) if len(shape) > 2 else [()]
