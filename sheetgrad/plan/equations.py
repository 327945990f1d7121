"""Lays out the Gradients sheet: the blocks of each section side by side, their gradients underneath."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sheetgrad.autodiff.program import Line, Program, Step
from sheetgrad.formulas.places import Placement
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import MOST_FORMULAS, MOST_SHEET_COLUMNS, MOST_SHEET_ROWS, Label, PlanError, columns_for
from sheetgrad.plan.drawing import GRADIENTS, Blanks, Drawing, Drawn
from sheetgrad.plan.extents import panels, placed
from sheetgrad.plan.lying import lie
from sheetgrad.plan.parts import Part, Parts, Slot, operator_signs
from sheetgrad.plan.placing import Copy, Order, Placing

FIRST_ROW, FIRST_COLUMN = 6, 2
PAGE_COLUMNS = 24  # a section wraps to a further line of blocks beyond this
BAR_COLUMNS = 14  # of a section's bar, at least
LONGEST_BAR = 256


def draw(
    lesson: Lesson, settings: Mapping[str, Placement], blanks: Blanks | None = None, number_format: str = ""
) -> Drawing:
    """Where everything stands, with the copies that sums need."""
    program, blanks = lesson.program, blanks or Blanks()
    size = sum(math.prod(line.shape) for line in (*program.forward, *program.backward))
    if size > MOST_FORMULAS:
        raise PlanError(
            f"the forward and backward pass take {size:,} formula cells, at most {MOST_FORMULAS:,}: use smaller tensors"
        )
    lying = lie(program)
    hidden = blanks.on_the_way(program)
    backward: dict[str, list[Line]] = {}
    for line in program.backward:
        if line.target not in hidden:
            backward.setdefault(line.target.split(".")[0], []).append(line)
    copies = _copies(program, lying, [line for lines in backward.values() for line in lines], blanks)
    layout = _Layout(program, Parts(lesson, lying, copies, backward, blanks))
    layout.draw()
    return Drawing(
        tuple(layout.drawn),
        tuple(layout.labels),
        tuple(layout.sections),
        layout.heights,
        lying,
        settings,
        blanks,
        number_format,
    )


def _copies(
    program: Program, lying: Mapping[str, str], backward: Sequence[Line], blanks: Blanks
) -> dict[str, list[Copy]]:
    """The copies that the formulas need, by the tensor or gradient under whose block they stand."""
    forms = {key: [placed(GRADIENTS, 1, 1, shape, lying.get(key, "row"))] for key, shape in program.shapes.items()}
    empty = () if blanks.answered else blanks.keys
    placing = Placing(program.shapes, forms, GRADIENTS)
    lines = [*program.forward, *(line for line in backward if line.target not in empty)]
    placing.settle({line.target: program.cells[line.target] for line in lines}, program.written)
    copies: dict[str, list[Copy]] = {}
    for copy in placing.copies:
        copies.setdefault(copy.tensor if isinstance(copy, Order) else copy.line, []).append(copy)
    return copies


class _Layout:
    """Puts the blocks of each section side by side, their gradients underneath, section below section."""

    def __init__(self, program: Program, parts: Parts):
        self.program, self.parts, self.blanks = program, parts, parts.blanks
        self.drawn: list[Drawn] = []
        self.labels: list[Label] = []
        self.sections: list[int] = []
        self.heights: dict[int, float] = {}
        self.row = FIRST_ROW
        self.last_column = BAR_COLUMNS
        self.shown: set[str] = set()

    def draw(self) -> None:
        for step in self.program.steps:
            self._section(step)
        self._bars()

    def _label(self, row: int, column: int, text: str, style: str) -> None:
        self.labels.append(Label(row, column, text, style))
        self.last_column = max(self.last_column, column)

    def _section(self, step: Step) -> None:
        self.sections.append(self.row)
        self._label(self.row, 1, str(step.number), "bar_number")
        self._label(self.row, FIRST_COLUMN, step.heading, "bar")
        if step.note:
            beside = FIRST_COLUMN + columns_for(step.heading * 2) // 2 + 2 + len(step.heading) // 24
            self._label(self.row, beside, step.note, "bar_note")
        bottom = self.row + 2
        for line in self._lines(step):
            bottom = self._line_of_slots(line, step, bottom) + 1
        if any(item.key in self.blanks.keys and item.step == step.number for item in self.drawn):
            if self.blanks.working and not self.blanks.answered:
                self._label(bottom, FIRST_COLUMN, "working:", "note")
            bottom += self.blanks.working
        self.row = bottom + 1
        if self.row > MOST_SHEET_ROWS:
            raise PlanError(f"{step.written}: the sheet would be longer than {MOST_SHEET_ROWS:,} rows")

    def _bars(self) -> None:
        """The bar of each section, as long as the sheet is wide."""
        bars = {row: set() for row in self.sections}
        for label in self.labels:
            if label.row in bars:
                bars[label.row].add(label.column)
        for row, taken in bars.items():
            for column in range(1, min(self.last_column, LONGEST_BAR) + 1):
                if column not in taken:
                    self.labels.append(Label(row, column, "", "bar"))

    def _lines(self, step: Step) -> list[list[tuple[str, int, Slot]]]:
        """The slots of a section with their signs and columns, wrapped to the width of a page."""
        lines: list[list[tuple[str, int, Slot]]] = [[]]
        column = FIRST_COLUMN
        for sign, slot in self._slots(step):
            if lines[-1] and column + 1 + slot.width > PAGE_COLUMNS + FIRST_COLUMN:
                lines.append([])
                column = FIRST_COLUMN
            column += bool(sign)
            if column + slot.width > MOST_SHEET_COLUMNS:
                raise PlanError(f"{step.written}: wider than the {MOST_SHEET_COLUMNS:,} columns of a sheet")
            lines[-1].append((sign, column, slot))
            column += slot.width
        return lines

    def _line_of_slots(self, line: list[tuple[str, int, Slot]], step: Step, top: int) -> int:
        """Draws values side by side and the gradients in one band below them; gives the first free row."""
        middle = top + 1 + (min(4, max(slot.values[0].extent[0] for _, _, slot in line)) - 1) // 2
        for sign, column, _ in line:
            if sign:
                self._label(middle, column - 1, sign, "operator")
        below = max(self._place(slot.values, step, top, column) for _, column, slot in line)
        return max([below, *(self._place(slot.gradients, step, below, column) for _, column, slot in line)])

    def _slots(self, step: Step) -> list[tuple[str, Slot]]:
        """The blocks of a section with the sign before each."""
        slots, signs = [], operator_signs(step)
        for k, (name, sign) in enumerate(zip(step.operands, signs, strict=True)):
            first = name not in self.shown and name in self.program.leaves
            slots.append((sign if k else "", self.parts.slot(name, "given" if first else "again", None)))
            self.shown.add(name)
        single = len(step.operands) == 1 or len(step.lines) > 1 or "," in signs[1:]
        for line in step.lines:
            slots.append(("→" if single else "=", self.parts.slot(line.target, "line", line)))
            self.shown.add(line.target)
        return slots

    def _place(self, parts: Sequence[Part], step: Step, top: int, column: int) -> int:
        """Draws parts below one another; gives the first free row below them."""
        row = top
        for part in parts:
            for k, text in enumerate(part.headings):
                self._label(row + k, column, text, part.heading_style)
            rows, columns = part.extent
            if part.beside:
                self._label(row, column + columns - (columns > 1), part.beside, part.beside_style)
            row += len(part.headings)
            self._block(part, step, row, column)
            row += rows
            for text in part.captions:
                self._label(row, column, text, part.caption_style)
                row += 1
            row += 1
        return row

    def _block(self, part: Part, step: Step, row: int, column: int) -> None:
        rows, columns = part.extent
        place = part.placed(GRADIENTS, row, column)
        self.drawn.append(Drawn(part.key, part.purpose, step.number, place, part.line, part.copy))
        self.last_column = max(self.last_column, column + columns - 1)
        if part.key in self.blanks.keys and self.blanks.height:
            self.heights |= dict.fromkeys(range(row, row + rows), self.blanks.height)
        if self.blanks.check_beside(part.key, part.purpose):
            if part.purpose == "blank":  # elsewhere a line stands there, which may be longer than its numbers
                self._label(row - 1, column + columns, "right?", "shape_left")
            beside = placed(GRADIENTS, row, column + columns, part.shape, part.lying)
            self.drawn.append(Drawn(part.key, "check", step.number, beside))
            self.last_column = max(self.last_column, column + 2 * columns - 1)
        if len(part.shape) > 2:
            for index in panels(part.shape):
                at, _ = place.cell((*index, 0, 0))
                self._label(at - 1, column, f"{part.key}[{','.join(str(i + 1) for i in index)}]", "note")
