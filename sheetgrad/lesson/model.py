"""A lesson: what a template says, checked when it is read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np

from sheetgrad.autodiff.program import Program
from sheetgrad.autodiff.reverse import differentiate
from sheetgrad.autodiff.rules import Rules, with_own_operations
from sheetgrad.formulas.expressions import Index
from sheetgrad.formulas.words import element_name
from sheetgrad.lesson.fields import LessonError, choice
from sheetgrad.lesson.sections import (
    LARGEST_STEP,
    SCHEMES,
    Contributions,
    Exercise,
    Jacobian,
    Laboratory,
    Nudge,
    Steps,
    Training,
    read_exercise,
)
from sheetgrad.lesson.sources import find_template
from sheetgrad.lesson.tensors import LARGEST_FILE, Tensor
from sheetgrad.lines.parse import Assignment, parse_lines

MOST_NUMBERS = 1_000  # in a list to pick from


@dataclass(frozen=True)
class Lesson:
    """What is taught.

    ``forward`` are the lines as written, ``tensors`` the given numbers by name, ``gradients`` the tensors whose
    gradient is asked for, ``ops`` the lesson's own operations as in ``[ops.NAME]``. The numbers to play with are
    known by where they stand here: ``nudge.step``, ``laboratory.ripple``. Without a ``laboratory`` the workbook has no
    Step size, Ripple and Tangent sheets.
    """

    name: str
    title: str
    question: str
    text: str
    forward: str
    tensors: Mapping[str, Tensor]
    gradients: tuple[str, ...]
    ops: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    nudge: Nudge = Nudge()
    laboratory: Laboratory | None = Laboratory()
    steps: Steps | None = None
    jacobian: Jacobian | None = None
    contributions: Contributions | None = None
    training: Training | None = None
    exercise: Exercise | None = None
    code: bool = False
    order: int = 1000
    next: str = ""

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
            "nudge": {"step": self.nudge.step, "scheme": self.nudge.scheme, "limit": self.nudge.limit},
        }
        table["laboratory"] = False
        if laboratory := self.laboratory:
            table["laboratory"] = {"number": laboratory.ripple, "nudge": laboratory.nudge, "reach": laboratory.reach}
        if self.next:
            table["next"] = self.next
        if self.ops:
            table["ops"] = {name: dict(entry) for name, entry in self.ops.items()}
        if self.steps:
            table["steps"] = asdict(self.steps)
        if self.jacobian:
            pairs = [list(pair) for pair in self.jacobian.pairs]
            table["jacobian"] = {"pairs": pairs, "example": self.jacobian.example}
        if self.contributions:
            table["contributions"] = {"of": list(self.contributions.of)}
        if self.training:
            table["training"] = asdict(self.training) | {"train": list(self.training.train)}
            if self.training.optimizer == "sgd":
                del table["training"]["momentum"]
        if self.exercise:
            table["exercise"] = asdict(self.exercise) | {"blank": list(self.exercise.blank)}
        if self.code:
            table["code"] = True
        return table

    @cached_property
    def rules(self) -> Rules:
        return with_own_operations(self.ops)

    @cached_property
    def program(self) -> Program:
        """The forward and backward lines."""
        shapes = {name: tensor.values.shape for name, tensor in self.tensors.items()}
        return differentiate(self._lines, shapes, self.gradients, self.rules)

    @property
    def _lines(self) -> list[Assignment]:
        return parse_lines(self.forward)

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
        return self._with(tensors=MappingProxyType(tensors))

    def with_blank(self, names: Sequence[str] = ()) -> Lesson:
        """The same lesson with these gradients left blank in its handouts.

        Without names: those of ``[exercise]``, or else the gradients of all parameters that are asked for. Raises
        :class:`LessonError` for a name that is no gradient of the lesson.
        """
        if not names and self.exercise:
            return self
        default = [name for name in self.gradients if self.tensors[name].role == "parameter"] or self.gradients
        blank = list(names) or [f"{name}.g" for name in default]
        exercise = read_exercise({"blank": blank}, self.program, "blank")
        if self.exercise:
            exercise = replace(self.exercise, blank=exercise.blank)
        return self._with(exercise=exercise)

    def to_hand_out(self) -> Lesson:
        """The lesson as it is handed out on drawn numbers: with the exercise's title, without notes on its own numbers,
        and with the sheets Lesson, Gradients and Nudge alone."""
        tensors = {name: replace(tensor, note="") for name, tensor in self.tensors.items()}
        extras = ("laboratory", "steps", "jacobian", "contributions", "training")
        title = self.exercise.title or self.title
        return self._with(title=title, tensors=MappingProxyType(tensors), **dict.fromkeys(extras), code=False)

    def setting(self, key: str) -> float | str:
        """A number or word to play with: ``nudge.step``."""
        section, field = key.split(".")
        return getattr(getattr(self, section), field)

    def with_setting(self, key: str, value: float | str) -> Lesson:
        """The same lesson with another such number or word; :class:`LessonError` says what is expected."""
        section, field = key.split(".")
        old = self.setting(key)
        if isinstance(old, str):
            choices = SCHEMES if key == "nudge.scheme" else self.numbers
            if value not in choices:
                raise LessonError(f"{key.replace('.', ' ')} must be {choice(choices)}")
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            raise LessonError(f"{key.replace('.', ' ')} must be a number")
        elif key == "training.momentum" and not 0 <= value <= 1:
            raise LessonError("training momentum must be a number from 0 to 1")
        elif key != "training.momentum" and not 0 < value <= LARGEST_STEP:
            raise LessonError("a step must be a number above 0")
        return self._with(**{section: replace(getattr(self, section), **{field: value})})

    def _with(self, **changes) -> Lesson:
        """The same lines on other numbers: the program stays as it is."""
        changed = replace(self, **changes)
        changed.__dict__.update({key: self.__dict__[key] for key in ("rules", "program") if key in self.__dict__})
        return changed
