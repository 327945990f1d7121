"""What the lens shows of each element: which cells light up when it is picked, and its sum in pieces."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sheetgrad.autodiff.program import Line
from sheetgrad.formulas.expressions import Expr, Fold, Index, Ref, children
from sheetgrad.formulas.places import Corners, Place
from sheetgrad.formulas.words import Word, element_name, said, stands_between, words
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.drawing import Depicted, Drawing
from sheetgrad.plan.pictures import Chain, Crossing

MOST_ELEMENTS = 1_000  # to pick from
MOST_TERMS = 60_000  # that all of them are made of: a large lesson has a lens over some of its elements
MOST_LIGHTS = 8  # rectangles that light up
MOST_NUMBERS = 12  # of an element that is said in its numbers
ALONE = "= "
ELLIPSIS = "= … "
LONGEST_WORDS = 200  # characters of an element in words, as many as a screen is wide


def elements(lesson: Lesson) -> dict[str, tuple[str, Index]]:
    """The elements that can be picked, tensor and index by name: those of all results, forward and backward, or an even
    share of each. Where a line is wrong on purpose, the forward ones alone."""
    program = lesson.program
    lines = [*program.forward, *(() if lesson.bug else program.backward)]
    terms = {line.target: _terms(program.cells[line.target].element((0,) * len(line.shape))) for line in lines}
    sizes = {line.target: math.prod(line.shape) for line in lines}
    share = min(1.0, MOST_ELEMENTS / sum(sizes.values()), MOST_TERMS / sum(sizes[key] * terms[key] for key in sizes))
    found = {}
    for line in lines:
        count = max(1, int(share * sizes[line.target]))
        for k in np.unique(np.linspace(0, sizes[line.target] - 1, count).round().astype(int)):
            index = tuple(map(int, np.unravel_index(k, line.shape))) if line.shape else ()
            found[element_name(line.target, index)] = (line.target, index)
    return found


def telling(lesson: Lesson) -> str:
    """The element that the lens starts with: of the first result that is no single number, the first of its second row."""
    names = elements(lesson)
    for line in lesson.program.forward:
        if line.shape:
            index = tuple(int(axis == 0 and n > 1) for axis, n in enumerate(line.shape))
            if element_name(line.target, index) in names:
                return element_name(line.target, index)
    return next(iter(names))


def _terms(expression: Expr) -> int:
    if isinstance(expression, Fold):
        return len(expression.terms) * _terms(expression.terms[0])
    return max(1, sum(map(_terms, children(expression))))


@dataclass(frozen=True)
class Said:
    """One number of a sum: its cell, whether a minus sign needs brackets there, and the text that follows."""

    element: Ref
    row: int
    column: int
    bracketed: bool
    after: str


@dataclass(frozen=True)
class Element:
    """``words`` say what it is, ``opening`` and ``numbers`` the same in numbers; ``lights`` are the corners of the cells
    that light up."""

    name: str
    key: str
    index: Index
    cell: tuple[int, int]
    words: str
    opening: str
    numbers: tuple[Said, ...]
    lights: tuple[Corners, ...]


@dataclass(frozen=True)
class Lens:
    """Looks at the elements of a drawing."""

    lesson: Lesson
    drawing: Drawing

    @cached_property
    def _pictures(self) -> Mapping[str, Depicted]:
        return {one.target: one for one in self.drawing.pictures}

    @cached_property
    def _lines(self) -> Mapping[str, tuple[Line, int]]:
        """By target, its line and the section that it stands in."""
        return {item.key: (item.line, item.step) for item in self.drawing.drawn if item.purpose == "line"}

    def all(self) -> Iterator[Element]:
        for name, (key, index) in elements(self.lesson).items():
            yield self._element(name, key, index)

    def _element(self, name: str, key: str, index: Index) -> Element:
        expression = self.lesson.program.cells[key].element(index)
        parts = words(expression)
        told = f"{name} = {said(parts)}"
        opening, numbers = self._in_numbers(parts) if len(told) <= LONGEST_WORDS else (ELLIPSIS, ())
        told = told if len(told) <= LONGEST_WORDS else f"{told[: LONGEST_WORDS - 2]} …"
        cell = self.drawing.places[key][0].cell(index)
        return Element(name, key, index, cell, told, opening, numbers, self._lights(key, index, expression))

    def _in_numbers(self, parts: Sequence[Word]) -> tuple[str, tuple[Said, ...]]:
        """The sum with its numbers left open; where there are too many of them, an ellipsis; of what is another number as
        it is, or a plain one, nothing but the sign."""
        if len(parts) == 1:
            return ALONE, ()
        refs = [k for k, part in enumerate(parts) if isinstance(part, Ref)]
        if len(refs) > MOST_NUMBERS:
            return ELLIPSIS, ()
        opening, numbers = "= " + "".join(map(str, parts[: refs[0]])), []
        for k, last in zip(refs, [*refs[1:], None], strict=True):
            between = "".join(map(str, parts[k + 1 : last])) + (" " if last is None else "")
            ref = parts[k]
            at = self.drawing.places[ref.tensor][0].cell(ref.index)
            numbers.append(Said(ref, *at, stands_between(parts, k), between))
        return opening, tuple(numbers)

    # -- what lights up -----------------------------------------------------------------------------------------------

    def _lights(self, key: str, index: Index, expression: Expr) -> tuple[Corners, ...]:
        picture, cell = self._pictures.get(key), self.drawing.places[key][0].cell(index)
        own = (*cell, *cell)
        sources = {factor.source for factor in picture.picture.factors} if picture else {*self.lesson.program.shapes}
        found = [*(self._of_picture(picture, index) if picture else ()), *self._of_formula(key, expression, sources)]
        return tuple(dict.fromkeys([own, *found]))[:MOST_LIGHTS]

    @staticmethod
    def _of_picture(one: Depicted, index: Index) -> list[Corners]:
        """The rows, columns and cells of the factors that give an element."""
        row, column = one.result.cell(index)
        down, right = row - one.result.row, column - one.result.column
        factors = [place for place in one.factors if place is not None]
        if isinstance(one.picture, Crossing):
            left, above, *added = factors
            top, start, bottom, end = _box(above)
            row_of = (_box(left)[0] + down, _box(left)[1], _box(left)[0] + down, _box(left)[3])
            return [row_of, (top, start + right, bottom, start + right), *(_met(place, down, right) for place in added)]
        if isinstance(one.picture, Chain):
            return [_met(place, down, right) if len(place.shape) < 3 else _cell(place, index) for place in factors]
        top, start, bottom, _ = _box(factors[0])
        if one.picture.summed:
            return [(top, start + right, bottom, start + right)]
        return [_cell(factors[0], index)]

    def _of_formula(self, key: str, expression: Expr, tensors: Collection[str]) -> list[Corners]:
        """What the formula of an element reads of some tensors, where its section shows them."""
        line, step = self._lines[key]
        book = self.drawing.book(step, line.target)
        by_tensor: dict[str, dict[tuple[int, int], None]] = {}
        for ref in (ref for ref in _refs(expression) if ref.tensor in tensors):
            by_tensor.setdefault(ref.tensor, {})[book[ref.tensor][0].cell(ref.index)] = None
        found: list[Corners] = []
        for cells in by_tensor.values():
            rows, columns = [row for row, _ in cells], [column for _, column in cells]
            around = (min(rows), min(columns), max(rows), max(columns))
            whole = (around[2] - around[0] + 1) * (around[3] - around[1] + 1) == len(cells)
            found += [around] if whole else [(*cell, *cell) for cell in cells]
        return found


def _refs(expression: Expr) -> Iterator[Ref]:
    if isinstance(expression, Ref):
        yield expression
    for child in children(expression):
        yield from _refs(child)


def _box(place: Place) -> Corners:
    last = place.cell(tuple(n - 1 for n in place.shape))
    return (place.row, place.column, *last)


def _met(place: Place, down: int, right: int) -> Corners:
    """The cell of a factor that meets a cell of the result; a single row meets every row, a column every column."""
    top, left, bottom, end = _box(place)
    at = (top + (down if bottom > top else 0), left + (right if end > left else 0))
    return (*at, *at)


def _cell(place: Place, index: Sequence[int]) -> Corners:
    cell = place.cell(tuple(index) if place.shape else ())
    return (*cell, *cell)
