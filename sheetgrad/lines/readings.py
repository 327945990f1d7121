"""What the primitives of the language are on numbers, on complex numbers and on cells.

On complex numbers x + ih a line shows its slope (Squire and Trapp, "Using Complex Variables to Estimate Derivatives of
Real Functions", 1998): with h = 1e-200 nothing of second order is left, and a comparison that NumPy makes by the real and
then by the imaginary part is one of numbers moved by an infinitesimal step, so that slopes are exact on either side of a kink.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sheetgrad.lines import cells
from sheetgrad.lines.parse import LanguageError


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


def _real_of(function: Callable) -> Callable:
    """A function of what does not move: conditions and labels."""
    return lambda *arguments: function(*(np.real(argument) for argument in arguments))


def _abs_complex(a):
    return np.where(a < 0, -np.asarray(a), a)


def _erf_complex(a):
    """erf and its slope, 2/√π · exp(−x²) (Abramowitz and Stegun, 7.1.1): NumPy has no complex one."""
    x, step = np.real(a), np.imag(a)
    return NUMBERS["erf"](x) + 1j * step * 2 / math.sqrt(math.pi) * np.exp(-np.square(x))


COMPLEX: dict[str, Callable] = NUMBERS | {
    "abs": _abs_complex,
    "sign": lambda a: np.where(a > 0, 1.0, np.where(a < 0, -1.0, 0.0)),
    "erf": _erf_complex,
    "one_hot": _real_of(_one_hot_numbers),
}
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
