"""The Nudge sheet: every number is nudged, the whole forward pass runs again, and the loss answers.

One line a nudged number: a row, or a column where the forward pass is too long for a row. Only what depends on
the nudged tensor is computed again; everything else is read from the Gradients sheet.

When do a slope and a gradient agree? (:func:`agreement`, :func:`allowed_error`)
The mean of the two one-sided slopes is the central difference. By Taylor's theorem it is off by at most
h²/6 · max|f‴|, and rounding adds at most about ε·|loss|·n / h for n roundings (Higham, "Accuracy and Stability
of Numerical Algorithms", 2nd ed., section 1.14). Three points do not show f‴; it is taken to be no more than 60
times the largest of 1, |loss|, |f′| and the curvature |f″| that they do show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.autodiff import Line, run_lines
from sheetgrad.cells import Call, CellArray, Expr, Index, Num, Op, Ref, Shape, Text
from sheetgrad.formulas import (
    Area,
    Filled,
    FormulaError,
    Placement,
    Printer,
    Token,
    Unaligned,
    element_name,
    fill,
    fill_lines,
    rectangles,
)
from sheetgrad.layout import COLUMN_WIDTH, MOST_SHEET_COLUMNS, Block, PlanError, Sheet, number_format
from sheetgrad.lesson import Lesson
from sheetgrad.sheets import gradients

NAME = "Nudge"
H, SCHEME = "nudge.h", "nudge.scheme"
TOP = 7
PAGE_COLUMNS = 14  # of a table laid down columns, on a printed page
LIGHT = 40_000  # formula cells of this sheet: about a second of recalculation, half a megabyte
LONGEST_ROW = 200  # cells of forward pass; more are laid down a column
EPSILON = float(np.finfo(float).eps)
ROUNDINGS = 64  # roundings in a forward pass that the loss carries, generously
TRUNCATION = 10.0  # 60 / 6, see above
AGREE, KINK, DISAGREE = "✓", "kink", "✗"

FIELDS = {  # what each line shows first, with its style; the fields after VISIBLE fold away
    "number": ("number", "number", "@"),
    "value": ("value", "value", "0.00##"),
    "up": ("loss at +h", "nudge", "0.000000"),
    "down": ("loss at −h", "nudge", "0.000000"),
    "slope": ("slope (nudge)", "slope", "0.000000"),
    "gradient": ("gradient (rule)", "gradient_bold", "0.000000"),
    "difference": ("difference", "difference", "0.0E+00"),
    "verdict": ("agree?", "verdict", "@"),
    "row": ("row", "index", "0"),
    "column": ("column", "index", "0"),
    "right": ("slope to +h", "index", "0.000000"),
    "left": ("slope to −h", "index", "0.000000"),
    "allowed": ("allowed", "index", "0.0E+00"),
}
VISIBLE = 8


@dataclass(frozen=True)
class Nudged:
    """What NumPy finds when numbers of one tensor are nudged: arrays over the nudged numbers."""

    up: np.ndarray
    down: np.ndarray
    right: np.ndarray
    left: np.ndarray
    slope: np.ndarray
    gradient: np.ndarray
    allowed: np.ndarray
    verdict: np.ndarray
    passes: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


def allowed_error(loss: float, gradient, right, left, h: float):
    """How far slope and gradient may be apart: truncation plus rounding, as derived at the top of this module."""
    curvature = np.abs(right - left) / h
    scale = np.maximum.reduce([np.full_like(curvature, max(1.0, abs(loss))), np.abs(gradient), curvature])
    return TRUNCATION * h**2 * scale + rounding_error(loss, h)


def rounding_error(loss: float, h: float) -> float:
    """What rounding alone may do to a slope: ``ROUNDINGS`` roundings of the loss, divided by h."""
    return ROUNDINGS * EPSILON * max(1.0, abs(loss)) / h


def agreement(gradient, right, left, allowed) -> np.ndarray:
    """``✓``, ``✗`` or ``kink``, as the sheet decides; NaN where there is no number to compare.

    At a kink the one-sided slopes differ and the rule's gradient is one of them or lies between: that is neither
    right nor wrong. A wrong gradient lies outside.
    """
    agree = np.abs((right + left) / 2 - gradient) <= allowed
    between = (gradient >= np.minimum(right, left) - allowed) & (gradient <= np.maximum(right, left) + allowed)
    verdict = np.where(agree, AGREE, np.where(between, KINK, DISAGREE)).astype(object)
    verdict[~np.isfinite(gradient + right + left + allowed)] = np.nan  # the sheet shows the error that came before
    return verdict


def nudge_numbers(lesson: Lesson, name: str, numbers: Sequence[Index], values: Mapping[str, np.ndarray]) -> Nudged:
    """Nudges each of ``numbers`` of tensor ``name`` both ways on NumPy."""
    program, h = lesson.program, lesson.nudge.step
    lines = program.forward_after([name])
    loss = float(values[program.loss])
    passes: tuple[dict[str, list], dict[str, list]] = ({}, {})
    for index in numbers:
        for sign, kept in zip((1.0, -1.0), passes, strict=True):
            tensor = np.array(values[name], dtype=float)
            tensor[index] += sign * h
            result = run_lines(lines, {**values, name: tensor}, program.rules)
            for key in (name, *(line.target for line in lines)):
                kept.setdefault(key, []).append(result[key])
    up, down = ({key: np.array(runs) for key, runs in kept.items()} for kept in passes)
    with np.errstate(all="ignore"):
        right, left = (up[program.loss] - loss) / h, (loss - down[program.loss]) / h
        slope = (up[program.loss] - down[program.loss]) / (2 * h) if lesson.nudge.scheme == "central" else right
        gradient = np.array([values[f"{name}.g"][index] for index in numbers])
        allowed = allowed_error(loss, gradient, right, left, h)
        verdict = agreement(gradient, right, left, allowed)
    return Nudged(up[program.loss], down[program.loss], right, left, slope, gradient, allowed, verdict, (up, down))


def sample(lesson: Lesson, room: int) -> dict[str, list[Index]]:
    """The numbers to nudge by tensor: all, or a sample spread evenly over every tensor.

    At most ``[nudge] limit`` numbers, and fewer where their forward passes would take more than ``room`` cells; a
    tensor of which not even one number fits is left out. Raises ``PlanError`` when none is left.
    """
    shapes = {name: lesson.program.shapes[name] for name in lesson.program.requested}
    sizes = {name: int(np.prod(shape, dtype=int)) for name, shape in shapes.items()}
    cost = {name: 2 * _pass_cells(lesson, name) + len(FIELDS) for name in shapes}
    chosen = sorted(shapes, key=lambda name: cost[name])
    limit = lesson.nudge.limit
    while chosen:
        total = sum(sizes[name] for name in chosen)
        counts = {name: _share(sizes[name], total, limit) for name in chosen}
        cells = sum(counts[name] * cost[name] + sizes[name] for name in chosen)
        if cells <= room:
            break
        if limit > len(chosen):
            limit = max(len(chosen), limit * room // cells)
        else:
            chosen.pop()
    if not chosen:
        raise PlanError(
            f"the forward pass is too large to nudge: {min(cost.values()):,} cells a number, {max(room, 0):,} fit"
        )
    return {name: _spread(shapes[name], counts[name]) for name in shapes if name in chosen}


def _share(size: int, total: int, limit: int) -> int:
    return size if total <= limit else max(1, min(size, limit * size // total))


def _spread(shape: Shape, count: int) -> list[Index]:
    """So many elements, evenly spread from the first to the last."""
    size = int(np.prod(shape, dtype=int))
    flat = np.unique(np.linspace(0, size - 1, count).round().astype(int))
    return [tuple(map(int, np.unravel_index(k, shape))) if shape else () for k in flat]


def _pass_cells(lesson: Lesson, name: str) -> int:
    program = lesson.program
    sizes = [int(np.prod(line.shape, dtype=int)) for line in program.forward_after([name])]
    return int(np.prod(program.shapes[name], dtype=int)) + sum(sizes)


def build(lesson: Lesson, drawing: gradients.Drawing, settings: Mapping[str, Placement], values, room: int) -> Sheet:
    """The sheet, of ``room`` cells at most; ``settings`` says where h and the scheme stand on the Lesson sheet."""
    sheet = Sheet(NAME)
    numbers = sample(lesson, min(room, LIGHT))
    across = all(2 * _pass_cells(lesson, name) <= LONGEST_ROW for name in numbers)
    sheet.label(1, 2, "Nudge every number, watch the loss", "title")
    line, folded = ("row", "columns") if across else ("column", "rows")
    sheet.label(
        2,
        2,
        f"Each {line} nudges one number by h and runs the whole forward pass again (folded {folded}: press +).",
        "subtitle",
    )
    sources = {**settings, lesson.program.loss: drawing.places[lesson.program.loss][0]}
    places = _heading(sheet, lesson, sources, values)
    row = TOP
    verdicts: list[str] = []
    for name, indices in numbers.items():
        nudged = nudge_numbers(lesson, name, indices, values)
        section = _Section(lesson, drawing, sheet, places, name, indices, values, nudged, row, across)
        section.build()
        sheet.sections.append(row)
        verdicts += list(nudged.verdict)
        row = section.bottom + 2
    first, last = (2 + list(FIELDS).index("verdict"),) * 2 if across else (2, sheet.last_column)
    _tally(sheet, lesson, numbers, verdicts, Area(NAME, TOP, first, row - 1, last))
    last = sheet.last_column
    if last > MOST_SHEET_COLUMNS:
        raise PlanError(f"Nudge: {last} columns, at most {MOST_SHEET_COLUMNS}; lower [nudge] limit")
    sheet.widths = {1: 3.5} | {k: COLUMN_WIDTH if across else 12.5 for k in range(2, last + 1)}
    sheet.widths |= {2: 15.0} | {k: 12.5 for k in range(3, 2 + VISIBLE)}
    sheet.pages_wide = 1 if across else -(-last // PAGE_COLUMNS)
    if across:
        sheet.folded_columns.append((3 + VISIBLE, last))
        sheet.print_columns = 1 + VISIBLE
    sheet.freeze = "C7" if across else "D7"
    return sheet


def _heading(sheet: Sheet, lesson: Lesson, sources, values) -> dict[str, Placement]:
    """h, the scheme and the loss as it is, at the top; gives their places for the formulas below."""
    shown = {
        H: (3, "h", lesson.nudge.step, "0.0E+00"),
        SCHEME: (4, "scheme", lesson.nudge.scheme, "@"),
        lesson.program.loss: (5, f"{lesson.program.loss} now", float(values[lesson.program.loss]), "0.000000"),
    }
    places = {}
    for key, (row, word, value, form) in shown.items():
        sheet.label(row, 2, word, "setting_name")
        place = Placement(NAME, row, 3, (), ())
        printer = Printer({key: [sources[key]]})
        _formula(sheet, row, 3, Ref(key, ()), printer, value, "setting_copy", form)
        places[key] = place
    sheet.label(3, 4, "change h and the scheme on the Lesson sheet", "note")
    return places


def _formula(sheet: Sheet, row, column, expression: Expr, printer: Printer, expected, style: str, form: str) -> None:
    filled = fill(lambda i, j: printer.tokens(expression), 1, 1, NAME, True)
    grid = np.array([[expected]], dtype=object if isinstance(expected, str) else float)
    sheet.blocks.append(
        Block(row, column, filled.formulas, style, "formula", grid, number_format=form, fills=filled.fills)
    )


def _tally(sheet: Sheet, lesson: Lesson, numbers, verdicts: Sequence[str], table: Area) -> None:
    """How many agree, and how many stand at a kink: counted live over the whole table."""
    total = sum(len(indices) for indices in numbers.values())
    program = lesson.program
    every = sum(int(np.prod(program.shapes[name], dtype=int)) for name in program.requested)
    for row, (word, sign, style) in enumerate(
        (("agree", AGREE, "agree"), ("at a kink", KINK, "kink"), ("disagree", DISAGREE, "disagree")), 3
    ):
        sheet.label(row, 8, word, f"tally_{style}")
        tokens: list[Token] = ["COUNTIF(", table, f',"{sign}")']
        filled = fill(lambda i, j, tokens=tokens: tokens, 1, 1, NAME, True)
        expected = np.array([[float(verdicts.count(sign))]])
        sheet.blocks.append(
            Block(row, 9, filled.formulas, "setting_copy", "formula", expected, number_format="0", fills=filled.fills)
        )
    if total < every:
        sheet.label(5, 4, f"a spread-out sample: {total} of {every} numbers", "note")
    sheet.blocks.append(
        Block(6, 9, [[float(total)]], "setting_copy", "fixed", np.array([[float(total)]]), number_format="0")
    )
    sheet.label(6, 8, "nudged", "setting_name")


def tally_places() -> dict[str, Placement]:
    """Where the counts stand, for the verdict on the Lesson sheet."""
    words = ("nudge.agree", "nudge.kink", "nudge.disagree", "nudge.total")
    return {word: Placement(NAME, 3 + k, 9, (), ()) for k, word in enumerate(words)}


class _Section:
    """The table of one tensor. Positions are (line, field): lines are the nudged numbers, after two for the names
    and for the numbers as they are; fields are what each line shows. Laid across, a line is a row."""

    def __init__(self, lesson, drawing, sheet, places, name, indices, values, nudged, top, across):
        self.lesson, self.drawing, self.sheet, self.places = lesson, drawing, sheet, places
        self.name, self.indices, self.values, self.nudged = name, indices, values, nudged
        self.top, self.across = top, across
        self.program = lesson.program
        self.lines = self.program.forward_after([name])
        self.field_at = {word: k for k, word in enumerate(FIELDS)}
        self.extra: list[tuple[str, bool]] = []  # tensors laid flat once, beside the numbers as they are
        self.turned: set[str] = set()  # nudged or computed here, and laid flat column by column
        self.both: set[str] = set()  # laid flat a second time, in the other order
        self._settle()

    # -- where everything stands ----------------------------------------------------------------------------------

    def cell(self, line: int, field: int) -> tuple[int, int]:
        return (self.top + 1 + line, 2 + field) if self.across else (self.top + 1 + field, 2 + line)

    @property
    def bottom(self) -> int:
        return self.cell(len(self.indices) + 1, self.fields - 1)[0]

    def _settle(self) -> None:
        """Finds the order in which each tensor lies flat, so that every range formula can be written."""
        while True:
            self._assign()
            need = self._unaligned()
            if need is None:
                return
            name, how = need
            if how == "turn":
                self.turned.add(name)
            elif how == "both":
                self.both.add(name)
            else:
                self.extra.append((name, how == "flat turned"))

    def _assign(self) -> None:
        """Numbers the fields: FIELDS, the passes up and down, then the tensors that stay as they are."""
        at = len(FIELDS) + 1
        self.up, self.down, self.flat = {}, {}, {}
        for book in (self.up, self.down):
            for key in (self.name, *(line.target for line in self.lines)):
                for copy in [key, f"{key}.again"] if key in self.both else [key]:
                    book[copy] = at
                    at += int(np.prod(self.program.shapes[key], dtype=int))
            at += 1
        for key in self.extra:
            self.flat[key] = at
            at += int(np.prod(self.program.shapes[key[0]], dtype=int))
        self.fields = at - (0 if self.extra else 1)

    def _flat(self, key: str, field: int, line: int, turned: bool) -> Placement:
        shape = self.program.shapes[key]
        order = range(len(shape)) if turned else reversed(range(len(shape)))
        strides, size = [0] * len(shape), 1
        for axis in order:
            strides[axis] = size
            size *= shape[axis]
        steps = tuple((0, n) if self.across else (n, 0) for n in strides)
        return Placement(NAME, *self.cell(line, field), shape, steps)

    def _book(self, fields: Mapping[str, int], line: int) -> dict[str, list[Placement]]:
        book = {key: list(places) for key, places in self.drawing.places.items()}
        for (key, turned), field in self.flat.items():
            book[key].append(self._flat(key, field, 1, turned))
        for key in (self.name, *(line.target for line in self.lines)):
            book[key] = [self._flat(key, fields[key], line, key in self.turned)]
            if key in self.both:
                book[key].append(self._flat(key, fields[f"{key}.again"], line, key not in self.turned))
        return book | {key: [place] for key, place in self.places.items() if key not in fields}

    def _unaligned(self) -> tuple[str, str] | None:
        printer = Printer(self._book(self.up, 2))
        for line in self.lines:
            cells = self.program.cells[line.target]
            try:
                for corner in {(0,) * cells.ndim, tuple(n - 1 for n in cells.shape)}:
                    printer.tokens(cells.element(corner))
            except Unaligned as error:
                return self._copy(error, line)
            except FormulaError as error:
                raise PlanError(f"{line.text}: {error}") from None
        return None

    def _copy(self, error: Unaligned, line: Line) -> tuple[str, str]:
        """The tensor to lay in another order, and how: what stays as it is gets a flat copy (``flat``, ``flat
        turned``); what is computed in every line is laid the other way (``turn``) or both ways (``both``)."""
        book = self._book(self.up, 2)
        for k, group in enumerate(error.groups):
            name, others = group[0].tensor, [g for n, g in enumerate(error.groups) if n != k]
            if name in self.up:
                ways = [("both", name not in self.turned)] if name not in self.both else []
                ways = [("turn", True), *ways] if name not in self.turned | self.both else ways
            else:
                ways = [("flat", False), ("flat turned", True)]
                ways = [(how, turned) for how, turned in ways if (name, turned) not in self.extra]
            for how, turned in ways:
                trial = [self._flat(name, 0, 0, turned).cell(term.index) for term in group]
                fits = all(self._in_line(trial, other, book, name in self.up) for other in others)
                if fits and len(rectangles([trial])) == 1:
                    return name, how
        raise PlanError(
            f"{line.text}: {error} on the Nudge sheet; give one of them a line of its own, such as  t = x.T"
        )

    def _in_line(self, cells: list[tuple[int, int]], other: Sequence[Ref], book, moved: bool) -> bool:
        """Whether the other operand stands in the same order, or could once it is laid flat as well."""
        name = other[0].tensor
        places = list(book[name])
        if not moved:
            places += [self._flat(name, 0, 0, turned) for turned in (False, True)]
        return any(len(rectangles([cells, [p.cell(term.index) for term in other]])) == 1 for p in places)

    # -- what stands there ----------------------------------------------------------------------------------------

    def build(self) -> None:
        self._headings()
        self._as_it_is()
        for sign, fields, found in (("+", self.up, self.nudged.passes[0]), ("-", self.down, self.nudged.passes[1])):
            self._pass(sign, fields, found)
        self._summary()

    def _headings(self) -> None:
        sheet, count = self.sheet, len(self.indices)
        of = int(np.prod(self.program.shapes[self.name], dtype=int))
        many = "its only number" if of == 1 else f"all {of} numbers" if count == of else f"{count} of {of} numbers"
        sheet.label(self.top, 2, f"{self.name}: {many}, one at a time", "section")
        for word, (heading, _, _) in FIELDS.items():
            sheet.label(*self.cell(0, self.field_at[word]), heading, "header")
        sheet.label(*self.cell(1, 0), "as it is", "number_muted")
        for words, fields in (("+h", self.up), ("−h", self.down)):
            for word, field in fields.items():
                key, again = word.removesuffix(".again"), word.endswith(".again")
                if self.across:
                    sheet.label(self.top, self.cell(0, field)[1], f"{key} at {words}", "note_code")
                names = [element_name(key, index) for index in self._order(key, (key in self.turned) != again)]
                self._names(field, names)
        for (key, turned), field in self.flat.items():
            self._names(field, [element_name(key, index) for index in self._order(key, turned)])
        if not self.across:
            sheet.folded_rows.append((self.cell(0, VISIBLE)[0], self.cell(0, self.fields - 1)[0]))

    def _order(self, key: str, turned: bool) -> list[Index]:
        """The elements in the order in which they lie flat."""
        shape = self.program.shapes[key]
        order = list(np.ndindex(shape[::-1] if turned else shape))
        return [index[::-1] for index in order] if turned else order

    def _names(self, field: int, names: list[str]) -> None:
        cells = [[*names]] if self.across else [[name] for name in names]
        expected = np.array(cells, dtype=object)
        row, column = self.cell(0, field)
        self.sheet.blocks.append(Block(row, column, cells, "element_name", "fixed", expected, number_format="@"))

    def _block(self, line, field, lines, fields, tokens_at, expected, style, form, tolerance=0.0, items=()) -> None:
        """A block of formulas; ``tokens_at(line, field)`` and ``expected[line, field]`` count from its corner."""
        rows, columns = (lines, fields) if self.across else (fields, lines)
        filled = fill(
            (lambda i, j: tokens_at(i, j)) if self.across else (lambda i, j: tokens_at(j, i)), rows, columns, NAME, True
        )
        self._add(line, field, filled, expected, style, form, tolerance, items)

    def _add(self, line, field, filled: Filled, expected, style: str, form: str, tolerance=0.0, items=()) -> None:
        """A block of formulas; ``expected`` and ``tolerance`` are by line and field."""
        row, column = self.cell(line, field)
        if not self.across:
            expected = expected.T
            tolerance = tolerance.T if isinstance(tolerance, np.ndarray) else tolerance
        self.sheet.blocks.append(
            Block(
                row,
                column,
                filled.formulas,
                style,
                "formula",
                expected,
                tolerance=tolerance,
                number_format=form,
                fills=filled.fills,
                items=items,
            )
        )

    def _as_it_is(self) -> None:
        """The tensors laid flat once, as they are: what the nudged copies start from."""
        starts = [(self.name, self.name in self.turned, self.up[self.name])]
        starts += [(key, turned, field) for (key, turned), field in self.flat.items()]
        printer = Printer(self.drawing.places)
        for key, turned, field in starts:
            order = self._order(key, turned)
            numbers = np.array([[self.values[key][index] for index in order]])
            self._block(
                1,
                field,
                1,
                len(order),
                lambda i, j, key=key, order=order: printer.tokens(Ref(key, order[j])),
                numbers,
                "index",
                number_format(numbers),
            )

    def _pass(self, sign: str, fields: Mapping[str, int], found: Mapping[str, np.ndarray]) -> None:
        """The forward pass in every line: the tensor with one number nudged, then the lines that depend on it."""
        count, style = len(self.indices), "pass"
        order = self._order(self.name, self.name in self.turned)
        expected = np.array([[run[index] for index in order] for run in found[self.name]])
        start = self.up[self.name]

        def nudged(i: int, j: int) -> list[Token]:
            label = Ref("label", ())
            book = {
                "base": [Placement(NAME, *self.cell(1, start + j), (), ())],
                "label": [Placement(NAME, *self.cell(0, fields[self.name] + j), (), ())],
                "number": [Placement(NAME, *self.cell(2 + i, 0), (), ())],
                H: [self.places[H]],
            }
            shift = Call("IF", (Op("=", label, Ref("number", ())), Ref(H, ()), Num(0)))
            return Printer(book).tokens(Op(sign, Ref("base", ()), shift))

        self._block(2, fields[self.name], count, len(order), nudged, expected, style, number_format(expected))
        printers: dict[int, Printer] = {}

        def printer(line: int) -> Printer:
            if line not in printers:
                printers[line] = Printer(self._book(fields, 2 + line))
            return printers[line]

        computed = [(line, line.target, self.program.cells[line.target]) for line in self.lines]
        again = [(None, key, CellArray.named(key, self.program.shapes[key])) for key in sorted(self.both)]
        for line, key, cells in computed + again:
            order = self._order(key, (key in self.turned) != (line is None))
            try:
                filled = fill_lines(
                    lambda i, index, cells=cells: printer(i).tokens(cells.element(index)),
                    count,
                    order,
                    cells.shape,
                    NAME,
                    self.across,
                    cells.uniform,
                )
            except FormulaError as error:
                raise PlanError(f"{line.text if line else key}: on the Nudge sheet {error}") from None
            expected = np.array([[run[index] for index in order] for run in found[key]])
            field = fields[key if line else f"{key}.again"]
            self._add(2, field, filled, expected, style, number_format(expected))

    def _summary(self) -> None:
        """Value, losses, slopes, gradient and verdict of each line."""
        nudged, count, loss = self.nudged, len(self.indices), self.program.loss
        h = self.lesson.nudge.step
        noise = rounding_error(float(self.values[loss]), h)
        names = [[element_name(self.name, index)] for index in self.indices]
        self._fixed_block("number", names, "number")
        own, gradient = self.drawing.places[self.name][0], self.drawing.places[f"{self.name}.g"][0]
        at = [own.cell(index) for index in self.indices]
        self._fixed_block("row", [[float(r - own.row + 1)] for r, _ in at], "index", "0")
        self._fixed_block("column", [[float(c - own.column + 1)] for _, c in at], "index", "0")
        values = np.array([self.values[self.name][index] for index in self.indices])

        def field(word: str) -> Ref:
            return Ref(f"field.{word}", ())

        def block_area(place: Placement) -> Area:
            last = place.cell(tuple(n - 1 for n in place.shape))
            return Area(place.sheet, place.row, place.column, *last)

        def indexed(place: Placement):
            if block_area(place).top == block_area(place).bottom and block_area(place).left == block_area(place).right:
                return lambda book: [block_area(place)]
            return lambda book: [
                "INDEX(",
                block_area(place),
                ",",
                *book(field("row")),
                ",",
                *book(field("column")),
                ")",
            ]

        right = Op("/", Op("-", field("up"), Ref(loss, ())), Ref(H, ()))
        left = Op("/", Op("-", Ref(loss, ()), field("down")), Ref(H, ()))
        central = Op("/", Op("-", field("up"), field("down")), Op("*", Num(2), Ref(H, ())))
        slope = Call("IF", (Op("=", Ref(SCHEME, ()), Text("central")), central, right))
        sides = field("right"), field("left")
        bend = Op("/", Call("ABS", (Op("-", *sides),)), Ref(H, ()))
        scale = Call("MAX", (Num(1), Call("ABS", (Ref(loss, ()),)), Call("ABS", (field("gradient"),)), bend))
        truncation = Op("*", Op("*", Num(TRUNCATION), Op("^", Ref(H, ()), Num(2))), scale)
        rounding = Op(
            "/",
            Op("*", Num(float(f"{ROUNDINGS * EPSILON:.3e}")), Call("MAX", (Num(1), Call("ABS", (Ref(loss, ()),))))),
            Ref(H, ()),
        )
        mean = Op("/", Op("+", *sides), Num(2))
        agree = Op("<=", Call("ABS", (Op("-", mean, field("gradient")),)), field("allowed"))
        above = Op(">=", field("gradient"), Op("-", Call("MIN", sides), field("allowed")))
        below = Op("<=", field("gradient"), Op("+", Call("MAX", sides), field("allowed")))
        between = Call("AND", (above, below))
        verdict = Call("IF", (agree, Text(AGREE), Call("IF", (between, Text(KINK), Text(DISAGREE)))))
        parts = {
            "value": (indexed(own), values, 0.0),
            "up": (lambda book: book(field("pass+")), nudged.up, 0.0),
            "down": (lambda book: book(field("pass-")), nudged.down, 0.0),
            "slope": (lambda book: book(slope), nudged.slope, noise),
            "gradient": (indexed(gradient), nudged.gradient, 0.0),
            "difference": (
                lambda book: book(Call("ABS", (Op("-", field("slope"), field("gradient")),))),
                np.abs(nudged.slope - nudged.gradient),
                noise,
            ),
            "right": (lambda book: book(right), nudged.right, noise),
            "left": (lambda book: book(left), nudged.left, noise),
            "allowed": (
                lambda book: book(Op("+", truncation, rounding)),
                nudged.allowed,
                np.abs(nudged.allowed) * 1e-3 + 2 * TRUNCATION * h * noise,
            ),
            "verdict": (lambda book: book(verdict), nudged.verdict, 0.0),
        }
        for word, (tokens, expected, tolerance) in parts.items():
            self._lines_of(word, tokens, expected, tolerance)
        verdict_at = self.field_at["verdict"]
        first, last = self.cell(2, verdict_at), self.cell(count + 1, verdict_at)
        self.sheet.verdicts.append(Area(NAME, *first, *last))

    def _lines_of(self, word: str, tokens, expected: np.ndarray, tolerance) -> None:
        """One field for all lines; ``tokens`` gets a printer for the line."""

        def at(i: int, j: int) -> list[Token]:
            return tokens(Printer(self._line_book(2 + i)).tokens)

        grid = expected.reshape(-1, 1)
        spread = tolerance.reshape(-1, 1) if isinstance(tolerance, np.ndarray) else tolerance
        _, style, form = FIELDS[word]
        if word == "value":
            style = self.lesson.tensors[self.name].role + "_copy"
        items = tuple(element_name(self.name, index) for index in self.indices) if word == "verdict" else ()
        self._block(2, self.field_at[word], len(expected), 1, at, grid, style, form, spread, items)

    def _line_book(self, line: int) -> dict[str, list[Placement]]:
        loss = self.program.loss
        fields = self.field_at | {"pass+": self.up[loss], "pass-": self.down[loss]}
        book = {f"field.{word}": [Placement(NAME, *self.cell(line, k), (), ())] for word, k in fields.items()}
        return book | {key: [place] for key, place in self.places.items()}

    def _fixed_block(self, word: str, column: list[list], style: str, form: str = "@") -> None:
        cells = column if self.across else [[cell for (cell,) in column]]
        row, at = self.cell(2, self.field_at[word])
        expected = np.array(cells, dtype=object)
        self.sheet.blocks.append(Block(row, at, cells, style, "fixed", expected, number_format=form))


def verdict_text(agree: int, kink: int, total: int) -> str:
    """The sentence on the Lesson sheet; see :func:`verdict_expression` for its formula."""
    sentence = f"{agree} of {total} gradients agree with their nudges {AGREE if agree + kink == total else DISAGREE}"
    return sentence + (f" ({kink} at a kink)" if kink else "")


def verdict_expression() -> Expr:
    """The live verdict as a formula over the counts."""
    agree, kink, total = (Ref(f"nudge.{word}", ()) for word in ("agree", "kink", "total"))
    good = Call("IF", (Op("=", Op("+", agree, kink), total), Text(AGREE), Text(DISAGREE)))
    aside = Op("&", Op("&", Text(" ("), kink), Text(" at a kink)"))
    parts = [agree, Text(" of "), total, Text(" gradients agree with their nudges "), good]
    parts.append(Call("IF", (Op(">", kink, Num(0)), aside, Text(""))))
    sentence: Expr = parts[0]
    for part in parts[1:]:
        sentence = Op("&", sentence, part)
    return sentence
