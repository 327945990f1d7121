"""The Tangent sheet: the loss as a curve of one number, and the gradient as the slope of the line that touches it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sheetgrad.formulas.expressions import Call, Expr, Neg, Num, Op, Ref, Text
from sheetgrad.formulas.places import Placement
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import COLUMN_WIDTH, Chart, Series, Sheet
from sheetgrad.plan.drawing import Drawing
from sheetgrad.plan.passes import FIRST_LINE, LONGEST_ROW, Passes, pass_cells, run_nudged
from sheetgrad.sheets import nudge, numbers
from sheetgrad.workbook.style import GRADIENT_INK, INK, NUDGE_INK

NAME = "Tangent"
PICKED, REACH = "laboratory.tangent", "laboratory.reach"
CURVE = tuple(k / 5 for k in range(-20, 21))  # in nudges
MARKED = (-1.0, 0.0, 1.0)
TIMES = (*CURVE, *MARKED)
LINES = len(TIMES) + 2  # the last two are as far away as h, for the slopes on both sides
FIELDS = {
    "times": ("nudges", "step", "0.0"),
    "offset": ("away by", "nudge", "0.0000"),
    "x": ("the number", "nudge", "0.0000"),
    "loss": ("loss", "nudge", "0.000000"),
    "line": ("tangent", "gradient", "0.000000"),
}
AT = {word: k for k, word in enumerate(FIELDS)}
CHART_COLUMNS = 11  # beside the table, kept free for the chart
TOP = 25
VALUE, NOW, GRADIENT, SECANT, LEFT, RIGHT, VERDICT = range(6, 13)  # rows of the panel
PANEL = 4  # its column of numbers
SMOOTH = "smooth: the line touches the curve"
CORNER = "a corner: two slopes, so no tangent touches"
WRONG = "✗ the gradient is not the slope"


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The sheet."""
    numbers.refuse_heavy(lesson, LINES)
    program = lesson.program
    sheet = Sheet(NAME, one_page=True, print_rows=TOP - 2)
    across = pass_cells(program, program.requested) <= LONGEST_ROW
    fields = len(FIELDS) + (CHART_COLUMNS if across else 0)
    passes = Passes(sheet, drawing, program, program.requested, TOP + 1, fields, LINES, ("this place",), across)
    found = measure(lesson, values)
    book = _panel(sheet, lesson, drawing, passes, found)
    _table(sheet, lesson, passes, found, values, book)
    _chart(sheet, lesson, passes)
    last = passes.cell(passes.last_line, passes.fields - 1)[1]
    if across:
        sheet.folded_columns.append((passes.cell(0, fields)[1] + 1, last))
        sheet.print_columns = passes.cell(0, fields)[1] - 1
    else:
        sheet.folded_rows.append((passes.cell(0, fields)[0], passes.bottom))
    sheet.widths = {1: 3.5} | {k: COLUMN_WIDTH for k in range(2, max(last, 16) + 1)}
    sheet.widths |= {k: 11.5 for k in range(2, 7)}
    return sheet


