"""Judges the blanks of one submission by the numbers that they show on every trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from openpyxl.formula import Tokenizer
from openpyxl.formula.tokenizer import Token, TokenizerError

from sheetgrad.classroom.give.workshop import Cell, Workshop, by_sheet, changes_to
from sheetgrad.classroom.mark.answers import (
    EMPTY,
    ERROR,
    FOLLOWED,
    NUDGED,
    RIGHT,
    TEXT,
    TYPED,
    UNSURE,
    WRONG,
    Answer,
)
from sheetgrad.classroom.mark.slips import wrong_gradients
from sheetgrad.classroom.mark.trials import Arrays, close
from sheetgrad.engines import Changes, ErrorValue, Value, Values, Wanted
from sheetgrad.formulas.expressions import Index
from sheetgrad.formulas.words import element_name

UNKNOWN_FUNCTION = ("#NAME?", "#N/IMPL!", "#CALC!", "#ERROR!")
LONGEST = 500  # characters of a formula that are kept

Tried = tuple[str, list[np.ndarray], list[np.ndarray]]  # a slip, its numbers in every trial, and the right ones
Run = Callable[[Sequence[Changes], Wanted], list[Values]]  # the values of some cells after each of some changes


@dataclass(frozen=True)
class Submission:
    """What is known of one: ``found`` has the values of the blanks on every trial (and, where there are checks, once
    more with a nudge of 0), ``formulas`` their texts without ``=``; ``run`` asks for more."""

    found: Sequence[Values]
    formulas: Mapping[Cell, str]
    run: Run


class Judge:
    """Knows which numbers were tried: ``tried`` are all values by NumPy, the student's own numbers first."""

    def __init__(self, shop: Workshop, tried: Sequence[Arrays]):
        self.shop, self.program, self.tried = shop, shop.right.program, tried
        self.blank = shop.asked  # in the order of the backward pass

    def answers(self, one: Submission) -> dict[str, Answer]:
        """The answers, tensor by tensor in the order of the backward pass.

        A cell earns a follow-through mark when its formula is right given any numbers in the student's other blanks:
        then it is so given their own, and a typed number never is.
        """
        nudged = self._nudged(one.found)
        shown = [self._arrays(values) for values in one.found[: len(self.tried)]]
        answers: dict[str, Answer] = {}
        for key in self.blank:
            right = [close(own[key], numbers[key]) for own, numbers in zip(shown, self.tried, strict=True)]
            strict = np.logical_and.reduce(right)
            follows = np.zeros_like(strict) if strict.all() else self._probe(key, one.run) & ~strict
            of_key: dict[Index, Answer] = {}
            for place, (name, index) in self.shop.blanks.items():
                if name == key:
                    still = len({own[key][index] for own in shown}) == 1
                    earned = RIGHT if strict[index] else FOLLOWED if follows[index] else WRONG
                    of_key[index] = _answer(one, place, NUDGED if place in nudged else earned, still)
            self._explain(key, of_key, shown)
            answers |= {element_name(key, index): answer for index, answer in of_key.items()}
        return answers

    def _explain(self, key: str, answers: Mapping[Index, Answer], shown: Sequence[Arrays]) -> None:
        """Hints for what is wrong in a tensor and not explained yet: a slip that is recognised, or a formula that was
        dragged wrongly where the first cell of the block is right."""
        unexplained = [index for index, answer in answers.items() if answer.hint == WRONG]
        if unexplained:
            slips = self._slips(key, shown)
            for index in unexplained:
                answers[index].hint = _recognised(slips, index, [own[key] for own in shown]) or WRONG
        first = next(iter(answers.values()))
        if first.mark and first.formula:
            for answer in answers.values():
                if answer.hint == WRONG and answer.formula:
                    answer.hint = "dollar"

    def _nudged(self, found: Sequence[Values]) -> set[Cell]:
        """The blanks that take their numbers from the nudges of the Check sheet: those that change when its h is 0."""
        if not self.shop.course.checked:
            return set()
        before, now = found[-2:]
        return {
            (sheet, cell)
            for sheet, cell in self.shop.blanks
            if isinstance(before[sheet][cell], float) and now[sheet][cell] != before[sheet][cell]
        }

    def _probe(self, key: str, run: Run) -> np.ndarray:
        """Which cells of ``key`` are right when any other numbers stand in all other blanks."""
        good = np.ones(self.program.shapes[key], dtype=bool)
        places = {place: at for place, at in self.shop.blanks.items() if at[0] == key}
        rest = {place: at for place, at in self.shop.blanks.items() if at[0] != key}
        for number, right in enumerate(self.tried):
            generator = np.random.default_rng(number)
            others = {name: np.round(generator.uniform(0.5, 2, right[name].shape), 2) for name in self.blank}
            changes = {sheet: dict(cells) for sheet, cells in changes_to(self.shop.inputs, right).items()}
            for sheet, cells in changes_to(rest, others).items():
                changes.setdefault(sheet, {}).update(cells)
            values = run([changes], by_sheet(places))[0]
            shown = np.full(right[key].shape, np.nan)
            for (sheet, cell), (_, index) in places.items():
                if isinstance(values[sheet][cell], float):
                    shown[index] = values[sheet][cell]
            good &= close(
                shown, self.program.run_around(right, {name: others[name] for name in self.blank if name != key})[key]
            )
        return good

    def _arrays(self, values: Values) -> dict[str, np.ndarray]:
        """What stands in the blanks, as arrays; NaN where there is no number."""
        arrays = {key: np.full(self.program.shapes[key], np.nan) for key in self.blank}
        for (sheet, cell), (key, index) in self.shop.blanks.items():
            value: Value = values[sheet][cell]
            if isinstance(value, float):
                arrays[key][index] = value
        return arrays

    def _slips(self, key: str, shown: Sequence[Arrays]) -> list[Tried]:
        """Each slip on all numbers, given the student's other blanks and given the right ones."""
        own = [
            self.program.run_around(right, {name: arrays[name] for name in self.blank if name != key})
            for right, arrays in zip(self.tried, shown, strict=True)
        ]
        found = []
        for bases in (own, self.tried):
            by_trial = [
                {one.slip: one.values for one in wrong_gradients(self.shop.slips[key], self.program, base)}
                for base in bases
            ]
            right = [base[key] for base in bases]
            for name, which in by_trial[0]:
                if all((name, which) in slips for slips in by_trial):
                    found.append((name, [slips[name, which] for slips in by_trial], right))
        return found


