"""Puts values into the cells of a workbook's file: everything else in it stays as it was written.

A sheet's XML is cut at the cells whose contents change, once; then it is filled, once or for a class of hundreds.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from xml.sax.saxutils import escape

from sheetgrad.xlsx.grid import ErrorValue, Grid, Value
from sheetgrad.xlsx.parts import rewritten, sheet_parts

CELL = re.compile(
    rb'<c r="([A-Z]+[0-9]+)"([^<>]*?)(?:/>|>(<f\b[^<>]*?(?:/>|>[^<]*</f>))?(?:<v\b[^<>]*?(?:/>|>[^<]*</v>))?</c>)'
)
TYPE = re.compile(rb'\s+t="[a-zA-Z]+"')
FORMULA = re.compile(rb"<f[\s>/]")
UNSAID = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # characters that XML cannot hold


class NotEvaluatedError(ValueError):
    """A formula for which there is no value; the message names its cell."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A cell that is filled: ``before`` is the XML from the last such cell to it, ``opening`` its own up to the style."""

    before: bytes
    cell: str
    opening: bytes
    formula: bytes

    def with_value(self, value: Value) -> bytes:
        return self.opening + content(self.formula, value)


def cut(part: bytes, inputs: Collection[str] = ()) -> Iterator[Cut | bytes]:
    """Cuts a sheet's XML at its formulas and at the cells ``inputs``; last comes the rest, after the last of them."""
    end, formulas = 0, 0
    for found in CELL.finditer(part):
        name, attributes, formula = found.groups()
        cell = name.decode()
        if formula or cell in inputs:
            formulas += formula is not None
            if b't="' in attributes:
                attributes = TYPE.sub(b"", attributes)
            yield Cut(part[end : found.start()], cell, b'<c r="%s"%s' % (name, attributes.rstrip()), formula or b"")
            end = found.end()
    if formulas != sum(1 for _ in FORMULA.finditer(part)):
        raise NotEvaluatedError("a formula stands where no value can be put")
    yield part[end:]


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
    return escape(UNSAID.sub("", text)).encode("utf-8", "replace")


def filled(pieces: Iterable[Cut | bytes], value_of: Callable[[str], Value]) -> Iterator[bytes]:
    """The XML of a sheet with values in its cells; ``value_of`` gives each by its address."""
    for piece in pieces:
        if isinstance(piece, Cut):
            yield piece.before
            yield piece.with_value(value_of(piece.cell))
        else:
            yield piece


def with_values(data: bytes, values: Mapping[str, Grid]) -> bytes:
    """The workbook with these values stored for its formulas. Raises :class:`NotEvaluatedError` when one has none."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheets = {part: sheet for sheet, part in sheet_parts(archive).items()}

    def value_in(sheet: str) -> Callable[[str], Value]:
        grid = values[sheet]

        def value_of(cell: str) -> Value:
            try:
                return grid[cell]
            except KeyError:
                raise NotEvaluatedError(f"{sheet}!{cell} was not evaluated") from None

        return value_of

    def change(name: str, content: bytes) -> bytes | Iterator[bytes]:
        if name not in sheets or not FORMULA.search(content):
            return content
        return filled(cut(content), value_in(sheets[name]))

    return rewritten(data, change)