def measure(lesson: Lesson, values: Mapping[str, np.ndarray]) -> dict:
    """Every field of the table on NumPy, and the numbers of the panel."""
    program, loss, h = lesson.program, lesson.program.loss, lesson.nudge.step
    tensor, index = lesson.numbers[lesson.setting(PICKED)]
    value, now = float(values[tensor][index]), float(values[loss])
    gradient = float(values[f"{tensor}.g"][index])
    offsets = np.array([*(k * lesson.sections["laboratory"].reach for k in TIMES), -h, h])
    runs = run_nudged(program, values, program.requested, [(tensor, index, amount) for amount in offsets])
    losses = runs[loss]
    with np.errstate(all="ignore"):
        line = now + gradient * offsets
        left, right = (now - losses[-2]) / h, (losses[-1] - now) / h
        secant = (losses[len(CURVE) + 2] - losses[len(CURVE)]) / (2 * lesson.sections["laboratory"].reach)
        allowed = nudge.allowed_error(now, value, np.array([gradient]), np.array([right]), np.array([left]), h)
        (sign,) = nudge.agreement(np.array([gradient]), np.array([right]), np.array([left]), allowed)
        if sign == nudge.AGREE and nudge.corner(now, value, gradient, right, left, h):
            sign = nudge.KINK
    words = {nudge.AGREE: SMOOTH, nudge.KINK: CORNER, nudge.DISAGREE: WRONG}
    panel = {VALUE: value, NOW: now, GRADIENT: gradient, SECANT: secant, LEFT: left, RIGHT: right}
    panel[VERDICT] = words.get(sign, np.nan)
    fields = {"offset": offsets, "x": value + offsets, "loss": losses, "line": line}
    noise = {
        size: float(nudge.rounding_error(now, value, gradient, size))
        for size in (h, lesson.sections["laboratory"].reach)
    }
    return {
        "fields": fields,
        "panel": panel,
        "runs": runs,
        "noise": (noise[h], noise[lesson.sections["laboratory"].reach]),
    }


def _panel(sheet, lesson, drawing, passes: Passes, found) -> dict[str, list[Placement]]:
    loss = lesson.program.loss
    sheet.label(1, 2, "The gradient is the slope of the tangent", "title")
    sheet.label(2, 2, f"{loss} for other values of one number; everything else stays as it is.", "subtitle")
    sheet.label(4, 2, "the number", "setting_name")
    picked = sheet.input(4, PANEL, lesson.setting(PICKED), PICKED)
    sheet.choices[4, PANEL] = numbers.choices(lesson)
    sheet.label(4, PANEL + 1, "pick another", "editable_note")
    sheet.label(5, 2, "nudge it by", "setting_name")
    reach = sheet.input(5, PANEL, lesson.setting(REACH), REACH)
    sheet.label(5, PANEL + 1, "try 0.1, then 0.01", "editable_note")

    def at(row: int) -> list[Placement]:
        return [Placement(NAME, row, PANEL, (), ())]

    def loss_at(line: int) -> list[Placement]:
        return [passes.place(FIRST_LINE + line, AT["loss"])]

    book = numbers.places(lesson) | {numbers.PICK: [picked], REACH: [reach], nudge.H: [drawing.settings[nudge.H]]}
    book |= {"field.value": at(VALUE), "field.gradient": at(GRADIENT), loss: at(NOW)}
    book |= {"field.left": at(LEFT), "field.right": at(RIGHT)}
    marked = len(CURVE)
    book |= {"before": loss_at(marked), "after": loss_at(marked + 2)}
    book |= {"field.down": loss_at(LINES - 2), "field.up": loss_at(LINES - 1)}
    right, left = nudge.side_expressions(loss)
    secant = Op("/", Op("-", Ref("after", ()), Ref("before", ())), Op("*", Num(2), Ref(REACH, ())))
    rows: dict[int, tuple[str, Expr, str, str, float]] = {
        VALUE: ("its value", numbers.of_the_picked("value"), "setting_copy", "0.00##", 0.0),
        NOW: (f"{loss} now", Ref(loss, ()), "setting_copy", "0.000000", 0.0),
        GRADIENT: ("gradient (rule)", numbers.of_the_picked("gradient"), "gradient_bold", "0.000000", 0.0),
        SECANT: ("slope between the nudges", secant, "slope", "0.000000", found["noise"][1]),
        LEFT: ("slope just left of it", left, "side", "0.000000", found["noise"][0]),
        RIGHT: ("slope just right of it", right, "side", "0.000000", found["noise"][0]),
    }
    for row, (word, expression, style, form, tolerance) in rows.items():
        sheet.label(row, 2, word, "setting_name")
        places = {loss: [drawing.places[loss][0]]} if row == NOW else book
        expected = found["panel"][row]
        sheet.formula(row, PANEL, expression, places, expected, style, tolerance=tolerance, number_format=form)
    touches = Call("IF", (nudge.corner_expression(loss), Text(CORNER), Text(SMOOTH)))
    verdict = nudge.agreement_expression(nudge.allowed_expression(loss), (touches, Text(CORNER), Text(WRONG)))
    sheet.formula(VERDICT, 2, verdict, book, found["panel"][VERDICT], "corner")
    sheet.label(14, 2, TEXT, "text", span=5)
    sheet.heights[14] = 15 * 6
    return book


