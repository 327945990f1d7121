"""The Ripple sheet: one number is nudged, and a second copy of the forward pass shows every number that moves.

The chain rule becomes visible. How fast a cell moves is its change ÷ the nudge; how fast the loss grows with that
cell is the cell's gradient; the products of the two, summed over the cells of a tensor through which every way to the
loss leads, give the gradient of the nudged number (the multivariable chain rule).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from sheetgrad.autodiff.program import Program, run_lines
from sheetgrad.formulas.fills import fill
from sheetgrad.formulas.places import Place, Placement
from sheetgrad.formulas.printing import Printer
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.cells import CellArray
from sheetgrad.lines.spreads import Range, Spread
from sheetgrad.lines.typed import Range as Cells
from sheetgrad.plan.blocks import COLUMN_WIDTH, NO_CHANGE, Block, Sheet
from sheetgrad.plan.drawing import Drawing, copied, copy_blocks, formula_blocks
from sheetgrad.plan.extents import extent, panels, placed
from sheetgrad.plan.fields import cells_of, largest, panel, single
from sheetgrad.plan.placing import Copy, Placing
from sheetgrad.sheets import numbers
from sheetgrad.tables.table import table

NAME = "Ripple"
PICKED, NUDGE = "laboratory.ripple", "laboratory.nudge"
COPIES = ("as it is", "with the nudge", "change", "change ÷ nudge · gradient")
NOW, AFTER, CHANGE, PRODUCT = range(4)
PASSES = 6  # cells that a number of the forward pass has on this sheet, at most
PAGE_COLUMNS = 40  # the copies stand side by side up to this width, and below one another beyond
FIRST_COLUMN = 3  # after the row numbers
TABLE = table("ripple")
PANEL = 5  # its column of numbers
CELLS = {word: (row, PANEL) for row, word in enumerate(TABLE.panel, 6)}
CHAIN, CHAIN_TOP = 8, 3  # where the table of the chain starts: column and row
STILL = "0.0000;-0.0000;"  # shows nothing where nothing moves


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The sheet."""
    numbers.refuse_heavy(lesson, PASSES)
    return _Ripple(lesson, drawing, values).build()


def gates(program: Program) -> dict[str, list[str]]:
    """By tensor, the requested tensors of which every way to the loss leads through it.

    Every way from a tensor leads through it and through what the ways of all its users have in common (dominators of a
    graph without circles).
    """
    users: dict[str, list[str]] = {}
    for line in program.forward:
        for name in line.operands:
            users.setdefault(name, []).append(line.target)
    through: dict[str, set[str]] = {program.loss: {program.loss}}
    for key in (*(line.target for line in reversed(program.forward)), *program.requested):
        onward = [through[user] for user in users.get(key, ()) if user in through]
        if onward:
            through[key] = {key}.union(set.intersection(*onward))
    keys = (*program.requested, *(line.target for line in program.forward))
    return {key: [name for name in program.requested if key in through[name]] for key in keys}


def chain_columns(program: Program) -> dict[str, int]:
    """The columns of the chain by field. How fast a cell moves with the one before is there only where some line makes
    one number of one: elsewhere nothing would ever stand in it."""
    lines = program.forward_after(program.requested)
    moved = {*program.requested, *(line.target for line in lines)}
    single = any(
        all(math.prod(program.shapes[key]) == 1 for key in (line.target, *moved.intersection(line.operands)))
        for line in lines
    )
    words = [word for word in TABLE.fields if word != "local" or single]
    return {word: CHAIN + k for k, word in enumerate(words)}


NOTES = (
    "How fast a cell moves, times how fast {} grows with it, summed over all cells: that is the gradient,",
    "wherever every way leads through. (Where a line is curved: the smaller the nudge, the closer.)",
)


