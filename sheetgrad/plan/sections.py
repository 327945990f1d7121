"""What each section of the Gradients sheet draws: the figures of its forward line, and of the gradients written there."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice

import numpy as np

from sheetgrad.autodiff.program import Line, Program, Step
from sheetgrad.formulas.expressions import Index, Num, Ref
from sheetgrad.formulas.words import spell
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.evaluate import shape_of
from sheetgrad.plan import figures
from sheetgrad.plan.drawing import Blanks
from sheetgrad.plan.parts import Figure, Part, Words, tile, wrapped
from sheetgrad.plan.pictures import LARGEST_FACTOR, Arrow, Chain, Crossing, Down, Factor, Painter, Picture
from sheetgrad.plan.placing import Copy, Order
from sheetgrad.plan.taken import Framed, Taken, added, in_words, taken

HEADINGS = (5, 3)  # columns of a gradient's line, where there is room and where there is not; a longer one is broken
WIDEST_ARROW = 25  # columns; the operands of a wider one may stand in several rows
LOOKED_AT = 50  # elements
LONGEST_SPELLED = 400  # characters of a line whose element is spelled


@dataclass(frozen=True)
class Section:
    """``forward`` and ``backward`` are the figures at the left and at the right; ``links`` lead to where its gradients
    come from and go; ``note`` is what the lesson says of the step."""

    step: Step
    forward: Sequence[Figure]
    backward: Sequence[Figure]
    links: Sequence[Words]
    note: str = ""


@dataclass
class Sections:
    """Makes the sections of a lesson: ``copies`` are those that its sums need, by the tensor or gradient they stand with;
    ``backward`` are the gradient lines that are shown. A gradient is drawn where it is written: in the section of the
    first step through which its tensor leads to the loss, since there the backward pass has everything that it takes."""

    lesson: Lesson
    lying: Mapping[str, str]
    copies: Mapping[str, Sequence[Copy]]
    backward: Sequence[Line]
    blanks: Blanks
    given: set[str] = field(default_factory=set)
    framed: set[Taken] = field(default_factory=set)  # what a section shows in frames already
    widest: int = HEADINGS[0]

    def all(self) -> Iterator[list[Section]]:
        """Each section with longer and with shorter headings."""
        widths = HEADINGS[:1] if self.blanks.height else HEADINGS  # few rows of headings beside tall boxes
        for step in self.program.steps:
            given, ways = set(self.given), []
            for self.widest in widths:
                self.given, self.framed = set(given), set()
                note = self.lesson.notes.get(step.result, "")
                ways.append(Section(step, self._forward(step), self._backward(step), self._links(step), note))
            yield ways

    @property
    def program(self) -> Program:
        return self.lesson.program

    @cached_property
    def painter(self) -> Painter:
        return Painter(
            self.program.shapes, self.lying, lambda node: shape_of(node, self.program.shapes, self.program.rules)
        )

    @cached_property
    def written(self) -> dict[str, int]:
        """The step in whose section each gradient is drawn."""
        first: dict[str, int] = {}
        leading = [step for step in self.program.steps if f"{step.result}.g" in self.program.shapes]
        for step in (*leading, self.program.steps[-1]):
            for name in step.operands:
                first.setdefault(name, step.number)
        last = self.program.steps[-1].number
        return {line.target: first.get(line.target.partition(".")[0], last) for line in self.backward}

    # -- forward ------------------------------------------------------------------------------------------------------

    def _forward(self, step: Step) -> list[Figure]:
        found: list[Figure] = []
        standing: set[str] = set()  # what the section shows already, as it is
        for line in step.lines:
            picture, before = self.painter.picture(line), set(self.given)
            drawn = {factor.key for factor in picture.factors if factor.plain and self._lies(factor)}
            for key in line.operands:
                if key in self.program.leaves and key not in self.given and key not in drawn:
                    found.append(self._operand(self._alone(key), line))
                    standing.add(key)
            found += self._sources(line, picture, standing)
            found += self._figures(line, picture, self._result(line), standing)
            standing |= drawn | {line.target}
            for key in (*sorted(self.given - before), line.target):
                found += self._copied(key)
        return found

    def _alone(self, key: str) -> Factor:
        return Factor(ast.parse(key, mode="eval").body, self.program.shapes[key], key, self.lying.get(key, "row"))

    def _sources(self, line: Line, picture: Picture, standing: set[str]) -> list[Figure]:
        """The tensors of which a line takes a part, where its picture does not show them; another one for each part that
        overlaps with what is framed already."""
        shown = {factor.key for factor in picture.factors if factor.plain and factor.key not in standing}
        found = []
        for key, parts in taken(line, self.program.shapes).items():
            waiting = [one for one in parts if not self.framed.issuperset(one)]
            if math.prod(self.program.shapes[key]) <= LARGEST_FACTOR:
                found += [self._operand(self._alone(key), line) for _ in waiting[key in shown :]]
        return found

    def _result(self, line: Line) -> Figure:
        part = Part(line.target, "line", line.shape, self.lying.get(line.target, "row"), line)
        local = line.target not in {step.result for step in self.program.steps}
        headings = wrapped(line.text, self.widest) if local else [line.target]
        style = "line" if local else "name"
        figure = tile(part, headings, style, "" if local else _size(line.shape))
        figure.words += self._element(line)
        return figure

    def _element(self, line: Line) -> list[tuple[str, str]]:
        """The first element in words that is more than a number."""
        cells = self.program.cells[line.target]
        for index in islice(np.ndindex(cells.shape), LOOKED_AT):
            first = cells.element(index)
            if not isinstance(first, Num):
                break
        if isinstance(first, (Ref, Num)) or len(ast.unparse(line.expression)) > LONGEST_SPELLED:
            return []
        return [(f"{spell(Ref(line.target, index))} = {spell(first)}", "caption")]

    # -- backward -----------------------------------------------------------------------------------------------------

    def _backward(self, step: Step) -> list[Figure]:
        lines = [line for line in self.backward if self.written[line.target] == step.number]
        found = [self._start()] if step.result == self.program.loss and self.backward else []
        pictures = {line.target: self._picture(line) for line in lines}
        sums = self._sums(lines, pictures)
        inside = {line.target for below in sums.values() for line in below}
        for line in lines:
            if line.target not in inside:
                below = [(pictures[one.target], one) for one in sums.get(line.target, ())]
                found += self._sources(line, pictures[line.target], set()) if pictures[line.target] != Arrow() else []
                found += self._figures(line, pictures[line.target], self._gradient(line), set(), below)
            found += self._copied(line.target)
        return found

    def _picture(self, line: Line) -> Picture:
        """What is to be filled in, or where a wrong line is to be found, is drawn without what it is made of."""
        if line.target in self.blanks.keys or self.lesson.bug:
            return Arrow()
        picture = self.painter.picture(line)
        return Down(picture.factors[0], summed=False) if _passed_on(picture, line) else picture

    def _sums(self, lines: Sequence[Line], pictures: Mapping[str, Picture]) -> dict[str, list[Line]]:
        """By crossing, the sums of its right factor that stand in it."""
        found: dict[str, list[Line]] = {}
        for line in lines:
            picture = pictures[line.target]
            if not isinstance(picture, Down):
                continue
            for other in lines:
                crossing = pictures[other.target]
                if isinstance(crossing, Crossing) and _same(crossing.right, picture.factor):
                    found.setdefault(other.target, []).append(line)
                    break
        return found

    def _start(self) -> Figure:
        key = f"{self.program.loss}.g"
        figure = tile(Part(key, "start", ()), [key], "gradient_line")
        return figure

    def _gradient(self, line: Line, sign: str = "") -> Figure:
        key, blank = line.target, line.target in self.blanks.keys and not self.blanks.answered
        way = self.lying.get(key, "row")
        parts = [] if key in self.blanks.keys else added(line)
        framed = frozenset[Index]().union(*(one.elements for one in parts))
        part = Part(key, "blank" if blank else "line", line.shape, way, line, framed=framed)
        headings = _in_lines([f"{sign} {line.text}"] if sign else in_words(line), max(part.extent[1], self.widest))
        if blank:
            headings = [""] * (len(headings) - 1) + [f"{key} = ?"]
        checked = self.blanks.check_beside(key, part.purpose)
        figure = tile(part, headings, "gradient_line", checked=checked)
        figure.words += [] if blank else [*self._element(line), *_in_frames(parts)]
        return figure

    # -- both ---------------------------------------------------------------------------------------------------------

    def _figures(
        self, line: Line, picture: Picture, result: Figure, standing: set[str], sums: Sequence[tuple[Down, Line]] = ()
    ) -> list[Figure]:
        match picture:
            case Crossing(left=left, right=right, added=added):
                sides = [self._operand(factor, line) for factor in (left, right)]
                more = [self._operand(factor, line, sign) for sign, factor in added]
                below = [(one, self._gradient(other, _down_sign(one))) for one, other in sums]
                return [figures.crossing(picture, *sides, result, more, below)]
            case Down(factor=factor):
                result = self._gradient(line, _down_sign(picture))
                return [figures.down(picture, self._operand(factor, line), result)]
            case Chain(factors=factors):
                blocks = [one if one.number is not None else self._operand(one, line) for one in factors]
                return [figures.chain(picture, blocks, result)]
        return self._arrowed(line, picture, result, standing)

    def _arrowed(self, line: Line, picture: Arrow, result: Figure, standing: set[str]) -> list[Figure]:
        """The operands that the section does not show already, and the result after an arrow."""
        forward = "." not in line.target
        missing = [one for one in picture.factors if one.key not in standing and self._worth_it(one, forward)]
        operands = [self._operand(one, line) for one in missing]
        standing |= {one.key for one in missing}
        if not operands and not forward:
            return [result]
        if sum(one.columns + 1 for one in (*operands, result)) < WIDEST_ARROW:
            return [figures.arrowed(operands, result)]
        return [*operands, figures.arrowed((), result)]

    def _worth_it(self, factor: Factor, forward: bool) -> bool:
        """Whether an operand is drawn before an arrow: in the backward pass a gradient, if it is not too large."""
        return forward or ("." in factor.key and math.prod(factor.shape) <= LARGEST_FACTOR)

    def _operand(self, factor: Factor, line: Line, sign: str = "") -> Figure:
        """A factor: a tensor's own block where it is seen for the first time, else a copy."""
        key, forward = factor.key, "." not in line.target
        first = forward and factor.plain and self._lies(factor) and key in self.program.leaves and key not in self.given
        self.given |= {key} if first else set()
        purpose = "given" if first else "again" if key else "part"
        reader, node = "" if first else line.target, None if key else factor.node
        parts = self._framed(key, line)
        framed = frozenset[Index]().union(*(one.elements for one in parts))
        more = dict(turned=factor.turned, node=node, reader=reader, framed=framed)
        part = Part(key, purpose, factor.shape, factor.way, **more)
        text = f"{sign} {factor.text}" if sign else factor.text
        style = "name_pale" if not forward or not key or factor.turned else "name"
        figure = tile(part, [text], style, _size(factor.shape) if first else "")
        if first and self.lesson.tensors[key].note:
            figure.words.append((f"{key}: {self.lesson.tensors[key].note}", "note"))
        figure.words += _in_frames(parts)
        for one in chain(*taken(line, self.program.shapes).get(factor.source, ())):
            if one.text in factor.text and one not in self.framed:
                figure.words.append((f"{one.caption} of {one.key}", "note"))
        if factor.plain and not self._lies(factor):
            figure.words.append((f"{key} stands as a {factor.way} here, to meet the other factor", "note"))
        return figure

    def _framed(self, key: str, line: Line) -> Framed:
        """What is framed in a block: of what the line takes of it, the first that the section does not show yet."""
        parts = taken(line, self.program.shapes).get(key, ())
        found = next((one for one in parts if not self.framed.issuperset(one)), ())
        self.framed |= {*found}
        return found

    def _lies(self, factor: Factor) -> bool:
        """Whether a vector lies as it does everywhere."""
        return len(factor.shape) != 1 or factor.way == self.lying.get(factor.key, "row")

    def _copied(self, key: str) -> list[Figure]:
        found = []
        for copy in self.copies.get(key, ()):
            part = Part(key, "copy", (), copy=copy)
            figure = tile(part, [_copy_name(key, copy)], "note_code")
            figure.columns = max(figure.columns, 3)
            figure.words.append((_copy_caption(copy), "note"))
            found.append(figure)
        return found

    def _links(self, step: Step) -> list[Words]:
        """``out.g: written in step 2 ↓`` where it is read, and ``read in step 1 ↑`` where it is written."""
        found: dict[str, Words] = {}
        known = self.written | {f"{self.program.loss}.g": self.program.steps[-1].number}
        for line in self.backward:
            here = self.written[line.target]
            for key in line.operands:
                there = known.get(key, here)
                if there == here or line.target in self.blanks.keys:
                    continue
                if here == step.number:
                    text = f"{key}: written in step {there} {'↓' if there > here else '↑'}"
                    found.setdefault(key, Words(0, 0, text, "link_note", key, key))
                elif there == step.number:
                    text = f"{key}: read in step {here} {'↑' if there > here else '↓'}"
                    found.setdefault(f"{key} {here}", Words(0, 0, text, "link_note", line.target, key))
        return list(found.values())


