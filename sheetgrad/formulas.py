"""Printing: from an expression and the places of its tensors to Excel formulas that a person could have typed.

Two ideas: an *area* is a rectangle of cells on a sheet, and a *fill* is one formula whose areas move, or stay
(``$``), as it is dragged down and to the right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from openpyxl.utils import get_column_letter, quote_sheetname

from sheetgrad.cells import Call, Expr, Fold, Index, Neg, Num, Op, Ref, Shape, Text, Whole

SPELLED_OUT = 4  # so many terms of a sum are written one by one; more become a range
MOST_PANELS = 16  # so many ranges are joined where a tensor of rank 3 lies in panels
LONGEST = 8192  # characters of a formula that Excel reads
DEEPEST = 64  # levels of nesting that Excel reads
LEVELS = {"&": 1.5, "=": 1, "<>": 1, "<": 1, "<=": 1, ">": 1, ">=": 1, "+": 2, "-": 2, "*": 3, "/": 3, "^": 4}
ATOM = 6


class FormulaError(ValueError):
    """An element that cannot be written as a formula of the portable dialect."""


class Unaligned(FormulaError):  # noqa: N818 (it asks for a copy rather than reports a fault)
    """Cells that a range function needs side by side, but that do not stand so.

    ``groups`` are the operands of the sum, each a list of elements in order; a copy of one of these tensors in
    the order of the other makes the formula possible.
    """

    def __init__(self, groups: Sequence[Sequence[Ref]]):
        super().__init__(f"{' and '.join(group[0].tensor for group in groups)} do not stand side by side")
        self.groups = groups


@dataclass(frozen=True, slots=True)
class Area:
    """Cells ``top:bottom`` by ``left:right`` (counted from 1) of a sheet."""

    sheet: str
    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Placement:
    """Where a tensor stands: the cell of its first element, and how one step along each axis moves (rows, columns).

    A matrix block has steps ``((1, 0), (0, 1))``, its turned copy ``((0, 1), (1, 0))``, a matrix laid flat in a
    row of ``m`` columns a line ``((0, m), (0, 1))``, stacked panels ``((rows + 1, 0), (1, 0), (0, 1))``.
    """

    sheet: str
    row: int
    column: int
    shape: Shape
    steps: tuple[tuple[int, int], ...]

    def cell(self, index: Index) -> tuple[int, int]:
        """Row and column of an element."""
        row, column = self.row, self.column
        for i, (down, right) in zip(index, self.steps, strict=True):
            row += i * down
            column += i * right
        return row, column

    @property
    def area(self) -> Area:
        """All its cells, for panels with the labels between them."""
        return Area(self.sheet, self.row, self.column, *self.cell(tuple(n - 1 for n in self.shape)))


Book = Mapping[str, Sequence[Placement]]  # by tensor, the places to look at, nearest first
Token = str | Area
Corners = tuple[int, int, int, int]  # top, left, bottom, right


class Printer:
    """Writes expressions as token lists: text and areas, in the portable dialect (DESIGN, section 6)."""

    def __init__(self, book: Book):
        self.book = book

    def tokens(self, expression: Expr) -> list[Token]:
        """The formula without ``=``. Raises ``Unaligned`` when a range is needed where there is none."""
        return self._write(expression)[0]

    def _write(self, expression: Expr) -> tuple[list[Token], int]:
        """Tokens and the binding level of the outermost operator."""
        match expression:
            case Num(value=value):
                return ([number_text(value)], ATOM) if value >= 0 else ([number_text(value)], 2)
            case Text(value=value):
                return ['"' + value.replace('"', '""') + '"'], ATOM
            case Ref(tensor=tensor, index=index):
                return [self._cell(self._places(tensor)[0], index)], ATOM
            case Whole(tensor=tensor):
                return [self._places(tensor)[0].area], ATOM
            case Neg(operand=operand):
                return self._negative(operand)
            case Op(symbol=symbol, left=left, right=right):
                level = LEVELS[symbol]
                base = level + 1 if symbol == "^" else level  # 2^3^2 is 64 in Excel: always bracketed
                return [*self._bracketed(left, base), symbol, *self._bracketed(right, level + 1)], level
            case Call(function=function, arguments=arguments):
                return self._function(function, [self._write(argument)[0] for argument in arguments]), ATOM
            case Fold(function="MAX", terms=terms):
                return self._largest(terms), ATOM
            case Fold(terms=terms):
                return self._sum(terms)
        raise TypeError(expression)

    def _negative(self, operand: Expr) -> tuple[list[Token], int]:
        """``-operand``. Before a power it is ``-1*``: Excel reads ``-A1^2`` as ``(-A1)^2``, and not every
        application that opens a file keeps the brackets of ``-(A1^2)`` (IronCalc 0.9 does not)."""
        tokens, level = self._write(operand)
        if level < ATOM and "^" in tokens:
            return ["-1*", *_in_brackets(tokens, level, 3)], 3
        return ["-", *_in_brackets(tokens, level, 5)], 2

    def _bracketed(self, expression: Expr, level: int) -> list[Token]:
        return _in_brackets(*self._write(expression), level)

    @staticmethod
    def _function(name: str, arguments: Sequence[Sequence[Token]]) -> list[Token]:
        tokens: list[Token] = [f"{name}("]
        for k, argument in enumerate(arguments):
            tokens += [",", *argument] if k else argument
        return [*tokens, ")"]

    def _places(self, tensor: str) -> Sequence[Placement]:
        try:
            return self.book[tensor]
        except KeyError:
            raise FormulaError(f"{tensor} has no place on the sheets") from None

    @staticmethod
    def _cell(place: Placement, index: Index) -> Area:
        row, column = place.cell(index)
        return Area(place.sheet, row, column, row, column)

    # -- many terms -----------------------------------------------------------------------------------------------

    def _largest(self, terms: Sequence[Expr]) -> list[Token]:
        if all(isinstance(term, Ref) for term in terms):
            try:
                return self._function("MAX", [[runs[0]] for runs in self._aligned([terms])])
            except Unaligned:
                if len(terms) > SPELLED_OUT:
                    raise
        if len(terms) > SPELLED_OUT:
            raise FormulaError(
                "the largest of more than four computed terms; give the inner values a line of their own"
            )
        return self._function("MAX", [self._write(term)[0] for term in terms])

    def _sum(self, terms: Sequence[Expr]) -> tuple[list[Token], int]:
        if len(terms) <= SPELLED_OUT:
            tokens = self._bracketed(terms[0], 2)
            for term in terms[1:]:
                tokens = [*tokens, "+", *self._bracketed(term, 3)]
            return tokens, 2
        match terms[0]:
            case Ref():
                if all(isinstance(term, Ref) for term in terms):
                    return self._ranges("SUM", [terms])
            case Neg() if all(isinstance(term, Neg) for term in terms):
                inner = Fold("SUM", tuple(term.operand for term in terms))
                return self._write(Neg(inner))
            case Op(symbol=symbol) if all(isinstance(t, Op) and t.symbol == symbol for t in terms):
                return self._sum_of_operations(symbol, terms)
        if all(term == terms[0] for term in terms):
            return self._write(Op("*", Num(len(terms)), terms[0]))
        raise FormulaError("a sum of more than four computed terms; give the inner values a line of their own")

    def _sum_of_operations(self, symbol: str, terms: Sequence[Op]) -> tuple[list[Token], int]:
        lefts, rights = [term.left for term in terms], [term.right for term in terms]
        same_left = all(left == lefts[0] for left in lefts)
        same_right = all(right == rights[0] for right in rights)
        if same_left and same_right:
            return self._write(Op("*", Num(len(terms)), terms[0]))
        if symbol == "*" and same_left:
            return self._write(Op("*", lefts[0], Fold("SUM", tuple(rights))))
        if symbol in "*/" and same_right:
            return self._write(Op(symbol, Fold("SUM", tuple(lefts)), rights[0]))
        if symbol == "*" and _all_refs(lefts) and _all_refs(rights):
            return self._ranges("SUMPRODUCT", [lefts, rights])
        if symbol == "*" and _all_refs(rights) and all(isinstance(left, Op) for left in lefts):
            factors, inner = [left.left for left in lefts], [left.right for left in lefts]
            if all(left.symbol == "*" and left.left == factors[0] for left in lefts) and _all_refs(inner):
                product = Fold("SUM", tuple(Op("*", a, b) for a, b in zip(inner, rights, strict=True)))
                return self._write(Op("*", factors[0], product))
        if symbol == "^" and rights[0] == Num(2):
            if _all_refs(lefts):
                return self._ranges("SUMSQ", [lefts])
            if all(isinstance(left, Op) and left.symbol == "-" for left in lefts):
                groups = [[left.left for left in lefts], [left.right for left in lefts]]
                if all(map(_all_refs, groups)):
                    return self._ranges("SUMXMY2", groups)
        if symbol in "+-":
            return self._write(Op(symbol, Fold("SUM", tuple(lefts)), Fold("SUM", tuple(rights))))
        raise FormulaError("a sum of more than four computed terms; give the inner values a line of their own")

    def _ranges(self, function: str, groups: Sequence[Sequence[Ref]]) -> tuple[list[Token], int]:
        runs = self._aligned(groups)
        if function in ("SUM", "SUMSQ"):
            return self._function(function, [[areas[0]] for areas in runs]), ATOM
        tokens: list[Token] = []
        for areas in runs:
            tokens += ["+"] if tokens else []
            tokens += self._function(function, [[area] for area in areas])
        return tokens, ATOM if len(runs) == 1 else 2

    def _aligned(self, groups: Sequence[Sequence[Ref]]) -> list[tuple[Area, ...]]:
        """The groups as rectangles of equal form, in as few runs as possible; ``Unaligned`` when there are none."""
        choices: list[list[Placement]] = [[]]
        for group in groups:
            if any(term.tensor != group[0].tensor for term in group):
                raise Unaligned(groups)
            choices = [[*chosen, place] for chosen in choices for place in self._places(group[0].tensor)]
        best: list[tuple[Area, ...]] | None = None
        for chosen in choices:
            cells = [[p.cell(term.index) for term in g] for p, g in zip(chosen, groups, strict=True)]
            runs = rectangles(cells)
            if best is None or len(runs) < len(best):
                best = [
                    tuple(Area(p.sheet, *corner) for p, corner in zip(chosen, corners, strict=True)) for corners in runs
                ]
            if len(best) == 1:
                break
        panels = any(len(term.index) > 2 for group in groups for term in group[:1])
        if best is None or len(best) > (MOST_PANELS if panels else SPELLED_OUT if len(groups) == 1 else 1):
            raise Unaligned(groups)
        return best


def _in_brackets(tokens: list[Token], found: float, level: float) -> list[Token]:
    return tokens if found >= level else ["(", *tokens, ")"]


def _all_refs(terms: Sequence[Expr]) -> bool:
    return all(isinstance(term, Ref) for term in terms)


def rectangles(groups: Sequence[Sequence[tuple[int, int]]]) -> list[list[Corners]]:
    """Splits cells, given in order, into rectangles read row by row, of equal form in every group."""
    runs: list[tuple[int, int, tuple[int, int]]] = []  # start, length, step
    count, start = len(groups[0]), 0
    while start < count:
        length, step = 1, (0, 1)
        if start + 1 < count:
            moves = {_move(group, start) for group in groups}
            if len(moves) == 1 and moves <= {(0, 1), (1, 0)}:
                step = moves.pop()
                while start + length < count and all(_move(g, start + length - 1) == step for g in groups):
                    length += 1
        runs.append((start, length, step))
        start += length
    merged: list[tuple[int, int, int]] = []  # start, width, height
    for start, length, step in runs:
        width, height = (length, 1) if step == (0, 1) else (1, length)
        if merged and step == (0, 1):
            first, wide, high = merged[-1]
            below = all(g[start] == (g[first][0] + high, g[first][1]) for g in groups)
            if wide == width and below and first + wide * high == start:
                merged[-1] = (first, wide, high + 1)
                continue
        merged.append((start, width, height))
    return [[(*g[s], g[s][0] + high - 1, g[s][1] + wide - 1) for g in groups] for s, wide, high in merged]


def _move(cells: Sequence[tuple[int, int]], at: int) -> tuple[int, int]:
    (row, column), (next_row, next_column) = cells[at], cells[at + 1]
    return next_row - row, next_column - column


def number_text(value: float) -> str:
    """A number as it is typed into a formula."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value)).upper()


