"""The lines of tables read on numbers, each number with what it may be off by in a cell.

Two programs that add the same numbers in another order do not end at the same last digit, and some set a difference
to 0 when the two are nearly equal. So a number is a :class:`Spread`: its value here, and by how much a cell may
differ from it, carried through each operation by its exact bound. Where a comparison then comes out either way,
so does what hangs on it: a text is a :class:`Choice` of all that a cell may show, the one found here first.

NaN is the error that a cell shows; whatever is not finite is one, as in a spreadsheet."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

OPEN = 0.3  # A comparison is open where its sides are nearer than this part of what they may be off by. Applications
# differ by less: LibreOffice sets differences to 0 within 16 spacings of numbers, a quarter of the 64 that a slope may
# be off by.
MOST_OPTIONS = 256  # of one cell


class Reading:
    """What a line gives: has the operators of the language."""

    __array_ufunc__ = None  # so that numpy numbers leave `number * reading` to this class

    def __add__(self, other):
        return _combined(np.add, self, other, lambda a, b: a.off + b.off)

    def __sub__(self, other):
        return _combined(np.subtract, self, other, lambda a, b: a.off + b.off)

    def __mul__(self, other):
        return _combined(np.multiply, self, other, _off_of_product)

    def __truediv__(self, other):
        return _combined(np.divide, self, other, _off_of_quotient)

    def __pow__(self, power):
        return _combined(np.power, self, power, _off_of_power)

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
    """Numbers: ``value`` and ``off``, arrays of one shape."""

    def __init__(self, value, off=0.0):
        value, off = np.asarray(value, dtype=float), np.asarray(off, dtype=float)
        if value.shape != off.shape:
            value, off = np.broadcast_arrays(value, off)
        finite = np.isfinite(value)
        if not finite.all():
            value, off = np.where(finite, value, np.nan), np.where(finite, off, 0.0)
        self.value, self.off = value, np.where(np.isnan(off), np.inf, off)

    @property
    def expected(self) -> np.ndarray:
        """What the cells show here."""
        return self.value


class Choice(Reading):
    """Texts, or numbers and texts: in each element of ``options`` a tuple of what a cell may show, the one found here
    first; ``off`` is what the numbers among them may be off by."""

    def __init__(self, options: np.ndarray, off=0.0):
        self.options, self.off = options, np.broadcast_to(off, options.shape)

    @property
    def expected(self) -> np.ndarray:
        """What the cells show here: a text or a number each, a tuple where several will do."""
        return _each(lambda shown: shown if len(shown) > 1 else shown[0], self.options)

    @property
    def value(self) -> np.ndarray:
        """The first option of each."""
        return _each(lambda shown: shown[0], self.options)


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
        arrays = ([part.value.ravel() for part in kept], [part.off.ravel() for part in kept])
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
    return Spread(first, value.off + wide.astype(float))


def _choice(value) -> Choice:
    value = reading(value)
    return value if isinstance(value, Choice) else Choice(_each(lambda x: (float(x),), value.value), value.off)


def _numbers_only(value: Choice) -> Spread:
    """The elements that are numbers, or errors, here."""
    kept = np.array([not isinstance(shown[0], str) for shown in value.options.ravel()], dtype=bool)
    return spread(Choice(value.options.ravel()[kept], value.off.ravel()[kept]))


def _truth(value) -> Truth:
    return value if isinstance(value, Truth) else Truth(value, True)


# -- arithmetic ---------------------------------------------------------------------------------------------------


def _combined(operator: Callable, one, other, off: Callable[[Spread, Spread], np.ndarray]) -> Spread:
    one, other = spread(one), spread(other)
    with np.errstate(all="ignore"):
        return Spread(operator(one.value, other.value), off(one, other))


def _off_of_product(one: Spread, other: Spread):
    return np.abs(one.value) * other.off + np.abs(other.value) * one.off + one.off * other.off


def _off_of_quotient(one: Spread, other: Spread):
    least = np.maximum(np.abs(other.value) - other.off, 0.0)
    off = one.off + np.abs(one.value / other.value) * other.off
    return np.where(off == 0, 0.0, off / least)


def _off_of_power(one: Spread, power: Spread):
    most = np.abs(one.value) + one.off
    return np.where(one.off == 0, 0.0, np.abs(power.value) * most ** (power.value - 1) * one.off)


def _moved(function: Callable, value) -> Spread:
    """A function that grows with its argument: off by what it is at the ends."""
    value = spread(value)
    with np.errstate(all="ignore"):
        found, ends = function(value.value), [function(value.value + sign * value.off) for sign in (-1, 1)]
        return Spread(found, np.fmax(np.abs(ends[0] - found), np.abs(ends[1] - found)))


def _rounded(value, digits: int) -> Spread:
    """Rounded half away from 0, as a spreadsheet does."""
    return _moved(lambda x: np.copysign(np.floor(np.abs(x) * 10**digits + 0.5), x) / 10**digits, value)


def _extreme(function: Callable) -> Callable[..., Spread]:
    """The largest or smallest of several numbers, or of all in a range."""

    def choose(*values) -> Spread:
        parts: list[Spread] = []
        for value in values:
            if isinstance(value, Range):
                numbers = value.numbers
                parts += map(Spread, numbers.value, numbers.off)
            else:
                parts.append(spread(value))
        shown = np.broadcast_arrays(*(part.value for part in parts))
        low, high = (np.broadcast_arrays(*(part.value + sign * part.off for part in parts)) for sign in (-1, 1))
        found, least, most = (function(np.stack(ends), axis=0) for ends in (shown, low, high))
        return Spread(found, np.maximum(found - least, most - found))

    return choose


# -- comparisons --------------------------------------------------------------------------------------------------


def _compared(operator: Callable, one, other) -> Truth:
    one, other = spread(one), spread(other)
    gap, off = np.abs(one.value - other.value), one.off + other.off
    truth = np.where(np.isnan(gap), np.nan, operator(one.value, other.value))
    return Truth(truth, (off == 0) | (gap > OPEN * off))


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
        off = np.where(test.value == 1, then.off, otherwise.off)
        return Spread(value, np.where(test.sure, off, apart + np.maximum(then.off, otherwise.off)))
    then, otherwise = _choice(then), _choice(otherwise)

    def options(truth, sure, yes, no) -> tuple:
        if truth != truth:
            return (np.nan,)
        first, second = (yes, no) if truth else (no, yes)
        return first if sure else tuple(dict.fromkeys((*first, *second)))[:MOST_OPTIONS]

    return Choice(_each(options, test.value, test.sure, then.options, otherwise.options), then.off + otherwise.off)


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
    return Spread(sum(shown[0] for shown in found), sum(len(set(shown)) > 1 for shown in found))


def _counted_beyond(area: Range, limit: float) -> Spread:
    """How many numbers are larger than ``limit`` in size."""
    with np.errstate(invalid="ignore"):
        beyond = abs(area.numbers) > limit
    return Spread(np.nansum(beyond.value), np.sum(~beyond.sure))


def _summed(area: Range) -> Spread:
    numbers = area.numbers
    return Spread(numbers.value.sum(), numbers.off.sum())


def _found(value, area: Range) -> list[int]:
    """Where a number or text may be found, the place that is found here first; none where it is nowhere."""
    (part,) = area.parts
    same = _equal(part, value)
    first = np.flatnonzero(same.value == 1)[:1]
    return [int(k) for k in (*first, *np.setdiff1d(np.flatnonzero(~same.sure), first))]


def _looked_up(area: Range, row, column=None) -> Reading:
    """The element at a row and a column of a range, or at the place that :func:`_found` gives."""
    (part,) = area.parts
    if column is None:
        options = [_choice(part).options.ravel()[k] for k in row]
        off = max((float(part.off.ravel()[k]) for k in row), default=0.0)
        return _settled(tuple(dict.fromkeys(one for shown in options for one in shown)) or (np.nan,), off)
    shape = np.atleast_2d(part.off).shape
    at = (spread(place).value.astype(int) - 1 for place in (row, column))
    at = np.ravel_multi_index(tuple(at), shape) if part.off.size > 1 else 0 * spread(row).value.astype(int)
    if isinstance(part, Spread):
        return Spread(part.value.ravel()[at], part.off.ravel()[at])
    return Choice(_each(lambda k: part.options.ravel()[k], at), part.off.ravel()[at])


def _settled(options: tuple, off: float) -> Reading:
    """One element: a number where it is surely one."""
    if len(options) == 1 and not isinstance(options[0], str):
        return Spread(options[0], off)
    return Choice(_each(lambda _: options, np.empty(())), off)


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
    return Spread(np.abs(value.value), value.off)


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
