"""From a template's table to a lesson, with everything checked that can be."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from sheetgrad.autodiff.program import Program
from sheetgrad.autodiff.rules import with_own_operations
from sheetgrad.lesson.bugs import read_bug
from sheetgrad.lesson.fields import LessonError, number_of, only_known, table_of, text_of
from sheetgrad.lesson.kinds import read_sections, section_kinds
from sheetgrad.lesson.model import Lesson
from sheetgrad.lesson.sections import read_exercise, read_nudge
from sheetgrad.lesson.tensors import read_tensor, refuse_twins
from sheetgrad.lesson.words import read_answer, read_first, read_first_at, read_next, read_notes
from sheetgrad.lines.names import closest, mentioned
from sheetgrad.lines.parse import LanguageError, parse_lines
from sheetgrad.tables.updates import with_own_optimizers

MOST_PARAGRAPHS = 40
KEYS = (
    *("title", "question", "text", "order", "next", "forward", "gradients", "tensors", "ops", "nudge"),
    *("optimizers", "exercise", "bug", "answer", "first", "first_at", "notes", "next_title"),
)  # of every template; those of the sheets come from their declarations


def read_template(table: Mapping, name: str, source: str, folder: Path | None = None) -> Lesson:
    """The lesson of a parsed template; ``source`` stands in messages, ``folder`` is where its CSVs are.

    Raises :class:`LessonError` in one line that names the source, the place, what was found and expected.
    """
    try:
        return _read(table, name, folder)
    except RecursionError:
        raise LessonError(f"{source}, forward: too many values hang on one another; make it shorter") from None
    except LanguageError as error:
        raise LessonError(f"{source}, {_place(str(error))}") from None
    except LessonError as error:
        raise LessonError(f"{source}, {error}") from None


def _place(message: str) -> str:
    """Messages of the language start with their line; here it becomes a line of the template's forward pass."""
    return f"forward {message}" if message.startswith(("line ", "no line ")) else message


def _read(table: Mapping, name: str, folder: Path | None) -> Lesson:
    only_known(table, (*KEYS, *section_kinds()), "the template")
    title = text_of(table, "title", 200)
    question = text_of(table, "question", 500)
    text = text_of(table, "text", 20_000, "")
    if text.count("\n\n") > MOST_PARAGRAPHS:
        raise LessonError(f"text: more than {MOST_PARAGRAPHS} paragraphs; a lesson's text is short")
    forward = text_of(table, "forward", 20_000).strip("\n")
    ops = table_of(table, "ops")
    rules = with_own_operations(ops)
    optimizers = table_of(table, "optimizers")
    with_own_optimizers(optimizers)  # refused here, used or not
    lines = parse_lines(forward)
    used = {name for line in lines for name in mentioned(line.expression)}
    entries = table_of(table, "tensors")
    tensors = {key: read_tensor(key, entry, folder) for key, entry in entries.items()}
    unknown = used - set(tensors) - {line.name for line in lines}
    for key in tensors:
        if key in rules:
            raise LessonError(f"[tensors.{key}]: {key} is an operation; give the tensor another name")
        if key not in used and not unknown:
            raise LessonError(f"[tensors.{key}]: no forward line uses {key}{closest(key, used - set(tensors))}")
    refuse_twins(tensors)
    shapes = {key: tensor.values.shape for key, tensor in tensors.items()}
    gradients = _gradients(table, tensors, lines, shapes, rules)
    lesson = Lesson(
        name=name,
        title=title,
        question=question,
        text=text.strip(),
        forward=forward,
        tensors=MappingProxyType(tensors),
        gradients=gradients,
        ops=ops,
        optimizers=optimizers,
        nudge=read_nudge(table_of(table, "nudge")),
        order=int(number_of(table, "order", 1000, 0, 1_000_000)),
        answer=read_answer(table),
        first=read_first(table),
        notes=MappingProxyType(read_notes(table, {line.name for line in lines})),
    )
    following, following_title = read_next(table, folder)
    first_at = read_first_at(table, lesson.program.shapes)
    lesson = lesson.with_parts(next=following, next_title=following_title, first_at=first_at)
    _class_numbers(lesson)
    values = lesson.program.run(lesson.values)
    _finite(values, lesson.program)
    if "bug" in table:
        _alone(table)
        lesson = lesson.with_parts(bug=read_bug(table_of(table, "bug"), lesson))
        _finite(lesson.program.run(lesson.values), lesson.program)
        return lesson
    sections = read_sections(table, lesson, values)
    if "exercise" in table:
        exercise = read_exercise(table_of(table, "exercise"), lesson.program, "[exercise] blank")
        lesson = lesson.with_parts(exercise=exercise)
    return lesson.with_parts(sections=MappingProxyType(sections))


def _alone(table: Mapping) -> None:
    """What is wrong on purpose is looked for on the sheets that every workbook has: others would tell, or be wrong too."""
    for key in ("exercise", *section_kinds()):
        if table.get(key, False) is not False:
            raise LessonError(
                f"[{key}]: cannot be with [bug], whose workbooks have the sheets Lesson, Gradients and Nudge"
            )


def class_targets(lesson: Lesson) -> dict[str, int]:
    """The targets of cross-entropies that are class numbers, each with how many classes there are."""
    found = {}
    for step in lesson.program.steps:
        match step.expression:
            case ast.Call(func=ast.Name(id="cross_entropy"), args=[ast.Name(id=scores), ast.Name(id=target)]):
                shape = lesson.program.shapes[scores]
            case _:
                continue
        if target in lesson.tensors and lesson.tensors[target].values.shape != shape:
            found[target] = shape[-1]
    return found


def _class_numbers(lesson: Lesson) -> None:
    """Targets of a cross-entropy that are not one-hot rows are whole numbers from 0."""
    for target, classes in class_targets(lesson).items():
        values = lesson.tensors[target].values
        wrong = values[(values != np.round(values)) | (values < 0) | (values >= classes)]
        if wrong.size:
            raise LessonError(f"[tensors.{target}]: found {wrong[0]:g}, expected class numbers 0 to {classes - 1}")


def _finite(values: Mapping[str, np.ndarray], program: Program) -> None:
    for line in (*program.forward, *program.backward):
        if not np.isfinite(values[line.target]).all():
            raise LessonError(f"{line.text}: the result is not a finite number; choose other numbers")


def _gradients(table, tensors, lines, shapes, rules) -> tuple[str, ...]:
    if "gradients" not in table:
        wanted = [name for name, tensor in tensors.items() if tensor.role in ("parameter", "input")]
        return tuple(wanted) if wanted else _none_to_learn()
    names = table["gradients"]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise LessonError(f"gradients: found {names!r}, expected a list of tensor names")
    for name in names:
        if name not in tensors:
            raise LessonError(f"gradients: {name} is not one of the tensors{closest(name, tensors)}")
    if len(set(names)) < len(names):
        raise LessonError("gradients: a name stands there twice")
    return tuple(names)


def _none_to_learn():
    raise LessonError("tensors: none is an input or a parameter; name what to differentiate under gradients")
