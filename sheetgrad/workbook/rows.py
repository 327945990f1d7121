"""The rows of a sheet as XML, straight from the plan: by openpyxl's own cells a large sheet takes four times as long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from html import escape
from itertools import repeat

from sheetgrad.formulas.places import letter
from sheetgrad.plan.blocks import Block, Label, Sheet
from sheetgrad.xlsx.stored import UNSAID

# The number of a style in the file, by its role and number format, and whether it is of the first cell of a row.
StyleOf = Callable[[str, str, bool], int]
Cell = tuple[int, str]  # the number of its style, and its XML after that


def written_rows(sheet: Sheet, style_of: StyleOf) -> Iterator[bytes]:
    """The XML of every row from the top."""
    blocks: dict[int, list[tuple[Block, Iterable[int]]]] = defaultdict(list)
    labels: dict[int, list[Label]] = defaultdict(list)
    for block in sheet.blocks:
        first, other = (style_of(block.style, block.number_format, first) for first in (True, False))
        numbers = [first, *repeat(other, block.columns - 1)]
        for row in range(block.row, block.row + block.rows):
            blocks[row].append((block, _framed(block, row, numbers, style_of) if block.framed else numbers))
    for label in sheet.labels:
        labels[label.row].append(label)
    attributes = _row_attributes(sheet)
    for row in sorted(blocks.keys() | labels.keys() | attributes.keys()):
        cells: dict[int, Cell] = {}
        for block, numbers in blocks.get(row, ()):
            last = block.column + block.columns
            cells.update(zip(range(block.column, last), zip(numbers, _block_row(block, row), strict=True), strict=True))
        for label in labels.get(row, ()):
            _, before = cells.get(label.column, (0, "/>"))
            cells[label.column] = style_of(label.style, "General", True), text(label.text) if label.text else before
        inside = "".join([f'<c r="{letter(at)}{row}" s="{s}"{rest}' for at, (s, rest) in sorted(cells.items())])
        yield f'<row r="{row}"{attributes.get(row, "")}>{inside}</row>'.encode()


def _framed(block: Block, row: int, numbers: Iterable[int], style_of: StyleOf) -> list[int]:
    """The styles of a block's row in which some cells are marked."""
    found = list(numbers)
    for column in (column for at, column in block.framed if at == row):
        first = column == block.column
        found[column - block.column] = style_of(block.framed_style, block.number_format, first)
    return found


def _row_attributes(sheet: Sheet) -> dict[int, str]:
    """Of the rows that are not as usual: how high they are, and that they are folded."""
    found = {row: f' ht="{height}" customHeight="1"' for row, height in sheet.heights.items()}
    for row in {row for first, last in sheet.folded_rows for row in range(first, last + 1)}:
        found[row] = found.get(row, "") + ' outlineLevel="1" hidden="1"'
    return found


def _block_row(block: Block, row: int) -> list[str]:
    """What follows the style of each cell of a block's row."""
    values = block.cells[row - block.row]
    if block.kind != "formula":
        return [content(value) for value in values]
    if not any("&" in formula or "<" in formula or ">" in formula for formula in values):
        return [f"><f>{formula[1:]}</f></c>" for formula in values]
    return [f"><f>{escape(formula[1:], quote=False)}</f></c>" for formula in values]


def content(value: object) -> str:
    """What follows the style of a cell that is no formula: a number, a text whatever it begins with, or nothing."""
    if value is None or value == "":
        return "/>"
    return text(value) if isinstance(value, str) else f"><v>{float(value)!r}</v></c>"


def text(words: str) -> str:
    """What follows the style of a cell with a text."""
    said = escape(UNSAID.sub("", words), quote=False)
    kept = ' xml:space="preserve"' if said != said.strip() else ""
    return f' t="inlineStr"><is><t{kept}>{said}</t></is></c>'
