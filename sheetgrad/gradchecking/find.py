"""Finds loss, numbers and gradients in a workbook that somebody made, by their labels and by what depends on what.

A pair is a block of typed numbers and a block of formulas of the same shape, perhaps turned, whose label names it
(``dw``, ``∂L/∂w``, ``w.g``, …), or which stands beside it under ``gradient``. The loss must depend on the numbers, and must
not be computed from the gradients. Where two blocks might be meant, the one that is computed from the other is taken: a
total and not its parts. What remains in doubt is left out, and it is said why: nothing is guessed.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from sheetgrad.engines import save_as_xlsx
from sheetgrad.gradchecking.blocks import Blocks, Labelled, cell_range, cells_of
from sheetgrad.gradchecking.cells import Cells, Kind, named, referenced
from sheetgrad.gradchecking.labels import Gradient, gradient_of, is_loss, is_value, names_of, shown
from sheetgrad.gradchecking.ranges import REFERENCE, GradcheckError, Place, Range
from sheetgrad.workbook.reading import read_workbook, readable
from sheetgrad.xlsx.contents import Contents

MOST_LOSSES = 100  # cells that may be the loss
MOST_ALIKE = 30  # blocks of gradients with the label of one number
PAIRING = 50  # steps that it counts to try a block of gradients on one of numbers
LOOKED_FOR = "dw, ∂L/∂w, dL/dw1, w.g, w gradient, grad w or ∇w, or a heading gradient beside numbers"


@dataclass(frozen=True)
class Pair:
    """Numbers and their gradients, each with its label; ``of``: whose gradients the label says that they are. Where a
    ``quiet`` one cannot be, nothing is said of it: its own label says nothing of gradients, only the section's does."""

    numbers: Labelled
    gradients: Labelled
    of: str = ""
    quiet: bool = False

    @property
    def row(self) -> tuple[str, str, str, str]:
        """For people: the label and the cells of the numbers, then of the gradients."""
        labelled = self.numbers, self.gradients
        return tuple(text for one in labelled for text in (shown(one.label), named(one.range)))


@dataclass(frozen=True)
class Found:
    """What to check. ``loss`` is a cell or a formula, as a call names it; ``loss_label`` the text that it was found by,
    empty where the call gave it. ``left_out`` has a sentence for every gradient that is not checked."""

    loss: str
    loss_label: str
    pairs: tuple[Pair, ...]
    left_out: tuple[str, ...]

    @property
    def ranges(self) -> list[tuple[str, str]]:
        """The pairs of ranges, as :func:`~sheetgrad.gradchecking.check.check` takes them."""
        return [(named(pair.numbers.range), named(pair.gradients.range)) for pair in self.pairs]

    def as_dict(self) -> dict:
        """As JSON can hold it."""
        pairs = [
            dict(zip(("label", "input", "gradient_label", "gradient"), pair.row, strict=True)) for pair in self.pairs
        ]
        return {"loss": self.loss, "loss_label": self.loss_label, "pairs": pairs, "left_out": list(self.left_out)}

    def command(self, book: Path) -> str:
        """The call that checks the same without looking for it."""
        words = ["sheetgrad", "gradcheck", str(book), "--loss", self.loss]
        for given, gradient in self.ranges:
            words += ["--input", given, "--gradient", gradient]
        return shlex.join(words)


