"""What a page of a PDF shows: its texts, each with its box, its colour, what lies under it and where it is cut off.

For the PDF files that LibreOffice makes: simple fonts with widths and a map to Unicode, colours in red, green and blue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from pypdf import PageObject, PdfReader

TOKEN = re.compile(rb"\[[^\]]*\]|<[0-9A-Fa-f]*>|[^\s\[<]+")
SHOWN = re.compile(rb"<([0-9A-Fa-f]*)>|([-+.0-9]+)")
PAIR = re.compile(rb"<([0-9A-Fa-f]{2})>\s*<([0-9A-Fa-f]+)>")
UP, DOWN = 0.64, 0.02  # how far capitals and digits reach above and below their line, in sizes of Carlito
GAP = -250.0  # a jump of so many thousandths of the font's size leaves room for signs of another font
TIGHT = 4.0  # points: where a letter was left out there is no more room
WHITE = (1.0, 1.0, 1.0)

Colour = tuple[float, float, float]
Matrix = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Box:
    """A rectangle in points; ``y`` grows downwards from the top of the page."""

    left: float
    top: float
    right: float
    bottom: float

    def and_(self, other: Box) -> Box:
        """What lies in both; nothing where its right is not right of its left, or its bottom not below its top."""
        edges = (max, self.left, other.left), (max, self.top, other.top), (min, self.right, other.right)
        return Box(*(pick(a, b) for pick, a, b in edges), min(self.bottom, other.bottom))

    @property
    def middle(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def has(self, x: float, y: float) -> bool:
        return self.left <= x <= self.right and self.top <= y <= self.bottom


@dataclass(frozen=True)
class Text:
    """A text drawn at once. ``box`` is where it would stand, ``seen`` what of that is not cut off; ``held`` says that
    its cell ends where it does, ``covered`` that something was painted over it."""

    words: str
    size: float
    ink: Colour
    fill: Colour
    box: Box
    seen: Box
    held: bool = False
    covered: bool = False


@dataclass(frozen=True)
class Page:
    """A page of the sheet with this name; sizes in points. ``known`` are the texts that the cells of the sheet hold."""

    sheet: str
    width: float
    height: float
    texts: tuple[Text, ...]
    known: frozenset[str] = frozenset()


def first_pages(path: Path) -> dict[str, int]:
    """On which page of a workbook's PDF each sheet begins, from 0: its bookmarks say so."""
    return _first_pages(PdfReader(path))


def _first_pages(reader: PdfReader) -> dict[str, int]:
    return {mark.title: reader.get_destination_page_number(mark) for mark in reader.outline}


def pages(path: Path) -> list[Page]:
    """The pages of a workbook's PDF."""
    reader = PdfReader(path)
    starts = {number: sheet for sheet, number in _first_pages(reader).items()}
    found, sheet = [], ""
    for number, page in enumerate(reader.pages):
        sheet = starts.get(number, sheet)
        width, height = float(page.mediabox.width), float(page.mediabox.height)
        found.append(Page(sheet, width, height, _Drawing(page, height).uncovered()))
    return found


class _Font:
    """Widths and letters of a font, by code."""

    def __init__(self, font):
        self.first, self.widths = int(font["/FirstChar"]), [float(width) for width in font["/Widths"]]
        told = font["/ToUnicode"].get_object().get_data()
        pairs = PAIR.findall(b"".join(re.findall(rb"beginbfchar(.*?)endbfchar", told, re.S)))
        self.letters = {int(code, 16): bytes.fromhex(letter.decode()).decode("utf-16-be") for code, letter in pairs}

    def shown(self, operand: bytes) -> list[tuple[str, float, float]]:
        """The texts of an operand of ``TJ`` or ``Tj``: words, and where they begin and end at size 1. There are several
        where signs of another font stand between them."""
        found, words, start, at = [], "", 0.0, 0.0
        for codes, back in SHOWN.findall(operand):
            if back:
                at -= float(back) / 1000
            if back and float(back) < GAP:
                found.append((words, start, at + float(back) / 1000))
                words, start = "", at
            for code in bytes.fromhex(codes.decode()):
                words += self.letters.get(code, "?")
                at += self.widths[code - self.first] / 1000
        return [*found, (words, start, at)]


@dataclass
class _State:
    """What ``q`` keeps and ``Q`` gives back."""

    matrix: Matrix
    clip: Box
    ink: Colour = (0.0, 0.0, 0.0)

    def copy(self) -> _State:
        return _State(self.matrix, self.clip, self.ink)


