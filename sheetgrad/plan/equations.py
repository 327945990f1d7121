"""Lays out the Gradients sheet: a section a forward line, the forward pass at its left, the backward pass at its right."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sheetgrad.autodiff.program import Line, Program, Step
from sheetgrad.formulas.places import Place, Placement, address
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import MOST_FORMULAS, MOST_SHEET_COLUMNS, MOST_SHEET_ROWS, Label, PlanError
from sheetgrad.plan.drawing import GRADIENTS, Blanks, Depicted, Drawing, Drawn
from sheetgrad.plan.extents import panels, placed
from sheetgrad.plan.lying import lie
from sheetgrad.plan.parts import BAR, CAPTION, TEXT, Figure, Shown, Standing, Words, columns_of, wrapped
from sheetgrad.plan.placing import Copy, Order, Placing
from sheetgrad.plan.sections import Section, Sections

FIRST_ROW, FIRST_COLUMN = 8, 2
PAGE_COLUMNS = 25  # what is wider is drawn below one another
NARROWEST = 4  # columns of a text that is broken into lines
INTO_GAP = 0.5  # columns that a text may run on, into the empty column at the right
ROWS_TO_LINE_UP = 1  # more that it may take
LONGEST_BAR = 256
FORWARD, FORWARD_FIRST = "forward → numbers come from above", "forward → it starts here"
BACKWARD, BACKWARD_FIRST = "← backward: gradients come from below", "← backward: it starts here, with {}.g = 1"


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
    backward = [line for line in program.backward if line.target not in hidden]
    copies = _copies(program, lying, backward, blanks)
    layout = _Layout(program, blanks)
    for section in Sections(lesson, lying, copies, backward, blanks).all():
        layout.section(section)
    layout.bars()
    return Drawing(
        tuple(layout.drawn),
        tuple(layout.linked()),
        tuple(layout.sections),
        layout.heights,
        lying,
        settings,
        blanks,
        number_format,
        tuple(layout.pictures),
    )


def _copies(
    program: Program, lying: Mapping[str, str], backward: Sequence[Line], blanks: Blanks
) -> dict[str, list[Copy]]:
    """The copies that the formulas need, by the tensor or gradient with whose block they stand."""
    forms = {key: [placed(GRADIENTS, 1, 1, shape, lying.get(key, "row"))] for key, shape in program.shapes.items()}
    empty = () if blanks.answered else blanks.keys
    placing = Placing(program.shapes, forms, GRADIENTS)
    lines = [*program.forward, *(line for line in backward if line.target not in empty)]
    placing.settle({line.target: program.cells[line.target] for line in lines}, program.written)
    copies: dict[str, list[Copy]] = {}
    for copy in placing.copies:
        copies.setdefault(copy.tensor if isinstance(copy, Order) else copy.line, []).append(copy)
    return copies


Row = list[tuple[int, Figure]]  # figures beside one another, each with its column


class _Flow:
    """Figures beside one another under a heading, in as many rows as the width takes; counted from the corner of the
    whole."""

    def __init__(self, figures: Sequence[Figure], width: int, heading: str):
        self.rows: list[Row] = [[]]
        column = 0
        for figure in figures:
            if self.rows[-1] and column + figure.columns > width:
                self.rows.append([])
                column = 0
            self.rows[-1].append((column, figure))
            column += figure.columns + 1
        ends = (at + figure.columns for row in self.rows for at, figure in row)
        self.width = max([columns_of(heading, CAPTION), *ends])
        self.figure = self._put_together()

    def _put_together(self) -> Figure:
        whole, top = Figure(), 0
        for row in self.rows:
            tops = [top + drop for drop in self._drops([figure for _, figure in row])]
            for at, (column, figure) in zip(tops, row, strict=True):
                whole.put(figure, at, column)
            below = [self._words_below(figure, at, column) for at, (column, figure) in zip(tops, row, strict=True)]
            words = [one for _, left in below for one in left]
            bottom = max([whole.rows, *(figure.rows for figure, _ in below)])
            for figure, _ in below:
                whole.put(figure, 0, 0)
            for text, style in words:
                for line in wrapped(text, min(max(self.width, 8), PAGE_COLUMNS), CAPTION, most=3):
                    whole.text(bottom, 0, line, style)
                    self.width = max(self.width, columns_of(line, CAPTION))
                    bottom += 1
            top = bottom + 1
        whole.columns = self.width
        return whole

    @staticmethod
    def _drops(figures: Sequence[Figure]) -> list[int]:
        """How far down each figure stands for the results to line up; not at all where that would take many rows."""
        base = max((figure.base for figure in figures), default=0)
        drops = [base - figure.base for figure in figures]
        lined_up = max((drop + figure.rows for drop, figure in zip(drops, figures, strict=True)), default=0)
        if lined_up <= max((figure.rows for figure in figures), default=0) + ROWS_TO_LINE_UP:
            return drops
        return [0] * len(figures)

    @staticmethod
    def _words_below(figure: Figure, top: int, column: int) -> tuple[Figure, list[tuple[str, str]]]:
        """The words of a figure that find room below it, and those that do not."""
        found, left, row = Figure(), [], top + figure.rows
        for text, style in figure.words:
            lines = wrapped(text, min(figure.columns + INTO_GAP, PAGE_COLUMNS), CAPTION)
            if left or len(lines) > (3 if figure.columns >= NARROWEST else 1):
                left.append((text, style))
                continue
            for line in lines:
                found.text(row, column, line, style)
                row += 1
        return found, left


class _Layout:
    """Puts section below section, and every figure in its place on the sheet."""

    def __init__(self, program: Program, blanks: Blanks):
        self.program, self.blanks = program, blanks
        self.drawn: list[Drawn] = []
        self.labels: list[tuple[Label, str]] = []  # each with the tensor or gradient that it leads to
        self.pictures: list[Depicted] = []
        self.sections: list[int] = []
        self.heights: dict[int, float] = {}
        self.row = FIRST_ROW
        self.last_column = FIRST_COLUMN + PAGE_COLUMNS - 1

    def _label(self, row: int, column: int, text: str, style: str, to: str = "") -> None:
        self.labels.append((Label(row, column, text, style), to))
        self.last_column = max(self.last_column, column)

    def section(self, ways: Sequence[Section]) -> None:
        """Forward at the left and backward at the right where both find room, else below one another."""
        section, forward, beside = self._fitting(ways)
        step, first = section.step, len(self.drawn)
        self.sections.append(self.row)
        right = FIRST_COLUMN + forward.width + 1 if beside else FIRST_COLUMN
        self._bar(step, right if beside else FIRST_COLUMN)
        self.row += 1
        for text in wrapped(section.note, PAGE_COLUMNS, TEXT):
            self._label(self.row, FIRST_COLUMN, text, "note_text")
            self.row += 1
        heading = FORWARD_FIRST if step.number == 1 else FORWARD
        bottom = self._half(heading, "caption", forward, self.row, FIRST_COLUMN, step)
        if section.backward:
            backward = beside or _Flow(section.backward, PAGE_COLUMNS, BACKWARD)
            top = self.row if beside else bottom + 1
            heading = BACKWARD_FIRST.format(step.result) if step.result == self.program.loss else BACKWARD
            end = self._half(heading, "backward", backward, top, right, step)
            bottom = max(bottom, self._links(section.links, end, right, self.drawn[first:]))
        if any(item.key in self.blanks.keys for item in self.drawn[first:]):
            if self.blanks.working and not self.blanks.answered:
                self._label(bottom, FIRST_COLUMN, "working:", "note")
            bottom += self.blanks.working
        self.row = bottom + 1
        if self.row > MOST_SHEET_ROWS:
            raise PlanError(f"{step.written}: the sheet would be longer than {MOST_SHEET_ROWS:,} rows")

    @staticmethod
    def _fitting(ways: Sequence[Section]) -> tuple[Section, _Flow, _Flow | None]:
        """The first way in which all stands beside one another; otherwise the lowest, with the backward figures at the
        right if they are not below the forward ones."""
        found = []
        for section in ways:
            forward, room = _Flow(section.forward, PAGE_COLUMNS, FORWARD), PAGE_COLUMNS
            below = _Flow(section.backward, PAGE_COLUMNS, BACKWARD)
            rows = forward.figure.rows + 2 + below.figure.rows
            room -= forward.width + 1
            if section.backward and len(forward.rows) == 1 and max(one.columns for one in section.backward) <= room:
                beside = _Flow(section.backward, room, BACKWARD)
                if len(beside.rows) == 1:
                    return section, forward, beside
                found.append((max(forward.figure.rows, beside.figure.rows), len(found), section, forward, beside))
            found.append((rows, len(found), section, forward, None))
        return min(found)[2:]

    def _bar(self, step: Step, beside: int) -> None:
        self._label(self.row, 1, str(step.number), "bar_number")
        self._label(self.row, FIRST_COLUMN, step.heading, "bar")
        if step.note:
            end = FIRST_COLUMN + columns_of(step.heading, BAR) + 1
            fits = beside + columns_of(step.note, CAPTION) <= FIRST_COLUMN + PAGE_COLUMNS
            self._label(self.row, max(beside, end) if fits else end, step.note, "bar_note")

    def _half(self, heading: str, style: str, flow: _Flow, top: int, left: int, step: Step) -> int:
        """One pass of a section under its heading; gives the first free row."""
        if left + flow.width > MOST_SHEET_COLUMNS:
            raise PlanError(f"{step.written}: wider than the {MOST_SHEET_COLUMNS:,} columns of a sheet")
        self._label(top, left, heading, style)
        figure = flow.figure
        for text in figure.texts:
            self._label(top + 1 + text.row, left + text.column, text.text, text.style)
        for standing in figure.parts:
            self._block(standing, step, top + 1, left)
        for shown in figure.shown:
            self.pictures.append(_depicted(shown, top + 1, left))
        return top + 1 + figure.rows

    def _links(self, links: Sequence[Words], row: int, left: int, drawn: Sequence[Drawn]) -> int:
        """Where the gradients come from and where they go, side by side, each below its block where it finds room."""
        stands = {item.key: item.place.area.left for item in reversed(drawn)}
        end, free = FIRST_COLUMN + PAGE_COLUMNS, left
        for link in sorted(links, key=lambda link: stands.get(link.of, left)):
            wide = columns_of(link.text, CAPTION)
            column = max(left, min(stands.get(link.of, left), end - wide))
            if free > left and max(column, free) + wide > end:
                row, free = row + 1, left
            column = max(column, free)
            self._label(row, column, link.text, link.style, link.to)
            free = column + wide + 1
        return row + bool(links)

    def _block(self, standing: Standing, step: Step, top: int, left: int) -> None:
        part, row, column = standing.part, top + standing.row, left + standing.column
        rows, columns = part.extent
        place = part.placed(GRADIENTS, row, column)
        self.drawn.append(
            Drawn(
                part.key,
                part.purpose,
                step.number,
                place,
                part.line,
                part.copy,
                part.turned,
                part.node,
                part.reader,
                part.framed,
            )
        )
        self.last_column = max(self.last_column, column + columns - 1)
        if part.key in self.blanks.keys and self.blanks.height and part.purpose in ("blank", "line"):
            self.heights |= dict.fromkeys(range(row, row + rows), self.blanks.height)
        if len(part.shape) > 2 and part.purpose != "check" and not part.copy:
            for index in panels(part.shape):
                at, _ = place.cell((*index, 0, 0))
                self._label(at - 1, column, f"{part.key}[{','.join(str(i + 1) for i in index)}]", "note")

    def bars(self) -> None:
        """The bar of each section, as long as the sheet is wide."""
        taken: dict[int, set[int]] = {row: set() for row in self.sections}
        for label, _ in self.labels:
            if label.row in taken:
                taken[label.row].add(label.column)
        for row, columns in taken.items():
            for column in range(1, min(self.last_column, LONGEST_BAR) + 1):
                if column not in columns:
                    self._label(row, column, "", "bar")

    def linked(self) -> list[Label]:
        """The labels, each with the cell that it leads to."""
        own = {item.key: item.place for item in self.drawn if item.purpose in ("given", "line", "blank", "start")}
        found = []
        for label, to in self.labels:
            if to in own:
                at = own[to].cell((0,) * len(own[to].shape))
                label = replace(label, link=GRADIENTS, cell=address(*at))
            found.append(label)
        return found


def _depicted(shown: Shown, top: int, left: int) -> Depicted:
    """A picture with its corner there."""

    def place(one: Standing | None) -> Place | None:
        return one and one.part.placed(GRADIENTS, top + one.row, left + one.column)

    signs = tuple(Label(top + one.row, left + one.column, one.text, one.style) for one in shown.signs)
    factors = tuple(place(one) for one in shown.factors)
    return Depicted(shown.result.part.key, shown.picture, factors, signs, place(shown.result))
