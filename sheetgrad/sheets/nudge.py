"""The Nudge sheet: every number is nudged, the whole forward pass runs again, and the loss answers.

One line a nudged number: a row, or a column where the forward pass is too long for a row. Rows make one table; what
each tensor needs besides (the names of its pass, and its numbers as they are) is folded away above its rows. Only what
depends on the nudged tensor is computed again; everything else is read from the Gradients sheet. What a line says stands
in ``nudge.toml``, when a slope and a gradient agree in ``agreement.toml``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np

from sheetgrad.autodiff.rounding import carried, rounding_terms
from sheetgrad.formulas.expressions import Expr, Index, Ref, Shape
from sheetgrad.formulas.places import Book, Placement, address
from sheetgrad.formulas.words import element_name
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.cells import CellArray
from sheetgrad.lines.evaluate import evaluate
from sheetgrad.lines.readings import CELLS, NUMBERS
from sheetgrad.lines.spreads import Choice, Range, Spread
from sheetgrad.plan.blocks import COLUMN_WIDTH, Block, Sheet
from sheetgrad.plan.drawing import Drawing
from sheetgrad.plan.fields import Lines, cells_of, single
from sheetgrad.plan.passes import LETTER, LONGEST_ROW, TITLES, WAYS, Laid, Passes, lay_flat, pass_cells, run_ways
from sheetgrad.tables.table import table

NAME = "Nudge"
H, SCHEME = "nudge.step", "nudge.scheme"
TOP = 7  # the row of the headings
PAGE_COLUMNS = 14  # of a table laid down columns, on a printed page
LIGHT = 40_000  # formula cells of this sheet: about a second of recalculation, half a megabyte
HEAVY = 1_000_000  # of one whose template says how many numbers to nudge
MOST = 200  # numbers, where the template says nothing
TABLE, TALLY = table("nudge"), table("tally")
FIELDS = tuple(TABLE.fields)
VISIBLE = TABLE.shown
COUNTS = ("agree", "kink", "cannot_tell", "disagree", "total")
STEP, CARRIED = (3, 3), (6, 3)  # row and column of h, and of how much the pass carries
COUNTED = 6  # the folded row of the counts
WARNING = (5, 2)
SENTENCE = (3, 6)  # row and column of the live verdict


def nudged(lesson: Lesson, name: str, numbers: Sequence[Index], values: Mapping[str, np.ndarray]):
    """What each line of the table says on NumPy when ``numbers`` of tensor ``name`` are nudged, and the runs of the
    forward pass by each way to nudge."""
    program, h = lesson.program, lesson.nudge.step
    runs = run_ways(program, values, [name], [(name, index, h) for index in numbers])
    value, gradient = (np.array([values[key][index] for index in numbers]) for key in (name, f"{name}.g"))
    given = dict(h=h, scheme=lesson.nudge.scheme, loss=float(values[program.loss]), carried=carried(program, values))
    losses = {way: run[program.loss] for way, run in runs.items()}
    return TABLE.on_numbers({**given, **losses, "value": value, "gradient": gradient}), runs


def sample(lesson: Lesson, laid: Mapping[str, Laid], room: int) -> dict[str, list[Index]]:
    """The numbers to nudge by tensor: all, or a sample spread evenly over every tensor.

    ``laid`` says of each tensor how its passes lie, and so what one nudged number costs, copies included. At most
    ``[nudge] limit`` numbers, and fewer where they would take more than ``room`` cells; a tensor of which not even one
    number fits is left out, but never the cheapest: a sheet that is larger than it should be is better than none.
    """
    shapes = {name: lesson.program.shapes[name] for name in laid}
    sizes = {name: int(np.prod(shape, dtype=int)) for name, shape in shapes.items()}
    cost = {name: len(WAYS) * one.line_cells + len(FIELDS) for name, one in laid.items()}
    once = {name: sizes[name] + laid[name].once_cells for name in laid}
    chosen = sorted(laid, key=lambda name: cost[name])
    while len(chosen) > 1 and sum(cost[name] + once[name] for name in chosen) > room:
        chosen.pop()
    total = sum(sizes[name] for name in chosen)

    def counts(limit: int) -> dict[str, int]:
        return {name: _share(sizes[name], total, limit) for name in chosen}

    def cells(limit: int) -> int:
        return sum(count * cost[name] + once[name] for name, count in counts(limit).items())

    limits = range(1, (lesson.nudge.limit or MOST) + 1)
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
    """The sheet; its tally says how many nudges ``agree``, stand at a ``kink``, ``disagree``, how many of them it
    ``cannot_tell``, and their ``total``."""
    sheet, program = Sheet(NAME), lesson.program
    across = all(2 * pass_cells(program, [name]) <= LONGEST_ROW for name in program.requested)
    laid = {}
    for name in program.requested:
        lines = program.forward_after([name])
        laid[name] = lay_flat(drawing, program, NAME, [name, *(line.target for line in lines)], lines, across)
    numbers = sample(lesson, laid, HEAVY if lesson.nudge.limit else LIGHT)
    loss = program.loss_in_words
    sheet.label(1, 2, f"Nudge every number, watch {loss}", "title")
    each = f"Each {'row' if across else 'column'} changes one number by h, runs the whole forward pass again"
    sheet.label(2, 2, f"{each} (folded away: press +), and asks: by how much did {loss} move?", "subtitle")
    places = _heading(sheet, lesson, drawing, values)
    row, verdicts = TOP, []
    if across:
        _headings(sheet, program.loss)
        row += 1
    for name, indices in numbers.items():
        bottom, said = _section(lesson, drawing, sheet, places, name, indices, values, row, across, laid[name])
        verdicts += said
        row = bottom + (1 if across else 2)
    first, last = (2 + FIELDS.index(word) for word in ("verdict", "remark")) if across else (2, sheet.last_column)
    shape = (row - TOP, last - first + 1)
    whole = Placement(NAME, TOP, first, shape, ((1, 0), (0, 1)))
    sheet.tally = _tally(sheet, lesson, numbers, Range(*verdicts), whole, places)
    _carried(sheet, drawing, lesson, values, row + 1)
    _look(sheet, lesson, across)
    return sheet


def _look(sheet: Sheet, lesson: Lesson, across: bool) -> None:
    """Widths of columns, what folds away, and pages."""
    last = sheet.last_column
    names = max(15.0, 1 + len(f"{lesson.program.loss} now"), *(1 + LETTER * len(name) for name in lesson.numbers))
    sheet.widths = {1: 3.5} | {k: COLUMN_WIDTH if across else 12.5 for k in range(2, last + 1)} | sheet.widths
    sheet.widths |= {2: max(names, sheet.widths[2])} | {k: 13.5 for k in range(3, 2 + VISIBLE)}
    if across:
        sheet.heights[TOP] = 24
        sheet.widths[2 + FIELDS.index("remark")] = 21.0
        sheet.folded_columns.append((2 + VISIBLE, last))
        sheet.print_columns = 1 + VISIBLE
    sheet.freeze = f"C{TOP + 1}" if across else f"D{TOP}"


def _headings(sheet: Sheet, loss: str) -> None:
    """Those of the one table of rows."""
    for column, field in enumerate(TABLE.fields.values(), 2):
        if field.heading:
            sheet.label(TOP, column, field.heading.format(loss=loss), "header")


def _heading(sheet: Sheet, lesson: Lesson, drawing: Drawing, values) -> Book:
    """h, the scheme, the loss as it is and how much the pass carries, at the top; gives their places for the formulas
    below."""
    loss, h = lesson.program.loss, lesson.nudge.step
    found, formulas = TABLE.on_numbers({"given": h, "errors": [carried(lesson.program, values)]}), TABLE.on_cells()
    typed = {"given": [drawing.settings[H]]}
    shown = {
        "scheme": (3, 5, "scheme", lesson.nudge.scheme, "@", drawing.settings[SCHEME]),
        "loss": (4, 3, f"{loss} now", float(values[loss]), "0.000000", drawing.places[loss][0]),
    }
    for key, (row, column, word, value, form, source) in shown.items():
        sheet.label(row, column - 1, word, "setting_name")
        sheet.formula(row, column, Ref(key, ()), {key: [source]}, value, "setting_copy", number_format=form)
    sheet.label(3, 2, TABLE.panel["h"].heading, "setting_name")
    single(sheet, *STEP, TABLE.panel["h"], formulas["h"], typed, found["h"])
    on = drawing.settings[H]
    to = dict(link=on.sheet, cell=address(on.row, on.column))
    sheet.label(4, 4, f"change h and the scheme on the {on.sheet} sheet", "link", **to)
    single(sheet, *WARNING, TABLE.panel["warning"], formulas["warning"], typed, found["warning"])
    at = {"h": STEP, "carried": CARRIED} | {key: cell for key, (*cell, _, _, _, _) in shown.items()}
    return {key: [Placement(NAME, *cell, (), ())] for key, cell in at.items()}


def h_place() -> list[Placement]:
    """Where h stands as it is used: what is typed on the Lesson sheet, if it is a number above 0."""
    return [Placement(NAME, *STEP, (), ())]


def carried_place() -> list[Placement]:
    """Where Σ|v·v.g| stands."""
    return [Placement(NAME, *CARRIED, (), ())]


def _carried(sheet: Sheet, drawing: Drawing, lesson: Lesson, values, top: int) -> None:
    """What rounding in each value does to the loss, a row a value at the end of the sheet, and the sum at its top: all
    folded away."""
    program = lesson.program
    sheet.label(top, 2, "What rounding can do: Σ|v·v.g| by value", "section")
    arrays = {key: CellArray.named(key, shape) for key, shape in program.shapes.items()}
    found = []
    for row, (name, term) in enumerate(rounding_terms(program).items(), top + 1):
        number = float(evaluate(term, values, NUMBERS, program.rules))
        cells = evaluate(term, arrays, CELLS, program.rules)
        sheet.label(row, 2, name, "element_name")
        sheet.formula(row, 3, cells.element(()), drawing.places, number, "index", number_format="0.00")
        found.append(number)
    field, total = TABLE.panel["carried"], Range(found)
    sheet.label(CARRIED[0], 2, field.heading, "number_muted")
    errors = {"errors": [Placement(NAME, top + 1, 3, (len(found),), ((1, 0),))]}
    ranges = {"errors": cells_of(errors["errors"], "errors")}
    formulas = TABLE.on_cells(ranges)
    single(sheet, *CARRIED, field, formulas["carried"], errors, TABLE.on_numbers({"errors": total})["carried"])
    sheet.folded_rows.append((top, top + len(found)))


def _tally(
    sheet: Sheet, lesson: Lesson, numbers, verdicts: Range, whole: Placement, places: Book
) -> dict[str, Spread | Choice]:
    """How many agree, stand at a kink, disagree, cannot be told, and what to do about these: counted live over the whole
    table."""
    total = sum(len(indices) for indices in numbers.values())
    program = lesson.program
    every = sum(int(np.prod(program.shapes[name], dtype=int)) for name in program.requested)
    found = TALLY.on_numbers({"verdicts": verdicts, "total": float(total), "h": lesson.nudge.step})
    formulas, book = TALLY.on_cells(), {**places, **tally_places(), "verdicts": [whole]}
    for key, (place,) in tally_places().items():
        field = TALLY.panel[key]
        if field.heading:
            sheet.label(place.row, place.column - 1, field.heading, "index")
        if key != "total":
            single(sheet, place.row, place.column, field, formulas[key], book, found[key])
    if total < every:
        sheet.label(5, 6, f"a spread-out sample: {total} of {every} numbers", "note")
    (place,), fixed = tally_places()["total"], np.array([[float(total)]])
    at = place.row, place.column
    sheet.blocks.append(Block(*at, fixed.tolist(), "setting_copy", "fixed", fixed, number_format="0"))
    sheet.folded_rows.append((COUNTED, COUNTED))
    shown = single(sheet, *SENTENCE, TALLY.panel["sentence"], formulas["sentence"], book, found["sentence"])
    sheet.sentences.append(shown.area(NAME))
    return {key: found[key] for key in (*COUNTS, "advice")}


def tally_places() -> dict[str, list[Placement]]:
    """Where the counts and the advice stand."""
    words = (*COUNTS, "advice")
    return {word: [Placement(NAME, COUNTED, 5 + 2 * k, (), ())] for k, word in enumerate(words)}


def sentence(counts: Mapping[str, Spread | Choice], word: str = "sentence") -> tuple[Expr, Book, Choice]:
    """The live verdict over the counts, or another line of the panel: its formula, where what it reads stands, and what
    it says now."""
    book = tally_places() | {"sentence": [Placement(NAME, *SENTENCE, (), ())]}
    return TALLY.on_cells()[word], book, TALLY.on_numbers(counts)[word]


def _section(
    lesson, drawing, sheet, places, name, indices, values, top, across, laid
) -> tuple[int, tuple[Choice, ...]]:
    """The table of one tensor, a line for each of its nudged numbers; gives its last row, its verdicts and remarks."""
    program = lesson.program
    found, runs = nudged(lesson, name, indices, values)
    shape = top + 1, len(FIELDS), len(indices), TITLES, across
    passes = Passes(sheet, drawing, program, [name], *shape, laid=laid)
    lines = Lines(TABLE, passes, {"role": lesson.tensors[name].role, "loss": program.loss})
    passes.as_it_is(values)
    if across:
        passes.headings()
        sheet.folded_rows.append((top, top + 1))
    else:
        lines.headings()
        sheet.label(top, 2, name, "section")
        sheet.sections.append(top)
        sheet.folded_rows.append((passes.cell(0, VISIBLE)[0], passes.cell(0, passes.fields - 1)[0]))
    passes.write_ways(runs, lambda line: passes.place(line, 0), lambda line: places["h"][0])
    names = tuple(element_name(name, index) for index in indices)
    rows, columns = in_block(drawing.places[name][0], indices)
    for field, fixed in (("number", names), ("row", rows), ("column", columns)):
        lines.fixed(field, fixed)
    blocks = {"block": drawing.places[name], "gradients": drawing.places[f"{name}.g"]}

    def book(line: int) -> Book:
        return {**places, **blocks, **passes.losses(line)}

    formulas = TABLE.on_cells({key: cells_of(block, key) for key, block in blocks.items()})
    lines.write(found, formulas, book, items={"verdict": names})
    sheet.verdicts.append(lines.area("verdict"))
    return passes.bottom, (found["verdict"], found["remark"])


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
