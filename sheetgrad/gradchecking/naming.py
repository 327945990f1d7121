"""Names the slips behind wrong gradients, each by the smallest change of a formula that mends it.

Nothing is guessed: a mend is tried on all sets of numbers that the check was made on and on more, and named only when
the gradients are right at every one of them. A slip may stand in the gradient's own formula or in one that it is computed
from; what mends most gradients at once is taken first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.engines import Formula
from sheetgrad.gradchecking.draws import SEED, Cell, Drawn, drawn
from sheetgrad.gradchecking.judging import judged
from sheetgrad.gradchecking.mends import Mend, mends
from sheetgrad.gradchecking.question import Question
from sheetgrad.gradchecking.ranges import Place
from sheetgrad.gradchecking.reading import Reading
from sheetgrad.gradchecking.saying import said, scaled
from sheetgrad.gradchecking.trials import Trials
from sheetgrad.tables.agreement import AGREE, DISAGREE
from sheetgrad.xlsx.grid import cell_position, letter

MORE_SETS = 12  # far ones, besides those of the check
FIRST_SETS = 3  # at which all mends are tried; those that are left, at all
LEAST = 4  # sets at which a mended gradient must be seen to be right
MOST_WRONG = 24  # gradients that are looked into
MOST_SUSPECTS = 40  # formulas behind them
MOST_FORWARD = 80  # formulas between inputs and loss whose slope is measured
MOST_FORMULAS = 24_000  # mends that are tried in all
CLOSE = 1e-5  # relative: how nearly a mend must show what it should, before the gradients themselves are judged


@dataclass(frozen=True)
class Slip:
    """A slip: the cells whose formulas have it, the gradient cells that it makes wrong, and what to say of it;
    ``formula`` would be right in the first of the cells."""

    cells: tuple[str, ...]
    gradient_cells: tuple[str, ...]
    says: str
    formula: str


@dataclass(frozen=True)
class Wrong:
    """A gradient that disagrees: the input whose it is, and its own cell."""

    input: Cell
    gradient: Cell

    @property
    def place(self) -> Place:
        return _place(self.gradient)


@dataclass(frozen=True)
class _Site:
    """A formula that may have the slip, and what it may have to show: a row a set, a column a possibility."""

    place: Place
    targets: np.ndarray


def named(
    trials: Trials, question: Question, sets: Sequence[Drawn], wrong: Sequence[Wrong], right: Sequence[Cell]
) -> list[Slip]:
    """The slips behind the first ``MOST_WRONG`` of the wrong gradients, as far as they are recognised."""
    ranges = [pair.numbers for pair in question.pairs]
    return _Naming(trials, question, [*sets, *drawn(ranges, 0, MORE_SETS, SEED + 1)[1:]], wrong[:MOST_WRONG]).slips(
        right
    )


class _Naming:
    def __init__(self, trials: Trials, question: Question, sets: Sequence[Drawn], wrong: Sequence[Wrong]):
        self.trials, self.question, self.wrong = trials, question, list(wrong)
        self.reading = Reading(question)
        nudged = trials.nudged(sets, [one.input for one in wrong])
        good = [k for k, one in enumerate(nudged) if np.isfinite(one.slope).all()]
        self.sets, self.nudged = [sets[k] for k in good], [nudged[k] for k in good]
        self.slopes = np.array([one.slope for one in self.nudged])
        self.shown = self._gradients()

    def _gradients(self) -> np.ndarray:
        return self.trials.shown(self.sets, [one.gradient for one in self.wrong])

    def _mended(self, values: np.ndarray) -> np.ndarray:
        """Which of the wrong gradients would be right with these values (a row a set), wherever they are tried."""
        signs = np.array([judged(nudged, row).sign for nudged, row in zip(self.nudged, values, strict=True)])
        finite = np.isfinite(values).all(axis=0)
        return finite & ~(signs == DISAGREE).any(axis=0) & ((signs == AGREE).sum(axis=0) >= LEAST)

    def slips(self, right: Sequence[Cell]) -> list[Slip]:
        found, left = self._scaled()
        left = [k for k in left if self.wrong[k].place in self.reading.formulas]
        if left:
            sites = [*self._suspects(left, right), *self._surfaces(left)]
            found += self._greedy(self._tried(sites), left)
        return found

    def _scaled(self) -> tuple[list[Slip], list[int]]:
        """Gradients that are a whole factor off everywhere, those of one factor together; and the rest."""
        by_words: dict[str, list[int]] = {}
        rest = []
        for k in range(len(self.wrong)):
            with np.errstate(all="ignore"):
                ratios = self.slopes[:, k] / self.shown[:, k]
            factor, words = (
                scaled(float(np.median(ratios[np.isfinite(ratios)]))) if np.isfinite(ratios).any() else (1.0, "")
            )
            if words and self._mended(factor * self.shown)[k]:
                by_words.setdefault(f"{words}|{factor}", []).append(k)
            else:
                rest.append(k)
        return [self._scaled_slip(key, group) for key, group in by_words.items()], rest

    def _scaled_slip(self, key: str, group: Sequence[int]) -> Slip:
        words, _, factor = key.partition("|")
        cells = tuple("!".join(self.wrong[k].gradient) for k in group)
        body = self.reading.formulas.get(self.wrong[group[0]].place, "").lstrip("=")
        return Slip(cells, cells, f"{_listed(cells)}: {words}", f"={factor}*({body})" if body else "")

    # -- where the slip may stand -------------------------------------------------------------------------------------

    def _surfaces(self, left: Sequence[int]) -> list[_Site]:
        return [_Site(self.wrong[k].place, self.slopes[:, [k]]) for k in left]

    def _suspects(self, left: Sequence[int], right: Sequence[Cell]) -> list[_Site]:
        """Formulas that only wrong gradients are computed from, with what they would have to show: whatever would make
        these right, or the slope of a number between inputs and loss."""
        reading, wrong = self.reading, [self.wrong[k].place for k in left]
        cleared = reading.before([_place(self.question.loss)]) | reading.before(map(_place, right)) | set(wrong)
        places = sorted(place for place in reading.before(wrong) - cleared if self._alone(place))[:MOST_SUSPECTS]
        if not places:
            return []
        needed, slopes = self._needed(places, left), self._forward_slopes()
        return [_Site(place, np.column_stack([needed[:, j], slopes])) for j, place in enumerate(places)]

    def _alone(self, place: Place) -> bool:
        return place in self.reading.formulas and place not in self.reading.arrays

    def _needed(self, places: Sequence[Place], left: Sequence[int]) -> np.ndarray:
        """What each cell would have to show for the gradients to be right (NaN: there is no such number).

        Backward formulas are linear in the gradients that flow in, so that one other number in the cell tells it.
        """
        cells = [_cell(place) for place in places]
        now = self.trials.shown(self.sets, cells)
        other = 2 * now + 1
        moved = self.trials.with_cells(self.sets, cells, other, [self.wrong[k].gradient for k in left])
        rate = (moved - self.shown[:, None, left]) / (other - now)[:, :, None]  # set, cell, gradient
        lacking = (self.slopes - self.shown)[:, None, left]
        with np.errstate(all="ignore"):
            steps = np.where(np.abs(rate) > 1e-12 * np.nanmax(np.abs(rate)), lacking / rate, np.nan)
            least, most = np.nanmin(steps, axis=2), np.nanmax(steps, axis=2)
            same = most - least <= 1e-4 * np.maximum(np.abs(least), np.abs(most)) + 1e-12
        return np.where(same, now + (least + most) / 2, np.nan)

    def _forward_slopes(self) -> np.ndarray:
        """The slope of the loss with respect to every number computed on the way to it: a row a set."""
        inputs = [_place(cell) for pair in self.question.pairs for cell in pair.inputs]
        path = self.reading.after(inputs) & self.reading.before([_place(self.question.loss)])
        cells = [_cell(place) for place in sorted(path - {_place(self.question.loss)}) if self._alone(place)]
        return self.trials.slopes_of_computed(self.sets, cells[:MOST_FORWARD])

    # -- what would mend it -------------------------------------------------------------------------------------------

    def _tried(self, sites: Sequence[_Site]) -> Iterator[tuple[Place, Mend]]:
        """Every mend after which a formula shows what it has to at all sets."""
        reading = self.reading
        loss, inputs = (
            _place(self.question.loss),
            [_place(cell) for pair in self.question.pairs for cell in pair.inputs],
        )
        forward = reading.before([loss])
        path = reading.after(inputs) & forward
        around = (forward | reading.before(one.place for one in self.wrong)) - {one.place for one in self.wrong}
        most = MOST_FORMULAS // max(1, len(sites))
        options = [(site, mend) for site in sites for mend in mends(site.place, reading, path, around, most)]
        first = self._matching(options, slice(0, None, max(1, len(self.sets) // FIRST_SETS)))
        return [(site.place, mend) for site, mend in self._matching(first, slice(None))]

    def _matching(self, options: Sequence[tuple[_Site, Mend]], which: slice) -> list[tuple[_Site, Mend]]:
        texts = [(site.place[0], self._scalar(site.place, mend.formula)) for site, mend in options]
        values = self.trials.tried(self.sets[which], texts)
        return [
            option for option, found in zip(options, values.T, strict=True) if _close(found, option[0].targets[which])
        ]

    def _scalar(self, place: Place, formula: str) -> str:
        """Of an array formula the number for one cell."""
        area = self.reading.arrays.get(place)
        if not area:
            return formula
        return f"=INDEX({formula.lstrip('=')},{place[1] - area.top + 1},{place[2] - area.left + 1})"

    # -- which mends to name ------------------------------------------------------------------------------------------

    def _greedy(self, options: Sequence[tuple[Place, Mend]], left: Sequence[int]) -> list[Slip]:
        """The mends that make all wrong gradients right that can be: always those next that make most of them right."""
        surface = {self.wrong[k].place: k for k in left}
        groups: dict[tuple, dict[Place, Mend]] = {}
        for place, mend in options:
            key = (place,) if place in surface else (self.reading.pattern(place), mend.kind)
            groups.setdefault(key, {}).setdefault(place, mend)
        mended = {key: self._with(group, surface) for key, group in groups.items()}
        slips, open_ = [], set(left)
        while mended and (best := max(mended, key=lambda key: len(mended[key] & open_))) and mended[best] & open_:
            slips += self._slips(groups[best], sorted(mended[best] & open_))
            open_ -= mended.pop(best)
        return slips

    def _with(self, group: Mapping[Place, Mend], surface: Mapping[Place, int]) -> set[int]:
        """Which wrong gradients are right once these cells are mended."""
        texts = {_cell(place): Formula(mend.formula) for place, mend in group.items()}
        inside = {place for place in group if place in surface}
        if inside:
            values = self.shown.copy()
            formulas = [(place[0], self._scalar(place, group[place].formula)) for place in inside]
            values[:, [surface[place] for place in inside]] = self.trials.tried(self.sets, formulas)
        else:
            with self.trials.changed(texts):
                values = self._gradients()
        return set(np.flatnonzero(self._mended(values)))

    def _slips(self, group: Mapping[Place, Mend], mended: Sequence[int]) -> list[Slip]:
        gradients = tuple("!".join(self.wrong[k].gradient) for k in mended)
        slips = []
        for place, mend in group.items():
            own = "!".join(_cell(place))
            behind = gradients if place not in {_place(self.wrong[k].gradient) for k in mended} else (own,)
            slips.append(Slip((own,), behind, said(own, mend, self.reading), mend.formula))
        return slips


def _close(values: np.ndarray, targets: np.ndarray) -> bool:
    """Whether the values are those of a column of targets; zeros alone say nothing."""
    if not np.isfinite(values).all():
        return False
    size = np.abs(targets).max(axis=0, initial=0.0)
    with np.errstate(invalid="ignore"):
        off = np.abs(values[:, None] - targets) <= CLOSE * np.maximum(np.abs(targets), 1e-3 * size)
    return bool((off.all(axis=0) & (size > 0)).any())


def _place(cell: Cell) -> Place:
    return cell[0], *cell_position(cell[1])


def _cell(place: Place) -> Cell:
    return place[0], f"{letter(place[2])}{place[1]}"


def _listed(cells: Sequence[str], most: int = 4) -> str:
    return ", ".join(cells[:most]) + (f" and {len(cells) - most} more" if len(cells) > most else "")
