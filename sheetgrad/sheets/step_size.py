"""The Step size sheet: one number, nudged by a tenth, a hundredth, … 10⁻¹⁵. Which nudge gives the best slope?

Two errors work against each other. Truncation: the curve is not straight, which costs h/2 · |f″| for one side and
h²/6 · |f‴| for two (Taylor). Rounding: the losses keep about 16 digits, so that their difference is off by about
ε·|f|, which costs ε·|f| / h (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., section 1.14). The
theory columns estimate f″ and f‴ from the nudges by 0.1 and 0.01; an estimate within rounding counts as 0.

What is allowed: the bound of the Nudge sheet, or the way from this slope to the one at ``REFERENCE`` and what is
allowed there. By the triangle inequality a right gradient is within it, however sharply the loss bends farther away.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sheetgrad.formulas.expressions import Call, Expr, Num, Op, Ref, Text, Whole
from sheetgrad.formulas.places import Placement
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import COLUMN_WIDTH, Chart, Series, Sheet
from sheetgrad.plan.drawing import Drawing
from sheetgrad.plan.passes import FIRST_LINE, LONGEST_ROW, Passes, conditions, pass_cells, run_nudged
from sheetgrad.sheets import nudge, numbers
from sheetgrad.workbook.style import GRADIENT_INK, NUDGE_INK, WRONG_INK

NAME = "Step size"
PICKED = "laboratory.step_size"
STEPS = tuple(float(f"1e-{k}") for k in range(1, 16))
FIELDS = {
    "h": ("h", "step", "0E+00"),
    "up": ("loss at +h", "nudge", "0.000000"),
    "down": ("loss at −h", "nudge", "0.000000"),
    "shown": ("up − down, two decimals", "nudge", "0.00"),
    "apart": ("up − down in full", "nudge", "0.00E+00"),
    "computed": ("1·(up − down)", "nudge", "0.00E+00"),
    "should": ("should be: 2h · gradient", "gradient", "0.00E+00"),
    "cause": ("what happened", "remark", "@"),
    "right": ("slope, one side", "slope", "0.00000000"),
    "central": ("slope, both sides", "slope", "0.00000000"),
    "right_error": ("error, one side", "difference", "0.0E+00"),
    "central_error": ("error, both sides", "difference", "0.0E+00"),
    "right_theory": ("theory, one side", "difference", "0.0E+00"),
    "central_theory": ("theory, both sides", "difference", "0.0E+00"),
    "verdict": ("agrees?", "verdict", "@"),
    "left": ("slope to −h", "index", "0.00000000"),
    "near": ("allowed nearby", "index", "0.0E+00"),
    "allowed": ("allowed", "index", "0.0E+00"),
    "right_drawn": ("drawn", "index", "0.0E+00"),
    "central_drawn": ("drawn", "index", "0.0E+00"),
    "right_theory_drawn": ("drawn", "index", "0.0E+00"),
    "central_theory_drawn": ("drawn", "index", "0.0E+00"),
    "right_ratio": ("÷ the least", "index", "0.0E+00"),
    "central_ratio": ("÷ the least", "index", "0.0E+00"),
}
DRAWN = ("right_theory_drawn", "central_theory_drawn")
DIFFERENCES = ("shown", "apart", "computed")  # an application may show 0 where rounding allows it, nowhere else
VISIBLE = 15
REFERENCE = 5  # the line of 10⁻⁶: near enough for the curve to be straight, far enough from rounding
AT = {word: k for k, word in enumerate(FIELDS)}
LOST = "0: too close to tell apart here"
SNAPPED = "0: set to 0, the two are so close"
ZERO = "0, as it should be"
COARSE = "too coarse"  # what is allowed is so much that agreement says nothing
COARSEST = 0.2  # of the gradient, or of 1
HIDDEN = "not 0: two decimals hide it"
STRAIGHT = "Not bent here: only rounding is left, so the largest h is best."
EVEN = "Bent evenly here: nudging both ways is right at any h; the largest is best."
FLOOR = 1e-17  # a chart with logarithmic axes cannot draw 0
TOP = 18
VALUE, GRADIENT, NOW, SECOND, THIRD, BEST, BEST_ONE = range(5, 12)  # rows of the panel; row 4 has the name
PANEL = 4  # its column of numbers


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The sheet."""
    numbers.refuse_heavy(lesson, 2 * len(STEPS))
    program = lesson.program
    sheet = Sheet(NAME)
    across = 2 * pass_cells(program, program.requested) <= LONGEST_ROW
    passes = Passes(sheet, drawing, program, program.requested, TOP + 1, len(FIELDS), len(STEPS), ("+h", "−h"), across)
    found = measure(lesson, values)
    book = _panel(sheet, lesson, drawing, passes, found)
    _table(sheet, lesson, passes, found, values, book)
    _chart(sheet, passes)
    _notes(sheet)
    last = passes.cell(passes.last_line, passes.fields - 1)[1]
    if across:
        sheet.folded_columns.append((passes.cell(0, VISIBLE)[1] + 1, last))
        sheet.print_columns = passes.cell(0, VISIBLE)[1] - 1
    else:
        sheet.folded_rows.append((passes.cell(0, VISIBLE)[0], passes.bottom))
    sheet.widths = {1: 3.5} | {k: 12.5 for k in range(2, 2 + VISIBLE)}
    if across:
        sheet.widths |= {k: COLUMN_WIDTH for k in range(2 + VISIBLE, last + 1)}
        sheet.widths[2 + AT["cause"]] = 34.0
        sheet.heights[TOP + 1] = 32
    else:
        sheet.widths |= {k: 12.5 for k in range(2 + VISIBLE, last + 1)} | {2: 22.0}
        sheet.heights[passes.cell(0, AT["cause"])[0]] = 42
    return sheet


