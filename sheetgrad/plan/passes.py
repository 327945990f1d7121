"""The whole forward pass laid flat, once a line: what the Nudge, Step size and Tangent sheets are made of.

A line is a row of the sheet, or a column where the forward pass is too long for a row. The first line holds names,
the second the numbers as they are; in each of the others one number is nudged and everything that depends on it is
computed again. Positions are (line, field): a field is what each line shows, the summary first, then the passes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from sheetgrad.autodiff.program import Line, Program, run_lines
from sheetgrad.formulas.expressions import Call, Expr, Index, Num, Op, Ref
from sheetgrad.formulas.fills import Filled, fill, fill_lines
from sheetgrad.formulas.places import Area, Placement, rectangles
from sheetgrad.formulas.printing import FormulaError, Printer, Token, Unaligned
from sheetgrad.formulas.words import element_name
from sheetgrad.lines.cells import CellArray
from sheetgrad.plan.blocks import Block, PlanError, Sheet, number_format
from sheetgrad.plan.drawing import Drawing

LONGEST_ROW = 200  # cells of forward pass; more are laid down a column
FIRST_LINE = 2  # after the names and the numbers as they are


def pass_cells(program: Program, names: Collection[str]) -> int:
    """Cells of one pass in which a number of ``names`` is nudged."""
    shapes = [program.shapes[name] for name in names] + [line.shape for line in program.forward_after(names)]
    return sum(int(np.prod(shape, dtype=int)) for shape in shapes)


def run_nudged(
    program: Program,
    values: Mapping[str, np.ndarray],
    names: Collection[str],
    nudges: Sequence[tuple[str, Index, float]],
) -> dict[str, np.ndarray]:
    """The same on NumPy: each (tensor, index, amount) in turn; what depends on ``names``, stacked along axis 0."""
    lines = program.forward_after(names)
    kept: dict[str, list[np.ndarray]] = {}
    for name, index, amount in nudges:
        tensor = np.array(values[name], dtype=float)
        tensor[index] += amount
        result = run_lines(lines, {**values, name: tensor}, program.rules)
        for key in (*names, *(line.target for line in lines)):
            kept.setdefault(key, []).append(result[key])
    return {key: np.array(runs) for key, runs in kept.items()}


class Passes:
    """Where everything of a table of passes stands, and the formulas of the passes.

    ``names`` are the tensors that hold the nudged number, ``fields`` how many fields of summary come first,
    ``count`` how many lines, ``titles`` the heading of each pass that a line holds (``+h`` and ``−h``). ``lines`` are
    what each pass computes: the forward lines that depend on ``names``, unless others are given. ``first`` come first
    of what is computed.
    """

    def __init__(
        self,
        sheet: Sheet,
        drawing: Drawing,
        program: Program,
        names: Sequence[str],
        top: int,
        fields: int,
        count: int,
        titles: Sequence[str],
        across: bool,
        lines: Sequence[Line] | None = None,
        first: Sequence[str] = (),
    ):
        self.sheet, self.drawing, self.program = sheet, drawing, program
        self.names, self.top, self.count, self.titles, self.across = tuple(names), top, count, titles, across
        self.summary = fields
        self.lines = program.forward_after(names) if lines is None else tuple(lines)
        self.moved = tuple(dict.fromkeys((*self.names, *first, *(line.target for line in self.lines))))
        self.extra: list[tuple[str, bool]] = []  # tensors laid flat once, beside the numbers as they are
        self.turned: set[str] = set()  # nudged or computed here, and laid flat column by column
        self.both: set[str] = set()  # laid flat a second time, in the other order
        self._settle()

    # -- where everything stands ----------------------------------------------------------------------------------

    def cell(self, line: int, field: int) -> tuple[int, int]:
        """Row and column on the sheet."""
        return (self.top + line, 2 + field) if self.across else (self.top + field, 2 + line)

    def place(self, line: int, field: int) -> Placement:
        return Placement(self.sheet.name, *self.cell(line, field), (), ())

    def area(self, first: int, last: int, field: int) -> Area:
        """The cells of one field in several lines."""
        return Area(self.sheet.name, *self.cell(first, field), *self.cell(last, field))

    @property
    def last_line(self) -> int:
        return FIRST_LINE + self.count - 1

    @property
    def bottom(self) -> int:
        return self.cell(self.last_line, self.fields - 1)[0]

    @property
    def folded(self) -> tuple[int, int]:
        """The first and last field after the summary."""
        return self.summary, self.fields - 1

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
        """Numbers the fields: the summary, the passes, then the tensors that stay as they are."""
        at = self.summary + 1
        self.passes: list[dict[str, int]] = []
        for _ in self.titles:
            book: dict[str, int] = {}
            for key in self.moved:
                for copy in [key, f"{key}.again"] if key in self.both else [key]:
                    book[copy] = at
                    at += int(np.prod(self.program.shapes[key], dtype=int))
            self.passes.append(book)
            at += 1
        self.flat: dict[tuple[str, bool], int] = {}
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
        return Placement(self.sheet.name, *self.cell(line, field), shape, steps)

    def book(self, fields: Mapping[str, int], line: int) -> dict[str, list[Placement]]:
        """Where the formulas of one pass in one line look."""
        book = {key: list(places) for key, places in self.drawing.places.items()}
        for (key, turned), field in self.flat.items():
            book[key].append(self._flat(key, field, 1, turned))
        for key in self.moved:
            book[key] = [self._flat(key, fields[key], line, key in self.turned)]
            if key in self.both:
                book[key].append(self._flat(key, fields[f"{key}.again"], line, key not in self.turned))
        return book

    def _unaligned(self) -> tuple[str, str] | None:
        printer = Printer(self.book(self.passes[0], FIRST_LINE))
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
        book = self.book(self.passes[0], FIRST_LINE)
        for k, group in enumerate(error.groups):
            name, others = group[0].tensor, [g for n, g in enumerate(error.groups) if n != k]
            if name in self.moved:
                ways = [("both", name not in self.turned)] if name not in self.both else []
                ways = [("turn", True), *ways] if name not in self.turned | self.both else ways
            else:
                ways = [("flat", False), ("flat turned", True)]
                ways = [(how, turned) for how, turned in ways if (name, turned) not in self.extra]
            for how, turned in ways:
                trial = [self._flat(name, 0, 0, turned).cell(term.index) for term in group]
                fits = all(self._in_line(trial, other, book, name in self.moved) for other in others)
                if fits and len(rectangles([trial])) == 1:
                    return name, how
        raise PlanError(
            f"{line.text}: {error} on the {self.sheet.name} sheet; give one of them a line of its own, such as  t = x.T"
        )

    def _in_line(self, cells: list[tuple[int, int]], other: Sequence[Ref], book, moved: bool) -> bool:
        """Whether the other operand stands in the same order, or could once it is laid flat as well."""
        name = other[0].tensor
        places = list(book[name])
        if not moved:
            places += [self._flat(name, 0, 0, turned) for turned in (False, True)]
        return any(len(rectangles([cells, [p.cell(term.index) for term in other]])) == 1 for p in places)

    # -- what stands there ----------------------------------------------------------------------------------------

    def headings(self) -> None:
        """The name of each number above (or left of) its field."""
        for words, fields in zip(self.titles, self.passes, strict=True):
            for word, field in fields.items():
                key, again = word.removesuffix(".again"), word.endswith(".again")
                if self.across:
                    self.sheet.label(self.top - 1, self.cell(0, field)[1], f"{key} at {words}", "note_code")
                self._names(field, key, (key in self.turned) != again)
        for (key, turned), field in self.flat.items():
            self._names(field, key, turned)

    def order(self, key: str, turned: bool) -> list[Index]:
        """The elements in the order in which they lie flat."""
        shape = self.program.shapes[key]
        order = list(np.ndindex(shape[::-1] if turned else shape))
        return [index[::-1] for index in order] if turned else order

    def _names(self, field: int, key: str, turned: bool) -> None:
        names = [element_name(key, index) for index in self.order(key, turned)]
        cells = [[*names]] if self.across else [[name] for name in names]
        expected = np.array(cells, dtype=object)
        row, column = self.cell(0, field)
        self.sheet.blocks.append(Block(row, column, cells, "element_name", "fixed", expected, number_format="@"))

    def fixed(self, line: int, field: int, values: Sequence[object], style: str, form: str = "@") -> None:
        """Fixed labels or numbers of one field, a line each."""
        cells = [[value] for value in values] if self.across else [[*values]]
        expected = np.array(cells, dtype=object)
        self.sheet.blocks.append(Block(*self.cell(line, field), cells, style, "fixed", expected, number_format=form))

    def block(self, line: int, field: int, lines: int, fields: int, tokens_at, expected, style, form, **more) -> None:
        """A block of formulas; ``tokens_at(line, field)`` and ``expected[line, field]`` count from its corner."""
        rows, columns = (lines, fields) if self.across else (fields, lines)
        filled = fill(
            (lambda i, j: tokens_at(i, j)) if self.across else (lambda i, j: tokens_at(j, i)),
            rows,
            columns,
            self.sheet.name,
            True,
        )
        self._add(line, field, filled, expected, style, form, **more)

    def _add(self, line, field, filled: Filled, expected, style: str, form: str, tolerance=0.0, **more) -> None:
        """A block of formulas; ``expected`` and ``tolerance`` are by line and field."""
        if not self.across:
            expected = expected.T
            tolerance = tolerance.T if isinstance(tolerance, np.ndarray) else tolerance
        at = self.cell(line, field)
        self.sheet.formulas(*at, filled, expected, style, tolerance=tolerance, number_format=form, **more)

    def as_it_is(self, values: Mapping[str, np.ndarray]) -> None:
        """The tensors laid flat once, as they are: what the nudged copies start from."""
        starts = [(name, name in self.turned, self.passes[0][name]) for name in self.names]
        starts += [(key, turned, field) for (key, turned), field in self.flat.items()]
        printer = Printer(self.drawing.places)
        for key, turned, field in starts:
            order = self.order(key, turned)
            numbers = np.array([[values[key][index] for index in order]])

            def same(i: int, j: int, key=key, order=order) -> list[Token]:
                return printer.tokens(Ref(key, order[j]))

            self.block(1, field, 1, len(order), same, numbers, "index", number_format(numbers))

    def write(
        self,
        which: int,
        found: Mapping[str, np.ndarray],
        number: Callable[[int], Placement],
        amount: Callable[[int], Placement],
        sign: str,
    ) -> None:
        """One pass of every line: the number whose name stands at ``number(line)`` moves by ``amount(line)``.

        ``found`` is what :func:`run_nudged` gives for these lines.
        """
        fields = self.passes[which]
        for name in self.names:
            order, start = self.order(name, name in self.turned), self.passes[0][name]
            expected = np.array([[run[index] for index in order] for run in found[name]])

            def nudged(i: int, j: int, name=name, start=start) -> list[Token]:
                book = {
                    "base": [self.place(1, start + j)],
                    "label": [self.place(0, fields[name] + j)],
                    "number": [number(FIRST_LINE + i)],
                    "amount": [amount(FIRST_LINE + i)],
                }
                shift = Call("IF", (Op("=", Ref("label", ()), Ref("number", ())), Ref("amount", ()), Num(0)))
                return Printer(book).tokens(Op(sign, Ref("base", ()), shift))

            field = fields[name]
            self.block(FIRST_LINE, field, self.count, len(order), nudged, expected, "pass", number_format(expected))
        self.compute(which, found)

    def compute(self, which: int, found: Mapping[str, np.ndarray]) -> None:
        """The lines of one pass in every line of the table; ``found`` has what NumPy says, stacked along axis 0."""
        fields = self.passes[which]
        printers: dict[int, Printer] = {}

        def printer(line: int) -> Printer:
            if line not in printers:
                printers[line] = Printer(self.book(fields, FIRST_LINE + line))
            return printers[line]

        computed = [(line, line.target, self.program.cells[line.target]) for line in self.lines]
        again = [(None, key, CellArray.named(key, self.program.shapes[key])) for key in sorted(self.both)]
        for line, key, cells in computed + again:
            order = self.order(key, (key in self.turned) != (line is None))
            try:
                filled = fill_lines(
                    lambda i, index, cells=cells: printer(i).tokens(cells.element(index)),
                    self.count,
                    order,
                    cells.shape,
                    self.sheet.name,
                    self.across,
                    cells.uniform,
                )
            except FormulaError as error:
                raise PlanError(f"{line.text if line else key}: on the {self.sheet.name} sheet {error}") from None
            expected = np.array([[run[index] for index in order] for run in found[key]])
            field = fields[key if line else f"{key}.again"]
            style = "pass_gradient" if key.partition(".")[2] else "pass"
            self._add(FIRST_LINE, field, filled, expected, style, number_format(expected))

    def field(
        self,
        field: int,
        expression: Expr,
        expected: np.ndarray,
        style: str,
        form: str,
        book: Callable[[int], Mapping[str, Sequence[Placement]]],
        first: int = FIRST_LINE,
        tolerance: float | np.ndarray = 0.0,
        **more,
    ) -> None:
        """One field of the summary in every line from ``first`` on; ``book(line)`` says where its names stand."""

        def tokens(i: int, j: int) -> list[Token]:
            return Printer(book(first + i)).tokens(expression)

        grid = np.empty((len(expected), 1), dtype=expected.dtype)
        grid[:, 0] = expected
        spread = tolerance.reshape(-1, 1) if isinstance(tolerance, np.ndarray) else tolerance
        self.block(first, field, len(expected), 1, tokens, grid, style, form, tolerance=spread, **more)
