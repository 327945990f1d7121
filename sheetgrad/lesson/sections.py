"""The tables of a template that say what its sheets show, as data and as they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sheetgrad.autodiff.program import Program
from sheetgrad.lesson.fields import LessonError, choice, is_pair, names, number_of, only_known, text_of
from sheetgrad.lesson.tensors import MOST_ELEMENTS, Tensor
from sheetgrad.lines.names import closest

if TYPE_CHECKING:
    from sheetgrad.lesson.model import Lesson

OPTIMIZERS = ("sgd", "momentum")
MOST_STEPS = 200  # of training
SCHEMES = ("central", "forward")
LARGEST_STEP = 1e6


@dataclass(frozen=True)
class Nudge:
    """How numbers are nudged: by ``step``, on both sides (``central``) or one; at most ``limit`` of them."""

    step: float = 1e-4
    scheme: str = "central"
    limit: int = 200


@dataclass(frozen=True)
class Steps:
    """The Steps sheet: the tensor ``number`` (a single number) grows by ``step``, ``rows`` times."""

    number: str
    step: float = 1e-6
    rows: int = 10


@dataclass(frozen=True)
class Laboratory:
    """What the Step size, Ripple and Tangent sheets start with: the number that each has picked, such as
    ``w[1,2]``, and how far it is nudged there. Students change all of it in the workbook."""

    step_size: str = ""
    ripple: str = ""
    tangent: str = ""
    nudge: float = 0.1
    reach: float = 0.5


@dataclass(frozen=True)
class Jacobian:
    """The Jacobian sheet: for each pair (result, operand) of one forward line, in one example (counted from 1)."""

    pairs: tuple[tuple[str, str], ...]
    example: int = 1


@dataclass(frozen=True)
class Contributions:
    """The Contributions sheet: the tensors whose gradient is taken apart, example by example."""

    of: tuple[str, ...]


@dataclass(frozen=True)
class Training:
    """The Training sheet: so many steps of gradient descent on the tensors ``train``."""

    train: tuple[str, ...]
    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    steps: int = 30


@dataclass(frozen=True)
class Exercise:
    """What a handout leaves blank: gradients such as ``w.g``, one mark a number; ``text`` is the task in words, ``title``
    that of the handout where the lesson's own would not fit other numbers."""

    blank: tuple[str, ...]
    text: str = ""
    title: str = ""


def read_nudge(table: Mapping) -> Nudge:
    only_known(table, "nudge", "[nudge]")
    scheme = text_of(table, "scheme", 20, Nudge.scheme, "[nudge] ")
    if scheme not in SCHEMES:
        raise LessonError(f"[nudge] scheme: found {scheme!r}, expected {' or '.join(SCHEMES)}")
    return Nudge(
        step=number_of(table, "step", Nudge.step, 1e-15, 1, "[nudge] "),
        scheme=scheme,
        limit=int(number_of(table, "limit", Nudge.limit, 1, 5000, "[nudge] ")),
    )


def read_steps(table: Mapping, tensors: Mapping[str, Tensor]) -> Steps:
    only_known(table, "steps", "[steps]")
    number = text_of(table, "number", 30, where="[steps] ")
    if number not in tensors or tensors[number].values.ndim:
        single = [name for name, tensor in tensors.items() if not tensor.values.ndim]
        raise LessonError(
            f"[steps] number: found {number!r}, expected a tensor that is a single number: {', '.join(single) or 'none'}"
        )
    return Steps(
        number=number,
        step=number_of(table, "step", Steps.step, 1e-15, 1e6, "[steps] "),
        rows=int(number_of(table, "rows", Steps.rows, 1, 1000, "[steps] ")),
    )


