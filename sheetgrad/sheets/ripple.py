"""The Ripple sheet: one number is nudged, and a second copy of the forward pass shows every number that moves.

The chain rule becomes visible. How fast a cell moves is its change ÷ the nudge; how fast the loss grows with that
cell is the cell's gradient; the products of the two, summed over the cells of a tensor through which every way to the
loss leads, give the gradient of the nudged number (the multivariable chain rule).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sheetgrad.autodiff.program import Program, run_lines
from sheetgrad.formulas.expressions import Call, Expr, Num, Op, Ref, Text, Whole
from sheetgrad.formulas.fills import fill
from sheetgrad.formulas.places import Place, Placement
from sheetgrad.formulas.printing import Printer, number_text
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.cells import CellArray
from sheetgrad.plan.blocks import COLUMN_WIDTH, NO_CHANGE, Block, Sheet
from sheetgrad.plan.drawing import Drawing, copied, copy_blocks, formula_blocks
from sheetgrad.plan.extents import extent, panels, placed
from sheetgrad.plan.placing import Copy, Placing
from sheetgrad.sheets import nudge, numbers

NAME = "Ripple"
PICKED, NUDGE = "laboratory.ripple", "laboratory.nudge"
COPIES = ("as it is", "with the nudge", "change", "change ÷ nudge · gradient")
NOW, AFTER, CHANGE, PRODUCT = range(4)
PASSES = 6  # cells that a number of the forward pass has on this sheet, at most
PAGE_COLUMNS = 40  # the copies stand side by side up to this width, and below one another beyond
FIRST_COLUMN = 3  # after the row numbers
VALUE, LOSS, LOSS_AFTER, SLOPE, GRADIENT, TENSOR, ROW, COLUMN = range(6, 14)  # rows of the panel
PANEL = 5  # its column of numbers
CHAIN, CHAIN_TOP = 8, 3  # where the table of the chain starts: column and row
NOT_REACHED, WHOLE, BRANCH = "not reached", "every way leads through here", "one way of several"
NO_NUMBER = "error"


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


NOTES = (
    "How fast a cell moves, times how fast the loss grows with it, summed over all cells: that is the gradient,",
    "wherever every way leads through. (If a line is curved it needs a tiny nudge: try 0.001.)",
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
        self.places: dict[str, list[Placement | None]] = {}
        self.copies = self._copies((*self.still, *self.moved))
        self.again: dict[Copy, Place] = {}
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
        row = max(COLUMN + 2, CHAIN_TOP + len(self.moved) + 5)
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
        sheet.label(5, PANEL + 1, "try 1, then 0.001", "editable_note")

        def at(row: int) -> list[Placement]:
            return [Placement(NAME, row, PANEL, (), ())]

        book = numbers.places(self.lesson) | {numbers.PICK: [picked], NUDGE: [amount]}
        book |= {"tensor": at(TENSOR), "row": at(ROW), "column": at(COLUMN), "gradient": at(GRADIENT)}
        book |= {"loss now": [self.places[loss][NOW]], "loss after": [self.places[loss][AFTER]]}
        own = self.drawing.places[self.tensor][0]
        row, column = own.cell(self.index)
        now, after = float(self.values[loss]), float(self.after[loss])
        noise = self._rounding(loss)
        slope = Op("/", Op("-", Ref("loss after", ()), Ref("loss now", ())), Ref(NUDGE, ()))
        gradient = float(self.values[f"{self.tensor}.g"][self.index])
        rows: dict[int, tuple[str, Expr, float | str, str, str, float]] = {
            VALUE: ("its value", numbers.of_the_picked("value"), self._picked_value, "setting_copy", "0.00##", 0.0),
            LOSS: (f"{loss} as it is", Ref("loss now", ()), now, "setting_copy", "0.000000", 0.0),
            LOSS_AFTER: (f"{loss} after the nudge", Ref("loss after", ()), after, "setting_copy", "0.000000", 0.0),
            SLOPE: (
                "its change ÷ the nudge",
                slope,
                (after - now) / self.nudge,
                "slope",
                "0.000000",
                noise / self.nudge,
            ),
            GRADIENT: (
                "gradient (rule)",
                numbers.of_the_picked("gradient"),
                gradient,
                "gradient_bold",
                "0.000000",
                0.0,
            ),
            TENSOR: ("stands in", numbers.of_the_picked("tensor"), self.tensor, "setting_copy", "@", 0.0),
            ROW: ("row", numbers.of_the_picked("row"), float(row - own.row + 1), "setting_copy", "0", 0.0),
            COLUMN: (
                "column",
                numbers.of_the_picked("column"),
                float(column - own.column + 1),
                "setting_copy",
                "0",
                0.0,
            ),
        }
        for row, (word, expression, expected, style, form, tolerance) in rows.items():
            sheet.label(row, 2, word, "setting_name")
            sheet.formula(row, PANEL, expression, book, expected, style, tolerance=tolerance, number_format=form)
        return book

    @property
    def _picked_value(self) -> float:
        return float(self.values[self.tensor][self.index])

    def _rounding(self, key: str) -> float:
        """How far the change of a cell may be off for rounding alone."""
        largest = max(float(np.abs(found[key]).max()) for found in (self.values, self.after))
        return nudge.ROUNDINGS * nudge.EPSILON * max(1.0, largest)

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
        self._copy(key, CellArray.named(key, shape), now, self.drawing.places, self.values[key], "value")
        if line:
            self._copy(key, program.cells[key], after, self._after_book(), self.after[key], "value")
        else:
            self._nudged(key, after)
        self._again(key)
        noise = self._rounding(key)
        book = {"now": [now], "after": [after], "change": [change], **self.book}
        difference = CellArray.named("after", shape) - CellArray.named("now", shape)
        moved = self.after[key] - self.values[key]
        self._copy(key, difference, change, book, moved, "change", tolerance=noise, number_format="0.0000")
        sheet.changes += [(after.area, now.area), (change.area, None)]
        if product is not None:
            gradient = self._gradients(key)
            speed = CellArray.named("change", shape) / CellArray.named(NUDGE, ())
            if key != program.loss:
                speed = speed * CellArray.named(f"{key}.g", shape)
                book[f"{key}.g"] = self.drawing.places[f"{key}.g"]
            shown = moved / self.nudge * gradient
            tolerance = noise / self.nudge * max(1.0, float(np.abs(gradient).max()))
            self._copy(key, speed, product, book, shown, "change", tolerance=tolerance, number_format="0.0000")
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
        shape = self.program.shapes[key]
        own = self.drawing.places[key]
        area = after.area
        heading = area.top - 1 - (len(shape) > 2)
        here = Op("=", Ref("tensor", ()), Text(key))
        match = Call(
            "AND", (here, Op("=", Ref("row", ()), Ref("at row", ())), Op("=", Ref("column", ()), Ref("at column", ())))
        )
        for index in panels(shape):
            inner = shape[len(index) :]
            row, column = after.cell((*index, *[0] * len(inner)))
            part = np.asarray(self.after[key][index])
            grid = part.reshape(extent(inner, self._lying(key)) if len(inner) < 2 else inner)

            def tokens(i: int, j: int, row=row, column=column, index=index, inner=inner):
                steps = after.steps[len(index) :]
                at = (*index, *(i if down else j for down, _ in steps))
                book = {
                    key: own,
                    "at row": [Placement(NAME, row + i, 2, (), ())],
                    "at column": [Placement(NAME, heading, column + j, (), ())],
                }
                shift = Call("IF", (match, Ref(NUDGE, ()), Num(0)))
                return Printer({**self.book, **book}).tokens(Op("+", Ref(key, at), shift))

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
        sheet = self.sheet
        headings = {
            0: "the chain",
            1: "cells that move",
            2: "of",
            3: "change ÷ nudge",
            4: "times the one before",
            5: "change ÷ nudge · gradient, summed",
        }
        for k, words in headings.items():
            sheet.label(CHAIN_TOP, CHAIN + k, words, "header", span=2 if k == 5 else 1)
        sheet.heights[CHAIN_TOP] = 46
        for k, text in enumerate(NOTES):
            sheet.label(CHAIN_TOP + len(self.moved) + 1 + k, CHAIN, text, "note")
        through = gates(self.program)
        row_of = {key: CHAIN_TOP + 1 + k for k, key in enumerate(self.moved)}
        moved = {key: self.after[key] - self.values[key] for key in self.moved}
        counts = {
            key: int((np.abs(change) > NO_CHANGE).sum()) if np.isfinite(change).all() else NO_NUMBER
            for key, change in moved.items()
        }
        for key, row in row_of.items():
            change, product = self.places[key][CHANGE], self.places[key][PRODUCT]
            noise = self._rounding(key) * int(np.prod(self.program.shapes[key], dtype=int))
            sheet.label(row, CHAIN, key, "number")
            book = {"change": [change], "count": [Placement(NAME, row, CHAIN + 1, (), ())], **self.book}
            limit = number_text(NO_CHANGE)
            above, below = (Call("COUNTIF", (Whole("change"), Text(f"{sign}{limit}"))) for sign in (">", "<-"))
            count = Op("+", above, below)
            if moved[key].size == 1:  # IronCalc counts in ranges of two cells and more only
                count = Call("IF", (Op(">", Call("ABS", (Whole("change"),)), Num(NO_CHANGE)), Num(1), Num(0)))
            count = Call("IF", (Call("ISNUMBER", (Call("SUM", (Whole("change"),)),)), count, Text(NO_NUMBER)))
            found = counts[key] if counts[key] == NO_NUMBER else float(counts[key])
            sheet.formula(row, CHAIN + 1, count, book, found, "setting_copy", number_format="0")
            total = float(moved[key].size)
            sheet.blocks.append(
                Block(row, CHAIN + 2, [[total]], "index", "fixed", np.array([[total]]), number_format="0")
            )
            single = Op("=", Ref("count", ()), Num(1))
            speed = Op("/", Call("SUM", (Whole("change"),)), Ref(NUDGE, ()))
            rate = float(moved[key].sum()) / self.nudge
            shown = rate if counts[key] == 1 else ""
            tolerance = noise / self.nudge if np.isfinite(noise) else 0.0
            expression = Call("IF", (single, speed, Text("")))
            sheet.formula(row, CHAIN + 3, expression, book, shown, "side", tolerance=tolerance, number_format="0.0000")
            self._local(key, row, row_of, moved, counts, single, book)
            if product is not None:
                total = float((moved[key] * self._gradients(key)).sum()) / self.nudge
                spread = tolerance * max(1.0, float(np.abs(self._gradients(key)).max()))
                sum_of = Call("SUM", (Whole("product"),))
                places = {"product": [product]}
                sheet.formula(
                    row, CHAIN + 5, sum_of, places, total, "slope", tolerance=spread, number_format="0.000000"
                )
            sheet.formula(
                row,
                CHAIN + 7,
                _remark(through[key], self.program.requested),
                book,
                self._said(key, counts, through),
                "remark",
            )

    def _gradients(self, key: str) -> np.ndarray:
        return np.ones(()) if key == self.program.loss else self.values[f"{key}.g"]

    def _local(self, key: str, row: int, row_of, moved, counts, single: Expr, book) -> None:
        """The local derivative where one cell moves one cell: its change ÷ the change before."""
        line = next((line for line in self.lines if line.target == key), None)
        if line is None:
            return
        operands = [name for name in line.operands if name in row_of]
        places = {f"count.{name}": [Placement(NAME, row_of[name], CHAIN + 1, (), ())] for name in operands}
        places |= {f"change.{name}": [self.places[name][CHANGE]] for name in operands}
        before, came = Ref(f"count.{operands[0]}", ()), Call("SUM", (Whole(f"change.{operands[0]}"),))
        for name in operands[1:]:
            before = Op("+", before, Ref(f"count.{name}", ()))
            came = Op("+", came, Call("SUM", (Whole(f"change.{name}"),)))
        test = Call("AND", (single, Op("=", before, Num(1))))
        ratio = Op("/", Call("SUM", (Whole("change"),)), came)
        before_counts = [counts[name] for name in operands]
        alone = counts[key] == 1 and sorted(map(str, before_counts)) == ["0"] * (len(operands) - 1) + ["1"]
        came_by = sum(float(moved[name].sum()) for name in operands)
        expected: float | str = float(moved[key].sum()) / came_by if alone else ""
        if len(operands) > 1 and NO_NUMBER in before_counts:
            expected = np.nan
        noise = sum(self._rounding(name) for name in (key, *operands))
        tolerance = noise / abs(came_by) * (1 + abs(expected)) if alone else 0.0
        self.sheet.formula(
            row,
            CHAIN + 4,
            Call("IF", (test, ratio, Text(""))),
            {**book, **places},
            expected,
            "side",
            tolerance=tolerance,
            number_format="0.0000",
        )

    def _said(self, key: str, counts, through) -> str:
        if not counts[key]:
            return NOT_REACHED
        return WHOLE if self.tensor in through[key] else BRANCH


def _remark(through: list[str], requested: tuple[str, ...]) -> Expr:
    """Whether a tensor is not reached, passed by every way, or by one of several."""
    still = Op("=", Ref("count", ()), Num(0))
    tests = tuple(Op("=", Ref("tensor", ()), Text(name)) for name in through)
    if len(through) == len(requested):
        reached: Expr = Text(WHOLE)
    elif not tests:
        reached = Text(BRANCH)
    else:
        reached = Call("IF", (tests[0] if len(tests) == 1 else Call("OR", tests), Text(WHOLE), Text(BRANCH)))
    return Call("IF", (still, Text(NOT_REACHED), reached))


SHEET = SheetKind(
    name=NAME,
    about="one number nudged, and every number that moves with it",
    order=90,
    build=build,
    key="laboratory",
    optional=True,
)
