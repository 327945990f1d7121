"""How a sheet is printed: whole landscape pages, broken between its sections."""

from __future__ import annotations

from openpyxl.worksheet.pagebreak import Break
from openpyxl.worksheet.worksheet import Worksheet

from sheetgrad.formulas.places import letter
from sheetgrad.plan.blocks import Sheet
from sheetgrad.workbook.rows import last_row

PAGE_WIDTH, PAGE_HEIGHT = 10.5, 7.0  # inches of A4 landscape that are printed on, with a little to spare
ROW_HEIGHT = 15  # points
INCHES_PER_CHARACTER, INCHES_PER_ROW = 0.079, ROW_HEIGHT / 72  # of Calibri 11
MOST_SHRUNK = 1.3  # times smaller, to keep a section on one page
SMALLEST_SCALE = 45  # percent; what is wider is fitted to the page as it is


def set_page(target: Worksheet, sheet: Sheet) -> None:
    """Whole landscape pages; a section is kept on one page where it fits."""
    target.page_setup.orientation = "landscape"
    target.page_setup.paperSize = target.PAPERSIZE_A4
    target.page_margins.left = target.page_margins.right = 0.4
    target.page_margins.top = target.page_margins.bottom = 0.5
    target.page_margins.header = target.page_margins.footer = 0.25
    for part, text in zip((target.oddHeader.left, target.oddHeader.right), sheet.heading, strict=True):
        part.text = text.replace("&", "&&") or None
    target.oddFooter.left.text = "&A"
    target.oddFooter.right.text = "&P / &N"
    last = sheet.print_columns or sheet.last_column
    if sheet.print_columns or sheet.print_rows:
        target.print_area = f"A1:{letter(last)}{sheet.print_rows or last_row(sheet)}"
    width = sum(sheet.widths.get(column, 8.7) for column in range(1, last + 2)) * INCHES_PER_CHARACTER
    scale = min(100, int(100 * PAGE_WIDTH / width))
    if sheet.sections and scale >= SMALLEST_SCALE and sheet.pages_wide == 1:
        shown = _rows_above(target, sheet)
        page = PAGE_HEIGHT / INCHES_PER_ROW * 100  # rows at a scale of 1 percent
        starts = [1, *sheet.sections[1:], last_row(sheet) + 1]  # the heading goes with the first
        tallest = max(shown[b - 1] - shown[a - 1] for a, b in zip(starts, starts[1:], strict=False))
        if page / scale < tallest <= page / scale * MOST_SHRUNK:
            scale = int(page / tallest)
        target.page_setup.scale = scale  # Excel ignores page breaks where pages are fitted
        _breaks(target, sheet, shown, page / scale)
    else:
        target.sheet_properties.pageSetUpPr.fitToPage = True
        target.page_setup.fitToWidth, target.page_setup.fitToHeight = sheet.pages_wide, int(sheet.one_page)


def _rows_above(target: Worksheet, sheet: Sheet) -> list[float]:
    """Rows of usual height that are printed above each row, counted from 0; folded rows take no room."""
    folded = {row for first, last in sheet.folded_rows for row in range(first, last + 1)}
    shown = [0.0]
    for row in range(1, last_row(sheet) + 1):
        shown.append(shown[-1] + (0.0 if row in folded else sheet.heights.get(row, ROW_HEIGHT) / ROW_HEIGHT))
    return shown


def _breaks(target: Worksheet, sheet: Sheet, shown: list[float], rows: float) -> None:
    """A page break before each section that would be cut by the end of its page."""
    page = 0.0
    for first, following in zip(sheet.sections, [*sheet.sections[1:], last_row(sheet) + 1], strict=True):
        top, bottom = shown[first - 1], shown[following - 1]
        while top >= page + rows:
            page += rows
        if bottom > page + rows and top > page + 2 and first != sheet.sections[0]:
            target.row_breaks.append(Break(id=first - 1))
            page = top
