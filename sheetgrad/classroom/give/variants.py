"""Numbers of one's own: the same lesson on other numbers, drawn from a few words and always the same for them.

They look like the lesson's own: each tensor keeps its range, its sign and its decimals (two at most); class numbers and
0/1 targets stay what they are. Thrown away are draws near a kink, where a nudge cannot judge, draws with a comparison
(the mask of a ReLU) that always comes out the same way where the lesson's does not, and draws that leave a blank
gradient dead; unless the lesson's own numbers stand at a kink: then that is what it is about.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from sheetgrad.lesson.model import Lesson
from sheetgrad.lesson.reading import class_targets
from sheetgrad.lesson.tensors import Tensor
from sheetgrad.lines.evaluate import evaluate
from sheetgrad.lines.readings import NUMBERS

MARGINS = (0.02, 0.002)  # how far from a kink; the second where the first is hard to keep
TRIES = 60  # of each
DEAD = 0.005  # a blank gradient whose largest number is smaller teaches nothing, nor one with more zeros than it had
MOST_DECIMALS = 2
FEW = 8  # numbers in a lesson: with one decimal, two students would soon have the same
EXAMPLES = 3  # of data: with so many rows, each column is a measurement with a range of its own

Draw = Callable[[np.random.Generator], np.ndarray]


class Variants:
    """The lesson on other numbers. ``draw`` may be called from anywhere and in any order."""

    def __init__(self, lesson: Lesson):
        self.lesson = lesson
        self._comparisons = list(_comparisons(lesson))
        values = lesson.program.run(lesson.values)
        own = self._distances(values)
        self._ties = [int((apart == 0).sum()) for apart, _ in own]
        self._both_ways = [(apart > 0).any() and (apart < 0).any() for apart, _ in own]
        self._zeros = {key: int((values[key] == 0).sum()) for key in self._blank}
        self.at_a_kink = any(not equal and (apart == 0).any() for apart, equal in own)
        labels = class_targets(lesson)
        few = sum(tensor.values.size for tensor in lesson.tensors.values() if tensor.role != "constant") < FEW
        self._draws = {
            name: _drawing(tensor, labels.get(name), self.at_a_kink, MOST_DECIMALS if few else 1)
            for name, tensor in lesson.tensors.items()
        }

    def draw(self, *words: str) -> dict[str, np.ndarray]:
        """The numbers of every tensor for these words, such as a seed and a student's id."""
        return self.draw_with_gradients(*words)[0]

    def draw_with_gradients(self, *words: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The numbers, and what the program makes of them."""
        digest = hashlib.sha256("\0".join(words).encode("utf-8")).digest()
        generator = np.random.default_rng(np.frombuffer(digest, dtype=np.uint32).tolist())
        kept = None
        for margin in MARGINS:
            for _ in range(TRIES):
                numbers = {name: draw(generator) for name, draw in self._draws.items()}
                values = self.lesson.program.run(numbers)
                if not all(np.isfinite(values[line.target]).all() for line in self.lesson.program.backward):
                    continue
                kept = numbers, values
                if self._good(values, margin):
                    return kept
        if kept is None:
            raise ValueError("no numbers were found on which the lesson can be computed")
        return kept

    def _good(self, values: Mapping[str, np.ndarray], margin: float) -> bool:
        if self.at_a_kink:
            return True
        for (apart, equal), ties, both in zip(self._distances(values), self._ties, self._both_ways, strict=True):
            distance = np.abs(apart)
            near = (distance > 0) & (distance < margin) if equal else distance < margin
            if near.any() or (equal and int((distance == 0).sum()) != ties):
                return False
            if both and not equal and ((apart > 0).all() or (apart < 0).all()):
                return False
        return all(
            np.abs(values[key]).max() >= DEAD and int((values[key] == 0).sum()) <= zeros
            for key, zeros in self._zeros.items()
        )

    @property
    def _blank(self) -> tuple[str, ...]:
        return self.lesson.exercise.blank if self.lesson.exercise else ()

    def _distances(self, values: Mapping[str, np.ndarray]) -> list[tuple[np.ndarray, bool]]:
        """How far the left side of every comparison lies above the right, and whether it asks for equality."""
        found = []
        with np.errstate(all="ignore"):
            for left, right, equal in self._comparisons:
                sides = [evaluate(side, values, NUMBERS, self.lesson.rules) for side in (left, right)]
                found.append((np.subtract(*sides), equal))
        return found


def _comparisons(lesson: Lesson) -> Iterator[tuple[ast.expr, ast.expr, bool]]:
    """Where the program decides by comparing: left side, right side, and whether it is an equality."""
    for line in (*lesson.program.forward, *lesson.program.backward):
        for node in ast.walk(line.expression):
            match node:
                case ast.Compare(left=left, ops=[operator], comparators=[right]):
                    yield left, right, isinstance(operator, (ast.Eq, ast.NotEq))
                case ast.Call(func=ast.Name(id="sign"), args=[inner]):
                    yield inner, ast.Constant(0), False


def _drawing(tensor: Tensor, classes: int | None, keep_zeros: bool, least_decimals: int) -> Draw:
    """How the numbers of one tensor are drawn; see the top of this module."""
    own, shape = tensor.values, tensor.values.shape
    if tensor.role == "constant":
        return lambda generator: own
    if classes is not None:
        return lambda generator: np.floor(generator.random(shape) * classes)
    if tensor.role == "target" and np.isin(own, (0, 1)).all():
        if own.ndim == 2 and (own.sum(axis=1) == 1).all() and shape[1] > 1:
            return lambda generator: np.eye(shape[1])[np.floor(generator.random(shape[0]) * shape[1]).astype(int)]
        return lambda generator: np.floor(generator.random(shape) * 2)
    by_column = tensor.role in ("input", "target") and own.ndim == 2 and len(own) >= EXAMPLES
    low, high = np.array([_range(column) for column in own.T]).T if by_column else _range(own)
    decimals = max(least_decimals, min(MOST_DECIMALS, _decimals(own)))

    def draw(generator: np.random.Generator) -> np.ndarray:
        numbers = np.round(low + generator.random(shape) * (high - low), decimals) + 0.0
        numbers = np.where(numbers == 0, 10.0**-decimals, numbers)
        return np.where(own == 0, 0.0, numbers) if keep_zeros else numbers

    return draw


def _range(own: np.ndarray) -> tuple[float, float]:
    """From the smallest to the largest number, or wider where these are close; never across 0 if none is."""
    low, high = float(own.min()), float(own.max())
    width = max(high - low, 0.5 * float(np.abs(own).max()), 0.0) or 2.0
    middle = (low + high) / 2
    start, end = middle - width / 2, middle + width / 2
    if low > 0:
        start = max(start, low / 2)
    if high < 0:
        end = min(end, high / 2)
    return start, end


def _decimals(own: np.ndarray) -> int:
    return next((n for n in range(MOST_DECIMALS) if np.array_equal(np.round(own, n), own)), MOST_DECIMALS)
