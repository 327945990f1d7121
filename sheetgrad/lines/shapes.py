"""Shapes and how they go together, by NumPy's rules."""

from __future__ import annotations

from sheetgrad.formulas.expressions import Shape

MOST_ELEMENTS = 1_000_000  # of any tensor, also one in the middle of a line


class ShapeError(ValueError):
    """Two shapes, or a shape and an axis, that do not go together."""


def shape_text(shape: Shape) -> str:
    """A shape as a person writes it: ``4×3``, ``3`` for a vector, ``a single number``."""
    return "×".join(map(str, shape)) if shape else "a single number"


def broadcast_shape(*shapes: Shape) -> Shape:
    """The common shape by NumPy's rule; ``ShapeError`` names the first pair of sizes that disagrees."""
    rank = max(map(len, shapes))
    result = []
    for axis in range(-rank, 0):
        sizes = {shape[axis] for shape in shapes if len(shape) >= -axis} - {1}
        if len(sizes) > 1:
            raise ShapeError(" ≠ ".join(str(s[axis]) for s in shapes if len(s) >= -axis and s[axis] != 1))
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


def checked_axis(axis: int, shape: Shape) -> int:
    """``axis`` counted from the front; ``ShapeError`` when ``shape`` has no such axis."""
    if not isinstance(axis, int) or isinstance(axis, bool):
        raise ShapeError("an axis is a whole number")
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"there is no axis {axis} in {shape_text(shape)}")
    return axis % len(shape)
