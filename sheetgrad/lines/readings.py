"""What the primitives of the language are on numbers, on complex numbers and on cells.

On complex numbers x + ih a line shows its slope (Squire and Trapp, "Using Complex Variables to Estimate Derivatives of
Real Functions", 1998): with h = 1e-200 nothing of second order is left. Which way its choices go is for who reads it to
say (:func:`by_sides`): complex numbers have no order.

A reading may also say how an operator is read, by its type in :mod:`ast`, and a method, as ``.max``.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable

import numpy as np

from sheetgrad.lines import cells
from sheetgrad.lines.parse import COMPARISONS, LanguageError


class Zeros:
    """``zeros(shape).at[key].add(value)``; ``place(value, shape, key)`` does it for one kind of array."""

    def __init__(self, place: Callable, shape, *key):
        self.place, self.shape, self.key = place, shape, key  # no key, or one, which may be None

    @property
    def at(self):
        return self

    def __getitem__(self, key):
        return Zeros(self.place, self.shape, key)

    def add(self, value):
        if not self.key:
            raise LanguageError("expected zeros(shape).at[i].add(g)")
        return self.place(value, self.shape, *self.key)


def _place_numbers(value, shape, key):
    result = np.zeros(shape)
    result[key] = value
    return result


def _one_hot_numbers(labels, scores):
    if np.shape(labels) == np.shape(scores):
        return labels
    return (np.asarray(labels)[..., None] == np.arange(np.shape(scores)[-1])) * 1.0


NUMBERS: dict[str, Callable] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sign": np.sign,
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf, otypes=[float]),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "where": lambda condition, a, b: np.where(np.asarray(condition) != 0, a, b),
    "concatenate": np.concatenate,
    "broadcast_to": np.broadcast_to,
    "one_hot": _one_hot_numbers,
    "zeros": lambda shape: Zeros(_place_numbers, shape),
    "ones": np.ones,
    "flag": lambda truth: np.multiply(truth, 1.0),
}


def by_sides(side: Callable) -> dict[object, Callable]:
    """The part of a reading that chooses between numbers, every choice by ``side(a, b)``: 1 where a lies above b, -1
    where below, 0 where they are equal. Who knows the sides of one pass can so hold another to them."""

    def larger(a, b):
        return np.where(side(a, b) >= 0, a, b)

    def largest(a, axis=None, keepdims=False):
        """In rounds of pairs, so that each choice is one between two."""
        rest = np.ravel(a) if axis is None else np.moveaxis(a, axis, 0)
        while len(rest) > 1:
            pairs = len(rest) // 2
            rest = np.concatenate([larger(rest[:pairs], rest[pairs : 2 * pairs]), rest[2 * pairs :]])
        if not keepdims:
            return rest[0]
        return rest.reshape((1,) * np.ndim(a)) if axis is None else np.moveaxis(rest, 0, axis)

    def compared(holds: Callable) -> Callable:
        return lambda a, b: holds(side(a, b), 0)

    return {
        "maximum": larger,
        "minimum": lambda a, b: np.where(side(a, b) <= 0, a, b),
        "abs": lambda a: np.where(side(a, 0) < 0, -np.asarray(a), a),
        "sign": lambda a: side(a, 0),
        ".max": largest,
        **{kind: compared(holds) for kind, holds in COMPARISONS.items()},
    }


def _erf_complex(a):
    """erf and its slope, 2/√π · exp(−x²) (Abramowitz and Stegun, 7.1.1): NumPy has no complex one."""
    x, step = np.real(a), np.imag(a)
    return NUMBERS["erf"](x) + 1j * step * 2 / math.sqrt(math.pi) * np.exp(-np.square(x))


def _power_complex(a, b):
    """``a ** b`` where NumPy goes by the angle of a, which near π has no room for a step, or says nothing of 0 ** b."""
    a, b = np.asarray(a), np.asarray(b)
    odd = np.where(np.real(b) % 2 == 1, -1.0, 1.0)
    below = (np.real(a) < 0) & (np.real(b) % 1 == 0)
    found = np.where(below, odd * np.where(below, -a, a) ** b, a**b)
    return np.where((a == 0) & (np.real(b) > 0), 0, found)


def _one_hot_complex(labels, scores):
    """Labels do not move; one-hot rows may."""
    return labels if np.shape(labels) == np.shape(scores) else _one_hot_numbers(np.real(labels), scores)


COMPLEX: dict[object, Callable] = NUMBERS | {"erf": _erf_complex, "one_hot": _one_hot_complex, ast.Pow: _power_complex}
CELLS: dict[str, Callable] = {
    "exp": cells.call("EXP"),
    "log": cells.call("LN"),
    "sqrt": cells.call("SQRT"),
    "abs": cells.call("ABS"),
    "sign": cells.call("SIGN"),
    "tanh": cells.call("TANH"),
    "erf": cells.call("ERF"),
    "maximum": cells.call("MAX"),
    "minimum": cells.call("MIN"),
    "where": cells.call("IF"),
    "concatenate": cells.concatenate,
    "broadcast_to": cells.broadcast_to,
    "one_hot": cells.one_hot,
    "zeros": lambda shape: Zeros(cells.place, shape),
    "ones": lambda shape: cells.broadcast_to(1, shape),
    "flag": lambda truth: truth,
}
PRIMITIVES = frozenset(NUMBERS) - {"flag"}
