"""Fills: one formula whose areas move, or stay (``$``), as it is dragged down and to the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.formulas.expressions import Index, Shape
from sheetgrad.formulas.places import Area, Corners, letter, prefix
from sheetgrad.formulas.printing import Token
from sheetgrad.formulas.texts import Moves, Template, cell_text, check_limits, fill_texts, single_text

FEW = 6  # cells that are made one by one faster than they are filled


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
    if rows == columns == 1:
        return Filled([[single_text(tokens_at(0, 0), sheet)]], (Fill(0, 0, 1, 1),))
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
    few = lines == 1 and len(elements) <= FEW
    parts = _even_steps(tokens_at, lines, shape) if uniform and not few else None
    if few:
        runs = [[single_text(tokens_at(0, index), sheet)] for index in elements]
    elif parts is not None:
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
    last = tuple(n - 1 for n in shape)
    return parts if _stepped(parts, (lines - 1, *last)) == list(tokens_at(lines - 1, last)) else None


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
    check_limits(pattern % tuple(letter(s) if c else s for c, s, _, _ in marks))
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
            grid[part.down][part.right] = cell_text(template, sheet)
            continue
        for i, row in enumerate(fill_texts(template, part.rows, part.columns, sheet)):
            grid[part.down + i][part.right : part.right + part.columns] = row
    return grid
