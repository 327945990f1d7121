"""The proof: every gradient against the exact slope of the loss, which the forward lines give on complex numbers.

No rule of ``derivatives.toml`` is used. Along a direction v one forward pass gives Im f(x + ihv) / h, the sum over a
whole tensor of slope times v; a few random directions prove a tensor, and where they do not agree it is halved until
what is wrong stands alone. Choices between equal numbers fall by the step, so that the slopes to both sides of a kink
are exact (Squire and Trapp, "Using Complex Variables to Estimate Derivatives of Real Functions", 1998); so do those
that a rounding could turn (:mod:`sheetgrad.verifying.sides`).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from sheetgrad.autodiff.calls import called_rule
from sheetgrad.autodiff.program import Line, Program
from sheetgrad.autodiff.reverse import differentiate
from sheetgrad.autodiff.rules import Rule, read_rule
from sheetgrad.formulas.words import element_name
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.evaluate import evaluate, shape_of
from sheetgrad.lines.names import rebuilt
from sheetgrad.lines.parse import Assignment, LanguageError
from sheetgrad.lines.readings import NUMBERS
from sheetgrad.verifying.sides import Sides

STEP = 1e-200  # h: its square is 0, and slopes down to 1e-100 keep all their digits
RELATIVE = 1e-9  # of the larger of gradient and slope
DIRECTIONS = 3
SMALLEST = 1e-30  # scale of a number: moved by 1 / SMALLEST, the square of its step is still 0
FEW = 8  # so many are judged one by one where they do not agree together
MOST_ALONE = 5_000  # of a tensor are judged one by one: what is wrong everywhere need not be searched to its end
WEIGHTED = "__weighted__"  # an operation that no lesson can replace


@dataclass(frozen=True)
class Wrong:
    """One gradient that is not the slope: the number it belongs to, such as ``w[1,2]``, and both numbers."""

    name: str
    gradient: float
    slope: float

    def __str__(self) -> str:
        if not np.isfinite(self.slope):
            return f"{self.name}: the rule says {self.gradient:.6g}, the loss jumps"
        shown = ((f"{self.gradient:.{n}g}", f"{self.slope:.{n}g}") for n in range(6, 18))
        rule, slope = next(pair for pair in shown if pair[0] != pair[1])
        return f"{self.name}: the rule says {rule}, the slope is {slope}"


@dataclass(frozen=True)
class TensorProof:
    """What became of the gradients of one tensor.

    So many in all, ``proven``, and at ``kinks``, where the slopes to both sides differ and the gradient lies between.
    Nothing is claimed of the ``unknown``: their numbers run away, or more than ``MOST_ALONE`` disagreed before them.
    ``max_rel_error`` is the largest of those proven, as it was measured: relative to the number, or to the whole along a
    direction.
    """

    name: str
    gradients: int
    proven: int
    kinks: int
    wrong: tuple[Wrong, ...]
    unknown: int
    max_rel_error: float

    @property
    def worst(self) -> Wrong:
        """The wrong gradient that is farthest from its slope."""
        return max(self.wrong, key=lambda one: abs(one.gradient - one.slope))

    @property
    def complaint(self) -> str:
        """A line on what is wrong, or of which nothing can be said; empty where all is well."""
        if not self.wrong:
            away = f"{self.name}: nothing can be said of {self.unknown:,} of {self.gradients:,} gradients: numbers run away"
            return away if self.unknown else ""
        if self.gradients == 1:
            return f"the gradient of {self.worst}"
        least = "at least " if self.unknown else ""
        are = "is" if len(self.wrong) == 1 else "are"
        many = f"{least}{len(self.wrong):,} of {self.gradients:,} gradients {are} wrong"
        return f"{self.name}: {many}; the worst {self.worst}"


@dataclass(frozen=True)
class Proof:
    """What became of every gradient that a lesson asks for, tensor by tensor. ``blamed`` names the lesson's own rules that
    are wrong."""

    tensors: tuple[TensorProof, ...] = ()
    blamed: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every gradient is proven or at a kink."""
        return not self.wrong and not self.unknown

    @property
    def gradients(self) -> int:
        return sum(one.gradients for one in self.tensors)

    @property
    def proven(self) -> int:
        return sum(one.proven for one in self.tensors)

    @property
    def kinks(self) -> int:
        return sum(one.kinks for one in self.tensors)

    @property
    def unknown(self) -> int:
        return sum(one.unknown for one in self.tensors)

    @property
    def wrong(self) -> tuple[Wrong, ...]:
        return tuple(wrong for one in self.tensors for wrong in one.wrong)

    @property
    def max_rel_error(self) -> float:
        return max((one.max_rel_error for one in self.tensors), default=0.0)

    def __str__(self) -> str:
        """``4,192 of 4,192 gradients proven``, and what became of the others."""
        others = {"at a kink": self.kinks, "wrong": len(self.wrong), "of which nothing can be said": self.unknown}
        told = [f", {count:,} {what}" for what, count in others.items() if count]
        return f"{self.proven:,} of {self.gradients:,} gradients proven{''.join(told)}"

    def as_dict(self) -> dict:
        """Plain data for JSON: of what is wrong, the names; by tensor how many."""
        counts = {key: getattr(self, key) for key in ("gradients", "proven", "kinks", "unknown", "max_rel_error")}
        tensors = [asdict(one) | {"wrong": len(one.wrong)} for one in self.tensors]
        return counts | {"wrong": [one.name for one in self.wrong], "blamed": list(self.blamed), "tensors": tensors}