def measure(lesson: Lesson, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray | float | dict]:
    """Every field of the table on NumPy, and the numbers of the panel."""
    program, loss = lesson.program, lesson.program.loss
    tensor, index = lesson.numbers[lesson.setting(PICKED)]
    h, now = np.array(STEPS), float(values[loss])
    gradient, value = float(values[f"{tensor}.g"][index]), float(values[tensor][index])
    runs = tuple(
        run_nudged(program, values, program.requested, [(tensor, index, sign * step) for step in STEPS])
        for sign in (1, -1)
    )
    up, down = (run[loss] for run in runs)
    with np.errstate(all="ignore"):
        right, left, central = (up - now) / h, (now - down) / h, (up - down) / (2 * h)
        noise = nudge.rounding_error(now, value, gradient, h)
        second = abs(right[1] - left[1]) / h[1]
        third = abs(central[0] - central[1]) * 6 / (h[0] ** 2 - h[1] ** 2)
        second = 0.0 if abs(right[1] - left[1]) <= noise[1] else second
        third = 0.0 if abs(central[0] - central[1]) <= noise[1] else third
        rounding = nudge.EPSILON * max(abs(now), abs(value * gradient)) / h
        theory = {"right": h / 2 * second + rounding, "central": h**2 / 6 * third + rounding}
        near = nudge.allowed_error(now, value, gradient, right, left, h)
        allowed = np.maximum(near, np.abs(central - central[REFERENCE]) + near[REFERENCE])
        verdict = nudge.agreement(np.full(len(h), gradient), right, left, allowed)
    fields = {
        "up": up,
        "down": down,
        "shown": up - down,
        "apart": up - down,
        "computed": up - down,
        "should": 2 * h * gradient,
        "cause": _causes(up - down, noise * h, abs(gradient) <= noise[-1] * h[-1]),
        "right": right,
        "central": central,
        "left": left,
        "right_error": np.abs(right - gradient),
        "central_error": np.abs(central - gradient),
        "right_theory": theory["right"],
        "central_theory": theory["central"],
        "verdict": verdict,
        "near": near,
        "allowed": allowed,
    }
    for side in ("right", "central"):
        fields[f"{side}_drawn"] = np.maximum(fields[f"{side}_error"], FLOOR)
        drawn = fields[f"{side}_theory_drawn"] = np.maximum(fields[f"{side}_theory"], FLOOR)
        fields[f"{side}_ratio"] = drawn / drawn.min()
    panel = {VALUE: value, GRADIENT: gradient, NOW: now, SECOND: second, THIRD: third}
    return {"fields": fields, "panel": panel, "noise": noise, "runs": runs}


