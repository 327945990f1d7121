"""A class of pupils for the tests: each kind fills in a handout in one way, and it is known what that must come to.

The handout is the lesson ``mlp`` with l1.g, w1.g and b1.g blank: 18 + 6 + 3 marks. Pupils know where the blocks stand from
the workbook's own names, and no rule from sheetgrad.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.utils.cell import range_boundaries
from openpyxl.worksheet.formula import ArrayFormula

BLANK = ("l1.g", "w1.g", "b1.g")
EXAMPLES, INPUTS, HIDDEN = 6, 2, 3
MARKS = {"l1.g": 18, "w1.g": 6, "b1.g": 3}


class Desk:
    """A handout on a pupil's desk."""

    def __init__(self, path: Path):
        self.path = path
        self.book = load_workbook(path)
        self.sheet = self.book["Gradients"]
        self.at = {}
        for name, defined in self.book.defined_names.items():
            left, top, *_ = range_boundaries(defined.attr_text.rpartition("!")[2].replace("$", ""))
            self.at[name] = top, left

    def cell(self, name: str, i: int, j: int) -> str:
        top, left = self.at[name]
        return f"{get_column_letter(left + j)}{top + i}"

    def column(self, name: str, j: int, fixed: str = "") -> str:
        top, left = self.at[name]
        letter = get_column_letter(left + j)
        return f"{fixed}{letter}{fixed}{top}:{fixed}{letter}{fixed}{top + EXAMPLES - 1}"

    def block(self, name: str, rows: int, columns: int) -> str:
        return f"{self.cell(name, 0, 0)}:{self.cell(name, rows - 1, columns - 1)}"

    def fill(self, l1: Callable | None, w1: Callable | None, b1: Callable | None) -> None:
        """What stands in each blank, by row and column; None leaves a block empty."""
        for name, rows, columns, made in (
            ("l1_g", EXAMPLES, HIDDEN, l1),
            ("w1_g", INPUTS, HIDDEN, w1),
            ("b1_g", 1, HIDDEN, b1),
        ):
            for i in range(rows if made else 0):
                for j in range(columns):
                    self.sheet[self.cell(name, i, j)] = made(i, j)

    def save(self, path: Path | None = None) -> None:
        self.book.save(path or self.path)


# -- right, in several styles ------------------------------------------------------------------------------------


def masked(desk: Desk, form: str = "=%(up)s*(%(given)s>0)"):
    return lambda i, j: form % {"up": desk.cell("l2_g", i, j), "given": desk.cell("l1_value", i, j)}


def products(desk: Desk, after: str = ""):
    """w1.g spelled out: down the batch, input times gradient."""

    def made(i: int, j: int) -> str:
        pairs = [f"{desk.cell('x_value', n, i)}*{desk.cell('l1_g', n, j)}" for n in range(EXAMPLES)]
        return f"=({'+'.join(pairs)}){after}" if after else f"={'+'.join(pairs)}"

    return made


def sums(desk: Desk, form: str = "=SUM(%s)"):
    return lambda i, j: form % desk.column("l1_g", j)


def spelled(desk: Desk) -> None:
    desk.fill(masked(desk), products(desk), sums(desk))


def with_functions(desk: Desk) -> None:
    pairs = lambda i, j: f"=SUMPRODUCT({desk.column('x_value', i)},{desk.column('l1_g', j)})"  # noqa: E731
    desk.fill(masked(desk, "=IF(%(given)s>0,%(up)s,0)"), pairs, sums(desk))


def with_arrays(desk: Desk) -> None:
    pairs = lambda i, j: f"= SUMPRODUCT( {desk.column('x_value', i)} * {desk.column('l1_g', j)} )"  # noqa: E731
    desk.fill(masked(desk, "=%(up)s*SIGN(MAX(0,%(given)s))"), pairs, sums(desk, "=6*AVERAGE(%s)"))


def with_matrices(desk: Desk) -> None:
    """One array formula over the block, as Ctrl+Shift+Enter leaves it."""
    desk.fill(masked(desk), None, sums(desk))
    inputs, gradients = desk.block("x_value", EXAMPLES, INPUTS), desk.block("l1_g", EXAMPLES, HIDDEN)
    area = desk.block("w1_g", INPUTS, HIDDEN)
    desk.sheet[area.split(":")[0]] = ArrayFormula(area, f"=MMULT(TRANSPOSE({inputs}),{gradients})")


def by_index(desk: Desk) -> None:
    inputs, gradients = desk.block("x_value", EXAMPLES, INPUTS), desk.block("l1_g", EXAMPLES, HIDDEN)
    product = f"MMULT(TRANSPOSE({inputs}),{gradients})"
    desk.fill(masked(desk), lambda i, j: f"=INDEX({product},{i + 1},{j + 1})", sums(desk))


def on_another_sheet(desk: Desk) -> None:
    """Helper cells on a sheet of one's own."""
    own = desk.book.create_sheet("mine")
    for i in range(INPUTS):
        for j in range(HIDDEN):
            pairs = [f"Gradients!{desk.cell('x_value', n, i)}*Gradients!{desk.cell('l1_g', n, j)}" for n in range(6)]
            own.cell(i + 1, j + 1, "=" + "+".join(pairs))
    desk.fill(masked(desk), lambda i, j: f"=mine!{get_column_letter(j + 1)}{i + 1}", sums(desk))


