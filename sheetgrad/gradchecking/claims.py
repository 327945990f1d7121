"""Which gradients a workbook's labels speak of, and the numbers that each may belong to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from sheetgrad.gradchecking.blocks import Blocks, Labelled, cells_of, inside, told
from sheetgrad.gradchecking.cells import Cells, Kind, named
from sheetgrad.gradchecking.labels import Gradient, gradient_of, is_loss, is_value, names_of, shown
from sheetgrad.gradchecking.ranges import Place, Range

PAIRING = 50  # steps that it counts to try a block of gradients on one of numbers


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
class Claim:
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
        return told(Labelled(self.label, area))


class Claims:
    """The claims of a workbook; ``left_out`` says of those that come to nothing why."""

    def __init__(self, cells: Cells, blocks: Blocks):
        self.cells, self.blocks = cells, blocks
        self.left_out: dict[str, str] = {}
        self._typed: list[tuple[Labelled, Gradient]] = []  # gradients that are typed numbers
        self._found_numbers: dict[str, list[Labelled]] = {}

    def proposals(self) -> Iterator[Pair]:
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

    def _claims(self) -> Iterator[Claim]:
        """Every text, and every defined name, that says that gradients stand there."""
        for name, area in self.cells.names.items():
            says = gradient_of(name)
            if says and says.names and self._has_formula(area):
                yield Claim(name, None, says, (area,), (area,))
        for at, text in self.cells.texts.items():
            own = gradient_of(text)
            if own and not own.sure and not any(name in self._texts for name in own.names):
                own = None  # the beginning of a word
            says = own or self._by_section(at, text)
            if says:
                formulas = self.blocks.of(at, Kind.FORMULA)
                mixed = [area for area in self.blocks.of(at, Kind.FORMULA, Kind.NUMBER) if self._has_formula(area)]
                claim = Claim(text, at, says, tuple(formulas), tuple(mixed), own is None)
                if formulas or mixed:
                    yield claim
                elif own and says.sure and says.names and (typed := self.blocks.of(at, Kind.NUMBER)):
                    self._typed.append((Labelled(text, typed[0]), says))

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

    def _by_name(self, claim: Claim) -> list[Pair]:
        """The claim's gradients with the numbers that bear its name."""
        for name in claim.says.names:
            numbers = self._numbers(name)
            fitting = [(one, self._fitted(one.range, claim)) for one in numbers]
            pairs = [claim.pair(one, area) for one, area in fitting if area]
            if pairs:
                return pairs
            if numbers:
                self._leave(claim, f"{told(numbers[0])} has another shape")
                return []
        if claim.says.names:
            self._unnamed(claim)
        return []

    def _unnamed(self, claim: Claim) -> None:
        """Notes why no numbers bear a claim's name; of what may be no gradient at all nothing is said."""
        name = claim.says.names[0]
        if computed := self._computed(name):
            self._leave(claim, f"{told(computed)} is computed, not typed in")
        elif claim.says.sure:
            self._leave(claim, f"no numbers are labelled {name}")

    def _computed(self, name: str) -> Labelled | None:
        """A block of formulas that bears a name."""
        for at in self._texts.get(name, ()):
            for area in self.blocks.of(at, Kind.FORMULA):
                return Labelled(self.cells.texts[at], area, at)
        return None

    def _leave(self, claim: Claim, why: str) -> None:
        if not claim.quiet:
            self.left_out[str(claim)] = why

    def _by_place(self, claim: Claim) -> list[Pair]:
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

    def _fitted(self, numbers: Range, claim: Claim) -> Range | None:
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
                    inside(part, area)
                    and not inside(numbers, part)
                    and all(inside(one, part) for one in claim.formulas if inside(one, area))
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

    def note_typed(self, pairs: Iterable[Pair]) -> None:
        """Gradients that are typed numbers, but for a text on the way that says what is computed elsewhere."""
        known = {name for pair in pairs for name in names_of(pair.numbers.label)}
        for one, says in self._typed:
            if known.isdisjoint(says.names):
                self.left_out[told(one)] = "typed numbers, not formulas"
