"""Names the slip in a wrong gradient formula by mending it: the smallest change after which it is right wherever it is tried.

Nothing is guessed. Each mend is written as a formula into free cells of the workbook, recalculated on all numbers that the
check was made on, and named only when it gives the slope there every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from openpyxl.formula import Tokenizer
from openpyxl.formula.tokenizer import Token
from openpyxl.utils.cell import absolute_coordinate, quote_sheetname

from sheetgrad.gradchecking.find import Cell

CLOSE = 1e-4  # relative: a slope from nudges is known to about 1e-7, a slip changes more
MOST_FACTOR = 1000  # examples of a mean that was forgotten, or taken twice
MOST_MENDS = 20_000  # formulas that are tried for one cell

Evaluate = Callable[[Sequence[str]], np.ndarray]  # formulas to their values: one row for each set of numbers


@dataclass(frozen=True)
class Mend:
    """A formula that would be right, and what that says of the one that stands there."""

    formula: str
    slip: str


@dataclass(frozen=True)
class Candidate:
    """A cell that a mend may use: its name for people, its label, and the cells that its own formula reads."""

    cell: Cell
    reference: str
    name: str
    reads: frozenset[Cell]


def recognised(
    formula: str, sheet: str, shown: np.ndarray, slopes: np.ndarray, candidates: Sequence[Candidate], evaluate: Evaluate
) -> Mend | None:
    """The mend of a wrong ``formula`` on ``sheet``, or None.

    ``shown`` and ``slopes`` are what the cell shows and what it should show, one number for each set of numbers.
    """
    factor = _factor(shown, slopes)
    if factor is not None:
        return _scaled(formula, factor)
    for mends in (_multiplied(formula, candidates), _renamed(formula, sheet, candidates)):
        chosen = list(mends)[:MOST_MENDS]
        if not chosen:
            continue
        found = evaluate([mend.formula for mend in chosen])
        for mend, values in zip(chosen, found.T, strict=True):
            if agree(values, slopes):
                return mend
    return None


def agree(values: np.ndarray, slopes: np.ndarray) -> bool:
    """Whether the numbers are the slopes, as well as these are known; zeros alone say nothing."""
    if not np.isfinite(values).all() or not np.abs(slopes).max() > 0:
        return False
    return bool((np.abs(values - slopes) <= CLOSE * np.maximum(np.abs(slopes), CLOSE * np.abs(slopes).max())).all())


def _factor(shown: np.ndarray, slopes: np.ndarray) -> float | None:
    """slope ÷ gradient, where it is the same for all numbers."""
    if not np.isfinite(shown).all() or (np.abs(shown) < 1e-12).any():
        return None
    ratios = slopes / shown
    middle = float(np.median(ratios))
    return middle if middle and (np.abs(ratios - middle) <= CLOSE * abs(middle)).all() else None


def _scaled(formula: str, factor: float) -> Mend | None:
    body = formula.lstrip("=")
    for sign, aside in ((1, ""), (-1, ", and the sign is the other way round")):
        size = factor * sign
        if size < 0:
            continue
        if abs(size - 1) <= CLOSE:
            return Mend(f"=-({body})", "the sign is the other way round")
        for words, number in (("a factor of 2 is missing", 2.0), ("a factor of 2 too many", 0.5)):
            if abs(size - number) <= CLOSE * number:
                return Mend(f"={factor:.12g}*({body})", words + aside)
        for words, number in (
            ("averaged where it should be summed", size),
            ("summed where it should be averaged", 1 / size),
        ):
            if number > 2 and abs(number - round(number)) <= CLOSE * number and number <= MOST_FACTOR:
                return Mend(f"={factor:.12g}*({body})", f"{words}: {round(number)} times off{aside}")
    return None


def _multiplied(formula: str, candidates: Sequence[Candidate]) -> Iterator[Mend]:
    """The formula times what may have been forgotten: a mask, the slope of an activation, what flows in."""
    body = formula.lstrip("=")
    for one in candidates:
        c = one.reference
        yield Mend(
            f"=({body})*({c}>0)", f"the mask of {one.name} is missing: nothing passes back where it is not above 0"
        )
    for one in candidates:
        c = one.reference
        yield Mend(
            f"=({body})*{c}*(1-{c})", f"the slope of the sigmoid {one.name} is missing: {one.name}·(1 − {one.name})"
        )
        yield Mend(f"=({body})*(1-{c}^2)", f"the slope of the tanh {one.name} is missing: 1 − {one.name}²")
    for one in candidates:
        yield Mend(f"=({body})*{one.reference}", f"not multiplied by {one.name}")


def _renamed(formula: str, sheet: str, candidates: Sequence[Candidate]) -> Iterator[Mend]:
    """The formula with another cell where one stands: everywhere that it stands, then at one place alone."""
    tokens = Tokenizer(formula).items
    places: dict[str, list[int]] = {}
    for k, token in enumerate(tokens):
        if token.type == Token.OPERAND and token.subtype == Token.RANGE and ":" not in token.value:
            places.setdefault(token.value, []).append(k)
    known = {_normal(one.reference, sheet): one for one in candidates}
    for text, found in places.items():
        now = known.get(_normal(text, sheet))
        for where in [found, *([k] for k in found if len(found) > 1)]:
            for one in candidates:
                if now is None or one.cell == now.cell:
                    continue
                parts = [one.reference if k in where else token.value for k, token in enumerate(tokens)]
                yield Mend("=" + "".join(parts), _said(now, one))


def _said(now: Candidate, right: Candidate) -> str:
    if now.cell in right.reads:
        return f"{now.name} stands where {right.name} belongs: the activation is forgotten"
    if right.cell in now.reads:
        return f"{now.name} stands where {right.name} belongs"
    return f"{now.name} stands where its neighbour {right.name} belongs"


def _normal(reference: str, sheet: str) -> str:
    where, _, cell = reference.rpartition("!")
    return f"{(where or quote_sheetname(sheet)).strip(chr(39))}!{cell.replace('$', '').upper()}"


def reference(cell: Cell, letter: str, sheet: str) -> str:
    """A cell as a formula on ``sheet`` names it."""
    where, row, _ = cell
    text = absolute_coordinate(f"{letter}{row}").replace("$", "")
    return text if where == sheet else f"{quote_sheetname(where)}!{text}"
