"""The proof: every gradient against the exact slope of the loss, which the forward lines give on complex numbers.

No rule of ``derivatives.toml`` is used. Along a direction v one forward pass gives Im f(x + ihv) / h, the sum over a
whole tensor of slope times v; a few random directions prove a tensor, and where they do not agree it is halved until
what is wrong stands alone. Comparisons fall by the step where numbers are equal, so that the slopes to both sides of a
kink are exact (Squire and Trapp, "Using Complex Variables to Estimate Derivatives of Real Functions", 1998).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.autodiff.calls import called_rule
from sheetgrad.autodiff.program import Line, Program, run_lines
from sheetgrad.autodiff.reverse import differentiate
from sheetgrad.autodiff.rules import Rule
from sheetgrad.formulas.words import element_name
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.evaluate import evaluate, shape_of
from sheetgrad.lines.parse import Assignment
from sheetgrad.lines.readings import COMPLEX, NUMBERS

STEP = 1e-200  # h: its square is 0, and slopes down to 1e-100 keep all their digits
RELATIVE = 1e-9  # of the larger of gradient and slope
ROUNDINGS = 8  # of every value of the pass on its way to the gradient
DIRECTIONS = 3
SMALLEST = 1e-30  # scale of a number: moved by 1 / SMALLEST, the square of its step is still 0
EPSILON = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Wrong:
    """One gradient that is not the slope: the number it belongs to, such as ``w[1,2]``, and both numbers."""

    name: str
    gradient: float
    slope: float

    def __str__(self) -> str:
        return f"the gradient of {self.name} is {self.gradient:.6g}, its slope {self.slope:.6g}"


@dataclass(frozen=True)
class Proof:
    """What became of every gradient that a lesson asks for.

    So many in all, ``proven``, and at ``kinks``, where the slopes to both sides differ and the gradient lies between.
    Where the numbers run away, a gradient is none of these. ``max_rel_error`` is the largest of those proven, as it was
    measured. ``blamed`` names the lesson's own rules that are wrong.
    """

    gradients: int = 0
    proven: int = 0
    kinks: int = 0
    wrong: tuple[Wrong, ...] = ()
    max_rel_error: float = 0.0
    blamed: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.wrong

    @property
    def worst(self) -> Wrong:
        """The wrong gradient that is farthest from its slope."""
        return max(self.wrong, key=lambda one: abs(one.gradient - one.slope))

    def as_dict(self) -> dict:
        """Plain data for JSON: of what is wrong, the names."""
        counts = {"gradients": self.gradients, "proven": self.proven, "kinks": self.kinks}
        wrong = {"wrong": [one.name for one in self.wrong], "blamed": list(self.blamed)}
        return counts | wrong | {"max_rel_error": float(self.max_rel_error)}


def prove(lesson: Lesson, values: Mapping[str, np.ndarray] | None = None) -> Proof:
    """Proves all gradients that the lesson asks for, on its numbers; ``values`` is what NumPy makes of them."""
    program = lesson.program
    values = program.run(lesson.values) if values is None else values
    with np.errstate(all="ignore"):  # numbers that run away are found by being no numbers
        parts = [_Tensor(program, name, values).prove() for name in program.requested]
    wrong = tuple(one for part in parts for one in part.wrong)
    return Proof(
        sum(part.gradients for part in parts),
        sum(part.proven for part in parts),
        sum(part.kinks for part in parts),
        wrong,
        max((part.max_rel_error for part in parts), default=0.0),
        blamed_rules(lesson, values) if wrong else (),
    )


class _Tensor:
    """The gradients of one tensor."""

    def __init__(self, program: Program, name: str, values: Mapping[str, np.ndarray]):
        self.program, self.name, self.values = program, name, values
        self.lines: Sequence[Line] = program.forward_after([name])
        self.shape = program.shapes[name]
        self.gradient = np.asarray(values[f"{name}.g"], dtype=float).ravel()
        self.loss = float(values[program.loss])
        rounding = ROUNDINGS * EPSILON * _weight(values) / np.maximum(1.0, np.abs(values[name]).ravel())
        self.scale = np.maximum(np.abs(self.gradient), np.maximum(rounding / RELATIVE, SMALLEST))
        self.generator = np.random.default_rng(len(self.gradient))
        self.wrong: list[Wrong] = []
        self.kinks = self.unknown = 0
        self.worst = 0.0

    def prove(self) -> Proof:
        everything = np.arange(len(self.gradient))
        if len(everything) == 1 or not self._agree(everything, DIRECTIONS):
            self._search(everything)
        count = len(everything)
        proven = count - self.kinks - self.unknown - len(self.wrong)
        return Proof(count, proven, self.kinks, tuple(self.wrong), self.worst)

    def _search(self, some: np.ndarray) -> None:
        """Halves what does not agree until single numbers are left."""
        if len(some) == 1:
            self._judge(int(some[0]))
            return
        for half in (some[: len(some) // 2], some[len(some) // 2 :]):
            if len(half) == 1 or not self._agree(half, 1):
                self._search(half)

    def _agree(self, some: np.ndarray, directions: int) -> bool:
        """Whether the loss moves along random directions through these numbers as their gradients say.

        Each number moves by ±1 to 2 of its own scale, so that one that is off by ``RELATIVE`` shows among thousands.
        """
        for _ in range(directions):
            signs = np.where(self.generator.random(len(some)) < 0.5, -1.0, 1.0)
            along = signs * (1 + self.generator.random(len(some))) / self.scale[some]
            expected = float(self.gradient[some] @ along)
            right, left = self._slope(some, along), self._slope(some, -along)
            error = max(abs(right - expected), abs(-left - expected))
            if not error <= RELATIVE / 2:
                return False
            self.worst = max(self.worst, error / max(1.0, abs(expected)))
        return True

    def _judge(self, k: int) -> None:
        """One number alone: proven, at a kink, wrong, or none of these where there is no number to compare."""
        one = np.array([k])
        unit = np.array([1.0 / self.scale[k]])
        right, left = self._slope(one, unit) * self.scale[k], -self._slope(one, -unit) * self.scale[k]
        gradient = float(self.gradient[k])
        if np.isnan(right) or np.isnan(left) or not np.isfinite(gradient):
            self.unknown += 1  # the numbers run away: nothing is claimed
            return
        room = RELATIVE * max(self.scale[k], min(abs(right), abs(left)))
        apart = right != left and not abs(right - left) <= room
        if not min(right, left) - room <= gradient <= max(right, left) + room:
            index = tuple(map(int, np.unravel_index(k, self.shape))) if self.shape else ()
            nearer = right if abs(right - gradient) <= abs(left - gradient) else left
            self.wrong.append(Wrong(element_name(self.name, index), gradient, nearer))
        elif apart:
            self.kinks += 1
        else:
            self.worst = max(self.worst, abs(right - gradient) / max(self.scale[k], abs(right)))

    def _slope(self, some: np.ndarray, along: np.ndarray) -> float:
        """The exact slope of the loss along a direction; infinite where the loss jumps."""
        start = np.array(self.values[self.name], dtype=complex).ravel()
        start[some] += 1j * STEP * along
        moved = run_lines(
            self.lines, {**self.values, self.name: start.reshape(self.shape)}, self.program.rules, COMPLEX
        )
        loss = complex(moved[self.program.loss])
        if abs(loss.real - self.loss) > 1e-6 * abs(self.loss) + 1e-300:
            return np.inf if loss.real > self.loss else -np.inf
        return loss.imag / STEP


def _weight(values: Mapping[str, np.ndarray]) -> float:
    """Σ|v·v.g| over the values of the pass: what a relative error of 1 in each would do to the loss, to first order."""
    return sum(
        float(np.abs(values[key] * values[f"{key}.g"]).sum())
        for key in values
        if not key.endswith(".g") and f"{key}.g" in values and np.shape(values[key]) == np.shape(values[f"{key}.g"])
    )


def blamed_rules(lesson: Lesson, values: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """The lesson's own rules whose lines are wrong, such as ``[ops.cube] a``.

    Each is proven alone, where the lesson uses it, on the numbers of its own arguments and for a result that counts with
    random weights.
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
    alone = _Renamed(names).visit(node)
    result = np.asarray(evaluate(alone, given, NUMBERS, lesson.rules))
    given["weights"] = np.random.default_rng(0).uniform(0.5, 1.5, result.shape)
    total = ast.parse("(result * weights).sum()" if result.shape else "result * weights", mode="eval").body
    lines = [Assignment("result", alone, "", 1), Assignment("total", total, "", 2)]
    wrong = []
    for word in rule.gradients:
        shapes = {name: value.shape for name, value in given.items()}
        program = differentiate(lines, shapes, [word], lesson.rules)
        if not _Tensor(program, word, program.run(given)).prove().ok:
            wrong.append(word)
    return wrong


class _Renamed(ast.NodeTransformer):
    """A copy of a node with some of its parts replaced by names."""

    def __init__(self, names: Mapping[int, ast.Name]):
        self.names = names

    def visit(self, node: ast.AST) -> ast.AST:
        if id(node) in self.names:
            return self.names[id(node)]
        changed = {
            word: [self.visit(part) if isinstance(part, ast.AST) else part for part in value]
            if isinstance(value, list)
            else self.visit(value)
            if isinstance(value, ast.AST)
            else value
            for word, value in ast.iter_fields(node)
        }
        return type(node)(**changed)
