"""The usual slips (:mod:`sheetgrad.autodiff.slips`) on numbers, and the hint for each.

A student's cell is recognised when it shows the slip's number and not the right one, on all the numbers that it was
tried on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.autodiff.program import Program
from sheetgrad.autodiff.slips import Slip

HINTS = {
    "sum": "Only one example is counted. This number is used by every example of the batch, and each adds its part.",
    "transposed": "Rows and columns are exchanged. Which row of one block meets which column of the other?",
    "mean": "The size is off by a whole factor. Where did the 1/n of the mean go?",
    "averaged": "Averaged where it should be summed: the 1/n of the mean is in the gradient that you start from already.",
    "two": "A factor of 2 is missing. How fast does a square grow?",
    "sign": "The size is right, the sign is not. Which way does the loss move when this number grows?",
    "mask": "The mask is missing: where the ReLU (or another comparison) shut, nothing passes back.",
    "slope": "The gradient went through the function unchanged. Multiply by the slope of the function at that place.",
    "neighbour": "The number of a neighbour stands in it. Which cell of the other block belongs to this one?",
    "before": "What went into the function stands where its result belongs. Which of the two does the next line use?",
    "upstream": "The gradient of the next step is not in it. How fast does the loss move with what this step gives?",
    "share": "A sum is missing: when one score grows, the others lose what it wins.",
}


@dataclass(frozen=True)
class WrongGradient:
    """What a slip makes of a whole block on some numbers; ``slip`` is its name in :data:`HINTS` and which way it was
    made, the same on any numbers."""

    slip: tuple[str, str]
    values: np.ndarray


def wrong_gradients(slips: Sequence[Slip], program: Program, values: Mapping[str, np.ndarray]) -> list[WrongGradient]:
    """The slips of one gradient, given all other values; likelier ones first.

    ``values`` holds every tensor and gradient; those that are not the student's own are right. On some numbers a
    slip may be missing, where it gives no number.
    """
    made = ((slip, slip.on_numbers(program, values)) for slip in slips)
    return [WrongGradient((slip.name, slip.which), wrong) for slip, wrong in made if wrong is not None]
