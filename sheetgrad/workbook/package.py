"""What may be opened: limits on a workbook's file, checked before anything in it is read into memory.

A workbook is a zip archive of XML parts. A hostile one may unpack to gigabytes, expand entities without end, fetch
files from elsewhere, or hold one cell in the last row of a sheet so that its rectangle is 17 billion cells.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import IO

from lxml import etree
from openpyxl.utils.cell import get_column_letter, range_boundaries

from sheetgrad.errors import SheetgradError

LARGEST_FILE = 50_000_000  # bytes of the file
LARGEST_UNPACKED = 500_000_000  # bytes of all its parts
LARGEST_PART = 300_000_000
HIGHEST_RATIO = 200  # unpacked to packed, of a part above SMALL_PART; XML of numbers reaches about 20
SMALL_PART = 1_000_000
MOST_PARTS = 5_000
MOST_CELLS = 5_000_000  # of the rectangle that a sheet fills

OLD_FORMAT = b"\xd0\xcf\x11\xe0"  # an .xls, or a workbook with a password
DECLARATION = re.compile(rb"<!(DOCTYPE|ENTITY)", re.I)
OUTSIDE = re.compile(rb"<Relationship\b[^>]*TargetMode\s*=\s*[\"']External[\"'][^>]*>", re.I)
HYPERLINK = re.compile(rb"relationships/hyperlink[\"']", re.I)
FETCHES = re.compile(
    rb"<(?:\w+:)?(?:f|definedName|formula|formula1|formula2)\b[^>]*>[^<]*"
    rb"\b(WEBSERVICE|DDE|CALL|REGISTER(?:\.ID)?|EXEC|IMPORT(?:DATA|XML|HTML|FEED|RANGE))\s*\(",
    re.I,
)
CHARACTER = re.compile(rb"&#(x[0-9a-f]{1,6}|[0-9]{1,7});", re.I)
FORMULA = re.compile(rb'<c r="([A-Z]{1,3}[0-9]{1,7})"[^>]*><f\b([^>]*)>([^<]*)</f>')
ANY_FORMULA = re.compile(rb"<f\b[^>]*/>|<f\b[^>]*>[^<]*</f>")
ARRAY = re.compile(rb'(?=.*\bt="array").*\bref="([A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7})"')
MOST_FILLED = 10_000  # cells of an array formula that are looked at
HEAD = 4_096  # bytes of a part that tell its encoding


class UnsafeFileError(SheetgradError, ValueError):
    """A file that is not opened; the message says in one line what was found and what is expected."""


def check_package(path: Path) -> None:
    """Raises :class:`UnsafeFileError` for a file that is no workbook, too large, or dangerous to open."""
    if not path.is_file():
        raise UnsafeFileError(f"{path}: no such file; expected a workbook (.xlsx)")
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise UnsafeFileError(f"{path}: {size:,} bytes, at most {LARGEST_FILE:,}")
    with open(path, "rb") as file:
        if file.read(4) == OLD_FORMAT:
            raise UnsafeFileError(f"{path}: has a password or the old .xls format; save it as .xlsx without one")
    if not zipfile.is_zipfile(path):
        raise UnsafeFileError(f"{path}: not a workbook, or cut off; expected an .xlsx file, without a password")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_parts(path, archive)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zipfile.zlib.error) as error:
        raise UnsafeFileError(f"{path}: a damaged archive ({error}); expected an .xlsx file") from None


def _check_parts(path: Path, archive: zipfile.ZipFile) -> None:
    parts = archive.infolist()
    if len(parts) > MOST_PARTS:
        raise UnsafeFileError(f"{path}: {len(parts):,} parts, at most {MOST_PARTS:,}")
    if len({part.filename for part in parts}) < len(parts):
        raise UnsafeFileError(f"{path}: two parts of one name; expected an .xlsx file as a spreadsheet saves it")
    total = sum(part.file_size for part in parts)
    if total > LARGEST_UNPACKED:
        raise UnsafeFileError(f"{path}: unpacks to {total:,} bytes, at most {LARGEST_UNPACKED:,}")
    for part in parts:
        ratio = part.file_size / max(1, part.compress_size)
        if part.file_size > LARGEST_PART or (part.file_size > SMALL_PART and ratio > HIGHEST_RATIO):
            raise UnsafeFileError(
                f"{path}: {part.filename} unpacks from {part.compress_size:,} to {part.file_size:,} bytes; "
                f"at most {HIGHEST_RATIO} times"
            )
        if part.flag_bits & 1:
            raise UnsafeFileError(f"{path}: {part.filename} is encrypted; save it without a password")
        if part.filename.endswith((".xml", ".rels", ".vml")):
            _check_xml(path, archive, part)


def _check_xml(path: Path, archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """No declared entities, nothing that is fetched from elsewhere, and no encoding to hide it in."""
    data = archive.read(part)
    if DECLARATION.search(data) or DECLARATION.search(data[:HEAD].replace(b"\x00", b"")):
        raise UnsafeFileError(f"{path}: {part.filename} declares XML entities, which no spreadsheet does")
    if b"\x00" in data[:HEAD]:
        raise UnsafeFileError(f"{path}: {part.filename} is not in UTF-8, as every spreadsheet writes it")
    if part.filename.endswith(".rels"):
        for relation in OUTSIDE.findall(data):
            if not HYPERLINK.search(relation):
                raise UnsafeFileError(f"{path}: {part.filename} points outside the file; break its external links")
    elif part.filename.startswith("xl/"):
        found = FETCHES.search(CHARACTER.sub(_character, data))
        if found:
            name = found[1].decode("ascii").upper()
            raise UnsafeFileError(f"{path}: {part.filename} calls {name}, which reaches outside the file")


def _character(reference: re.Match[bytes]) -> bytes:
    """An ASCII letter that is written as its number; all others stay as they are."""
    digits = reference[1].lower()
    code = int(digits[1:], 16) if digits[:1] == b"x" else int(digits)
    return bytes([code]) if 48 <= code < 123 else reference[0]


@dataclass
class FormulaTexts:
    """The formulas of one sheet as they stand in the file, without ``=``: ``texts`` by cell. The cells that an array
    formula fills besides its own have its text too; they are ``filled`` by it."""

    texts: dict[str, str] = field(default_factory=dict)
    filled: set[str] = field(default_factory=set)


def formula_texts(file: IO[bytes]) -> dict[str, FormulaTexts]:
    """The formulas of a workbook that :func:`check_package` has passed, by sheet.

    Fast, and not complete: a formula that shares the text of its neighbour is left out. Raises what ``zipfile`` and
    ``lxml`` raise, or ``KeyError``, for a file that is not put together as usual.
    """
    with zipfile.ZipFile(file) as archive:
        found = {}
        for sheet, part in _sheet_parts(archive).items():
            found[sheet] = formulas = FormulaTexts()
            for match in FORMULA.finditer(archive.read(part)):
                cell, text = match[1].decode(), unescape(match[3].decode("utf-8", "replace"))
                formulas.texts[cell] = text
                if b"array" in match[2] and (area := ARRAY.search(match[2])):
                    _fill(formulas, cell, area[1].decode(), text)
        return found


def without_formulas(data: bytes, sheet: str) -> bytes:
    """The same workbook with the stored values of one sheet in place of its formulas; raises as :func:`formula_texts`."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as lighter:
        part = _sheet_parts(archive)[sheet]
        for name in archive.namelist():
            content = archive.read(name)
            lighter.writestr(name, ANY_FORMULA.sub(b"", content) if name == part else content)
    return out.getvalue()


def _sheet_parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """The part of the archive that each sheet is."""
    book = etree.fromstring(archive.read("xl/workbook.xml"))
    links = etree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {link.get("Id"): link.get("Target") for link in links}
    found = {}
    for sheet in book.iterfind("{*}sheets/{*}sheet"):
        target = next(targets[value] for name, value in sheet.items() if name.endswith("}id"))
        found[sheet.get("name")] = posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")
    return found


def _fill(formulas: FormulaTexts, own: str, area: str, text: str) -> None:
    left, top, right, bottom = range_boundaries(area)
    if (right - left + 1) * (bottom - top + 1) <= MOST_FILLED:
        cells = {f"{get_column_letter(c)}{r}" for r in range(top, bottom + 1) for c in range(left, right + 1)} - {own}
        formulas.filled |= cells
        formulas.texts |= dict.fromkeys(cells, text)
