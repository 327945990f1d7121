"""Lays out the Gradients sheet: the blocks of each section side by side, their gradients underneath."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from sheetgrad.autodiff.program import Line, Program, Step
from sheetgrad.formulas.expressions import Ref, Shape
from sheetgrad.formulas.places import Placement, rectangles
from sheetgrad.formulas.printing import FormulaError, Printer, Unaligned
from sheetgrad.formulas.words import spell
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import MOST_SHEET_COLUMNS, PlanError, columns_for, wrapped
from sheetgrad.plan.drawing import GRADIENTS, Blanks, Drawing, Drawn
from sheetgrad.plan.extents import extent, panels, placed
from sheetgrad.plan.lying import lie

FIRST_ROW, FIRST_COLUMN = 6, 2
PAGE_COLUMNS = 24  # a section wraps to a further line of blocks beyond this
SIGNS = ("@", "+", "-", "*", "/", "**", ",", ">", "<")


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
        turned = placed(GRADIENTS, 1, 1, shape, drawing.lying.get(key, "row"), turned=True)
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
            place = placed(GRADIENTS, row, column, part.shape, part.lying, part.turned)
            item = Drawn(part.key, part.purpose, step.number, place, part.line)
            self.result.drawn.append(item)
            if part.key in self.blanks.keys and self.blanks.height:
                sheet.heights |= dict.fromkeys(range(row, row + part.rows), self.blanks.height)
            if part.purpose == "blank" and self.blanks.checked:
                sheet.label(row - 1, column + part.columns, "right?", "shape_left")
                beside = placed(GRADIENTS, row, column + part.columns, part.shape, part.lying)
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