@dataclass
class _Drawing:
    """Follows the operators of a page (ISO 32000-1, annex A), as far as texts need them."""

    page: PageObject
    height: float
    path: list[tuple[float, float]] = field(default_factory=list)
    fills: list[tuple[Box, Colour]] = field(default_factory=list)

    @cached_property
    def fonts(self) -> dict[str, _Font]:
        fonts = self.page["/Resources"].get("/Font", {})
        return {name: _Font(font.get_object()) for name, font in fonts.items()}

    def uncovered(self) -> tuple[Text, ...]:
        """The texts of the page, and which of them were painted over later."""
        drawn = [(text, len(self.fills)) for text in self.texts()]
        return tuple(
            replace(text, covered=any(area.has(*text.box.middle) for area, _ in self.fills[painted:]))
            for text, painted in drawn
        )

    def texts(self) -> Iterator[Text]:
        """The texts as they come."""
        state, kept, operands, clipping = self._start(), [], [], False
        line = at = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
        font, size = None, 0.0
        for token in TOKEN.findall(self.page.get_contents().get_data()):
            if token[0] in b"+-.0123456789[</":
                operands.append(token)
                continue
            match token:
                case b"q":
                    kept.append(state.copy())
                case b"Q":
                    state = kept.pop()
                case b"cm":
                    state.matrix = _times(_numbers(operands), state.matrix)
                case b"rg":
                    state.ink = tuple(_numbers(operands))
                case b"g":
                    state.ink = (float(operands[0]),) * 3
                case b"re":
                    x, y, width, height = _numbers(operands)
                    self.path += [(x, y), (x + width, y + height)]
                case b"m" | b"l" | b"c":
                    self.path.append(tuple(_numbers(operands)[-2:]))
                case b"W" | b"W*":
                    clipping = True
                case b"n" | b"f" | b"f*" | b"S" | b"B" | b"B*":
                    clipping = self._paint(state, token, clipping)
                case b"BT":
                    line = at = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
                case b"Td":
                    line = at = _times((1.0, 0.0, 0.0, 1.0, *_numbers(operands)), line)
                case b"Tm":
                    line = at = tuple(_numbers(operands))
                case b"Tf":
                    font, size = self.fonts[operands[-2].decode()], float(operands[-1])
                case b"Tj" | b"TJ":
                    for words, start, end in font.shown(operands[-1]):
                        if words.strip():
                            yield self._text(state, words, size, (start * size, end * size), at)
                    at = _times((1.0, 0.0, 0.0, 1.0, end * size, 0.0), at)
            operands = []

    def _start(self) -> _State:
        box = self.page.mediabox
        return _State((1.0, 0.0, 0.0, 1.0, 0.0, 0.0), Box(0.0, 0.0, float(box.width), self.height))

    def _box(self, points: list[tuple[float, float]], matrix: Matrix) -> Box:
        placed = [_times((1.0, 0.0, 0.0, 1.0, *point), matrix)[4:] for point in points]
        across, up = zip(*placed, strict=True)
        return Box(min(across), self.height - max(up), max(across), self.height - min(up))

    def _paint(self, state: _State, how: bytes, clipping: bool) -> bool:
        if self.path:
            box = self._box(self.path, state.matrix)
            if clipping:
                state.clip = state.clip.and_(box)
            if how[:1] in (b"f", b"B"):
                self.fills.append((box.and_(state.clip), state.ink))
        self.path = []
        return False

    def _text(self, state: _State, words: str, size: float, across: tuple[float, float], at: Matrix) -> Text:
        matrix = _times(at, state.matrix)
        box = self._box([(x, y * size) for x in across for y in (-DOWN, UP)], matrix)
        fill = next((colour for area, colour in reversed(self.fills) if area.has(*box.middle)), WHITE)
        drawn = size * abs(matrix[0] * matrix[3] - matrix[1] * matrix[2]) ** 0.5
        tight = state.clip.right - box.right < TIGHT or box.left - state.clip.left < 0
        held = tight and state.clip.right - state.clip.left < float(self.page.mediabox.width) - 1
        return Text(words, drawn, state.ink, fill, box, box.and_(state.clip), held)


def _numbers(operands: list[bytes]) -> list[float]:
    return [float(operand) for operand in operands]


def _times(a, b) -> Matrix:
    """The matrix that does first ``a``, then ``b``."""
    return (
        a[0] * b[0] + a[1] * b[2],
        a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2],
        a[2] * b[1] + a[3] * b[3],
        a[4] * b[0] + a[5] * b[2] + b[4],
        a[4] * b[1] + a[5] * b[3] + b[5],
    )
