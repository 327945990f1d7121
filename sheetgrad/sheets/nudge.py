"""The Nudge sheet: every number is nudged, the whole forward pass runs again, and the loss answers.

One line a nudged number: a row, or a column where the forward pass is too long for a row. Only what depends on
the nudged tensor is computed again; everything else is read from the Gradients sheet. What a line says stands in
``nudge.toml``, when a slope and a gradient agree in ``agreement.toml``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np

from sheetgrad.formulas.expressions import Expr, Index, Ref, Shape
from sheetgrad.formulas.places import Book, Placement
from sheetgrad.formulas.words import element_name
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.spreads import Choice, Range, Spread
from sheetgrad.plan.blocks import COLUMN_WIDTH, Block, Sheet
from sheetgrad.plan.drawing import Drawing
from sheetgrad.plan.fields import Lines, cells_of, single
from sheetgrad.plan.passes import LONGEST_ROW, Laid, Passes, lay_flat, pass_cells, run_nudged
from sheetgrad.tables.table import table

NAME = "Nudge"
H, SCHEME = "nudge.step", "nudge.scheme"
TOP = 7
PAGE_COLUMNS = 14  # of a table laid down columns, on a printed page
LIGHT = 40_000  # formula cells of this sheet: about a second of recalculation, half a megabyte
TABLE, TALLY = table("nudge"), table("tally")
FIELDS = tuple(TABLE.fields)
VISIBLE = TABLE.shown
COUNTS = ("agree", "kink", "disagree", "total")


def nudged(lesson: Lesson, name: str, numbers: Sequence[Index], values: Mapping[str, np.ndarray]):
    """What each line of the table says on NumPy when ``numbers`` of tensor ``name`` are nudged both ways, and the two
    runs of the forward pass."""
    program, h = lesson.program, lesson.nudge.step
    runs = tuple(run_nudged(program, values, [name], [(name, i, sign * h) for i in numbers]) for sign in (1, -1))
    value, gradient = (np.array([values[key][index] for index in numbers]) for key in (name, f"{name}.g"))
    plus, minus = (run[program.loss] for run in runs)
    given = dict(plus=plus, minus=minus, h=h, scheme=lesson.nudge.scheme, loss=float(values[program.loss]))
    return TABLE.on_numbers({**given, "value": value, "gradient": gradient}), runs


def sample(lesson: Lesson, laid: Mapping[str, Laid], room: int) -> dict[str, list[Index]]:
    """The numbers to nudge by tensor: all, or a sample spread evenly over every tensor.

    ``laid`` says of each tensor how its passes lie, and so what one nudged number costs, copies included. At most
    ``[nudge] limit`` numbers, and fewer where they would take more than ``room`` cells; a tensor of which not even one
    number fits is left out, but never the cheapest: a sheet that is larger than it should be is better than none.
    """
    shapes = {name: lesson.program.shapes[name] for name in laid}
    sizes = {name: int(np.prod(shape, dtype=int)) for name, shape in shapes.items()}
    cost = {name: 2 * one.line_cells + len(FIELDS) for name, one in laid.items()}
    once = {name: sizes[name] + laid[name].once_cells for name in laid}
    chosen = sorted(laid, key=lambda name: cost[name])
    while len(chosen) > 1 and sum(cost[name] + once[name] for name in chosen) > room:
        chosen.pop()
    total = sum(sizes[name] for name in chosen)

    def counts(limit: int) -> dict[str, int]:
        return {name: _share(sizes[name], total, limit) for name in chosen}

    def cells(limit: int) -> int:
        return sum(count * cost[name] + once[name] for name, count in counts(limit).items())

    limits = range(1, lesson.nudge.limit + 1)
    fits = counts(max(1, bisect_right(limits, room, key=cells)))
    return {name: _spread(shapes[name], fits[name]) for name in shapes if name in chosen}


def _share(size: int, total: int, limit: int) -> int:
    return size if total <= limit else max(1, min(size, limit * size // total))


def _spread(shape: Shape, count: int) -> list[Index]:
    """So many elements, evenly spread from the first to the last."""
    size = int(np.prod(shape, dtype=int))
    flat = np.unique(np.linspace(0, size - 1, count).round().astype(int))
    return [tuple(map(int, np.unravel_index(k, shape))) if shape else () for k in flat]


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The sheet; its tally says how many nudges ``agree``, stand at a ``kink``, ``disagree``, and their ``total``."""
    sheet, program = Sheet(NAME), lesson.program
    across = all(2 * pass_cells(program, [name]) <= LONGEST_ROW for name in program.requested)
    laid = {}
    for name in program.requested:
        lines = program.forward_after([name])
        laid[name] = lay_flat(drawing, program, NAME, [name, *(line.target for line in lines)], lines, across)
    numbers = sample(lesson, laid, LIGHT)
    sheet.label(1, 2, "Nudge every number, watch the loss", "title")
    line, folded = ("row", "columns") if across else ("column", "rows")
    sheet.label(
        2,
        2,
        f"Each {line} nudges one number by h and runs the whole forward pass again (folded {folded}: press +).",
        "subtitle",
    )
    places = _heading(sheet, lesson, drawing, values)
    row, verdicts = TOP, []
    for name, indices in numbers.items():
        sheet.sections.append(row)
        bottom, verdict = _section(lesson, drawing, sheet, places, name, indices, values, row, across, laid[name])
        verdicts.append(verdict)
        row = bottom + 2
    first, last = (2 + FIELDS.index("verdict"),) * 2 if across else (2, sheet.last_column)
    shape = (row - TOP, last - first + 1)
    sheet.tally = _tally(sheet, lesson, numbers, Range(*verdicts), Placement(NAME, TOP, first, shape, ((1, 0), (0, 1))))
    _look(sheet, across)
    return sheet


