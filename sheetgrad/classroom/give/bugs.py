"""Another slip for every student: which wrong lines a lesson with a ``[bug]`` can have, and who gets which."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from sheetgrad.lesson.bugs import Bug, gradients, possible_slips, wrong_numbers
from sheetgrad.lesson.model import Lesson

MOST = 12  # slips in a class: each makes a workbook of its own, which is written and proven
CLEAR = 0.002  # of the larger number: how far off some gradient must be


def possible_bugs(lesson: Lesson) -> dict[str, Bug]:
    """The bugs that students may get, by the label of their slip; the same whatever numbers they get.

    Only those that give other gradients than the right line, and than the others, on the lesson's own numbers; of these
    so that every gradient and every kind of slip has its turn.
    """
    program = lesson.derived
    left = [slip for key in gradients(program) for slip in possible_slips(program, key)]
    found: dict[str, Bug] = {}
    seen: set[bytes] = set()
    used: Counter[str] = Counter()
    while left and len(found) < MOST:
        slip = min(left, key=lambda one: used[one.name] + used[one.line.target])
        left.remove(slip)
        bug = replace(lesson.bug, gradient=slip.line.target, line=slip.line.text)
        buggy = lesson.with_parts(bug=bug)
        gives = _asked(buggy)
        if gives not in seen and shows(buggy, lesson.values):
            found[slip.label] = bug
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
    lesson: Lesson, bugs: Mapping[str, Bug], numbers: Mapping[str, np.ndarray], taken: Collection[str], *words: str
) -> str:
    """The slip for these words, such as a seed and a student's id, on the student's ``numbers``; another one where somebody
    has the same, as far as there are others. Raises ``ValueError`` where none shows."""
    labels = list(bugs)
    digest = hashlib.sha256("\0".join((*words, "slip")).encode("utf-8")).digest()
    start = int.from_bytes(digest[:8], "big") % len(labels)
    order = [*labels[start:], *labels[:start]]
    clear = [label for label in order if shows(lesson.with_parts(bug=bugs[label]), numbers)]
    if not clear:
        raise ValueError("no slip shows on the numbers that were drawn")
    return next((label for label in clear if label not in taken), clear[0])
