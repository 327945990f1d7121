"""How a sheet is divided into printed pages: as few as it can be read on."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from sheetgrad.plan.blocks import COLUMN_WIDTH, Block, Label, Sheet
from sheetgrad.plan.lettering import width

ROW_HEIGHT = 15.0  # points
CHARACTER = 5.56  # points of a column that is one wide, in LibreOffice; a little less in Excel
CENTIMETRE = 72 / 2.54  # points
PAGE = 297 * CENTIMETRE / 10, 210 * CENTIMETRE / 10  # A4 landscape
SIDE, TOP = 0.25, 0.4  # inches of margin
ROOM = PAGE[0] - 2 * 72 * SIDE, PAGE[1] - 2 * 72 * TOP
READABLE = 80  # percent: letters of 10 points are then 8 points high
STEP = 5  # percent, of the scales that are tried
FULL = 0.5, 0.25  # of the height and the width of a page: it is not broken off before, to keep something together


@dataclass(frozen=True)
class Pages:
    """``scale`` in percent; the rows and the columns after which a page ends, and the last row and column that are printed."""

    scale: int
    breaks: tuple[int, ...]
    column_breaks: tuple[int, ...]
    last: tuple[int, int]


def in_its_cell(item: Label | Block) -> float:
    """How far a text runs over the left edge of its cell, in points, where only its letters are known."""
    return width(text_of(item)) if isinstance(item, Label) and item.span == 1 else 0.0


def text_of(item: Label | Block) -> str:
    """The text of a label, or the longest that formulas are expected to show."""
    if isinstance(item, Label):
        return item.text
    texts = (text for row in item.expected for text in row if isinstance(text, str))
    return max(texts, key=len, default="")


def pages(sheet: Sheet, reach: Callable[[Label | Block], float] = in_its_cell) -> Pages:
    """The fewest pages, and then the largest scale; a section is kept on one page where it fits.

    ``reach`` tells how wide the text of a label or of a block's first column is if it runs over its cell, and 0 if it does not.
    """
    area = _Area.of(sheet, reach)
    fits = (100 * room / size for room, size in zip(ROOM, (area.columns.last, area.rows.last), strict=True) if size)
    tried = {100, *range(READABLE, 100, STEP), *(int(fit) for fit in fits if READABLE < fit < 100)}
    return min((area.divided(scale) for scale in tried), key=lambda found: (_count(found), -found.scale))


def _count(divided: Pages) -> int:
    return (len(divided.breaks) + 1) * (len(divided.column_breaks) + 1)


@dataclass(frozen=True)
class _Lines:
    """The rows or the columns of a sheet: ``ends`` is where each ends, in points, the first of them 0; a page may well end
    ``before`` some, and at ``gaps`` nothing is cut in two; it is ``full`` enough then. What is beyond ``last`` points is not printed."""

    ends: Sequence[float]
    last: float
    before: Sequence[int]
    gaps: Sequence[int]
    full: float

    def breaks(self, room: float) -> Iterator[int]:
        """After which line each page but the last ends, if it has so much room."""
        start = 0
        while self.ends[start] + room < self.last - 0.01:
            start = self._end(start, room)
            yield start

    def _end(self, start: int, room: float) -> int:
        """The last line of the page that begins after the line ``start``."""
        most = max(start + 1, bisect_right(self.ends, self.ends[start] + room) - 1)
        half = bisect_left(self.ends, self.ends[start] + self.full * room)
        number = bisect_right(self.before, most) - 1
        if number >= 0 and (section := self.before[number]) > start:
            after = self.before[number + 1] if number + 1 < len(self.before) else len(self.ends) - 1
            if section >= half or min(self.ends[after], self.last) - self.ends[section] <= room:
                return section
        gap = self.gaps[bisect_right(self.gaps, most) - 1] if self.gaps else 0
        return gap if gap >= max(half, start + 1) else most


@dataclass(frozen=True)
class _Area:
    """What is printed of a sheet."""

    rows: _Lines
    columns: _Lines

    @classmethod
    def of(cls, sheet: Sheet, reach: Callable[[Label | Block], float]) -> _Area:
        folded = {column for first, last in sheet.folded_columns for column in range(first, last + 1)}
        shown = sheet.print_columns or _last_filled(sheet)
        below = sheet.print_rows or max([sheet.last_row, *(chart.row for chart in sheet.charts)])
        beyond = shown if sheet.print_columns else shown + 60  # that texts and charts may run over
        sizes = (0.0 if c in folded else sheet.widths.get(c, COLUMN_WIDTH) * CHARACTER for c in range(1, beyond + 1))
        across, down = list(accumulate(sizes, initial=0.0)), rows_above(sheet, below)
        crossed = list(_extents(sheet, reach, across, shown, below))
        right = max([across[shown], *(end for _, end in crossed)]) - 0.01
        right = across[min(bisect_left(across, right), beyond)]  # whole columns
        high = [*_charts(sheet, down)]
        bottom = max([down[below], *(end for _, end in high)])
        while down[-1] < bottom:
            down.append(down[-1] + ROW_HEIGHT)
        before = [row - 1 for row in sheet.sections[1:] if row <= below]  # the heading goes with the first
        return cls(
            _Lines(down, bottom, before, _empty_rows(sheet, below, high, down), FULL[0]),
            _Lines(across, right, (), _uncrossed(across, crossed), FULL[1]),
        )

    def divided(self, scale: int) -> Pages:
        """The pages at this scale."""
        across, down = (100 * room / scale for room in ROOM)
        last = tuple(bisect_left(lines.ends, lines.last - 0.01) for lines in (self.rows, self.columns))
        return Pages(scale, tuple(self.rows.breaks(down)), tuple(self.columns.breaks(across)), last)


def _last_filled(sheet: Sheet) -> int:
    """The last column in which something stands; the bar of a section may go on."""
    edges = [block.column + block.columns - 1 for block in sheet.blocks]
    return max([*edges, *(label.column + label.span - 1 for label in sheet.labels if label.text)], default=1)


def rows_above(sheet: Sheet, last: int) -> list[float]:
    """How many points are printed above each row, counted from 0; folded rows take no room."""
    folded = {row for first, last in sheet.folded_rows for row in range(first, last + 1)}
    sizes = (0.0 if row in folded else sheet.heights.get(row, ROW_HEIGHT) for row in range(1, last + 1))
    return list(accumulate(sizes, initial=0.0))


def _extents(
    sheet: Sheet, reach: Callable[[Label | Block], float], across: list[float], shown: int, below: int
) -> Iterator[tuple[float, float]]:
    """From where to where each block, text and chart reaches, in points from the left."""
    for item in (*sheet.blocks, *sheet.labels):
        if item.column <= shown and item.row <= below:
            start, columns = across[item.column - 1], item.span if isinstance(item, Label) else item.columns
            end = across[min(item.column + columns - 1, shown)]
            yield start, max(end, start + reach(item)) if item.row not in sheet.sections else end
    for chart in sheet.charts:
        start = across[min(chart.column, shown) - 1]
        yield start, start + chart.width * CENTIMETRE


def _charts(sheet: Sheet, down: list[float]) -> Iterator[tuple[float, float]]:
    """From where to where each chart reaches, in points from the top."""
    for chart in sheet.charts:
        if chart.row < len(down):  # and not below what is printed
            yield down[chart.row - 1], down[chart.row - 1] + chart.height * CENTIMETRE


def _empty_rows(sheet: Sheet, below: int, charts: list[tuple[float, float]], down: list[float]) -> list[int]:
    """The rows in which nothing stands."""
    full = {label.row for label in sheet.labels if label.text}
    for block in sheet.blocks:
        full.update(range(block.row, block.row + block.rows))
    empty = (row for row in range(1, below) if row not in full)
    return [row for row in empty if not any(top < down[row] < bottom for top, bottom in charts)]


def _uncrossed(across: list[float], crossed: list[tuple[float, float]]) -> list[int]:
    """The columns after which nothing is cut in two."""
    reached, found = 0.0, []
    waiting = sorted(crossed, reverse=True)
    for column, edge in enumerate(across):
        while waiting and waiting[-1][0] < edge - 0.01:
            reached = max(reached, waiting.pop()[1])
        if column and reached <= edge + 0.01:
            found.append(column)
    return found
