"""Blocks of cells by the texts that name them: above, left, or at the corner of a block, with room for headings between."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from openpyxl.utils.cell import get_column_letter

from sheetgrad.gradchecking.cells import Cells, Kind, named
from sheetgrad.gradchecking.labels import is_value, shown
from sheetgrad.gradchecking.ranges import Place, Range

FARTHEST = 30  # columns between a gradient and the numbers that it stands beside
VALUE = (Kind.NUMBER, Kind.FORMULA)


@dataclass(frozen=True)
class Labelled:
    """A rectangle of cells with the text that names it, and where that text stands (None for a defined name)."""

    label: str
    range: Range
    at: Place | None = None


@dataclass(frozen=True)
class _Spot:
    """Where a block begins that a text may name, and how far it may reach to the right and down."""

    cell: Place
    right: Callable[[int], bool]
    down: Callable[[int], bool]


class Blocks:
    """The labelled blocks of a workbook."""

    def __init__(self, cells: Cells):
        self.cells = cells

    def of(self, at: Place, *kinds: Kind) -> list[Range]:
        """The rectangles of cells of these kinds that the text of a cell may name."""
        found = (self._grown(spot, kinds) for spot in self._spots(at))
        return list(dict.fromkeys(area for area in found if area))

    def _spots(self, at: Place) -> list[_Spot]:
        """The first cells of what a text may name: at its right and below it, or else at the corner, or else one cell on."""
        sheet, top, left = at
        bottom, right = self.cells.extent(at)
        kind = lambda row, column: self.cells.kind((sheet, row, column))  # noqa: E731
        text = lambda row, column: kind(row, column) is Kind.TEXT  # noqa: E731

        def beside(column: int) -> _Spot:
            end = bottom if bottom > top else None
            return _Spot(
                (sheet, top, column),
                lambda _: True,
                lambda row: row <= end if end else not (text(row, left) or text(row, column - 1)),
            )

        def above(row: int) -> _Spot:
            end = right if right > left else None
            return _Spot(
                (sheet, row, left),
                lambda column: (
                    column <= end if end else not (text(top, column) or (row == bottom + 1 and text(row - 1, column)))
                ),
                lambda _: True,
            )

        def corner(row: int, column: int) -> _Spot:
            return _Spot((sheet, row, column), lambda _: True, lambda _: True)

        near = [
            spot(place)
            for spot, place, there in (
                (beside, right + 1, kind(top, right + 1) in VALUE),
                (above, bottom + 1, kind(bottom + 1, left) in VALUE),
            )
            if there
        ]
        if near:
            return near
        inner = dict.fromkeys((left + 1, right + 1))  # a merged heading may reach over the labels of the rows
        for column in inner:
            if kind(bottom + 1, column) in VALUE:
                return [corner(bottom + 1, column)]
        far = []
        if kind(top, right + 2) in VALUE and (
            kind(top, right + 1) is Kind.NOTHING or self.cells.texts.get((sheet, top, right + 1), "").strip() in "=:→"
        ):
            far.append(beside(right + 2))
        if kind(bottom + 2, left) in VALUE:
            far.append(above(bottom + 2))
        for column in inner if not far and text(bottom + 2, left) else ():
            if kind(bottom + 2, column) in VALUE and text(bottom + 1, column):
                return [corner(bottom + 2, column)]
        return far

    def _grown(self, spot: _Spot, kinds: tuple[Kind, ...]) -> Range | None:
        """The cells of these kinds from the first to the right and down, as far as they may reach."""
        sheet, top, left = spot.cell

        def same(row: int, column: int) -> bool:
            self.cells.step()
            return self.cells.kind((sheet, row, column)) in kinds

        if not same(top, left):
            return None
        right, bottom = left, top
        while same(top, right + 1) and spot.right(right + 1):
            right += 1
        while spot.down(bottom + 1) and all(same(bottom + 1, column) for column in range(left, right + 1)):
            bottom += 1
        return Range(sheet, top, left, bottom, right)

    # -- what a block belongs to --

    def heading(self, at: Place) -> str:
        """The text of the section that a cell stands in: the nearest above, not to the right of it, that names no cells
        itself."""
        sheet, row, column = at
        found = self._headings.get(sheet, [])
        for k in range(bisect_left(found, (row,)) - 1, -1, -1):
            self.cells.step()
            if found[k][1] <= column:
                return self.cells.texts[sheet, *found[k]]
        return ""

    @cached_property
    def _headings(self) -> dict[str, list[tuple[int, int]]]:
        found: dict[str, list[tuple[int, int]]] = {}
        for sheet, row, column in sorted(self.cells.texts):
            bottom, right = self.cells.extent((sheet, row, column))
            beside, below = (sheet, row, right + 1), (sheet, bottom + 1, column)
            if not {self.cells.kind(beside), self.cells.kind(below)} & set(VALUE):
                found.setdefault(sheet, []).append((row, column))
        return found

    def partners(self, gradient: Range, at: Place) -> list[list[Labelled]]:
        """The numbers that a block of gradients stands beside whose text is at ``at``, in its rows or else in its columns:
        each way to read the table a list, which has several runs where not every row has a number. Single columns (or
        rows) need a heading in line with that text."""
        return self._partners(gradient, at, False) or self._partners(gradient, at, True)

    def _partners(self, gradient: Range, at: Place, turned: bool) -> list[list[Labelled]]:
        area, found = _turn(gradient) if turned else gradient, []
        for columns in self._beside(area, turned):
            runs = self._runs(area, columns, turned)
            numbers = [self._labelled(_turn(run) if turned else run, turned) for run in runs]
            line = 2 if turned else 1
            if numbers and (columns[0] < columns[1] or all(run.at and run.at[line] == at[line] for run in numbers)):
                found.append(numbers)
        valued = [runs for runs in found if is_value(runs[0].label)]
        return valued or found

    def _beside(self, area: Range, turned: bool) -> Iterator[tuple[int, int]]:
        """First and last column of what stands left and right of an area in the same table, as wide as it is."""
        wide = area.right - area.left + 1
        for step, column in ((-1, area.left - 1), (1, area.right + 1)):
            empty = 0
            for k in range(column, column + step * FARTHEST, step):
                if k < 1 or empty > 1:
                    break
                self.cells.step(10)
                used = [
                    self._kind(area.sheet, row, k, turned)
                    for row in range(area.top, min(area.bottom, area.top + 9) + 1)
                ]
                empty = 0 if set(used) - {Kind.NOTHING} else empty + 1
                if Kind.NUMBER in used:
                    yield (k - wide + 1, k) if step < 0 else (k, k + wide - 1)

    def _runs(self, area: Range, columns: tuple[int, int], turned: bool) -> list[Range]:
        """The rows of an area in which these columns hold numbers, put together; of a matrix all rows or none, and no
        columns of a wider one."""
        first, last = columns
        if first < 1 or (first <= area.right and last >= area.left):
            return []

        def numbers(row: int) -> bool:
            self.cells.step()
            return all(self._kind(area.sheet, row, column, turned) is Kind.NUMBER for column in range(first, last + 1))

        runs: list[Range] = []
        for row in filter(numbers, range(area.top, area.bottom + 1)):
            if runs and runs[-1].bottom == row - 1:
                runs[-1] = replace(runs[-1], bottom=row)
            else:
                runs.append(Range(area.sheet, row, first, row, last))
        if first == last:
            return runs
        edges = {self._kind(area.sheet, area.top, column, turned) for column in (first - 1, last + 1)}
        return runs if len(runs) == 1 and runs[0].shape == area.shape and Kind.NUMBER not in edges else []

    def _kind(self, sheet: str, row: int, column: int, turned: bool) -> Kind:
        return self.cells.kind((sheet, column, row) if turned else (sheet, row, column))

    def _labelled(self, area: Range, turned: bool) -> Labelled:
        """A run of numbers with the text at its head, which may stand some rows away."""
        row, column = area.top, area.left
        while True:
            row, column = (row, column - 1) if turned else (row - 1, column)
            at = area.sheet, row, column
            if at in self.cells.texts:
                return Labelled(self.cells.texts[at], area, at)
            if self.cells.kind(at) is Kind.NOTHING:
                return Labelled(f"{get_column_letter(area.left)}{area.top}", area)

    # -- sums over examples --

    def totals(self, line: Range) -> list[Place]:
        """The formulas that take a line of cells together, which may be its own last cell."""
        rows, columns = line.shape
        if rows * columns == 1:
            return []
        last = line.sheet, line.bottom, line.right
        short = replace(line, right=line.right - 1) if rows == 1 else replace(line, bottom=line.bottom - 1)
        return [at for at in self._sums(short) if at == last] or self._sums(line)

    @cached_property
    def _plain(self) -> list[tuple[Place, str]]:
        """The formulas without the signs that fix a reference."""
        return [(at, formula.replace("$", "")) for at, formula in self.cells.formulas.items()]

    def _sums(self, area: Range) -> list[Place]:
        """The formulas that are computed from all cells of an area and from no others: its sum, its mean."""
        first = f"{get_column_letter(area.left)}{area.top}"
        size = (area.bottom - area.top + 1) * (area.right - area.left + 1)
        found = []
        self.cells.step(len(self._plain) // 5)
        for at, formula in self._plain:
            if first in formula:
                read = set(self.cells.reads(at))
                whole = read == {area}
                single = len(read) == size and all(one.shape == (1, 1) and inside(one, area) for one in read)
                if whole or single:
                    found.append(at)
        return found


def _turn(area: Range) -> Range:
    return Range(area.sheet, area.left, area.top, area.right, area.bottom)


def cell_range(at: Place) -> Range:
    """A cell as a range."""
    sheet, row, column = at
    return Range(sheet, row, column, row, column)


def cells_of(area: Range) -> Iterator[Place]:
    """The cells of a range."""
    for row in range(area.top, area.bottom + 1):
        for column in range(area.left, area.right + 1):
            yield area.sheet, row, column


def inside(part: Range, area: Range) -> bool:
    """Whether all cells of a range are cells of another."""
    return (
        part.sheet == area.sheet
        and area.top <= part.top <= part.bottom <= area.bottom
        and area.left <= part.left <= part.right <= area.right
    )


def told(one: Labelled) -> str:
    """A block as people are told of it: its label and its cells."""
    return f"{shown(one.label)} ({named(one.range)})" if one.label else named(one.range)
