"""Where every tensor and gradient stands on the Gradients sheet, and its blocks of numbers and formulas."""

from __future__ import annotations

import ast
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from sheetgrad.autodiff.program import Line, Program
from sheetgrad.formulas.expressions import Index, Shape
from sheetgrad.formulas.fills import Filled, fill
from sheetgrad.formulas.places import Book, Place, Placement
from sheetgrad.formulas.printing import Printer
from sheetgrad.formulas.sums import FormulaError
from sheetgrad.lines.cells import CellArray
from sheetgrad.plan.blocks import Block, Label, PlanError, number_format
from sheetgrad.plan.extents import panels, placed
from sheetgrad.plan.pictures import Picture
from sheetgrad.plan.placing import Copy

GRADIENTS = "Gradients"  # the sheet that it draws


@dataclass(frozen=True)
class Blanks:
    """What a handout leaves for the student to fill in: gradients by name.

    What depends on a blank shows nothing until it is filled in. ``checked``: a verdict stands beside each blank.
    For pencil and paper: ``working``, so many rows of free space follow a section with blanks, and ``height``, that of
    the rows of blanks in points. ``answered``: the answers stand in the same places. ``on_paper``: what waits for a blank
    is left out, since nothing will ever fill it. Where one line is wrong on purpose, the keys are ``answered`` from the
    start: all gradients that are asked for, so that the checks beside them do not tell which line it is.
    """

    keys: tuple[str, ...] = ()
    checked: bool = False
    working: int = 0
    height: float = 0.0
    answered: bool = False
    on_paper: bool = False

    def check_beside(self, key: str, purpose: str) -> bool:
        """Whether a verdict stands beside a block."""
        return self.checked and key in self.keys and purpose in ("blank", "line")

    def withheld(self, program: Program) -> dict[str, list[str]]:
        """The gradients that wait for blanks, each with the operands that must be there first."""
        waiting: dict[str, list[str]] = {}
        for line in () if self.answered else program.backward:
            needs = [key for key in line.operands if key in self.keys or key in waiting]
            if needs and line.target not in self.keys:
                waiting[line.target] = needs
        return waiting

    def on_the_way(self, program: Program) -> set[str]:
        """The steps that lead to a blank and nowhere else: they are not shown. Nor, on paper, is what waits."""
        hidden = set(self.withheld(program)) if self.on_paper else set()
        for line in () if self.answered else reversed(program.backward):
            readers = {other.target for other in program.backward if line.target in other.operands}
            on_the_way = line.target not in self.keys and line.target.rpartition("_")[0] in self.keys
            if on_the_way and readers <= hidden.union(self.keys):
                hidden.add(line.target)
        return hidden


TURNED = ((0, 1), (1, 0))  # the steps of a matrix with rows and columns exchanged
BLANK_FORMAT = "0.00##"  # does not round away what a student computes


@dataclass(frozen=True)
class Drawn:
    """One block of the drawing: the tensor or gradient it shows, where, and what it is there for.

    ``purpose``: ``given``, ``line`` (computed by ``line``), ``again`` (a tensor or gradient shown again where it is read;
    ``reader`` is what is computed from it there, and it may be ``turned``), ``part`` (the part ``node`` of the line of its
    reader), ``copy`` (numbers in another order, where a sum needs them so: ``copy`` says in which), ``blank`` (to be filled
    in), ``start`` (the gradient of the loss, 1) or ``check`` (the verdict beside a blank). The elements that are ``framed``
    are those that a line takes, or to which a gradient is added.
    """

    key: str
    purpose: str
    step: int
    place: Place
    line: Line | None = None
    copy: Copy | None = None
    turned: bool = False
    node: ast.expr | None = None
    reader: str = ""
    framed: frozenset[Index] = frozenset()


@dataclass(frozen=True)
class Depicted:
    """A picture as it stands on the sheet: what is combined to give ``target``. ``factors`` are the places of its factors
    (None for a plain number), ``signs`` the texts that say how, from left to right."""

    target: str
    picture: Picture
    factors: tuple[Place | None, ...]
    signs: tuple[Label, ...]
    result: Place


