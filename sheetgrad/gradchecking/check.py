"""Nudges any workbook, whoever made it: do its gradient cells agree with the slopes of its loss?

Every input cell is nudged both ways in memory, the workbook is recalculated, and the slope of the loss is compared
with the gradient cell as it stands: at the numbers that stand in the workbook, and again at others near them and far from
them, since a slip may be too small to see where it stands. What may differ, and what is a kink, is decided as on the
Nudge sheet (``agreement.toml``). The file itself is never changed.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sheetgrad.engines import AUTOMATIC, EngineError, ErrorValue, get_engine, save_as_xlsx
from sheetgrad.gradchecking.draws import FAR, GIVEN, NEAR, Cell, Drawn, drawn
from sheetgrad.gradchecking.judging import Judged, Nudged, judged, overall
from sheetgrad.gradchecking.naming import MOST_WRONG, Gradient, Slip, named
from sheetgrad.gradchecking.question import Pair, Question, asked
from sheetgrad.gradchecking.showing import alone, in_words, most_wrong
from sheetgrad.gradchecking.trials import Trials
from sheetgrad.tables.agreement import AGREE, DISAGREE, KINK, UNKNOWN
from sheetgrad.workbook.reading import WorkbookError

if TYPE_CHECKING:
    import pandas as pd

    from sheetgrad.engines import Session

STEP = 1e-4
SETS = 12  # of numbers besides the given ones
FEWEST_SETS = 2  # where there are many inputs, or the engine is slow to ask
SIDES = ("gradient", "slope", "left", "right", "doubt")
MOST_NUDGES = 3_500  # inputs times sets, above which there are fewer sets
MOST_ALONE = 8  # gradients for which a single number is looked for that shows the slip


@dataclass(frozen=True)
class CheckedCell:
    """An input, its gradient and the slope that was found: at the given numbers, or where the two first disagree.

    ``verdict`` is ✓, ✗, kink or "cannot tell"; ``shows`` is empty, or the numbers at which a gradient that passes at the
    given ones is wrong, and ``set`` which of the sets of numbers that is.
    """

    pair: str
    input: str
    gradient_cell: str
    value: float
    gradient: float
    slope: float
    left: float
    right: float
    doubt: float
    verdict: str
    shows: str = ""
    set: int = 0


@dataclass(frozen=True)
class Gradcheck:
    """What was found: a row a nudged cell, sentences, and the slips that were recognised. ``sets`` are the numbers that the workbook was tried on."""

    workbook: str
    engine: str
    loss: float
    cells: tuple[CheckedCell, ...]
    notes: tuple[str, ...]
    slips: tuple[Slip, ...]
    sets: tuple[Drawn, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many agree, disagree, stand at a kink, cannot be told."""
        words = {AGREE: "agree", DISAGREE: "disagree", KINK: "kink", UNKNOWN: "cannot_tell"}
        return {word: sum(cell.verdict == sign for cell in self.cells) for sign, word in words.items()}

    @property
    def ok(self) -> bool:
        """Something agrees, nothing disagrees, and nothing cannot be told."""
        counts = self.counts
        return counts["agree"] > 0 and counts["disagree"] == counts["cannot_tell"] == 0

    @property
    def random_sets(self) -> int:
        return sum(one.kind in (NEAR, FAR) for one in self.sets)

    @property
    def table(self) -> pd.DataFrame:
        """The cells, one a row, as :class:`CheckedCell` names them."""
        import pandas as pd  # slow to import, and other commands do without

        return pd.DataFrame([asdict(cell) for cell in self.cells])

    def as_dict(self) -> dict:
        """As JSON can hold it: a number that is none is null."""
        cells = [
            {name: _plain(value) for name, value in asdict(cell).items() if name not in ("pair", "doubt")}
            for cell in self.cells
        ]
        return {
            "workbook": self.workbook,
            "engine": self.engine,
            "ok": self.ok,
            "loss": self.loss,
            "counts": dict(self.counts),
            "cells": cells,
            "notes": list(self.notes),
            "sets": [one.as_dict(self.sets[0]) for one in self.sets],
            "slips": [asdict(slip) for slip in self.slips],
        }


def gradcheck(
    path: str | Path,
    loss: str,
    pairs: Sequence[tuple[str, str]],
    engine: str | None = None,
    step: float = STEP,
) -> pd.DataFrame:
    """The table of :func:`check`, with its engine, loss and notes in ``attrs``."""
    found = check(path, loss, pairs, engine, step)
    table = found.table
    table.attrs = {"engine": found.engine, "loss": found.loss, "notes": found.notes}
    return table


