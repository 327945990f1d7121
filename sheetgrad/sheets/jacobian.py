"""The Jacobian sheet: how fast each output moves with each input, as a matrix, in one example.

Row j, column i holds ∂f[j]/∂x[i]. It comes from the rule, one output at a time (the backward lines of f[j] alone),
and from nudges of x[i]. A row of ∂L/∂f times this matrix is a row of ∂L/∂x: the chain rule as a product of matrices.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sheetgrad.autodiff.program import Line, Program, Step, run_lines
from sheetgrad.autodiff.reverse import differentiate
from sheetgrad.formulas.expressions import Expr, Index, Num, Ref, simplified
from sheetgrad.formulas.places import Placement
from sheetgrad.formulas.words import element_name
from sheetgrad.lesson.fields import LessonError, Section, is_pair, number_of
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lesson.tensors import MOST_ELEMENTS
from sheetgrad.lines.cells import CellArray, truth_as_number
from sheetgrad.lines.evaluate import evaluate
from sheetgrad.lines.names import mentioned
from sheetgrad.lines.parse import Assignment
from sheetgrad.lines.readings import CELLS
from sheetgrad.plan.blocks import COLUMN_WIDTH, MOST_SHEET_COLUMNS, PlanError, Sheet, number_format
from sheetgrad.plan.drawing import Drawing, formula_blocks
from sheetgrad.plan.extents import placed
from sheetgrad.plan.fields import cells_of, panel
from sheetgrad.plan.passes import FIRST_LINE, LONGEST_ROW, TITLES, WAYS, Passes
from sheetgrad.sheets.nudge import h_place
from sheetgrad.tables.table import table

NAME = "Jacobian"
FIRST_COLUMN = 2
MOST_ENTRIES = 400  # of a matrix that can still be read
TABLE = table("jacobian")
FOLDED = [name for name, field in TABLE.panel.items() if field.folded]  # by which the verdict is found


@dataclass(frozen=True)
class Jacobian(Section):
    """For each pair (result, operand) of one forward line, in one example (counted from 1)."""

    pairs: tuple[tuple[str, str], ...]
    example: int = 1


def read(table: Mapping, lesson: Lesson, values: Mapping[str, np.ndarray]) -> Jacobian:
    """Pairs of a forward line's result and one of its operands, each a vector or a matrix of one row an example."""
    where, program = "[jacobian] pairs", lesson.program
    pairs = table.get("pairs")
    if not isinstance(pairs, list) or not pairs or not all(is_pair(pair) for pair in pairs):
        raise LessonError(f'{where}: found {pairs!r}, expected a list such as [["out", "x"]]')
    examples = MOST_ELEMENTS
    for output, given in pairs:
        step = next((step for step in program.steps if step.result == output), None)
        if step is None or given not in step.operands:
            results = ", ".join(step.result for step in program.steps)
            raise LessonError(
                f"{where}: found {[output, given]}, expected a result ({results}) and an operand of its line"
            )
        shapes = program.shapes[output], program.shapes[given]
        if any(len(shape) not in (1, 2) for shape in shapes):
            raise LessonError(f"{where}: {output} and {given} must be vectors, or matrices of one row for each example")
        if len(shapes[1]) == 2 and (len(shapes[0]) != 2 or shapes[0][0] != shapes[1][0]):
            raise LessonError(
                f"{where}: {given} has not one row for each example, as {output} has; pair it with data or a bias"
            )
        if len(shapes[0]) == 2:
            examples = min(examples, shapes[0][0])
    example = int(number_of(table, "example", 1, 1, examples, "[jacobian] "))
    return Jacobian(tuple((output, given) for output, given in pairs), example)


