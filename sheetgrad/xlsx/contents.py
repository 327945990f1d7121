"""What stands in the cells of a workbook's file: formulas, and the values that the last application stored.

One pass over a sheet's XML gives both. It is for files that :func:`~sheetgrad.xlsx.package.read_package` has passed.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from html import unescape
from xml.parsers import expat

from lxml import etree
from openpyxl.utils.cell import column_index_from_string, get_column_letter, range_boundaries

from sheetgrad.xlsx.grid import ErrorValue, Grid, Value
from sheetgrad.xlsx.parts import CELL, count_cells, is_odd, sheet_parts, written_anew

TYPE = re.compile(rb'\bt="([a-zA-Z]+)"')
STYLE = re.compile(rb'\bs="([0-9]+)"')
REFERENCE = re.compile(rb'\bref="([A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7})"')
SHARED = re.compile(rb'\bsi="([0-9]+)"')
TEXT = re.compile(rb"<t\b[^>]*>([^<]*)</t>")
PHONETIC = re.compile(rb"<rPh\b.*?</rPh>", re.S)
MERGED = re.compile(rb'<(?:\w+:)?mergeCell\b[^<>]*?\bref=["\']([A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7})["\']')
MOST_FILLED = 10_000  # cells of an array formula that are looked at
SHARED_TEXTS = "xl/sharedStrings.xml"


@dataclass(frozen=True)
class SheetContents:
    """``formulas`` with their ``=``; ``values`` as they are stored, those of formulas too; ``filled``: the cells that an
    array formula fills besides its own, with its text. A number that is shown as a date is one in ``dates``."""

    formulas: Grid
    values: Grid
    filled: dict[str, str] = field(default_factory=dict)
    dates: dict[str, datetime] = field(default_factory=dict)


class Contents:
    """The contents of a workbook; a sheet is read whenever it is asked for, and not kept.

    Raises what ``zipfile``, ``lxml`` and ``expat`` raise, ``KeyError`` or ``ValueError``, for a file that is not put
    together as usual.
    """

    def __init__(self, data: bytes):
        self._data = data
        with self._archive() as archive:
            self._parts = sheet_parts(archive)
            missing = set(self._parts.values()) - set(archive.namelist())
        if missing:
            raise KeyError(f"the file has no part {sorted(missing)[0]}")

    def _archive(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(self._data))

    @property
    def sheets(self) -> list[str]:
        return list(self._parts)

    @cached_property
    def names(self) -> dict[str, str]:
        """The names that the workbook gives to ranges (or formulas), in capitals, each with the text that it stands for."""
        with self._archive() as archive:
            root = etree.fromstring(archive.read("xl/workbook.xml"))
        named = root.iterfind("{*}definedNames/{*}definedName")
        return {name.get("name", "").upper(): name.text or "" for name in named if not name.get("hidden")}

    def all(self) -> dict[str, SheetContents]:
        """Every sheet, read once."""
        return {name: self.sheet(name) for name in self._parts}

    def sheet(self, name: str) -> SheetContents:
        """Reads a sheet. Raises ``KeyError`` for one that is not there."""
        with self._archive() as archive:
            part = archive.read(self._parts[name])
        expat.ParserCreate().Parse(part, True)  # well-formed as a whole, or not read at all
        found = None if is_odd(part) else self._read(part, count_cells(part))
        return found or self._read(written_anew(part))

    def merged(self, name: str) -> list[str]:
        """The areas of a sheet's merged cells, such as ``B1:C1``."""
        with self._archive() as archive:
            return [found.decode() for found in MERGED.findall(archive.read(self._parts[name]))]

    def _read(self, part: bytes, cells: int | None = None) -> SheetContents | None:
        """What stands in a part; None where not so many cells were found in it."""
        reader = _Reader(self._texts, self._date_styles)
        contents = reader.read(part)
        return contents if cells in (None, reader.cells) else None

    @cached_property
    def _texts(self) -> list[str]:
        """The texts that cells refer to by their number."""
        with self._archive() as archive:
            if SHARED_TEXTS not in archive.namelist():
                return []
            root = etree.fromstring(archive.read(SHARED_TEXTS))
        said = ("".join(t.text or "" for t in item.iterfind(".//{*}t") if _is_said(t)) for item in root)
        return [text.replace("_x005F_", "_") for text in said]

    @cached_property
    def _date_styles(self) -> frozenset[bytes]:
        """The styles that show a number as a date."""
        from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format

        with self._archive() as archive:
            if "xl/styles.xml" not in archive.namelist():
                return frozenset()
            root = etree.fromstring(archive.read("xl/styles.xml"))
        own = {int(form.get("numFmtId")): form.get("formatCode", "") for form in root.iterfind("{*}numFmts/{*}numFmt")}
        forms = (int(style.get("numFmtId") or 0) for style in root.iterfind("{*}cellXfs/{*}xf"))
        shown = (own.get(form, BUILTIN_FORMATS.get(form, "")) for form in forms)
        return frozenset(b"%d" % k for k, form in enumerate(shown) if is_date_format(form))


