"""Nudges judged: the one place of gradcheck that asks the table of agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.tables.agreement import AGREE, AGREEMENT, DISAGREE, UNKNOWN

Selection = slice | Sequence[int]
ALL = slice(None)


@dataclass(frozen=True)
class Nudged:
    """What nudges gave: arrays of a row a set of numbers, a column an input; ``loss`` has one column.

    ``up`` and ``down`` are the losses with the input ``h`` larger and smaller, ``up_half`` and ``down_half`` with half of it; NaN
    where the loss is no number.
    """

    value: np.ndarray
    h: np.ndarray
    loss: np.ndarray
    up: np.ndarray
    down: np.ndarray
    up_half: np.ndarray
    down_half: np.ndarray

    def part(self, sets: Selection = ALL, inputs: Selection = ALL) -> Nudged:
        """Some of the sets and of the inputs."""
        arrays = {name: getattr(self, name)[sets] for name in self.__dataclass_fields__}
        return Nudged(**{name: array if name == "loss" else array[:, inputs] for name, array in arrays.items()})

    @property
    def slope(self) -> np.ndarray:
        """The central difference, with what the halved step shows of its error taken away (Richardson, 1911)."""
        whole, half = (self.up - self.down) / (2 * self.h), (self.up_half - self.down_half) / self.h
        return (4 * half - whole) / 3


@dataclass(frozen=True)
class Judged:
    """Verdicts, with the one-sided slopes and how well the slope is known: arrays like those of the nudges."""

    sign: np.ndarray
    gradient: np.ndarray
    slope: np.ndarray
    left: np.ndarray
    right: np.ndarray
    doubt: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """How far the gradients are off, in the larger of the two; 0 where nothing is known."""
        size = np.maximum(np.abs(self.slope), np.abs(self.gradient))
        with np.errstate(all="ignore"):
            return np.nan_to_num(np.abs(self.slope - self.gradient) / np.where(size > 0, size, 1.0))


def judged(nudged: Nudged, gradient: np.ndarray) -> Judged:
    """Whether the gradients (sets × inputs) are the slopes. Where a number is missing (NaN) nothing can be told."""
    words = ("value", "h", "loss", "up", "down", "up_half", "down_half")
    known = {word: getattr(nudged, word) for word in words} | {"gradient": gradient}
    known["carried"] = np.maximum(np.abs(nudged.loss), np.abs(nudged.value * gradient))  # as far as it is known here
    with np.errstate(all="ignore"):
        found = AGREEMENT.on_numbers(known, exact=True)
        left, right, doubt = (found[word].value for word in ("left", "right", "doubt"))
        sign = np.where(np.isfinite(gradient), found["sign"].value, UNKNOWN)
    return Judged(sign, gradient, nudged.slope, left, right, doubt)


def overall(signs: np.ndarray) -> np.ndarray:
    """The verdict an input (axis 1) over all sets of numbers (axis 0, the given ones first).

    What disagrees anywhere disagrees. Otherwise it is what the given numbers say, or, where these cannot tell, ✓ if it
    agrees elsewhere.
    """
    given = signs[0]
    elsewhere = np.where((given == UNKNOWN) & (signs == AGREE).any(axis=0), AGREE, given)
    return np.where((signs == DISAGREE).any(axis=0), DISAGREE, elsewhere)