@lru_cache(maxsize=4096)
def letter(column: int) -> str:
    return get_column_letter(column)


@lru_cache(maxsize=64)
def prefix(sheet: str) -> str:
    return f"{quote_sheetname(sheet) if not sheet.isidentifier() else sheet}!"


# -- filling -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fill:
    """One formula dragged over ``rows`` by ``columns`` cells, starting ``down``, ``right`` of the block's corner."""

    down: int
    right: int
    rows: int
    columns: int


@dataclass(frozen=True)
class Filled:
    """The formulas of a block, row by row, and the fills that they were made in (one, when all goes well)."""

    formulas: list[list[str]]
    fills: tuple[Fill, ...]


def fill(
    tokens_at: Callable[[int, int], Sequence[Token]], rows: int, columns: int, sheet: str, uniform: bool
) -> Filled:
    """Formulas for a block of ``rows`` × ``columns`` on ``sheet`` in as few fills as possible.

    ``tokens_at(i, j)`` makes the formula of one cell. Where the block is ``uniform`` a few corners are made and
    the rest is filled; elsewhere every cell is made and the fills are found among them.
    """
    made: dict[tuple[int, int], Sequence[Token]] = {}

    def at(i: int, j: int) -> Sequence[Token]:
        if (i, j) not in made:
            made[i, j] = tokens_at(i, j)
        return made[i, j]

    steps = _even_steps(lambda _, index: at(*index), 1, (rows, columns)) if uniform else None
    for height, width in ((rows, columns), (1, columns), (rows, 1), (1, 1)):
        fills = [Fill(i, j, height, width) for i in range(0, rows, height) for j in range(0, columns, width)]
        templates = []
        for part in fills:
            one = _template_by_steps(steps, part, (rows, columns)) if steps else _template(at, part, (rows, columns))
            if one is None:
                break
            templates.append(one)
        else:
            return Filled(_written(fills, templates, rows, columns, sheet), tuple(fills))
    raise AssertionError("a single cell is always a fill")


