"""Tables of lines → cells: writes the fields of a table into a sheet, and says where formulas find them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from sheetgrad.formulas.expressions import Expr
from sheetgrad.formulas.fills import fill
from sheetgrad.formulas.places import Area, Book, Placement
from sheetgrad.formulas.printing import Printer
from sheetgrad.lines.spreads import Choice, Spread
from sheetgrad.lines.typed import Range
from sheetgrad.plan.blocks import Block, Sheet
from sheetgrad.plan.passes import FIRST_LINE, Passes
from sheetgrad.tables.table import ALL, Field, Table

Found = Mapping[str, Spread | Choice]
BookOf = Callable[[int], Book]


@dataclass(frozen=True)
class Lines:
    """The fields of a table as the summary of passes: one in each of their lines.

    ``words`` stand in the braces of headings and styles.
    """

    table: Table
    passes: Passes
    words: Mapping[str, str]

    @cached_property
    def at(self) -> dict[str, int]:
        """The number of each field in a line."""
        return {name: k for k, name in enumerate(self.table.fields)}

    def headings(self) -> None:
        """The names of fields and passes, and the tensors as they are in the line below."""
        for name, field in self.table.fields.items():
            if field.heading:
                words = field.heading.format_map(self.words)
                self.passes.sheet.label(*self.passes.cell(0, self.at[name]), words, "header")
        self.passes.headings()

    def fixed(self, name: str, values: Sequence[object]) -> None:
        """What the sheet itself puts into a field."""
        field = self.table.fields[name]
        self.passes.fixed(FIRST_LINE, self.at[name], values, field.style, field.format)

    def area(self, name: str) -> Area:
        """The cells of a field in all lines."""
        return self.passes.area(FIRST_LINE, self.passes.last_line, self.at[name])

    def here(self, line: int) -> dict[str, list[Placement]]:
        """Where the fields of one line stand."""
        return {name: [self.passes.place(line, k)] for name, k in self.at.items()}

    @cached_property
    def everywhere(self) -> dict[str, list[Placement]]:
        """Where the fields of all lines and of the table's points stand."""
        step = ((1, 0),) if self.passes.across else ((0, 1),)
        book = {}
        for name, k in self.at.items():
            first = self.passes.cell(FIRST_LINE, k)
            book[f"{ALL}.{name}"] = [Placement(self.passes.sheet.name, *first, (self.passes.count,), step)]
            for point, line in self.table.points.items():
                if line < self.passes.count:
                    book[f"{point}.{name}"] = [self.passes.place(FIRST_LINE + line, k)]
        return book

    def write(
        self,
        found: Found,
        formulas: Mapping[str, Expr],
        book: BookOf,
        fields: Collection[str] | None = None,
        rows: slice = slice(None),
        form: str = "",
        items: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """The formulas of all ``fields`` that have a line, or of some, in all lines or some ``rows``.

        ``book`` says where the names of a line stand that are not fields, ``items`` what the cells of a field are
        about."""
        first = FIRST_LINE + (rows.start or 0)
        places = lru_cache(None)(lambda line: {**self.everywhere, **self.here(line), **book(line)})
        for name, field in self.table.fields.items():
            if name not in self.table.lines or (fields is not None and name not in fields):
                continue
            reading = found[name]
            count = (self.passes.count,)
            expected, off = (np.broadcast_to(part, count)[rows] for part in (reading.expected, reading.off))
            self.passes.field(
                self.at[name],
                formulas[name],
                expected,
                field.style.format_map(self.words),
                form or field.format,
                places,
                first=first,
                tolerance=off,
                **({"near_zero": 0.0} if field.exact else {}),
                **({"items": items[name]} if items and name in items else {}),
            )


def single(
    sheet: Sheet, row: int, column: int, field: Field, formula: Expr, book: Book, found: Spread | Choice
) -> Block:
    """One cell of a panel."""
    return sheet.formula(
        row,
        column,
        formula,
        book,
        found.expected[()],
        field.style,
        tolerance=float(found.off),
        number_format=field.format,
        **({"near_zero": 0.0} if field.exact else {}),
    )


def panel(
    sheet: Sheet,
    cells: Mapping[str, tuple[int, int]],
    table: Table,
    found: Found,
    formulas: Mapping[str, Expr],
    book: Book,
    words: Mapping[str, str],
) -> None:
    """The cells of a panel, each with its heading (if it has one) in column B."""
    for name, (row, column) in cells.items():
        field = table.panel[name]
        if field.heading:
            sheet.label(row, 2, field.heading.format_map(words), "setting_name")
        single(sheet, row, column, field, formulas[name], book, found[name])


def column(
    sheet: Sheet, row: int, column: int, field: Field, formula: Expr, book: BookOf, found: Spread | Choice, **more
) -> None:
    """A field in the rows from ``row`` on; ``book(row)`` says where its names stand."""
    filled = fill(lambda i, j: Printer(book(row + i)).tokens(formula), len(found.off), 1, sheet.name, True)
    more |= dict(tolerance=found.off.reshape(-1, 1), number_format=field.format)
    sheet.formulas(row, column, filled, found.expected.reshape(-1, 1), field.style, **more)


def largest(*arrays: np.ndarray) -> float:
    """The largest size among the finite numbers: what the rounding of their differences goes by."""
    return max(float(np.abs(np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)).max()) for array in arrays)


def cells_of(places: Sequence[Placement], name: str) -> Range:
    """The range of a block's first place, which may be a single cell."""
    area = places[0].area
    return Range((name,), single=(area.top, area.left) == (area.bottom, area.right))
