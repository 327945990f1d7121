"""Which cells stand side by side, so that a function over ranges can take them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from sheetgrad.formulas.expressions import Ranges
from sheetgrad.formulas.places import Area, Corners, Place

MOST_PANELS = 16  # so many ranges are joined where a tensor of rank 3 lies in panels
MOST_RUNS = 4  # and so many of a function that takes a list of ranges


def lined_up(ranges: Ranges, choices: Sequence[Sequence[Place]]) -> list[tuple[Area, ...]] | None:
    """The groups as areas, from the best of the places to choose from for each; None when they stand too scattered.

    The areas of one tuple have the same form, or else are a row and a column, which ``MMULT`` multiplies. Several
    tuples are parts to be added up.
    """
    found = [
        [(place, place.cells(group)) for place in places] for group, places in zip(ranges.groups, choices, strict=True)
    ]
    best: list[list[Corners]] | None = None
    crossing = None
    for chosen in product(*([one for one in options if one[1]] for options in found)):
        places, cells = zip(*chosen, strict=True)
        if ranges.function == "SUMXMY2" and len({place.sheet for place in places}) > 1:
            continue  # #VALUE! in IronCalc
        runs = rectangles(cells)
        if len(runs) == 1:
            return [_areas(places, runs[0])]
        if crossing is None and ranges.function == "SUMPRODUCT":
            crossing = _crossing(places, cells)
        if best is None or len(runs) < len(best):
            best, standing = runs, places
    if crossing:
        return [crossing]
    panels = any(len(group[0].index) > 2 for group in ranges.groups)
    most = MOST_PANELS if panels else MOST_RUNS if len(ranges.groups) == 1 else 1
    return [_areas(standing, corners) for corners in best] if best is not None and len(best) <= most else None


def _areas(places: Sequence[Place], corners: Sequence[Corners]) -> tuple[Area, ...]:
    return tuple(Area(place.sheet, *corner) for place, corner in zip(places, corners, strict=True))


def _crossing(places: Sequence[Place], cells: Sequence[Sequence[tuple[int, int]]]) -> tuple[Area, ...] | None:
    """A row and a column, in this order; None when the two are not such."""
    parts = [rectangles([one]) for one in cells]
    if any(len(part) > 1 for part in parts):
        return None
    areas = [Area(place.sheet, *part[0][0]) for place, part in zip(places, parts, strict=True)]
    rows = [area for area in areas if area.top == area.bottom]
    columns = [area for area in areas if area.left == area.right]
    return (rows[0], columns[0]) if len(rows) == len(columns) == 1 else None


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
