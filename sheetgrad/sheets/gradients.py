"""The Gradients sheet: one section a forward line, forward at the left, backward at the right.

Top to bottom is the forward pass, bottom to top the backward pass. All formulas come from the program's lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sheetgrad.autodiff.program import Program
from sheetgrad.formulas.expressions import Expr, Index, Ref, Shape
from sheetgrad.formulas.places import Area
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.cells import CellArray, truth_as_number
from sheetgrad.lines.evaluate import evaluate
from sheetgrad.lines.names import mentioned
from sheetgrad.lines.readings import CELLS, NUMBERS
from sheetgrad.lines.spreads import Spread
from sheetgrad.lines.typed import Range, Typed
from sheetgrad.plan.blocks import Block, Sheet
from sheetgrad.plan.drawing import (
    GRADIENTS,
    Blanks,
    Drawing,
    Drawn,
    blank_blocks,
    copied,
    copy_blocks,
    formula_blocks,
    input_blocks,
)
from sheetgrad.plan.equations import FIRST_COLUMN
from sheetgrad.plan.fields import single
from sheetgrad.plan.parts import NAME as NAME_LETTERS
from sheetgrad.plan.parts import NARROW, columns_of
from sheetgrad.sheets import elements, nudge
from sheetgrad.sheets.way import shortened
from sheetgrad.tables.table import table

NAME = GRADIENTS
TABLE = table("waiting")
TOP, LEGEND = 3, 6  # rows: of the loss, the verdict and the lens, which stay in sight, and below them of the colours
LONGEST_LOSS = 3  # columns of its name
NOTHING = 4  # points of a row in which nothing stands
START = dict(name="", number_format="0.00")  # the gradient of the loss
HOW_TO_READ = (
    "At the left is the forward pass: read it from top to bottom. At the right are the gradients .g: read them from "
    "bottom to top, that is the backward pass."
)


@dataclass(frozen=True)
class Heading:
    """What stands below the title: how to read the sheet, or what a printed one asks for.

    ``page`` stands at the top of each printed page, left and right.
    """

    text: str = HOW_TO_READ
    style: str = "subtitle"
    span: int = 1
    height: float | None = None
    page: tuple[str, str] = ("", "")


def build(
    lesson: Lesson,
    drawing: Drawing,
    values: Mapping[str, np.ndarray],
    heading: Heading = Heading(),
    marks: Sequence[Block] = (),
) -> Sheet:
    """The sheet with every formula and what NumPy says it must show; ``marks`` are the verdicts beside blanks."""
    sheet = Sheet(NAME, labels=list(drawing.labels), sections=list(drawing.sections), heights=dict(drawing.heights))
    roles = {name: tensor.role for name, tensor in lesson.tensors.items()}
    sheet.label(1, FIRST_COLUMN, lesson.title, "title")
    sheet.heights[1] = 26
    sheet.label(2, FIRST_COLUMN, heading.text, heading.style, span=heading.span)
    if heading.height:
        sheet.heights[2] = heading.height
    sheet.heading = heading.page
    shown = ["value", "gradient", "blank"] if drawing.blanks.keys and not lesson.bug else ["value", "gradient"]
    yours = MENDABLE if drawing.blanks.keys else EDITABLE
    legend(sheet, LEGEND, FIRST_COLUMN, {*roles.values()}, shown, "" if drawing.blanks.on_paper else yours, 2)
    _loss_now(sheet, lesson.program, drawing, values)
    waiting = drawing.blanks.withheld(lesson.program)
    for item in drawing.drawn:
        if item.purpose != "check":  # those are made by the sheet that judges
            sheet.blocks += _framed(item, _blocks(lesson, drawing, item, values, roles, waiting))
    sheet.blocks += marks
    sheet.verdicts += [mark.area(NAME) for mark in marks]
    sheet.widths = {1: 3.5} | {k: NARROW for k in range(2, sheet.last_column + 1)}
    sheet.freeze = f"A{LEGEND}"
    return sheet


def _loss_now(sheet: Sheet, program: Program, drawing: Drawing, values: Mapping[str, np.ndarray]) -> None:
    name = shortened(program.loss, LONGEST_LOSS * NARROW)
    sheet.label(TOP, FIRST_COLUMN, name, "setting_name")
    at = FIRST_COLUMN + columns_of(name, NAME_LETTERS)
    sheet.label(TOP, at, "", "loss_now", span=2)  # for larger numbers
    sheet.formula(TOP, at, Ref(program.loss, ()), drawing.places, float(values[program.loss]), "loss_now")
    sheet.heights |= dict.fromkeys(range(TOP + 1, LEGEND), NOTHING)


def _blocks(lesson: Lesson, drawing: Drawing, item: Drawn, values, roles, waiting) -> list[Block]:
    style = _style(lesson, drawing, item, roles)
    more = dict(style=style, name=item.key if item.key and not item.reader else "")
    if item.purpose == "start":
        return [Block(item.place.row, item.place.column, [[1]], "gradient", "fixed", np.array([[1.0]]), **START)]
    if item.purpose == "given":
        return input_blocks(item.place, values[item.key], **more)
    if item.purpose == "blank":
        return blank_blocks(item.place, values[item.key], item.key)
    if drawing.number_format:
        more["number_format"] = drawing.number_format
    more["open"] = style == "gradient_open"
    if item.copy:
        return _copied(drawing, item, values, waiting, more)
    cells, value = _computed(lesson.program, item, values)
    needs = _needs(drawing.blanks, item, waiting)
    if needs:
        cells = _once_filled(cells, needs, lesson.program.shapes)
    if needs or item.key in waiting:  # a tensor shown again waits itself
        value = np.full(value.shape, "", dtype=object)
    book = drawing.places if item.purpose == "again" else drawing.book(item.step, item.reader or item.key)
    return formula_blocks(cells, item.place, book, value, lesson.program.written(item.reader or item.key), **more)


def _framed(item: Drawn, blocks: list[Block]) -> list[Block]:
    """The blocks of an item with its marks."""
    cells = {item.place.cell(index) for index in item.framed}
    return [replace(one, framed=one.stands_in(cells)) for one in blocks]


def _style(lesson: Lesson, drawing: Drawing, item: Drawn, roles: Mapping[str, str]) -> str:
    if item.line is not None and item.key == lesson.program.loss:
        return "loss"
    if lesson.bug and item.line is not None and "." in item.key:
        return "gradient_open"  # all alike, so that none looks wrong
    if item.line is not None and item.key in drawing.blanks.keys:
        return "answer"
    gradient = "." in item.key or (item.node is not None and any("." in key for key in mentioned(item.node)))
    style = "gradient" if gradient else roles.get(item.key, "value")
    if "." in item.reader or item.turned:
        return f"{style}_pale"
    return f"{style}_copy" if item.purpose in ("again", "copy") and style in roles.values() else style


def _computed(program: Program, item: Drawn, values) -> tuple[CellArray, np.ndarray]:
    """The cells of a line, of a part of one, or of a tensor shown again, and their numbers."""
    if item.line:
        return program.cells[item.key], values[item.key]
    if not item.node:
        return CellArray.named(item.key, item.place.shape), values[item.key]
    arrays = {key: CellArray.named(key, program.shapes[key]) for key in mentioned(item.node)}
    numbers = np.asarray(evaluate(item.node, values, NUMBERS, program.rules), dtype=float)
    return truth_as_number(evaluate(item.node, arrays, CELLS, program.rules)), numbers


def _needs(blanks: Blanks, item: Drawn, waiting: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The blanks that must be filled in before a block shows its numbers."""
    if blanks.answered:
        return ()
    if item.node:
        return [key for key in mentioned(item.node) if key in blanks.keys or key in waiting]
    if item.purpose == "again":
        return [item.key] if item.key in blanks.keys else ()
    return waiting.get(item.key, ())


