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
from dataclasses import dataclass
from pathlib import Path

from sheetgrad.engines import save_as_xlsx
from sheetgrad.gradchecking.blocks import Blocks, Labelled, cell_range, cells_of, told
from sheetgrad.gradchecking.cells import Cells, Kind, named, referenced
from sheetgrad.gradchecking.claims import Claims, Pair
from sheetgrad.gradchecking.labels import is_loss, names_of, shown
from sheetgrad.gradchecking.ranges import REFERENCE, GradcheckError, Place, Range
from sheetgrad.workbook.reading import read_workbook, readable
from sheetgrad.xlsx.contents import Contents

MOST_LOSSES = 100  # cells that may be the loss
MOST_ALIKE = 30  # blocks of gradients with the label of one number
LOOKED_FOR = "dw, ∂L/∂w, dL/dw1, w.g, w gradient, grad w or ∇w, or a heading gradient beside numbers"


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


class _Search:
    def __init__(self, cells: Cells):
        self.cells, self.blocks = cells, Blocks(cells)
        self.claims = Claims(cells, self.blocks)
        self.left_out = self.claims.left_out  # by claim, why
        self.loss_names: set[str] = set()  # plain, of all cells that may be the loss
        self._made_of: dict[Range, set[Place]] = {}

    def find(self, loss: str | None, given: list[Pair]) -> Found:
        """What to check, of what was not given."""
        proposals = given or list(self.claims.proposals())
        if not proposals:
            self.claims.note_typed([])
            raise GradcheckError(self._nothing())
        if loss is None:
            cell, label = self._loss(proposals)
            areas = [cell]
        else:
            areas = self._areas_of(loss)
            label = self._label_of(areas) if REFERENCE.match(loss.strip()) else ""
        reached = self.cells.ancestors(areas)
        pairs = given or self._chosen(proposals, reached, label, loss or named(cell))
        self.claims.note_typed(pairs)
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

    def _areas_of(self, loss: str) -> list[Range]:
        """The cells that a given loss is, or reads."""
        if REFERENCE.match(loss.strip()):
            return [Range.parse(loss, "--loss")]
        return list(referenced("=" + loss.strip().lstrip("="), self.cells.sheets[0], self.cells.names))

    # -- the loss --

    def _loss(self, proposals: list[Pair]) -> tuple[Range, str]:
        """The loss that most of the numbers flow into: a defined name's, or else a label's; of several, the last to be
        computed."""
        named_so = [(name, area) for name, area in self.cells.names.items() if is_loss(name)]
        found = self._last_loss(self._losses(named_so), proposals)
        found = found or self._last_loss(self._losses(self._labelled_losses()), proposals)
        if not found:
            raise GradcheckError(
                f"--find: no formula that depends on {told(proposals[0].numbers)} is labelled loss, cost, error, "
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
        called = f"{label} ({loss})" if label else loss
        sound: dict[Range, list[Pair]] = {}
        for pair in proposals:
            why = self._unsound(pair, reached, called)
            if not why and not self._of(pair, label):
                why = f"a gradient of {pair.of}, not of {called}"
            if why and not pair.quiet:
                self.left_out.setdefault(told(pair.gradients), why)
            elif not why:
                sound.setdefault(pair.gradients.range, []).append(pair)
        by_numbers: dict[Range, list[Pair]] = {}
        for some in sound.values():
            self.left_out.pop(told(some[0].gradients), None)
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
            return f"{loss} does not depend on {told(pair.numbers)}"
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
            self.left_out[told(gradients)] = f"{shown(some[0].numbers.label)} stands at {where}; say which"
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
        where = " and ".join(told(pair.gradients) for pair in some[:3])
        self.left_out[told(some[0].numbers)] = f"its gradient may be {where}; say which"
        return None
