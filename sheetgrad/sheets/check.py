"""The Check sheet of a handout to practise with: every number whose gradient is blank is nudged, and the student's own
gradient is compared with what the loss does (``check.toml``). No slope is shown anywhere: the losses after the nudges
are folded away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sheetgrad.autodiff.rounding import carried
from sheetgrad.formulas.expressions import Ref
from sheetgrad.formulas.places import Book, Placement
from sheetgrad.formulas.words import element_name
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.cells import CellArray
from sheetgrad.lines.spreads import Choice, Range
from sheetgrad.plan.blocks import COLUMN_WIDTH, MOST_SHEET_COLUMNS, Block, PlanError, Sheet
from sheetgrad.plan.drawing import Drawing, formula_blocks
from sheetgrad.plan.fields import Found, Lines, cells_of, single
from sheetgrad.plan.passes import LONGEST_ROW, TITLES, Passes, pass_cells, run_ways
from sheetgrad.sheets.nudge import in_block
from sheetgrad.tables.table import table

NAME = "Check"
TOP = 6
STEP, CARRIED = (3, 3), (3, 5)  # row and column of h, and of how much the pass carries
TABLE = table("check")
VISIBLE = TABLE.shown
VERDICT = "verdict"


@dataclass(frozen=True)
class Checks:
    """The sheet, the verdicts again that stand beside the blanks on the Gradients sheet, and what they say at first."""

    sheet: Sheet
    marks: list[Block]
    found: Range


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Checks:
    """The sheet for the blanks of a drawing; those that are answered show what stands in them.

    Raises :class:`~sheetgrad.layout.PlanError` when the forward passes of all blanks do not fit one sheet.
    """
    sheet = Sheet(NAME)
    tensors = [key.removesuffix(".g") for key in drawing.blanks.keys]
    across = all(2 * pass_cells(lesson.program, [name]) <= LONGEST_ROW for name in tensors)
    sheet.label(1, 2, "Is it right? Nudge and see", "title")
    rule = "Every number is nudged by h, up and down. Your gradient is right when it says how fast the loss moves. A ? means that the nudges cannot tell here."
    sheet.label(2, 2, rule, "remark_wrapped", span=VISIBLE)
    sheet.heights[2] = 28
    sheet.label(3, 2, "h", "setting_name")
    step = float(lesson.nudge.step)
    sheet.blocks.append(Block(*STEP, [[step]], "setting_copy", "fixed", np.array([[step]]), number_format="0.0E+00"))
    loss = lesson.program.loss
    sheet.label(4, 2, f"{loss} now", "setting_name")
    at = {"h": STEP, "loss": (4, 3), "carried": CARRIED}
    places = {key: [Placement(NAME, *cell, (), ())] for key, cell in at.items()}
    sheet.label(CARRIED[0], CARRIED[1] - 1, "size of the numbers", "note")
    size = [[_carried(lesson, values)]]
    sheet.blocks.append(Block(*CARRIED, size, "index", "fixed", np.array(size), number_format="0.0E+00"))
    book = {loss: drawing.places[loss]}
    sheet.formula(4, 3, Ref(loss, ()), book, float(values[loss]), "setting_copy", number_format="0.000000")
    row, marks, verdicts = TOP, [], []
    for name in tensors:
        lines, found = _section(lesson, drawing, sheet, places, name, values, row, across)
        marks += _beside_the_blank(drawing, f"{name}.g", lines, found[VERDICT])
        verdicts.append(found[VERDICT])
        row = lines.passes.bottom + 2
    last = sheet.last_column
    if last > MOST_SHEET_COLUMNS:
        raise PlanError(
            f"{NAME}: {last} columns, at most {MOST_SHEET_COLUMNS}; leave fewer numbers blank, or no checks"
        )
    sheet.widths = {1: 3.5, 2: 15.0} | {k: COLUMN_WIDTH if across else 12.5 for k in range(3, last + 1)}
    sheet.widths |= {k: 14.0 for k in range(3, 2 + VISIBLE)} if across else {}
    if across:
        sheet.folded_columns.append((2 + VISIBLE, last))
        sheet.print_columns = 1 + VISIBLE
    return Checks(sheet, marks, Range(*verdicts))


def _section(lesson, drawing, sheet, places, name: str, values, top: int, across: bool) -> tuple[Lines, Found]:
    """The table of one tensor, and what it shows."""
    program, step, g = lesson.program, lesson.nudge.step, f"{name}.g"
    indices = list(np.ndindex(program.shapes[name]))
    passes = Passes(sheet, drawing, program, [name], top + 1, len(TABLE.fields), len(indices), TITLES, across)
    role = f"{lesson.tensors[name].role}_copy" if name in lesson.tensors else "value"
    lines = Lines(TABLE, passes, {"role": role})
    sheet.label(top, 2, f"{name}: your {g}, number by number", "section")
    lines.headings()
    passes.as_it_is(values)
    if not across:
        sheet.folded_rows.append((passes.cell(0, VISIBLE)[0], passes.cell(0, passes.fields - 1)[0]))
    runs = run_ways(program, values, [name], [(name, index, step) for index in indices])
    passes.write_ways(runs, lambda line: passes.place(line, 0), lambda line: places["h"][0])
    rows, columns = in_block(drawing.places[name][0], indices)
    names = [element_name(name, index) for index in indices]
    for field, fixed in (("number", names), ("row", rows), ("column", columns)):
        lines.fixed(field, fixed)
    blocks = {"block": drawing.places[name], "blanks": drawing.places[g]}

    def book(line: int) -> Book:
        return {**places, **blocks, **passes.losses(line)}

    formulas = TABLE.on_cells({key: cells_of(block, key) for key, block in blocks.items()})
    value = np.array([values[name][index] for index in indices])
    typed = np.full(len(indices), "", dtype=object)  # nothing yet
    if drawing.blanks.answered:
        typed = np.array([values[g][index] for index in indices], dtype=float)
    given = dict(value=value, typed=typed, loss=float(values[program.loss]), h=step, carried=_carried(lesson, values))
    given |= {way: run[program.loss] for way, run in runs.items()}
    found = TABLE.on_numbers(given)
    lines.write(found, formulas, book)
    sheet.verdicts.append(lines.area(VERDICT))
    return lines, found


def _carried(lesson: Lesson, values: Mapping[str, np.ndarray]) -> float:
    """How much rounding the pass carries, as a power of ten: enough on any student's numbers, too rough to give a gradient
    away."""
    return 10.0 ** (1 + np.ceil(np.log10(max(carried(lesson.program, values), 1e-300))))


def _beside_the_blank(drawing: Drawing, key: str, lines: Lines, found: Choice) -> list[Block]:
    """The verdicts again, each at the right of its blank."""
    place = next(item.place for item in drawing.drawn if item.key == key and item.purpose == "check")
    strides = [int(np.prod(place.shape[axis + 1 :], dtype=int)) for axis in range(len(place.shape))]
    steps = tuple((stride, 0) if lines.passes.across else (0, stride) for stride in strides)
    area = lines.area(VERDICT)
    verdicts = Placement(NAME, area.top, area.left, place.shape, steps)
    shown = np.broadcast_to(found.expected, (lines.passes.count,)).reshape(place.shape)
    more = dict(style="check", number_format="@")
    cells = CellArray.named(VERDICT, place.shape)
    return formula_blocks(cells, place, {VERDICT: [verdicts]}, shown, key, **more)


def score(sheet: Sheet, row: int, column: int, checks: Checks) -> None:
    """How many blanks are right, live: counted from the Check sheet's first heading to its last verdict."""
    verdicts = checks.sheet.verdicts
    total = sum((area.bottom - area.top + 1) * (area.right - area.left + 1) for area in verdicts)
    left, bottom = min(area.left for area in verdicts), max(area.bottom for area in verdicts)
    shape = bottom - TOP + 1, max(area.right for area in verdicts) - left + 1
    whole = Placement(NAME, TOP, left, shape, ((1, 0), (0, 1)))
    found = TABLE.on_numbers({"verdicts": checks.found, "total": float(total)})
    formulas = TABLE.on_cells(values={"total": total})
    single(sheet, row, column, TABLE.panel["score"], formulas["score"], {"verdicts": [whole]}, found["score"])
