"""Reads the fields of a template's tables; each refusal says what was found and what was expected."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence

from sheetgrad.lines.names import closest


class LessonError(ValueError):
    """A template that cannot be used; the message names the file, the place, what was found and expected."""


def choice(words: Collection[str]) -> str:
    listed = list(words)
    return " or ".join(listed) if len(listed) < 4 else f"one of {listed[0]}, {listed[1]}, … {listed[-1]}"


def is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(name, str) for name in value)


def names(table: Mapping, key: str, known: Collection[str], where: str, default: Sequence[str]) -> tuple[str, ...]:
    names = table.get(key, list(default))
    if not isinstance(names, list) or not names or len(set(map(str, names))) < len(names):
        raise LessonError(f"{where} {key}: found {names!r}, expected a list of names")
    for name in names:
        if name not in known:
            raise LessonError(
                f"{where} {key}: {name!r} has no gradient here{closest(str(name), known)}; expected {choice(known)}"
            )
    return tuple(names)


def only_known(table: Mapping, kind: str, where: str) -> None:
    for key in table:
        if key not in KEYS[kind]:
            raise LessonError(f"{where}: {key} is not a known key{closest(key, KEYS[kind])}")


def table_of(table: Mapping, key: str) -> Mapping:
    value = table.get(key, {})
    if not isinstance(value, Mapping):
        raise LessonError(f"{key}: found {value!r}, expected a table [{key}]")
    return value


def text_of(table: Mapping, key: str, longest: int, default: str | None = None, where: str = "") -> str:
    value = table.get(key, default)
    if value is None:
        raise LessonError(f"{where}{key} is missing, expected a text")
    if not isinstance(value, str) or len(value) > longest:
        raise LessonError(f"{where}{key}: expected a text of at most {longest:,} characters")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Cn") and c not in "\n\t" for c in value):
        raise LessonError(f"{where}{key}: holds a character that a workbook cannot hold")
    return value


def number_of(table: Mapping, key: str, default: float, least: float, most: float, where: str = "") -> float:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise LessonError(f"{where}{key}: found {value!r}, expected a number from {least:g} to {most:g}")
    return value


KEYS = {
    "": (
        *(
            "title",
            "question",
            "text",
            "order",
            "next",
            "forward",
            "gradients",
            "tensors",
            "ops",
            "nudge",
            "laboratory",
        ),
        *("steps", "jacobian", "contributions", "training", "exercise", "code"),
    ),
    "nudge": ("step", "scheme", "limit"),
    "laboratory": ("number", "nudge", "reach"),
    "steps": ("number", "step", "rows"),
    "jacobian": ("pairs", "example"),
    "contributions": ("of",),
    "exercise": ("blank", "text", "title"),
    "training": ("optimizer", "lr", "momentum", "steps", "train"),
    "tensors": ("role", "values", "csv", "columns", "rows", "shape", "random", "seed", "decimals", "note"),
}
