"""``[bug]``: a lesson of the kind "find the wrong gradient", one backward line of which is wrong on purpose."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sheetgrad.autodiff.program import Program
from sheetgrad.autodiff.slips import Slip, slips
from sheetgrad.formulas.words import element_name
from sheetgrad.lesson.fields import LessonError, choice, only_known, text_of
from sheetgrad.lines.names import closest
from sheetgrad.lines.parse import LanguageError, parse_backward_line

if TYPE_CHECKING:
    from sheetgrad.lesson.model import Lesson

KEYS = ("gradient", "line", "slip", "text", "title")
SHOWS = 1e-6  # of the larger number: a gradient that is off by so much is told from a right one by a nudge
SMALLEST = 1e-6  # of the largest gradient: one that is next to nothing shows nothing


@dataclass(frozen=True)
class Bug:
    """A backward line that is wrong on purpose: that of ``gradient``, such as ``w1.g``, is ``line``, such as
    ``w1.g = l1.g.T @ x``. ``text`` and ``title`` are the task in words and the title of its handouts, in which every
    student has another line that is wrong."""

    gradient: str
    line: str
    text: str = "One backward line is wrong. Which one?"
    title: str = "Find the wrong gradient"

    @property
    def instead(self) -> dict[str, ast.expr]:
        """The wrong expression, by its gradient."""
        return {self.gradient: parse_backward_line(self.line)[1]}


def read_bug(table: Mapping, lesson: Lesson) -> Bug:
    """The bug of a ``lesson`` that has none yet. Raises :class:`LessonError` for a line that cannot be, and for one that
    shows nowhere on the lesson's numbers."""
    only_known(table, KEYS, "[bug]")
    program, key = lesson.program, table.get("gradient")
    known = gradients(program)
    if key not in known:
        raise LessonError(
            f"[bug] gradient: found {key!r}{closest(str(key), known)}, expected a gradient such as {choice(known)}"
        )
    if ("line" in table) == ("slip" in table):
        raise LessonError('[bug]: expected either line = "…", the wrong line, or slip = "…", what is wrong with it')
    line = _written(table, key) if "line" in table else _slipped(table, program, key).line.text
    texts = (
        text_of(table, word, most, getattr(Bug, word), "[bug] ") for word, most in (("text", 5_000), ("title", 200))
    )
    bug = Bug(key, line, *texts)
    try:
        wrong = lesson.with_parts(bug=bug)
        found = wrong_numbers(wrong, lesson.values)
    except LanguageError as error:
        raise LessonError(f"[bug] {line}: {error}") from None
    if not found:
        raise LessonError(f"[bug] {line}: changes no gradient that is asked for on these numbers; choose others")
    return bug


def gradients(program: Program) -> list[str]:
    """The gradients whose line can be wrong; that of the loss is always 1."""
    found = dict.fromkeys(line.target for line in program.backward if line.target.endswith(".g"))
    return [key for key in found if key != f"{program.loss}.g"]


def possible_slips(program: Program, key: str) -> list[Slip]:
    """The slips that somebody could make in the line of this very gradient, each line once."""
    found: dict[str, Slip] = {}
    for slip in slips(program, key):
        if slip.here:
            found.setdefault(slip.line.text, slip)
    return list(found.values())


def wrong_numbers(lesson: Lesson, numbers: Mapping[str, np.ndarray], least: float = SHOWS) -> tuple[str, ...]:
    """The numbers, such as ``w1[1,2]``, whose gradient the lesson's bug makes wrong by more than ``least`` of it."""
    right, shown = lesson.derived.run(numbers), lesson.program.run(numbers)
    return tuple(name for name, apart in apart_by(lesson.program, right, shown).items() if not apart <= least)


def apart_by(program: Program, right: Mapping[str, np.ndarray], shown: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The numbers whose gradient was asked for and is not the ``right`` one, with how far it is off, in shares of the larger
    of the two."""
    pairs = {
        name: [np.asarray(values[f"{name}.g"], dtype=float) for values in (right, shown)] for name in program.requested
    }
    largest = max(float(np.abs(one).max(initial=0.0)) for one, _ in pairs.values())
    found = {}
    for name, (one, other) in pairs.items():
        scale = np.maximum(np.maximum(np.abs(one), np.abs(other)), SMALLEST * largest)
        with np.errstate(all="ignore"):  # what is no number is off by no number
            apart = np.abs(one - other) / scale
        for index in map(tuple, np.argwhere(~(one == other)).tolist()):
            found[element_name(name, index)] = float(apart[index])
    return found


def _written(table: Mapping, key: str) -> str:
    try:
        target, expression = parse_backward_line(text_of(table, "line", 2_000, where="[bug] "))
    except LanguageError as error:
        raise LessonError(f"[bug] line: {error}") from None
    if target != key:
        raise LessonError(f"[bug] line: found a line for {target}, expected {key} = …")
    return f"{target} = {ast.unparse(expression)}"


def _slipped(table: Mapping, program: Program, key: str) -> Slip:
    word = text_of(table, "slip", 100, where="[bug] ")
    possible = possible_slips(program, key)
    for slip in possible:
        if word in (slip.name, f"{slip.name} {slip.which}"):
            return slip
    names = list(dict.fromkeys(slip.name for slip in possible))
    raise LessonError(f"[bug] slip: found {word!r}, for {key} expected {choice(names)}")
