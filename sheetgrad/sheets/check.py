"""The Check sheet of a handout to practise with: every number whose gradient is blank is nudged, and the student's own
gradient is compared with what the loss does (``check.toml``). No slope is shown anywhere: the losses after the nudges
are folded away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.autodiff.program import Program
from sheetgrad.autodiff.rounding import carried
from sheetgrad.formulas.expressions import Ref
from sheetgrad.formulas.places import Area, Book, Placement
from sheetgrad.formulas.words import element_name
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.cells import CellArray
from sheetgrad.lines.spreads import Choice, Range
from sheetgrad.lines.typed import Range as Cells
from sheetgrad.plan.blocks import COLUMN_WIDTH, MOST_SHEET_COLUMNS, Block, PlanError, Sheet
from sheetgrad.plan.drawing import Blanks, Drawing, formula_blocks
from sheetgrad.plan.fields import Found, Lines, cells_of, single
from sheetgrad.plan.passes import LONGEST_ROW, TITLES, Passes, pass_cells, run_ways
from sheetgrad.sheets.nudge import in_block
from sheetgrad.tables.table import table

NAME = "Check"
RULE = (
    "Every number is nudged by h, up and down. Your gradient is right when it says how fast the loss moves. "
    '? means that the nudges cannot tell here; "waits for" names a gradient to fill in first.'
)
TOP = 6
STEP, CARRIED = (3, 3), (3, 5)  # row and column of h, and of how much the pass carries
TABLE = table("check")
VISIBLE = TABLE.shown
VERDICT, BESIDE = "verdict", "beside"


@dataclass(frozen=True)
class Blank:
    """A blank gradient on the sheet: where its verdicts stand, what they say at first, and the blanks that must be filled
    in before it can be judged."""

    area: Area
    found: Range
    needs: tuple[str, ...]

    @property
    def total(self) -> int:
        return (self.area.bottom - self.area.top + 1) * (self.area.right - self.area.left + 1)


@dataclass(frozen=True)
class Checks:
    """The sheet, the verdicts again that stand beside the blanks on the Gradients sheet, and the blanks in the order in
    which they can be filled in."""

    sheet: Sheet
    marks: list[Block]
    blanks: Mapping[str, Blank]


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Checks:
    """The sheet for the blanks of a drawing; those that are answered show what stands in them.

    Raises :class:`~sheetgrad.layout.PlanError` when the forward passes of all blanks do not fit one sheet.
    """
    sheet = Sheet(NAME)
    tensors = [key.removesuffix(".g") for key in drawing.blanks.keys]
    across = all(2 * pass_cells(lesson.program, [name]) <= LONGEST_ROW for name in tensors)
    sheet.label(1, 2, "Is it right? Nudge and see", "title")
    sheet.label(2, 2, RULE, "remark_wrapped", span=VISIBLE)
    sheet.heights |= {1: 27, 2: 42}
    sheet.label(3, 2, "h", "setting_name")
    step = float(lesson.nudge.step)
    sheet.blocks.append(Block(*STEP, [[step]], "setting_copy", "fixed", np.array([[step]])))
    loss = lesson.program.loss
    sheet.label(4, 2, f"{loss} now", "setting_name")
    at = {"h": STEP, "loss": (4, 3), "carried": CARRIED}
    places = {key: [Placement(NAME, *cell, (), ())] for key, cell in at.items()}
    sheet.label(CARRIED[0], CARRIED[1] - 1, "rounding scale", "note")
    size = [[_carried(lesson, values)]]
    sheet.blocks.append(Block(*CARRIED, size, "index", "fixed", np.array(size), number_format="0.0E+00"))
    book = {loss: drawing.places[loss]}
    sheet.formula(4, 3, Ref(loss, ()), book, float(values[loss]), "setting_copy", number_format="0.000000")
    row, marks, blanks = TOP, [], {}
    needs = awaited(lesson.program, drawing.blanks)
    for name in tensors:
        g = f"{name}.g"
        lines, found = _section(lesson, drawing, sheet, places, name, values, row, across, needs[g])
        marks += _beside_the_blank(drawing, g, lines, found[BESIDE])
        blanks[g] = Blank(lines.area(VERDICT), Range(found[VERDICT]), needs[g])
        row = lines.passes.bottom + 2
    last = sheet.last_column
    if last > MOST_SHEET_COLUMNS:
        raise PlanError(
            f"{NAME}: {last} columns, at most {MOST_SHEET_COLUMNS}; leave fewer numbers blank, or no checks"
        )
    sheet.widths = {1: 3.5, 2: 15.0} | {k: COLUMN_WIDTH if across else 12.5 for k in range(3, last + 1)}
    sheet.widths |= {k: 14.0 for k in range(3, 1 + VISIBLE)} | {1 + VISIBLE: 20.0} if across else {}
    if across:
        sheet.folded_columns.append((2 + VISIBLE, last))
        sheet.print_columns = 1 + VISIBLE
    return Checks(sheet, marks, blanks)


def awaited(program: Program, blanks: Blanks) -> dict[str, tuple[str, ...]]:
    """By blank, in the order in which they can be filled in, the blanks that its line is computed from."""
    waiting = blanks.withheld(program)

    def behind(key: str) -> list[str]:
        if key in blanks.keys:
            return [key]
        return [blank for need in waiting.get(key, ()) for blank in behind(need)]

    found: dict[str, tuple[str, ...]] = {}
    for line in program.backward:
        if line.target in blanks.keys:
            needs = [blank for key in line.operands for blank in behind(key)]
            found[line.target] = () if blanks.answered else tuple(dict.fromkeys(needs))
    return found


def _waiting(drawing: Drawing, needs: Sequence[str]) -> dict[str, object]:
    """What the lines of a table know of the blanks that must be filled in first."""
    if not needs:
        return {"missing": False, "waits_for": ""}
    shapes = [drawing.places[key][0].shape for key in needs]
    every = sum(int(np.prod(shape, dtype=int)) for shape in shapes)
    return {"waits_for": f"waits for {', '.join(needs)}", "every": every, "needed": Cells(tuple(needs))}


def _section(
    lesson, drawing, sheet, places, name: str, values, top: int, across: bool, needs: Sequence[str]
) -> tuple[Lines, Found]:
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
        return {**drawing.places, **places, **blocks, **passes.losses(line)}

    known = _waiting(drawing, needs)
    formulas = TABLE.on_cells({key: cells_of(block, key) for key, block in blocks.items()}, known)
    value = np.array([values[name][index] for index in indices])
    typed = np.full(len(indices), "", dtype=object)  # nothing yet
    if drawing.blanks.answered:
        typed = np.array([values[g][index] for index in indices], dtype=float)
    given = dict(value=value, typed=typed, loss=float(values[program.loss]), h=step, carried=_carried(lesson, values))
    given |= {way: run[program.loss] for way, run in runs.items()}
    found = TABLE.on_numbers(given | known | {"missing": bool(needs)})
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
    area = lines.area(BESIDE)
    verdicts = Placement(NAME, area.top, area.left, place.shape, steps)
    shown = np.broadcast_to(found.expected, (lines.passes.count,)).reshape(place.shape)
    more = dict(style="check", number_format="@")
    cells = CellArray.named(BESIDE, place.shape)
    return formula_blocks(cells, place, {BESIDE: [verdicts]}, shown, key, **more)


def score(sheet: Sheet, row: int, column: int, checks: Checks) -> None:
    """How many cells are right, live: counted from the Check sheet's first heading to its last verdict."""
    areas = [blank.area for blank in checks.blanks.values()]
    left, bottom = min(area.left for area in areas), max(area.bottom for area in areas)
    whole = Area(NAME, TOP, left, bottom, max(area.right for area in areas))
    found = [part for blank in checks.blanks.values() for part in blank.found.parts]
    total = sum(blank.total for blank in checks.blanks.values())
    _counted(sheet, row, column, "score", whole, Range(*found), {"total": total}, {})


def state(sheet: Sheet, row: int, column: int, checks: Checks, key: str, drawing: Drawing) -> None:
    """How many cells of one blank are right, live, or what it waits for."""
    blank = checks.blanks[key]
    known = {"total": blank.total, **_waiting(drawing, blank.needs)}
    _counted(sheet, row, column, "state", blank.area, blank.found, known, drawing.places)


def _counted(sheet: Sheet, row: int, column: int, name: str, area: Area, verdicts: Range, known, book: Book) -> None:
    """A cell of the panel that counts the verdicts of an area."""
    shape = area.bottom - area.top + 1, area.right - area.left + 1
    place = Placement(NAME, area.top, area.left, shape, ((1, 0), (0, 1)))
    found = TABLE.on_numbers({**known, "verdicts": verdicts, "missing": bool(known.get("waits_for"))})
    formulas = TABLE.on_cells({"verdicts": cells_of([place], "verdicts")}, known)
    book = {**book, "verdicts": [place]}
    shown = single(sheet, row, column, TABLE.panel[name], formulas[name], book, found[name])
    sheet.sentences.append(shown.area(sheet.name))