def _look(sheet: Sheet, across: bool) -> None:
    """Widths of columns, what folds away, and pages."""
    last = sheet.last_column
    sheet.widths = {1: 3.5} | {k: COLUMN_WIDTH if across else 12.5 for k in range(2, last + 1)}
    sheet.widths |= {2: 15.0} | {k: 12.5 for k in range(3, 2 + VISIBLE)}
    sheet.pages_wide = 1 if across else -(-last // PAGE_COLUMNS)
    if across:
        sheet.widths[2 + FIELDS.index("remark")] = 21.0
        sheet.folded_columns.append((3 + VISIBLE, last))
        sheet.print_columns = 1 + VISIBLE
    sheet.freeze = "C7" if across else "D7"


def _heading(sheet: Sheet, lesson: Lesson, drawing: Drawing, values) -> Book:
    """h, the scheme and the loss as it is, at the top; gives their places for the formulas below."""
    loss = lesson.program.loss
    shown = {
        "h": (3, "h", lesson.nudge.step, "0.0E+00", drawing.settings[H]),
        "scheme": (4, "scheme", lesson.nudge.scheme, "@", drawing.settings[SCHEME]),
        "loss": (5, f"{loss} now", float(values[loss]), "0.000000", drawing.places[loss][0]),
    }
    for key, (row, word, value, form, source) in shown.items():
        sheet.label(row, 2, word, "setting_name")
        sheet.formula(row, 3, Ref(key, ()), {key: [source]}, value, "setting_copy", number_format=form)
    sheet.label(3, 4, "change h and the scheme on the Lesson sheet", "note")
    return {key: [Placement(NAME, row, 3, (), ())] for key, (row, *_) in shown.items()}


def _tally(sheet: Sheet, lesson: Lesson, numbers, verdicts: Range, whole: Placement) -> dict[str, Spread]:
    """How many agree, and how many stand at a kink: counted live over the whole table."""
    total = sum(len(indices) for indices in numbers.values())
    program = lesson.program
    every = sum(int(np.prod(program.shapes[name], dtype=int)) for name in program.requested)
    found, formulas = TALLY.on_numbers({"verdicts": verdicts, "total": float(total)}), TALLY.on_cells()
    for key, (place,) in tally_places().items():
        field = TALLY.panel[key]
        sheet.label(place.row, 8, field.heading, "setting_name" if key == "total" else f"tally_{key}")
        if key != "total":
            single(sheet, place.row, place.column, field, formulas[key], {"verdicts": [whole]}, found[key])
    if total < every:
        sheet.label(5, 4, f"a spread-out sample: {total} of {every} numbers", "note")
    fixed = np.array([[float(total)]])
    sheet.blocks.append(Block(6, 9, fixed.tolist(), "setting_copy", "fixed", fixed, number_format="0"))
    return {key: found[key] for key in COUNTS}


def tally_places() -> dict[str, list[Placement]]:
    """Where the counts stand."""
    return {word: [Placement(NAME, 3 + k, 9, (), ())] for k, word in enumerate(COUNTS)}


def sentence(counts: Mapping[str, Spread]) -> tuple[Expr, Book, Choice]:
    """The live verdict over the counts: its formula, where their places are, and what it says now."""
    return TALLY.on_cells()["sentence"], tally_places(), TALLY.on_numbers(counts)["sentence"]


def _section(lesson, drawing, sheet, places, name, indices, values, top, across, laid) -> tuple[int, Choice]:
    """The table of one tensor, a line for each of its nudged numbers; gives its last row and its verdicts."""
    program = lesson.program
    found, runs = nudged(lesson, name, indices, values)
    count, of = len(indices), int(np.prod(program.shapes[name], dtype=int))
    many = "its only number" if of == 1 else f"all {of} numbers" if count == of else f"{count} of {of} numbers"
    sheet.label(top, 2, f"{name}: {many}, one at a time", "section")
    shape = top + 1, len(FIELDS), count, ("+h", "−h"), across
    passes = Passes(sheet, drawing, program, [name], *shape, laid=laid)
    lines = Lines(TABLE, passes, {"role": lesson.tensors[name].role})
    lines.headings()
    passes.as_it_is(values)
    if not across:
        sheet.folded_rows.append((passes.cell(0, VISIBLE)[0], passes.cell(0, passes.fields - 1)[0]))
    for which, sign in enumerate("+-"):
        passes.write(which, runs[which], lambda line: passes.place(line, 0), lambda line: places["h"][0], sign)
    names = tuple(element_name(name, index) for index in indices)
    rows, columns = in_block(drawing.places[name][0], indices)
    for field, fixed in (("number", names), ("row", rows), ("column", columns)):
        lines.fixed(field, fixed)
    blocks = {"block": drawing.places[name], "gradients": drawing.places[f"{name}.g"]}
    up, down = (fields[program.loss] for fields in passes.passes)

    def book(line: int) -> Book:
        return {**places, **blocks, "plus": [passes.place(line, up)], "minus": [passes.place(line, down)]}

    formulas = TABLE.on_cells({key: cells_of(block, key) for key, block in blocks.items()})
    lines.write(found, formulas, book, items={"verdict": names})
    sheet.verdicts.append(lines.area("verdict"))
    return passes.bottom, found["verdict"]


def in_block(own: Placement, indices: Sequence[Index]) -> tuple[list[float], list[float]]:
    """The rows and columns of elements within the block of their tensor, counted from 1."""
    cells = [own.cell(index) for index in indices]
    return [float(row - own.row + 1) for row, _ in cells], [float(column - own.column + 1) for _, column in cells]


SHEET = SheetKind(
    name=NAME,
    about="every number nudged in turn, and the slope compared with the gradient",
    order=20,
    build=build,
)
