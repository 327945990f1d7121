"""What a template says to the reader: the answer, what to do first, notes beside steps, and the next lesson."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

from sheetgrad.formulas.expressions import Index, Shape
from sheetgrad.lesson.fields import LessonError, choice, table_of, text_of
from sheetgrad.lesson.sources import templates_folder
from sheetgrad.lines.names import closest

MOST_WORDS = 150  # of an answer: it is read at one sight
MOST_LINES, LONGEST_LINE = 3, 82  # of what to do first; characters
LONGEST_NOTE = 600
ELEMENT = re.compile(r"([^\W\d]\w*(?:\.g)?)(?:\[(\d+(?:,\d+)*)\])?")


def read_answer(table: Mapping) -> str:
    """The answer, at most ``MOST_WORDS`` words."""
    answer = text_of(table, "answer", 5_000, "").strip()
    found = len(answer.split())
    if found > MOST_WORDS:
        raise LessonError(
            f"answer: found {found} words, expected at most {MOST_WORDS}; the rest belongs in text or [notes]"
        )
    return answer


def read_first(table: Mapping) -> tuple[str, ...]:
    """The lines of what to do first."""
    lines = table.get("first", [])
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines) or len(lines) > MOST_LINES:
        raise LessonError(f"first: found {lines!r}, expected a list of at most {MOST_LINES} texts")
    for number, line in enumerate(lines, 1):
        text_of({"first": line}, "first", LONGEST_LINE, where=f"line {number} of ")
    return tuple(lines)


def read_first_at(table: Mapping, shapes: Mapping[str, Shape]) -> str:
    """The number to which the first line leads, such as ``w[1,2]`` or ``out.g[1,1]``; ``shapes`` are those of the lesson."""
    word = text_of(table, "first_at", 100, "")
    if word:
        element(word, shapes)
    return word


def element(word: str, shapes: Mapping[str, Shape]) -> tuple[str, Index]:
    """Tensor and index of a number as a person writes it, counted from 1: ``w[1,2]``."""
    found = ELEMENT.fullmatch(word.replace(" ", ""))
    name, counted = found.groups() if found else (word, None)
    if name not in shapes:
        raise LessonError(f"first_at: {name!r} is not in this lesson{closest(name, shapes)}; expected {choice(shapes)}")
    index, shape = tuple(int(i) - 1 for i in counted.split(",")) if counted else (), shapes[name]
    if len(index) != len(shape) or not all(0 <= i < n for i, n in zip(index, shape, strict=True)):
        last = f"{name}[{','.join(map(str, shape))}]" if shape else name
        raise LessonError(f"first_at: found {word!r}; the last number of {name} is {last}")
    return name, index


def read_notes(table: Mapping, targets: Collection[str]) -> dict[str, str]:
    """By the name that a forward line gives, the note that stands beside its step."""
    notes = table_of(table, "notes")
    for name in notes:
        if name not in targets:
            raise LessonError(
                f"[notes] {name}: no forward line gives it{closest(name, targets)}; expected {choice(targets)}"
            )
    return {name: " ".join(text_of(notes, name, LONGEST_NOTE, where="[notes] ").split()) for name in notes}


def read_next(table: Mapping, folder: Path | None) -> tuple[str, str]:
    """Name and title of the next lesson; the title is that of the template of this name, beside this one or among those
    that come with sheetgrad, if there is one."""
    name, title = text_of(table, "next", 100, ""), text_of(table, "next_title", 200, "")
    if title or not folder or not re.fullmatch(r"[\w-]+", name):
        return name, title
    return name, _title(folder / f"{name}.toml") or _title(templates_folder() / f"{name}.toml")


def _title(path: Path) -> str:
    """The title of a template; none where it cannot be read, which it says itself when it is built."""
    try:
        title = tomllib.loads(path.read_text("utf-8")).get("title", "")
    except (OSError, ValueError, RecursionError):
        return ""
    return title if isinstance(title, str) and len(title) <= 200 else ""