def prove(lesson: Lesson, values: Mapping[str, np.ndarray] | None = None) -> Proof:
    """Proves all gradients that the lesson asks for, on its numbers; ``values`` is what NumPy makes of them."""
    program = lesson.program
    values = program.run(lesson.values) if values is None else values
    tensors = _proven(program, values)
    return Proof(tensors, blamed_rules(lesson, values) if any(one.wrong for one in tensors) else ())


def _proven(program: Program, values: Mapping[str, np.ndarray]) -> tuple[TensorProof, ...]:
    sides = Sides(program, values)
    with np.errstate(all="ignore"):  # numbers that run away are found by being no numbers
        return tuple(_Tensor(sides, name).prove() for name in program.requested)


class _Tensor:
    """The gradients of one tensor."""

    def __init__(self, sides: Sides, name: str):
        self.sides, self.name, self.values = sides, name, sides.values
        program = sides.program
        self.lines: Sequence[Line] = program.forward_after([name])
        self.shape, self.loss = program.shapes[name], program.loss
        self.gradient = np.asarray(self.values[f"{name}.g"], dtype=float).ravel()
        noise = sides.noise[f"{name}.g"].ravel()
        self.scale = np.maximum(np.abs(self.gradient), np.maximum(noise / RELATIVE, SMALLEST))
        self.jump = float(sides.noise[self.loss]) + RELATIVE * abs(float(self.values[self.loss]))
        self.generator = np.random.default_rng(len(self.gradient))
        self.wrong: list[Wrong] = []
        self.proven = self.kinks = self.alone = 0
        self.worst = 0.0

    def prove(self) -> TensorProof:
        everything = np.arange(len(self.gradient))
        self._search(everything, DIRECTIONS)
        count = len(everything)
        unknown = count - self.proven - self.kinks - len(self.wrong)
        return TensorProof(self.name, count, self.proven, self.kinks, tuple(self.wrong), unknown, float(self.worst))

    def _search(self, some: np.ndarray, directions: int = 1) -> None:
        """Halves what does not agree, and judges one by one where few are left."""
        if len(some) > 1 and self._agree(some, directions):
            self.proven += len(some)
        elif len(some) <= FEW:
            for k in some:
                self._judge(int(k))
        elif self.alone < MOST_ALONE:
            for half in (some[: len(some) // 2], some[len(some) // 2 :]):
                self._search(half)

    def _agree(self, some: np.ndarray, directions: int) -> bool:
        """Whether the loss moves along random directions through these numbers as their gradients say.

        Each number moves by ±1 to 2 of its own scale, so that one that is off by ``RELATIVE`` shows among thousands.
        """
        for _ in range(directions):
            signs = np.where(self.generator.random(len(some)) < 0.5, -1.0, 1.0)
            along = signs * (1 + self.generator.random(len(some))) / self.scale[some]
            expected = float(self.gradient[some] @ along)
            error = np.abs(self._slopes(some, along) - expected).max()
            if not error <= RELATIVE / 2:
                return False
            self.worst = max(self.worst, error / max(1.0, abs(expected)))
        return True

    def _judge(self, k: int) -> None:
        """One number alone: proven, at a kink, wrong, or none of these where there is no number to compare."""
        self.alone += 1
        one, unit = np.array([k]), np.array([1.0 / self.scale[k]])
        gradient, slopes = float(self.gradient[k]), self._slopes(one, unit) * self.scale[k]
        room = RELATIVE * max(self.scale[k], np.abs(slopes).min(where=np.isfinite(slopes), initial=abs(gradient)))
        if not np.isfinite(gradient) or np.isnan(slopes).any():
            return  # the numbers run away: nothing is claimed
        if (np.abs(slopes - gradient) <= room).all():
            self.proven += 1
            self.worst = max(self.worst, np.abs(slopes - gradient).max() / max(self.scale[k], np.abs(slopes).max()))
            return
        slopes = np.append(slopes, self._slopes(one, unit, by_rounding=False) * self.scale[k])
        if slopes.min() - room <= gradient <= slopes.max() + room:
            self.kinks += 1
            return
        index = tuple(map(int, np.unravel_index(k, self.shape))) if self.shape else ()
        nearest = slopes[np.abs(slopes - gradient).argmin()]
        self.wrong.append(Wrong(element_name(self.name, index), gradient, float(nearest)))

    def _slopes(self, some: np.ndarray, along: np.ndarray, by_rounding: bool = True) -> np.ndarray:
        """The slopes of the loss to both sides of a direction through ``some`` numbers; one where no choice depends on it."""
        right, decided = self._slope(some, along, by_rounding)
        return np.array([right, -self._slope(some, -along, by_rounding)[0]] if decided else [right])

    def _slope(self, some: np.ndarray, along: np.ndarray, by_rounding: bool) -> tuple[float, bool]:
        """The exact slope along a direction, infinite where the loss jumps, and whether a choice fell by the step."""
        start = np.array(self.values[self.name], dtype=complex).ravel()
        start[some] += 1j * STEP * along
        numbers = {**self.values, self.name: start.reshape(self.shape)}
        values, decided = self.sides.stepped(self.lines, numbers, by_rounding)
        loss = complex(values[self.loss])
        rise = loss.real - float(self.values[self.loss])
        if abs(rise) > self.jump:
            return float(np.copysign(np.inf, rise)), decided
        return loss.imag / STEP if np.isfinite(rise) else np.nan, decided


def blamed_rules(lesson: Lesson, values: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """The lesson's own rules whose lines are wrong, such as ``[ops.cube] a``.

    Each is proven alone, where the lesson uses it, for a result that counts with random weights: on the numbers of its own
    arguments, and with those of one moved down and up, since where two are equal many a gradient will do.
    """
    found: dict[str, None] = {}
    program = lesson.program
    for step in program.steps:
        for node in ast.walk(step.expression):
            if not isinstance(node, (ast.BinOp, ast.UnaryOp, ast.Call, ast.Subscript, ast.Attribute)):
                continue
            rule, arguments = called_rule(
                node, program.rules, lambda part: shape_of(part, program.shapes, program.rules)
            )
            if rule is not None and rule.name in lesson.ops:
                found |= dict.fromkeys(
                    f"[ops.{rule.name}] {word}" for word in _wrong_lines(lesson, node, rule, arguments, values)
                )
    return tuple(found)


def _wrong_lines(lesson: Lesson, node: ast.expr, rule: Rule, arguments: Mapping[str, ast.AST], values) -> list[str]:
    """The arguments of one use of a rule whose gradient is not the slope."""
    given = {
        word: np.asarray(evaluate(arguments[word], values, NUMBERS, lesson.rules), dtype=float)
        for word in rule.arguments
    }
    names = {id(arguments[word]): ast.Name(word, ast.Load()) for word in rule.arguments}
    alone = rebuilt(node, lambda part: names.get(id(part)))
    generator = np.random.default_rng(0)
    result = np.asarray(evaluate(alone, given, NUMBERS, lesson.rules))
    given["weights"] = generator.uniform(0.5, 1.5, result.shape)
    total = ast.parse(f"{WEIGHTED}(result, weights)", mode="eval").body
    rules = {**lesson.rules, WEIGHTED: read_rule(WEIGHTED, {"forward": "(a * b).sum()", "a": "g * b"}, lesson.rules)}
    lines = [Assignment("result", alone, "", 1), Assignment("total", total, "", 2)]
    wrong = []
    for word in rule.gradients:
        shapes = {name: value.shape for name, value in given.items()}
        try:
            program = differentiate(lines, shapes, [word], rules)
        except LanguageError:
            continue  # it does not fit here, where the lesson does not need it
        room = np.where(given[word] == 0, 1.0, np.abs(given[word])) * generator.uniform(0.05, 0.1, given[word].shape)
        moved = (given | {word: given[word] + side * room} for side in (0, -1, 1))
        if any(_proven(program, program.run(numbers))[0].wrong for numbers in moved):
            wrong.append(word)
    return wrong
