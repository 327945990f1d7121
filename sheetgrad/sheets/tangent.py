"""The Tangent sheet: the loss as a curve of one number, and the gradient as the slope of the line that touches it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sheetgrad.autodiff.rounding import carried
from sheetgrad.formulas.places import Book, Placement
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import COLUMN_WIDTH, Chart, Series, Sheet
from sheetgrad.plan.drawing import Drawing
from sheetgrad.plan.fields import Lines, panel
from sheetgrad.plan.passes import FIRST_LINE, LONGEST_ROW, Passes, pass_cells, run_nudged
from sheetgrad.sheets import nudge, numbers
from sheetgrad.tables.table import table

NAME = "Tangent"
PICKED, REACH = "laboratory.tangent", "laboratory.reach"
TABLE = table("tangent")
CURVE = tuple(k / 5 for k in range(-20, 21))  # in nudges
MARKED = (-1.0, 0.0, 1.0)
SIDES = (-1.0, 1.0, -0.5, 0.5)  # in steps of h, for the slopes on both sides
TIMES = (*CURVE, *MARKED, *SIDES)
LINES = len(TIMES)
CHART_COLUMNS = 11  # beside the table, kept free for the chart
TOP = 25
PANEL = 4  # its column of numbers
CELLS = {word: (row, PANEL) for row, word in enumerate(("value", "loss", "gradient", "secant", "left", "right"), 6)}
CELLS |= {"verdict": (12, 2)}
FOLDED = [name for name, field in TABLE.panel.items() if field.folded]  # by which the verdict is found, below the table


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The sheet."""
    numbers.refuse_heavy(lesson, LINES)
    program = lesson.program
    sheet = Sheet(NAME, print_rows=TOP - 2)
    across = pass_cells(program, program.requested) <= LONGEST_ROW
    fields = len(TABLE.fields) + (CHART_COLUMNS if across else 0)
    passes = Passes(sheet, drawing, program, program.requested, TOP + 1, fields, LINES, ("this place",), across)
    lines = Lines(TABLE, passes, {"loss": program.loss})
    found, run = measure(lesson, values)
    formulas = TABLE.on_cells()
    cells = CELLS | {word: (passes.bottom + 2 + k, PANEL) for k, word in enumerate(FOLDED)}
    places = _inputs(sheet, lesson, drawing, cells) | lines.everywhere
    panel(sheet, cells, TABLE, found, formulas, places, lines.words)
    sheet.folded_rows.append((passes.bottom + 2, passes.bottom + 1 + len(FOLDED)))
    _table(lines, found, formulas, values, run, places)
    _chart(sheet, lesson, lines)
    last = passes.cell(passes.last_line, passes.fields - 1)[1]
    if across:
        sheet.folded_columns.append((passes.cell(0, fields)[1] + 1, last))
        sheet.print_columns = passes.cell(0, fields)[1] - 1
    else:
        sheet.folded_rows.append((passes.cell(0, fields)[0], passes.bottom))
    sheet.widths = {1: 3.5} | {k: COLUMN_WIDTH for k in range(2, max(last, 16) + 1)} | sheet.widths
    sheet.widths |= {k: 11.5 for k in range(3, 7)} | {2: max(14.0, sheet.widths[2])}
    return sheet


def measure(lesson: Lesson, values: Mapping[str, np.ndarray]):
    """What the table says on NumPy, and the run of the forward pass."""
    program, h, reach = lesson.program, lesson.nudge.step, lesson.sections["laboratory"].reach
    pick = lesson.setting(PICKED)
    step = np.where(np.arange(LINES) < LINES - len(SIDES), reach, h)
    run = run_nudged(program, values, program.requested, [(*lesson.numbers[pick], away) for away in TIMES * step])
    given = dict(pick=pick, h=h, reach=reach, step=step, times=np.array(TIMES), plus=run[program.loss])
    given |= {"now": float(values[program.loss]), "carried": carried(program, values), **numbers.listed(lesson, values)}
    return TABLE.on_numbers(given), run