@dataclass(frozen=True)
class Drawing:
    """Where everything stands on the Gradients sheet, and what is written around it.

    ``labels``, the first rows of ``sections`` and ``heights`` of rows are as on a :class:`~sheetgrad.plan.blocks.Sheet`;
    ``lying`` says of vectors whether they lie in a row or stand in a column, ``settings`` where the numbers to play with
    stand on the Lesson sheet, ``blanks`` what is left out, ``number_format`` how computed numbers are shown where that
    must not depend on them; ``pictures`` are those of its lines.
    """

    drawn: tuple[Drawn, ...]
    labels: tuple[Label, ...]
    sections: tuple[int, ...]
    heights: Mapping[int, float]
    lying: Mapping[str, str]
    settings: Mapping[str, Placement]
    blanks: Blanks = Blanks()
    number_format: str = ""
    pictures: tuple[Depicted, ...] = ()

    @cached_property
    def places(self) -> Mapping[str, Sequence[Place]]:
        """By tensor, its own block first, then its copies."""
        book: dict[str, list[Place]] = {
            item.key: [item.place] for item in self.drawn if item.purpose in ("given", "line", "blank")
        }
        for item in self.drawn:
            for key in item.copy.tensors if item.copy else ():
                book[key].append(item.place)
        return MappingProxyType(book)

    def book(self, step: int, target: str = "") -> Book:
        """Where a formula of a section looks: at what stands in the picture of its own line first, then at the copies in
        its section."""
        near = self._near.get((step, target)) or self._near.get((step, ""))
        return ChainMap(near, self.places) if near else self.places

    @cached_property
    def _near(self) -> dict[tuple[int, str], dict[str, list[Place]]]:
        found: dict[tuple[int, str], dict[str, list[Place]]] = {}
        steps = {item.key: item.step for item in self.drawn if item.purpose == "line"}
        for one in self.pictures:
            for factor, place in zip(one.picture.factors, one.factors, strict=True):
                if factor.key and one.target in steps:
                    book = found.setdefault((steps[one.target], one.target), {})
                    book.setdefault(factor.key, []).append(place)
        for item in self.drawn:
            if item.purpose == "again" and self._as_it_is(item):
                found.setdefault((item.step, ""), {}).setdefault(item.key, []).append(item.place)
        for (step, target), book in found.items():
            for key, places in found.get((step, ""), {}).items() if target else ():
                book.setdefault(key, []).extend(places)
        for book in found.values():
            for key, places in book.items():
                places += self.places[key]
        return found

    def _as_it_is(self, item: Drawn) -> bool:
        """Whether a copy lies as the block that it shows, so that others than its own picture may read it."""
        return not item.turned and item.place.steps == self.places[item.key][0].steps


def blank_blocks(place: Placement, value: np.ndarray, key: str) -> list[Block]:
    """Empty cells for the student, a block a 2-D panel; they expect nothing, whatever the right numbers are."""
    blocks = []
    for number, _, grid, row, column in _panels(place, value):
        nothing = np.full(grid.shape, "", dtype=object)
        cells = [[None] * grid.shape[1] for _ in range(grid.shape[0])]
        more = dict(panel=number, number_format=BLANK_FORMAT)
        blocks.append(Block(row, column, cells, "blank", "blank", nothing, name=key, **more))
    return blocks


def input_blocks(place: Placement, value: np.ndarray, **more) -> list[Block]:
    """The numbers of a tensor for the student to change, a block a 2-D panel."""
    blocks = []
    for number, _, grid, row, column in _panels(place, value):
        at = dict(row=row, column=column, panel=number, number_format=number_format(value))
        blocks.append(Block(cells=grid.tolist(), kind="input", expected=grid, **at, **more))
    return blocks


def formula_blocks(cells: CellArray, place: Placement, book: Book, value: np.ndarray, what: str, **more) -> list[Block]:
    """The formulas of a tensor at ``place``, a block a 2-D panel; ``what`` is named when one cannot be written."""
    printer, blocks = Printer(book), []
    form = more.pop("number_format", None) or number_format(value)
    for number, index, grid, row, column in _panels(place, value):
        filled = _filled(cells, index, grid.shape, place, printer, what)
        at = dict(row=row, column=column, panel=number, number_format=form)
        blocks.append(Block(cells=filled.formulas, kind="formula", expected=grid, fills=filled.fills, **at, **more))
    return blocks


def copied(copy: Copy) -> CellArray:
    """The cells of a copy: each shows one of the tensor's own."""
    columns = copy.extent[1]
    return CellArray(copy.extent, lambda index: copy.terms[index[0] * columns + index[1]], copy.even)


def copy_blocks(cells: CellArray, place: Place, book: Book, value: np.ndarray, what: str, **more) -> list[Block]:
    """The formulas of a copy whose corner is that of ``place``, see :func:`copied`."""
    block = placed(place.sheet, place.row, place.column, cells.shape)
    return formula_blocks(cells, block, book, value, what, **more)


def _panels(place: Placement, value: np.ndarray) -> Iterator[tuple[int, Index, np.ndarray, int, int]]:
    """Number, leading index, numbers as they stand, and the corner of each 2-D panel."""
    for number, index in enumerate(panels(place.shape)):
        inner = place.shape[len(index) :]
        part = np.asarray(value[index]).T if place.steps == TURNED else np.asarray(value[index])
        grid = part.reshape(part.shape if place.steps == TURNED else _grid(inner, place))
        yield number, index, grid, *place.cell((*index, *[0] * len(inner)))


def _grid(inner: Shape, place: Placement) -> tuple[int, int]:
    if len(inner) == 1:
        return (1, inner[0]) if place.steps[-1] == (0, 1) else (inner[0], 1)
    return inner if len(inner) == 2 else (1, 1)


def _filled(cells: CellArray, index, grid: tuple[int, int], place: Placement, printer: Printer, what: str) -> Filled:
    inner = place.steps[len(index) :]

    def tokens(i: int, j: int):
        """The formula of the cell ``i`` down, ``j`` right of the block's corner."""
        at = tuple(i if down else j for down, _ in inner)
        return printer.placed(cells.pieces((*index, *at)))

    try:
        return fill(tokens, *grid, place.sheet, cells.uniform)
    except FormulaError as error:
        raise PlanError(f"{what}: {error}") from None
