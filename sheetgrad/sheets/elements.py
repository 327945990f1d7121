"""The hidden Elements sheet: what the lens on the Gradients sheet shows of each element that can be picked there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from sheetgrad.formulas.places import Area, Placement
from sheetgrad.lesson.fields import LessonError, Section, WordSetting, choice, setting, text_of
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.names import closest
from sheetgrad.plan.blocks import Block, Sheet
from sheetgrad.plan.drawing import GRADIENTS, Drawing
from sheetgrad.plan.equations import FIRST_ROW
from sheetgrad.plan.lens import ALONE, Element, Lens, elements, telling
from sheetgrad.tables.table import table

NAME, KEY = "Elements", "lens"
PICKED = f"{KEY}.element"
TABLE = table("lens")
PICK_ONE = WordSetting(elements)
PICK = (3, 18)  # row and column of the cell on the Gradients sheet
PLACE, OWN, IN_WORDS, IN_NUMBERS = (1, 2), (1, 4), (1, 6), (1, 7)  # its row in the list, its number, and what it is
LIGHTS = "lens"  # the name of the corners of what lights up
FIRST, LEFT, SO_FAR = 3, 2, 7  # where begins what is looked up there; the column of the sentence
WORDS, DATA = 2, 3  # columns of the list
ABOVE = FIRST_ROW - 1  # rows of the Gradients sheet that the lens itself stands in
NEAR = 1e-12  # relative


@dataclass(frozen=True)
class Picked(Section):
    """The element that the lens looks at, such as ``out[2,1]``. Students pick another in the workbook."""

    element: str = setting("", PICK_ONE)


def read(asked: Mapping, lesson: Lesson, values: Mapping[str, np.ndarray]) -> Picked:
    """What the template picks; otherwise an element of the first result."""
    names = elements(lesson)
    name = text_of(asked, "element", 60, telling(lesson), f"[{KEY}] ")
    if name not in names:
        raise LessonError(f"[{KEY}] element: found {name!r}, expected {choice(names)}{closest(name, names)}")
    return Picked(name)


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The list of elements, and above it what is known of the one that is picked."""
    listed = list(Lens(lesson, drawing).all())
    at = next(k for k, one in enumerate(listed) if one.name == lesson.sections[KEY].element)
    sheet = Sheet(NAME, hidden=True, widths={1: 16.0, WORDS: 40.0})
    lights, numbers = max(len(one.lights) for one in listed), max(len(one.numbers) for one in listed)
    rows = [_data(one, lights, numbers) for one in listed]
    first = FIRST + lights + numbers + 3
    _list(sheet, first, listed, rows)
    desk = _Desk(sheet, _places(drawing, first, len(rows), len(rows[0])))
    desk.cell(PLACE, "place", float(at + 2))
    for k, part in enumerate(rows[at][: 4 * lights]):
        desk.cell((FIRST + k // 4, LEFT + k % 4), "part", part, at=k + 1)
    told = desk.sentence(FIRST + lights, 4 * lights, listed[at], rows[at], values)
    corner = {"row": _one(FIRST, LEFT), "column": _one(FIRST, LEFT + 1)}
    own = float(values[listed[at].key][listed[at].index])
    desk.cell(OWN, "number", own, corner, above=ABOVE)
    desk.cell(IN_WORDS, "words", listed[at].words)
    ends = tuple(f"{'' if start == ALONE else start}= {number}" for start in told for number in _written("plain", own))
    more = {"number": _one(*OWN), "told": _one(FIRST + lights + numbers, SO_FAR)}
    desk.cell(IN_NUMBERS, "numbers", tuple(dict.fromkeys(ends)) or np.nan, more)
    sheet.names[LIGHTS] = Area(NAME, FIRST, LEFT, FIRST + lights - 1, LEFT + 3)
    return sheet


def choices(sheet: Sheet) -> Area:
    """Where the names stand, for the cell that picks one."""
    return next(block for block in sheet.blocks if block.kind == "fixed").area(NAME)


def said(sheet: Sheet) -> Iterator[tuple[Placement, object]]:
    """Where the element is said in words and in numbers, and what must stand there."""
    for at in (IN_WORDS, IN_NUMBERS):
        block = next(block for block in sheet.blocks if (block.row, block.column) == at)
        yield Placement(NAME, *at, (), ()), block.expected[0, 0]


@dataclass
class _Desk:
    """Where the parts of one element are looked up and put together."""

    sheet: Sheet
    book: dict[str, list[Placement]]

    def cell(self, where: tuple[int, int], name: str, expected, more: Mapping = MappingProxyType({}), **known) -> None:
        """A line of the table; ``more`` says where what it names stands, ``known`` what stands in the formula itself."""
        field, formula = TABLE.panel[name], TABLE.on_cells(values=known)[name]
        book = {**self.book, **more}
        self.sheet.formula(*where, formula, book, expected, field.style, number_format=field.format)
        if where == PLACE:
            self.book[name] = _one(*where)

    def sentence(self, top: int, start: int, found: Element, data: list, values) -> tuple[str, ...]:
        """The numbers of the sum, and the sentence that they make one by one; gives how it may read in the end."""
        self.cell((top, SO_FAR), "part", data[start], at=start + 1)
        told = (found.opening,)
        for k in range((len(data) - start - 1) // 4):
            row, first = top + 1 + k, start + 1 + 4 * k
            for j, part in enumerate(data[first : first + 4]):
                self.cell((row, LEFT + j), "part", part, at=first + j + 1)
            places = {
                word: _one(row, LEFT + j) for j, word in enumerate(("row", "column", "brackets", "after", "number"))
            }
            said = found.numbers[k] if k < len(found.numbers) else None
            number = float(values[said.element.tensor][said.element.index]) if said else 0.0
            self.cell((row, LEFT + 4), "number", number, places, above=ABOVE)
            if said:
                shown = _written("bracketed" if said.bracketed else "plain", number)
                told = tuple(f"{before}{one}{said.after}" for before in told for one in shown)
            self.cell((row, SO_FAR), "so_far", told or np.nan, places | {"before": _one(row - 1, SO_FAR)})
        return told


def _one(row: int, column: int) -> list[Placement]:
    return [Placement(NAME, row, column, (), ())]


def _written(line: str, number: float) -> tuple[str, ...]:
    """How a number may be written: one at the edge of rounding may fall to either side, and a 0 may keep a sign or lose
    it. Nothing for what is no number."""
    if not np.isfinite(number):
        return ()
    found = [
        TABLE.on_numbers({"number": one}, exact=True)[line].expected[()]
        for one in (number, number * (1 + NEAR), number * (1 - NEAR), number + 0.0)
    ]
    every = [one for options in found for one in (options if isinstance(options, tuple) else (options,))]
    return tuple(dict.fromkeys(one if isinstance(one, str) else f"{float(one):.15g}" for one in every))


def _data(one: Element, lights: int, numbers: int) -> list[float | str]:
    """The numbers and texts of an element: corners, opening, then each number of its sum."""
    corners = [float(edge) for corner in one.lights for edge in corner]
    corners += [0.0] * (4 * lights - len(corners))
    parts: list[float | str] = []
    for said in one.numbers:
        parts += [float(said.row), float(said.column), float(said.bracketed), said.after]
    parts += [0.0, 0.0, 0.0, "-"] * (numbers - len(one.numbers))
    return [*corners, one.opening, *parts]


def _list(sheet: Sheet, first: int, listed: Sequence[Element], rows: Sequence[list]) -> None:
    sheet.label(first - 1, 1, "element", "header")
    sheet.label(first - 1, WORDS, "in words", "header")
    for column, cells in (
        (1, [[one.name] for one in listed]),
        (WORDS, [[one.words] for one in listed]),
        (DATA, rows),
    ):
        sheet.blocks.append(Block(first, column, cells, "index", "fixed", np.array(cells, dtype=object)))


def _places(drawing: Drawing, first: int, rows: int, columns: int) -> dict[str, list[Placement]]:
    """The list with its headings, and the part of the Gradients sheet where numbers stand."""
    down, grid = ((1, 0),), ((1, 0), (0, 1))
    ends = [item.place.area for item in drawing.drawn]
    shape = max(area.bottom for area in ends) - ABOVE, max(area.right for area in ends)
    return {
        "pick": [Placement(GRADIENTS, *PICK, (), ())],
        "elements.name": [Placement(NAME, first - 1, 1, (rows + 1,), down)],
        "elements.words": [Placement(NAME, first - 1, WORDS, (rows + 1,), down)],
        "elements.data": [Placement(NAME, first - 1, DATA, (rows + 1, columns), grid)],
        "sheet": [Placement(GRADIENTS, ABOVE + 1, 1, shape, grid)],
    }


SHEET = SheetKind(
    name=NAME,
    about="what the lens shows of each element",
    order=105,
    build=build,
    key=KEY,
    fields=("element",),
    read=read,
    default={},
    hidden=True,
)