def _causes(apart: np.ndarray, bound: np.ndarray, zero: bool) -> np.ndarray:
    """Why a difference looks like 0. Below the rounding bound an application may have set it to 0."""
    texts = np.empty(len(apart), dtype=object)
    for k, (size, least) in enumerate(zip(np.abs(apart), bound, strict=True)):
        near = abs(size - 0.005) <= least + 1e-9
        if not np.isfinite(size):
            texts[k] = np.nan
        elif zero:
            texts[k] = ZERO
        elif size <= least:
            texts[k] = (LOST, SNAPPED, HIDDEN, *([""] if near or least > 0.005 else []))
        elif near:
            texts[k] = (HIDDEN, "")
        else:
            texts[k] = HIDDEN if size < 0.005 else ""
    return texts


def _judged(verdict: np.ndarray, allowed: np.ndarray, gradient: float, spread: np.ndarray) -> np.ndarray:
    """The verdicts, or that nothing can be told; both where it is on the edge."""
    edge = COARSEST * max(1.0, abs(gradient))
    shown = np.empty(len(verdict), dtype=object)
    for k, sign in enumerate(verdict):
        if sign != sign:
            shown[k] = sign
        elif abs(allowed[k] - edge) <= spread[k]:
            shown[k] = (sign, COARSE)
        else:
            shown[k] = COARSE if allowed[k] > edge else sign
    return shown


