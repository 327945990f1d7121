"""A lesson: what a template says, checked when it is read."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np

from sheetgrad.autodiff.program import Program
from sheetgrad.autodiff.reverse import differentiate
from sheetgrad.autodiff.rules import Rules, builtin_rules, with_own_operations
from sheetgrad.formulas.expressions import Index
from sheetgrad.formulas.words import element_name
from sheetgrad.lesson.bugs import Bug
from sheetgrad.lesson.fields import LessonError, Section
from sheetgrad.lesson.kinds import section_kinds, write_sections
from sheetgrad.lesson.sections import Exercise, Nudge, read_exercise
from sheetgrad.lesson.sources import find_template
from sheetgrad.lesson.tensors import LARGEST_FILE, Tensor
from sheetgrad.lesson.words import element
from sheetgrad.lines.parse import parse_lines

MOST_NUMBERS = 1_000  # in a list to pick from


@dataclass(frozen=True)
class Lesson:
    """What is taught.

    ``forward`` are the lines as written, ``tensors`` the given numbers by name, ``gradients`` the tensors whose
    gradient is asked for, ``ops`` and ``optimizers`` the lesson's own, as in ``[ops.NAME]`` and ``[optimizers.NAME]``. The numbers to play with are
    known by where they stand here: ``nudge.step``, ``laboratory.ripple``. ``sections`` are the tables that ask for further
    sheets, by key, each as its sheet reads it. A ``bug`` is a backward line that is wrong on purpose.

    For the reader: ``answer`` to the ``question``, ``first`` what to do first, line by line, beginning at the number
    ``first_at``; ``notes`` by the name that a forward line gives; and ``text``, all that is longer.
    """

    name: str
    title: str
    question: str
    text: str
    forward: str
    tensors: Mapping[str, Tensor]
    gradients: tuple[str, ...]
    ops: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    optimizers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    nudge: Nudge = Nudge()
    sections: Mapping[str, object] = field(default_factory=dict)
    exercise: Exercise | None = None
    bug: Bug | None = None
    order: int = 1000
    next: str = ""
    next_title: str = ""
    answer: str = ""
    first: tuple[str, ...] = ()
    first_at: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path_or_name: str | Path) -> Lesson:
        """The lesson of a template: a name from :func:`available` or a path to a ``.toml`` file.

        Raises :class:`LessonError` in one line that names the file, the place, what was found and expected.
        """
        path = find_template(path_or_name)
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise LessonError(f"{path.name}: larger than {LARGEST_FILE:,} bytes")
            table = tomllib.loads(path.read_bytes().decode("utf-8"))
        except LessonError:
            raise
        except (ValueError, RecursionError) as error:  # also text that is not UTF-8, and numbers of 5,000 digits
            raise LessonError(f"{path.name}: not a TOML file: {error}") from None
        except OSError as error:
            raise LessonError(f"{path}: {error.strerror}") from None
        return cls.from_table(table, path.stem, path.name, path.parent)

    @classmethod
    def from_table(cls, table: Mapping, name: str, source: str, folder: Path | None = None) -> Lesson:
        """The lesson of a parsed template. ``source`` stands in messages, ``folder`` is where its CSVs are."""
        from sheetgrad.lesson.reading import read_template  # which makes lessons, and so stands on this module

        return read_template(table, name, source, folder)

    def to_table(self) -> dict:
        """The lesson as plain data, numbers included: what the workbook carries. ``from_table`` reads it back."""
        table = {
            "title": self.title,
            "question": self.question,
            "text": self.text,
            "order": self.order,
            "forward": self.forward,
            "gradients": list(self.gradients),
            "tensors": {
                tensor.name: {"role": tensor.role, "values": tensor.values.tolist(), "note": tensor.note}
                for tensor in self.tensors.values()
            },
            "nudge": {key: value for key, value in asdict(self.nudge).items() if value},
        }
        table |= write_sections(self.sections)
        told = dict(next=self.next, next_title=self.next_title, answer=self.answer, first_at=self.first_at)
        told |= dict(first=list(self.first), notes=dict(self.notes))
        table |= {key: value for key, value in told.items() if value}
        if self.ops:
            table["ops"] = {name: dict(entry) for name, entry in self.ops.items()}
        if self.optimizers:
            table["optimizers"] = {name: dict(entry) for name, entry in self.optimizers.items()}
        if self.exercise:
            table["exercise"] = asdict(self.exercise) | {"blank": list(self.exercise.blank)}
        if self.bug:
            table["bug"] = asdict(self.bug)
        return table

    @cached_property
    def rules(self) -> Rules:
        return with_own_operations(self.ops)

    @cached_property
    def program(self) -> Program:
        """The forward and backward lines that the workbook shows."""
        return self._differentiated(self.bug.instead) if self.bug else self.derived

    @cached_property
    def derived(self) -> Program:
        """The forward lines, and the backward lines as the rules give them: without the bug, where there is one."""
        return self._differentiated({})

    def _differentiated(self, instead: Mapping[str, ast.expr]) -> Program:
        shapes = {name: tensor.values.shape for name, tensor in self.tensors.items()}
        return differentiate(parse_lines(self.forward), shapes, self.gradients, self.rules, instead)

    @property
    def mended(self) -> Lesson:
        """The same lesson without its bug."""
        return self.with_parts(bug=None) if self.bug else self

    @property
    def task(self) -> Exercise | Bug | None:
        """What a student is asked to do, with its ``text`` and ``title``."""
        return self.bug or self.exercise

    @property
    def replacements(self) -> tuple[str, ...]:
        """A sentence without its point for each built-in operation that the lesson replaces by one of its own."""
        return tuple(
            f"The lesson's own [ops.{name}] replaces the built-in operation"
            for name in self.ops
            if name in builtin_rules()
        )

    @property
    def starts_at(self) -> tuple[str, Index]:
        """Tensor and index of the number to begin with: ``first_at``, or the first that has a gradient."""
        return element(self.first_at or next(iter(self.numbers)), self.program.shapes)

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The given numbers by tensor."""
        return {name: tensor.values for name, tensor in self.tensors.items()}

    @cached_property
    def numbers(self) -> Mapping[str, tuple[str, Index]]:
        """The numbers that can be picked, by the name that a person reads (``w[1,2]``): tensor and index.

        They are those of the tensors with a gradient; of more than ``MOST_NUMBERS`` an even share of each tensor.
        """
        program = self.program
        sizes = {name: int(np.prod(program.shapes[name], dtype=int)) for name in program.requested}
        share = min(1.0, MOST_NUMBERS / sum(sizes.values()))
        chosen = []
        for name, size in sizes.items():
            flat = np.unique(np.linspace(0, size - 1, max(1, int(share * size))).round().astype(int))
            shape = program.shapes[name]
            chosen += [(name, tuple(map(int, np.unravel_index(k, shape))) if shape else ()) for k in flat]
        return MappingProxyType({element_name(name, index): (name, index) for name, index in chosen})

    def with_values(self, values: Mapping[str, np.ndarray]) -> Lesson:
        """The same lesson on other numbers of the same shapes."""
        tensors = {name: replace(tensor, values=values[name]) for name, tensor in self.tensors.items()}
        return self.with_parts(tensors=MappingProxyType(tensors))

    def with_blank(self, names: Sequence[str] = ()) -> Lesson:
        """The same lesson with these gradients left blank in its handouts.

        Without names: those of ``[exercise]``, or else the gradients of all parameters that are asked for. Raises
        :class:`LessonError` for a name that is no gradient of the lesson, and for any where the task is to find a bug.
        """
        if self.bug:
            if names:
                raise LessonError(
                    f"blank: found {names[0]}, but in {self.name} a wrong line is to be found: none is blank"
                )
            return self
        if not names and self.exercise:
            return self
        default = [name for name in self.gradients if self.tensors[name].role == "parameter"] or self.gradients
        blank = list(names) or [f"{name}.g" for name in default]
        exercise = read_exercise({"blank": blank}, self.program, "blank")
        if self.exercise:
            exercise = replace(self.exercise, blank=exercise.blank)
        return self.with_parts(exercise=exercise)

    def to_hand_out(self) -> Lesson:
        """The lesson as it is handed out on drawn numbers: with the exercise's title, without what is told of its own
        numbers, and with the sheets Lesson, Gradients and Nudge alone."""
        tensors = {name: replace(tensor, note="") for name, tensor in self.tensors.items()}
        title = self.task.title or self.title  # an exercise may have none of its own
        untold = dict(
            answer="", text="", first=(), first_at="", notes=MappingProxyType({}), sections=MappingProxyType({})
        )
        return self.with_parts(title=title, tensors=MappingProxyType(tensors), **untold)

    def asking_for(self, key: str) -> Lesson:
        """The same lesson with the sheets of a section too, as if its template said ``key = true``. Where a wrong line is
        to be found there are none: they would tell."""
        if self.bug or key in self.sections:
            return self
        section = section_kinds()[key].read({}, self, self.program.run(self.values))
        return self.with_parts(sections=MappingProxyType({**self.sections, key: section}))

    def setting(self, key: str) -> float | str:
        """A number or word to play with: ``nudge.step``."""
        section, name = key.split(".")
        return self._section(section).setting(name)

    def with_setting(self, key: str, value: float | str) -> Lesson:
        """The same lesson with another such number or word; :class:`LessonError` says what is expected."""
        section, name = key.split(".")
        try:
            changed = self._section(section).with_setting(name, value, self)
        except ValueError as error:
            raise LessonError(f"{section} {name.replace('_', ' ')} must be {error}") from None
        if section == "nudge":
            return self.with_parts(nudge=changed)
        return self.with_parts(sections=MappingProxyType({**self.sections, section: changed}))

    def _section(self, name: str) -> Section:
        return self.nudge if name == "nudge" else self.sections[name]

    def with_parts(self, **changes) -> Lesson:
        """The same forward lines, so that the program stays as it is, with other numbers, words or sections; or with
        another bug, and then the program has that."""
        changed = replace(self, **changes)
        kept = ("rules", "derived", *(["program"] if changed.bug == self.bug else []))
        changed.__dict__.update({key: self.__dict__[key] for key in kept if key in self.__dict__})
        return changed