def _copied(drawing: Drawing, item: Drawn, values, waiting, more: dict) -> list[Block]:
    """A copy in another order. What waits for a blank is empty until it is filled in; so is a copy of a blank, which
    would show 0."""
    blanks = [] if drawing.blanks.answered else [key for key in item.copy.tensors if key in drawing.blanks.keys]
    copy, shapes = item.copy, {key: values[key].shape for key in item.copy.tensors}
    nothing = np.full(copy.extent, "", dtype=object)
    value = nothing if blanks or waiting.keys() & copy.tensors else copy.numbers(values)
    cells = _once_filled(copied(copy), blanks, shapes) if blanks else copied(copy)
    more["name"] = copy.tensors[0]
    return copy_blocks(cells, item.place, drawing.places, value, item.key, **more)


def _once_filled(cells: CellArray, needs: Sequence[str], shapes: Mapping[str, Shape]) -> CellArray:
    """The cells, or an empty text as long as some number is missing in the blocks that they need."""
    every = sum(int(np.prod(shapes[key], dtype=int)) for key in needs)
    known = {"needed": Range(tuple(needs)), "every": every}

    def element(index: Index) -> Expr:
        return TABLE.on_cells(values={**known, "number": Typed(cells.element(index))})["shown"]

    return CellArray(cells.shape, element, cells.uniform)


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


