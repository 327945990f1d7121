"""The Gradients sheet: one section a forward line, drawn as its equation; under each block its gradient.

Top to bottom is the forward pass, bottom to top the backward pass. All formulas come from the program's lines.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sheetgrad.autodiff import Line, Program, Step
from sheetgrad.cells import Call, CellArray, Expr, Fold, Index, Neg, Num, Op, Ref, Shape, Text, Whole
from sheetgrad.formulas import Book, Filled, FormulaError, Placement, Printer, Unaligned, fill, rectangles, spell
from sheetgrad.layout import (
    COLUMN_WIDTH,
    MOST_SHEET_COLUMNS,
    Block,
    PlanError,
    Sheet,
    columns_for,
    extent,
    number_format,
    panels,
    placed,
    wrapped,
)
from sheetgrad.lesson import Lesson

NAME = "Gradients"
FIRST_ROW, FIRST_COLUMN = 6, 2
PAGE_COLUMNS = 24  # a section wraps to a further line of blocks beyond this
BLANK_FORMAT = "0.00##"  # does not round away what a student computes
HOW_TO_READ = (
    "Top to bottom is the forward pass. Under each block stands its gradient .g; read those from bottom to top: "
    "that is the backward pass."
)
SIGNS = ("@", "+", "-", "*", "/", "**", ",", ">", "<")


@dataclass(frozen=True)
class Blanks:
    """What a handout leaves for the student to fill in: gradients by name.

    What depends on a blank shows nothing until it is filled in. ``checked``: a verdict stands beside each blank.
    For pencil and paper: ``working``, so many rows of free space follow a section with blanks, and ``height``, that of
    the rows of blanks in points. ``answered``: the answers stand in the same places. ``on_paper``: what waits for a blank
    is left out, since nothing will ever fill it.
    """

    keys: tuple[str, ...] = ()
    checked: bool = False
    working: int = 0
    height: float = 0.0
    answered: bool = False
    on_paper: bool = False

    def withheld(self, program: Program) -> dict[str, list[str]]:
        """The gradients that wait for blanks, each with the operands that must be there first."""
        waiting: dict[str, list[str]] = {}
        for line in () if self.answered else program.backward:
            needs = [key for key in line.operands if key in self.keys or key in waiting]
            if needs and line.target not in self.keys:
                waiting[line.target] = needs
        return waiting

    def on_the_way(self, program: Program) -> set[str]:
        """The steps that lead to a blank and nowhere else: they are not shown. Nor, on paper, is what waits."""
        hidden = set(self.withheld(program)) if self.on_paper else set()
        for line in () if self.answered else reversed(program.backward):
            readers = {other.target for other in program.backward if line.target in other.operands}
            on_the_way = line.target not in self.keys and line.target.rpartition("_")[0] in self.keys
            if on_the_way and readers <= hidden.union(self.keys):
                hidden.add(line.target)
        return hidden


@dataclass(frozen=True)
class Drawn:
    """One block of the drawing: the tensor or gradient it shows, where, and what it is there for.

    ``purpose``: ``given``, ``line`` (computed by ``line``), ``again`` (a tensor shown again in a later section),
    ``turned`` (the same numbers with rows and columns exchanged), ``blank`` (to be filled in) or ``check`` (the
    verdict beside a blank).
    """

    key: str
    purpose: str
    step: int
    place: Placement
    line: Line | None = None


@dataclass
class Drawing:
    """The sheet while it is laid out, and where every tensor and gradient stands.

    ``settings`` says where the numbers to play with stand on the Lesson sheet, ``blanks`` what is left out,
    ``number_format`` how computed numbers are shown where that must not depend on them.
    """

    sheet: Sheet = field(default_factory=lambda: Sheet(NAME))
    drawn: list[Drawn] = field(default_factory=list)
    lying: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Placement] = field(default_factory=dict)
    blanks: Blanks = Blanks()
    number_format: str = ""

    @property
    def places(self) -> dict[str, list[Placement]]:
        """By tensor, its own block first, then its turned copy."""
        book: dict[str, list[Placement]] = {}
        for item in self.drawn:
            if item.purpose in ("given", "line", "blank"):
                book[item.key] = [item.place]
        for item in self.drawn:
            if item.purpose == "turned":
                book[item.key].append(item.place)
        return book

    def book(self, step: int) -> dict[str, list[Placement]]:
        """Where a formula of a section looks: at the copy in its own section first."""
        book = self.places
        for item in self.drawn:
            if item.purpose == "again" and item.step == step:
                book[item.key] = [item.place, *book[item.key]]
        return book


def draw(
    lesson: Lesson, settings: Mapping[str, Placement], blanks: Blanks | None = None, number_format: str = ""
) -> Drawing:
    """Where everything stands. Copies that range formulas need are added until every formula can be written."""
    program = lesson.program
    lying = lie(program)
    turned: set[str] = set()
    while True:
        drawing = _Layout(lesson, lying, turned, blanks or Blanks()).draw()
        wanted = _unaligned(program, drawing)
        if wanted is None:
            drawing.settings, drawing.number_format = settings, number_format
            return drawing
        turned.add(wanted)


def _unaligned(program: Program, drawing: Drawing) -> str | None:
    """A tensor that must also be shown turned before every line can be written; None when all can."""
    for item in drawing.drawn:
        if item.line is None or item.purpose != "line":
            continue
        cells = program.cells[item.key]
        printer = Printer(drawing.book(item.step))
        try:
            for corner in {(0,) * cells.ndim, tuple(n - 1 for n in cells.shape)}:
                printer.tokens(cells.element(corner))
        except Unaligned as error:
            return _to_turn(error, drawing, item)
        except FormulaError as error:
            raise PlanError(f"{item.line.text}: {error}") from None
    return None


def _to_turn(error: Unaligned, drawing: Drawing, item: Drawn) -> str:
    """Which of the groups stands in line with the other once it is turned: the weight before the data."""
    places = drawing.places
    for group in reversed(error.groups):
        key = group[0].tensor
        shape = places[key][0].shape
        if len(places[key]) > 1 or len(shape) > 2 or any(term.tensor != key for term in group):
            continue
        turned = placed(NAME, 1, 1, shape, drawing.lying.get(key, "row"), turned=True)
        others = [other for other in error.groups if other is not group]
        cells = [[turned.cell(term.index) for term in group]]
        cells += [[drawing.book(item.step)[o[0].tensor][0].cell(term.index) for term in o] for o in others]
        if len(rectangles(cells)) == 1:
            return key
    raise PlanError(f"{item.line.text}: {error}; give one of them a line of its own, such as  t = x.T")


class _Layout:
    """Puts the blocks of each section side by side, their gradients underneath, section below section."""

    def __init__(self, lesson: Lesson, lying: Mapping[str, str], turned: set[str], blanks: Blanks):
        self.lesson = lesson
        self.program = lesson.program
        self.lying = lying
        self.turned = turned
        self.blanks = blanks
        self.result = Drawing(lying=lying, blanks=blanks)
        self.row = FIRST_ROW
        self.shown: set[str] = set()
        self.backward: dict[str, list[Line]] = {}
        hidden = blanks.on_the_way(self.program)
        for line in self.program.backward:
            if line.target in hidden:
                continue
            self.backward.setdefault(line.target.split(".")[0], []).append(line)

    def draw(self) -> Drawing:
        for step in self.program.steps:
            self._section(step)
        return self.result

    def _section(self, step: Step) -> None:
        sheet = self.result.sheet
        sheet.sections.append(self.row)
        sheet.label(self.row, 1, str(step.number), "bar_number")
        sheet.label(self.row, FIRST_COLUMN, step.heading, "bar")
        if step.note:
            beside = FIRST_COLUMN + columns_for(step.heading * 2) // 2 + 2 + len(step.heading) // 24
            sheet.label(self.row, beside, step.note, "bar_note")
        bottom = self.row + 2
        for line in self._lines(step):
            bottom = self._line_of_slots(line, step, bottom) + 1
        if any(item.key in self.blanks.keys and item.step == step.number for item in self.result.drawn):
            if self.blanks.working and not self.blanks.answered:
                sheet.label(bottom, FIRST_COLUMN, "working:", "note")
            bottom += self.blanks.working
        self.row = bottom + 1

    def _lines(self, step: Step) -> list[list[tuple[str, int, _Slot]]]:
        """The slots of a section with their signs and columns, wrapped to the width of a page."""
        lines: list[list[tuple[str, int, _Slot]]] = [[]]
        column = FIRST_COLUMN
        for sign, slot in self._slots(step):
            if lines[-1] and column + 1 + slot.width > PAGE_COLUMNS + FIRST_COLUMN:
                lines.append([])
                column = FIRST_COLUMN
            column += bool(sign)
            if column + slot.width > MOST_SHEET_COLUMNS:
                raise PlanError(f"{step.heading}: wider than {MOST_SHEET_COLUMNS} columns; use fewer columns")
            lines[-1].append((sign, column, slot))
            column += slot.width
        return lines

    def _line_of_slots(self, line: list[tuple[str, int, _Slot]], step: Step, top: int) -> int:
        """Draws values side by side and the gradients in one band below them; gives the first free row."""
        middle = top + 1 + (min(4, max(slot.values[0].rows for _, _, slot in line)) - 1) // 2
        for sign, column, _ in line:
            if sign:
                self.result.sheet.label(middle, column - 1, sign, "operator")
        below = max(self._place(slot.values, step, top, column) for _, column, slot in line)
        return max([below, *(self._place(s.gradients, step, below, column) for _, column, s in line)])

    def _slots(self, step: Step) -> list[tuple[str, _Slot]]:
        """The blocks of a section with the sign before each."""
        slots = []
        for k, (name, sign) in enumerate(zip(step.operands, operator_signs(step), strict=True)):
            first = name not in self.shown and name in self.program.leaves
            slots.append((sign if k else "", self._slot(name, "given" if first else "again", None)))
            self.shown.add(name)
        single = len(step.operands) == 1 or len(step.lines) > 1 or "," in operator_signs(step)[1:]
        for line in step.lines:
            slots.append(("→" if single else "=", self._slot(line.target, "line", line)))
            self.shown.add(line.target)
        return slots

    def _slot(self, name: str, purpose: str, line: Line | None) -> _Slot:
        gradients = self.backward.get(name, []) if purpose != "again" else []
        return _Slot(self, name, purpose, line, gradients)

    def _place(self, parts: list[_Part], step: Step, top: int, column: int) -> int:
        """Draws parts below one another; gives the first free row below them."""
        sheet = self.result.sheet
        row = top
        for part in parts:
            for k, text in enumerate(part.headings):
                sheet.label(row + k, column, text, part.heading_style)
            if part.beside:
                sheet.label(row, column + part.columns - (part.columns > 1), part.beside, part.beside_style)
            row += len(part.headings)
            place = placed(NAME, row, column, part.shape, part.lying, part.turned)
            item = Drawn(part.key, part.purpose, step.number, place, part.line)
            self.result.drawn.append(item)
            if part.key in self.blanks.keys and self.blanks.height:
                sheet.heights |= dict.fromkeys(range(row, row + part.rows), self.blanks.height)
            if part.purpose == "blank" and self.blanks.checked:
                sheet.label(row - 1, column + part.columns, "right?", "shape_left")
                beside = placed(NAME, row, column + part.columns, part.shape, part.lying)
                self.result.drawn.append(Drawn(part.key, "check", step.number, beside))
            if len(part.shape) > 2:
                for index in panels(part.shape):
                    at, _ = place.cell((*index, 0, 0))
                    sheet.label(at - 1, column, f"{part.key}[{','.join(str(i + 1) for i in index)}]", "note")
            row += part.rows
            for text in part.captions:
                sheet.label(row, column, text, part.caption_style)
                row += 1
            row += 1
        return row


@dataclass
class _Part:
    """One block of a slot with its heading lines above and its captions below."""

    key: str
    purpose: str
    shape: Shape
    lying: str
    turned: bool
    headings: list[str]
    heading_style: str
    captions: list[str]
    caption_style: str = "note"
    beside: str = ""
    beside_style: str = "shape"
    line: Line | None = None

    @property
    def rows(self) -> int:
        return extent(self.shape, self.lying)[self.turned]

    @property
    def columns(self) -> int:
        return extent(self.shape, self.lying)[not self.turned]


class _Slot:
    """A tensor's place in a section: its block, its turned copy when formulas need one, and its gradient below."""

    def __init__(self, layout: _Layout, name: str, purpose: str, line: Line | None, gradients: list[Line]):
        program = layout.program
        shape = program.shapes[name]
        lying = layout.lying.get(name, "row")
        columns = extent(shape, lying)[1]
        widest = max([columns, *(min(5, columns_for(line.text)) for line in gradients)])
        captions = _captions(layout, name, purpose, line)
        value = _Part(name, purpose, shape, lying, False, [name], "name", captions, line=line)
        value.beside = "×".join(map(str, shape)) if purpose != "again" else ""
        value.beside_style = "shape" if columns > 1 else "shape_left"
        if line is not None:
            value.caption_style = "caption"
        self.values, self.gradients = [value], []
        self.width = widest
        if captions and purpose == "given":
            self.width = max(self.width, min(3, columns_for(max(captions, key=len))))
        if name in layout.turned and purpose != "again":
            self.values.append(self._turned(name, shape, lying))
        for gradient in gradients:
            key = gradient.target
            blank = key in layout.blanks.keys and not layout.blanks.answered
            part = _Part(
                key,
                "blank" if blank else "line",
                gradient.shape,
                layout.lying.get(key, lying),
                False,
                [f"{key} = ?"] if blank else wrapped(gradient.text, widest),
                "gradient_line",
                _origin(program, gradient, name),
                line=gradient,
            )
            self.gradients.append(part)
            self.width = max(self.width, part.columns * (2 if blank and layout.blanks.checked else 1))
            if key in layout.turned:
                self.gradients.append(self._turned(key, gradient.shape, part.lying))

    def _turned(self, key: str, shape: Shape, lying: str) -> _Part:
        caption = ["turned, to multiply row by row"]
        part = _Part(key, "turned", shape, lying, True, [f"{key}.T"], "note_code", caption)
        self.width = max(self.width, part.columns, 3)
        return part


