"""The small changes that would mend a wrong backward formula: each undoes one usual slip.

Nothing here knows which of them is right; that is tried (:mod:`sheetgrad.gradchecking.naming`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

from sheetgrad.gradchecking.ranges import Place, Range, operands, tokens
from sheetgrad.gradchecking.reading import Reading

NEAREST = 50  # cells that may belong where another stands, or be a factor that is lacking
RENAMED, NEGATED, MASK, SIGMOID, TANH, TIMES = "renamed", "negated", "mask", "sigmoid", "tanh", "times"
FACTORS = {MASK: "({0}>0)", SIGMOID: "{0}*(1-{0})", TANH: "(1-{0}^2)", TIMES: "{0}"}

Places = Mapping[Range, Sequence[int]]  # the tokens at which a range stands
Others = Mapping[Range, Sequence[Range]]  # the ranges that may belong there


@dataclass(frozen=True)
class Mend:
    """A formula that may be right: ``kind`` of slip, ``now`` the cells that stand in the formula and are renamed or
    multiplied (None: all of it), ``right`` what they are renamed to or multiplied by."""

    formula: str
    kind: str
    now: Range | None
    right: Range | None

    @property
    def strange(self) -> tuple[bool, bool]:
        """Of two that are both right, the one to believe is the smaller: a factor of the whole formula, not inside it."""
        return self.kind in FACTORS and self.now is not None, self.kind == TIMES


@dataclass(frozen=True)
class Around:
    """Cells that a mend may name; those ``close`` are read by the formula, or by what it reads."""

    cells: set[Place]
    close: frozenset[Place]


def mends(place: Place, reading: Reading, forward: set[Place], known: set[Place], most: int) -> list[Mend]:
    """The mends of the formula at ``place``, at most so many, likelier ones first.

    ``forward`` are the cells between the inputs and the loss: an activation is one of them. ``known`` are all cells that
    a formula may rightly name.
    """
    formula = reading.formulas[place]
    named = operands(formula, place[0], reading.names)
    by_range: dict[Range, list[int]] = {}
    for k, area in named.items():
        by_range.setdefault(area, []).append(k)
    writer = _Writer(formula, place[0])
    whole = reading.arrays.get(place, Range(place[0], *place[1:], *place[1:]))
    close = reading.reads(place).union(*map(reading.reads, reading.reads(place)))
    path, around = Around(forward, close), Around(known, close)
    others = {area: _others(area, reading, around) for area in by_range}
    kinds = (
        _whole(writer, whole, (MASK, SIGMOID, TANH), path),
        _renamed(writer, by_range, others),
        _negated(writer, by_range),
        _whole(writer, whole, (TIMES,), around),
        _renamed_in_part(writer, by_range, others),
        _multiplied(writer, by_range, (MASK, SIGMOID, TANH), path),
        _multiplied(writer, by_range, (TIMES,), around),
    )
    found: dict[str, Mend] = {}
    for mend in (mend for each in zip_longest(*kinds) for mend in each if mend):  # the likeliest of each kind first
        found.setdefault(mend.formula, mend)
        if len(found) == most:
            break
    return list(found.values())


@dataclass(frozen=True)
class _Writer:
    formula: str
    home: str

    def with_tokens(self, where: Iterable[int], text: str) -> str:
        """The formula with this text in the place of these tokens."""
        replaced = set(where)
        return "=" + "".join(text if k in replaced else token.value for k, token in enumerate(tokens(self.formula)))


def _renamed(writer: _Writer, by_range: Places, others: Others) -> Iterator[Mend]:
    """Other cells everywhere that some stand."""
    for now, where in by_range.items():
        for right in others[now]:
            yield Mend(writer.with_tokens(where, right.written(writer.home)), RENAMED, now, right)


def _renamed_in_part(writer: _Writer, by_range: Places, others: Others) -> Iterator[Mend]:
    """Other cells at one place where some stand, or at two in a row."""
    for now, where in by_range.items():
        parts = [[k] for k in where] + [*zip(where, where[1:], strict=False)] * (len(where) > 2)
        for right in others[now] if len(where) > 1 else ():
            for part in parts:
                yield Mend(writer.with_tokens(part, right.written(writer.home)), RENAMED, now, right)


def _others(now: Range, reading: Reading, around: Around) -> list[Range]:
    """Ranges of the same shape: first those that read these cells or are read by them, then the nearest."""
    corner = now.places[0]
    related = [*reading.readers(corner), *reading.reads(corner)]
    close = [area for area in map(lambda place: _at(now, place), related) if around.cells.issuperset(area.places)]
    return [area for area in dict.fromkeys([*close, *_alike(now, around, NEAREST)]) if area != now]


def _alike(shape: Range, among: Around, most: int) -> list[Range]:
    """The ranges of that shape within these cells, likelier ones first: near to what the formula reads, then in one row
    or column, then by distance."""
    sheet, row, column = shape.places[0]

    def unlikely(place: Place) -> tuple:
        down, right = abs(place[1] - row), abs(place[2] - column)
        return place[0] != sheet, place not in among.close, min(down, right) > 0, down + right, place

    areas = (_at(shape, place) for place in sorted(among.cells, key=unlikely))
    return list(islice((area for area in areas if among.cells.issuperset(area.places)), most))


def _at(shape: Range, place: Place) -> Range:
    """The range of that shape which begins at a place."""
    sheet, row, column = place
    return shape.moved(row - shape.top, column - shape.left, sheet)


def _whole(writer: _Writer, whole: Range, kinds: Sequence[str], among: Around) -> Iterator[Mend]:
    """A factor that the formula as a whole lacks."""
    body = writer.formula.lstrip("=")
    for right in _alike(whole, among, NEAREST):
        for kind in kinds:
            yield Mend(f"=({body})*{FACTORS[kind].format(right.written(writer.home))}", kind, None, right)


def _multiplied(writer: _Writer, by_range: Places, kinds: Sequence[str], among: Around) -> Iterator[Mend]:
    """A factor that is lacking at one place."""
    for now, where in by_range.items():
        for right in _alike(now, among, NEAREST):
            for kind in kinds if right != now else ():
                text = f"({now.written(writer.home)}*{FACTORS[kind].format(right.written(writer.home))})"
                for k in where:
                    yield Mend(writer.with_tokens([k], text), kind, now, right)


def _negated(writer: _Writer, by_range: Places) -> Iterator[Mend]:
    """The other sign at one place."""
    for now, where in by_range.items():
        for k in where:
            yield Mend(writer.with_tokens([k], f"(-{now.written(writer.home)})"), NEGATED, now, None)
