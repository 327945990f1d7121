"""A forward pass and its backward pass as plain lines: what students read, what NumPy runs and what the cells run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sheetgrad.autodiff.rules import Rules
from sheetgrad.formulas.expressions import Shape
from sheetgrad.lines.cells import CellArray, truth_as_number
from sheetgrad.lines.evaluate import evaluate, shape_of
from sheetgrad.lines.names import mentioned
from sheetgrad.lines.readings import CELLS, NUMBERS


@dataclass(frozen=True)
class Line:
    """``target = expression``; ``target`` is a tensor (``out``) or a gradient (``w.g``)."""

    target: str
    expression: ast.expr
    shape: Shape
    step: int

    @property
    def text(self) -> str:
        return f"{self.target} = {ast.unparse(self.expression)}"

    @cached_property
    def operands(self) -> tuple[str, ...]:
        """The tensors that the expression names, in the order of reading, each once."""
        return tuple(dict.fromkeys(mentioned(self.expression)))


@dataclass(frozen=True)
class Step:
    """One forward line, or a part of one that has a name of its own, and the lines that compute it (more than one for
    a softmax).

    ``expression`` is what its result is made of, ``parts`` maps the operation's own names for its steps to the tensors
    that hold them. ``written`` is the whole line as its author wrote it. ``shared`` are lines of earlier steps that the
    operation has in common with them: they are not computed again.
    """

    number: int
    expression: ast.expr
    note: str
    written: str
    lines: tuple[Line, ...]
    operands: tuple[str, ...]
    parts: Mapping[str, str]
    shared: tuple[Line, ...] = ()

    @property
    def computed(self) -> tuple[Line, ...]:
        """All lines of its operation."""
        return (*self.shared, *self.lines)

    @property
    def result(self) -> str:
        return self.lines[-1].target

    @cached_property
    def heading(self) -> str:
        """``out = x @ w``"""
        return f"{self.result} = {ast.unparse(self.expression)}"


@dataclass(frozen=True)
class Program:
    """A forward pass and its backward pass.

    ``leaves``: shapes of the tensors that are given. ``steps``: the forward pass, top to bottom. ``backward``:
    the backward lines in the order in which they are computed. ``requested``: the leaves whose gradient was
    asked for. ``shapes``: of every tensor and every gradient.
    """

    leaves: Mapping[str, Shape]
    steps: tuple[Step, ...]
    backward: tuple[Line, ...]
    requested: tuple[str, ...]
    shapes: Mapping[str, Shape]
    rules: Rules = field(repr=False)

    @property
    def loss(self) -> str:
        return self.steps[-1].result

    @property
    def loss_in_words(self) -> str:
        """``the loss``, or what the lesson calls it."""
        return "the loss" if self.loss == "loss" else self.loss

    @cached_property
    def forward(self) -> tuple[Line, ...]:
        return tuple(line for step in self.steps for line in step.lines)

    @cached_property
    def cells(self) -> Mapping[str, CellArray]:
        """Every line read over cells, by its target."""
        arrays = {key: CellArray.named(key, shape) for key, shape in self.shapes.items()}
        lines = (*self.forward, *self.backward)
        values = {line.target: evaluate(line.expression, arrays, CELLS, self.rules) for line in lines}
        return {line.target: truth_as_number(CELLS["broadcast_to"](values[line.target], line.shape)) for line in lines}

    def spreads(self, line: Line) -> bool:
        """Whether a line gives fewer numbers than its target has: ``m.g = loss.g / 4`` counts for every element of m."""
        return shape_of(line.expression, self.shapes, self.rules) != line.shape

    def written(self, target: str) -> str:
        """The author's line that a tensor or gradient belongs to."""
        line = next(line for line in (*self.forward, *self.backward) if line.target == target)
        return self.steps[line.step - 1].written

    def run(self, numbers: Mapping[str, np.ndarray], functions=NUMBERS) -> dict[str, np.ndarray]:
        """Every tensor and every gradient by name, on numbers."""
        return run_lines((*self.forward, *self.backward), numbers, self.rules, functions)

    def run_around(self, values: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All ``values`` again when some gradients are somebody's ``own``: NaN where they are as the lines say."""
        found = dict(values)
        last = {line.target: number for number, line in enumerate(self.backward)}
        for number, line in enumerate(self.backward):
            found = run_lines([line], found, self.rules)
            if line.target in own and last[line.target] == number:
                found[line.target] = np.where(np.isnan(own[line.target]), found[line.target], own[line.target])
        return found

    def forward_after(self, changed: Iterable[str]) -> tuple[Line, ...]:
        """The forward lines that depend on the given tensors."""
        moved = set(changed)
        lines = []
        for line in self.forward:
            if moved.intersection(line.operands):
                moved.add(line.target)
                lines.append(line)
        return tuple(lines)


def run_lines(lines: Sequence[Line], numbers: Mapping[str, np.ndarray], rules: Rules, functions=NUMBERS):
    """``numbers`` and the value of every line, by name; NumPy's warnings about infinities are kept silent."""
    values = dict(numbers)
    with np.errstate(all="ignore"):
        for line in lines:
            value = evaluate(line.expression, values, functions, rules)
            if functions is NUMBERS:
                value = np.array(np.broadcast_to(value, line.shape), dtype=float)
            values[line.target] = value
    return values
