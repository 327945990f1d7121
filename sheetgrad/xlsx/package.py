"""What may be opened: limits on a workbook's file, checked before anything in it is read into memory.

A workbook is a zip archive of XML parts. A hostile one may unpack to gigabytes, expand entities without end, fetch
files from elsewhere, or hold one cell in the last row of a sheet so that its rectangle is 17 billion cells.
"""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from sheetgrad.errors import SheetgradError

LARGEST_FILE = 150_000_000  # bytes of the file; a million formulas with their values take about 15 million
LARGEST_UNPACKED = 900_000_000  # bytes of all its parts; those take about 100 million
LARGEST_PART = 600_000_000
HIGHEST_RATIO = 200  # unpacked to packed, of a part above SMALL_PART; XML of numbers reaches about 20
SMALL_PART = 1_000_000
MOST_PARTS = 5_000
MOST_CELLS = 20_000_000  # of the rectangle that a sheet fills, empty ones too

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
REACHING = (b"WEBSERVICE", b"DDE", b"CALL", b"REGISTER", b"EXEC", b"IMPORT")  # what FETCHES looks for begins so
HEAD = 4_096  # bytes of a part that tell its encoding


class UnsafeFileError(SheetgradError, ValueError):
    """A file that is not opened; the message says in one line what was found and what is expected."""


def read_package(path: Path) -> bytes:
    """The workbook's file. Raises :class:`UnsafeFileError` when it is no workbook, too large, or dangerous to open."""
    if not path.is_file():
        raise UnsafeFileError(f"{path}: no such file; expected a workbook (.xlsx)")
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise UnsafeFileError(f"{path}: {size:,} bytes, at most {LARGEST_FILE:,}")
    data = path.read_bytes()
    if data[:4] == OLD_FORMAT:
        raise UnsafeFileError(f"{path}: has a password or the old .xls format; save it as .xlsx without one")
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise UnsafeFileError(f"{path}: not a workbook, or cut off; expected an .xlsx file, without a password")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_parts(path, archive)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zipfile.zlib.error) as error:
        raise UnsafeFileError(f"{path}: a damaged archive ({error}); expected an .xlsx file") from None
    return data


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
    if (b"<!" in data and DECLARATION.search(data)) or DECLARATION.search(data[:HEAD].replace(b"\x00", b"")):
        raise UnsafeFileError(f"{path}: {part.filename} declares XML entities, which no spreadsheet does")
    if b"\x00" in data[:HEAD]:
        raise UnsafeFileError(f"{path}: {part.filename} is not in UTF-8, as every spreadsheet writes it")
    if part.filename.endswith(".rels"):
        for relation in OUTSIDE.findall(data):
            if not HYPERLINK.search(relation):
                raise UnsafeFileError(f"{path}: {part.filename} points outside the file; break its external links")
    elif part.filename.startswith("xl/") and (name := _fetches(data)):
        raise UnsafeFileError(f"{path}: {part.filename} calls {name}, which reaches outside the file")


def _fetches(data: bytes) -> str:
    """The function in a part's formulas that reaches outside the file, if there is one."""
    if b"&#" in data:
        data = CHARACTER.sub(_character, data)
    letters = data.upper()  # most parts have none of the names anywhere, which is seen many times faster so
    found = FETCHES.search(data) if any(name in letters for name in REACHING) else None
    return found[1].decode("ascii").upper() if found else ""


def _character(reference: re.Match[bytes]) -> bytes:
    """An ASCII letter that is written as its number; all others stay as they are."""
    digits = reference[1].lower()
    code = int(digits[1:], 16) if digits[:1] == b"x" else int(digits)
    return bytes([code]) if 48 <= code < 123 else reference[0]