class _Ripple:
    """The sheet while it is made."""

    def __init__(self, lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]):
        self.lesson, self.drawing, self.values = lesson, drawing, values
        self.program = lesson.program
        self.sheet = Sheet(NAME)
        self.lines = self.program.forward_after(self.program.requested)
        self.moved = (*self.program.requested, *(line.target for line in self.lines))
        operands = dict.fromkeys(name for line in self.lines for name in line.operands)
        self.still = tuple(name for name in operands if name not in self.moved)
        self.nudge = lesson.setting(NUDGE)
        self.tensor, self.index = lesson.numbers[lesson.setting(PICKED)]
        start = np.array(values[self.tensor], dtype=float)
        start[self.index] += self.nudge
        self.after = run_lines(self.lines, {**values, self.tensor: start}, self.program.rules)
        shown = (*self.still, *self.moved)
        self.widest = max(extent(self.program.shapes[key], self._lying(key))[1] for key in shown)
        self.beside = 4 * (self.widest + 1) <= PAGE_COLUMNS
        self.formulas = TABLE.on_cells()
        self.places: dict[str, list[Placement | None]] = {}
        self.copies = self._copies((*self.still, *self.moved))
        self.again: dict[Copy, Place] = {}
        self.columns = chain_columns(self.program)
        self.top: dict[str, int] = {}
        self._settle()

    def _lying(self, key: str) -> str:
        return self.drawing.lying.get(key, "row")

    def _copies(self, keys: tuple[str, ...]) -> list[Copy]:
        """The copies in another order that the formulas of this sheet need."""
        shapes = self.program.shapes
        forms = {key: [placed(NAME, 1, 1, shapes[key], self._lying(key))] for key in keys}
        placing = Placing(shapes, forms, NAME)
        placing.settle({line.target: self.program.cells[line.target] for line in self.lines}, self.program.written)
        return placing.copies

    def _settle(self) -> None:
        """Where every copy stands."""
        row = max(6 + len(CELLS) + 1, CHAIN_TOP + len(self.moved) + 5)
        for key in (*self.program.requested, *self.still, *self.moved[len(self.program.requested) :]):
            shape, lying = self.program.shapes[key], self._lying(key)
            rows, columns = extent(shape, lying)
            self.top[key] = row
            self.places[key] = []
            first = row + 3
            for copy in range(len(COPIES)):
                if (copy == PRODUCT and not self._gradient(key)) or (copy > NOW and key in self.still):
                    self.places[key].append(None)
                    continue
                column = FIRST_COLUMN + copy * (self.widest + 1) if self.beside else FIRST_COLUMN
                at = first if self.beside else first + copy * (rows + 2)
                self.places[key].append(placed(NAME, at, column, shape, lying))
            copies = 1 if self.beside else sum(place is not None for place in self.places[key])
            row = first + copies * (rows + 2) - 1
            for copy in self.copies:
                if copy.tensors[0] == key:
                    self.again[copy] = copy.placed(NAME, row + 1, FIRST_COLUMN)
                    row += copy.extent[0] + 2

    def _gradient(self, key: str) -> bool:
        return key == self.program.loss or f"{key}.g" in self.drawing.places

    # -- formulas -------------------------------------------------------------------------------------------------

    def build(self) -> Sheet:
        sheet = self.sheet
        sheet.label(1, 2, "Nudge one number and watch what moves", "title")
        sheet.label(2, 2, "Left the forward pass as it is, beside it the same with one number nudged.", "subtitle")
        self.book = self._panel()
        for key in self.still:
            self._stays(key)
        for key in self.moved:
            self._section(key)
        self._chain()
        last = sheet.last_column
        sheet.widths = {1: 3.5} | {k: COLUMN_WIDTH for k in range(2, last + 1)} | {PANEL: 12.5}
        names = 2 + 1.2 * max(map(len, self.moved))  # in larger letters
        sheet.widths |= {CHAIN: max(COLUMN_WIDTH, names), self.columns["passed"]: 13.5}
        sheet.sections += sorted(self.top.values())
        return sheet

    def _panel(self) -> dict[str, list[Placement]]:
        sheet, loss = self.sheet, self.program.loss
        sheet.label(4, 2, "the number", "setting_name")
        picked = sheet.input(4, PANEL, self.lesson.setting(PICKED), PICKED)
        sheet.choices[4, PANEL] = numbers.choices(self.lesson)
        sheet.label(4, PANEL + 1, "pick another", "editable_note")
        sheet.label(5, 2, "nudge it by", "setting_name")
        amount = sheet.input(5, PANEL, self.nudge, NUDGE)
        sheet.label(5, PANEL + 1, "try 0.1, then 1", "editable_note")
        book = {word: [Placement(NAME, row, column, (), ())] for word, (row, column) in CELLS.items()}
        book |= numbers.places(self.lesson) | {"pick": [picked], "nudge": [amount]}
        book |= {"now": [self.places[loss][NOW]], "then": [self.places[loss][AFTER]]}
        own = self.drawing.places[self.tensor][0]
        row, column = own.cell(self.index)
        given = dict(
            now=float(self.values[loss]),
            then=float(self.after[loss]),
            largest=largest(self.values[loss], self.after[loss]),
        )
        given |= dict(row=float(row - own.row + 1), column=float(column - own.column + 1))
        found = TABLE.on_numbers(self.given | given | numbers.listed(self.lesson, self.values))
        panel(sheet, CELLS, TABLE, found, self.formulas, book, {"loss": loss})
        return book

    @property
    def given(self) -> dict[str, object]:
        """What every reading of the table on numbers knows."""
        return {"pick": self.lesson.setting(PICKED), "nudge": self.nudge, "tensor": self.tensor}

    def _noise(self, key: str) -> float:
        """How far the change of a cell may be off for rounding alone."""
        return float(TABLE.on_numbers({"largest": largest(self.values[key], self.after[key])})["noise"].value)

    def _stays(self, key: str) -> None:
        """A tensor that no nudge reaches, where the formulas of this sheet need it."""
        now = self.places[key][NOW]
        self.sheet.label(self.top[key], 2, f"{key} (stays as it is)", "section")
        self._captions(key)
        cells = CellArray.named(key, self.program.shapes[key])
        self._copy(key, cells, now, self.drawing.places, self.values[key], "value")
        self._again(key)

    def _captions(self, key: str) -> None:
        shape = self.program.shapes[key]
        for place, words in zip(self.places[key], COPIES, strict=True):
            if place is not None:
                self.sheet.label(
                    place.cell((0,) * len(shape))[0] - 2 - (len(shape) > 2), place.column, words, "caption"
                )

    def _again(self, key: str) -> None:
        """The same numbers in another order, where a formula needs them so."""
        for copy, place in self.again.items():
            if copy.tensors[0] == key:
                self.sheet.label(place.row - 1, FIRST_COLUMN, f"{key} in another order, for the formulas", "caption")
                value = copy.numbers({**self.values, **self.after})
                what = f"{key} on the {NAME} sheet"
                self.sheet.blocks += copy_blocks(copied(copy), place, self._after_book(), value, what, style="value")

    def _section(self, key: str) -> None:
        """The four copies of one tensor, under the line that makes it."""
        sheet, program, shape = self.sheet, self.program, self.program.shapes[key]
        line = next((line for line in self.lines if line.target == key), None)
        step = next((step for step in program.steps if step.result == key), None)
        heading = step.heading if step else line.text if line else f"{key} (given)"
        sheet.label(self.top[key], 2, heading, "section")
        now, after, change, product = self.places[key]
        self._captions(key)
        self._row_numbers(key)
        fine = {"number_format": "0.0000"} if line else {}  # so that a tiny nudge shows
        self._copy(key, CellArray.named(key, shape), now, self.drawing.places, self.values[key], "value", **fine)
        if line:
            self._copy(key, program.cells[key], after, self._after_book(), self.after[key], "value", **fine)
        else:
            self._nudged(key, after)
        self._again(key)
        noise = self._noise(key)
        book = {**self.book, "now": [now], "after": [after], "change": [change]}
        difference = CellArray.named("after", shape) - CellArray.named("now", shape)
        moved = self.after[key] - self.values[key]
        self._copy(key, difference, change, book, moved, "change", tolerance=noise, number_format=STILL)
        sheet.changes += [(after.area, now.area), (change.area, None)]
        if product is not None:
            gradient = self._gradients(key)
            speed = CellArray.named("change", shape) / CellArray.named("nudge", ())
            if key != program.loss:
                speed = speed * CellArray.named(f"{key}.g", shape)
                book[f"{key}.g"] = self.drawing.places[f"{key}.g"]
            shown = moved / self.nudge * gradient
            tolerance = noise / self.nudge * max(1.0, float(np.abs(gradient).max()))
            self._copy(key, speed, product, book, shown, "change", tolerance=tolerance, number_format=STILL)
            sheet.changes.append((product.area, None))

    def _copy(self, key, cells, place, book, value, style, **more) -> None:
        value = np.asarray(value)
        blocks = formula_blocks(cells, place, book, value, f"{key} on the {NAME} sheet", style=style, **more)
        self.sheet.blocks += blocks
        if len(place.shape) > 2:
            for index in panels(place.shape):
                at, _ = place.cell((*index, 0, 0))
                text = f"{key}[{','.join(str(i + 1) for i in index)}]"
                self.sheet.label(at - 1, place.column, text, "note")

    def _row_numbers(self, key: str) -> None:
        """The numbers of the rows and columns: the nudged copy looks there for the number that was picked."""
        if key not in self.program.requested:
            return
        after = self.places[key][AFTER]
        area = after.area
        columns = [[float(k + 1) for k in range(area.right - area.left + 1)]]
        rows = [[float(k + 1)] for k in range(area.bottom - area.top + 1)]
        for (row, column), cells in (((area.top - 1, area.left), columns), ((area.top, 2), rows)):
            if len(self.program.shapes[key]) > 2 and cells is columns:
                row -= 1
            expected = np.array(cells)
            self.sheet.blocks.append(Block(row, column, cells, "index", "fixed", expected, number_format="0"))

    def _nudged(self, key: str, after: Placement) -> None:
        """A given tensor with the picked number nudged."""
        shape, own = self.program.shapes[key], self.drawing.places[key][0]
        heading = after.area.top - 1 - (len(shape) > 2)
        moved = TABLE.on_cells(values={"here": key})["moved"]
        for index in panels(shape):
            inner = shape[len(index) :]
            row, column = after.cell((*index, *[0] * len(inner)))
            part = np.asarray(self.after[key][index])
            grid = part.reshape(extent(inner, self._lying(key)) if len(inner) < 2 else inner)

            def tokens(i: int, j: int, row=row, column=column, index=index, inner=inner):
                steps = after.steps[len(index) :]
                at = (*index, *(i if down else j for down, _ in steps))
                book = {
                    "start": [Placement(own.sheet, *own.cell(at), (), ())],
                    "at_row": [Placement(NAME, row + i, 2, (), ())],
                    "at_column": [Placement(NAME, heading, column + j, (), ())],
                }
                return Printer({**self.book, **book}).tokens(moved)

            filled = fill(tokens, *grid.shape, NAME, True)
            self.sheet.formulas(row, column, filled, grid, "value", name=key, number_format="0.00##")

    def _after_book(self) -> dict[str, list[Placement]]:
        book = dict(self.drawing.places)
        for key in (*self.still, *self.moved):
            place = self.places[key][NOW if key in self.still else AFTER]
            book[key] = [place]
        for copy, place in self.again.items():
            for key in copy.tensors:
                book[key].append(place)
        return book

    # -- the chain ------------------------------------------------------------------------------------------------

    def _chain(self) -> None:
        """A row a tensor: how many cells move, how fast, and what passes through."""
        sheet, through = self.sheet, gates(self.program)
        for word, column in self.columns.items():
            if TABLE.fields[word].heading:
                sheet.label(CHAIN_TOP, column, TABLE.fields[word].heading, "header")
        sheet.heights[CHAIN_TOP] = 46
        for k, text in enumerate(NOTES):
            told = text.format(self.program.loss_in_words)
            sheet.label(CHAIN_TOP + len(self.moved) + 1 + k, CHAIN, told, "note")
        self.rows = {key: CHAIN_TOP + 1 + k for k, key in enumerate(self.moved)}
        counts: dict[str, Spread] = {}
        for key in self.moved:
            line = next((line for line in self.lines if line.target == key), None)
            operands = [name for name in line.operands if name in self.rows] if line else []
            counts[key] = self._link(key, operands, through[key], counts)

    def _link(self, key: str, operands: list[str], ways: list[str], counts) -> Spread:
        """The row of one tensor; gives how many of its cells move."""
        sheet, row = self.sheet, self.rows[key]
        known = {"ways": tuple(ways), "always": len(ways) == len(self.program.requested), "no_change": NO_CHANGE}
        before = {"changes_before": [self.places[name][CHANGE] for name in operands]}
        before |= {"counts_before": [self._cell("count", name) for name in operands]}
        many = {f"{word} {k}": [place] for word, places in before.items() for k, place in enumerate(places)}
        book = {**self.book, "change": [self.places[key][CHANGE]], "product": [self.places[key][PRODUCT]], **many}
        book |= {word: [self._cell(word, key)] for word in self.columns}
        ranges = {word: cells_of(book[word], word) for word in ("change", "product") if book[word][0] is not None}
        for word, places in before.items():
            single_cells = all(place.shape in ((), (1,), (1, 1)) for place in places)
            ranges[word] = Cells(tuple(f"{word} {k}" for k in range(len(places))), single_cells)
        found = TABLE.on_numbers(self._measured(key, operands, counts) | known)
        formulas = TABLE.on_cells(ranges, known)
        sheet.label(row, CHAIN, key, "number")
        total = np.array([[float(np.size(self.values[key]))]])
        at = row, self.columns["of"]
        sheet.blocks.append(Block(*at, total.tolist(), "index", "fixed", total, number_format="0"))
        for word, column in self.columns.items():
            missing = (word == "local" and not operands) or (word == "passed" and self.places[key][PRODUCT] is None)
            if word in TABLE.lines and not missing:
                single(sheet, row, column, TABLE.fields[word], formulas[word], book, found[word])
        return found["count"]

    def _cell(self, word: str, key: str) -> Placement:
        return Placement(NAME, self.rows[key], self.columns[word], (), ())

    def _measured(self, key: str, operands: list[str], counts) -> dict[str, object]:
        """What the row of a tensor reads, on numbers."""
        changes = {name: Spread(self.after[name] - self.values[name], self._noise(name)) for name in (key, *operands)}
        measured = {"change": Range(changes[key]), "counts_before": Range(*(counts[name] for name in operands))}
        measured["changes_before"] = Range(*(changes[name] for name in operands))
        if self._gradient(key):
            gradient = self._gradients(key)
            off = self._noise(key) / self.nudge * max(1.0, float(np.abs(gradient).max()))
            measured["product"] = Range(Spread((self.after[key] - self.values[key]) / self.nudge * gradient, off))
        return self.given | measured

    def _gradients(self, key: str) -> np.ndarray:
        return np.ones(()) if key == self.program.loss else self.values[f"{key}.g"]


SHEET = SheetKind(
    name=NAME,
    about="one number nudged, and every number that moves with it",
    order=90,
    build=build,
    key="laboratory",
    optional=True,
)