def _panel(sheet: Sheet, lesson: Lesson, drawing, passes: Passes, found) -> dict[str, list[Placement]]:
    """The picked number and what is known of it, on the left; gives the places of all names in the formulas."""
    loss = lesson.program.loss
    sheet.label(1, 2, "How small a nudge is best?", "title")
    sheet.label(2, 2, "One number, nudged by less and less: how far is the slope from the gradient?", "subtitle")
    sheet.label(4, 2, "the number", "setting_name")
    picked = sheet.input(4, PANEL, lesson.setting(PICKED), PICKED)
    sheet.choices[4, PANEL] = numbers.choices(lesson)
    sheet.label(4, PANEL + 1, "pick another", "editable_note")

    def at(row: int, column: int = PANEL) -> list[Placement]:
        return [Placement(NAME, row, column, (), ())]

    def line(word: str) -> list[Placement]:
        first = passes.cell(FIRST_LINE, AT[word])
        step = ((1, 0),) if passes.across else ((0, 1),)
        return [Placement(NAME, *first, (len(STEPS),), step)]

    book = numbers.places(lesson) | {numbers.PICK: [picked], loss: at(NOW), "second": at(SECOND), "third": at(THIRD)}
    book |= {"field.value": at(VALUE), "field.gradient": at(GRADIENT)}
    book |= {
        f"all.{word}": line(word)
        for word in ("h", "central_ratio", "right_ratio", "central_error", "right_error", *DRAWN)
    }
    for k, key in ((0, "0.1"), (1, "0.01")):
        book |= {
            f"{word}.{key}": [passes.place(FIRST_LINE + k, AT[word])] for word in ("h", "right", "left", "central")
        }
    book |= {f"{word}.reference": [passes.place(FIRST_LINE + REFERENCE, AT[word])] for word in ("central", "near")}
    panel, noise = found["panel"], found["noise"]
    enough = nudge.rounding_expression(loss, Ref("h.0.01", ()))
    bend = Op("-", Ref("right.0.01", ()), Ref("left.0.01", ()))
    turn = Op("-", Ref("central.0.1", ()), Ref("central.0.01", ()))
    squares = Op("-", Op("^", Ref("h.0.1", ()), Num(2)), Op("^", Ref("h.0.01", ()), Num(2)))
    second = _unless_noise(bend, enough, Op("/", Call("ABS", (bend,)), Ref("h.0.01", ())))
    third = _unless_noise(turn, enough, Op("/", Op("*", Num(6), Call("ABS", (turn,))), squares))
    source = {loss: [drawing.places[loss][0]]}
    rows: dict[int, tuple[str, Expr, str, float]] = {
        VALUE: ("its value", numbers.of_the_picked("value"), "0.00##", 0.0),
        GRADIENT: ("its gradient (rule)", numbers.of_the_picked("gradient"), "0.000000", 0.0),
        NOW: (f"{loss} now", Ref(loss, ()), "0.000000", 0.0),
        SECOND: ("how fast the slope changes, f″", second, "0.00E+00", 4 * noise[1] / STEPS[1]),
        THIRD: ("how fast that changes, f‴", third, "0.00E+00", 12 * noise[1] / STEPS[0] ** 2),
    }
    for row, (word, expression, form, tolerance) in rows.items():
        sheet.label(row, 2, word, "setting_name")
        places = source if row == NOW else book
        style = "gradient_bold" if row == GRADIENT else "setting_copy"
        sheet.formula(row, PANEL, expression, places, panel[row], style, tolerance=tolerance, number_format=form)
    fields, theory_error = found["fields"], _theory_error(noise)
    for row, side, word in ((BEST, "central", "best h, both sides"), (BEST_ONE, "right", "best h, one side")):
        sheet.label(row, 2, word, "setting_name")
        least = _least(fields[f"{side}_theory_drawn"], theory_error[side])
        at_best = _where_least(f"all.{side}_ratio", passes.across)
        steps = tuple(STEPS[k] for k in least) or np.nan
        errors = tuple(max(float(fields[f"{side}_error"][k]), FLOOR) for k in least) or np.nan
        sheet.formula(row, PANEL, at_best("all.h"), book, steps, "slope", number_format="0E+00")
        shown = Call("MAX", (at_best(f"all.{side}_error"), Num(FLOOR)))
        spread = float(noise[least].max()) if len(least) else 0.0
        sheet.formula(row, PANEL + 1, shown, book, errors, "difference", tolerance=spread, number_format="0.0E+00")
    straight, even = Op("=", Ref("second", ()), Num(0)), Op("=", Ref("third", ()), Num(0))
    sentence = conditions([(Call("AND", (straight, even)), Text(STRAIGHT)), (even, Text(EVEN))], Text(""))
    bends = found["panel"][SECOND], found["panel"][THIRD]
    if not np.isfinite(bends).all():
        expected: str | float = np.nan
    else:
        expected = STRAIGHT if bends == (0, 0) else EVEN if not bends[1] else ""
    sheet.formula(BEST_ONE + 1, 2, sentence, book, expected, "note")
    return book


def _theory_error(noise: np.ndarray) -> dict[str, np.ndarray]:
    """How far the theory columns may be off, because f″ and f‴ are estimated from differences."""
    h = np.array(STEPS)
    return {"right": h / 2 * 4 * noise[1] / h[1], "central": h**2 / 6 * 12 * noise[1] / h[0] ** 2}


def _least(theory: np.ndarray, error: np.ndarray) -> np.ndarray:
    """The lines where the theory may be least; none where it is not a number."""
    if not np.isfinite(theory).all():
        return np.array([], dtype=int)
    return np.flatnonzero(theory - error <= (theory + error).min())


def _unless_noise(found: Expr, noise: Expr, value: Expr) -> Expr:
    return Call("IF", (Op("<=", Call("ABS", (found,)), noise), Num(0), value))


def _where_least(ratio: str, across: bool):
    """The value of another field where the theory is least: its ratio to the least is 1. (Tiny numbers themselves
    are all the same to the MATCH of some applications.)"""
    place = Call("MATCH", (Num(1), Whole(ratio), Num(0)))
    return lambda word: Call("INDEX", (Whole(word), *((place, Num(1)) if across else (Num(1), place))))