def write(section: Jacobian) -> dict:
    return {"pairs": [list(pair) for pair in section.pairs], "example": section.example}


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The sheet."""
    sheet = Sheet(NAME)
    sheet.label(1, FIRST_COLUMN, "How fast does each output move with each input?", "title")
    sheet.label(
        2,
        FIRST_COLUMN,
        "A row for each output, a column for each input: the matrix of all slopes is called the Jacobian.",
        "subtitle",
    )
    row, pairs = 4, [_Pair(lesson, drawing, values, sheet, *pair) for pair in lesson.sections["jacobian"].pairs]
    for pair in pairs:
        sheet.sections.append(row)
        row = pair.draw(row, max(other.width for other in pairs)) + 2
    sheet.widths = {1: 3.5} | {k: COLUMN_WIDTH for k in range(2, sheet.last_column + 1)} | sheet.widths
    return sheet


def entries(lesson: Lesson, output: str, given: str, example: int) -> dict[Index, Expr]:
    """∂f[j]/∂x[i] by (j, i) as expressions over the lesson's own tensors, from the rules."""
    program = lesson.program
    step = next(step for step in program.steps if step.result == output)
    backward, seed = _backward(program, step, given)
    shapes = program.shapes
    found = {}
    for j in range(shapes[output][-1]):
        at = (*((example,) if len(shapes[output]) == 2 else ()), j)
        arrays = {key: CellArray.named(key, shapes[key]) for key in shapes}
        arrays[seed] = CellArray(shapes[output], lambda index, at=at: Num(int(index == at)), uniform=False)
        for line in backward:
            if line.target != seed:
                arrays[line.target] = CELLS["broadcast_to"](
                    evaluate(line.expression, arrays, CELLS, lesson.rules), line.shape
                )
        for i in range(shapes[given][-1]):
            where = (*((example,) if len(shapes[given]) == 2 else ()), i)
            found[j, i] = simplified(arrays[f"{given}.g"].element(where))
    return found


def _backward(program: Program, step: Step, given: str) -> tuple[list[Line], str]:
    """The backward lines of one forward line alone, and the name of the gradient that they start from."""
    whole = Assignment(step.result, step.expression, "", 1)
    for lines in ([whole], [Assignment(line.target, line.expression, "", 1) for line in step.computed]):
        made = {line.name for line in lines}
        leaves = {key: program.shapes[key] for line in lines for key in mentioned(line.expression) if key not in made}
        total = Assignment(_free(program), ast.parse(f"{step.result}.sum()", mode="eval").body, "", 2)
        alone = differentiate([*lines, total], leaves, [given], program.rules)
        if alone.steps[0].parts == step.parts:
            break  # otherwise the steps on the way have other names there: then they are given one by one
    return list(alone.backward), f"{step.result}.g"


def _free(program: Program) -> str:
    name = "total"
    while name in program.shapes:
        name += "_1"
    return name


def recognised(found: Mapping[Index, Expr]) -> str:
    """The matrix that the entries are, in words; empty when it is none that has a name."""
    (first, *_) = found.values()
    if isinstance(first, Ref) and len(first.index) == 2:
        for text, turn in ((f"{first.tensor}.T", True), (first.tensor, False)):
            if all(entry == Ref(first.tensor, at[::-1] if turn else at) for at, entry in found.items()):
                return f"This is {text}, the weight matrix" + (" with rows and columns exchanged" if turn else "")
    if all(entry == Num(int(j == i)) for (j, i), entry in found.items()):
        return "This is the identity: 1 on the diagonal, 0 elsewhere. Each output moves exactly as its own bias"
    if all(entry == Num(0) for (j, i), entry in found.items() if j != i):
        return "Only the diagonal is not 0: each output depends on the input of its own place alone"
    return ""


