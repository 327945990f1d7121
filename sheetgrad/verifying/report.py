"""What verification finds, as plain data."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import asdict, dataclass, field

from sheetgrad.verifying.proof import Proof
from sheetgrad.xlsx.grid import ErrorValue


@dataclass(frozen=True)
class Mismatch:
    """One cell that is not as the lesson says. ``problem`` says what is wrong in words."""

    sheet: str
    cell: str
    problem: str
    expected: float | str | None
    found: float | str | bool | None

    def __str__(self) -> str:
        at = f"{self.sheet}!{self.cell}"
        match self.problem:
            case "formula changed":
                return f"{at}: formula changed: {self.found} was {self.expected}"
            case "formula overwritten":
                return f"{at}: {shown(self.found)} typed over the formula {self.expected}"
            case "not the gradient":
                return f"{at}: a formula that was typed in shows {shown(self.found)}, which is not the gradient"
            case "label changed":
                return f"{at}: {shown(self.found)} stands where formulas look for {shown(self.expected)}"
        return f"{at}: {self.problem}: found {shown(self.found)}, expected {shown(self.expected)}"


@dataclass(frozen=True)
class TensorCheck:
    """How well the cells of one tensor or gradient agree with NumPy, as measured.

    ``max_abs_error`` is the largest |found - expected|, ``max_rel_error`` the largest of |found - expected| / |expected|
    over the cells whose expected number is not 0. Cells that show an error, a text or another formula are not measured;
    ``ok`` says whether all are as they should be.
    """

    name: str
    cells: int
    max_abs_error: float
    max_rel_error: float
    ok: bool


NOT_MENDED, PARTLY, MENDED = "not mended", "partly mended", "mended"


@dataclass(frozen=True)
class OnPurpose:
    """What the lesson makes wrong on purpose: the ``line``, and whether it is mended (``state``) in the workbook as it is.

    ``shows`` are the numbers whose gradient must now be wrong, ``reached`` all those whose gradient is another than the
    right one, if only by a little.
    """

    line: str
    state: str
    shows: tuple[str, ...]
    reached: tuple[str, ...]

    def explains(self, proof: Proof, disagreeing: Collection[str]) -> bool:
        """Whether exactly this is wrong, by the proof and by the nudges, and the nudges tell of it. At a kink a wrong
        gradient may still lie between the slopes."""
        wrong = {one.name for one in proof.wrong}
        missed = len(set(self.shows) - wrong)
        told = bool(disagreeing) or not self.shows
        return missed <= proof.kinks + proof.unknown and {*wrong, *disagreeing} <= set(self.reached) and told


@dataclass(frozen=True)
class Report:
    """What verification found. ``as_dict`` is the JSON of ``sheetgrad verify --json``; ``replacements``
    says which operations the lesson replaces."""

    workbook: str
    lesson: str
    engine: str
    formula_cells: int
    checked_cells: int
    tensors: tuple[TensorCheck, ...]
    nudges: dict[str, int]
    mismatches: tuple[Mismatch, ...]
    disagreeing: tuple[str, ...] = field(default=())
    saved_by: str = ""
    proof: Proof = field(default=Proof())
    bug: OnPurpose | None = None
    replacements: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Every formula is the lesson's, every number is NumPy's, every gradient is proven, and none contradicts its nudge;
        but for what is wrong on purpose."""
        if self.bug:
            return not self.mismatches and self.bug.explains(self.proof, self.disagreeing)
        return not self.mismatches and not self.nudges["disagree"] and self.proof.ok

    def as_dict(self) -> dict:
        """Plain data, with ``ok`` included."""
        data = asdict(self) | {"proof": self.proof.as_dict()}
        return {"workbook": data.pop("workbook"), "engine": data.pop("engine"), "ok": self.ok, **data}


def plain(value: object) -> float | str | bool | None:
    """A value as JSON can hold it."""
    if isinstance(value, tuple):
        return " or ".join(map(repr, value))
    if isinstance(value, (bool, str)) or value is None:
        return value if not isinstance(value, ErrorValue) else str(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)  # a date, say
    return number if math.isfinite(number) else str(number)


def shown(value: object) -> str:
    """A value in a sentence."""
    if isinstance(value, bool):
        return str(value).upper()
    return "nothing" if value is None else repr(value) if isinstance(value, str) else f"{value:.12g}"
