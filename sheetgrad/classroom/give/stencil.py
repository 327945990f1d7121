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

from sheetgrad.engines import Session, Values
from sheetgrad.xlsx.grid import cell_position
from sheetgrad.xlsx.parts import COMPRESSION, sheet_parts
from sheetgrad.xlsx.stored import Cut, cut, filled, said

EPOCH = (1980, 1, 1, 0, 0, 0)  # files made from the same numbers are the same, byte for byte
SAVED = re.compile(rb"<dcterms:(created|modified)\b.*?</dcterms:\1>")


class Stencil:
    """A workbook that was written and recalculated, and what an engine holds of it open.

    ``inputs`` are the cells by sheet whose numbers change, ``words`` the texts in it that are replaced. ``first`` is that
    workbook, ``formulas`` are its formula cells by sheet.
    """

    def __init__(self, data: bytes, engine: Session, inputs: Mapping[str, Collection[str]], words: Collection[str]):
        self.first = data
        self.engine = engine
        self.words = tuple(words)
        self.formulas: dict[str, list[str]] = {}
        self._parts: dict[str, tuple[str, list[Cut | bytes]]] = {}
        self._texts: dict[str, bytes] = {}
        base = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(base, "w", zipfile.ZIP_DEFLATED) as constant:
            names = {part: sheet for sheet, part in sheet_parts(source).items()}
            for part in source.namelist():
                text = SAVED.sub(b"", source.read(part))
                if part in names and (b"<f" in text or names[part] in inputs):
                    self._cut(part, names[part], text, inputs.get(names[part], ()))
                elif any(word.encode() in text for word in self.words):
                    self._texts[part] = text
                else:
                    constant.writestr(zipfile.ZipInfo(part, EPOCH), text, zipfile.ZIP_DEFLATED)
        self._base = base.getvalue()

    def _cut(self, part: str, sheet: str, text: bytes, inputs: Collection[str]) -> None:
        """Cuts the XML of a sheet at the cells whose contents change."""
        pieces = list(cut(text, {cell_position(cell) for cell in inputs}))
        cells = [piece for piece in pieces if isinstance(piece, Cut)]
        if missing := set(inputs) - {piece.cell for piece in cells}:
            raise ValueError(f"{sheet} holds no number at {sorted(missing)[0]}")
        self.formulas[sheet] = [piece.cell for piece in cells if piece.formula]
        self._parts[part] = sheet, pieces

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
            for part, (sheet, pieces) in self._parts.items():
                stands = {**values.get(sheet, {}), **inputs.get(sheet, {})}
                at = {cell_position(cell): value for cell, value in stands.items()}
                text = _said(b"".join(filled(pieces, lambda *place: at[place])), words)  # noqa: B023 (used at once)
                archive.writestr(zipfile.ZipInfo(part, EPOCH), text, zipfile.ZIP_DEFLATED, COMPRESSION)
        return out.getvalue()


def _said(text: bytes, words: Mapping[str, str]) -> bytes:
    """The words replaced in one pass: what a student is called may look like one of them."""
    if b"{{" not in text:
        return text
    meant = {word.encode(): said(spoken) for word, spoken in words.items()}
    return re.sub(b"|".join(map(re.escape, meant)), lambda found: meant[found[0]], text)
