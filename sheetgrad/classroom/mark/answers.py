"""What became of a submission: a verdict and a hint for every blank, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from sheetgrad.classroom.mark.slips import HINTS

RIGHT, FOLLOWED, WRONG = "right", "follow-through", "wrong"
TYPED, EMPTY, TEXT, ERROR, UNSURE, NUDGED = "typed", "empty", "text", "error", "unsure", "nudged"
SHORT = {  # the hints in the report
    "sum": "only one example",
    "transposed": "rows and columns exchanged",
    "mean": "the mean's 1/n",
    "averaged": "averaged, not summed",
    "two": "a factor of 2",
    "sign": "the sign",
    "mask": "no mask",
    "slope": "no slope of the function",
    "neighbour": "a neighbour's number",
    "before": "what went into the function",
    "upstream": "the next step's gradient",
    "share": "a sum is missing",
    "dollar": "dragged wrongly?",
    "still": "does not move",
}
WORDS = {
    **HINTS,
    TYPED: "A number is typed in here. Write a formula: it is tried on other numbers as well.",
    EMPTY: "Nothing is filled in.",
    TEXT: "This is a text, not a number. A decimal point, or a comma?",
    ERROR: "The cell shows an error.",
    UNSURE: "No program here could compute this formula. Your teacher will have a look.",
    NUDGED: "This takes its number from the nudges of the sheet Check. Write the rule instead.",
    "still": "This gives the same number whatever the other cells say.",
    "dollar": "The first cell of this block is right. Do the references of this formula move, or stay ($), as they should?",
    WRONG: "Not right yet. Nudge the number by a little and watch the loss: how fast does it move?",
}


@dataclass
class Answer:
    """What became of one blank: ``verdict`` is one of the words above, ``hint`` a key of :data:`WORDS`.

    ``strict``: right by NumPy, whatever the student's other cells say; a mark is also earned by ``follow-through``.
    """

    verdict: str
    strict: bool
    hint: str = ""
    formula: str = ""

    @property
    def mark(self) -> int:
        return int(self.verdict in (RIGHT, FOLLOWED))


@dataclass
class Marked:
    """What one submission came to. ``problem`` says why it could not be marked; ``answers`` go by ``w.g[1,2]``.

    ``carried`` and ``course`` are the id and the course that the file says it is of, ``numbers`` a digest of the numbers
    in its input cells, ``changed`` the formulas that are no longer those that were handed out.
    """

    problem: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    carried: str = ""
    course: str = ""
    numbers: str = ""
    changed: list[str] = field(default_factory=list)
    engine: str = ""

    def as_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, table: Mapping) -> Marked:
        answers = {name: Answer(**answer) for name, answer in table["answers"].items()}
        return cls(**{**table, "answers": answers})