def fill_lines(
    tokens_at: Callable[[int, Index], Sequence[Token]],
    lines: int,
    elements: Sequence[Index],
    shape: Shape,
    sheet: str,
    across: bool,
    uniform: bool,
) -> Filled:
    """Formulas for a tensor laid flat, with one fill an element: down its column (``across``) or along its row.

    ``tokens_at(line, index)`` makes the formula of one element in one line; ``elements`` is the order in which
    they lie. Where the tensor is ``uniform`` a few corners are made, and the others follow by even steps.
    """
    parts = _even_steps(tokens_at, lines, shape) if uniform else None
    if parts is not None:
        runs = _texts_by_steps(parts, lines, elements, sheet, across)
    else:
        runs = []
        for index in elements:
            one = fill(
                (lambda i, j, index=index: tokens_at(i, index))
                if across
                else (lambda i, j, index=index: tokens_at(j, index)),
                *((lines, 1) if across else (1, lines)),
                sheet,
                uniform=True,
            )
            runs.append([text for row in one.formulas for text in row])
    fills = [Fill(0, k, lines, 1) if across else Fill(k, 0, 1, lines) for k in range(len(elements))]
    grid = [list(row) for row in zip(*runs, strict=True)] if across else runs
    return Filled(grid, tuple(fills))


