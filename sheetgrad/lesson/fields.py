"""Reads the fields of a template's tables; each refusal says what was found and what was expected."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sheetgrad.errors import SheetgradError
from sheetgrad.lines.names import closest

LARGEST_SETTING = 1e6


class LessonError(SheetgradError, ValueError):
    """A template that cannot be used; the message names the file, the place, what was found and expected."""


@dataclass(frozen=True)
class NumberSetting:
    """A number that can be changed in the workbook: from ``least``, or above it, to ``most``."""

    least: float = 0.0
    most: float = LARGEST_SETTING
    above: bool = True

    def refuse(self, value: object, lesson) -> str:
        """What is expected instead of ``value``; empty when it will do."""
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number and (self.least < value if self.above else self.least <= value) and value <= self.most:
            return ""
        if self.above:
            return f"a number above {self.least:g}{'' if self.most == LARGEST_SETTING else f', at most {self.most:g}'}"
        return f"a number from {self.least:g} to {self.most:g}"


@dataclass(frozen=True)
class WordSetting:
    """A word that can be changed in the workbook: one of ``choices(lesson)``."""

    choices: Callable[[object], Collection[str]]

    def refuse(self, value: object, lesson) -> str:
        choices = self.choices(lesson)
        return "" if value in choices else choice(choices)


class Section:
    """A table of a template as data: the frozen dataclasses of its sheets.

    A field with the metadata ``setting`` is a number or word to play with, known by key and name: ``nudge.step``.
    """

    def setting(self, name: str) -> float | str:
        return getattr(self, name)

    def with_setting(self, name: str, value: float | str, lesson) -> Section:
        """The same section with another such number or word; ``ValueError`` says what is expected."""
        expected = self.__dataclass_fields__[name].metadata["setting"].refuse(value, lesson)
        if expected:
            raise ValueError(expected)
        return replace(self, **{name: value})


def setting(default: float | str, kind: NumberSetting | WordSetting | None = None):
    """A field of a section that can be changed in the workbook; a number above 0 unless told otherwise."""
    return field(default=default, metadata={"setting": kind or NumberSetting()})


def choice(words: Collection[str]) -> str:
    listed = list(words)
    return " or ".join(listed) if len(listed) < 4 else f"one of {listed[0]}, {listed[1]}, … {listed[-1]}"


def is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(name, str) for name in value)


def names_of(table: Mapping, key: str, known: Collection[str], where: str, default: Sequence[str]) -> tuple[str, ...]:
    names = table.get(key, list(default))
    if not isinstance(names, list) or not names or len(set(map(str, names))) < len(names):
        raise LessonError(f"{where} {key}: found {names!r}, expected a list of names")
    for name in names:
        if name not in known:
            raise LessonError(
                f"{where} {key}: {name!r} has no gradient here{closest(str(name), known)}; expected {choice(known)}"
            )
    return tuple(names)


def only_known(table: Mapping, known: Collection[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise LessonError(f"{where}: {key} is not a known key{closest(key, known)}")


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
