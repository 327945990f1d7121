"""Where a slip shows that is too small to see at the given numbers: at which others, and as few of them as can be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sheetgrad.gradchecking.draws import ALONE, FAR, NEAR, Cell, Drawn
from sheetgrad.gradchecking.judging import Judged, judged
from sheetgrad.gradchecking.trials import Trials
from sheetgrad.tables.agreement import DISAGREE

MOST_TRIED = 60  # inputs that are changed alone
MOST_NAMED = 4  # inputs whose numbers are told in a sentence
KIND = {NEAR: "near the given ones", FAR: "far from the given ones"}


def most_wrong(found: Judged, k: int) -> int:
    """The set of numbers at which an input's gradient is seen to be wrong: the given ones, or where it is most wrong."""
    wrong = found.sign[:, k] == DISAGREE
    return 0 if wrong[0] else int(np.where(wrong, found.error[:, k], -1.0).argmax())


def alone(trials: Trials, sets: Sequence[Drawn], at: int, given: Cell, gradient: Cell) -> tuple[Drawn, Judged] | None:
    """The given numbers with a single one as in the set ``at``, when that is enough for the gradient to be wrong."""
    places = [place for place in [given, *sets[0].numbers] if sets[at].numbers[place] != sets[0].numbers[place]]
    places = list(dict.fromkeys(places))[:MOST_TRIED]
    tries = [Drawn(ALONE, {**sets[0].numbers, place: sets[at].numbers[place]}) for place in places]
    nudged, shown = trials.nudged(tries, [given]), trials.shown(tries, [gradient])
    for k in np.flatnonzero(judged(nudged, shown).sign[:, 0] == DISAGREE)[:1]:
        return tries[k], judged(nudged.part([k]), shown[[k]])
    return None


def in_words(one: Drawn, given: Drawn, first: Cell) -> str:
    """A set of numbers as they differ from the given ones, that of the cell that was nudged first."""
    cells = [cell for cell in [first, *given.numbers] if one.numbers[cell] != given.numbers[cell]]
    cells = list(dict.fromkeys(cells))
    said = ", ".join(f"{sheet}!{cell} = {one.numbers[sheet, cell]:g}" for sheet, cell in cells[:MOST_NAMED])
    more = len(cells) - MOST_NAMED
    if one.kind == ALONE:
        return f"{said}, all else as it stands"
    return said + (f" and {more} more {'inputs' if more > 1 else 'input'} {KIND[one.kind]}" if more > 0 else "")