Step = tuple[str, Area | None, tuple[Corners, ...]]


def _even_steps(tokens_at, lines: int, shape: Shape) -> list[Step] | None:
    """The first formula, and how far each of its areas moves with a line and with each axis; None if unevenly."""
    origin = (0,) * len(shape)
    first = tokens_at(0, origin)
    probes: list[Sequence[Token] | None] = [tokens_at(1, origin) if lines > 1 else None]
    for axis, size in enumerate(shape):
        unit = tuple(int(k == axis) for k in range(len(shape)))
        probes.append(tokens_at(0, unit) if size > 1 else None)
    parts: list[Step] = []
    for k, token in enumerate(first):
        if isinstance(token, str):
            parts.append((token, None, ()))
            continue
        moves = []
        for probe in probes:
            if probe is None:
                moves.append((0, 0, 0, 0))
                continue
            if len(probe) != len(first) or not isinstance(probe[k], Area) or probe[k].sheet != token.sheet:
                return None
            moves.append(tuple(b - a for a, b in zip(_corners(token), _corners(probe[k]), strict=True)))
        parts.append(("", token, tuple(moves)))
    corners = {(lines - 1, tuple(n - 1 for n in shape)), (0, tuple(n - 1 for n in shape))}
    for line, index in corners:
        if _stepped(parts, (line, *index)) != list(tokens_at(line, index)):
            return None
    return parts


