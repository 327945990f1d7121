"""How a sheet is divided into printed pages: how much smaller, and where each new page begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sheetgrad.plan.blocks import Sheet

PAGE_WIDTH, PAGE_HEIGHT = 10.5, 7.0  # inches of A4 landscape that are printed on, with a little to spare
ROW_HEIGHT = 15  # points
INCHES_PER_CHARACTER, INCHES_PER_ROW = 0.079, ROW_HEIGHT / 72  # of Calibri 11
MOST_SHRUNK = 1.3  # times smaller, to keep a section on one page
SMALLEST_SCALE = 45  # percent; what is wider is fitted to the page as it is


@dataclass(frozen=True)
class Pages:
    """``scale`` in percent, and the rows after which a page ends. Where the scale is 0 the sheet is fitted to the width
    of its pages instead, and breaks by itself (Excel ignores page breaks there)."""

    scale: int = 0
    breaks: tuple[int, ...] = ()


def pages(sheet: Sheet) -> Pages:
    """The pages of a sheet: a section is kept on one page where it fits."""
    last = sheet.print_columns or sheet.last_column
    width = sum(sheet.widths.get(column, 8.7) for column in range(1, last + 2)) * INCHES_PER_CHARACTER
    scale = min(100, int(100 * PAGE_WIDTH / width))
    if not sheet.sections or scale < SMALLEST_SCALE or sheet.pages_wide > 1:
        return Pages()
    above = rows_above(sheet)
    page = PAGE_HEIGHT / INCHES_PER_ROW * 100  # rows at a scale of 1 percent
    starts = [1, *sheet.sections[1:], sheet.last_row + 1]  # the heading goes with the first
    tallest = max(above[b - 1] - above[a - 1] for a, b in zip(starts, starts[1:], strict=False))
    if page / scale < tallest <= page / scale * MOST_SHRUNK:
        scale = int(page / tallest)
    tops = [above[row - 1] for row in (*sheet.sections, sheet.last_row + 1)]
    return Pages(scale, tuple(sheet.sections[k] - 1 for k in breaks(tops, page / scale)))


def rows_above(sheet: Sheet) -> list[float]:
    """Rows of usual height that are printed above each row, counted from 0; folded rows take no room."""
    folded = {row for first, last in sheet.folded_rows for row in range(first, last + 1)}
    shown = [0.0]
    for row in range(1, sheet.last_row + 1):
        shown.append(shown[-1] + (0.0 if row in folded else sheet.heights.get(row, ROW_HEIGHT) / ROW_HEIGHT))
    return shown


def breaks(tops: Sequence[float], rows: float) -> list[int]:
    """Which sections begin a new page, counted from 0: those that the end of a page of so many rows would cut.

    ``tops`` are the printed rows above each section, and at last above the end. A section that begins within the first
    two rows of a page, or that is longer than a page and begins one, is cut all the same.
    """
    page, found = 0.0, []
    for k, (top, bottom) in enumerate(zip(tops, tops[1:], strict=False)):
        while top >= page + rows:
            page += rows
        if k and bottom > page + rows and top > page + 2:
            found.append(k)
            page = top
    return found
