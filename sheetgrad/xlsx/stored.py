"""Puts values into the cells of a workbook's file: everything else in it stays as it was written.

A sheet's XML is cut at the cells whose contents change, once; then it is filled, once or for a class of hundreds.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from html import escape
from math import isfinite
from typing import NamedTuple

from openpyxl.utils.cell import column_index_from_string

from sheetgrad.xlsx.grid import ErrorValue, Grid, Value, letter
from sheetgrad.xlsx.parts import rewritten, sheet_parts

CELL = re.compile(
    rb'<c r="([A-Z]{1,3})([0-9]{1,7})"([^<>]*?)(?:/>|>(<f\b[^<>]*?(?:/>|>[^<]*</f>))?(?:<v\b[^<>]*?(?:/>|>[^<]*</v>))?</c>)'
)
TYPE = re.compile(rb'\s+t="[a-zA-Z]+"')
FORMULA = re.compile(rb"<f[\s>/]")
UNSAID = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # characters that XML cannot hold


class NotEvaluatedError(ValueError):
    """A formula for which there is no value; the message names its cell."""


class Cut(NamedTuple):
    """A cell that is filled: ``before`` is the XML from the last such cell to it, ``opening`` its own up to the style."""

    before: bytes
    row: int
    column: int
    opening: bytes
    formula: bytes

    @property
    def cell(self) -> str:
        return f"{letter(self.column)}{self.row}"


def cut(part: bytes, inputs: Collection[tuple[int, int]] = ()) -> Iterator[Cut | bytes]:
    """Cuts a sheet's XML at its formulas and at the cells ``inputs`` (row, column); last comes the rest, after them."""
    end, formulas = 0, 0
    for found in CELL.finditer(part):
        letters, digits, attributes, formula = found.groups()
        if not formula and not inputs:
            continue
        row, column = int(digits), column_of(letters)
        if formula or (row, column) in inputs:
            formulas += formula is not None
            if b't="' in attributes:
                attributes = TYPE.sub(b"", attributes)
            opening = b'<c r="%s%s"%s' % (letters, digits, attributes.rstrip())
            yield Cut(part[end : found.start()], row, column, opening, formula or b"")
            end = found.end()
    if formulas != sum(1 for _ in FORMULA.finditer(part)):
        raise NotEvaluatedError("a formula stands where no value can be put")
    yield part[end:]


@lru_cache(maxsize=1 << 15)
def column_of(letters: bytes) -> int:
    """The number of a column, from 1."""
    return column_index_from_string(letters.decode())


def content(formula: bytes, value: Value) -> bytes:
    """The rest of a cell after its address and style."""
    if isinstance(value, float) and isfinite(value):
        return b">%s<v>%s</v></c>" % (formula, repr(value).encode())
    if isinstance(value, bool):
        return b' t="b">%s<v>%d</v></c>' % (formula, value)
    if isinstance(value, ErrorValue):
        return b' t="e">%s<v>%s</v></c>' % (formula, value.encode())
    if isinstance(value, str):
        return b' t="str">%s<v>%s</v></c>' % (formula, said(value))
    if value is None:
        return b' t="str">%s<v></v></c>' % formula
    return b' t="e">%s<v>#NUM!</v></c>' % formula


def said(text: str) -> bytes:
    """A text as it stands in XML."""
    return escape(UNSAID.sub("", text), quote=False).encode("utf-8", "replace")


def filled(pieces: Iterable[Cut | bytes], value_at: Callable[[int, int], Value]) -> Iterator[bytes]:
    """The XML of a sheet with values in its cells; ``value_at`` gives each by its row and column."""
    for piece in pieces:
        if isinstance(piece, Cut):
            before, row, column, opening, formula = piece
            yield before + opening + content(formula, value_at(row, column))
        else:
            yield piece


def with_values(data: bytes, values: Mapping[str, Grid]) -> bytes:
    """The workbook with these values stored for its formulas. Raises :class:`NotEvaluatedError` when one has none."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheets = {part: sheet for sheet, part in sheet_parts(archive).items()}

    def value_in(sheet: str) -> Callable[[int, int], Value]:
        at = values[sheet].at

        def value_at(row: int, column: int) -> Value:
            if (value := at(row, column)) is None:
                raise NotEvaluatedError(f"{sheet}!{letter(column)}{row} was not evaluated")
            return value

        return value_at

    def change(name: str, content: bytes) -> bytes | Iterator[bytes]:
        if name not in sheets or not FORMULA.search(content):
            return content
        return filled(cut(content), value_in(sheets[name]))

    return rewritten(data, change)
