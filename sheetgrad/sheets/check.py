"""The Check sheet of a handout to practise with: every number whose gradient is blank is nudged, and the student's own
gradient is compared with what the loss does. No slope is shown anywhere: the losses after the nudges are folded away.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sheetgrad.formulas.expressions import Call, Expr, Num, Op, Ref, Text, Whole, replaced
from sheetgrad.formulas.places import Placement
from sheetgrad.formulas.words import element_name
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.cells import CellArray
from sheetgrad.plan.blocks import COLUMN_WIDTH, MOST_SHEET_COLUMNS, Block, PlanError, Sheet
from sheetgrad.plan.drawing import Drawing, formula_blocks
from sheetgrad.plan.passes import FIRST_LINE, LONGEST_ROW, Passes, conditions, pass_cells, run_nudged
from sheetgrad.sheets import nudge

NAME = "Check"
TOP = 6
STEP = (3, 3)  # row and column of h
WAITING, NO_NUMBER = "…", "no number"
FIELDS = {  # as on the Nudge sheet; those after VISIBLE fold away
    "number": ("number", "number", "@"),
    "value": ("value", "value_copy", "0.00"),
    "gradient": ("your gradient", "gradient", "0.0000##"),
    "verdict": ("right?", "verdict", "@"),
    "row": ("row", "index", "0"),
    "column": ("column", "index", "0"),
}
VISIBLE = 4
YOURS, VERDICT = Ref("field.gradient", ()), "field.verdict"


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> tuple[Sheet, list[Block]]:
    """The sheet for the blanks of a drawing, and the verdicts that stand beside the blanks on the Gradients sheet.

    Raises :class:`~sheetgrad.layout.PlanError` when the forward passes of all blanks do not fit one sheet.
    """
    sheet = Sheet(NAME)
    tensors = [key.removesuffix(".g") for key in drawing.blanks.keys]
    across = all(2 * pass_cells(lesson.program, [name]) <= LONGEST_ROW for name in tensors)
    sheet.label(1, 2, "Is it right? Nudge and see", "title")
    rule = "Every number is nudged by h, up and down. Your gradient is right when it says how fast the loss moves."
    sheet.label(2, 2, rule, "remark_wrapped", span=VISIBLE)
    sheet.heights[2] = 28
    sheet.label(3, 2, "h", "setting_name")
    step = float(lesson.nudge.step)
    sheet.blocks.append(Block(*STEP, [[step]], "setting_copy", "fixed", np.array([[step]]), number_format="0.0E+00"))
    loss = lesson.program.loss
    sheet.label(4, 2, f"{loss} now", "setting_name")
    places = {nudge.H: Placement(NAME, *STEP, (), ()), loss: Placement(NAME, 4, 3, (), ())}
    book = {loss: drawing.places[loss]}
    sheet.formula(4, 3, Ref(loss, ()), book, float(values[loss]), "setting_copy", number_format="0.000000")
    row, marks = TOP, []
    for name in tensors:
        passes = _section(lesson, drawing, sheet, places, name, values, row, across)
        marks += _beside_the_blank(drawing, f"{name}.g", passes)
        row = passes.bottom + 2
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
    return sheet, marks


def _section(lesson, drawing, sheet, places, name: str, values, top: int, across: bool) -> Passes:
    """The table of one tensor."""
    program, step = lesson.program, lesson.nudge.step
    shape = program.shapes[name]
    indices = list(np.ndindex(shape))
    passes = Passes(sheet, drawing, program, [name], top + 1, len(FIELDS), len(indices), ("+h", "−h"), across)
    at = {word: k for k, word in enumerate(FIELDS)}
    sheet.label(top, 2, f"{name}: your {name}.g, number by number", "section")
    for word, (heading, _, _) in FIELDS.items():
        sheet.label(*passes.cell(0, at[word]), heading, "header")
    sheet.label(*passes.cell(1, 0), "as it is", "number_muted")
    passes.headings()
    passes.as_it_is(values)
    if not across:
        sheet.folded_rows.append((passes.cell(0, VISIBLE)[0], passes.cell(0, passes.fields - 1)[0]))
    for which, (sign, moved) in enumerate((("+", step), ("-", -step))):
        found = run_nudged(program, values, [name], [(name, index, moved) for index in indices])
        passes.write(which, found, lambda line: passes.place(line, 0), lambda line: places[nudge.H], sign)

    own = {key: drawing.places[key][0] for key in (name, f"{name}.g")}
    cells = [own[name].cell(index) for index in indices]
    passes.fixed(FIRST_LINE, at["number"], [element_name(name, index) for index in indices], "number")
    passes.fixed(FIRST_LINE, at["row"], [float(r - own[name].row + 1) for r, _ in cells], "index", "0")
    passes.fixed(FIRST_LINE, at["column"], [float(c - own[name].column + 1) for _, c in cells], "index", "0")

    def book(line: int) -> dict[str, list[Placement]]:
        up, down = (fields[program.loss] for fields in passes.passes)
        fields = {f"field.{word}": k for word, k in at.items()} | {"field.up": up, "field.down": down}
        found = {word: [passes.place(line, k)] for word, k in fields.items()}
        return {key: [place] for key, place in (own | places).items()} | found

    count = len(indices)
    parts = {
        "value": (_looked_up(own[name], name), np.array([values[name][index] for index in indices])),
        "gradient": (_typed(own[f"{name}.g"], f"{name}.g"), np.full(count, "", dtype=object)),
        "verdict": (verdict_expression(program.loss), np.full(count, WAITING, dtype=object)),
    }
    for word, (expression, expected) in parts.items():
        _, style, form = FIELDS[word]
        if word == "value":
            style = f"{lesson.tensors[name].role}_copy" if name in lesson.tensors else "value"
        passes.field(at[word], expression, expected, style, form, book)
    sheet.verdicts.append(passes.area(FIRST_LINE, passes.last_line, at["verdict"]))
    return passes


def _beside_the_blank(drawing: Drawing, key: str, passes: Passes) -> list[Block]:
    """The verdicts again, each at the right of its blank."""
    field = list(FIELDS).index("verdict")
    place = next(item.place for item in drawing.drawn if item.key == key and item.purpose == "check")
    strides = [int(np.prod(place.shape[axis + 1 :], dtype=int)) for axis in range(len(place.shape))]
    steps = tuple((stride, 0) if passes.across else (0, stride) for stride in strides)
    verdicts = Placement(NAME, *passes.cell(FIRST_LINE, field), place.shape, steps)
    cells, waiting = CellArray.named(VERDICT, place.shape), np.full(place.shape, WAITING, dtype=object)
    more = dict(style="check", number_format="@")
    return formula_blocks(cells, place, {VERDICT: [verdicts]}, waiting, key, **more)


def _looked_up(place: Placement, key: str) -> Expr:
    """The number of this line, from its block on the Gradients sheet."""
    area = place.area
    if (area.top, area.left) == (area.bottom, area.right):
        return Whole(key)
    return Call("INDEX", (Whole(key), Ref("field.row", ()), Ref("field.column", ())))


def _typed(place: Placement, key: str) -> Expr:
    """What the student typed, as long as it is a number: an empty cell would show as 0, and stays empty; a text or an
    error becomes ``NO_NUMBER``."""
    cell = _looked_up(place, key)
    otherwise = conditions(
        [(Call("ISERROR", (cell,)), Text(NO_NUMBER)), (Op("=", cell, Text("")), Text(""))], Text(NO_NUMBER)
    )
    return Call("IF", (Call("ISNUMBER", (cell,)), cell, otherwise))


def verdict_expression(loss: str) -> Expr:
    """``✓``, ``✗`` or ``kink`` as :func:`sheetgrad.sheets.nudge.agreement` decides, ``…`` while there is no number.

    The slopes stand inside the formula, so that no cell shows them. A kink is named only where the slopes of the two
    sides are too different for a bend: a rounded number between them is wrong, not at a kink.
    """
    up, down = Ref("field.up", ()), Ref("field.down", ())
    right, left = nudge.side_expressions(loss)
    slope = Op("/", Op("-", up, down), Op("*", Num(2), Ref(nudge.H, ())))
    allowed = nudge.allowed_expression(loss)
    agree = Op("<=", Call("ABS", (Op("-", slope, YOURS),)), allowed)
    above = Op(">=", YOURS, Op("-", Call("MIN", (right, left)), allowed))
    below = Op("<=", YOURS, Op("+", Call("MAX", (right, left)), allowed))
    kink = Call("AND", (nudge.corner_expression(loss), above, below))
    cases = [(Op("=", YOURS, Text("")), WAITING), (Op("=", YOURS, Text(NO_NUMBER)), nudge.DISAGREE)]
    cases += [(agree, nudge.AGREE), (kink, nudge.KINK)]
    judged = conditions([(test, Text(word)) for test, word in cases], Text(nudge.DISAGREE))
    return replaced(judged, {Ref("field.right", ()): right, Ref("field.left", ()): left})
