"""A workbook as a reader sees it: in LibreOffice, on the screen of a school laptop and on paper, and what is wrong there.

To see it, LibreOffice prints a copy of the workbook. For the screen its pages have no margins and are as large as the
window, or as the whole sheet; what is folded away is not on them. LibreOffice runs once for many workbooks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from drawn import Box, Colour, Page, Text, pages
from openpyxl.utils import get_column_letter

from sheetgrad.engines.libreoffice import to_pdf
from sheetgrad.xlsx.contents import Contents
from sheetgrad.xlsx.parts import rewritten

WINDOW = 1330, 530  # pixels of a screen of 1366 by 768 that the bars of a spreadsheet leave
POINTS, MILLIMETRES = 72 / 96, 25.4 / 96  # a pixel has
EVERYTHING = 18_000, 18_000  # pixels: LibreOffice makes no larger page
BEYOND = 40  # columns right of the last that has a width, for what runs over into them
SMALLEST = 8.0  # points of letters that can be read, on the screen and on paper
CONTRAST = 4.5  # WCAG 2, level AA
SLACK = 0.5  # points that letters may reach out of their room
TOUCH = 1.0  # and into one another: signs of another font do so within a sentence

PAGE = re.compile(
    rb"<pageMargins[^>]*/>|<pageSetup [^>]*/>|<headerFooter>.*?</headerFooter>|<(row|col)Breaks.*?</\1Breaks>", re.S
)
AFTER_PAGE = re.compile(rb"<drawing |<legacyDrawing|<tableParts|<extLst|</worksheet>")
COLUMN = re.compile(rb"<col [^>]*>")
NAMES = re.compile(rb"<definedNames>(.*?)</definedNames>", re.S)
AREA = re.compile(rb'<definedName name="_xlnm\.Print_\w+".*?</definedName>', re.S)
SHEET = re.compile(rb'<sheet [^>]*?name="([^"]*)"[^>]*?(?:state="(\w+)")?[^>]*?/>')


@dataclass(frozen=True)
class Fault:
    """Something that a reader stumbles over, and where on the sheet, in pixels of the screen."""

    sheet: str
    kind: str
    words: str
    across: int
    down: int

    def __str__(self) -> str:
        return f"{self.sheet}, {self.across} px right, {self.down} px down: {self.kind}: {self.words!r}"


# -- what is seen ---------------------------------------------------------------------------------------------------


def on_screen(books: Sequence[Path], room: Path) -> dict[str, list[Page]]:
    """The sheets of workbooks as their reader scrolls over them, by the workbooks' names; ``room`` is for the copies."""
    copies = [as_screens(book, room / book.name, EVERYTHING) for book in books]
    return {path.stem: _knowing(pages(path), book) for path, book in zip(to_pdf(copies, room), books, strict=True)}


def _knowing(shown: list[Page], book: Path) -> list[Page]:
    """The pages with what the cells of their sheets hold."""
    contents = Contents(book.read_bytes())
    texts = {
        name: frozenset(text.strip() for *_, text in contents.sheet(name).values.cells() if isinstance(text, str))
        for name in {page.sheet for page in shown}
    }
    return [replace(page, known=texts[page.sheet]) for page in shown]


def on_paper(books: Sequence[Path], room: Path) -> dict[str, list[Page]]:
    """The printed pages of workbooks, by the workbooks' names."""
    return {path.stem: pages(path) for path in to_pdf(books, room)}


def first_screens(books: Sequence[Path], room: Path) -> dict[str, Path]:
    """A PDF of each workbook by its name, with pages that show what the window does; the bookmarks of the sheets lead to
    what is seen first."""
    copies = [as_screens(book, room / book.name, WINDOW) for book in books]
    return {path.stem: path for path in to_pdf(copies, room)}


def as_screens(book: Path, copy: Path, pixels: tuple[int, int]) -> Path:
    """Writes a copy of a workbook whose printed pages are as many pixels of a screen wide and high; gives the copy."""
    width, height = (f"{size * MILLIMETRES:.2f}mm".encode() for size in pixels)
    lasts: dict[int, int] = {}

    def change(name: str, part: bytes) -> bytes:
        if found := re.fullmatch(r"xl/worksheets/sheet(\d+)\.xml", name):
            lasts[int(found[1])] = _last_shown(part)
            return _with_page(part, width, height)
        return part

    def with_areas(name: str, part: bytes) -> bytes:
        return _with_areas(part, lasts) if name == "xl/workbook.xml" else part

    copy.write_bytes(rewritten(rewritten(book.read_bytes(), change), with_areas))
    return copy


