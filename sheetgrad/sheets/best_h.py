"""The Best h sheet: one number, nudged by a tenth, a hundredth, … 10⁻¹⁵. Which nudge gives the best slope?

Why there is a best one, and what each field says, stands in ``best_h.toml``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sheetgrad.autodiff.rounding import carried
from sheetgrad.formulas.places import Book, Placement
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import Chart, Series, Sheet
from sheetgrad.plan.drawing import Drawing
from sheetgrad.plan.fields import Lines, panel
from sheetgrad.plan.passes import LONGEST_ROW, TITLES, WAYS, Passes, pass_cells, run_ways
from sheetgrad.sheets import nudge, numbers
from sheetgrad.tables.table import table

NAME = "Best h"
PICKED = "laboratory.best_h"
TABLE = table("best_h")
STEPS = tuple(float(f"1e-{k}") for k in range(1, 16))
VISIBLE = TABLE.shown
TOP = 17
EXPONENTS = (
    "shown",
    "apart",
    "computed",
    "should",
    *("right_error", "central_error", "right_theory", "central_theory"),
)
WIDTHS = {"h": 16.0, "up": 11.5, "down": 10.5, "cause": 26.0, "right": 11.2, "central": 11.2, "verdict": 11.0}
WIDTHS |= dict.fromkeys(EXPONENTS, 10.0)  # all as narrow as one page is wide
PANEL = 4  # its column of numbers; row 4 has the name
CELLS = {word: (row, PANEL) for row, word in enumerate(("value", "gradient", "loss", "second", "third"), 5)}
CELLS |= {
    "best": (10, PANEL),
    "best_error": (10, PANEL + 1),
    "best_one": (11, PANEL),
    "best_one_error": (11, PANEL + 1),
}
CELLS |= {"sentence": (12, 2)}


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The sheet."""
    numbers.refuse_heavy(lesson, len(WAYS) * len(STEPS))
    program, fields = lesson.program, TABLE.fields
    sheet = Sheet(NAME)
    across = 2 * pass_cells(program, program.requested) <= LONGEST_ROW
    passes = Passes(sheet, drawing, program, program.requested, TOP + 1, len(fields), len(STEPS), TITLES, across)
    lines = Lines(TABLE, passes, {"loss": program.loss, "remark": "remark" if across else "remark_wrapped"})
    found, runs = measure(lesson, values)
    formulas = TABLE.on_cells(lying=not across)
    places = _inputs(sheet, lesson, drawing) | lines.everywhere
    panel(sheet, CELLS, TABLE, found, formulas, places, lines.words)
    _table(lines, found, formulas, values, runs, places)
    _chart(sheet, lines)
    _notes(sheet)
    last = passes.cell(passes.last_line, passes.fields - 1)[1]
    if across:
        sheet.folded_columns.append((passes.cell(0, VISIBLE)[1], last))
        sheet.print_columns = passes.cell(0, VISIBLE)[1] - 1
    else:
        sheet.folded_rows.append((passes.cell(0, VISIBLE)[0], passes.bottom))
    sheet.widths = {1: 3.5} | {k: 12.5 for k in range(2, last + 1)} | sheet.widths
    if across:
        sheet.widths |= {2 + lines.at[word]: wide for word, wide in WIDTHS.items()}
        sheet.heights[TOP + 1] = 46
    else:
        sheet.widths[2] = max(22.0, sheet.widths[2])
        sheet.heights[passes.cell(0, lines.at["cause"])[0]] = 42
    return sheet


def measure(lesson: Lesson, values: Mapping[str, np.ndarray]):
    """What the table says on NumPy, and the runs of the forward pass by each way to nudge."""
    program, pick = lesson.program, lesson.setting(PICKED)
    runs = run_ways(program, values, program.requested, [(*lesson.numbers[pick], step) for step in STEPS])
    given = dict(pick=pick, h=np.array(STEPS), now=float(values[program.loss]), carried=carried(program, values))
    given |= {way: run[program.loss] for way, run in runs.items()}
    return TABLE.on_numbers({**given, **numbers.listed(lesson, values)}), runs


def _inputs(sheet: Sheet, lesson: Lesson, drawing: Drawing) -> dict[str, list[Placement]]:
    """The title and the cell to pick a number; gives the places of all names in the formulas but the fields."""
    sheet.label(1, 2, "How small a nudge is best?", "title")
    sheet.label(2, 2, "One number, nudged by less and less: how far is the slope from the gradient?", "subtitle")
    sheet.label(4, 2, "the number", "setting_name")
    picked = sheet.input(4, PANEL, lesson.setting(PICKED), PICKED)
    sheet.choices[4, PANEL] = numbers.choices(lesson)
    sheet.label(4, PANEL + 1, "pick another", "editable_note")
    book = {name: [Placement(NAME, row, column, (), ())] for name, (row, column) in CELLS.items()}
    book["carried"] = nudge.carried_place()
    return numbers.places(lesson) | book | {"pick": [picked], "now": drawing.places[lesson.program.loss]}


def _table(lines: Lines, found, formulas, values, runs, places: Book) -> None:
    passes = lines.passes
    passes.sheet.label(TOP, 2, f"{len(STEPS)} nudges of the number, each a tenth of the one before", "section")
    lines.headings()
    passes.as_it_is(values)
    lines.fixed("h", STEPS)
    picked = places["pick"][0]
    passes.write_ways(runs, lambda line: picked, lambda line: passes.place(line, lines.at["h"]))

    def book(line: int) -> Book:
        return {**places, **passes.losses(line)}

    lines.write(found, formulas, book)
    passes.sheet.verdicts.append(lines.area("verdict"))


def _chart(sheet: Sheet, lines: Lines) -> None:
    def best(row: int, column: int):
        return Placement(NAME, row, column, (2,), ((1, 0),)).area

    x = lines.area("h")
    series = (
        Series("error, one side", x, lines.area("right_drawn"), "wrong"),
        Series("error, both sides", x, lines.area("central_drawn"), "gradient"),
        Series("theory, one side", x, lines.area("right_theory_drawn"), "wrong", "dashes"),
        Series("theory, both sides", x, lines.area("central_theory_drawn"), "gradient", "dashes"),
        Series("best h", best(*CELLS["best"]), best(*CELLS["best_error"]), "nudge", "points"),
    )
    title, column = "How far the slope is from the gradient", 2 + lines.at["computed"]
    sheet.charts.append(
        Chart(4, column, title, "h, the size of the nudge", "error", series, 20.0, 10.5, (STEPS[-1], STEPS[0]), True)
    )


def _notes(sheet: Sheet) -> None:
    """What the V means, and why a difference can look like 0."""
    texts = (
        "Read the chart from the right. Over a short way a curve is nearly straight: the smaller h, the smaller the "
        "error. But a cell keeps only about 16 digits: the smaller h, the fewer of them are left in up − down, in the "
        "table below. The best h is where the two meet.",
        "LibreOffice (measured): a − b becomes exactly 0 when the two agree in about 14 digits; =RAWSUBTRACT(a;b) shows "
        "what is left. (Ctrl+Shift+F9 makes it recalculate a file just opened.) Excel (documented, not run here): the "
        "same, but only for the last subtraction of a formula; =1*(a-b) shows it.",
    )
    for row, text, height in zip((13, 15), texts, (75, 81), strict=True):
        sheet.label(row, 2, text, "text", span=4)
        sheet.heights[row] = height


SHEET = SheetKind(
    name=NAME,
    about="one number nudged by less and less: which step is best, and why",
    order=80,
    build=build,
    key="laboratory",
    optional=True,
)