def _captions(layout: _Layout, name: str, purpose: str, line: Line | None) -> list[str]:
    if purpose == "given":
        note = layout.lesson.tensors[name].note
        return wrapped(note, 3, most=4) if note else []
    if line is None:
        return []
    cells = layout.program.cells[line.target]
    first = cells.element((0,) * cells.ndim)
    if isinstance(first, Ref):
        return []
    local = line.target not in {step.result for step in layout.program.steps}
    own = ast.unparse(line.expression)
    shown = [] if not local else wrapped(line.text, 8, most=2)
    spelled = f"{spell(Ref(name, (0,) * cells.ndim))} = {spell(first)}"
    return shown + (wrapped(spelled, 7, most=3) if len(own) < 400 else [])


def _origin(program: Program, line: Line, name: str) -> list[str]:
    """``from step 2``: where the gradient of a result comes from."""
    if line.target != f"{name}.g" or name in program.leaves:
        steps = [s.number for s in program.steps if name in s.operands] if line.target == f"{name}.g" else []
        return [f"from steps {' and '.join(map(str, steps))}"] if len(steps) > 1 else []
    steps = [str(step.number) for step in program.steps if name in step.operands]
    return [f"from step{'s' * (len(steps) > 1)} {' and '.join(steps)}"] if steps else []


