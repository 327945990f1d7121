"""The sets of numbers that a workbook is tried on: those that stand in it, some near them, some far from them.

A slip can be too small to see at one set of numbers: two activations that are nearly equal, a ReLU that is open
everywhere. At others it shows. All sets are the same ones in every run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

GIVEN, NEAR, FAR, ALONE = "given", "near", "far", "alone"  # alone: the given ones but for one
SEED = 12
NEARBY = 0.3  # a number near x is at most this part of x away
REACHES = (2.0, 1.0, 2.0, 4.0)  # of the far sets in turn, in the largest number of the range; the first keeps signs
DIGITS = 3  # of a drawn number, so that it can be typed in

Cell = tuple[str, str]  # sheet, cell
Numbers = Mapping[Cell, float]


@dataclass(frozen=True)
class Drawn:
    """One set: the number of every input cell, and which kind of set it is."""

    kind: str
    numbers: Numbers

    def as_dict(self, given: Drawn) -> dict:
        """The kind, and the numbers that are not the given ones."""
        numbers = {"!".join(cell): x for cell, x in self.numbers.items() if x != given.numbers[cell]}
        return {"kind": self.kind, "numbers": numbers}


def drawn(ranges: Sequence[Numbers], near: int, far: int, seed: int = SEED) -> list[Drawn]:
    """The given numbers, then ``near`` sets near them and ``far`` sets far from them.

    ``ranges`` hold the numbers of each range of inputs; what is drawn for one keeps to its size. Near, a number keeps
    its sign, and a 0 moves within the size of its range, upwards only where nothing in the range is negative. Far, it
    is any number of up to ``REACHES`` times the largest of its range; in the first of every four sets it keeps its sign.
    """
    random = np.random.default_rng(seed)
    sets = [Drawn(GIVEN, {cell: number for numbers in ranges for cell, number in numbers.items()})]
    for kind, count in ((NEAR, near), (FAR, far)):
        for k in range(count):
            found: dict[Cell, float] = {}
            for numbers in ranges:
                x = np.array(list(numbers.values()))
                moved = _near(x, random) if kind == NEAR else _far(x, k, random)
                found |= zip(numbers, map(_typed, moved), strict=True)
            sets.append(Drawn(kind, found))
    return sets


def _size(x: np.ndarray) -> float:
    return float(np.abs(x).max(initial=0.0)) or 1.0


def _near(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    part = random.uniform(-NEARBY, NEARBY, x.shape)
    aside = part * _size(x)
    return np.where(x != 0, x * (1 + part), np.abs(aside) if (x >= 0).all() else aside)


def _far(x: np.ndarray, k: int, random: np.random.Generator) -> np.ndarray:
    reach = REACHES[k % len(REACHES)] * _size(x)
    far = random.uniform(-reach, reach, x.shape)
    return np.abs(far) * np.where(x < 0, -1, 1) if k % len(REACHES) == 0 else far


def _typed(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")
