"""The Nudge sheet: every number is nudged, the whole forward pass runs again, and the loss answers.

One line a nudged number: a row, or a column where the forward pass is too long for a row. Only what depends on
the nudged tensor is computed again; everything else is read from the Gradients sheet.

When do a slope and a gradient agree? (:func:`agreement`, :func:`allowed_error`)
The mean of the two one-sided slopes is the central difference. By Taylor's theorem it is off by at most
h²/6 · max|f‴|, and rounding adds at most about ε·|loss|·n / h for n roundings, or ε·|value·f′| / h where the nudged
value itself is large (Higham, "Accuracy and Stability
of Numerical Algorithms", 2nd ed., section 1.14). Three points do not show f‴; it is taken to be no more than 60
times the largest of 1, |loss|, |f′| and the curvature |f″| that they do show.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.formulas.expressions import Call, Expr, Index, Num, Op, Ref, Shape, Text, Whole
from sheetgrad.formulas.places import Placement
from sheetgrad.formulas.words import element_name
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import COLUMN_WIDTH, Block, Sheet
from sheetgrad.plan.drawing import Drawing
from sheetgrad.plan.passes import (
    FIRST_LINE,
    LONGEST_ROW,
    Laid,
    Passes,
    conditions,
    joined,
    lay_flat,
    pass_cells,
    run_nudged,
)

NAME = "Nudge"
H, SCHEME = "nudge.step", "nudge.scheme"
TOP = 7
PAGE_COLUMNS = 14  # of a table laid down columns, on a printed page
LIGHT = 40_000  # formula cells of this sheet: about a second of recalculation, half a megabyte
EPSILON = 2.22e-16  # the spacing of numbers at 1, as it is typed in the sheets
ROUNDINGS = 64  # roundings in a forward pass that the loss carries, generously
SHARPEST = 60.0  # how many times larger than the numbers in sight f″ and f‴ are taken to be, see above
TRUNCATION = SHARPEST / 6
AGREE, KINK, DISAGREE = "✓", "kink", "✗"

FIELDS = {  # what each line shows first, with its style; the fields after VISIBLE fold away
    "number": ("number", "number", "@"),
    "value": ("value", "value", "0.00##"),
    "up": ("loss at +h", "nudge", "0.000000"),
    "down": ("loss at −h", "nudge", "0.000000"),
    "slope": ("slope (nudge)", "slope", "0.000000"),
    "gradient": ("gradient (rule)", "gradient_bold", "0.000000"),
    "difference": ("difference", "difference", "0.0E+00"),
    "verdict": ("agree?", "verdict", "@"),
    "to_left": ("left slope", "side", "0.000000"),
    "to_right": ("right slope", "side", "0.000000"),
    "remark": ("remark", "remark", "@"),
    "row": ("row", "index", "0"),
    "column": ("column", "index", "0"),
    "right": ("slope to +h", "index", "0.000000"),
    "left": ("slope to −h", "index", "0.000000"),
    "allowed": ("allowed", "index", "0.0E+00"),
}
VISIBLE = 11
NO_EFFECT, FLAT, SMALL = "0: reaches nothing now", "0: a flat spot", "small, but not 0"
CORNER = "a corner: two slopes"
SMALL_GRADIENT = 5e-7  # shows as 0.000000


@dataclass(frozen=True)
class Nudged:
    """What NumPy finds when numbers of one tensor are nudged: arrays over the nudged numbers."""

    up: np.ndarray
    down: np.ndarray
    right: np.ndarray
    left: np.ndarray
    slope: np.ndarray
    gradient: np.ndarray
    allowed: np.ndarray
    verdict: np.ndarray
    passes: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


def allowed_error(loss: float, value, gradient, right, left, h):
    """How far slope and gradient may be apart: truncation plus rounding, as derived at the top of this module."""
    with np.errstate(all="ignore"):
        curvature = np.abs(right - left) / h
        scale = np.maximum(np.maximum(np.abs(gradient), curvature), max(1.0, abs(loss)))
        return TRUNCATION * h**2 * scale + rounding_error(loss, value, gradient, h)


def rounding_error(loss: float, value, gradient, h):
    """What rounding alone may do to a slope: ``ROUNDINGS`` roundings of the loss, or of the nudged value on its
    way there, divided by h."""
    return ROUNDINGS * EPSILON * np.maximum(np.abs(value * gradient), max(1.0, abs(loss))) / h


def agreement(gradient, right, left, allowed) -> np.ndarray:
    """``✓``, ``✗`` or ``kink``, as the sheet decides; NaN where there is no number to compare.

    At a kink the one-sided slopes differ and the rule's gradient is one of them or lies between: that is neither
    right nor wrong. A wrong gradient lies outside.
    """
    agree = np.abs((right + left) / 2 - gradient) <= allowed
    between = (gradient >= np.minimum(right, left) - allowed) & (gradient <= np.maximum(right, left) + allowed)
    verdict = np.where(agree, AGREE, np.where(between, KINK, DISAGREE)).astype(object)
    verdict[~np.isfinite(gradient + right + left + allowed)] = np.nan  # the sheet shows the error that came before
    return verdict


def corner(loss: float, value, gradient, right, left, h):
    """Whether the one-sided slopes differ by more than a smooth curve of the assumed bend would let them."""
    scale = np.maximum(np.abs(gradient), max(1.0, abs(loss)))
    with np.errstate(all="ignore"):
        return np.abs(right - left) > SHARPEST * h * scale + 2 * rounding_error(loss, value, gradient, h)


def nudge_numbers(lesson: Lesson, name: str, numbers: Sequence[Index], values: Mapping[str, np.ndarray]) -> Nudged:
    """Nudges each of ``numbers`` of tensor ``name`` both ways on NumPy."""
    program, h = lesson.program, lesson.nudge.step
    loss = float(values[program.loss])
    up, down = (run_nudged(program, values, [name], [(name, i, sign * h) for i in numbers]) for sign in (1, -1))
    with np.errstate(all="ignore"):
        right, left = (up[program.loss] - loss) / h, (loss - down[program.loss]) / h
        slope = (up[program.loss] - down[program.loss]) / (2 * h) if lesson.nudge.scheme == "central" else right
        value, gradient = (np.array([values[key][index] for index in numbers]) for key in (name, f"{name}.g"))
        allowed = allowed_error(loss, value, gradient, right, left, h)
        verdict = agreement(gradient, right, left, allowed)
    return Nudged(up[program.loss], down[program.loss], right, left, slope, gradient, allowed, verdict, (up, down))


def remarks(nudged: Nudged, corners: np.ndarray, loss: float) -> np.ndarray:
    """What a gradient of 0 means: nothing is reached, or the loss turns here. See :func:`remark_expression`.

    A gradient that is 0 but for rounding is 0: it may be exactly so in one application and not in another.
    """
    rounding = ROUNDINGS * EPSILON * max(1.0, abs(loss))
    texts = np.empty(len(nudged.gradient), dtype=object)
    for k, gradient in enumerate(nudged.gradient):
        still = max(abs(nudged.up[k] - loss), abs(nudged.down[k] - loss)) <= rounding
        if not np.isfinite(gradient + nudged.up[k] + nudged.down[k]):
            texts[k] = np.nan
        elif corners[k]:
            texts[k] = CORNER
        elif abs(gradient) <= rounding:
            texts[k] = NO_EFFECT if still else FLAT
        else:
            texts[k] = SMALL if abs(gradient) < SMALL_GRADIENT else ""
    return texts


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
    sources = {**drawing.settings, lesson.program.loss: drawing.places[lesson.program.loss][0]}
    places = _heading(sheet, lesson, sources, values)
    row = TOP
    verdicts: list[str] = []
    for name, indices in numbers.items():
        nudged = nudge_numbers(lesson, name, indices, values)
        section = _Section(lesson, drawing, sheet, places, name, indices, values, nudged, row, across, laid[name])
        section.build()
        sheet.sections.append(row)
        verdicts += list(nudged.verdict)
        row = section.passes.bottom + 2
    first, last = (2 + list(FIELDS).index("verdict"),) * 2 if across else (2, sheet.last_column)
    shape = (row - TOP, last - first + 1)
    words = {"agree": AGREE, "kink": KINK, "disagree": DISAGREE}
    sheet.tally = {word: verdicts.count(sign) for word, sign in words.items()} | {"total": len(verdicts)}
    _tally(sheet, lesson, numbers, verdicts, Placement(NAME, TOP, first, shape, ((1, 0), (0, 1))))
    last = sheet.last_column
    sheet.widths = {1: 3.5} | {k: COLUMN_WIDTH if across else 12.5 for k in range(2, last + 1)}
    sheet.widths |= {2: 15.0} | {k: 12.5 for k in range(3, 2 + VISIBLE)}
    if across:
        sheet.widths[2 + list(FIELDS).index("remark")] = 21.0
    sheet.pages_wide = 1 if across else -(-last // PAGE_COLUMNS)
    if across:
        sheet.folded_columns.append((3 + VISIBLE, last))
        sheet.print_columns = 1 + VISIBLE
    sheet.freeze = "C7" if across else "D7"
    return sheet


def _heading(sheet: Sheet, lesson: Lesson, sources, values) -> dict[str, Placement]:
    """h, the scheme and the loss as it is, at the top; gives their places for the formulas below."""
    shown = {
        H: (3, "h", lesson.nudge.step, "0.0E+00"),
        SCHEME: (4, "scheme", lesson.nudge.scheme, "@"),
        lesson.program.loss: (5, f"{lesson.program.loss} now", float(values[lesson.program.loss]), "0.000000"),
    }
    places = {}
    for key, (row, word, value, form) in shown.items():
        sheet.label(row, 2, word, "setting_name")
        place = Placement(NAME, row, 3, (), ())
        sheet.formula(row, 3, Ref(key, ()), {key: [sources[key]]}, value, "setting_copy", number_format=form)
        places[key] = place
    sheet.label(3, 4, "change h and the scheme on the Lesson sheet", "note")
    return places


def _tally(sheet: Sheet, lesson: Lesson, numbers, verdicts: Sequence[str], table: Placement) -> None:
    """How many agree, and how many stand at a kink: counted live over the whole table."""
    total = sum(len(indices) for indices in numbers.values())
    program = lesson.program
    every = sum(int(np.prod(program.shapes[name], dtype=int)) for name in program.requested)
    for row, (word, sign, style) in enumerate(
        (("agree", AGREE, "agree"), ("at a kink", KINK, "kink"), ("disagree", DISAGREE, "disagree")), 3
    ):
        sheet.label(row, 8, word, f"tally_{style}")
        count = Call("COUNTIF", (Whole("table"), Text(sign)))
        found = float(verdicts.count(sign))
        sheet.formula(row, 9, count, {"table": [table]}, found, "setting_copy", number_format="0")
    if total < every:
        sheet.label(5, 4, f"a spread-out sample: {total} of {every} numbers", "note")
    sheet.blocks.append(
        Block(6, 9, [[float(total)]], "setting_copy", "fixed", np.array([[float(total)]]), number_format="0")
    )
    sheet.label(6, 8, "nudged", "setting_name")


def tally_places() -> dict[str, Placement]:
    """Where the counts stand, for the verdict on the Lesson sheet."""
    words = ("nudge.agree", "nudge.kink", "nudge.disagree", "nudge.total")
    return {word: Placement(NAME, 3 + k, 9, (), ()) for k, word in enumerate(words)}


class _Section:
    """The table of one tensor: a line for each of its nudged numbers."""

    def __init__(self, lesson, drawing, sheet, places, name, indices, values, nudged, top, across, laid):
        self.lesson, self.drawing, self.sheet, self.places = lesson, drawing, sheet, places
        self.name, self.indices, self.values, self.nudged = name, indices, values, nudged
        self.program = lesson.program
        self.at = {word: k for k, word in enumerate(FIELDS)}
        count = len(indices)
        table = top + 1, len(FIELDS), count, ("+h", "−h"), across
        self.passes = Passes(sheet, drawing, self.program, [name], *table, laid=laid)
        of = int(np.prod(self.program.shapes[name], dtype=int))
        many = "its only number" if of == 1 else f"all {of} numbers" if count == of else f"{count} of {of} numbers"
        sheet.label(top, 2, f"{name}: {many}, one at a time", "section")

    def build(self) -> None:
        passes = self.passes
        for word, (heading, _, _) in FIELDS.items():
            self.sheet.label(*passes.cell(0, self.at[word]), heading, "header")
        self.sheet.label(*passes.cell(1, 0), "as it is", "number_muted")
        passes.headings()
        passes.as_it_is(self.values)
        if not passes.across:
            self.sheet.folded_rows.append((passes.cell(0, VISIBLE)[0], passes.cell(0, passes.fields - 1)[0]))
        for which, sign in enumerate("+-"):
            passes.write(
                which,
                self.nudged.passes[which],
                lambda line: passes.place(line, 0),
                lambda line: self.places[H],
                sign,
            )
        self._summary()

    def _summary(self) -> None:
        """Value, losses, slopes, gradient and verdict of each line."""
        nudged, loss, passes = self.nudged, self.program.loss, self.passes
        now, h = float(self.values[loss]), self.lesson.nudge.step
        values = np.array([self.values[self.name][index] for index in self.indices])
        noise = rounding_error(now, values, nudged.gradient, h)
        names = tuple(element_name(self.name, index) for index in self.indices)
        own = self.drawing.places[self.name][0]
        cells = [own.cell(index) for index in self.indices]
        passes.fixed(FIRST_LINE, self.at["number"], names, "number")
        passes.fixed(FIRST_LINE, self.at["row"], [float(r - own.row + 1) for r, _ in cells], "index", "0")
        passes.fixed(FIRST_LINE, self.at["column"], [float(c - own.column + 1) for _, c in cells], "index", "0")
        spread = np.abs(nudged.allowed) * 1e-3 + 2 * TRUNCATION * h * noise
        gradient = Call("ABS", (Op("-", _field("slope"), _field("gradient")),))
        corners = corner(now, values, nudged.gradient, nudged.right, nudged.left, h) | (nudged.verdict == KINK)
        remark = remarks(nudged, corners, now)
        parts: dict[str, tuple[Expr, np.ndarray, float | np.ndarray]] = {
            "value": (self._looked_up(self.name), values, 0.0),
            "up": (Ref("pass+", ()), nudged.up, 0.0),
            "down": (Ref("pass-", ()), nudged.down, 0.0),
            "slope": (slope_expression(loss), nudged.slope, noise),
            "gradient": (self._looked_up(f"{self.name}.g"), nudged.gradient, 0.0),
            "difference": (gradient, np.abs(nudged.slope - nudged.gradient), noise),
            "verdict": (agreement_expression(), nudged.verdict, 0.0),
            "to_left": (_at_a_corner("left"), _shown_at_a_corner(corners, nudged.left, remark), noise),
            "to_right": (_at_a_corner("right"), _shown_at_a_corner(corners, nudged.right, remark), noise),
            "remark": (remark_expression(loss), remark, 0.0),
            "right": (side_expressions(loss)[0], nudged.right, noise),
            "left": (side_expressions(loss)[1], nudged.left, noise),
            "allowed": (allowed_expression(loss), nudged.allowed, spread),
        }
        for word, (expression, expected, tolerance) in parts.items():
            _, style, form = FIELDS[word]
            if word == "value":
                style = self.lesson.tensors[self.name].role + "_copy"
            items = names if word == "verdict" else ()
            passes.field(self.at[word], expression, expected, style, form, self._book, tolerance=tolerance, items=items)
        self.sheet.verdicts.append(passes.area(FIRST_LINE, passes.last_line, self.at["verdict"]))

    def _looked_up(self, key: str) -> Expr:
        """The number of this line, from its block on the Gradients sheet."""
        area = self.drawing.places[key][0].area
        if (area.top, area.left) == (area.bottom, area.right):
            return Whole(key)
        return Call("INDEX", (Whole(key), _field("row"), _field("column")))

    def _book(self, line: int) -> dict[str, list[Placement]]:
        up, down = (fields[self.program.loss] for fields in self.passes.passes)
        fields = {f"field.{word}": k for word, k in self.at.items()} | {"pass+": up, "pass-": down}
        book = {word: [self.passes.place(line, k)] for word, k in fields.items()}
        blocks = {key: self.drawing.places[key] for key in (self.name, f"{self.name}.g")}
        return blocks | book | {key: [place] for key, place in self.places.items()}


# -- the formulas of a line: their names are those of its fields, and h, scheme and loss ---------------------------


def _field(word: str) -> Ref:
    return Ref(f"field.{word}", ())


def side_expressions(loss: str) -> tuple[Expr, Expr]:
    """The slopes to the right and to the left."""
    h = Ref(H, ())
    right = Op("/", Op("-", _field("up"), Ref(loss, ())), h)
    return right, Op("/", Op("-", Ref(loss, ()), _field("down")), h)


def slope_expression(loss: str) -> Expr:
    """The slope of the scheme that the student chose."""
    central = Op("/", Op("-", _field("up"), _field("down")), Op("*", Num(2), Ref(H, ())))
    return Call("IF", (Op("=", Ref(SCHEME, ()), Text("central")), central, side_expressions(loss)[0]))


def allowed_expression(loss: str) -> Expr:
    """:func:`allowed_error` as a formula."""
    h, size = Ref(H, ()), Call("ABS", (Ref(loss, ()),))
    bend = Op("/", Call("ABS", (Op("-", _field("right"), _field("left")),)), h)
    scale = Call("MAX", (Num(1), size, Call("ABS", (_field("gradient"),)), bend))
    truncation = Op("*", Op("*", Num(TRUNCATION), Op("^", h, Num(2))), scale)
    return Op("+", truncation, rounding_expression(loss, h))


def rounding_expression(loss: str, h: Expr) -> Expr:
    """:func:`rounding_error` as a formula."""
    moved = Call("ABS", (Op("*", _field("value"), _field("gradient")),))
    size = Call("MAX", (Num(1), Call("ABS", (Ref(loss, ()),)), moved))
    return Op("/", Op("*", Num(ROUNDINGS * EPSILON), size), h)


SIGNS = (Text(AGREE), Text(KINK), Text(DISAGREE))


def agreement_expression(allowed: Expr | None = None, words: Sequence[Expr] = SIGNS) -> Expr:
    """:func:`agreement` as a formula; ``words`` are what it says, ``allowed`` where that has no field."""
    gradient, allowed = _field("gradient"), allowed or _field("allowed")
    agrees, kink, disagrees = words
    sides = _field("right"), _field("left")
    mean = Op("/", Op("+", *sides), Num(2))
    agree = Op("<=", Call("ABS", (Op("-", mean, gradient),)), allowed)
    above = Op(">=", gradient, Op("-", Call("MIN", sides), allowed))
    below = Op("<=", gradient, Op("+", Call("MAX", sides), allowed))
    return conditions([(agree, agrees), (Call("AND", (above, below)), kink)], disagrees)


def corner_expression(loss: str) -> Expr:
    """:func:`corner` as a formula."""
    h = Ref(H, ())
    apart = Call("ABS", (Op("-", _field("right"), _field("left")),))
    size = Call("MAX", (Num(1), Call("ABS", (Ref(loss, ()),)), Call("ABS", (_field("gradient"),))))
    bend = Op("*", Op("*", Num(SHARPEST), h), size)
    return Op(">", apart, Op("+", bend, Op("*", Num(2), rounding_expression(loss, h))))


def _at_a_corner(side: str) -> Expr:
    """The one-sided slope, where the two disagree."""
    return Call("IF", (Op("=", _field("remark"), Text(CORNER)), _field(side), Text("")))


def _shown_at_a_corner(corners: np.ndarray, slopes: np.ndarray, remark: np.ndarray) -> np.ndarray:
    """:func:`_at_a_corner` on numbers."""
    shown = np.full(len(slopes), "", dtype=object)
    for k, slope in enumerate(slopes):
        if corners[k] or remark[k] != remark[k]:
            shown[k] = slope if corners[k] else np.nan
    return shown


def remark_expression(loss: str) -> Expr:
    """:func:`remarks` as a formula."""
    gradient, now = _field("gradient"), Ref(loss, ())
    rounding = Op("*", Num(ROUNDINGS * EPSILON), Call("MAX", (Num(1), Call("ABS", (now,)))))
    moved = Call("MAX", tuple(Call("ABS", (Op("-", _field(word), now),)) for word in ("up", "down")))
    still = Op("<=", moved, rounding)
    zero = Call("IF", (still, Text(NO_EFFECT), Text(FLAT)))
    small = Op("<", Call("ABS", (gradient,)), Num(SMALL_GRADIENT))
    corner_here = Call("OR", (Op("=", _field("verdict"), Text(KINK)), corner_expression(loss)))
    cases = [
        (corner_here, Text(CORNER)),
        (Op("<=", Call("ABS", (gradient,)), rounding), zero),
        (small, Text(SMALL)),
    ]
    return conditions(cases, Text(""))


def verdict_text(agree: int, kink: int, total: int) -> str:
    """The sentence on the Lesson sheet; see :func:`verdict_expression` for its formula."""
    sentence = f"{agree} of {total} gradients agree with their nudges {AGREE if agree + kink == total else DISAGREE}"
    return sentence + (f" ({kink} at a kink)" if kink else "")


def verdict_expression() -> Expr:
    """The live verdict as a formula over the counts."""
    agree, kink, total = (Ref(f"nudge.{word}", ()) for word in ("agree", "kink", "total"))
    good = Call("IF", (Op("=", Op("+", agree, kink), total), Text(AGREE), Text(DISAGREE)))
    aside = Call("IF", (Op(">", kink, Num(0)), joined(" (", kink, " at a kink)"), Text("")))
    return joined(agree, " of ", total, " gradients agree with their nudges ", good, aside)


SHEET = SheetKind(
    name=NAME,
    about="every number nudged in turn, and the slope compared with the gradient",
    order=20,
    build=build,
)