def _table(sheet: Sheet, lesson: Lesson, passes: Passes, found, values, panel) -> None:
    loss = lesson.program.loss
    sheet.label(TOP, 2, f"{len(STEPS)} nudges of the number, each a tenth of the one before", "section")
    for word, (heading, _, _) in FIELDS.items():
        sheet.label(*passes.cell(0, AT[word]), heading, "header")
    sheet.label(*passes.cell(1, 0), "as it is", "number_muted")
    passes.headings()
    passes.as_it_is(values)
    passes.fixed(FIRST_LINE, AT["h"], STEPS, "step", "0E+00")
    picked = panel[numbers.PICK][0]
    for which, sign in enumerate("+-"):
        amounts = lambda line: passes.place(line, AT["h"])  # noqa: E731
        passes.write(which, found["runs"][which], lambda line: picked, amounts, sign)
    up, down = (fields[loss] for fields in passes.passes)

    def book(line: int) -> dict[str, list[Placement]]:
        places = {f"field.{word}": [passes.place(line, k)] for word, k in AT.items()}
        here = {"pass+": [passes.place(line, up)], "pass-": [passes.place(line, down)]}
        return places | here | {nudge.H: [passes.place(line, AT["h"])]} | panel

    h, noise = np.array(STEPS), found["noise"]
    right, left = nudge.side_expressions(loss)
    apart = Op("-", _field("up"), _field("down"))
    doubled = Op("*", Num(2), _field("h"))
    rounding = Op(
        "/",
        Op("*", Num(nudge.EPSILON), Call("MAX", (Call("ABS", (Ref(loss, ()),)), _moved()))),
        _field("h"),
    )
    bend = Op("*", Op("/", _field("h"), Num(2)), Ref("second", ()))
    turn = Op("*", Op("/", Op("^", _field("h"), Num(2)), Num(6)), Ref("third", ()))
    least = Op("*", Num(nudge.ROUNDINGS * nudge.EPSILON), _largest_of(loss))
    cause = conditions(
        [
            (Op("<=", Call("ABS", (_field("gradient"),)), least), Text(ZERO)),
            (
                Op("=", _field("apart"), Num(0)),
                Call("IF", (Op("=", _field("computed"), Num(0)), Text(LOST), Text(SNAPPED))),
            ),
            (Op("=", Call("ROUND", (_field("apart"), Num(2))), Num(0)), Text(HIDDEN)),
        ],
        Text(""),
    )
    theory_error = _theory_error(noise)
    spread = np.abs(found["fields"]["near"]) * 1e-3 + 20 * h * noise
    way = Call("ABS", (Op("-", _field("central"), Ref("central.reference", ())),))
    allowed = Call("MAX", (_field("near"), Op("+", way, Ref("near.reference", ()))))
    edge = Op("*", Num(COARSEST), Call("MAX", (Num(1), Call("ABS", (_field("gradient"),)))))
    coarse = Op(">", _field("allowed"), edge)
    bound = spread + noise + noise[REFERENCE] + spread[REFERENCE]
    fields = found["fields"]
    verdict = _judged(fields["verdict"], fields["allowed"], found["panel"][GRADIENT], bound)
    parts: dict[str, tuple[Expr, float | np.ndarray]] = {
        "up": (Ref("pass+", ()), 0.0),
        "down": (Ref("pass-", ()), 0.0),
        "shown": (apart, noise * h),
        "apart": (apart, noise * h),
        "computed": (Op("*", Num(1), apart), noise * h),
        "should": (Op("*", doubled, _field("gradient")), 0.0),
        "cause": (cause, 0.0),
        "right": (right, noise),
        "central": (Op("/", apart, doubled), noise),
        "left": (left, noise),
        "right_error": (_error("right"), noise),
        "central_error": (_error("central"), noise),
        "right_theory": (Op("+", bend, rounding), theory_error["right"]),
        "central_theory": (Op("+", turn, rounding), theory_error["central"]),
        "verdict": (Call("IF", (coarse, Text(COARSE), nudge.agreement_expression())), 0.0),
        "near": (nudge.allowed_expression(loss), spread),
        "allowed": (allowed, bound),
    }
    for side in ("right", "central"):
        for word, source in ((f"{side}_drawn", f"{side}_error"), (f"{side}_theory_drawn", f"{side}_theory")):
            parts[word] = (Call("MAX", (_field(source), Num(FLOOR))), parts[source][1])
        drawn, error = found["fields"][f"{side}_theory_drawn"], theory_error[side]
        lowest = int(np.argmin(drawn))
        ratio = Op("/", _field(f"{side}_theory_drawn"), Call("MIN", (Whole(f"all.{side}_theory_drawn"),)))
        relative = error / drawn + error[lowest] / drawn[lowest]
        parts[f"{side}_ratio"] = (ratio, found["fields"][f"{side}_ratio"] * relative)
    for word, (expression, tolerance) in parts.items():
        _, style, form = FIELDS[word]
        expected = verdict if word == "verdict" else fields[word]
        style = "remark_wrapped" if word == "cause" and not passes.across else style
        exact = {"near_zero": 0.0} if word in DIFFERENCES else {}
        passes.field(AT[word], expression, expected, style, form, book, tolerance=tolerance, **exact)
    sheet.verdicts.append(passes.area(FIRST_LINE, passes.last_line, AT["verdict"]))


