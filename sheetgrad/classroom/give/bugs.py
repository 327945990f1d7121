"""Another slip for every student: which wrong lines a lesson with a ``[bug]`` can have, and who gets which."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from sheetgrad.autodiff.slips import Slip
from sheetgrad.lesson.bugs import gradients, possible_slips, wrong_numbers
from sheetgrad.lesson.model import Lesson

MOST = 12  # slips in a class: each makes a workbook of its own, which is written and proven
CLEAR = 0.002  # of the larger number: how far off some gradient must be


def with_slip(lesson: Lesson, label: str) -> Lesson:
    """The lesson with another bug than its own, that of the slip with this label. Raises ``ValueError`` where the lesson has
    no such slip."""
    key = label.partition(" ")[0]
    if key in gradients(lesson.derived):
        for slip in possible_slips(lesson.derived, key):
            if slip.label == label:
                return _with(lesson, slip)
    raise ValueError(f"slip: found {label[:60]!r}, which {lesson.name} does not have")


def _with(lesson: Lesson, slip: Slip) -> Lesson:
    return lesson.with_parts(bug=replace(lesson.bug, gradient=slip.line.target, line=slip.line.text))


def possible_bugs(lesson: Lesson) -> dict[str, Lesson]:
    """The lesson with each of the bugs that students may get, by the label of the slip; the same whatever numbers they get.

    Only those that give other gradients than the right line, and than the others, on the lesson's own numbers; of these
    so that every gradient and every kind of slip has its turn.
    """
    program = lesson.derived
    left = [slip for key in gradients(program) for slip in possible_slips(program, key)]
    found: dict[str, Lesson] = {}
    seen: set[bytes] = set()
    used: Counter[str] = Counter()
    while left and len(found) < MOST:
        slip = min(left, key=lambda one: used[one.name] + used[one.line.target])
        left.remove(slip)
        buggy = _with(lesson, slip)
        gives = _asked(buggy)
        if gives not in seen and shows(buggy, lesson.values):
            found[slip.label] = buggy
            seen.add(gives)
            used.update((slip.name, slip.line.target))
    return found


def _asked(lesson: Lesson) -> bytes:
    """The gradients that the lesson asks for, on its own numbers, to be compared."""
    values = lesson.program.run(lesson.values)
    return b"".join((values[f"{name}.g"].round(9) + 0.0).tobytes() for name in lesson.program.requested)


def shows(lesson: Lesson, numbers: Mapping[str, np.ndarray]) -> bool:
    """Whether the lesson's bug is clear on these numbers, and gives numbers at all."""
    values = lesson.program.run(numbers)
    finite = all(np.isfinite(values[line.target]).all() for line in lesson.program.backward)
    return finite and bool(wrong_numbers(lesson, numbers, CLEAR))


def draw_slip(
    bugs: Mapping[str, Lesson], numbers: Mapping[str, np.ndarray], taken: Collection[str], *words: str
) -> str:
    """The slip for these words, such as a seed and a student's id, on the student's ``numbers``; another one where somebody
    has the same, as far as there are others. Raises ``ValueError`` where none shows."""
    labels = list(bugs)
    digest = hashlib.sha256("\0".join((*words, "slip")).encode("utf-8")).digest()
    start = int.from_bytes(digest[:8], "big") % len(labels)
    order = [*labels[start:], *labels[:start]]
    for label in (*(one for one in order if one not in taken), *order):
        if shows(bugs[label], numbers):
            return label
    raise ValueError("no slip shows on the numbers that were drawn")
