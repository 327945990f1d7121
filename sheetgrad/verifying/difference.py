"""How far a value may be from what NumPy says (DESIGN, section 5): the same operations in double precision."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sheetgrad.xlsx.grid import ErrorValue, Value

RELATIVE = 1e-9


def difference(
    found: Value, expected: float | str | tuple, tolerance: float, near_zero: float
) -> tuple[float, float, bool]:
    """Absolute and relative error as measured, and whether it is within bounds.

    ``tolerance`` may be added to the usual bound, ``near_zero`` is that for numbers near 0. The relative error of an
    expected 0 counts as 0: it has none. Where NumPy has no finite number, a spreadsheet must show an error, and the other
    way round.
    """
    if isinstance(expected, tuple):  # several, of which any will do
        return min((difference(found, one, tolerance, near_zero) for one in expected), key=lambda one: not one[2])
    if isinstance(expected, str):  # an empty text may come as nothing
        return 0.0, 0.0, ("" if found is None else found) == expected
    if not math.isfinite(expected):
        return 0.0, 0.0, isinstance(found, ErrorValue)
    if isinstance(found, bool):
        found = float(found)
    if not isinstance(found, float):
        return 0.0, 0.0, False
    absolute = abs(found - float(expected))
    relative = absolute / abs(expected) if expected else 0.0
    return absolute, relative, bool(absolute <= RELATIVE * abs(expected) + near_zero + tolerance)


def numbers_of(lines: Sequence[Sequence[Value]]) -> np.ndarray | None:
    """The cells of a block as an array; None unless every one is a number."""
    if all(set(map(type, line)) == {float} for line in lines):
        return np.array(lines)
    return None


def largest_differences(
    found: np.ndarray, expected: np.ndarray, tolerance: float | np.ndarray, near_zero: float
) -> tuple[float, float] | None:
    """The largest absolute and relative error of a whole block of numbers, as :func:`difference` measures them; None
    when one is out of bounds, or NumPy has no number for it."""
    absolute, size = np.abs(found - expected), np.abs(expected)
    if not np.all(absolute <= RELATIVE * size + near_zero + tolerance):  # false for NaN, too
        return None
    if not np.isfinite(size).all():
        return None
    relative = np.divide(absolute, size, out=np.zeros_like(absolute), where=size > 0)
    return float(absolute.max(initial=0.0)), float(relative.max(initial=0.0))
