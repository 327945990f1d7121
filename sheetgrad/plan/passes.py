"""The whole forward pass laid flat, once a line: what the Nudge, Best h and Tangent sheets are made of.

A line is a row of the sheet, or a column where the forward pass is too long for a row. The first line holds names,
the second the numbers as they are; in each of the others one number is nudged and everything that depends on it is
computed again. Positions are (line, field): a field is what each line shows, the summary first, then the passes.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from sheetgrad.autodiff.program import Line, Program, run_lines
from sheetgrad.formulas.expressions import Expr, Index
from sheetgrad.formulas.fills import Filled, fill, fill_lines
from sheetgrad.formulas.places import Area, Book, Place, Placement
from sheetgrad.formulas.printing import Printer, Token
from sheetgrad.formulas.sums import FormulaError
from sheetgrad.formulas.words import element_name
from sheetgrad.lines.cells import CellArray
from sheetgrad.plan.blocks import (
    COLUMN_WIDTH,
    MOST_FORMULAS,
    MOST_SHEET_COLUMNS,
    MOST_SHEET_ROWS,
    Block,
    PlanError,
    Sheet,
    number_format,
)
from sheetgrad.plan.drawing import Drawing
from sheetgrad.plan.placing import Copy, Order, Placing
from sheetgrad.tables.table import table

LONGEST_ROW = 400  # cells of forward pass, so that a row keeps within 1,024 columns; more are laid down a column
LETTER = 1.15  # of a name in code, in the units of column widths
FIRST_LINE = 2  # after the names and the numbers as they are
TABLE = table("passes")
# The passes that a verdict needs, by their lines in passes.toml: what each is called, and how many h it moves a number.
WAYS = {"plus": ("+h", 1.0), "minus": ("−h", -1.0), "plus_half": ("+h/2", 0.5), "minus_half": ("−h/2", -0.5)}
TITLES = tuple(title for title, _ in WAYS.values())


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


def run_ways(
    program: Program,
    values: Mapping[str, np.ndarray],
    names: Collection[str],
    nudges: Sequence[tuple[str, Index, float]],
) -> dict[str, dict[str, np.ndarray]]:
    """The same by each of :data:`WAYS`: every (tensor, index, h) nudged by h and by half of it, up and down."""
    return {
        way: run_nudged(program, values, names, [(name, index, times * h) for name, index, h in nudges])
        for way, (_, times) in WAYS.items()
    }


@dataclass(frozen=True)
class Laid:
    """How the tensors of a pass lie flat: ``orders`` by tensor, ``again`` the copies that every line repeats, ``still``
    those of tensors that stay as they are, laid flat once."""

    orders: Mapping[str, Order]
    again: tuple[Copy, ...]
    still: tuple[Copy, ...]

    @property
    def line_cells(self) -> int:
        """Cells of one pass in one line."""
        return sum(part.size for part in (*self.orders.values(), *self.again))

    @property
    def once_cells(self) -> int:
        """Cells that a table needs once, besides the numbers as they are."""
        return sum(copy.size for copy in self.still)


def lay_flat(drawing: Drawing, program: Program, sheet: str, moved: Sequence[str], lines, across: bool) -> Laid:
    """The order in which each of the ``moved`` tensors lies, so that the formulas of ``lines`` can be written; it does
    not depend on how many lines a table has. Raises ``PlanError`` naming the line that cannot."""
    placing = Placing(program.shapes, drawing.places, sheet, (0, 1) if across else (1, 0), moved)
    placing.settle({line.target: program.cells[line.target] for line in lines}, program.written)
    again = tuple(copy for copy in placing.copies if set(moved).intersection(copy.tensors))
    return Laid(placing.orders, again, tuple(copy for copy in placing.copies if copy not in again))


class Passes:
    """Where everything of a table of passes stands, and the formulas of the passes.

    ``names`` are the tensors that hold the nudged number, ``fields`` how many fields of summary come first,
    ``count`` how many lines, ``titles`` the heading of each pass that a line holds (``+h`` and ``−h``). ``lines`` are
    what each pass computes: the forward lines that depend on ``names``, unless others are given. ``first`` come first
    of what is computed. ``laid`` is what :func:`lay_flat` gives, where that is known already; ``style`` that of what is
    computed and no gradient: as of nudged numbers, unless it says otherwise.
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
        laid: Laid | None = None,
        style: str = "pass",
    ):
        self.sheet, self.drawing, self.program = sheet, drawing, program
        self.names, self.top, self.count, self.titles, self.across = tuple(names), top, count, titles, across
        self.summary, self.style = fields, style
        self.lines = program.forward_after(names) if lines is None else tuple(lines)
        self.moved = tuple(dict.fromkeys((*self.names, *first, *(line.target for line in self.lines))))
        self.laid = laid or lay_flat(drawing, program, sheet.name, self.moved, self.lines, across)
        self._assign()

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

    def _assign(self) -> None:
        """Numbers the fields: the summary, the passes, then the tensors that stay as they are."""
        at = self.summary + 1
        self.passes: list[dict[str | Copy, int]] = []  # by tensor, and by copy of one, its first field
        for _ in self.titles:
            book: dict[str | Copy, int] = {}
            for key in self.moved:
                book[key] = at
                at += self.laid.orders[key].size
                for copy in self.laid.again:
                    if self._stands_under(copy) == key:
                        book[copy] = at
                        at += copy.size
            self.passes.append(book)
            at += 1
        self.flat: dict[Copy, int] = {}
        for copy in self.laid.still:
            self.flat[copy] = at
            at += copy.size
        self.fields = at - (0 if self.flat else 1)
        cells = self.count * len(self.titles) * self.laid.line_cells
        if cells > MOST_FORMULAS:
            raise PlanError(f"{self.sheet.name}: {cells:,} cells of passes, at most {MOST_FORMULAS:,}")
        _, last_column = self.cell(self.last_line, self.fields - 1)
        if last_column > MOST_SHEET_COLUMNS or self.bottom > MOST_SHEET_ROWS:
            raise PlanError(
                f"{self.sheet.name}: {self.bottom:,} rows and {last_column:,} columns; a sheet has {MOST_SHEET_ROWS:,} "
                f"and {MOST_SHEET_COLUMNS:,}"
            )

    def _stands_under(self, copy: Copy) -> str:
        return next(key for key in self.moved if key in copy.tensors)

    def book(self, fields: Mapping[str | Copy, int], line: int) -> Book:
        """Where the formulas of one pass in one line look."""
        name, orders = self.sheet.name, self.laid.orders
        own: dict[str, list[Place]] = {}
        for key, field in fields.items():
            if isinstance(key, str):
                own[key] = [orders[key].placed(name, *self.cell(line, field))]
        for copy in self.laid.again:
            place = copy.placed(name, *self.cell(line, fields[copy]))
            for key in copy.tensors:
                own.setdefault(key, list(self._unmoved.get(key, ()))).append(place)
        return ChainMap(own, self._unmoved)

    @cached_property
    def _unmoved(self) -> Book:
        """The places of what stays as it is."""
        flat: dict[str, list[Place]] = {}
        for copy, field in self.flat.items():
            place = copy.placed(self.sheet.name, *self.cell(1, field))
            for key in copy.tensors:
                flat.setdefault(key, list(self.drawing.places[key])).append(place)
        return ChainMap(flat, self.drawing.places)

    # -- what stands there ----------------------------------------------------------------------------------------

    def headings(self) -> None:
        """The name of each number above (or left of) its field."""
        for words, fields in zip(self.titles, self.passes, strict=True):
            for part, field in fields.items():
                if self.across:
                    key = part if isinstance(part, str) else self._stands_under(part)
                    said = f"{key} at {words}" if words else key
                    self.sheet.label(self.top - 1, self.cell(0, field)[1], said, "note_code")
                self._names(field, self.laid.orders[part] if isinstance(part, str) else part)
        for copy, field in self.flat.items():
            self._names(field, copy)

    def order(self, key: str) -> list[Index]:
        """The elements of a tensor of the passes in the order in which they lie flat."""
        return [term.index for term in self.laid.orders[key].terms]

    def _names(self, field: int, part: Copy) -> None:
        """The names of the elements, in columns as wide as these need."""
        names = [element_name(term.tensor, term.index) for term in part.terms]
        for k, name in enumerate(names):
            _, column = self.cell(0, field + k)
            self.sheet.widths[column] = max(self.sheet.widths.get(column, COLUMN_WIDTH), 1 + LETTER * len(name))
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
        """The tensors laid flat once, as they are: what the nudged copies start from. A row of them is folded away."""
        self.sheet.label(*self.cell(1, 0), "as it is", "number_muted")
        if self.across:
            self.sheet.folded_rows.append((self.cell(1, 0)[0],) * 2)
        starts = [(self.laid.orders[name], self.passes[0][name]) for name in self.names] + list(self.flat.items())
        printer = Printer(self.drawing.places)
        for part, field in starts:
            terms, numbers = part.terms, part.numbers(values).reshape(1, -1)

            def same(i: int, j: int, terms=terms) -> list[Token]:
                return printer.tokens(terms[j])

            self.block(1, field, 1, len(terms), same, numbers, "index", number_format(numbers))

    def write(
        self,
        which: int,
        found: Mapping[str, np.ndarray],
        number: Callable[[int], Placement],
        amount: Callable[[int], Placement],
        way: str = "plus",
    ) -> None:
        """One pass of every line: the number whose name stands at ``number(line)`` moves by ``amount(line)``.

        ``found`` is what :func:`run_nudged` gives for these lines.
        """
        fields = self.passes[which]
        moved = TABLE.on_cells()[way]
        for name in self.names:
            field, start = fields[name], self.passes[0][name]
            expected = _stacked(self.laid.orders[name], found)

            def nudged(i: int, j: int, field=field, start=start) -> list[Token]:
                book = {
                    "start": [self.place(1, start + j)],
                    "label": [self.place(0, field + j)],
                    "number": [number(FIRST_LINE + i)],
                    "amount": [amount(FIRST_LINE + i)],
                }
                return Printer(book).tokens(moved)

            self.block(
                FIRST_LINE, field, self.count, expected.shape[1], nudged, expected, "pass", number_format(expected)
            )
        self.compute(which, found)

    def write_ways(
        self,
        runs: Mapping[str, Mapping[str, np.ndarray]],
        number: Callable[[int], Placement],
        amount: Callable[[int], Placement],
    ) -> None:
        """All of :data:`WAYS`; ``runs`` is what :func:`run_ways` gives."""
        for which, way in enumerate(WAYS):
            self.write(which, runs[way], number, amount, way)

    def losses(self, line: int) -> dict[str, list[Placement]]:
        """Where the loss at the end of each of :data:`WAYS` stands in a line."""
        loss = self.program.loss
        return {way: [self.place(line, fields[loss])] for way, fields in zip(WAYS, self.passes, strict=True)}

    def compute(
        self, which: int, found: Mapping[str, np.ndarray], spread: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """The lines of one pass in every line of the table; ``found`` has what NumPy says, stacked along axis 0, and
        ``spread`` how far off each number may be."""
        fields = self.passes[which]
        printer = lru_cache(None)(lambda line: Printer(self.book(fields, FIRST_LINE + line)))
        for line in self.lines:
            cells = self.program.cells[line.target]
            self._computed(
                line.target, self.laid.orders[line.target], fields[line.target], cells, printer, found, spread
            )
        for copy in self.laid.again:
            terms = copy.terms
            cells = CellArray((len(terms),), lambda index, terms=terms: terms[index[0]], uniform=False)
            self._computed(self._stands_under(copy), copy, fields[copy], cells, printer, found, spread)

    def _computed(self, key: str, part: Copy, field: int, cells: CellArray, printer, found, spread) -> None:
        """The formulas of a tensor, or of a copy, in every line."""
        own = part is self.laid.orders.get(key)
        elements = [term.index for term in part.terms] if own else list(np.ndindex(cells.shape))
        try:
            filled = fill_lines(
                lambda i, index: printer(i).placed(cells.pieces(index)),
                self.count,
                elements,
                cells.shape,
                self.sheet.name,
                self.across,
                cells.uniform,
            )
        except FormulaError as error:
            raise PlanError(f"{self.program.written(key)}: on the {self.sheet.name} sheet {error}") from None
        expected = _stacked(part, found)
        style = "pass_gradient" if key.partition(".")[2] else self.style
        tolerance = _stacked(part, spread) if spread else 0.0
        self._add(FIRST_LINE, field, filled, expected, style, number_format(expected), tolerance=tolerance)

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


def _stacked(part: Copy, found: Mapping[str, np.ndarray]) -> np.ndarray:
    """Its numbers in every line: ``found`` has those of each tensor stacked along axis 0."""
    if isinstance(part, Order):
        numbers = np.asarray(found[part.tensor])
        return np.transpose(numbers, (0, *(axis + 1 for axis in part.axes))).reshape(len(numbers), -1)
    return np.array([found[term.tensor][(slice(None), *term.index)] for term in part.terms]).T
