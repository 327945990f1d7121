"""Places tensors so that every sum can be written: the one solver for all sheets.

A sum over more than four terms is written over ranges, so its terms must stand side by side, and those of a product in
the same order. Where they do not, the solver adds a copy: of a tensor with its axes in the order that the sum needs,
or, where no order of axes will do, of the very terms, a run of cells for each sum. The second always can be written, so
nothing is refused for where it stands. What is cheapest is taken, and of what costs the same the first, so that the
same lesson always gets the same copies.

Only the way in which cells lie matters here, not where: forms stand at the first cell of their sheet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

import numpy as np

from sheetgrad.formulas.expressions import Index, Ranges, Ref, Shape
from sheetgrad.formulas.places import Gathered, Place, Placement
from sheetgrad.formulas.sidebyside import lined_up
from sheetgrad.formulas.sums import FormulaError
from sheetgrad.lines.cells import CellArray
from sheetgrad.plan.blocks import MOST_SHEET_COLUMNS, MOST_SHEET_ROWS, PlanError

Step = tuple[int, int]  # rows and columns from one cell to the next
EVERY_LINE = 10  # times as dear is what a table of passes repeats in every line


@dataclass(frozen=True)
class Order:
    """A tensor's numbers with its axes in another order: those that go down, then those that go across, each slowest
    first. ``Order("w", (2, 3), (1,), (0,))`` is ``w`` with rows and columns exchanged."""

    tensor: str
    shape: Shape
    down: Index
    across: Index

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns."""
        return math.prod(self.shape[k] for k in self.down), math.prod(self.shape[k] for k in self.across)

    @cached_property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def tensors(self) -> tuple[str, ...]:
        return (self.tensor,)

    @property
    def even(self) -> bool:
        """Whether a step down or to the right moves along one axis alone."""
        return len(self.down) <= 1 and len(self.across) <= 1

    @property
    def axes(self) -> Index:
        return (*self.down, *self.across)

    def placed(self, sheet: str, row: int, column: int) -> Placement:
        steps: list[Step] = [(0, 0)] * len(self.shape)
        for axes, way in ((self.down, (1, 0)), (self.across, (0, 1))):
            stride = 1
            for axis in reversed(axes):
                steps[axis] = (way[0] * stride, way[1] * stride)
                stride *= self.shape[axis]
        return Placement(sheet, row, column, self.shape, tuple(steps))

    @cached_property
    def terms(self) -> tuple[Ref, ...]:
        """What stands in its cells, row by row."""
        found = product(*(range(self.shape[axis]) for axis in self.axes))
        if self.axes != tuple(range(len(self.axes))):
            back = [self.axes.index(axis) for axis in range(len(self.axes))]
            found = (tuple(index[k] for k in back) for index in found)
        return tuple(Ref(self.tensor, index) for index in found)

    def numbers(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Its numbers as they stand."""
        return np.transpose(np.asarray(values[self.tensor]), self.axes).reshape(self.extent)


@dataclass(frozen=True, eq=False)
class Terms:
    """The terms of sums, side by side: each sum a run of cells, ``step`` from one to the next.

    ``line`` is the tensor or gradient whose formulas look here. The runs follow one another where all lies ``flat`` in
    a line of a table of passes, and stand beside one another in a block.
    """

    line: str
    runs: tuple[tuple[Ref, ...], ...]
    step: Step
    flat: bool = False

    even = False

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns."""
        across, along = (1, self.size) if self.flat else (len(self.runs), len(self.runs[0]))
        return (across, along) if self.step == (0, 1) else (along, across)

    @property
    def size(self) -> int:
        return len(self.runs) * len(self.runs[0])

    @cached_property
    def tensors(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(term.tensor for run in self.runs for term in run))

    @cached_property
    def _numbered(self) -> dict[tuple[Ref, ...], int]:
        return {run: k for k, run in enumerate(self.runs)}

    def placed(self, sheet: str, row: int, column: int) -> Gathered:
        down, right = self.step
        length = len(self.runs[0])
        stride = (down * length, right * length) if self.flat else (right, down)
        return Gathered(sheet, row, column, self._numbered, self.step, stride)

    @cached_property
    def terms(self) -> tuple[Ref, ...]:
        """What stands in its cells, row by row."""
        beside = self.step == (1, 0) and not self.flat
        return tuple(term for run in (zip(*self.runs, strict=True) if beside else self.runs) for term in run)

    def numbers(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Its numbers as they stand."""
        return np.array([values[term.tensor][term.index] for term in self.terms]).reshape(self.extent)


Copy = Order | Terms


@dataclass(frozen=True)
class Option:
    """One way in which a group of terms could stand: as they do (no ``copy``), or in a copy."""

    form: Place
    copy: Copy | None = None
    cost: int = 0


@dataclass
class Placing:
    """The search on one sheet.

    ``shapes``: of every tensor. ``forms``: how each stands already. ``sheet`` is where copies come. ``along``: the
    step from cell to cell in a table of passes, where everything lies flat; None where copies are blocks. ``repeated``:
    the tensors that such a table repeats in every line; they have no place yet, and their order is chosen here.

    The result: ``orders`` of the repeated tensors, natural where none is named, and ``copies``.
    """

    shapes: Mapping[str, Shape]
    forms: Mapping[str, Sequence[Place]]
    sheet: str
    along: Step | None = None
    repeated: Collection[str] = ()
    orders: dict[str, Order] = field(default_factory=dict)
    copies: list[Copy] = field(default_factory=list)
    open: set[str] = field(default_factory=set)

    def settle(self, lines: Mapping[str, CellArray], said: Callable[[str], str] = str) -> None:
        """Finds the copies that the formulas of these cells, by target, need.

        The first time through, repeated tensors whose natural order does not serve get the one that does; the second
        time every order is settled, and what then does not stand right gets a copy. Copies never disturb what stood
        right before, so that is the end of it. Raises ``PlanError`` for a sum that cannot be written however its cells
        stand; ``said`` is the line of a target as its author knows it.
        """
        self.open = set(self.repeated)
        for _ in (1, 2) if self.repeated else (1,):
            for target, cells in lines.items():
                try:
                    needed = cells.ranges
                except FormulaError as error:
                    raise PlanError(f"{said(target)}: {error}") from None
                for ranges in needed:
                    if not self._fits(ranges):
                        self._make_room(ranges, target, cells)
            self.open = set()
        self.orders = {key: self.order(key) for key in self.repeated}

    def order(self, key: str) -> Order:
        """How a repeated tensor lies."""
        return self.orders.get(key) or self._flat(key, tuple(range(len(self.shapes[key]))))

    # -- one sum --------------------------------------------------------------------------------------------------

    def _standing(self, group: Sequence[Ref]) -> list[Place]:
        """Every form in which the terms may stand already, as a book would list them."""
        key = group[0].tensor
        own = [self._at_origin(self.order(key))] if key in self.repeated else self.forms.get(key, ())
        return [*own, *(self._at_origin(copy) for copy in self.copies if key in copy.tensors)]

    def _fits(self, ranges: Ranges) -> bool:
        return lined_up(ranges, [self._standing(group) for group in ranges.groups]) is not None

    def _make_room(self, ranges: Ranges, target: str, cells: CellArray) -> None:
        """The cheapest way in which every group of the ranges stands right."""
        options = [self._options(group, cells.size) for group in ranges.groups]
        for chosen in sorted(product(*options), key=_total):
            if lined_up(ranges, [[option.form] for option in chosen]) is not None:
                for which, option in enumerate(chosen):
                    if isinstance(option.copy, Terms):
                        self._gather(ranges, which, target, cells)
                    elif option.copy is not None:
                        self._add(option.copy)
                return

    def _options(self, group: tuple[Ref, ...], size: int) -> list[Option]:
        options = [Option(place) for place in self._standing(group)]
        for order in self._orders_for(group):
            options.append(Option(self._at_origin(order), order, self._cost(order)))
        terms = self._terms("", (group,))
        dear = EVERY_LINE if any(term.tensor in self.repeated for term in group) else 1
        return [*options, Option(self._at_origin(terms), terms, dear * size * len(group))]

    def _terms(self, target: str, runs: tuple[tuple[Ref, ...], ...]) -> Terms:
        if self.along:
            return Terms(target, runs, self.along, flat=True)
        return Terms(target, runs, (0, 1) if len(runs[0]) <= MOST_SHEET_COLUMNS // 2 else (1, 0))

    def _orders_for(self, group: Sequence[Ref]) -> Iterator[Order]:
        """The orders in which the axes that a sum runs over are innermost."""
        key, shape = group[0].tensor, self.shapes[group[0].tensor]
        if any(term.tensor != key for term in group):
            return
        first: dict[int, int] = {}  # by axis, the first term in which its index is another
        for axis in range(len(shape)):
            start = group[0].index[axis]
            at = next((k for k, term in enumerate(group) if term.index[axis] != start), None)
            if at is not None:
                first[axis] = at
        run = tuple(sorted(first, key=first.get, reverse=True))
        kept = tuple(axis for axis in range(len(shape)) if axis not in first)
        if self.along:
            yield self._flat(key, (*kept, *run))
            return
        ways = ((*kept, *run[:-1]), run[-1:]), (kept, run), (run, kept)  # read row by row, or in one row, or column
        for order in dict.fromkeys(Order(key, shape, *way) for way in ways):
            rows, columns = order.extent
            if rows <= MOST_SHEET_ROWS // 2 and columns <= MOST_SHEET_COLUMNS // 2:
                yield order

    def _flat(self, key: str, axes: Index) -> Order:
        return Order(key, self.shapes[key], *(((), axes) if self.along == (0, 1) else (axes, ())))

    def _cost(self, order: Order) -> int:
        if order.tensor in self.open and order.tensor not in self.orders:
            return 0
        return order.size * (EVERY_LINE if order.tensor in self.repeated else 1)

    def _at_origin(self, copy: Copy) -> Place:
        return copy.placed(self.sheet, 1, 1)

    # -- what is added --------------------------------------------------------------------------------------------

    def _add(self, order: Order) -> None:
        if order.tensor in self.open and order.tensor not in self.orders:
            self.orders[order.tensor] = order
        elif order not in self.copies:
            self.copies.append(order)

    def _gather(self, ranges: Ranges, which: int, target: str, cells: CellArray) -> None:
        """The terms of all such sums of a line, each once."""
        runs: dict[tuple[Ref, ...], None] = {}
        whole = CellArray(cells.shape, cells.element, uniform=False)
        for other in whole.ranges:
            alike = other.function == ranges.function and len(other.groups[which]) == len(ranges.groups[which])
            if alike and not self._fits(other):
                runs[other.groups[which]] = None
        self.copies.append(self._terms(target, tuple(runs)))


def _total(chosen: Sequence[Option]) -> int:
    """What the copies cost, one that serves both groups once."""
    return sum(cost for _, cost in {(option.copy, option.cost) for option in chosen if option.copy})
