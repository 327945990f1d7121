"""Writes a plan as an .xlsx file: its cells by ourselves, all else with openpyxl. Knows nothing of gradients."""

from __future__ import annotations

import errno
import gc
import io
import json
import math
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lxml.etree import LxmlError
from openpyxl import Workbook
from openpyxl.cell.cell import Cell
from openpyxl.formatting.rule import FormulaRule
from openpyxl.styles import Alignment, Border, Font, NamedStyle, PatternFill, Protection, Side
from openpyxl.styles.differential import DifferentialStyle
from openpyxl.styles.numbers import NumberFormat
from openpyxl.utils import quote_sheetname
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.hyperlink import Hyperlink
from openpyxl.worksheet.pagebreak import Break
from openpyxl.worksheet.worksheet import Worksheet

from sheetgrad.formulas.places import Area, address, letter
from sheetgrad.formulas.printing import number_text
from sheetgrad.plan.blocks import LARGE, NO_CHANGE, Block, Label, Plan, Sheet
from sheetgrad.plan.lettering import Letters, width
from sheetgrad.plan.pages import ROW_HEIGHT, SIDE, TOP, pages, text_of
from sheetgrad.workbook.charts import absolute, draw_charts
from sheetgrad.workbook.rows import written_rows
from sheetgrad.workbook.style import CHANGED, CODE, EDITABLE, INK, LENS, STYLES, VERDICTS, WHITE
from sheetgrad.xlsx.parts import rewritten

CARRIER = "_sheetgrad"  # the very hidden sheet with the workbook's own lesson
FORMAT = 3  # of what it holds, and of the sheets that are made of it
CHUNK = 30_000  # characters of it a cell; Excel keeps 32,767
EXPONENT = NumberFormat(numFmtId=11, formatCode="0.00E+00")
LINE = 1.3  # height of a line of text, in sizes of its letters
BESIDE = 4.0  # points that a cell keeps free at the sides of its text
CREATOR = "sheetgrad"
ROWS = re.compile(rb"<sheetData\s*/>|<sheetData>.*</sheetData>", re.S)  # openpyxl writes the cells that are links
SIZE = re.compile(rb'<dimension ref="[^"]*"\s*/>')


def write(plan: Plan, lesson_table: dict, path: Path) -> None:
    """Writes the workbook to ``path``, without the values of its formulas. ``lesson_table`` is what it carries to prove
    itself by. Raises ``OSError`` where it cannot be written."""
    book = Workbook()
    book.remove(book.active)
    styles = Styles(book)
    parts = {f"xl/worksheets/sheet{number}.xml": tall_enough(sheet) for number, sheet in enumerate(plan.sheets, 1)}
    for sheet in parts.values():
        _set_up(book.create_sheet(sheet.name), sheet, styles)
    for name, area in plan.names.items():
        book.defined_names[name] = DefinedName(name, attr_text=absolute(area))
    _carry(book, lesson_table)
    book.active = 0
    book.properties.creator = CREATOR
    book.properties.title = plan.title
    book.calculation.fullCalcOnLoad = True

    def change(name: str, part: bytes) -> bytes | Iterator[bytes]:
        return _with_rows(part, parts[name], styles) if name in parts else part

    path.write_bytes(rewritten(_saved(book), change))


def tall_enough(sheet: Sheet) -> Sheet:
    """The sheet with rows as high as the letters in them, where it does not say how high they are."""
    heights: dict[int, float] = {}
    for label in sheet.labels:
        letters = LINE * STYLES[label.style].size
        if letters > ROW_HEIGHT and label.row not in sheet.heights:
            heights[label.row] = max(heights.get(label.row, 0.0), math.ceil(letters))
    return replace(sheet, heights=sheet.heights | heights)


def _saved(book: Workbook) -> bytes:
    """The file as openpyxl writes it. It does so by way of temporary files: ``OSError`` when there is no room for them."""
    file = io.BytesIO()
    try:
        book.save(file)
    except LxmlError as error:  # a full disk, as lxml tells it
        reason = str(error)
        _close_quietly(error)
        raise OSError(errno.ENOSPC, f"the disk is full ({reason})") from None
    return file.getvalue()