EDITABLE, MENDABLE = "blue numbers are yours to change", "the gradients are yours to change"


def legend(
    sheet: Sheet, row: int, column: int, roles: set[str], computed: list[str], yours: str = EDITABLE, wide: int = 1
) -> None:
    """The colours in use, each with its word, ``wide`` columns each; and where nothing is blank, what is the student's to
    change."""
    shown = [role for role in WORDS if role in roles] + computed
    for k, role in enumerate(shown):
        sheet.label(row, column + k * wide, WORDS[role], f"legend_{role}", span=wide)
        for covered in range(1, wide):  # whose right edge closes a box
            sheet.label(row, column + k * wide + covered, "", f"legend_{role}")
    if yours and "blank" not in shown:
        sheet.label(row, column + len(shown) * wide + 1, yours, "editable_note")


def of_workbook(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The sheet of a workbook, under the lesson's question."""
    return build(lesson, drawing, values, Heading(lesson.question, "question_line"))


def add_verdict(sheet: Sheet, counts: Mapping[str, Spread]) -> None:
    """The live verdict, as on the Lesson sheet."""
    merged = next(label for label in sheet.labels if label.style == "loss_now")
    column = max(FIRST_COLUMN + 4, merged.column + merged.span)
    shown = single(sheet, TOP, column, nudge.TALLY.panel["brief"], *nudge.sentence(counts, "brief"))
    sheet.sentences.append(shown.area(NAME))


def add_lens(sheet: Sheet, lesson: Lesson, listed: Sheet) -> None:
    """The list to pick from, the element in words and in numbers, and what lights up. ``listed`` is the Elements sheet."""
    row, column = elements.PICK
    sheet.label(row, column - 2, "look closely at", "caption")
    sheet.label(row, column, "", "setting", span=3)  # for longer names
    sheet.input(row, column, lesson.setting(elements.PICKED), elements.PICKED)
    sheet.label(row, column + 3, " pick another: what it is made of lights up", "editable_note")
    sheet.choices[row, column] = elements.choices(listed)
    for below, (place, expected) in enumerate(elements.said(listed), 1):
        del sheet.heights[row + below]
        style = "lens_words" if below == 1 else "lens_numbers"
        sheet.formula(row + below, FIRST_COLUMN, Ref("said", ()), {"said": [place]}, expected, style)
    corners = listed.names[elements.LIGHTS]
    sheet.lights = Area(NAME, sheet.sections[0], 1, sheet.last_row, sheet.last_column)
    sheet.lit_by = (elements.LIGHTS, corners.bottom - corners.top + 1)


SHEET = SheetKind(
    name=NAME,
    about="the forward pass line by line, and beside it the gradients that come back",
    order=10,
    build=of_workbook,
)