def find(path: str | Path, loss: str | None = None, pairs: Sequence[tuple[str, str]] = ()) -> Found:
    """Loss, numbers and gradients of a workbook; what the call names itself is not looked for.

    Raises :class:`GradcheckError` where nothing is found, and what is missing;
    :class:`~sheetgrad.workbook.reading.WorkbookError` for a file that cannot be read.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix="sheetgrad-") as room:
        file = path if path.suffix.lower() in (".xlsx", ".xlsm") else save_as_xlsx(path, Path(room))
        with readable(file):
            contents = Contents(read_workbook(file))
        try:
            cells = Cells.read(contents)
            return _Search(cells).find(loss, [_given(pair) for pair in pairs])
        except GradcheckError as error:
            raise GradcheckError(f"{path}: {error}") from None


def _given(pair: tuple[str, str]) -> Pair:
    numbers, gradients = Range.parse(pair[0], "--input"), Range.parse(pair[1], "--gradient")
    return Pair(Labelled("", numbers), Labelled("", gradients))


@dataclass(frozen=True)
class _Claim:
    """A text that says that gradients stand beside it: the rectangles of formulas that it may mean, and those of
    formulas and numbers, for a gradient in which somebody typed a number."""

    label: str
    at: Place | None
    says: Gradient
    formulas: tuple[Range, ...]
    mixed: tuple[Range, ...]
    quiet: bool = False

    def pair(self, numbers: Labelled, gradients: Range) -> Pair:
        """Numbers and gradients that the claim may mean."""
        return Pair(numbers, Labelled(self.label, gradients, self.at), self.says.of, self.quiet)

    def __str__(self) -> str:
        area = (*self.formulas, *self.mixed)[0]
        return _told(Labelled(self.label, area))


class _Search:
    def __init__(self, cells: Cells):
        self.cells, self.blocks = cells, Blocks(cells)
        self.left_out: dict[str, str] = {}  # by claim, why
        self.loss_names: set[str] = set()  # plain, of all cells that may be the loss
        self.typed: list[tuple[Labelled, Gradient]] = []  # gradients that are typed numbers
        self._found_numbers: dict[str, list[Labelled]] = {}
        self._made_of: dict[Range, set[Place]] = {}

    def find(self, loss: str | None, given: list[Pair]) -> Found:
        """What to check, of what was not given."""
        proposals = given or list(self._proposals())
        if not proposals:
            self._note_typed([])
            raise GradcheckError(self._nothing())
        if loss is None:
            cell, label = self._loss(proposals)
            areas = [cell]
        else:
            areas = self._areas_of(loss)
            label = self._label_of(areas) if REFERENCE.match(loss.strip()) else ""
        reached = self.cells.ancestors(areas)
        pairs = given or self._chosen(proposals, reached, label, loss or named(cell))
        self._note_typed(pairs)
        if not pairs:
            raise GradcheckError(f"--find: no gradient can be paired with its numbers: {self._reasons()}")
        return Found(loss or named(cell), label, tuple(pairs), tuple(f"{k}: {why}" for k, why in self.left_out.items()))

    def _nothing(self) -> str:
        if self.left_out:
            return f"--find: no gradient can be paired with its numbers: {self._reasons()}"
        return f"--find: no formulas are labelled {LOOKED_FOR}; name them with --loss, --input and --gradient"

    def _reasons(self) -> str:
        some = [f"{claim}: {why}" for claim, why in list(self.left_out.items())[:3]]
        return "; ".join([*some, *(["…"] if len(self.left_out) > 3 else [])])

    def _note_typed(self, pairs: Iterable[Pair]) -> None:
        """Gradients that are typed numbers, but for a text on the way that says what is computed elsewhere."""
        known = {name for pair in pairs for name in names_of(pair.numbers.label)}
        for one, says in self.typed:
            if known.isdisjoint(says.names):
                self.left_out[_told(one)] = "typed numbers, not formulas"

    def _areas_of(self, loss: str) -> list[Range]:
        """The cells that a given loss is, or reads."""
        if REFERENCE.match(loss.strip()):
            return [Range.parse(loss, "--loss")]
        return list(referenced("=" + loss.strip().lstrip("="), self.cells.sheets[0], self.cells.names))

    # -- gradients and the numbers that they may belong to --

    def _proposals(self) -> Iterator[Pair]:
        """Every pair that the labels allow; where one says more than another of the same cells, only what it says."""
        taken: set[Place] = set()
        waiting = sorted(self._claims(), key=lambda claim: claim.quiet)
        for way in (self._by_name, self._by_place):
            left = []
            for claim in waiting:
                found = [pair for pair in way(claim) if taken.isdisjoint(cells_of(pair.gradients.range))]
                if found:
                    self.left_out.pop(str(claim), None)
                    yield from found
                else:
                    left.append(claim)
                taken.update(cell for pair in found for cell in cells_of(pair.gradients.range))
            waiting = left

    def _claims(self) -> Iterator[_Claim]:
        """Every text, and every defined name, that says that gradients stand there."""
        for name, area in self.cells.names.items():
            says = gradient_of(name)
            if says and says.names and self._has_formula(area):
                yield _Claim(name, None, says, (area,), (area,))
        for at, text in self.cells.texts.items():
            own = gradient_of(text)
            if own and not own.sure and not any(name in self._texts for name in own.names):
                own = None  # the beginning of a word
            says = own or self._by_section(at, text)
            if says:
                formulas = self.blocks.of(at, Kind.FORMULA)
                mixed = [area for area in self.blocks.of(at, Kind.FORMULA, Kind.NUMBER) if self._has_formula(area)]
                claim = _Claim(text, at, says, tuple(formulas), tuple(mixed), own is None)
                if formulas or mixed:
                    yield claim
                elif own and says.sure and says.names and (typed := self.blocks.of(at, Kind.NUMBER)):
                    self.typed.append((Labelled(text, typed[0]), says))

    def _by_section(self, at: Place, text: str) -> Gradient | None:
        """What the section or the sheet says in which a text stands that names a number."""
        if is_loss(text) or is_value(text) or not names_of(text):
            return None
        for place in (self.blocks.heading(at), at[0]):
            around = gradient_of(place) if place else None
            if around and not around.names:
                return Gradient(around.of, names_of(text))
        return None

    def _has_formula(self, area: Range) -> bool:
        return any(cell in self.cells.formulas for cell in self.cells.within(area))

    def _by_name(self, claim: _Claim) -> list[Pair]:
        """The claim's gradients with the numbers that bear its name."""
        for name in claim.says.names:
            numbers = self._numbers(name)
            fitting = [(one, self._fitted(one.range, claim)) for one in numbers]
            pairs = [claim.pair(one, area) for one, area in fitting if area]
            if pairs:
                return pairs
            if numbers:
                self._leave(claim, f"{_told(numbers[0])} has another shape")
                return []
        if claim.says.names:
            self._unnamed(claim)
        return []

    def _unnamed(self, claim: _Claim) -> None:
        """Notes why no numbers bear a claim's name; of what may be no gradient at all nothing is said."""
        name = claim.says.names[0]
        if computed := self._computed(name):
            self._leave(claim, f"{_told(computed)} is computed, not typed in")
        elif claim.says.sure:
            self._leave(claim, f"no numbers are labelled {name}")

    def _computed(self, name: str) -> Labelled | None:
        """A block of formulas that bears a name."""
        for at in self._texts.get(name, ()):
            for area in self.blocks.of(at, Kind.FORMULA):
                return Labelled(self.cells.texts[at], area, at)
        return None

    def _leave(self, claim: _Claim, why: str) -> None:
        if not claim.quiet:
            self.left_out[str(claim)] = why

    def _by_place(self, claim: _Claim) -> list[Pair]:
        """The claim's gradients with the numbers that they stand beside, as in a table name, value, gradient."""
        if claim.at is None or any(self._computed(name) for name in claim.says.names):
            return []
        for area in claim.formulas:
            tables = self.blocks.partners(area, claim.at)
            if claim.says.names:  # a name that no numbers bear says less than a heading that says that they are values
                tables = [runs for runs in tables if is_value(runs[0].label)]
            if len(tables) == 1:
                return [claim.pair(run, self._along(area, run.range)) for run in tables[0]]
            if tables and not claim.says.names:
                where = " and ".join(named(runs[0].range) for runs in tables[:3])
                self._leave(claim, f"numbers stand beside it at {where}; say which")
        return []

    @staticmethod
    def _along(area: Range, run: Range) -> Range:
        """The part of an area of gradients that a run of numbers stands beside."""
        if area.top <= run.top and run.bottom <= area.bottom:
            return replace(area, top=run.top, bottom=run.bottom)
        return replace(area, left=run.left, right=run.right)

    @cached_property
    def _texts(self) -> dict[str, list[Place]]:
        """The texts by the names that they may mean."""
        found: dict[str, list[Place]] = {}
        for at, text in self.cells.texts.items():
            for name in names_of(text):
                found.setdefault(name, []).append(at)
        return found

    def _numbers(self, name: str) -> list[Labelled]:
        """The blocks of typed numbers that bear a name."""
        if name in self._found_numbers:
            return self._found_numbers[name]
        found = {}
        for text, area in self.cells.names.items():
            if name in names_of(text) and all(at in self.cells.numbers for at in cells_of(area)):
                found[area] = Labelled(text, area)
        for at in self._texts.get(name, ()):
            for area in self.blocks.of(at, Kind.NUMBER):
                found.setdefault(area, Labelled(self.cells.texts[at], area, at))
        self._found_numbers[name] = list(found.values())
        return self._found_numbers[name]

    def _fitted(self, numbers: Range, claim: _Claim) -> Range | None:
        """The gradients of these numbers among what a claim may mean: a block of their shape, one in which a number was
        typed, the first of a table of steps, or the sum over a table of examples."""
        self.cells.step(PAIRING)
        shapes = dict.fromkeys((numbers.shape, numbers.shape[::-1]))
        for shape in shapes:
            for area in claim.formulas:
                if area.shape == shape:
                    return area
        for shape in shapes:
            for area in claim.mixed:
                part = replace(area, bottom=area.top + shape[0] - 1, right=area.left + shape[1] - 1)
                if (
                    _inside(part, area)
                    and not _inside(numbers, part)
                    and all(_inside(one, part) for one in claim.formulas if _inside(one, area))
                ):
                    return part
        for area in claim.formulas:
            found = self._first_step(numbers, area) or self._summed(numbers, area)
            if found:
                return found
        return None

    def _first_step(self, numbers: Range, area: Range) -> Range | None:
        """The first of a run of gradients in a table whose rows (or columns) are steps: there the numbers are typed,
        after it they are computed."""
        rows, columns = numbers.shape
        if area.sheet != numbers.sheet:
            return None
        if rows == 1 and area.top == numbers.top and area.shape[1] == columns:
            after = (numbers.sheet, numbers.bottom + 1, numbers.left)
            part = replace(area, bottom=area.top)
        elif columns == 1 and area.left == numbers.left and area.shape[0] == rows:
            after = (numbers.sheet, numbers.top, numbers.right + 1)
            part = replace(area, right=area.left)
        else:
            return None
        return part if after in self.cells.formulas else None

    def _summed(self, numbers: Range, area: Range) -> Range | None:
        """The sums of a block that has a row (or column) of gradients for each example."""
        count = numbers.shape[0] * numbers.shape[1]
        for along, (first, last) in enumerate(((area.left, area.right), (area.top, area.bottom))):
            if last - first + 1 != count:
                continue
            edges = ("top", "bottom") if along else ("left", "right")
            lines = [replace(area, **dict.fromkeys(edges, k)) for k in range(first, last + 1)]
            totals = [self._total(line) for line in lines]
            if None not in totals:
                first, last = totals[0], totals[-1]
                whole = Range(first[0], first[1], first[2], last[1], last[2])
                if list(cells_of(whole)) == totals and whole.shape in (numbers.shape, numbers.shape[::-1]):
                    return whole
        return None

    def _total(self, line: Range) -> Place | None:
        """The one formula that adds up a line of gradients."""
        found = self.blocks.totals(line)
        return found[0] if len(found) == 1 else None

    # -- the loss --

    def _loss(self, proposals: list[Pair]) -> tuple[Range, str]:
        """The loss that most of the numbers flow into: a defined name's, or else a label's; of several, the last to be
        computed."""
        named_so = [(name, area) for name, area in self.cells.names.items() if is_loss(name)]
        found = self._last_loss(self._losses(named_so), proposals)
        found = found or self._last_loss(self._losses(self._labelled_losses()), proposals)
        if not found:
            raise GradcheckError(
                f"--find: no formula that depends on {_told(proposals[0].numbers)} is labelled loss, cost, error, "
                "E, L or J; name it with --loss"
            )
        return found

    def _labelled_losses(self) -> Iterator[tuple[str, Range]]:
        for at, text in self.cells.texts.items():
            if is_loss(text):
                yield from ((text, area) for area in self.blocks.of(at, Kind.FORMULA))

    def _losses(self, areas: Iterable[tuple[str, Range]]) -> dict[Place, str]:
        """The formulas that may be the loss, with their labels: the first and the last of what is named so, and what takes
        it together."""
        found: dict[Place, str] = {}
        for label, area in areas:
            for at in self.blocks.totals(area):
                found.setdefault(at, f"the total of {shown(label)}")
            for at in (area.sheet, area.top, area.left), (area.sheet, area.bottom, area.right):
                if at in self.cells.formulas:
                    found.setdefault(at, shown(label))
        return found

    def _label_of(self, areas: list[Range]) -> str:
        """The label of a loss that the call gives, where it has one of a loss."""
        losses = self._losses([*self.cells.names.items(), *self._labelled_losses()])
        self.loss_names = {name for label in losses.values() for name in names_of(label)}
        return losses.get((areas[0].sheet, areas[0].top, areas[0].left), "")

    def _last_loss(self, losses: dict[Place, str], proposals: list[Pair]) -> tuple[Range, str] | None:
        """Of cells that may be the loss the one that most numbers flow into, and most of the others; None where no number
        does."""
        if len(losses) > MOST_LOSSES:
            raise GradcheckError(f"--find: more than {MOST_LOSSES} cells may be the loss; name it with --loss")
        reached = {at: self.cells.ancestors([cell_range(at)]) for at in losses}
        self.loss_names = {name for label in losses.values() for name in names_of(label)}
        counts = {
            at: len({pair.numbers.range for pair in proposals if self._sound(pair, reached[at], label)})
            for at, label in losses.items()
        }
        most = max(counts.values(), default=0)
        if not most:
            return None
        best = [at for at, count in counts.items() if count == most]
        last = [at for at in best if not any(at in reached[other] for other in best if other != at)]
        if len(last) > 1:
            where = " and ".join(f"{losses[at]} ({named(cell_range(at))})" for at in last[:4])
            raise GradcheckError(f"--find: {where} may each be the loss; name it with --loss")
        return cell_range(last[0]), losses[last[0]]

    def _sound(self, pair: Pair, reached: set[Place], label: str) -> bool:
        return self._of(pair, label) and not self._unsound(pair, reached, "")

    def _of(self, pair: Pair, label: str) -> bool:
        """Whether a gradient may be that of the loss with this label: it names it, or a loss that has no other cell. A loss
        that the call gave has no label."""
        return (
            not label
            or not pair.of
            or pair.of in names_of(label)
            or (pair.of not in self.loss_names and is_loss(pair.of))
        )

    # -- which numbers, which gradients --

    def _chosen(self, proposals: list[Pair], reached: set[Place], label: str, loss: str) -> list[Pair]:
        """One pair for every block of numbers: what the loss does not depend on, and what is in doubt, is left out."""
        told = f"{label} ({loss})" if label else loss
        sound: dict[Range, list[Pair]] = {}
        for pair in proposals:
            why = self._unsound(pair, reached, told)
            if not why and not self._of(pair, label):
                why = f"a gradient of {pair.of}, not of {told}"
            if why and not pair.quiet:
                self.left_out.setdefault(_told(pair.gradients), why)
            elif not why:
                sound.setdefault(pair.gradients.range, []).append(pair)
        by_numbers: dict[Range, list[Pair]] = {}
        for some in sound.values():
            self.left_out.pop(_told(some[0].gradients), None)
            one = self._one_number(some)
            if one:
                by_numbers.setdefault(one.numbers.range, []).append(one)
        chosen = [pair for some in by_numbers.values() if (pair := self._one_gradient(some))]
        plainly = {at for pair in chosen if not pair.quiet for at in cells_of(pair.numbers.range)}
        chosen = [pair for pair in chosen if not pair.quiet or plainly.isdisjoint(cells_of(pair.numbers.range))]
        return sorted(chosen, key=lambda pair: self._order(pair.numbers.range))

    def _order(self, area: Range) -> tuple[int, int, int]:
        return self.cells.sheets.index(area.sheet), area.top, area.left

    def _unsound(self, pair: Pair, reached: set[Place], loss: str) -> str:
        """Why the loss rules a pair out; empty where it does not."""
        if not all(at in reached for at in cells_of(pair.numbers.range)):
            return f"{loss} does not depend on {_told(pair.numbers)}"
        if any(at in reached for at in cells_of(pair.gradients.range)):
            return f"{loss} is computed from it"
        behind = self._behind(pair.gradients.range)
        if behind and behind.isdisjoint(reached):
            return f"it has nothing in common with {loss}"
        return ""

    def _behind(self, gradients: Range) -> set[Place]:
        """What gradients are computed from."""
        if gradients not in self._made_of:
            self._made_of[gradients] = self.cells.ancestors([gradients]).difference(cells_of(gradients))
        return self._made_of[gradients]

    def _one_number(self, some: list[Pair]) -> Pair | None:
        """Of several blocks of numbers for one of gradients the one of its shape, its section, its sheet."""
        gradients = some[0].gradients
        for fits in (
            lambda pair: pair.numbers.range.shape == gradients.range.shape,
            lambda pair: self._section(pair.numbers) == self._section(gradients),
            lambda pair: pair.numbers.range.sheet == gradients.range.sheet,
        ):
            some = [pair for pair in some if fits(pair)] or some
        if len(some) > 1:
            where = " and ".join(named(pair.numbers.range) for pair in some[:3])
            self.left_out[_told(gradients)] = f"{shown(some[0].numbers.label)} stands at {where}; say which"
            return None
        return some[0]

    def _section(self, one: Labelled) -> str:
        return self.blocks.heading(one.at) if one.at else ""

    def _one_gradient(self, some: list[Pair]) -> Pair | None:
        """Of several blocks of gradients for the same numbers the one that has a defined name, or that is computed from the
        others."""
        some = [pair for pair in some if pair.gradients.at is None] or some
        if len(some) == 1:
            return some[0]
        for pair in some if len(some) <= MOST_ALIKE else ():
            others = [other.gradients.range for other in some if other is not pair]
            if all(self._behind(pair.gradients.range).issuperset(cells_of(area)) for area in others):
                return pair
        where = " and ".join(_told(pair.gradients) for pair in some[:3])
        self.left_out[_told(some[0].numbers)] = f"its gradient may be {where}; say which"
        return None


def _told(one: Labelled) -> str:
    return f"{shown(one.label)} ({named(one.range)})" if one.label else named(one.range)


def _inside(part: Range, area: Range) -> bool:
    return (
        part.sheet == area.sheet
        and area.top <= part.top <= part.bottom <= area.bottom
        and area.left <= part.left <= part.right <= area.right
    )