def _with_page(part: bytes, width: bytes, height: bytes) -> bytes:
    part = PAGE.sub(b"", part).replace(b'fitToPage="1"', b"")
    at = AFTER_PAGE.search(part).start()
    margins = b'<pageMargins left="0" right="0" top="0" bottom="0" header="0" footer="0"/>'
    page = b'<pageSetup orientation="portrait" paperWidth="%s" paperHeight="%s" scale="100"/>' % (width, height)
    return part[:at] + margins + page + part[at:]


def _last_shown(part: bytes) -> int:
    """The last column that can be seen: beyond it all is folded away, or empty."""
    last, folded = 0, False
    for column in COLUMN.findall(part):
        folded = b'hidden="1"' in column
        if not folded:
            last = int(re.search(rb'max="(\d+)"', column)[1])
    return last if folded else last + BEYOND


def _with_areas(book: bytes, lasts: Mapping[int, int]) -> bytes:
    """The workbook's part, with the columns that can be seen to print of each sheet: LibreOffice would print `###` where
    columns are folded away at the edge of a sheet."""
    names = NAMES.search(book)
    kept = AREA.sub(b"", names[1]) if names else b""
    for number, found in enumerate(SHEET.finditer(book)):
        if b"idden" not in found[0]:
            area = f"$A$1:${get_column_letter(lasts[number + 1])}$20000".encode()
            kept += b'<definedName name="_xlnm.Print_Area" localSheetId="%d">\'%s\'!%s</definedName>' % (
                number,
                found[1],
                area,
            )
    told = b"<definedNames>" + kept + b"</definedNames>"
    return NAMES.sub(lambda _: told, book) if names else book.replace(b"</sheets>", b"</sheets>" + told)


# -- what is wrong with it ------------------------------------------------------------------------------------------


def faults(shown: Sequence[Page]) -> list[Fault]:
    """All that is wrong with sheets on the screen."""
    return [Fault(page.sheet, *fault) for page in shown for fault in (*_alone(page), *_together(page))]


def _alone(page: Page) -> Iterator[tuple[str, str, int, int]]:
    """What is wrong with texts by themselves."""
    edge = WINDOW[0] * POINTS
    for text in page.texts:
        if set(text.words.strip()) == {"#"}:
            yield "a number that does not fit", *_where(text)
        elif is_cut(text) or is_broken_off(text, page):
            yield "cut off", *_where(text)
        elif text.box.left < edge / 2 and text.box.right > edge + SLACK:
            yield "runs out of the window", *_where(text)
        if text.size < SMALLEST:
            yield f"only {text.size:.1f} points high", *_where(text)
        if text.covered:
            yield "covered", *_where(text)
        if (ratio := contrast(text.ink, text.fill)) < CONTRAST:
            yield f"contrast {ratio:.1f}", *_where(text)


def _where(text: Text) -> tuple[str, int, int]:
    return text.words.strip(), round(text.box.left / POINTS), round(text.box.top / POINTS)


def is_cut(text: Text) -> bool:
    """Whether some of a text's letters are cut off, or a part of them."""
    own, seen = text.box, text.seen
    gone = (seen.left - own.left, own.right - seen.right, seen.top - own.top, own.bottom - seen.bottom)
    return max(gone) > SLACK


def is_broken_off(text: Text, page: Page) -> bool:
    """Whether letters of a text are missing on the page: LibreOffice leaves out those of which nothing could be seen."""
    words = text.words.strip()
    if not text.held or words in page.known:
        return False
    rests = [whole[len(words) :].strip() for whole in page.known if whole.startswith(words)]
    rests += [whole[: -len(words)].strip() for whole in page.known if whole.endswith(words)]
    others = tuple(other for other in (other.words.strip() for other in page.texts) if len(other) > 1)
    return bool(rests) and not any(rest.startswith(others) or rest.endswith(others) for rest in rests)


def _together(page: Page) -> Iterator[tuple[str, str, int, int]]:
    """Texts that lie on one another."""
    texts = sorted(page.texts, key=lambda text: text.seen.top)
    for number, text in enumerate(texts):
        for other in texts[number + 1 :]:
            if other.seen.top >= text.seen.bottom - TOUCH:
                break
            if _size(text.seen.and_(other.seen)) > TOUCH:
                words, across, down = _where(other)
                yield f"on {text.words.strip()!r}", words, across, down


def _size(box: Box) -> float:
    """The shorter side of a box."""
    return min(box.right - box.left, box.bottom - box.top)


def contrast(ink: Colour, fill: Colour) -> float:
    """How far two colours are apart in lightness, from 1 to 21 (WCAG 2.2, "contrast ratio")."""
    dark, light = sorted((_luminance(ink), _luminance(fill)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