def _close_quietly(error: Exception) -> None:
    """Lets go of what openpyxl had half written; closing it fails again, and Python would print that."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: None
    try:
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
        gc.collect()
    finally:
        sys.unraisablehook = hook


def _with_rows(part: bytes, sheet: Sheet, styles: Styles) -> Iterator[bytes]:
    """The part of a sheet that openpyxl has written without cells, with its cells."""
    before, after = ROWS.split(part)
    size = f'<dimension ref="A1:{address(sheet.last_row, sheet.last_column)}"/>'.encode()
    yield SIZE.sub(size, before, count=1)
    yield b"<sheetData>"
    yield from written_rows(sheet, styles.number)
    yield b"</sheetData>"
    yield after


class Styles:
    """One named style a role and number format."""

    def __init__(self, book: Workbook):
        self.book = book
        self.scratch = book.create_sheet("scratch")
        self.made: dict[tuple[str, str, bool], int] = {}
        book.remove(self.scratch)

    def number(self, role: str, number_format: str = "General", first: bool = False) -> int:
        """The number by which the cells of the file refer to the style; the ``first`` of a row may look different."""
        key = role, number_format, first and STYLES[role].edge is not None
        if key not in self.made:
            style = self._named(*key)
            self.book.add_named_style(style)
            cell = Cell(self.scratch, 1, 1)
            cell.style = style.name
            self.made[key] = cell.style_id
        return self.made[key]

    @staticmethod
    def _named(role: str, number_format: str, first: bool) -> NamedStyle:
        style = STYLES[role]
        name = f"sheetgrad {role} {number_format}".removesuffix(" General").replace("#", "n")
        named = NamedStyle(f"{name} first" if first else name)
        named.font = Font(
            name=style.font,
            size=style.size,
            bold=style.bold,
            italic=style.italic,
            color=style.color,
            underline="single" if style.underline else None,
        )
        if style.fill:
            named.fill = PatternFill("solid", fgColor=style.fill)
        if style.grid or style.frame or style.boxed:
            line = Side(style="medium" if style.heavy else "thin", color=style.frame or WHITE)
            side = Side(style="medium", color=EDITABLE) if style.boxed else line
            left = Side(style="thick", color=style.edge) if first else side
            named.border = Border(left=left, right=side, top=side, bottom=side)
        named.alignment = Alignment(
            horizontal=style.align,
            vertical="top" if role == "text" else "center",
            wrap_text=style.wrap,
            shrink_to_fit=number_format not in ("General", "@") or None,  # rather smaller than ###
        )
        named.number_format = number_format
        named.protection = Protection(locked=not style.unlocked)
        return named


def _set_up(target: Worksheet, sheet: Sheet, styles: Styles) -> None:
    """All of a sheet but its cells. The styles of these are made here, since openpyxl writes them before the cells."""
    for block in sheet.blocks:
        for style in (block.style, *([block.framed_style] if block.framed else [])):
            for first in (True, False):
                styles.number(style, block.number_format, first)
    for label in sheet.labels:
        styles.number(label.style, first=True)
        at = address(label.row, label.column)
        if label.span > 1 or label.rows > 1:
            last = label.row + label.rows - 1, label.column + label.span - 1
            target.merged_cells.add(f"{at}:{address(*last)}")
        if label.link:
            location = f"{quote_sheetname(label.link)}!{label.cell}"
            target[at].hyperlink = Hyperlink(at, location=location, tooltip=label.tip or None)
    _look(target, sheet)
    _choices(target, sheet)
    _limits(target, sheet)
    _verdicts(target, sheet)
    _changes(target, sheet)
    _lights(target, sheet)
    _large(target, sheet)
    draw_charts(target, sheet)
    if not sheet.hidden:  # LibreOffice prints a hidden sheet that has an area to print
        _page(target, sheet)
    if sheet.locked:  # without a password: against accidents, not against the owner of the file
        target.protection.sheet = True
        target.protection.formatColumns = target.protection.formatRows = False
    if sheet.hidden:
        target.sheet_state = "hidden"


def _look(target: Worksheet, sheet: Sheet) -> None:
    """Widths, folded columns, frozen panes; no grid lines."""
    for column, wide in sheet.widths.items():
        target.column_dimensions[letter(column)].width = wide
    for first, last in sheet.folded_columns:
        for column in range(first, last + 1):
            dimension = target.column_dimensions[letter(column)]
            dimension.outlineLevel, dimension.hidden = 1, True
        target.column_dimensions[letter(last + 1)].collapsed = True
        target.sheet_properties.outlinePr.summaryRight = True
    target.sheet_view.showGridLines = False
    target.sheet_view.zoomScale = 100
    if sheet.freeze:
        target.freeze_panes = sheet.freeze


def _choices(target: Worksheet, sheet: Sheet) -> None:
    for (row, column), words in sheet.choices.items():
        if isinstance(words, Area):
            listed, said = absolute(words), "Choose a name from the list"
        else:
            listed, said = f'"{",".join(words)}"', f"Choose one of: {', '.join(words)}"
        validation = DataValidation(type="list", formula1=listed, allow_blank=False, showErrorMessage=True)
        validation.errorTitle, validation.error = "Not one of the choices", said
        target.add_data_validation(validation)
        validation.add(address(row, column))


def _limits(target: Worksheet, sheet: Sheet) -> None:
    """Cells into which only numbers within their limits can be typed."""
    for (row, column), limits in sheet.limits.items():
        at = address(row, column)
        rule = f"AND(ISNUMBER({at}),{at}>{'' if limits.above else '='}{number_text(limits.least)},{at}<={number_text(limits.most)})"
        validation = DataValidation(type="custom", formula1=rule, allow_blank=False, showErrorMessage=True)
        validation.errorTitle, validation.error = "Not a number for this cell", f"Expected {limits.refuse(None, None)}"
        target.add_data_validation(validation)
        validation.add(at)


def _verdicts(target: Worksheet, sheet: Sheet) -> None:
    """Verdict cells take the colour of the sign that they hold."""
    for area in (*sheet.verdicts, *sheet.sentences):
        first = address(area.top, area.left)
        for sign, (fill, ink) in VERDICTS.items():
            rule = FormulaRule(
                formula=[f'ISNUMBER(SEARCH("{sign}",{first}))'],
                fill=PatternFill("solid", bgColor=fill),
                font=Font(color=ink, bold=True),
                stopIfTrue=True,
            )
            if area in sheet.sentences:  # wider than its cell
                rule.dxf.fill = None
            target.conditional_formatting.add(f"{first}:{address(area.bottom, area.right)}", rule)


def _large(target: Worksheet, sheet: Sheet) -> None:
    """Numbers that have grown too long for their cells are written with an exponent."""
    rule = FormulaRule(formula=[_is_large("A1")])
    rule.dxf = DifferentialStyle(numFmt=EXPONENT)
    target.conditional_formatting.add(f"A1:{address(sheet.last_row, sheet.last_column)}", rule)


def _is_large(cell: str) -> str:
    return f"IF(ISNUMBER({cell}),ABS({cell})>={LARGE})"


def _coloured(target: Worksheet, area: Area, condition: str, fill: str, ink: str) -> None:
    """Cells take a colour where a condition holds of them. An application may take the first rule alone, so that it also
    says how large numbers are written."""
    first = address(area.top, area.left)
    for formula, written in ((f"AND({condition},{_is_large(first)})", EXPONENT), (condition, None)):
        rule = FormulaRule(formula=[formula], fill=PatternFill("solid", bgColor=fill), font=Font(color=ink, bold=True))
        rule.dxf.numFmt = written
        target.conditional_formatting.add(f"{first}:{address(area.bottom, area.right)}", rule)


def _changes(target: Worksheet, sheet: Sheet) -> None:
    """Changes that are not 0 are marked."""
    for area, other in sheet.changes:
        first = address(area.top, area.left)
        change = f"{first}-{address(other.top, other.left)}" if other else first
        _coloured(target, area, f"AND(ISNUMBER({first}),ABS({change})>{number_text(NO_CHANGE)})", *CHANGED)


def _lights(target: Worksheet, sheet: Sheet) -> None:
    """What the lens looks at. The corners are found by a defined name, since a rule may not read another sheet in every
    application."""
    if not sheet.lights:
        return
    name, count = sheet.lit_by
    edges = ("ROW()>={0}1)", "COLUMN()>={0}2)", "ROW()<={0}3)", "COLUMN()<={0}4)")
    inside = [f"AND({','.join(edge.format(f'INDEX({name},{k},') for edge in edges)})" for k in range(1, count + 1)]
    _coloured(target, sheet.lights, f"OR({','.join(inside)})", LENS, INK)


def _page(target: Worksheet, sheet: Sheet) -> None:
    """Landscape pages, as few as can be read."""
    target.page_setup.orientation = "landscape"
    target.page_setup.paperSize = target.PAPERSIZE_A4
    target.page_margins.left = target.page_margins.right = SIDE
    target.page_margins.top = target.page_margins.bottom = TOP
    target.page_margins.header = target.page_margins.footer = TOP / 2
    for part, text in zip((target.oddHeader.left, target.oddHeader.right), sheet.heading, strict=True):
        part.text = text.replace("&", "&&") or None
    target.oddFooter.left.text = "&A"
    target.oddFooter.right.text = "&P / &N"
    divided = pages(sheet, _reach)
    target.print_area = f"A1:{address(*divided.last)}"
    target.page_setup.scale = divided.scale
    for row in divided.breaks:
        target.row_breaks.append(Break(id=row))
    for column in divided.column_breaks:
        target.col_breaks.append(Break(id=column))


def _reach(item: Label | Block) -> float:
    """How wide the text of a label or block is if it runs over its cell, and otherwise 0."""
    style = STYLES[item.style]
    inside = style.wrap or style.align or (item.span if isinstance(item, Label) else item.columns) > 1
    return 0.0 if inside else BESIDE + width(text_of(item), Letters(style.size, style.bold, style.font == CODE))


def _carry(book: Workbook, table: dict) -> None:
    """The lesson as JSON in the cells of a very hidden sheet."""
    sheet = book.create_sheet(CARRIER)
    text = json.dumps(table, ensure_ascii=True)
    for k in range(0, len(text), CHUNK):
        cell = sheet.cell(1 + k // CHUNK, 1, text[k : k + CHUNK])
        cell.data_type = "s"
    sheet.sheet_state = "veryHidden"
