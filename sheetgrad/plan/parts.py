"""The parts of a section: a block with the lines of text above and below it, and the slot of parts under one another."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sheetgrad.autodiff.program import Line, Program, Step
from sheetgrad.formulas.expressions import Ref, Shape
from sheetgrad.formulas.places import Place
from sheetgrad.formulas.words import spell
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import columns_for, wrapped
from sheetgrad.plan.drawing import Blanks
from sheetgrad.plan.extents import extent, placed
from sheetgrad.plan.placing import Copy, Order

SIGNS = ("@", "+", "-", "*", "/", "**", ",", ">", "<")


@dataclass(frozen=True)
class Part:
    """One block with its heading lines above and its captions below.

    ``key`` is what it shows, ``purpose`` and ``copy`` as in :class:`~sheetgrad.plan.drawing.Drawn`.
    """

    key: str
    purpose: str
    shape: Shape
    lying: str
    headings: Sequence[str]
    heading_style: str
    captions: Sequence[str] = ()
    caption_style: str = "note"
    beside: str = ""
    beside_style: str = "shape"
    line: Line | None = None
    copy: Copy | None = None

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns of the block."""
        return self.copy.extent if self.copy else extent(self.shape, self.lying)

    def placed(self, sheet: str, row: int, column: int) -> Place:
        return self.copy.placed(sheet, row, column) if self.copy else placed(sheet, row, column, self.shape, self.lying)


@dataclass(frozen=True)
class Slot:
    """A tensor's place in a section: its block and its copies, and below them its gradients with theirs."""

    values: tuple[Part, ...]
    gradients: tuple[Part, ...]
    width: int


@dataclass(frozen=True)
class Parts:
    """Makes the slots of a lesson: ``copies`` are those that its sums need, by the tensor or gradient whose block they
    stand under; ``backward`` are the gradient lines that are shown, by tensor."""

    lesson: Lesson
    lying: Mapping[str, str]
    copies: Mapping[str, Sequence[Copy]]
    backward: Mapping[str, Sequence[Line]]
    blanks: Blanks

    @property
    def program(self) -> Program:
        return self.lesson.program

    def slot(self, name: str, purpose: str, line: Line | None) -> Slot:
        """The slot of a tensor that is ``given``, computed by ``line``, or shown ``again``."""
        again = purpose == "again"
        gradients = () if again else self.backward.get(name, ())
        columns = extent(self.program.shapes[name], self._way(name))[1]
        widest = max([columns, *(min(5, columns_for(line.text)) for line in gradients)])
        value = self._value(name, purpose, line, columns)
        values = (value, *(() if again else self._copied(name)))
        below = tuple(part for gradient in gradients for part in self._gradient(name, gradient, widest))
        return Slot(values, below, max(widest, *map(self._width, values + below)))

    def _way(self, key: str, otherwise: str = "row") -> str:
        return self.lying.get(key, otherwise)

    def _width(self, part: Part) -> int:
        """Columns that a part wants."""
        columns = part.extent[1]
        if part.copy:
            return max(columns, 3)
        if part.purpose == "given" and part.captions:
            return max(columns, min(3, columns_for(max(part.captions, key=len))))
        return columns * (2 if self.blanks.check_beside(part.key, part.purpose) else 1)

    def _value(self, name: str, purpose: str, line: Line | None, columns: int) -> Part:
        shape = self.program.shapes[name]
        return Part(
            name,
            purpose,
            shape,
            self._way(name),
            [name],
            "name",
            self._captions(name, purpose, line),
            "note" if line is None else "caption",
            "×".join(map(str, shape)) if purpose != "again" else "",
            "shape" if columns > 1 else "shape_left",
            line,
        )

    def _gradient(self, name: str, line: Line, widest: int) -> list[Part]:
        """A gradient under its tensor, and its copies."""
        key = line.target
        blank = key in self.blanks.keys and not self.blanks.answered
        headings = [f"{key} = ?"] if blank else wrapped(line.text, widest)
        way = self._way(key, self._way(name))
        captions = _origin(self.program, line, name)
        purpose = "blank" if blank else "line"
        return [Part(key, purpose, line.shape, way, headings, "gradient_line", captions, line=line), *self._copied(key)]

    def _copied(self, key: str) -> list[Part]:
        return [
            Part(key, "copy", (), "row", [_copy_name(key, copy)], "note_code", [_copy_caption(copy)], copy=copy)
            for copy in self.copies.get(key, ())
        ]

    def _captions(self, name: str, purpose: str, line: Line | None) -> list[str]:
        if purpose == "given":
            note = self.lesson.tensors[name].note
            return wrapped(note, 3, most=4) if note else []
        if line is None:
            return []
        cells = self.program.cells[line.target]
        first = cells.element((0,) * cells.ndim)
        if isinstance(first, Ref):
            return []
        local = line.target not in {step.result for step in self.program.steps}
        own = ast.unparse(line.expression)
        shown = wrapped(line.text, 8, most=2) if local else []
        spelled = f"{spell(Ref(name, (0,) * cells.ndim))} = {spell(first)}"
        return shown + (wrapped(spelled, 7, most=3) if len(own) < 400 else [])


def _copy_name(key: str, copy: Copy) -> str:
    turned = isinstance(copy, Order) and len(copy.shape) == 2 and (copy.down, copy.across) == ((1,), (0,))
    return f"{key}.T" if turned else f"for {copy.line}" if not isinstance(copy, Order) else key


def _copy_caption(copy: Copy) -> str:
    if not isinstance(copy, Order):
        return "the terms of each sum, side by side"
    return "turned, for a sum that runs this way" if len(copy.shape) == 2 else "in the order of a sum"


def _origin(program: Program, line: Line, name: str) -> list[str]:
    """``from step 2``: where the gradient of a result comes from."""
    if line.target != f"{name}.g" or name in program.leaves:
        steps = [s.number for s in program.steps if name in s.operands] if line.target == f"{name}.g" else []
        return [f"from steps {' and '.join(map(str, steps))}"] if len(steps) > 1 else []
    steps = [str(step.number) for step in program.steps if name in step.operands]
    return [f"from step{'s' * (len(steps) > 1)} {' and '.join(steps)}"] if steps else []


def operator_signs(step: Step) -> list[str]:
    """The sign before each operand, as the line writes it; ``,`` where the line is a call."""
    text = ast.unparse(step.expression)
    starts: dict[str, tuple[int, int]] = {}
    for node in ast.walk(step.expression):
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