def read_laboratory(table: Mapping, lesson: Lesson, values: Mapping[str, np.ndarray]) -> Laboratory:
    """What the template picks; otherwise the first number that moves the loss, parameters before inputs."""
    only_known(table, "laboratory", "[laboratory]")
    names = list(lesson.numbers)

    def rank(name: str) -> tuple[bool, bool]:
        tensor, index = lesson.numbers[name]
        return values[f"{tensor}.g"][index] == 0, lesson.tensors[tensor].role != "parameter"

    number = text_of(table, "number", 60, min(names, key=rank), "[laboratory] ")
    if number not in names:
        raise LessonError(f"[laboratory] number: found {number!r}, expected {choice(names)}{closest(number, names)}")
    nudge = number_of(table, "nudge", Laboratory.nudge, 1e-12, 1e6, "[laboratory] ")
    reach = number_of(table, "reach", Laboratory.reach, 1e-12, 1e6, "[laboratory] ")
    return Laboratory(number, number, number, nudge, reach)


def read_jacobian(table: Mapping, program: Program) -> Jacobian:
    """Pairs of a forward line's result and one of its operands, each a vector or a matrix of one row an example."""
    only_known(table, "jacobian", "[jacobian]")
    where = "[jacobian] pairs"
    pairs = table.get("pairs")
    if not isinstance(pairs, list) or not pairs or not all(is_pair(pair) for pair in pairs):
        raise LessonError(f'{where}: found {pairs!r}, expected a list such as [["out", "x"]]')
    examples = MOST_ELEMENTS
    for output, given in pairs:
        step = next((step for step in program.steps if step.result == output), None)
        if step is None or given not in step.operands:
            results = ", ".join(step.result for step in program.steps)
            raise LessonError(
                f"{where}: found {[output, given]}, expected a result ({results}) and an operand of its line"
            )
        shapes = program.shapes[output], program.shapes[given]
        if any(len(shape) not in (1, 2) for shape in shapes):
            raise LessonError(f"{where}: {output} and {given} must be vectors, or matrices of one row an example")
        if len(shapes[1]) == 2 and (len(shapes[0]) != 2 or shapes[0][0] != shapes[1][0]):
            raise LessonError(
                f"{where}: {given} has not one row an example, as {output} has; pair it with data or a bias"
            )
        if len(shapes[0]) == 2:
            examples = min(examples, shapes[0][0])
    example = int(number_of(table, "example", 1, 1, examples, "[jacobian] "))
    return Jacobian(tuple((output, given) for output, given in pairs), example)


def read_contributions(table: Mapping, lesson: Lesson) -> Contributions:
    only_known(table, "contributions", "[contributions]")
    default = [name for name in lesson.gradients if lesson.tensors[name].role == "parameter"] or lesson.gradients
    return Contributions(names(table, "of", lesson.gradients, "[contributions]", default))


def read_exercise(table: Mapping, program: Program, where: str) -> Exercise:
    """Gradients of tensors that have one; that of the loss is always 1."""
    only_known(table, "exercise", "[exercise]")
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


def read_training(table: Mapping, tensors: Mapping[str, Tensor], gradients: Sequence[str]) -> Training:
    only_known(table, "training", "[training]")
    optimizer = text_of(table, "optimizer", 20, Training.optimizer, "[training] ")
    if optimizer not in OPTIMIZERS:
        raise LessonError(f"[training] optimizer: found {optimizer!r}, expected {choice(OPTIMIZERS)}")
    if "momentum" in table and optimizer != "momentum":
        raise LessonError('[training] momentum: expected only with optimizer = "momentum"')
    default = [name for name in gradients if tensors[name].role == "parameter"] or gradients
    return Training(
        train=names(table, "train", gradients, "[training]", default),
        optimizer=optimizer,
        lr=number_of(table, "lr", Training.lr, 1e-12, LARGEST_STEP, "[training] "),
        momentum=number_of(table, "momentum", Training.momentum, 0, 1, "[training] "),
        steps=int(number_of(table, "steps", Training.steps, 1, MOST_STEPS, "[training] ")),
    )