class _Pair:
    """The section of one pair."""

    def __init__(self, lesson: Lesson, drawing: Drawing, values, sheet: Sheet, output: str, given: str):
        self.lesson, self.drawing, self.values, self.sheet = lesson, drawing, values, sheet
        self.program, self.output, self.given = lesson.program, output, given
        shapes = self.program.shapes
        self.out, self.wide = shapes[output][-1], shapes[given][-1]
        if self.out * self.wide > MOST_ENTRIES:
            raise PlanError(
                f"[jacobian]: {output} by {given} has {self.out * self.wide} entries, at most {MOST_ENTRIES}"
            )
        example = lesson.sections["jacobian"].example - 1
        self.row_of = (example,) if len(shapes[output]) == 2 else ()
        self.given_row = (example,) if len(shapes[given]) == 2 else ()
        self.found = entries(lesson, output, given, example)
        self.step = next(step for step in self.program.steps if step.result == output)
        self.numbers = self._numbers()

    @property
    def width(self) -> int:
        """How many columns it takes."""
        return max(14, 3 * self.wide + self.out + 6)

    def draw(self, row: int, bar: int) -> int:
        """Draws the matrices, the chain rule, and the nudges, below a bar of so many columns; gives the last row."""
        sheet, output, given = self.sheet, self.output, self.given
        which = f", example {self.row_of[0] + 1}" if self.row_of else ""
        for column in range(1, FIRST_COLUMN + bar):
            text = f"∂{output}/∂{given}{which}" if column == FIRST_COLUMN else ""
            sheet.label(row, column, text, "bar")
        if FIRST_COLUMN + 2 * self.wide + self.out + 8 > MOST_SHEET_COLUMNS:
            raise PlanError(f"[jacobian]: {output} by {given} is too wide for a sheet")
        top = row + 2
        below = top + self.out + 5
        passes = self._passes(below + self.out + 3)
        matrix = truth_as_number(CellArray((self.out, self.wide), lambda index: self.found[index], uniform=False))
        rule = self._matrix(top, FIRST_COLUMN, "from the rule", matrix, self.drawing.places, self.numbers, "gradient")
        self._judge(top, rule, passes)
        said = recognised(self.found)
        if said:
            sheet.label(top + self.out + 2, FIRST_COLUMN, f"{said}.", "note_text")
        self._chain(below, rule, self.numbers)
        bottom = (
            passes.bottom + self.out + 4 + len(FOLDED)
        )  # below the passes: the matrices by which the verdict is found
        self.sheet.folded_rows.append((passes.top - 1, bottom))
        self.sheet.print_columns = max(self.sheet.print_columns or 0, FIRST_COLUMN + self.width - 1)
        return bottom

    def _numbers(self) -> np.ndarray:
        """The matrix on NumPy: the backward lines of each output alone."""
        backward, seed = _backward(self.program, self.step, self.given)
        rows = []
        for j in range(self.out):
            start = np.zeros(self.program.shapes[self.output])
            start[(*self.row_of, j)] = 1.0
            lines = [line for line in backward if line.target != seed]
            found = run_lines(lines, {**self.values, seed: start}, self.lesson.rules)
            rows.append(found[f"{self.given}.g"][self.given_row] if self.given_row else found[f"{self.given}.g"])
        return np.array(rows)

    def _names(self, key: str, row: Index, count: int) -> list[str]:
        return [element_name(key, (*row, k)) for k in range(count)]

    def _matrix(self, top, column, title, cells, book, value, style, tolerance=0.0) -> Placement:
        """A matrix with the names of its inputs above and of its outputs beside it."""
        sheet = self.sheet
        sheet.label(top, column, title, "name")
        for i, name in enumerate(self._names(self.given, self.given_row, self.wide)):
            sheet.label(top + 1, column + 1 + i, name, "element_name")
        for j, name in enumerate(self._names(self.output, self.row_of, self.out)):
            sheet.label(top + 2 + j, column, name, "element_name")
        place = placed(NAME, top + 2, column + 1, (self.out, self.wide))
        what = f"{self.output} by {self.given} on the {NAME} sheet"
        more = dict(style=style, tolerance=tolerance, number_format=number_format(self.numbers))
        sheet.blocks += formula_blocks(cells, place, book, value, what, **more)
        return place

    # -- nudges ---------------------------------------------------------------------------------------------------

    def _passes(self, top: int) -> Passes:
        """The line computed again with each input nudged."""
        names = self._names(self.given, self.given_row, self.wide)
        self.sheet.label(
            top, FIRST_COLUMN, f"the nudges, {self.step.heading} with one input moved: press + to unfold", "note"
        )
        cells = sum(int(np.prod(line.shape, dtype=int)) for line in self.step.computed)
        across = 2 * (cells + self.values[self.given].size) <= LONGEST_ROW
        lines = self.step.computed
        passes = Passes(
            self.sheet, self.drawing, self.program, [self.given], top + 2, 1, self.wide, TITLES, across, lines
        )
        self.sheet.label(*passes.cell(0, 0), "nudged", "header")
        passes.headings()
        passes.as_it_is(self.values)
        passes.fixed(FIRST_LINE, 0, names, "number")
        self.runs = {way: self._run(lines, times * self.lesson.nudge.step) for way, (_, times) in WAYS.items()}
        (h,) = h_place()
        passes.write_ways(self.runs, lambda line: passes.place(line, 0), lambda line: h)
        return passes

    def _run(self, lines: Sequence[Line], amount: float) -> dict[str, np.ndarray]:
        """The line on NumPy with each input moved in turn, stacked along axis 0."""
        kept: dict[str, list[np.ndarray]] = {}
        for i in range(self.wide):
            moved = np.array(self.values[self.given], dtype=float)
            moved[(*self.given_row, i)] += amount
            result = run_lines(lines, {**self.values, self.given: moved}, self.lesson.rules)
            for key in (self.given, *(line.target for line in lines)):
                kept.setdefault(key, []).append(result[key])
        return {key: np.array(runs) for key, runs in kept.items()}

    def _judge(self, top: int, rule: Placement, passes: Passes) -> None:
        """The matrix from nudges beside that from the rule, those by which it is judged below the passes, and the
        verdict as one sentence."""
        shape, cells, numbers = (self.out, self.wide), {}, {"now": self.values[self.output][self.row_of][:, None]}
        for way in WAYS:
            cells[way] = CellArray.named(way, shape)
            numbers[way] = self.runs[way][self.output][(slice(None), *self.row_of)].T
        now = CellArray.named(self.output, self.values[self.output].shape)
        cells["now"] = (now[self.row_of[0]] if self.row_of else now)[:, None]
        book = self._nudged_places(passes)
        row = self.values[self.given][self.given_row]
        given = {"outputs": numbers["now"], "inputs": row, "rule": self.numbers, "entries": float(self.numbers.size)}
        given["h"] = self.lesson.nudge.step
        off = float(TABLE.on_numbers(given)["rounding"].value) / given["h"]
        places = {"rule": [rule], "outputs": self._row(self.output, self.row_of)}
        places["inputs"] = self._row(self.given, self.given_row)
        below, made = passes.bottom + 1, {}
        titles = {
            "nudged": "from nudges",
            "halved": "from nudges by h/2",
            "gaps": "gaps at h",
            "gaps_half": "gaps at h/2",
        }
        for k, (word, title) in enumerate(titles.items()):
            made[word] = _from_nudges(word, numbers, given["h"])
            at = (top, FIRST_COLUMN + self.wide + 3) if not k else (below, FIRST_COLUMN + (k - 1) * (self.wide + 2))
            formula = _from_nudges(word, cells, CellArray.named("h", ()))
            style = "nudge" if not k else "index"
            places[word] = [self._matrix(*at, title, formula, book, made[word], style, (1, 2, 2, 4)[k] * off)]
        found = TABLE.on_numbers({**given, **made})
        ranges = {word: cells_of(part, word) for word, part in places.items()}
        formulas = TABLE.on_cells(ranges, {"entries": self.numbers.size})
        row = below + self.out + 3
        at = {word: (row + k, FIRST_COLUMN + 2) for k, word in enumerate(FOLDED)}
        at["verdict"] = (top + self.out + 3, FIRST_COLUMN)
        places |= book | {word: [Placement(NAME, *cell, (), ())] for word, cell in at.items()}
        panel(self.sheet, at, TABLE, found, formulas, places, {})
        self.sheet.sentences.append(places["verdict"][0].area)

    def _row(self, key: str, row: Index) -> list[Placement]:
        """Where the numbers of one example stand."""
        place = self.drawing.places[key][0]
        return [Placement(place.sheet, *place.cell((*row, 0)), place.shape[-1:], place.steps[-1:])]

    def _nudged_places(self, passes: Passes) -> dict[str, list[Placement]]:
        """Where the outputs stand after each way to nudge, where they stand as they are, and h."""
        book = {"h": h_place(), self.output: self.drawing.places[self.output]}
        for word, fields in zip(WAYS, passes.passes, strict=True):
            places = passes.book(fields, FIRST_LINE)[self.output][0]
            row, column = places.cell((*self.row_of, 0))
            line = (1, 0) if passes.across else (0, 1)
            book[word] = [Placement(NAME, row, column, (self.out, self.wide), (places.steps[-1], line))]
        return book

    # -- the chain rule -------------------------------------------------------------------------------------------

    def _chain(self, row: int, rule: Placement, numbers: np.ndarray) -> None:
        """∂L/∂f times the matrix is ∂L/∂x, row by row."""
        sheet, loss, g = self.sheet, self.program.loss, f"{self.output}.g"
        if g not in self.drawing.places:
            return
        what = f"the chain rule of {self.output} on the {NAME} sheet"
        upstream = self.values[g][self.row_of] if self.row_of else self.values[g]
        sheet.label(row, FIRST_COLUMN, f"∂{loss}/∂{self.output}", "name")
        left = placed(NAME, row + 1, FIRST_COLUMN, (self.out,))
        cells = CellArray.named(g, self.values[g].shape)
        cells = cells[self.row_of[0]] if self.row_of else cells
        sheet.blocks += formula_blocks(cells, left, self.drawing.places, upstream, what, style="gradient")
        column = FIRST_COLUMN + self.out + 1
        sheet.label(row + 1, column - 1, "@", "operator")
        sheet.label(row, column, f"∂{self.output}/∂{self.given}", "name")
        matrix = placed(NAME, row + 1, column, (self.out, self.wide))
        copy = CellArray.named("rule", (self.out, self.wide))
        more = dict(style="gradient", number_format=number_format(self.numbers))
        sheet.blocks += formula_blocks(copy, matrix, {"rule": [rule]}, numbers, what, **more)
        book = {g: [left], "rule": [matrix]}
        product = CellArray.named(g, (self.out,)) @ CellArray.named("rule", (self.out, self.wide))
        column += self.wide + 1
        sheet.label(row + 1, column - 1, "=", "operator")
        right = placed(NAME, row + 1, column, (self.wide,))
        sheet.label(row, column, f"∂{loss}/∂{self.given}", "name")
        sheet.blocks += formula_blocks(product, right, book, upstream @ numbers, what, style="gradient_bold")
        own = f"{self.given}.g"
        users = [step for step in self.program.steps if self.given in step.operands]
        if own in self.drawing.places and len(users) == 1:
            shape = self.values[own].shape
            alone = not self.row_of or self.program.shapes[self.output][0] == 1
            if self.given_row or alone:
                cells = CellArray.named(own, shape)
                cells = cells[self.given_row[0]] if self.given_row else cells
                value = self.values[own][self.given_row] if self.given_row else self.values[own]
                place = placed(NAME, row + 1, column + self.wide + 1, (self.wide,))
                sheet.label(row, place.column, f"{own} on the sheet Gradients", "name")
                sheet.blocks += formula_blocks(cells, place, self.drawing.places, value, what, style="gradient")
            else:
                text = f"the share of this example; {own} adds up the shares of all examples"
                sheet.label(row + 1, column + self.wide, text, "caption")


def _from_nudges(word: str, at: Mapping, h):
    """A matrix of slopes, or of how far those of the two sides are apart, from the outputs after each nudge."""
    match word:
        case "nudged":
            return (at["plus"] - at["minus"]) / (2 * h)
        case "halved":
            return (at["plus_half"] - at["minus_half"]) / h
        case "gaps":
            return (at["plus"] + at["minus"] - 2 * at["now"]) / h
    return (at["plus_half"] + at["minus_half"] - 2 * at["now"]) / (h / 2)


SHEET = SheetKind(
    name=NAME,
    about="how fast each output moves with each input, as a matrix",
    order=40,
    build=build,
    key="jacobian",
    fields=("pairs", "example"),
    read=read,
    write=write,
)
