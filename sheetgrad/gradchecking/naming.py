"""Names the slips behind wrong gradients, each by the smallest change of a formula that mends it.

Nothing is guessed: a mend is tried on all sets of numbers that the check was made on and on more, and named only when
the gradients are right at every one of them. A slip may stand in the gradient's own formula or in one that it is computed
from; what mends most gradients at once is taken first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sheetgrad.engines import Formula
from sheetgrad.gradchecking.draws import SEED, Cell, Drawn, drawn
from sheetgrad.gradchecking.judging import judged
from sheetgrad.gradchecking.mends import Mend, mends
from sheetgrad.gradchecking.question import Question
from sheetgrad.gradchecking.ranges import Place
from sheetgrad.gradchecking.reading import Reading
from sheetgrad.gradchecking.saying import listed, said, scaled
from sheetgrad.gradchecking.trials import Trials, by_sheet
from sheetgrad.tables.agreement import AGREE, DISAGREE
from sheetgrad.xlsx.grid import cell_position, letter

MORE_SETS = 6  # far ones of each kind, besides those of the check
ROUNDS = 3
FIRST_SETS = 3  # that mends are tried on one by one; those that are left, on all
MOST_RIGHT = 40  # right gradients that tell which formulas are right, and which sets of numbers make sense
LEAST = 4  # sets at which a mended gradient must be seen to be right
MOST_WRONG = 24  # gradients that are looked into
MOST_SUSPECTS = 40  # formulas behind them
MOST_FORWARD = 80  # formulas between inputs and loss whose slope is measured
MOST_FORMULAS = 12_000  # mends that are tried in all
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
class Gradient:
    """A gradient cell, and the input whose it is."""

    input: Cell
    cell: Cell

    @property
    def place(self) -> Place:
        return _place(self.cell)


@dataclass(frozen=True)
class _Site:
    """A formula that may have the slip, what it shows (a number a set), and what it may have to show: a row a set, a
    column a possibility."""

    place: Place
    now: np.ndarray
    targets: np.ndarray


def named(
    trials: Trials, question: Question, sets: Sequence[Drawn], wrong: Sequence[Gradient], right: Sequence[Gradient]
) -> list[Slip]:
    """The slips behind the first ``MOST_WRONG`` of the wrong gradients, as far as they are recognised.

    ``sets`` are those of the check, ``right`` the gradients that are right at all of them.
    """
    naming = _Naming(trials, question, sets, wrong[:MOST_WRONG], right)
    return naming.slips()


def _more_sets(reading: Reading, question: Question) -> Iterator[list[Drawn]]:
    """Far sets: of the inputs alone; then with all typed numbers that are not whole, which the loss depends on; then with
    all that are whole too. A factor that happens to be a number on the sheet is told apart so."""
    ranges = [pair.numbers for pair in question.pairs]
    given = {cell for numbers in ranges for cell in numbers}
    typed = reading.before([_place(question.loss)]) - reading.formulas.keys()
    others = {_cell(place): question.sheets[place[0]].values.at(*place[1:]) for place in sorted(typed)}
    alone = [{cell: float(x)} for cell, x in others.items() if cell not in given]
    broken = [numbers for numbers in alone if not float(*numbers.values()).is_integer()]
    for k, more in enumerate(([], broken, alone)):
        yield drawn([*ranges, *more], 0, MORE_SETS, SEED + 1 + k)[1:]


class _Naming:
    def __init__(
        self,
        trials: Trials,
        question: Question,
        sets: Sequence[Drawn],
        wrong: Sequence[Gradient],
        right: Sequence[Gradient],
    ):
        self.trials, self.question, self.wrong, self.right = trials, question, list(wrong), list(right[:MOST_RIGHT])
        self.reading = Reading(question)
        sets = [*sets, *(one for part in self._more() for one in part)]
        found = trials.nudged(sets, [one.input for one in wrong])
        good = np.flatnonzero(np.isfinite(found.slope).all(axis=1)).tolist()
        self.sets, self.nudged = [sets[k] for k in good], found.part(good)
        self.slopes = self.nudged.slope
        self.shown = self._gradients()

    def _more(self) -> Iterator[list[Drawn]]:
        """More sets. Right gradients that are wrong there after all are no longer taken for right. Where they are wrong
        once other numbers change, that set is left out: a label, say, may have been no number to change. Where no
        gradient is right to tell, whole numbers stay as they are."""
        alone, *others = _more_sets(self.reading, self.question)
        wrong = self._wrong(alone)
        self.right = [one for one, bad in zip(self.right, wrong.any(axis=0), strict=True) if not bad]
        yield alone
        for part in others if self.right else others[:1]:
            yield [one for one, bad in zip(part, self._wrong(part).any(axis=1), strict=True) if not bad]

    def _wrong(self, sets: Sequence[Drawn]) -> np.ndarray:
        """Which of the gradients that are taken for right are wrong: a row a set."""
        if not sets or not self.right:
            return np.zeros((len(sets), len(self.right)), dtype=bool)
        shown = self.trials.shown(sets, [one.cell for one in self.right])
        nudged = self.trials.nudged(sets, [one.input for one in self.right])
        return judged(nudged, shown).sign == DISAGREE

    def _gradients(self) -> np.ndarray:
        return self.trials.shown(self.sets, [one.cell for one in self.wrong])

    def _mended(self, values: np.ndarray) -> np.ndarray:
        """Which of the wrong gradients would be right with these values (a row a set), wherever they are tried."""
        signs = judged(self.nudged, values).sign
        finite = np.isfinite(values).all(axis=0)
        return finite & ~(signs == DISAGREE).any(axis=0) & ((signs == AGREE).sum(axis=0) >= LEAST)

    def slips(self) -> list[Slip]:
        """Round after round, since behind a slip that is mended another one may show."""
        found, left = self._scaled()
        left = [k for k in left if self.wrong[k].place in self.reading.formulas]
        for _ in range(ROUNDS):
            if not left:
                break
            mended = self._greedy(self._tried([*self._suspects(left), *self._surfaces(left)]), left)
            found += [slip for group in mended for slip in self._slip(group)]
            left = [k for k in left if not any(k in group.mended for group in mended)]
            behind = [group for group in mended if group.behind]
            if not behind:
                break
            for group in behind:
                self.trials.session.change(by_sheet(group.formulas))
            self.shown = self._gradients()
        return found

    def _scaled(self) -> tuple[list[Slip], list[int]]:
        """Gradients that are a whole factor off everywhere, those of one factor together; and the rest."""
        with np.errstate(all="ignore"):
            middle = np.nanmedian(np.where(self.shown != 0, self.slopes / self.shown, np.nan), axis=0)
        factors = [scaled(float(ratio)) for ratio in middle]
        mended = self._mended(self.shown * [factor for factor, _ in factors])
        by_words: dict[tuple[float, str], list[int]] = {}
        for k, known in enumerate(factors):
            by_words.setdefault(known if mended[k] else (1.0, ""), []).append(k)
        rest = by_words.pop((1.0, ""), [])
        return [self._scaled_slip(*known, group) for known, group in by_words.items()], rest

    def _scaled_slip(self, factor: float, words: str, group: Sequence[int]) -> Slip:
        cells = tuple("!".join(self.wrong[k].cell) for k in group)
        body = self.reading.formulas.get(self.wrong[group[0]].place, "").lstrip("=")
        return Slip(cells, cells, f"{listed(cells)}: {words}", f"={factor:.12g}*({body})" if body else "")

    # -- where the slip may stand -------------------------------------------------------------------------------------

    def _surfaces(self, left: Sequence[int]) -> list[_Site]:
        return [_Site(self.wrong[k].place, self.shown[:, k], self.slopes[:, [k]]) for k in left]

    def _suspects(self, left: Sequence[int]) -> list[_Site]:
        """Formulas that only wrong gradients are computed from, with what they would have to show: whatever would make
        these right, or the slope of a number between inputs and loss."""
        reading, wrong = self.reading, [self.wrong[k].place for k in left]
        cleared = (
            reading.before([_place(self.question.loss)]) | reading.before(one.place for one in self.right) | set(wrong)
        )
        places = sorted(place for place in reading.before(wrong) - cleared if self._alone(place))[:MOST_SUSPECTS]
        if not places:
            return []
        now = self.trials.shown(self.sets, [_cell(place) for place in places])
        needed, slopes = self._needed(places, now, left), self._forward_slopes()
        return [_Site(place, now[:, j], np.column_stack([needed[:, j], slopes])) for j, place in enumerate(places)]

    def _alone(self, place: Place) -> bool:
        return place in self.reading.formulas and place not in self.reading.arrays

    def _needed(self, places: Sequence[Place], now: np.ndarray, left: Sequence[int]) -> np.ndarray:
        """What each cell would have to show for the gradients to be right (NaN: there is no such number).

        Backward formulas are linear in the gradients that flow in, so that one other number in the cell tells it.
        """
        cells = [_cell(place) for place in places]
        other = 2 * now + 1
        moved = self.trials.with_cells(self.sets, cells, other, [self.wrong[k].cell for k in left])
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

    def _tried(self, sites: Sequence[_Site]) -> list[tuple[Place, Mend]]:
        """Every mend after which a formula shows what it has to at all sets."""
        reading = self.reading
        loss, inputs = (
            _place(self.question.loss),
            [_place(cell) for pair in self.question.pairs for cell in pair.inputs],
        )
        forward = reading.before([loss])
        path = reading.after(inputs) & forward
        wrong = [one.place for one in self.wrong]
        behind = reading.before([*wrong, *(one.place for one in self.right)])
        unused = reading.after(inputs) - reading.after(wrong)  # such as a gradient that nobody goes on with
        around = (forward | behind | unused) - set(wrong)
        most = MOST_FORMULAS // max(1, len(sites))
        options = [(site, mend) for site in sites for mend in mends(site.place, reading, path, around, most)]
        for k in self._telling():
            options = self._matching(options, slice(k, k + 1))
        found = sorted(self._matching(options, slice(None)), key=lambda option: option[1].strange)
        return [(site.place, mend) for site, mend in found]

    def _telling(self) -> list[int]:
        """The few sets at which most gradients are seen to be wrong: what does not mend these is soon left out."""
        with np.errstate(all="ignore"):
            off = (np.abs(self.shown - self.slopes) > CLOSE * np.abs(self.slopes)) & (self.slopes != 0)
        return np.argsort(-off.sum(axis=1), kind="stable")[:FIRST_SETS].tolist()

    def _matching(self, options: Sequence[tuple[_Site, Mend]], which: slice) -> list[tuple[_Site, Mend]]:
        """The mends that show what they have to at these sets. One that changes nothing mends nothing."""
        values = self._values([(site.place, mend) for site, mend in options], which)
        return [
            (site, mend)
            for (site, mend), found in zip(options, values.T, strict=True)
            if _close(found, site.targets[which])
            and (len(found) == 1 or not np.allclose(found, site.now[which], rtol=CLOSE, atol=0))
        ]

    def _values(self, options: Sequence[tuple[Place, Mend]], which: slice) -> np.ndarray:
        texts = [(place[0], self._scalar(place, mend.formula)) for place, mend in options]
        return self.trials.tried(self.sets[which], texts)

    def _scalar(self, place: Place, formula: str) -> str:
        """Of an array formula the number for one cell."""
        area = self.reading.arrays.get(place)
        if not area:
            return formula
        return f"=INDEX({formula.lstrip('=')},{place[1] - area.top + 1},{place[2] - area.left + 1})"

    # -- which mends to name ------------------------------------------------------------------------------------------

    def _greedy(self, options: Sequence[tuple[Place, Mend]], left: Sequence[int]) -> list[_Group]:
        """The mends that make all wrong gradients right that can be: always those next that make most of them right."""
        surface = {self.wrong[k].place: k for k in left}
        groups: dict[tuple, dict[Place, Mend]] = {}
        for place, mend in options:
            groups.setdefault(self._together(place, mend, place in surface), {}).setdefault(place, mend)
        tried = [self._group(group, surface) for group in groups.values()]
        chosen, open_ = [], set(left)
        while tried and (best := max(tried, key=lambda group: len(group.mended & open_))).mended & open_:
            chosen.append(replace(best, mended=best.mended & open_))
            open_ -= best.mended
            tried.remove(best)
        return chosen

    def _together(self, place: Place, mend: Mend, surface: bool) -> tuple:
        """What the mends have in common that are made together: of an array formula the new one; of a gradient's own
        formula, that; of what stands behind gradients, the kind of slip in formulas that were filled from one another."""
        if place in self.reading.arrays:
            return self.reading.arrays[place], mend.formula
        return (place,) if surface else (self.reading.pattern(place), mend.kind)

    def _group(self, mends_: Mapping[Place, Mend], surface: Mapping[Place, int]) -> _Group:
        """Mends that belong together, with the wrong gradients that they make right."""
        inside = [place for place in mends_ if place in surface]
        if inside:
            own = [surface[place] for place in inside]
            values = self.shown.copy()
            values[:, own] = self._values([(place, mends_[place]) for place in inside], slice(None))
            return _Group(mends_, frozenset(own) & set(np.flatnonzero(self._mended(values)).tolist()), behind=False)
        with self.trials.changed(_Group(mends_, frozenset(), behind=True).formulas):
            values = self._gradients()
        return _Group(
            mends_, frozenset(surface.values()) & set(np.flatnonzero(self._mended(values)).tolist()), behind=True
        )

    def _slip(self, group: _Group) -> Iterator[Slip]:
        """One slip: what is said of the first cell, and which others have the same."""
        areas = (self.reading.arrays.get(place) or "!".join(_cell(place)) for place in group.mends)
        cells = tuple(dict.fromkeys(map(str, areas)))
        gradients = tuple("!".join(self.wrong[k].cell) for k in sorted(group.mended))
        mend = next(iter(group.mends.values()))
        same = f"; the same in {listed(cells[1:])}" if len(cells) > 1 else ""
        yield Slip(cells, gradients, said(cells[0], mend, self.reading) + same, mend.formula)


@dataclass(frozen=True)
class _Group:
    """Mends of one kind in formulas of one pattern, which of the wrong gradients are right with them, and whether they
    stand behind the gradients, not in their own formulas."""

    mends: Mapping[Place, Mend]
    mended: frozenset[int]
    behind: bool

    @property
    def formulas(self) -> Mapping[Cell, Formula]:
        return {_cell(place): Formula(mend.formula) for place, mend in self.mends.items()}


def _close(values: np.ndarray, targets: np.ndarray) -> bool:
    """Whether the values are those of a column of targets; zeros alone say nothing, but of a
    single set."""
    if not np.isfinite(values).all():
        return False
    size = np.abs(targets).max(axis=0, initial=0.0)
    with np.errstate(invalid="ignore"):
        off = np.abs(values[:, None] - targets) <= CLOSE * np.maximum(np.abs(targets), 1e-3 * size)
    return bool((off.all(axis=0) & ((size > 0) | (len(values) == 1))).any())


def _place(cell: Cell) -> Place:
    return cell[0], *cell_position(cell[1])


def _cell(place: Place) -> Cell:
    return place[0], f"{letter(place[2])}{place[1]}"
