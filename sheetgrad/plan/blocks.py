"""The plan's vocabulary: what stands where on which sheet. Pure data; nothing here knows openpyxl or gradients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sheetgrad.errors import SheetgradError
from sheetgrad.formulas.expressions import Expr, Index, Shape
from sheetgrad.formulas.fills import Fill, Filled, fill
from sheetgrad.formulas.places import Area, Book, Placement
from sheetgrad.formulas.printing import Printer
from sheetgrad.lesson.fields import NumberSetting
from sheetgrad.lines.spreads import Spread

COLUMN_WIDTH = 8.7  # characters of Calibri 11, wide enough for -123.45
LARGE = 100_000  # from here on numbers are written with an exponent
NO_CHANGE = 1e-12  # what is smaller is rounding, not a change
MOST_SHEET_COLUMNS = 16_384  # of an Excel sheet
MOST_SHEET_ROWS = 1_048_576
MOST_FORMULAS = 2_000_000  # of one sheet: about 2 GB while it is made; more would take the memory of a school computer


ABOVE_0 = NumberSetting()


class PlanError(SheetgradError, ValueError):
    """A lesson that does not fit a workbook; the message names the tensor and the limit."""


@dataclass(frozen=True)
class Block:
    """A rectangle of cells that are checked.

    ``kind``: ``formula`` (``cells`` are formulas), ``input`` (numbers or texts for the student to change),
    ``fixed`` (labels and numbers that formulas read) or ``blank`` (empty, for the student to fill in). ``expected`` is what NumPy says each cell must show (a tuple
    where several texts will do), ``tolerance`` what may be added to the usual one, ``near_zero`` the usual one for
    numbers near 0. ``name`` is the tensor or gradient it shows, for reports, or for an ``input`` the number to play with;
    ``panel`` which 2-D part of a tensor of higher rank. Over an ``open`` formula a student may write another. ``fills`` are the fills the formulas were made in,
    ``items`` what each cell of a list is about, such as ``w[1,2]``, ``framed`` the cells (row, column) that are marked.
    """

    row: int
    column: int
    cells: Sequence[Sequence[object]]
    style: str
    kind: str
    expected: np.ndarray
    name: str = ""
    panel: int = 0
    open: bool = False
    tolerance: float | np.ndarray = 0.0
    near_zero: float = 1e-12
    number_format: str = "General"
    fills: tuple[Fill, ...] = ()
    items: tuple[str, ...] = ()
    framed: frozenset[tuple[int, int]] = frozenset()

    @property
    def framed_style(self) -> str:
        return f"{self.style}_framed"

    @property
    def rows(self) -> int:
        return len(self.cells)

    @property
    def columns(self) -> int:
        return len(self.cells[0])

    def indices(self, shape: Shape) -> list[Index]:
        """Which numbers of a tensor of this ``shape`` stand in the cells, row by row."""
        stack = tuple(map(int, np.unravel_index(self.panel, shape[:-2]))) if len(shape) > 2 else ()
        return [(*stack, *inner) for inner in np.ndindex(shape[len(stack) :])]

    def stands_in(self, cells: Iterable[tuple[int, int]]) -> frozenset[tuple[int, int]]:
        """Those of the cells (row, column) that are its own."""
        rows, columns = range(self.row, self.row + self.rows), range(self.column, self.column + self.columns)
        return frozenset((row, column) for row, column in cells if row in rows and column in columns)

    def area(self, sheet: str) -> Area:
        return Area(sheet, self.row, self.column, self.row + self.rows - 1, self.column + self.columns - 1)


@dataclass(frozen=True)
class Label:
    """A text that nobody computes with: headings, notes, captions. ``span`` columns by ``rows`` rows are merged for long
    texts; ``link`` is a sheet to go to, ``cell`` where on it, ``tip`` what it is about."""

    row: int
    column: int
    text: str
    style: str
    span: int = 1
    rows: int = 1
    link: str = ""
    cell: str = "A1"
    tip: str = ""


@dataclass(frozen=True)
class Series:
    """A curve of a chart: ``mark`` is ``line``, ``dashes`` or ``points``; ``color`` is ``ink`` or what it is about:
    ``gradient``, ``nudge``, ``wrong``."""

    title: str
    x: Area
    y: Area
    color: str
    mark: str = "line"


@dataclass(frozen=True)
class Chart:
    """A chart of points (x, y) with its upper left corner at a cell; width and height in centimetres. ``ends`` are those of
    the x axis, which ends where the data end whatever is changed in the workbook."""

    row: int
    column: int
    title: str
    x_title: str
    y_title: str
    series: tuple[Series, ...]
    width: float
    height: float
    ends: tuple[float, float]
    logarithmic: bool = False


@dataclass
class Sheet:
    """One sheet: its blocks and labels, and how it is to be looked at and printed.

    ``choices`` are the words that a cell can be set to, or where they stand, ``limits`` the numbers; ``changes`` are areas whose numbers
    are marked when they are not 0, or differ from those of a second area. ``verdicts`` take the colour of the sign that
    they hold, ``sentences`` (verdicts in words, wider than their cell) its ink alone. ``sections`` are the first rows of parts
    that printing keeps on one page where they fit. A ``hidden`` sheet is only read by formulas. On a ``locked`` sheet
    only blanks can be typed into. ``heading`` stands at the top of each printed page, left and right.
    ``tally`` counts the verdicts that the sheet shows on the numbers of the plan: those that agree, stand at a kink or
    disagree, and their total. ``names`` are defined names of areas. ``lights`` is an area whose cells light up within any of
    the rectangles that stand in the rows of a named area: top, left, bottom, right; ``lit_by`` that name, and its rows.
    """

    name: str
    blocks: list[Block] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    widths: dict[int, float] = field(default_factory=dict)
    heights: dict[int, float] = field(default_factory=dict)
    folded_columns: list[tuple[int, int]] = field(default_factory=list)
    folded_rows: list[tuple[int, int]] = field(default_factory=list)
    freeze: str | None = None
    choices: dict[tuple[int, int], tuple[str, ...] | Area] = field(default_factory=dict)
    limits: dict[tuple[int, int], NumberSetting] = field(default_factory=dict)
    charts: list[Chart] = field(default_factory=list)
    changes: list[tuple[Area, Area | None]] = field(default_factory=list)
    verdicts: list[Area] = field(default_factory=list)
    sentences: list[Area] = field(default_factory=list)
    sections: list[int] = field(default_factory=list)
    print_columns: int | None = None
    print_rows: int | None = None
    hidden: bool = False
    locked: bool = False
    heading: tuple[str, str] = ("", "")
    tally: Mapping[str, Spread] = field(default_factory=dict)
    names: dict[str, Area] = field(default_factory=dict)
    lights: Area | None = None
    lit_by: tuple[str, int] = ("", 0)

    def label(self, row: int, column: int, text: str, style: str, **more) -> None:
        self.labels.append(Label(row, column, text, style, **more))

    def formulas(self, row: int, column: int, filled: Filled, expected: np.ndarray, style: str, **more) -> Block:
        """Adds a block of formulas with its upper left corner at ``row``, ``column``."""
        block = Block(row, column, filled.formulas, style, "formula", expected, fills=filled.fills, **more)
        self.blocks.append(block)
        return block

    def formula(
        self, row: int, column: int, expression: Expr, book: Book, expected: float | str | tuple, style: str, **more
    ) -> Block:
        """Adds a single formula; ``book`` says where the names in it stand."""
        tokens = Printer(book).tokens(expression)
        grid = np.empty((1, 1), dtype=float if isinstance(expected, (int, float)) else object)
        grid[0, 0] = expected
        return self.formulas(row, column, fill(lambda i, j: tokens, 1, 1, self.name, True), grid, style, **more)

    def input(
        self,
        row: int,
        column: int,
        value: float | str,
        name: str,
        number_format: str = "General",
        limits: NumberSetting = ABOVE_0,
    ) -> Placement:
        """Adds a number or word to play with, known to the lesson as ``name``; gives its place. A number can only be
        typed within ``limits``."""
        if not isinstance(value, str):
            self.limits[row, column] = limits
        expected = np.array([[value]], dtype=object if isinstance(value, str) else float)
        self.blocks.append(
            Block(row, column, [[value]], "setting", "input", expected, name=name, number_format=number_format)
        )
        return Placement(self.name, row, column, (), ())

    @property
    def formula_count(self) -> int:
        return sum(block.rows * block.columns for block in self.blocks if block.kind == "formula")

    @property
    def last_column(self) -> int:
        edges = [block.column + block.columns - 1 for block in self.blocks]
        return max([*edges, *(label.column + label.span - 1 for label in self.labels)], default=1)

    @property
    def last_row(self) -> int:
        edges = [block.row + block.rows - 1 for block in self.blocks]
        return max([*edges, *(label.row + label.rows - 1 for label in self.labels)], default=1)


@dataclass(frozen=True)
class Plan:
    """A workbook before it is written. ``names`` are the defined names and the areas that they name."""

    title: str
    sheets: tuple[Sheet, ...]
    names: Mapping[str, Area]

    def sheet(self, name: str) -> Sheet:
        return next(sheet for sheet in self.sheets if sheet.name == name)


def number_format(values: np.ndarray) -> str:
    """Two decimals, or as many more (to four) as the smallest number needs so as not to look like 0."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    smallest = sizes.min() if sizes.size else 1.0
    largest = sizes.max() if sizes.size else 1.0
    if largest < 0.0005 or largest >= LARGE:
        return "0.00E+00"
    return "0.00" if smallest >= 0.005 else "0.000" if smallest >= 0.0005 else "0.0000"
