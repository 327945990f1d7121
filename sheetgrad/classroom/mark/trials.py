"""The numbers that submissions are tried on, and what NumPy says on them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sheetgrad.classroom.give.workshop import Workshop
from sheetgrad.classroom.mark.answers import TYPED
from sheetgrad.classroom.mark.slips import wrong_gradients

TRIALS, DRAWS = 3, 40  # changed numbers that every submission is tried on, and from how many more are chosen
RELATIVE, ABSOLUTE = 1e-6, 1e-9  # how close a cell must come: a student's formula may round in another order

Arrays = Mapping[str, np.ndarray]  # by tensor or gradient


def choose_trials(shop: Workshop) -> list[Arrays]:
    """Everything that NumPy makes of numbers that no student was given. There are more than ``TRIALS`` where fewer
    would let a slip, or a number that does not move, pass for right."""
    drawn = [shop.variants.draw_with_gradients(shop.course.secret, str(k))[1] for k in range(DRAWS)]
    told = [_told(shop, right, drawn[0]) for right in drawn]
    chosen = list(range(TRIALS))
    hidden = {slip: ~np.logical_or.reduce([one[slip] for one in told[:TRIALS] if slip in one]) for slip in told[0]}
    while True:  # the draw that tells most of what is still hidden, until none tells more
        news = [sum(int((cells & one[slip]).sum()) for slip, cells in hidden.items() if slip in one) for one in told]
        best = int(np.argmax(news))
        if not news[best]:
            return [drawn[k] for k in chosen]
        chosen.append(best)
        hidden = {slip: cells & ~told[best].get(slip, False) for slip, cells in hidden.items()}


def _told(shop: Workshop, right: Arrays, first: Arrays) -> dict[tuple, np.ndarray]:
    """For every slip, and for typing in the number of the ``first`` trial: the cells that give it away here."""
    told = {}
    for key in shop.asked:
        for wrong in wrong_gradients(shop.slips[key], shop.right.program, right):
            told[key, *wrong.slip] = ~close(wrong.values, right[key])
        told[key, TYPED, ""] = ~close(first[key], right[key])
    return told


def close(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where the numbers are the same, but for rounding."""
    with np.errstate(invalid="ignore"):
        return np.abs(one - other) <= RELATIVE * np.abs(other) + ABSOLUTE