def _stepped(parts: list[Step], at: Index) -> list[Token]:
    tokens: list[Token] = []
    for text, area, moves in parts:
        if area is None:
            tokens.append(text)
        else:
            corners = [c + sum(i * m[n] for i, m in zip(at, moves, strict=True)) for n, c in enumerate(_corners(area))]
            tokens.append(Area(area.sheet, *corners))
    return tokens


def _texts_by_steps(parts: list[Step], lines: int, elements, sheet: str, across: bool) -> list[list[str]]:
    """For each element its formulas line by line. The pattern is made once; an element only moves its numbers."""
    pieces, marks = ["="], []  # marks: is a column, start, move a line, moves an axis
    for text, area, moves in parts:
        if area is None:
            pieces.append(text.replace("%", "%%"))
            continue
        if area.sheet != sheet:
            pieces.append(prefix(area.sheet).replace("%", "%%"))
        top, left, bottom, right = _corners(area)
        single = (top, left) == (bottom, right) and all(m[:2] == m[2:] for m in moves)
        for k, (n_row, n_column) in enumerate([(0, 1)] if single else [(0, 1), (2, 3)]):
            held_row = "$" if across and lines > 1 and not moves[0][n_row] else ""
            held_column = "$" if not across and lines > 1 and not moves[0][n_column] else ""
            pieces.append((":" if k else "") + held_column + "%s" + held_row + "%s")
            for n, is_column in ((n_column, True), (n_row, False)):
                marks.append((is_column, _corners(area)[n], moves[0][n], tuple(m[n] for m in moves[1:])))
    pattern = "".join(pieces)
    _check_limits(pattern % tuple(letter(s) if c else s for c, s, _, _ in marks))
    runs = []
    first = np.array([start for _, start, _, _ in marks], dtype=int)
    order = np.array(elements, dtype=int).reshape(len(elements), -1)
    axes = np.array([axes for _, _, _, axes in marks], dtype=int).reshape(len(marks), order.shape[1])
    for starts in (first + order @ axes.T).tolist():
        run = []
        for line in range(lines):
            values = [
                letter(s + line * move) if is_column else s + line * move
                for s, (is_column, _, move, _) in zip(starts, marks, strict=True)
            ]
            run.append(pattern % tuple(values))
        runs.append(run)
    return runs


Moves = tuple[int, int, int, int]
Template = list[str | tuple[Area, Moves]]


def _template(at, part: Fill, block: tuple[int, int]) -> Template | None:
    """The formula of a fill with, for each area, how far its edges move with a step; None when it is no fill.

    Every cell is made and compared. See :func:`_held` for what may move.
    """
    i0, j0, rows, columns = part.down, part.right, part.rows, part.columns
    first = at(i0, j0)
    probes = [at(i0 + 1, j0) if rows > 1 else None, at(i0, j0 + 1) if columns > 1 else None]
    template: Template = []
    for k, token in enumerate(first):
        if isinstance(token, str):
            template.append(token)
            continue
        steps: list[Corners] = []
        for probe in probes:
            if probe is None:
                steps.append((0, 0, 0, 0))
            elif len(probe) != len(first) or not isinstance(probe[k], Area) or probe[k].sheet != token.sheet:
                return None
            else:
                steps.append(tuple(b - a for a, b in zip(_corners(token), _corners(probe[k]), strict=True)))
        moves = _held(token, steps[0], steps[1], part, block)
        if moves is None:
            return None
        template.append((token, moves))
    cells = ((i, j) for i in range(rows) for j in range(columns))
    fits = all(_moved(template, i, j) == list(at(i0 + i, j0 + j)) for i, j in cells)
    return template if fits else None


