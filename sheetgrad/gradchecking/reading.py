"""What reads what in a workbook: the formulas of its cells, and the cells that each depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from openpyxl.utils.cell import coordinate_to_tuple

from sheetgrad.gradchecking.question import Question
from sheetgrad.gradchecking.ranges import Place, Range, operands, tokens
from sheetgrad.xlsx.contents import SheetContents


class Reading:
    """The formulas by place, with those that an array formula fills, and the places where numbers or formulas stand."""

    def __init__(self, question: Question):
        self.names = question.names
        self.formulas: dict[Place, str] = {}
        self.arrays: dict[Place, Range] = {}  # what array formulas fill, each cell with the whole
        self.held: set[Place] = set()
        self.texts: dict[Place, str] = {}
        for name, sheet in question.sheets.items():
            self._keep(name, sheet)
        for name, cells in question.extra.items():  # the loss, where it is given as a formula
            self.formulas |= {(name, *coordinate_to_tuple(cell)): str(text) for cell, text in cells.items()}
        self._read: dict[Place, frozenset[Place]] = {}

    def _keep(self, name: str, sheet: SheetContents) -> None:
        for row, column, formula in sheet.formulas.cells():
            self.formulas[name, row, column] = str(formula)
        for row, column, value in sheet.values.cells():
            if isinstance(value, float):
                self.held.add((name, row, column))
            elif isinstance(value, str) and (name, row, column) not in self.formulas:
                self.texts[name, row, column] = value
        by_text: dict[str, list[Place]] = {}
        for cell, formula in sheet.filled.items():
            by_text.setdefault(formula, []).append((name, *coordinate_to_tuple(cell)))
        for formula, filled in by_text.items():
            self._array(formula, filled)
        self.held |= {place for place in self.formulas if place[0] == name}

    def _array(self, formula: str, filled: list[Place]) -> None:
        """An array formula with the cells that it fills; two of the same text are left alone."""
        name = filled[0][0]
        rows, columns = {row for _, row, _ in filled}, {column for *_, column in filled}
        anchors = [place for place, text in self.formulas.items() if text == formula and place[0] == name]
        if len(anchors) == 1:
            _, row, column = anchors[0]
            area = Range(name, row, column, max(rows | {row}), max(columns | {column}))
            if len(area.places) == len(filled) + 1:
                self.arrays |= dict.fromkeys(area.places, area)
        self.formulas |= dict.fromkeys(filled, formula)

    def reads(self, place: Place) -> frozenset[Place]:
        """The cells that the formula of a cell names."""
        if place not in self._read:
            found = operands(self.formulas.get(place, ""), place[0], self.names).values()
            self._read[place] = frozenset(cell for area in found for cell in area.places if cell in self.held)
        return self._read[place]

    def before(self, places: Iterable[Place]) -> set[Place]:
        """All that cells are computed from, themselves too."""
        return _reached(places, self.reads)

    def after(self, places: Iterable[Place]) -> set[Place]:
        """All that is computed from cells, themselves too."""
        return _reached(places, lambda place: self._readers.get(place, ()))

    def readers(self, place: Place) -> Iterable[Place]:
        """The cells whose formulas name a cell."""
        return self._readers.get(place, ())

    @cached_property
    def _readers(self) -> Mapping[Place, list[Place]]:
        found: dict[Place, list[Place]] = {}
        for place in self.formulas:
            for read in self.reads(place):
                found.setdefault(read, []).append(place)
        return found

    def pattern(self, place: Place) -> str:
        """A formula without the cells that it names: what neighbours share that were filled from one another."""
        return "".join(
            "•" if token.subtype == "RANGE" else token.value for token in tokens(self.formulas.get(place, ""))
        )

    def label(self, place: Place) -> str:
        """The text beside a cell, to its left or above it."""
        sheet, row, column = place
        return self.texts.get((sheet, row, column - 1), self.texts.get((sheet, row - 1, column), "")).strip()


def _reached(places: Iterable[Place], following) -> set[Place]:
    waiting, reached = list(places), set()
    while waiting:
        place = waiting.pop()
        if place not in reached:
            reached.add(place)
            waiting += following(place)
    return reached