def operator_signs(step: Step) -> list[str]:
    """The sign before each operand, as the heading writes it; ``,`` where the heading is a call."""
    text = step.heading.split(" = ", 1)[1]
    tree = ast.parse(text, mode="eval").body
    starts: dict[str, tuple[int, int]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in step.operands:
            span = (node.col_offset, node.end_col_offset)
            starts[node.id] = min(starts.get(node.id, span), span)
    signs, end = [], 0
    for name in step.operands:
        start, stop = starts[name]
        between = text[end:start].replace("(", " ").replace(")", " ").split()
        signs.append(next((sign for sign in between if sign in SIGNS), ","))
        end = stop
    return signs


# -- which way vectors lie ---------------------------------------------------------------------------------------


def lie(program: Program) -> dict[str, str]:
    """For each vector, whether it lies in a ``row`` or stands in a ``column``.

    A vector whose elements go with the rows of a matrix (one number an example) stands in a column, so that it
    fills down beside them; vectors that meet element by element lie the same way. Found from how the indices of
    neighbouring elements, and of neighbouring terms of a sum, move together.
    """
    votes: dict[str, str] = {}
    same: dict[str, str] = {}

    def root(name: str) -> str:
        while same.get(name, name) != name:
            name = same[name]
        return name

    def meet(moves: list[tuple[str, int, int]]) -> None:
        """Tensors whose index moves in the same step: vectors together, matrices give the direction."""
        vectors = [name for name, rank, _ in moves if rank == 1]
        for a, b in zip(vectors, vectors[1:], strict=False):
            ra, rb = root(a), root(b)
            if ra != rb:
                same[rb] = ra
                if rb in votes:
                    votes.setdefault(ra, votes[rb])
        axes = [axis for _, rank, axis in moves if rank >= 2]
        if vectors and axes:
            votes.setdefault(root(vectors[0]), "column" if axes[0] == 0 else "row")

    for line in program.forward:
        cells = program.cells[line.target]
        origin = (0,) * cells.ndim
        first = cells.element(origin)
        for axis, size in enumerate(cells.shape):
            if size > 1:
                step = tuple(int(k == axis) for k in range(cells.ndim))
                offset = 2 - cells.ndim if cells.ndim > 2 else 0
                meet([(line.target, cells.ndim, axis + offset), *_moves(first, cells.element(step))])
        for terms in _folds(first):
            meet(_moves(terms[0], terms[1]))
    names = [name for name, shape in program.shapes.items() if len(shape) == 1 and "." not in name]
    lying = {name: votes.get(root(name), "row") for name in names}
    for line in program.backward:
        name = line.target.split(".")[0]
        if len(line.shape) == 1:
            lying[line.target] = lying.get(name, "row")
    return lying


def _children(expression: Expr) -> tuple[Expr, ...]:
    match expression:
        case Neg(operand=operand):
            return (operand,)
        case Op(left=left, right=right):
            return left, right
        case Call(arguments=arguments):
            return arguments
        case Fold(terms=terms):
            return terms
    return ()


def _moves(one: Expr, other: Expr) -> list[tuple[str, int, int]]:
    """(tensor, rank, axis) of every reference whose index differs between two elements of the same form."""
    if isinstance(one, Ref) and isinstance(other, Ref):
        changed = [k for k, (i, j) in enumerate(zip(one.index, other.index, strict=False)) if i != j]
        rank = len(one.index)
        return [(one.tensor, rank, changed[0] - max(0, rank - 2))] if changed and one.tensor == other.tensor else []
    pairs = zip(_children(one), _children(other), strict=False)
    return [move for a, b in pairs for move in _moves(a, b)]


def _folds(expression: Expr) -> list[tuple[Expr, ...]]:
    own = [expression.terms] if isinstance(expression, Fold) else []
    inner = expression.terms[:1] if isinstance(expression, Fold) else _children(expression)
    return [*own, *(terms for child in inner for terms in _folds(child))]


# -- formulas ----------------------------------------------------------------------------------------------------


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The sheet with every formula and what NumPy says it must show."""
    sheet = drawing.sheet
    roles = {name: tensor.role for name, tensor in lesson.tensors.items()}
    sheet.label(1, FIRST_COLUMN, lesson.title, "title")
    sheet.label(2, FIRST_COLUMN, HOW_TO_READ, "subtitle")
    legend(
        sheet,
        3,
        FIRST_COLUMN,
        {*roles.values()},
        ["value", "gradient", "blank"] if drawing.blanks.keys else ["value", "gradient"],
    )
    loss = lesson.program.loss
    sheet.label(
        4, FIRST_COLUMN, f"It starts at the end with {loss}.g = 1: {loss} grows exactly as fast as itself.", "note"
    )
    waiting = drawing.blanks.withheld(lesson.program)
    for item in drawing.drawn:
        if item.purpose != "check":  # those are made by the sheet that judges
            sheet.blocks += _blocks(lesson, drawing, item, values[item.key], roles, waiting)
    sheet.widths = {1: 3.5} | {k: COLUMN_WIDTH for k in range(2, sheet.last_column + 1)}
    last = max(sheet.last_column, 14)
    for label in [label for label in sheet.labels if label.style == "bar_number"]:
        taken = {other.column for other in sheet.labels if other.row == label.row}
        for column in range(1, last + 1):
            if column not in taken:
                sheet.label(label.row, column, "", "bar")
    sheet.freeze = "A5"
    return sheet


def _blocks(lesson: Lesson, drawing: Drawing, item: Drawn, value: np.ndarray, roles, waiting) -> list[Block]:
    place, shape = item.place, item.place.shape
    style = (
        "answer" if item.key in drawing.blanks.keys else "gradient" if "." in item.key else roles.get(item.key, "value")
    )
    if item.purpose in ("again", "turned") and style in roles.values():
        style = f"{style}_copy"
    if item.line is not None and item.key == lesson.program.loss:
        style = "loss"
    more = dict(style=style, name=item.key)
    if item.purpose == "given":
        return input_blocks(place, value, **more)
    if item.purpose == "blank":
        return blank_blocks(place, value, item.key)
    cells = lesson.program.cells[item.key] if item.line else CellArray.named(item.key, shape)
    if drawing.number_format:
        more["number_format"] = drawing.number_format
    needs = waiting.get(item.key, [])
    if item.purpose == "turned" and item.key in drawing.blanks.keys and not drawing.blanks.answered:
        needs = [item.key]
    elif item.line is None:
        needs = []
    if needs:
        cells = _once_filled(cells, needs, lesson.program)
        value = np.full(value.shape, "", dtype=object)
    elif item.key in waiting:  # a copy of what waits itself
        value = np.full(value.shape, "", dtype=object)
    book = drawing.book(item.step) if item.line else drawing.places
    what = item.line.text if item.line else item.key
    return formula_blocks(cells, place, book, value, what, turned=item.purpose == "turned", **more)


def _once_filled(cells: CellArray, needs: Sequence[str], program: Program) -> CellArray:
    """The cells, or an empty text as long as some number is missing in the blocks that they need."""
    counted = [Call("COUNT", (Whole(key),)) for key in needs]
    every = sum(int(np.prod(program.shapes[key], dtype=int)) for key in needs)
    there: Expr = counted[0]
    for count in counted[1:]:
        there = Op("+", there, count)
    test = Op("=", there, Num(every))
    return CellArray(cells.shape, lambda index: Call("IF", (test, cells.element(index), Text(""))), cells.uniform)


def blank_blocks(place: Placement, value: np.ndarray, key: str) -> list[Block]:
    """Empty cells for the student, a block a 2-D panel; they expect nothing, whatever the right numbers are."""
    blocks = []
    for number, _, grid, row, column in _panels(place, value, False):
        nothing = np.full(grid.shape, "", dtype=object)
        cells = [[None] * grid.shape[1] for _ in range(grid.shape[0])]
        more = dict(panel=number, number_format=BLANK_FORMAT)
        blocks.append(Block(row, column, cells, "blank", "blank", nothing, name=key, **more))
    return blocks


def input_blocks(place: Placement, value: np.ndarray, **more) -> list[Block]:
    """The numbers of a tensor for the student to change, a block a 2-D panel."""
    blocks = []
    for number, _, grid, row, column in _panels(place, value, False):
        at = dict(row=row, column=column, panel=number, number_format=number_format(value))
        blocks.append(Block(cells=grid.tolist(), kind="input", expected=grid, **at, **more))
    return blocks


def formula_blocks(
    cells: CellArray, place: Placement, book: Book, value: np.ndarray, what: str, turned: bool = False, **more
) -> list[Block]:
    """The formulas of a tensor at ``place``, a block a 2-D panel; ``what`` is named when one cannot be written."""
    printer, blocks = Printer(book), []
    form = more.pop("number_format", None) or number_format(value)
    for number, index, grid, row, column in _panels(place, value, turned):
        filled = _filled(cells, index, grid.shape, place, printer, what)
        at = dict(row=row, column=column, panel=number, number_format=form)
        blocks.append(Block(cells=filled.formulas, kind="formula", expected=grid, fills=filled.fills, **at, **more))
    return blocks


def _panels(place: Placement, value: np.ndarray, turned: bool) -> Iterator[tuple[int, Index, np.ndarray, int, int]]:
    """Number, leading index, numbers as they stand, and the corner of each 2-D panel."""
    for number, index in enumerate(panels(place.shape)):
        part = np.asarray(value[index])
        inner = place.shape[len(index) :]
        grid = part.T if turned and len(inner) == 2 else part.reshape(_grid(inner, place))
        yield number, index, grid, *place.cell((*index, *[0] * len(inner)))


def _grid(inner: Shape, place: Placement) -> tuple[int, int]:
    if len(inner) == 1:
        return (1, inner[0]) if place.steps[-1] == (0, 1) else (inner[0], 1)
    return inner if len(inner) == 2 else (1, 1)


def _filled(cells: CellArray, index, grid: tuple[int, int], place: Placement, printer: Printer, what: str) -> Filled:
    inner = place.steps[len(index) :]

    def tokens(i: int, j: int):
        """The formula of the cell ``i`` down, ``j`` right of the block's corner."""
        at = tuple(i if down else j for down, _ in inner)
        return printer.tokens(cells.element((*index, *at)))

    try:
        return fill(tokens, *grid, place.sheet, cells.uniform)
    except Unaligned:
        raise
    except FormulaError as error:
        raise PlanError(f"{what}: {error}") from None


WORDS = {
    "input": "input",
    "parameter": "parameter",
    "target": "target",
    "constant": "constant",
    "value": "value",
    "gradient": "gradient",
    "nudge": "nudge",
    "blank": "yours",
}


def legend(sheet: Sheet, row: int, column: int, roles: set[str], computed: list[str]) -> None:
    """The colours in use, each with its word."""
    shown = [role for role in WORDS if role in roles] + computed
    for k, role in enumerate(shown):
        sheet.label(row, column + k, WORDS[role], f"legend_{role}")
    if "blank" not in shown:
        sheet.label(row, column + len(shown) + 1, "blue numbers are yours to change", "editable_note")