def _template_by_steps(parts: list[Step], part: Fill, block: tuple[int, int]) -> Template | None:
    """The same for a block whose formulas move in even steps: nothing more is made."""
    template: Template = []
    for text, area, moves in parts:
        if area is None:
            template.append(text)
            continue
        _, down, right = moves
        start = [c + part.down * d + part.right * r for c, d, r in zip(_corners(area), down, right, strict=True)]
        token = Area(area.sheet, *start)
        held = _held(token, down, right, part, block)
        if held is None:
            return None
        template.append((token, held))
    return template


def _held(area: Area, down: Corners, right: Corners, part: Fill, block: tuple[int, int]) -> Moves | None:
    """How far top, left, bottom and right move with each step of a fill; None when dragging cannot do it.

    Dragging moves top and bottom by 0 (``$``) or 1 a row, left and right likewise a column. A range in a fill
    that is only a part of its ``block`` is held fast in the direction it is not dragged in.
    """
    is_range = (area.top, area.left) != (area.bottom, area.right)
    loose_row = 0 if is_range and part.rows == 1 < block[0] else 1
    loose_column = 0 if is_range and part.columns == 1 < block[1] else 1
    if part.rows > 1 and (down[1] or down[3] or not {down[0], down[2]} <= {0, 1}):
        return None
    if part.columns > 1 and (right[0] or right[2] or not {right[1], right[3]} <= {0, 1}):
        return None
    top, bottom = (down[0], down[2]) if part.rows > 1 else (loose_row, loose_row)
    left, right_edge = (right[1], right[3]) if part.columns > 1 else (loose_column, loose_column)
    return top, left, bottom, right_edge


def _corners(area: Area) -> Corners:
    return area.top, area.left, area.bottom, area.right


def _moved(template: Template, i: int, j: int) -> list[Token]:
    tokens: list[Token] = []
    for part in template:
        if isinstance(part, str):
            tokens.append(part)
        else:
            area, (top, left, bottom, right) = part
            tokens.append(
                Area(
                    area.sheet,
                    area.top + i * top,
                    area.left + j * left,
                    area.bottom + i * bottom,
                    area.right + j * right,
                )
            )
    return tokens


def _written(fills, templates, rows: int, columns: int, sheet: str) -> list[list[str]]:
    grid: list[list[str]] = [[""] * columns for _ in range(rows)]
    for part, template in zip(fills, templates, strict=True):
        if part.rows == part.columns == 1:
            grid[part.down][part.right] = _text(template, sheet)
            continue
        for i, row in enumerate(_texts(template, part.rows, part.columns, sheet)):
            grid[part.down + i][part.right : part.right + part.columns] = row
    return grid


def _text(template: Template, sheet: str) -> str:
    """The text of a single cell, with nothing held fast but what its fill holds."""
    pieces = ["="]
    for part in template:
        if isinstance(part, str):
            pieces.append(part)
            continue
        area, (top, left, bottom, right) = part
        if area.sheet != sheet:
            pieces.append(prefix(area.sheet))
        pieces.append(f"{'' if left else '$'}{letter(area.left)}{'' if top else '$'}{area.top}")
        if (area.top, area.left) != (area.bottom, area.right):
            pieces.append(f":{'' if right else '$'}{letter(area.right)}{'' if bottom else '$'}{area.bottom}")
    text = "".join(pieces)
    _check_limits(text)
    return text


