"""Nudges judged: the one place of gradcheck that asks the table of agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.tables.agreement import AGREE, DISAGREE

UNKNOWN = "?"
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
    """Verdicts, with the one-sided slopes and what the gradient may be off by: arrays like those of the nudges."""

    sign: np.ndarray
    gradient: np.ndarray
    slope: np.ndarray
    left: np.ndarray
    right: np.ndarray
    allowed: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """How far the gradients are off, in the larger of the two; 0 where nothing is known."""
        size = np.maximum(np.abs(self.slope), np.abs(self.gradient))
        with np.errstate(all="ignore"):
            return np.nan_to_num(np.abs(self.slope - self.gradient) / np.where(size > 0, size, 1.0))


def judged(nudged: Nudged, gradient: np.ndarray) -> Judged:
    """Whether the gradients (sets × inputs) are the slopes. Where a number is missing (NaN) nothing can be told."""
    up, down, up_half, down_half, h, loss = (
        getattr(nudged, w) for w in ["up", "down", "up_half", "down_half", "h", "loss"]
    )
    with np.errstate(all="ignore"):  # TEMPORARY until the table of agreement has the halved nudge
        right, left, slope, half = (up - loss) / h, (loss - down) / h, (up - down) / 2 / h, (up_half - down_half) / h
        carried = np.maximum(abs(loss), abs(nudged.value * gradient))
        noise = 64 * 2.22e-16 * carried / h
        known = 1.5 * abs(slope - half) + noise
        off, size = abs(slope - gradient), np.maximum(abs(slope), abs(gradient))
        corner = abs(up_half + down_half - 2 * loss) / (h / 2) > 0.75 * abs(right - left)
        corner &= abs(right - left) > 10 * noise
        between = (gradient >= np.minimum(right, left) - noise) & (gradient <= np.maximum(right, left) + noise)
        sign = np.where(
            off <= known,
            np.where((known <= 0.01 * size) | (size == 0), AGREE, UNKNOWN),
            np.where(off > 10 * known, DISAGREE, UNKNOWN),
        )
        sign = np.where(corner & between, "kink", sign)
        allowed = known
    known = np.isfinite(slope) & np.isfinite(gradient) & np.isfinite(nudged.loss)
    return Judged(np.where(known, sign, UNKNOWN), gradient, slope, left, right, allowed)


def overall(signs: np.ndarray) -> np.ndarray:
    """The verdict an input (axis 1) over all sets of numbers (axis 0, the given ones first).

    What disagrees anywhere disagrees. Otherwise it is what the given numbers say, or, where these cannot tell, ✓ if it
    agrees elsewhere.
    """
    given = signs[0]
    elsewhere = np.where((given == UNKNOWN) & (signs == AGREE).any(axis=0), AGREE, given)
    return np.where((signs == DISAGREE).any(axis=0), DISAGREE, elsewhere)