# -- with a slip -----------------------------------------------------------------------------------------------------


def without_sum(desk: Desk) -> None:
    one = lambda i, j: f"={desk.cell('x_value', 0, i)}*{desk.cell('l1_g', 0, j)}"  # noqa: E731
    desk.fill(masked(desk), one, lambda i, j: f"={desk.cell('l1_g', 0, j)}")


def without_mask(desk: Desk) -> None:
    desk.fill(masked(desk, "=%(up)s"), products(desk), sums(desk))


def without_mean(desk: Desk) -> None:
    desk.fill(masked(desk), products(desk, "*6"), sums(desk, "=SUM(%s)*6"))


def averaged(desk: Desk) -> None:
    desk.fill(masked(desk), products(desk, "/6"), sums(desk, "=AVERAGE(%s)"))


def wrong_sign(desk: Desk) -> None:
    desk.fill(masked(desk), products(desk, "*-1"), sums(desk, "=-SUM(%s)"))


def dragged_without_dollars(desk: Desk) -> None:
    """b1.g is right in its first cell; the others were dragged with the rows moving instead of the columns."""

    def moved(i: int, j: int) -> str:
        top, left = desk.at["l1_g"]
        return f"=SUM({get_column_letter(left)}{top + j}:{get_column_letter(left)}{top + j + EXAMPLES - 1})"

    desk.fill(masked(desk), products(desk), moved)


def typed(desk: Desk) -> None:
    """Formulas, then pasted as values: the numbers are taken from the answer key."""
    key = load_workbook(desk.path.parent / "key" / desk.path.name, data_only=True)
    names = {name: defined.attr_text for name, defined in key.defined_names.items()}

    def number(name: str):
        left, top, *_ = range_boundaries(names[name].rpartition("!")[2].replace("$", ""))
        return lambda i, j: key["Gradients"].cell(top + i, left + j).value

    desk.fill(number("l1_g"), number("w1_g"), number("b1_g"))


def nothing(desk: Desk) -> None:
    pass


def half(desk: Desk) -> None:
    desk.fill(masked(desk), None, None)


def texts(desk: Desk) -> None:
    desk.fill(masked(desk), lambda i, j: "0,5", lambda i, j: f"={desk.cell('l1_g', 0, j)}/0")


def all_right() -> dict:
    return {key: ("right", "") for key in BLANK}


@dataclass(frozen=True)
class Kind:
    """What a kind of pupil does, and what each block must come to: verdict and hint, the same in all its cells unless
    a tuple of several (then by column). ``flags`` are beginnings of the flags that it must get, and no others."""

    fill: Callable[[Desk], None]
    expected: dict = field(default_factory=all_right)
    flags: tuple[str, ...] = ()


RIGHT = ("right", "")
KINDS = {
    "spelled": Kind(spelled),
    "functions": Kind(with_functions),
    "arrays": Kind(with_arrays),
    "matrices": Kind(with_matrices),
    "index": Kind(by_index),
    "own sheet": Kind(on_another_sheet),
    "no sum": Kind(without_sum, {"l1.g": RIGHT, "w1.g": ("wrong", "sum"), "b1.g": ("wrong", "sum")}),
    "no mask": Kind(
        without_mask, {"l1.g": ("wrong", "mask"), "w1.g": ("follow-through", ""), "b1.g": ("follow-through", "")}
    ),
    "no mean": Kind(without_mean, {"l1.g": RIGHT, "w1.g": ("wrong", "mean"), "b1.g": ("wrong", "mean")}),
    "averaged": Kind(averaged, {"l1.g": RIGHT, "w1.g": ("wrong", "averaged"), "b1.g": ("wrong", "averaged")}),
    "sign": Kind(wrong_sign, {"l1.g": RIGHT, "w1.g": ("wrong", "sign"), "b1.g": ("wrong", "sign")}),
    "dollars": Kind(
        dragged_without_dollars,
        {"l1.g": RIGHT, "w1.g": RIGHT, "b1.g": (RIGHT, ("wrong", "dollar"), ("wrong", "dollar"))},
    ),
    "typed": Kind(typed, dict.fromkeys(BLANK, ("typed", "typed")), ("hard-coded",)),
    "nothing": Kind(nothing, dict.fromkeys(BLANK, ("empty", "empty")), ("nothing filled in",)),
    "half": Kind(half, {"l1.g": RIGHT, "w1.g": ("empty", "empty"), "b1.g": ("empty", "empty")}),
    "texts": Kind(texts, {"l1.g": RIGHT, "w1.g": ("text", "text"), "b1.g": ("error", "error")}),
}


def hand_in(handouts: Path, inbox: Path, marks: list[str]) -> dict[str, str]:
    """Every student's handout filled in by one of the kinds, in turn; gives the kind by student."""
    inbox.mkdir(parents=True, exist_ok=True)
    kinds = {}
    for k, mark in enumerate(marks):
        kind = list(KINDS)[k % len(KINDS)]
        path = handouts / f"{mark}.xlsx"
        if kind == "nothing":
            shutil.copyfile(path, inbox / path.name)
        else:
            desk = Desk(path)
            KINDS[kind].fill(desk)
            desk.save(inbox / path.name)
        kinds[mark] = kind
    return kinds