def _inputs(
    sheet: Sheet, lesson: Lesson, drawing: Drawing, cells: Mapping[str, tuple[int, int]]
) -> dict[str, list[Placement]]:
    """The title and the cells to play with; gives the places of all names in the formulas but the fields."""
    loss = lesson.program.loss_in_words
    sheet.label(1, 2, "The gradient is the slope of the tangent", "title")
    sheet.label(2, 2, f"How {loss} moves with one number; everything else stays as it is.", "subtitle")
    sheet.label(4, 2, "the number", "setting_name")
    picked = sheet.input(4, PANEL, lesson.setting(PICKED), PICKED)
    sheet.choices[4, PANEL] = numbers.choices(lesson)
    sheet.label(4, PANEL + 1, "pick another", "editable_note")
    sheet.label(5, 2, "nudge it by", "setting_name")
    reach = sheet.input(5, PANEL, lesson.setting(REACH), REACH)
    sheet.label(5, PANEL + 1, "try 0.1, then 0.01", "editable_note")
    sheet.label(14, 2, TEXT, "text", span=5)
    sheet.heights[14] = 15 * 6
    book = {name: [Placement(NAME, row, column, (), ())] for name, (row, column) in cells.items()}
    book |= {
        "pick": [picked],
        "reach": [reach],
        "h": nudge.h_place(),
        "carried": nudge.carried_place(),
        "now": drawing.places[lesson.program.loss],
    }
    return numbers.places(lesson) | book


TEXT = (
    "The dark curve is computed point by point: the whole forward pass runs again for each. The dashed line starts at "
    "the number as it is and climbs with the gradient. A smaller nudge looks closer: the curve becomes the line, except "
    "at a corner, which stays a corner however close you look."
)


def _table(lines: Lines, found, formulas, values, run, places: Book) -> None:
    passes = lines.passes
    passes.sheet.label(TOP, 2, "The points of the curve, then the nudged ones", "section")
    lines.headings()
    passes.as_it_is(values)
    points = LINES - len(SIDES)
    passes.fixed(FIRST_LINE, lines.at["times"], TIMES[:points], "step", "0.0")
    passes.fixed(FIRST_LINE + points, lines.at["times"], SIDES, "step", '"+"0.0"h";"−"0.0"h"')
    picked = places["pick"][0]
    passes.write(0, run, lambda line: picked, lambda line: passes.place(line, lines.at["offset"]))
    at = passes.passes[0][lines.words["loss"]]

    def book(line: int) -> Book:
        step = places["reach" if line < FIRST_LINE + points else "h"]
        return {**places, "plus": [passes.place(line, at)], "step": step}

    lines.write(found, formulas, book, ("offset",), slice(0, points))
    lines.write(found, formulas, book, ("offset",), slice(points, LINES), "0.0E+00")
    lines.write(found, formulas, book, ("x", "height", "line"))


def _chart(sheet: Sheet, lesson: Lesson, lines: Lines) -> None:
    def part(word: str, first: int, count: int):
        return lines.passes.area(FIRST_LINE + first, FIRST_LINE + first + count - 1, lines.at[word])

    curve, marked = len(CURVE), len(MARKED)
    loss = lesson.program.loss
    series = (
        Series(loss, part("times", 0, curve), part("height", 0, curve), "ink"),
        Series("tangent: slope = gradient", part("times", 0, curve), part("line", 0, curve), "gradient", "dashes"),
        Series("as it is, and nudged", part("times", curve, marked), part("height", curve, marked), "nudge", "points"),
    )
    away, ends = "how far the number is moved, in nudges", (CURVE[0], CURVE[-1])
    title = f"How {lesson.program.loss_in_words} moves with the number"
    sheet.charts.append(Chart(4, 8, title, away, loss, series, 17.0, 9.8, ends))


SHEET = SheetKind(
    name=NAME,
    about="the loss as a curve, and the gradient as the slope of its tangent",
    order=100,
    build=build,
    key="laboratory",
    optional=True,
)