def check(
    path: str | Path, loss: str, pairs: Sequence[tuple[str, str]], engine: str | None = None, step: float = STEP
) -> Gradcheck:
    """Compares gradient cells with nudges of input cells, at the given numbers and at others.

    ``loss`` is a cell, or a formula over the workbook's cells. ``pairs`` are ranges of inputs and of their
    gradients, of equal shape or one the transpose of the other. An input x is nudged by ``step`` · max(1, |x|).
    Without an ``engine`` the first of ``AUTOMATIC`` is taken that can evaluate the workbook.

    Raises :class:`~sheetgrad.gradchecking.ranges.GradcheckError` for ranges that do not fit,
    :class:`~sheetgrad.workbook.reading.WorkbookError` for a file that cannot be read, ``EngineError`` when no engine can
    evaluate it.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix="sheetgrad-") as room:
        readable = path if path.suffix.lower() in (".xlsx", ".xlsm") else save_as_xlsx(path, Path(room))
        question, reasons = asked(readable, loss, pairs, step), []
        for name in [engine] if engine else AUTOMATIC:
            try:
                with get_engine(name).opened(readable) as session:
                    return replace(_checked(session, name, question), workbook=str(path))
            except EngineError as error:
                reasons.append(str(error))
        raise EngineError("; ".join(reasons))


@dataclass(frozen=True)
class Tried:
    """A pair on all sets of numbers: what its gradients show (a row a set), and its nudges."""

    pair: Pair
    sets: Sequence[Drawn]
    shown: np.ndarray
    nudged: Nudged

    def judged(self, order: np.ndarray) -> Judged:
        """What is typed in is judged at the given numbers alone."""
        shown = self.shown.copy()
        shown[1:, [cell in self.pair.typed for cell in self.pair.gradients]] = np.nan
        return judged(self.nudged, shown[:, order])


def _checked(session: Session, engine: str, question: Question) -> Gradcheck:
    for name, sheet in question.sheets.items():
        session.clear(name, sheet.filled)  # what is stored there would keep an array formula from filling them
    session.change(question.extra)
    trials = Trials(session, question.loss, question.step, question.free)
    _complain(engine, session, question)
    sets = _sets(question, session.quick)
    cells, notes = [], []
    all_tried = _tried(trials, question, sets)
    for tried in all_tried:
        found, said = _compared(tried)
        cells += found
        notes += said
    notes += _aside(sets, all_tried)
    cells, more = _alone(trials, cells, sets)
    slips, said = _named(trials, question, sets, cells)
    loss = float(all_tried[0].nudged.loss[0, 0])
    return Gradcheck("", engine, loss, tuple(cells), (*notes, *said), slips, (*sets, *more))


def _alone(trials: Trials, cells: list[CheckedCell], sets: list[Drawn]) -> tuple[list[CheckedCell], list[Drawn]]:
    """The first slips that show elsewhere only, shown by a single other number where one is enough."""
    cells, more = list(cells), []
    for k in [k for k, cell in enumerate(cells) if cell.set][:MOST_ALONE]:
        given, gradient = _cell(cells[k].input), _cell(cells[k].gradient_cell)
        if found := alone(trials, sets, cells[k].set, given, gradient):
            one, at = found
            numbers = {name: float(getattr(at, name)[0, 0]) for name in SIDES} | {"value": one.numbers[given]}
            shows = in_words(one, sets[0], given)
            cells[k] = replace(cells[k], **numbers, shows=shows, set=len(sets) + len(more))
            more.append(one)
    return cells, more


def _named(
    trials: Trials, question: Question, sets: Sequence[Drawn], cells: Sequence[CheckedCell]
) -> tuple[tuple[Slip, ...], list[str]]:
    """The slips that are recognised, and what to say of the wrong gradients that were not looked into."""
    wrong, right = (
        [Gradient(_cell(cell.input), _cell(cell.gradient_cell)) for cell in cells if cell.verdict == sign]
        for sign in (DISAGREE, AGREE)
    )
    if not wrong:
        return (), []
    if not trials.session.quick:
        return (), ["slips were not looked for: the engine takes too long to be asked so often"]
    more = [f"slips were looked for in the first {MOST_WRONG} of {len(wrong)} wrong gradients"]
    return tuple(named(trials, question, sets, wrong, right)), more if len(wrong) > MOST_WRONG else []


def _cell(place: str) -> Cell:
    sheet, _, cell = place.rpartition("!")
    return sheet, cell


def _complain(engine: str, session: Session, question: Question) -> None:
    """An engine that cannot evaluate what is needed says so, and the next one is tried."""
    wanted: dict[str, list[str]] = {question.loss[0]: [question.loss[1]]}
    for pair in question.pairs:
        wanted.setdefault(pair.gradient.sheet, []).extend(pair.gradient.cells())
    found = session.values_of_few(wanted)
    for sheet, cells in found.items():
        for cell, value in cells.items():
            if not isinstance(value, float) or not math.isfinite(value):
                place = f"{sheet}!{cell}"
                what = "the formula of --loss" if question.extra and question.loss == (sheet, cell) else place
                raise EngineError(f"{engine}: {what} gives {_shown(value)}, expected a number")


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value) if isinstance(value, ErrorValue) else repr(value)


def _sets(question: Question, quick: bool) -> list[Drawn]:
    """As many as there is time for."""
    inputs = sum(len(pair.numbers) for pair in question.pairs)
    count = min(SETS, max(FEWEST_SETS, MOST_NUDGES // inputs - 1)) if quick else FEWEST_SETS
    return drawn([pair.numbers for pair in question.pairs], max(1, count // 3), count - max(1, count // 3))


def _tried(trials: Trials, question: Question, sets: Sequence[Drawn]) -> list[Tried]:
    inputs = [cell for pair in question.pairs for cell in pair.inputs]
    gradients = [cell for pair in question.pairs for cell in pair.gradients]
    shown = trials.shown(sets, gradients)
    nudged = trials.nudged(sets, inputs)
    found, end = [], 0
    for pair in question.pairs:
        part = slice(end, end := end + len(pair.inputs))
        found.append(Tried(pair, sets, shown[:, part], nudged.part(inputs=part)))
    return found


def _compared(tried: Tried) -> tuple[list[CheckedCell], list[str]]:
    """The rows of a pair, in the orientation in which most gradients agree, and what there is to say of it."""
    pair, ways = tried.pair, [(*way, tried.judged(way[1])) for way in tried.pair.orders()]
    turned, order, found = max(ways, key=lambda way: (way[2].sign == AGREE).sum())
    notes = [f"{pair.gradient} stands turned: rows are columns"] if turned else []
    if pair.typed:
        notes.append(_typed(pair))
    verdicts = overall(found.sign)
    rows = []
    for k, cell in enumerate(pair.inputs):
        at = most_wrong(found, k) if verdicts[k] == DISAGREE else 0
        shows = in_words(tried.sets[at], tried.sets[0], cell) if at else ""
        numbers = [tried.nudged.value[at, k], *(getattr(found, name)[at, k] for name in SIDES)]
        places = "!".join(cell), "!".join(pair.gradients[order[k]])
        rows.append(CheckedCell(str(pair), *places, *map(float, numbers), str(verdicts[k]), shows, at))
    return rows, notes


def _typed(pair: Pair) -> str:
    count = len(pair.typed)
    which = f"all of {pair.gradient}" if count == len(pair.gradients) else f"{count} of the cells of {pair.gradient}"
    return f"{which}: typed numbers, not formulas, which can be checked at the given numbers only"


def _aside(sets: Sequence[Drawn], all_tried: Sequence[Tried]) -> list[str]:
    """What to say of sets of numbers at which something is no number, such as the logarithm of a negative one."""
    drawn_sets = [k for k, one in enumerate(sets) if one.kind != GIVEN]
    whole = [k for k in drawn_sets if not math.isfinite(all_tried[0].nudged.loss[k, 0])]
    parts = [k for k in drawn_sets if k not in whole and not all(np.isfinite(one.shown[k]).all() for one in all_tried)]
    notes = []
    if whole:
        notes.append(f"{len(whole)} of {len(drawn_sets)} random sets of numbers set aside: the loss is no number there")
    if parts:
        notes.append(
            f"at {len(parts)} of {len(drawn_sets)} random sets of numbers some gradients are no numbers: not judged there"
        )
    return notes


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


__all__ = ["CheckedCell", "Gradcheck", "WorkbookError", "check", "gradcheck"]