def _passed_on(picture: Picture, line: Line) -> bool:
    """Whether a gradient is another as it is."""
    alone = isinstance(picture, Chain) and picture.signs == ("",)
    return alone and picture.factors[0].plain and picture.factors[0].shape == line.shape


def _in_lines(said: Sequence[str], columns: int) -> list[str]:
    """What is said of a gradient, in one line if that has room; otherwise each part begins a line of its own."""
    whole = wrapped(", ".join(said), columns)
    return whole if len(whole) == 1 else [line for one in said for line in wrapped(one, columns)]


def _in_frames(parts: Sequence[Taken]) -> list[tuple[str, str]]:
    return [(one.caption, "note") for one in parts]


def _same(one: Factor, other: Factor) -> bool:
    return one.plain and one.key == other.key and one.grid == other.grid


def _down_sign(picture: Down) -> str:
    return "Σ↓" if picture.summed else "↓"


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _copy_name(key: str, copy: Copy) -> str:
    turned = isinstance(copy, Order) and len(copy.shape) == 2 and (copy.down, copy.across) == ((1,), (0,))
    return f"{key}.T" if turned else f"for {copy.line}" if not isinstance(copy, Order) else key


def _copy_caption(copy: Copy) -> str:
    if not isinstance(copy, Order):
        return "the terms of each sum, side by side"
    return "turned, for a sum that runs this way" if len(copy.shape) == 2 else "in the order of a sum"
