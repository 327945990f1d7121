"""The tables of a template that concern every lesson: how numbers are nudged, and what a handout leaves blank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sheetgrad.autodiff.program import Program
from sheetgrad.lesson.fields import (
    LessonError,
    Section,
    WordSetting,
    choice,
    number_of,
    only_known,
    setting,
    text_of,
)
from sheetgrad.lines.names import closest

SCHEMES = ("central", "forward")


@dataclass(frozen=True)
class Nudge(Section):
    """How numbers are nudged: by ``step``, on both sides (``central``) or one; at most ``limit`` of them. 0: at most 200, and
    as many as leave the sheet light."""

    step: float = setting(1e-4)
    scheme: str = setting("central", WordSetting(lambda lesson: SCHEMES))
    limit: int = 0


@dataclass(frozen=True)
class Exercise:
    """What a handout leaves blank: gradients such as ``w.g``, one mark a number; ``text`` is the task in words, ``title``
    that of the handout where the lesson's own would not fit other numbers."""

    blank: tuple[str, ...]
    text: str = ""
    title: str = ""


def read_nudge(table: Mapping) -> Nudge:
    only_known(table, ("step", "scheme", "limit"), "[nudge]")
    scheme = text_of(table, "scheme", 20, Nudge.scheme, "[nudge] ")
    if scheme not in SCHEMES:
        raise LessonError(f"[nudge] scheme: found {scheme!r}, expected {' or '.join(SCHEMES)}")
    return Nudge(
        step=number_of(table, "step", Nudge.step, 1e-15, 1, "[nudge] "),
        scheme=scheme,
        limit=int(number_of(table, "limit", Nudge.limit, 1, 5000, "[nudge] ")) if "limit" in table else Nudge.limit,
    )


def read_exercise(table: Mapping, program: Program, where: str) -> Exercise:
    """Gradients of tensors that have one; that of the loss is always 1."""
    only_known(table, ("blank", "text", "title"), "[exercise]")
    known = [key for key in dict.fromkeys(line.target for line in program.backward) if key.endswith(".g")]
    known = [key for key in known if key != f"{program.loss}.g"]
    names = table.get("blank")
    if not isinstance(names, list) or not names or len(set(map(str, names))) < len(names):
        raise LessonError(f'{where}: found {names!r}, expected a list of gradients such as ["{known[-1]}"]')
    for name in names:
        if name not in known:
            raise LessonError(
                f"{where}: {name!r} is no gradient of this lesson{closest(str(name), known)}; expected {choice(known)}"
            )
    text = text_of(table, "text", 5_000, "", "[exercise] ")
    title = text_of(table, "title", 200, "", "[exercise] ")
    return Exercise(tuple(name for name in known if name in names), text.strip(), title)
