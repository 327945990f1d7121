"""What the primitives of the language are on numbers and on cells."""

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