def _is_said(text: etree._Element) -> bool:
    """Whether a text is the cell's, and not how it is pronounced."""
    return etree.QName(text.getparent()).localname != "rPh"


def _said(text: bytes) -> str:
    """The text of an element."""
    found = text.decode("utf-8", "replace")
    return unescape(found) if "&" in found else found


class _Columns(dict):
    """The number of a column by its letters, worked out once."""

    def __missing__(self, letters: bytes) -> int:
        self[letters] = number = column_index_from_string(letters.decode())
        return number


class _Rows(dict[int, tuple[list[int], list[Value]]]):
    """Cells as they come, almost always in order."""

    def row(self, number: int) -> tuple[list[int], list[Value]]:
        """The columns of a row, and what stands in them, to be added to."""
        return self.get(number) or self.setdefault(number, ([], []))

    def grid(self) -> Grid:
        if all(columns == sorted(set(columns)) for columns, _ in self.values()):
            return Grid({row: cells for row, cells in self.items() if cells[0]})
        return Grid.of((row, *cell) for row, cells in self.items() for cell in zip(*cells, strict=True))


class _Reader:
    """Reads one sheet."""

    def __init__(self, texts: list[str], date_styles: frozenset[bytes]):
        self.texts, self.date_styles, self.cells = texts, date_styles, 0
        self.shared: dict[bytes, tuple[str, str]] = {}  # by number, the formula that others share and where it stands
        self.filled: dict[str, str] = {}
        self.dates: dict[str, datetime] = {}

    def read(self, part: bytes) -> SheetContents:
        column_of, formulas, values, last = _Columns(), _Rows(), _Rows(), b""
        for found in CELL.finditer(part):
            letters, digits, attributes, about, formula, stored, inline = found.groups()
            self.cells += 1
            if digits != last:
                last, row = digits, int(digits)
                (formula_columns, texts), (value_columns, stored_values) = formulas.row(row), values.row(row)
            if formula is not None or about is not None:
                formula_columns.append(column_of[letters])
                texts.append(
                    "=" + (self._formula(letters + digits, about, formula or b"") if about else _said(formula))
                )
            if b't="' in attributes:
                value = self._typed(TYPE.search(attributes), stored, inline)
            else:
                value = float(stored) if stored else None
            if value is not None:
                value_columns.append(column_of[letters])
                stored_values.append(value)
                if self.date_styles and formula is None and isinstance(value, float):
                    self._date(letters + digits, STYLE.search(attributes), value)
        return SheetContents(formulas.grid(), values.grid(), self.filled, self.dates)

    def _typed(self, said: re.Match[bytes] | None, stored: bytes | None, inline: bytes | None) -> Value:
        """What is stored as something of that type; a formula's text ``""`` may be stored as nothing."""
        kind = said[1] if said else b"n"
        if kind == b"inlineStr":
            return "".join(map(_said, TEXT.findall(PHONETIC.sub(b"", inline or b"")))) or None
        if kind == b"str":
            return _said(stored or b"")
        if not stored:
            return None
        match kind:
            case b"n":
                return float(stored)
            case b"s":
                return self.texts[int(stored)]
            case b"b":
                return stored.strip() in (b"1", b"true")
            case b"e":
                return ErrorValue(_said(stored))
            case b"d":
                from openpyxl.utils.datetime import from_ISO8601, to_excel

                return float(to_excel(from_ISO8601(_said(stored))))
        raise ValueError(f"a cell of the unknown type {kind.decode()}")

    def _date(self, cell: bytes, style: re.Match[bytes] | None, value: float) -> None:
        """Notes a number that is shown as a date."""
        from openpyxl.utils.datetime import from_excel

        if style and style[1] in self.date_styles:
            with suppress(ValueError, OverflowError):  # no date that there is
                self.dates[cell.decode()] = from_excel(value)

    def _formula(self, at: bytes, about: bytes, text: bytes) -> str:
        """The text of a formula, also of one that shares its neighbour's."""
        cell, formula = at.decode(), _said(text)
        if b"array" in about and (area := REFERENCE.search(about)):
            self._fill(cell, area[1].decode(), formula)
        if b"shared" in about and (shared := SHARED.search(about)):
            if formula:
                self.shared[shared[1]] = formula, cell
            elif shared[1] in self.shared:
                from openpyxl.formula.translate import Translator

                first, origin = self.shared[shared[1]]
                formula = Translator(f"={first}", origin).translate_formula(cell)[1:]
        return formula

    def _fill(self, own: str, area: str, text: str) -> None:
        left, top, right, bottom = range_boundaries(area)
        if (right - left + 1) * (bottom - top + 1) <= MOST_FILLED:
            cells = (f"{get_column_letter(c)}{r}" for r in range(top, bottom + 1) for c in range(left, right + 1))
            self.filled |= dict.fromkeys((cell for cell in cells if cell != own), f"={text}")


def texts_down(sheet: SheetContents) -> Iterator[str]:
    """The texts in the first column, from the top."""
    return (str(value) for value in sheet.values.column(1))
