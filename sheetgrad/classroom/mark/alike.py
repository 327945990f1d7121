"""Who wrote the same where the exercise leaves a choice."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from sheetgrad.classroom.mark.assign import Row

MOST_NAMED = 3  # cells or students in a flag
ALIKE = 4  # a way of writing that more students share is common; so is that of more than this part of the class:
COMMON = 0.05
WORTH_COMPARING = 8  # characters: shorter formulas leave no choice
LONG = 30  # and of a formula that nobody writes twice by chance
BLANKS = re.compile(r"[\s$]")
REFERENCE = r"(?:[A-Z]{1,3}[0-9]{1,7}(?::[A-Z]{1,3}[0-9]{1,7})?)"
TEST = rf"{REFERENCE}(?:>|<|>=|<=)0"
PLAIN = re.compile(
    rf"[-+]?{REFERENCE}(?:[-+*/]{REFERENCE})*"
    rf"|(?:SUM|SUMPRODUCT|AVERAGE)\(\(?{REFERENCE}(?:\)?[,*]\(?{REFERENCE})*\)?\)"
    rf"|{REFERENCE}\*\({TEST}\)|\({TEST}\)\*{REFERENCE}"
    rf"|IF\({TEST},(?:{REFERENCE},0|0,{REFERENCE})\)|{REFERENCE}\*IF\({TEST},(?:1,0|0,1)\)"
    rf"|IF\({TEST},(?:1,0|0,1)\)\*{REFERENCE}"
    rf"|(?:INDEX\()?MMULT\((?:TRANSPOSE\({REFERENCE}\)|{REFERENCE}),{REFERENCE}\)(?:,[0-9]+,[0-9]+\))?"
)


def flag_alike(rows: Sequence[Row]) -> None:
    """Flags those who wrote the same where the exercise leaves a choice.

    There are few good ways to write a sum of products, so the same formulas are no sign by themselves. What counts is a
    block that only a handful of the class wrote so, and not in one of the plain ways; a long formula counts twice, and
    two points make a flag. Spaces, ``$`` and upper and lower case do not hide a copy.
    """
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        blocks: dict[str, list[str]] = defaultdict(list)
        for name, answer in row.marked.answers.items():
            blocks[name.partition("[")[0]].append(BLANKS.sub("", answer.formula.lstrip("=")).upper())
        for key, texts in blocks.items():
            if not all(map(_forced, texts)):
                groups[key, *texts].append(row)
    common = max(ALIKE, COMMON * len(rows))
    points: dict[tuple[str, str], int] = defaultdict(int)
    for (_, *texts), group in groups.items():
        if 2 <= len(group) <= common:
            worth = 2 if max(map(len, texts)) > LONG else 1
            for row in group:
                for other in group:
                    points[row.mark, other.mark] += worth
    for row in rows:
        others = [other.mark for other in rows if other is not row and points.get((row.mark, other.mark), 0) >= 2]
        if others:
            named = ", ".join(others[:MOST_NAMED]) + (" …" if len(others) > MOST_NAMED else "")
            row.flags.append(f"same formulas as {named}")


def _forced(text: str) -> bool:
    """Whether a formula is what anyone would type: a reference, a plain sum of products, a mask, one function of ranges."""
    return len(text) < WORTH_COMPARING or PLAIN.fullmatch(text) is not None