def _field(word: str) -> Ref:
    return Ref(f"field.{word}", ())


def _largest_of(loss: str) -> Expr:
    return Call("MAX", (Num(1), Call("ABS", (Ref(loss, ()),)), _moved()))


def _moved() -> Expr:
    return Call("ABS", (Op("*", _field("value"), _field("gradient")),))


def _error(side: str) -> Expr:
    return Call("ABS", (Op("-", _field(side), _field("gradient")),))


def _chart(sheet: Sheet, passes: Passes) -> None:
    def line(word: str):
        return passes.area(FIRST_LINE, passes.last_line, AT[word])

    def cell(row: int, column: int):
        return Placement(NAME, row, column, (2,), ((1, 0),)).area

    x = line("h")
    series = (
        Series("error, one side", x, line("right_drawn"), WRONG_INK),
        Series("error, both sides", x, line("central_drawn"), GRADIENT_INK),
        Series("theory, one side", x, line("right_theory_drawn"), WRONG_INK, "dashes"),
        Series("theory, both sides", x, line("central_theory_drawn"), GRADIENT_INK, "dashes"),
        Series("best h", cell(BEST, PANEL), cell(BEST, PANEL + 1), NUDGE_INK, "points"),
    )
    title = "How far the slope is from the gradient"
    column = 2 + AT["computed"]
    sheet.charts.append(
        Chart(4, column, title, "h, the size of the nudge", "error", series, 20.0, 10.5, logarithmic=True)
    )


def _notes(sheet: Sheet) -> None:
    """What the V means, and why a difference can look like 0."""
    texts = (
        "Read the chart from the right: where the loss is curved, a smaller h makes the error smaller, because over a "
        "short way a curve is nearly straight; but a cell keeps only about 16 digits, and the smaller h, the fewer of "
        "them are left in up − down. The best h is where the two meet.",
        "LibreOffice (measured): a − b becomes exactly 0 when the two agree in about 14 digits; =RAWSUBTRACT(a;b) shows "
        "what is left. (Ctrl+Shift+F9 makes it recalculate a file just opened.) Excel (documented, not run here): the same, but only for the last subtraction of a formula; "
        "=1*(a-b) shows it.",
    )
    for row, text in zip((13, 15), texts, strict=True):
        sheet.label(row, 2, text, "text", span=4)
        sheet.heights[row] = 15 * 5.4


SHEET = SheetKind(
    name=NAME,
    about="one number nudged by less and less: which step is best, and why",
    order=80,
    build=build,
    key="laboratory",
    optional=True,
)
