"""The parts of a workbook's archive: which of them is which sheet, and where cells stand in it."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import IO

from lxml import etree
from openpyxl.utils.cell import coordinate_to_tuple, get_column_letter

# One cell as applications write it: address, other attributes, the formula's attributes and text, the stored value,
# and a text that stands in the cell itself.
CELL = re.compile(
    rb'<c r="([A-Z]{1,3})([0-9]{1,7})"([^<>]*?)(?:/>|>'
    rb"(?:<f\b([^<>]*?)(?:/>|>([^<]*)</f>))?(?:<v\b[^<>]*?(?:/>|>([^<]*)</v>))?(?:<is>(.*?)</is>)?"
    rb"(?:<extLst>.*?</extLst>)?</c>)",
    re.S,
)
ANY_FORMULA = re.compile(rb"<f\b[^>]*/>|<f\b[^>]*>[^<]*</f>")
MAIN = b"spreadsheetml/2006/main"
AT_ONCE = 20_000  # pieces
COMPRESSION = 3  # of zlib: a third faster than 6, a tenth larger


def sheet_parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """The part of the archive that each sheet is. Raises what ``lxml`` raises, or ``KeyError``, for a file that is not
    put together as usual."""
    book = etree.fromstring(archive.read("xl/workbook.xml"))
    links = etree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {link.get("Id"): link.get("Target") for link in links}
    found = {}
    for sheet in book.iterfind("{*}sheets/{*}sheet"):
        target = next(targets[value] for name, value in sheet.items() if name.endswith("}id"))
        found[sheet.get("name")] = posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")
    return found


def is_odd(part: bytes) -> bool:
    """Whether a sheet's part has what :data:`CELL` cannot read: comments, other encodings, prefixes of names."""
    odd = b"<!" in part or b"<?" in part[5:] or part.count(MAIN) != 1 or b"<worksheet" not in part[:2000]
    return odd or (b"encoding=" in part[:200] and b"utf-8" not in part[:200].lower())


def count_cells(part: bytes) -> int:
    """How many cells a part has that is not odd."""
    return part.count(b"<c ") + part.count(b"<c>") + part.count(b"<c/>")


def written_anew(part: bytes) -> bytes:
    """The cells of a part and nothing else, as :data:`CELL` reads them: an address first, in order, without prefixes.

    Raises what ``lxml`` raises for broken XML.
    """
    root = etree.fromstring(part, etree.XMLParser(resolve_entities=False, remove_comments=True, remove_pis=True))
    sheet = etree.Element("worksheet")
    row = 0
    for line in root.iterfind("{*}sheetData/{*}row"):
        row, column = int(line.get("r") or row + 1), 0
        for cell in line.iterfind("{*}c"):
            column += 1
            if cell.get("r"):
                row, column = coordinate_to_tuple(cell.get("r"))
            plain = etree.SubElement(sheet, "c", r=f"{get_column_letter(column)}{row}")
            plain.attrib.update({name: value for name, value in cell.items() if name != "r"})
            for tag in ("f", "v", "is"):
                plain.extend(_plain(found) for found in cell.iterfind(f"{{*}}{tag}"))
    return etree.tostring(sheet)


def _plain(element: etree._Element) -> etree._Element:
    copy = etree.Element(etree.QName(element).localname, dict(element.attrib))
    copy.text = element.text
    for child in element:
        copy.append(_plain(child))
    return copy


def rewritten(data: bytes, change: Callable[[str, bytes], bytes | Iterable[bytes]]) -> bytes:
    """A workbook with other parts: ``change`` gives each by its name, in one piece or in several."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as target,
    ):
        for name in source.namelist():
            content = change(name, source.read(name))
            if isinstance(content, bytes):
                target.writestr(name, content)
            else:
                with target.open(name, "w") as file:
                    _send(content, file)
    return out.getvalue()


def _send(pieces: Iterable[bytes], file: IO[bytes]) -> None:
    """Many small pieces to a file, some thousands at a time."""
    waiting = iter(pieces)
    while some := list(islice(waiting, AT_ONCE)):
        file.write(b"".join(some))


def without_formulas(data: bytes, sheet: str) -> bytes:
    """The same workbook with the stored values of one sheet in place of its formulas."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        part = sheet_parts(archive)[sheet]
    return rewritten(data, lambda name, content: ANY_FORMULA.sub(b"", content) if name == part else content)


def without_values(data: bytes, cells: Mapping[str, Collection[str]]) -> bytes:
    """The same workbook with nothing in some cells, by sheet: what an application stores where an array formula spills
    keeps Formualizer 0.13 from spilling there, and what is emptied in memory it may not fill again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        emptied = {part: set(cells[sheet]) for sheet, part in sheet_parts(archive).items() if cells.get(sheet)}

    def empty(name: str, content: bytes) -> bytes:
        kept = emptied[name]
        return CELL.sub(lambda cell: b"" if (cell[1] + cell[2]).decode() in kept else cell[0], content)

    return rewritten(data, lambda name, content: empty(name, content) if name in emptied else content)