def _texts(template: Template, rows: int, columns: int, sheet: str) -> list[list[str]]:
    """The text of every cell of a fill. Columns are put in once a column, rows once a row: one `%` a cell."""
    pieces: list[str] = ["="]
    marks: list[tuple[str, int, int]] = []  # kind, start, move
    for part in template:
        if isinstance(part, str):
            pieces.append(part.replace("%", "%%"))
            continue
        area, (top, left, bottom, right) = part
        if area.sheet != sheet:
            pieces.append(prefix(area.sheet).replace("%", "%%"))
        single = (area.top, area.left) == (area.bottom, area.right) and (top, left) == (bottom, right)
        corners = [(area.left, left, area.top, top)]
        if not single:
            corners.append((area.right, right, area.bottom, bottom))
        for k, (column, column_move, row, row_move) in enumerate(corners):
            pieces.append((":" if k else "") + ("" if column_move else "$") + "%s" + ("" if row_move else "$") + "%s")
            marks += [("column", column, column_move), ("row", row, row_move)]
    pattern = "".join(pieces)
    _check_limits(pattern % tuple(letter(s) if kind == "column" else str(s) for kind, s, _ in marks))
    by_column = [
        [letter(start + j * move) if kind == "column" else None for kind, start, move in marks] for j in range(columns)
    ]
    row_marks = [(k, start, move) for k, (kind, start, move) in enumerate(marks) if kind == "row"]
    texts = []
    for i in range(rows):
        numbers = [(k, str(start + i * move)) for k, start, move in row_marks]
        row = []
        for values in by_column:
            for k, number in numbers:
                values[k] = number
            row.append(pattern % tuple(values))
        texts.append(row)
    return texts


def _check_limits(text: str) -> None:
    if len(text) > LONGEST:
        raise FormulaError(f"its formula has {len(text)} characters, Excel reads {LONGEST}; split the line in two")
    if text.count("(") <= DEEPEST:
        return
    depth = deepest = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise FormulaError(f"its formula nests {deepest} levels, Excel reads {DEEPEST}; split the line in two")


# -- for people --------------------------------------------------------------------------------------------------

_SIGNS = {"*": "·", "-": "−", "=": "=", "<>": "≠", ">=": "≥", "<=": "≤"}


def spell(expression: Expr) -> str:
    """An element with names instead of addresses, counted from 1: ``inp[1,1]·w[1,1] + inp[1,2]·w[2,1] + b[1]``."""
    return _spell(expression)[0]


def element_name(tensor: str, index: Index) -> str:
    """``w[1,2]``: an element as a person counts, from 1."""
    return f"{tensor}[{','.join(str(i + 1) for i in index)}]" if index else tensor


def _spell(expression: Expr) -> tuple[str, int]:
    match expression:
        case Num(value=value):
            return (number_text(value), ATOM) if value >= 0 else (number_text(value).replace("-", "−"), 2)
        case Ref(tensor=tensor, index=index):
            return element_name(tensor, index), ATOM
        case Neg(operand=operand):
            return f"−{_spelled(operand, 5)}", 2
        case Op(symbol="^", left=left, right=Num(value=2)):
            return f"{_spelled(left, ATOM)}²", LEVELS["^"]
        case Op(symbol=symbol, left=left, right=right):
            level = LEVELS[symbol]
            sign = _SIGNS.get(symbol, symbol)
            gap = "" if symbol in "*^" else " "
            return f"{_spelled(left, level + (symbol == '^'))}{gap}{sign}{gap}{_spelled(right, level + 1)}", level
        case Call(function=function, arguments=arguments):
            return f"{function.lower()}({', '.join(_spell(a)[0] for a in arguments)})", ATOM
        case Fold(function="MAX", terms=terms):
            return f"max({', '.join(_few([_spell(term)[0] for term in terms]))})", ATOM
        case Fold(terms=terms):
            return " + ".join(_few([_spelled(term, 3) for term in terms])), 2
    raise TypeError(expression)


def _spelled(expression: Expr, level: int) -> str:
    text, found = _spell(expression)
    return text if found >= level else f"({text})"


def _few(words: list[str]) -> list[str]:
    return words if len(words) <= SPELLED_OUT else [*words[:2], "…", words[-1]]
