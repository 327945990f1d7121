"""A workbook that is written once, and then filled again and again with other numbers and another student's name.

In a class only the numbers change from student to student: formulas, styles and layout are the same. So one workbook is
written with openpyxl and recalculated; a :class:`Stencil` of it knows where in its XML the changing numbers, the stored
values of the formulas and the words stand. To fill it costs a few milliseconds, where to write it anew costs hundreds.
The stored values come from the engine, recalculated on each student's numbers.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Collection, Mapping
from xml.sax.saxutils import escape

from sheetgrad.engines import ErrorValue, Value, Values
from sheetgrad.engines.formualizer import OpenWorkbook

CELL = re.compile(rb'<c r="([A-Z]+[0-9]+)"( s="[0-9]+")?(?: t="[a-zA-Z]+")?>(<f>[^<]*</f>)?(?:<v>[^<]*</v>|<v/>)?</c>')
EPOCH = (1980, 1, 1, 0, 0, 0)  # files made from the same numbers are the same, byte for byte
SAVED = re.compile(rb"<dcterms:(created|modified)\b.*?</dcterms:\1>")
COMPRESSION = 3  # of zlib: half a millisecond faster than 6, a tenth larger


class Stencil:
    """``data`` is a workbook that :mod:`sheetgrad.write` wrote and Formualizer recalculated; ``sheets`` are its sheets
    in order, ``inputs`` the cells by sheet whose numbers change, ``words`` the texts in it that are replaced. ``first`` is that workbook, ``formulas`` are its formula cells by sheet.
    """

    def __init__(
        self, data: bytes, sheets: Collection[str], inputs: Mapping[str, Collection[str]], words: Collection[str]
    ):
        self.first = data
        self.engine = OpenWorkbook(data)
        self.words = tuple(words)
        self.formulas: dict[str, list[str]] = {}
        self._parts: dict[str, tuple[str, list[bytes], list[tuple[str, bytes, bytes]]]] = {}
        self._texts: dict[str, bytes] = {}
        names = {f"xl/worksheets/sheet{number}.xml": sheet for number, sheet in enumerate(sheets, 1)}
        base = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(base, "w", zipfile.ZIP_DEFLATED) as constant:
            for part in source.namelist():
                text = SAVED.sub(b"", source.read(part))
                if part in names:
                    self._split(part, names[part], text, inputs.get(names[part], ()))
                elif any(word.encode() in text for word in self.words):
                    self._texts[part] = text
                else:
                    constant.writestr(zipfile.ZipInfo(part, EPOCH), text, zipfile.ZIP_DEFLATED)
        self._base = base.getvalue()

    def _split(self, part: str, sheet: str, text: bytes, inputs: Collection[str]) -> None:
        """Cuts the XML of a sheet at the cells whose contents change."""
        pieces, cells, end = [], [], 0
        for found in CELL.finditer(text):
            cell = found[1].decode()
            if found[3] or cell in inputs:
                pieces.append(text[end : found.start()])
                cells.append((cell, b'<c r="%s"%s' % (found[1], found[2] or b""), found[3] or b""))
                end = found.end()
        pieces.append(text[end:])
        if missing := set(inputs) - {cell for cell, _, _ in cells}:
            raise ValueError(f"{sheet} holds no number at {sorted(missing)[0]}")
        self.formulas[sheet] = [cell for cell, _, formula in cells if formula]
        self._parts[part] = sheet, pieces, cells

    def values(self, inputs: Mapping[str, Mapping[str, float]]) -> Values:
        """The values of all formulas, recalculated with these numbers in the input cells."""
        self.engine.change(inputs)
        return self.engine.values(self.formulas)

    def fill(self, inputs: Mapping[str, Mapping[str, float]], values: Values, words: Mapping[str, str]) -> bytes:
        """The workbook with these numbers in it, these stored values, and the words replaced."""
        out = io.BytesIO()
        out.write(self._base)
        with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive:
            for part, text in self._texts.items():
                archive.writestr(zipfile.ZipInfo(part, EPOCH), _said(text, words), zipfile.ZIP_DEFLATED, COMPRESSION)
            for part, (sheet, pieces, cells) in self._parts.items():
                given, computed = inputs.get(sheet, {}), values.get(sheet, {})
                filled = []
                for piece, (cell, opening, formula) in zip(pieces, cells, strict=False):
                    filled += [
                        _said(piece, words),
                        opening,
                        _content(formula, computed[cell] if formula else given[cell]),
                    ]
                filled.append(_said(pieces[-1], words))
                archive.writestr(zipfile.ZipInfo(part, EPOCH), b"".join(filled), zipfile.ZIP_DEFLATED, COMPRESSION)
        return out.getvalue()


def _said(text: bytes, words: Mapping[str, str]) -> bytes:
    """The words replaced in one pass: what a student is called may look like one of them."""
    if b"{{" not in text:
        return text
    meant = {word.encode(): escape(said).encode("ascii", "xmlcharrefreplace") for word, said in words.items()}
    return re.sub(b"|".join(map(re.escape, meant)), lambda found: meant[found[0]], text)


def _content(formula: bytes, value: Value) -> bytes:
    """The rest of a cell after its address and style."""
    if isinstance(value, float):
        return b">%s<v>%s</v></c>" % (formula, repr(value).encode())
    if isinstance(value, bool):
        return b' t="b">%s<v>%d</v></c>' % (formula, value)
    if isinstance(value, ErrorValue):
        return b' t="e">%s<v>%s</v></c>' % (formula, value.encode())
    if isinstance(value, str):
        return b' t="str">%s<v>%s</v></c>' % (formula, escape(value).encode("ascii", "xmlcharrefreplace"))
    return b' t="str">%s<v></v></c>' % formula  # nothing