def _answer(one: Submission, place: Cell, earned: str, still: bool) -> Answer:
    """The answer in a blank that ``earned`` this; for a wrong one, what it is instead of a formula that moves."""
    sheet, cell = place
    answer = Answer(earned, earned == RIGHT, "", one.formulas[place][:LONGEST])
    if earned == NUDGED:
        answer.hint = NUDGED
    elif earned == WRONG:
        answer.hint = WRONG
        if what := _no_number(one.found[0][sheet][cell], one.formulas[place]):
            answer.verdict = answer.hint = what
        elif still:
            answer.hint = "still"
    return answer


def _no_number(value: Value, formula: str) -> str:
    """What stands in a blank that holds no number of a formula's; "" where it does."""
    if (value is None or value == "") and not formula:
        return EMPTY
    if isinstance(value, ErrorValue):
        return UNSURE if value in UNKNOWN_FUNCTION else ERROR
    if not isinstance(value, float):
        return TEXT
    return "" if _reads(formula) else TYPED


def _recognised(slips: Sequence[Tried], index: Index, shown: Sequence[np.ndarray]) -> str:
    """The first slip that shows these numbers in this cell, and somewhere differs from what is right there."""
    for name, wrong, right in slips:
        same = all(close(own[index], bad[index]) for own, bad in zip(shown, wrong, strict=True))
        if same and not all(close(bad[index], good[index]) for bad, good in zip(wrong, right, strict=True)):
            return name
    return ""


def _reads(formula: str) -> bool:
    """Whether a formula names a cell, and is not only a number with an = before it."""
    try:
        tokens = Tokenizer(f"={formula.lstrip('=')}").items if formula else []
    except (TokenizerError, IndexError, ValueError):
        return True
    return any(token.type == Token.OPERAND and token.subtype == Token.RANGE for token in tokens)
