"""From a picture to a figure: where its factors, signs and result stand to one another."""

from __future__ import annotations

from collections.abc import Sequence

from sheetgrad.plan.parts import Figure, Shown, Standing, Words, moved
from sheetgrad.plan.pictures import Chain, Crossing, Down, Factor

EQUAL, ARROW = "=", "→"


def crossing(
    picture: Crossing,
    left: Figure,
    right: Figure,
    result: Figure,
    added: Sequence[Figure] = (),
    sums: Sequence[tuple[Down, Figure]] = (),
) -> Figure:
    """The right factor above the result, the left factor beside it. Between right factor and result stands what is added,
    and what the right factor gives column by column (``sums``)."""
    figure, above = Figure(), 0
    column = left.columns + 1
    standing = []
    for one in (right, *(one for _, one in sums), *added, result):
        figure.put(one, above, column)
        standing.append(_first(one, above, column))
        above += one.rows
    figure.base = above - result.rows + result.base
    figure.put(left, figure.base - left.base, 0)
    for (own, one), at in zip(sums, standing[1:], strict=False):
        figure.shown.append(Shown(own, (standing[0],), (_sign(one, at),), at))
    between = standing[1 + len(sums) : -1]
    signs = tuple(_sign(one, at) for one, at in zip(added, between, strict=True))
    factors = (_first(left, figure.base - left.base, 0), standing[0], *between)
    figure.shown.append(Shown(picture, factors, signs, standing[-1]))
    return figure


def down(picture: Down, factor: Figure, result: Figure) -> Figure:
    """The sums under the columns."""
    figure = Figure()
    figure.put(factor, 0, 0)
    figure.put(result, factor.rows, 0)
    figure.base = factor.rows + result.base
    at = _first(result, factor.rows, 0)
    figure.shown.append(Shown(picture, (_first(factor, 0, 0),), (_sign(result, at),), at))
    return figure


def chain(picture: Chain, factors: Sequence[Figure | Factor], result: Figure) -> Figure:
    """Factors side by side with their signs, and the result after ``=``. A plain number is written as a text. A sign
    stands close to the numbers before it, also where their heading is longer."""
    figure, column, free = Figure(), 0, 0
    blocks = [one for one in (*factors, result) if isinstance(one, Figure)]
    figure.base = max(one.base for one in blocks)
    middle = figure.base + _middle(max(one.parts[0].part.extent[0] for one in blocks))
    standing, signs = [], []
    for sign, one in zip((*picture.signs, EQUAL), (*factors, result), strict=True):
        if sign:
            signs.append(figure.text(middle, column, sign, "operator"))
            column += 1
        if isinstance(one, Figure):
            column = max(column, free)
            figure.put(one, figure.base - one.base, column)
            standing.append(_first(one, figure.base - one.base, column))
            free = column + one.columns
            column += one.parts[0].part.extent[1]
        else:
            signs.append(figure.text(middle, column, one.text, "operator"))
            standing.append(None)
            column += 1
    figure.shown.append(Shown(picture, tuple(standing[:-1]), tuple(signs), standing[-1]))
    return figure


def arrowed(operands: Sequence[Figure], result: Figure) -> Figure:
    """Operands side by side, an arrow, the result."""
    figure = Figure(base=max(one.base for one in (*operands, result)))
    column = 0
    for one in operands:
        figure.put(one, figure.base - one.base, column)
        column += one.columns + 1
    figure.put(result, figure.base - result.base, column + 1)
    figure.text(figure.base + _middle(result.parts[0].part.extent[0]), column, ARROW, "operator")
    return figure


def _middle(rows: int) -> int:
    """The row of a sign beside blocks of so many rows, near their top where they are tall."""
    return (min(4, rows) - 1) // 2


def _sign(figure: Figure, at: Standing) -> Words:
    """The heading over a block, which begins with its sign."""
    own = figure.texts[0]
    return moved(own, at.row - figure.base, at.column)


def _first(figure: Figure, row: int, column: int) -> Standing:
    return moved(figure.parts[0], row, column)
