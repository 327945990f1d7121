"""Slips in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sheetgrad.gradchecking.mends import MASK, NEGATED, RENAMED, SIGMOID, TANH, Mend
from sheetgrad.gradchecking.ranges import Place, Range
from sheetgrad.gradchecking.reading import Reading

MOST_FACTOR = 1000  # numbers that a mean may be over
NEAR = 1e-4  # relative: how near to a whole number a factor is that was measured
LONGEST_LABEL = 24
MOST_LISTED = 3


def scaled(factor: float) -> tuple[float, str]:
    """The whole factor next to slope ÷ gradient and the slip behind it; no words where it is no usual one."""
    if not math.isfinite(factor) or factor == 0:
        return 1.0, ""
    size = abs(factor)
    whole = round(size) if size > 1 else round(1 / size) if size > 1 / MOST_FACTOR else 0
    exact = float(whole if size > 1 else 1 / whole if whole else 0)
    if not 1 <= whole <= MOST_FACTOR or abs(size - exact) > NEAR * exact or factor == 1:
        return 1.0, ""
    turned = "the sign is the other way round" if factor < 0 else ""
    if whole == 1:
        return -1.0, turned
    if whole == 2:
        words = "a factor of 2 is missing" if size > 1 else "a factor of 2 too many"
    else:
        words = "averaged where it should be summed" if size > 1 else "summed where it should be averaged"
        words = f"{whole} times too {'small' if size > 1 else 'large'}: {words}"
    return exact if factor > 0 else -exact, f"{words}, and {turned}" if turned else words


def said(own: str, mend: Mend, reading: Reading) -> str:
    """The slip in the formula of the cell ``own``, with the cells named."""
    now = mend.now and called(mend.now, reading)
    right = mend.right and called(mend.right, reading)
    at = f"{own}, at {now}," if now else own
    match mend.kind:
        case _ if mend.kind == RENAMED:
            return f"{own} uses {now} where {right} belongs{_why(mend.now.places[0], mend.right.places[0], reading)}"
        case _ if mend.kind == NEGATED:
            return f"{own} has {now} with the wrong sign"
        case _ if mend.kind == MASK:
            return f"{at} lacks the mask of {right}: where that is not above 0 nothing flows back"
        case _ if mend.kind == SIGMOID:
            return f"{at} lacks the slope of the activation {right}: {mend.right}·(1 − {mend.right})"
        case _ if mend.kind == TANH:
            return f"{at} lacks the slope of the activation {right}: 1 − {mend.right}²"
    return f"{at} is not multiplied by {right}"


def listed(cells: Sequence[str]) -> str:
    """The first cells by name, and how many more."""
    more = len(cells) - MOST_LISTED
    return ", ".join(cells) if more <= 1 else f"{', '.join(cells[:MOST_LISTED])} and {more} more"


def called(area: Range, reading: Reading) -> str:
    """A range with the label that stands beside it, where it has one."""
    label = reading.label(area.places[0])
    return f"{area} ({label})" if len(label) <= LONGEST_LABEL and any(map(str.isalpha, label)) else str(area)


def _why(now: Place, right: Place, reading: Reading) -> str:
    if reading.reads(right) == {now}:
        return ": the activation is forgotten"
    if reading.reads(now) == {right}:
        return ": that is one step too far"
    same = now in reading.formulas and reading.pattern(now) == reading.pattern(right)
    return ", its neighbour" if same else ""
