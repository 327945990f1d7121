"""Which way every choice of a pass goes, where rounding could turn it, and what rounding does to every number.

A pass is held to the sides that its numbers took (:func:`sheetgrad.lines.readings.by_sides`), so that it stays on the
smooth piece it is on: when its numbers are moved by a few roundings, which shows how far each of them can be trusted
and which choices are nearer to their edge than that; and when one moves by an infinitesimal step, which then decides
the choices at the edge alone. Nothing here has a scale of its own: all moves are relative.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sheetgrad.autodiff.program import Line, Program
from sheetgrad.lines.evaluate import evaluate
from sheetgrad.lines.names import rebuilt
from sheetgrad.lines.parse import OPERATORS
from sheetgrad.lines.readings import COMPLEX, NUMBERS, by_sides

EPSILON = float(np.finfo(float).eps)
ROUNDING = 64 * EPSILON  # more than the roundings on the way to a number, which partly cancel, come to
MOVED = 4  # passes at numbers moved by up to so much
Values = dict[str, np.ndarray]


@dataclass
class _Choice:
    """One use of a comparison: the sides of its elements, their ``gap``, and which of them rounding could turn."""

    side: np.ndarray
    gap: np.ndarray
    near: np.ndarray


@dataclass
class Sides:
    """The choices of a program's pass on its numbers, and by tensor and gradient the ``noise``: what rounding may do to
    each of its elements."""

    program: Program
    values: Mapping[str, np.ndarray]
    noise: Values = field(default_factory=dict)
    _choices: dict[str, list[_Choice]] = field(default_factory=dict)

    def __post_init__(self):
        generator = np.random.default_rng(0)
        with np.errstate(all="ignore"):
            for line in self._lines:
                self._record(line)
            passes = [self._moved(generator) for _ in range(MOVED)]
            self.noise = {line.target: np.ptp([one[line.target] for one in passes], 0) for line in self._lines}

    @property
    def _lines(self) -> tuple[Line, ...]:
        return (*self.program.forward, *self.program.backward)

    def stepped(self, lines: Iterable[Line], numbers: Mapping[str, np.ndarray], by_rounding: bool = True):
        """The lines on complex ``numbers``, and whether the step decided anything: a choice between equal numbers, or with
        ``by_rounding`` one that rounding could turn."""
        decided = False

        def side(choice: _Choice, a, b):
            nonlocal decided
            step = np.imag(a) - np.imag(b)
            falls = (choice.near if by_rounding else choice.side == 0) & (step != 0)
            if not falls.any():
                return choice.side
            decided = True
            return np.where(falls, np.sign(step), choice.side)

        values = dict(numbers)
        for line in lines:
            values[line.target] = self._held(line, line.expression, values, COMPLEX, side)
        return values, decided

    def _record(self, line: Line) -> None:
        found = self._choices.setdefault(line.target, [])

        def side(a, b):
            gap = np.subtract(a, b) * 1.0
            ordered = np.where(np.equal(a, b), 0.0, np.sign(gap))  # two infinities are equal, their gap is none
            found.append(_Choice(ordered, gap, ordered == 0))
            return ordered

        evaluate(line.expression, self.values, NUMBERS | by_sides(side), self.program.rules)

    def _moved(self, generator: np.random.Generator) -> Values:
        """The pass at numbers moved by roundings, and so every result on the way; whole numbers that are given stand for
        themselves."""

        def by_roundings(value):
            return value * (1 + ROUNDING * generator.uniform(-1, 1, np.shape(value)))

        def side(choice: _Choice, a, b):
            choice.near |= np.abs(choice.gap) <= np.abs(np.subtract(a, b) - choice.gap)
            return choice.side

        def constant(node: ast.AST) -> ast.Constant | None:
            """A number in a line: a tenth is none of the numbers that a computer has."""
            if isinstance(node, ast.Constant) and isinstance(node.value, float) and not node.value.is_integer():
                return ast.Constant(float(by_roundings(node.value)))
            return None

        functions, values = _rounded(by_roundings), {}
        for name in self.program.leaves:
            given = np.asarray(self.values[name], dtype=float)
            values[name] = np.where(given == np.round(given), given, by_roundings(given))
        for line in self._lines:
            value = self._held(line, rebuilt(line.expression, constant), values, functions, side)
            values[line.target] = by_roundings(np.array(np.broadcast_to(value, line.shape), dtype=float))
        return values

    def _held(self, line: Line, expression: ast.expr, values, functions: Mapping, side: Callable):
        """A line held to its recorded choices, in the order in which they were made."""
        choices = iter(self._choices[line.target])
        reading = {**functions, **by_sides(lambda a, b: side(next(choices), a, b))}
        return evaluate(expression, values, reading, self.program.rules)


def _rounded(move: Callable) -> dict[object, Callable]:
    """The reading on numbers in which every result is moved."""

    def moved(function: Callable) -> Callable:
        return lambda *arguments: move(function(*arguments))

    def power(a, b):
        return np.power(a, np.where(np.less(a, 0), np.round(b), b))  # a whole exponent, if moved, was meant whole

    def one_hot(labels, scores):
        return labels if np.shape(labels) == np.shape(scores) else NUMBERS["one_hot"](np.round(labels), scores)

    inexact = {name: moved(NUMBERS[name]) for name in ("exp", "log", "sqrt", "tanh", "erf")}
    operators = {kind: moved(function) for kind, (_, function) in OPERATORS.items()}
    return {**NUMBERS, **inexact, **operators, ast.Pow: moved(power), "one_hot": one_hot}
