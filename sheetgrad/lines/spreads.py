"""The lines of tables read on numbers, each number with what it may be off by in a cell.

Two programs that add the same numbers in another order do not end at the same last digit, and some set a difference
to 0 when the two are nearly equal. So a number is a :class:`Spread`: its value here, and by how much a cell may
differ from it, carried through each operation by its exact bound, and so is the smaller amount within which it is
``near``. Where a comparison then comes out either way, so does what hangs on it: a text is a :class:`Choice` of all
that a cell may show, the one found here first.

NaN is the error that a cell shows; whatever is not finite is one, as in a spreadsheet."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

OPEN = (
    0.3  # The part of what rounding may do within which comparisons are open. Applications differ by less: LibreOffice
)
# sets differences to 0 within 16 spacings of numbers, a quarter of the 64 that a slope may be off by.
SHOWN = 1e-9  # relative: where a number is cut, an application may cut what it shows rather than what it holds
MOST_OPTIONS = 256  # of one cell


class Reading:
    """What a line gives: has the operators of the language."""

    __array_ufunc__ = None  # so that numpy numbers leave `number * reading` to this class

    def __add__(self, other):
        return _combined(np.add, self, other, _of_sum)

    def __sub__(self, other):
        return _combined(np.subtract, self, other, _of_sum)

    def __mul__(self, other):
        return _combined(np.multiply, self, other, _of_product)

    def __truediv__(self, other):
        return _combined(np.divide, self, other, _of_quotient)

    def __pow__(self, power):
        return _combined(np.power, self, power, _of_power)

    def __radd__(self, other):
        return spread(other) + self

    def __rsub__(self, other):
        return spread(other) - self

    def __rmul__(self, other):
        return spread(other) * self

    def __rtruediv__(self, other):
        return spread(other) / self

    def __neg__(self):
        return spread(0.0) - self

    def __abs__(self):
        return _size(self)

    def __gt__(self, other):
        return _compared(np.greater, self, other)

    def __ge__(self, other):
        return _compared(np.greater_equal, self, other)

    def __lt__(self, other):
        return _compared(np.less, self, other)

    def __le__(self, other):
        return _compared(np.less_equal, self, other)

    def __eq__(self, other):
        return _equal(self, other)

    def __ne__(self, other):
        found = _equal(self, other)
        return Truth(1 - found.value, found.sure)

    __hash__ = None


class Spread(Reading):
    """Numbers: ``value``, by how much a cell may be ``off``, and how ``near`` comparisons are open; arrays of one shape.

    Rounding makes a comparison open within a part of ``off``; a jump makes both equal.
    """

    def __init__(self, value, off=0.0, near=None):
        value = np.asarray(value, dtype=float)
        off = np.asarray(off, dtype=float)
        near = OPEN * off if near is None else np.asarray(near, dtype=float)
        if not value.shape == off.shape == near.shape:
            value, off, near = np.broadcast_arrays(value, off, near)
        finite = np.isfinite(value)
        if not finite.all():
            value = np.where(finite, value, np.nan)
            off, near = np.where(finite, off, 0.0), np.where(finite, near, 0.0)
        self.value = value
        self.off, self.near = (np.where(np.isnan(bound), np.inf, bound) for bound in (off, near))

    @property
    def expected(self) -> np.ndarray:
        """What the cells show here."""
        return self.value

    def take(self, at) -> Spread:
        """The elements at these flat places."""
        return Spread(self.value.ravel()[at], self.off.ravel()[at], self.near.ravel()[at])


class Choice(Reading):
    """Texts, or numbers and texts: in each element of ``options`` a tuple of what a cell may show, the one found here
    first; ``off`` and ``near`` are those of the numbers among them."""

    def __init__(self, options: np.ndarray, off=0.0, near=None):
        self.options, self.off = options, np.broadcast_to(off, options.shape)
        self.near = OPEN * self.off if near is None else np.broadcast_to(near, options.shape)

    @property
    def expected(self) -> np.ndarray:
        """What the cells show here: a text or a number each, a tuple where several will do."""
        return _each(lambda shown: shown if len(shown) > 1 else shown[0], self.options)

    @property
    def value(self) -> np.ndarray:
        """The first option of each."""
        return _each(lambda shown: shown[0], self.options)

    def take(self, at) -> Choice:
        """The elements at these flat places."""
        flat = self.options.ravel()
        kept = _each(lambda k: flat[k], np.asarray(at))
        return Choice(kept, self.off.ravel()[at], self.near.ravel()[at])


class Truth(Reading):
    """Comparisons: ``value`` 1, 0 or NaN (an error), ``sure`` where a cell cannot say otherwise."""

    def __init__(self, value, sure):
        self.value = np.asarray(value, dtype=float)
        self.sure = np.broadcast_to(np.asarray(sure) | np.isnan(self.value), self.value.shape)


class Range:
    """What a line looks through: arrays of numbers or texts."""

    def __init__(self, *parts):
        self.parts = tuple(part if isinstance(part, Reading) else reading(part) for part in parts)

    @property
    def numbers(self) -> Spread:
        """The numbers in it, one after the other, texts left out."""
        kept = [_numbers_only(part) if isinstance(part, Choice) else part for part in self.parts]
        arrays = zip(*((part.value.ravel(), part.off.ravel(), part.near.ravel()) for part in kept), strict=True)
        return Spread(*(np.concatenate([[], *found]) for found in arrays))


def reading(value) -> Reading:
    """A number, a text, or an array of either as a reading."""
    if isinstance(value, Reading):
        return value
    array = np.asarray(value)
    if array.dtype.kind in "biuf":
        return Spread(array)
    return Choice(_each(lambda shown: (shown,), np.asarray(value, dtype=object)))


def _each(make: Callable, *arrays: np.ndarray) -> np.ndarray:
    """``make`` of corresponding elements, as an array of objects."""
    arrays = np.broadcast_arrays(*arrays)
    found = np.empty(arrays[0].size, dtype=object)
    for k, elements in enumerate(zip(*(array.ravel() for array in arrays), strict=True)):
        found[k] = make(*elements)
    return found.reshape(arrays[0].shape)


def spread(value) -> Spread:
    """The numbers of a reading; a text is an error where a number is needed."""
    value = reading(value)
    if isinstance(value, Spread):
        return value
    found = _each(lambda shown: [x for x in shown if not isinstance(x, str)], value.options)
    first = _each(lambda shown: np.nan if isinstance(shown[0], str) else shown[0], value.options)
    wide = _each(lambda numbers: max(numbers, default=0.0) - min(numbers, default=0.0), found)
    return Spread(first, value.off + wide.astype(float), value.near + wide.astype(float))


def _choice(value) -> Choice:
    value = reading(value)
    if isinstance(value, Choice):
        return value
    return Choice(_each(lambda x: (float(x),), value.value), value.off, value.near)


def _numbers_only(value: Choice) -> Spread:
    """The elements that are numbers, or errors, here."""
    kept = [k for k, shown in enumerate(value.options.ravel()) if not isinstance(shown[0], str)]
    return spread(value.take(np.array(kept, dtype=int)))


def _truth(value) -> Truth:
    return value if isinstance(value, Truth) else Truth(value, True)


# -- arithmetic ---------------------------------------------------------------------------------------------------


def _combined(operator: Callable, one, other, bound: Callable) -> Spread:
    """``bound(a, da, b, db)`` says how far the result may be off when its operands may be by da and db."""
    one, other = spread(one), spread(other)
    with np.errstate(all="ignore"):
        off, near = (bound(one.value, a, other.value, b) for a, b in ((one.off, other.off), (one.near, other.near)))
        return Spread(operator(one.value, other.value), off, near)


def _of_sum(a, da, b, db):
    return da + db


def _of_product(a, da, b, db):
    return np.abs(a) * db + np.abs(b) * da + da * db


def _of_quotient(a, da, b, db):
    off = da + np.abs(a / b) * db
    return np.where(off == 0, 0.0, off / np.maximum(np.abs(b) - db, 0.0))


def _of_power(a, da, b, db):
    return np.where(da == 0, 0.0, np.abs(b) * (np.abs(a) + da) ** (b - 1) * da)


def _moved(function: Callable, value, more: float = 0.0) -> Spread:
    """A function that grows with its argument: off by what it is at the ends; ``more`` is what its argument may be off
    by in any case, relative to it."""
    value = spread(value)
    with np.errstate(all="ignore"):
        found, bounds = function(value.value), []
        for off in (value.off, value.near):
            ends = [function(value.value + sign * (off + more * np.abs(value.value))) for sign in (-1, 1)]
            bounds.append(np.fmax(np.abs(ends[0] - found), np.abs(ends[1] - found)))
        return Spread(found, *bounds)


def _rounded(value, digits: int) -> Spread:
    """Rounded half away from 0, as a spreadsheet does."""
    return _moved(lambda x: np.copysign(np.floor(np.abs(x) * 10**digits + 0.5), x) / 10**digits, value, SHOWN)


def _extreme(function: Callable) -> Callable[..., Spread]:
    """The largest or smallest of several numbers, or of all in a range."""

    def choose(*values) -> Spread:
        parts: list[Spread] = []
        for value in values:
            if isinstance(value, Range):
                numbers = value.numbers
                parts += map(numbers.take, range(numbers.value.size))
            else:
                parts.append(spread(value))

        def at_the(bounds) -> np.ndarray:
            moved = np.broadcast_arrays(*(part.value + bound for part, bound in zip(parts, bounds, strict=True)))
            return function(np.stack(moved), axis=0)

        found, ends = at_the([0.0] * len(parts)), []
        for bounds in ([part.off for part in parts], [part.near for part in parts]):
            least, most = at_the([-bound for bound in bounds]), at_the(bounds)
            ends.append(np.maximum(found - least, most - found))
        return Spread(found, *ends)

    return choose


# -- comparisons --------------------------------------------------------------------------------------------------


def _compared(operator: Callable, one, other) -> Truth:
    one, other = spread(one), spread(other)
    gap, near = np.abs(one.value - other.value), one.near + other.near
    truth = np.where(np.isnan(gap), np.nan, operator(one.value, other.value))
    return Truth(truth, (near == 0) | (gap > near))


def _equal(one, other) -> Truth:
    one, other = reading(one), reading(other)
    if isinstance(one, Spread) and isinstance(other, Spread):
        return _compared(np.equal, one, other)
    one, other = _choice(one), _choice(other)
    outcomes = _each(lambda a, b: [_same(x, y) for x, y in itertools.product(a, b)], one.options, other.options)
    truth = _each(lambda found: found[0], outcomes).astype(float)
    return Truth(truth, _each(lambda found: len(set(found)) == 1, outcomes).astype(bool))


def _same(one, other) -> float:
    """Whether a cell says that two are equal: texts whatever their case, a text and a number never."""
    if one != one or other != other:
        return np.nan
    if isinstance(one, str) and isinstance(other, str):
        return float(one.casefold() == other.casefold())
    return float(one == other)


def _where(test, then, otherwise) -> Reading:
    test, then, otherwise = _truth(test), reading(then), reading(otherwise)
    if isinstance(then, Spread) and isinstance(otherwise, Spread):
        value = np.where(np.isnan(test.value), np.nan, np.where(test.value == 1, then.value, otherwise.value))
        apart = np.nan_to_num(np.abs(then.value - otherwise.value))
        bounds = ((then.off, otherwise.off), (then.near, otherwise.near))
        chosen = (np.where(test.value == 1, *pair) for pair in bounds)
        either = (apart + np.maximum(*pair) for pair in bounds)
        return Spread(value, *(np.where(test.sure, *pair) for pair in zip(chosen, either, strict=True)))
    then, otherwise = _choice(then), _choice(otherwise)

    def options(truth, sure, yes, no) -> tuple:
        if truth != truth:
            return (np.nan,)
        first, second = (yes, no) if truth else (no, yes)
        return first if sure else tuple(dict.fromkeys((*first, *second)))[:MOST_OPTIONS]

    shown = _each(options, test.value, test.sure, then.options, otherwise.options)
    return Choice(shown, then.off + otherwise.off, then.near + otherwise.near)


def _all_or_any(decides: float) -> Callable[..., Truth]:
    """``and`` and ``or``; an error in one is an error in all, as in a spreadsheet."""

    def join(*tests) -> Truth:
        tests = [_truth(test) for test in tests]
        values = np.stack(np.broadcast_arrays(*(test.value for test in tests)))
        sure = np.stack(np.broadcast_arrays(*(test.sure for test in tests)))
        settled = ((values == decides) & sure).any(axis=0)
        found = np.where((values == decides).any(axis=0), decides, 1 - decides)
        return Truth(np.where(np.isnan(values).any(axis=0), np.nan, found), settled | sure.all(axis=0))

    return join


# -- texts and ranges ---------------------------------------------------------------------------------------------


def _joined(*parts) -> Choice:
    """Texts and whole numbers one after the other; each whole number within what it may be off by will do."""
    parts = [_choice(part) for part in parts]

    def sentences(*cells) -> tuple:
        words = [
            [_written(x) for x in _whole_numbers(shown, off)]
            for shown, off in zip(cells[::2], cells[1::2], strict=True)
        ]
        if any(word is None for options in words for word in options):
            return (np.nan,)
        return tuple(map("".join, itertools.islice(itertools.product(*words), MOST_OPTIONS)))

    return Choice(_each(sentences, *(array for part in parts for array in (part.options, part.off))))


def _whole_numbers(shown: tuple, off: float) -> Sequence:
    if not off or len(shown) > 1 or isinstance(shown[0], str) or shown[0] != shown[0]:
        return shown
    near = range(int(np.ceil(shown[0] - off)), int(shown[0] + off) + 1)
    return (shown[0], *(x for x in near if x != shown[0]))


def _written(value) -> str | None:
    if isinstance(value, str):
        return value
    return None if value != value else f"{value:.15g}"


def _counted(area: Range, word) -> Spread:
    """How often a text stands there; off by as many cells as may show it or not."""
    (word,) = reading(word).options[()]
    cells = [shown for part in area.parts if isinstance(part, Choice) for shown in part.options.ravel()]
    found = [[one == word for one in shown] for shown in cells]
    unsure = sum(len(set(shown)) > 1 for shown in found)
    return Spread(sum(shown[0] for shown in found), unsure, unsure)


def _counted_beyond(area: Range, limit: float) -> Spread:
    """How many numbers are larger than ``limit`` in size."""
    with np.errstate(invalid="ignore"):
        beyond = abs(area.numbers) > limit
    return Spread(np.nansum(beyond.value), np.sum(~beyond.sure), np.sum(~beyond.sure))


def _summed(area: Range) -> Spread:
    numbers = area.numbers
    return Spread(numbers.value.sum(), numbers.off.sum(), numbers.near.sum())


def _found(value, area: Range) -> list[int]:
    """Where a number or text may be found, the place that is found here first; none where it is nowhere. Nothing is
    found after a place where it surely stands."""
    (part,) = area.parts
    same = _equal(part, value)
    found = np.flatnonzero(same.value == 1)
    sure = np.flatnonzero((same.value == 1) & same.sure)
    may_be = np.flatnonzero((same.value == 1) | ~same.sure)
    last = sure[0] if sure.size else same.value.size
    return list(dict.fromkeys(map(int, (*found[:1], *may_be[may_be <= last]))))


def _looked_up(area: Range, row, column=None) -> Reading:
    """The element at a row and a column of a range, or at the place that :func:`_found` gives."""
    (part,) = area.parts
    if column is None:
        if len(row) == 1:
            return part.take(row[0])
        found = _choice(part).take(np.array(row, dtype=int))
        options = tuple(dict.fromkeys(one for shown in found.options for one in shown)) or (np.nan,)
        return Choice(_each(lambda _: options, np.empty(())), found.off.max(initial=0.0))
    shape = np.atleast_2d(part.off).shape
    at = (spread(place).value.astype(int) - 1 for place in (row, column))
    return part.take(np.ravel_multi_index(tuple(at), shape) if part.off.size > 1 else 0 * spread(row).value.astype(int))


def _distance(one: Range, other: Range) -> Spread:
    return _length(Range(one.numbers - other.numbers))


def _length(area: Range) -> Spread:
    return _moved(np.sqrt, _summed(Range(area.numbers**2)))


def _is(test: Callable[[object], bool]) -> Callable[[Reading], Truth]:
    def ask(value) -> Truth:
        outcomes = _each(lambda shown: [test(one) for one in shown], _choice(value).options)
        truth = _each(lambda found: found[0], outcomes).astype(float)
        return Truth(truth, _each(lambda found: len(set(found)) == 1, outcomes).astype(bool))

    return ask


def _among(value, words) -> Truth:
    return _all_or_any(1.0)(Truth(0.0, True), *(_equal(value, word) for word in words))


def _size(value) -> Spread:
    value = spread(value)
    return Spread(np.abs(value.value), value.off, value.near)


SPREADS: dict[str, Callable] = {
    "abs": _size,
    "sqrt": lambda value: _moved(np.sqrt, value),
    "round": _rounded,
    "max": _extreme(np.max),
    "min": _extreme(np.min),
    "is_number": _is(lambda one: not isinstance(one, str) and one == one),
    "is_error": _is(lambda one: one != one),
    "find": _found,
    "look": _looked_up,
    "count": _counted,
    "count_beyond": _counted_beyond,
    "numbers_in": lambda area: Spread(np.sum(~np.isnan(area.numbers.value))),
    "sum": _summed,
    "distance": _distance,
    "length": _length,
    "where": _where,
    "and": _all_or_any(0.0),
    "or": _all_or_any(1.0),
    "among": _among,
    "joined": _joined,
    "text": reading,
    "flag": lambda truth: truth,
}