TEXT = (
    "The dark curve is computed point by point: the whole forward pass runs again for each. The dashed line starts at "
    "the number as it is and climbs with the gradient. A smaller nudge looks closer: the curve becomes the line, except "
    "at a corner, which stays a corner however close you look."
)


def _table(sheet: Sheet, lesson: Lesson, passes: Passes, found, values, panel) -> None:
    loss = lesson.program.loss
    sheet.label(TOP, 2, "The points of the curve, then the nudged ones", "section")
    for word, (heading, _, _) in FIELDS.items():
        sheet.label(*passes.cell(0, AT[word]), heading if word != "loss" else loss, "header")
    sheet.label(*passes.cell(1, 0), "as it is", "number_muted")
    passes.headings()
    passes.as_it_is(values)
    passes.fixed(FIRST_LINE, AT["times"], TIMES, "step", "0.0")
    passes.fixed(FIRST_LINE + len(TIMES), AT["times"], ("−h", "+h"), "step")
    picked = panel[numbers.PICK][0]
    passes.write(0, found["runs"], lambda line: picked, lambda line: passes.place(line, AT["offset"]), "+")

    def book(line: int) -> dict[str, list[Placement]]:
        places = {f"line.{word}": [passes.place(line, k)] for word, k in AT.items()}
        return places | {"pass": [passes.place(line, passes.passes[0][loss])]} | panel

    offset = Ref("line.offset", ())
    fields = found["fields"]
    _, style, form = FIELDS["offset"]
    away = Op("*", Ref("line.times", ()), Ref(REACH, ()))
    points = len(TIMES)
    passes.field(AT["offset"], away, fields["offset"][:points], style, form, book)
    for k, expression in ((points, Neg(Ref(nudge.H, ()))), (points + 1, Ref(nudge.H, ()))):
        expected = fields["offset"][k : k + 1]
        passes.field(AT["offset"], expression, expected, style, "0.0E+00", book, first=FIRST_LINE + k)
    parts = {
        "x": Op("+", Ref("field.value", ()), offset),
        "loss": Ref("pass", ()),
        "line": Op("+", Ref(loss, ()), Op("*", Ref("field.gradient", ()), offset)),
    }
    for word, expression in parts.items():
        _, style, form = FIELDS[word]
        passes.field(AT[word], expression, fields[word], style, form, book)


def _chart(sheet: Sheet, lesson: Lesson, passes: Passes) -> None:
    def part(word: str, first: int, count: int):
        return passes.area(FIRST_LINE + first, FIRST_LINE + first + count - 1, AT[word])

    curve, marked = len(CURVE), len(MARKED)
    loss = lesson.program.loss
    series = (
        Series(loss, part("x", 0, curve), part("loss", 0, curve), INK),
        Series("tangent: slope = gradient", part("x", 0, curve), part("line", 0, curve), GRADIENT_INK, "dashes"),
        Series("as it is, and nudged", part("x", curve, marked), part("loss", curve, marked), NUDGE_INK, "points"),
    )
    sheet.charts.append(Chart(4, 8, f"{loss} against the number", "the number", loss, series, 17.0, 9.8))


SHEET = SheetKind(
    name=NAME,
    about="the loss as a curve, and the gradient as the slope of its tangent",
    order=100,
    build=build,
    key="laboratory",
    optional=True,
)
