"""From a lesson to the plan of its workbook: pure and deterministic, so that a workbook proves itself years later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from sheetgrad.formulas.places import Area
from sheetgrad.lesson.kinds import SheetKind, sheet_kinds
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import Plan, PlanError, Sheet
from sheetgrad.plan.drawing import Blanks, Drawing
from sheetgrad.plan.equations import draw
from sheetgrad.sheets import check, cover, elements, gradients, nudge, task

RUNNING_AWAY = np.errstate(all="ignore")  # numbers that do are errors in their cells, and compared as such


@RUNNING_AWAY
def make_plan(
    lesson: Lesson, number_format: str = "", proof: str = "", values: Mapping[str, np.ndarray] | None = None
) -> Plan:
    """The plan of the lesson's workbook, with what NumPy says that each formula must show.

    ``number_format`` is that of computed numbers, where it must not depend on them; ``proof`` says what was proven of
    the lesson before its workbook is made. ``values`` are all tensors and gradients where they are not what the lesson's
    own lines give: where a student has mended some of these.

    The formulas depend on the lines and shapes alone, the expected values also on the lesson's numbers.
    Raises :class:`~sheetgrad.plan.blocks.PlanError` naming the line that does not fit a workbook.
    """
    values = lesson.program.run(lesson.values) if values is None else values
    drawing = draw(lesson, cover.settings_places(), number_format=number_format)
    made, missing = _sheets(lesson, drawing, values)
    _on_top_of_gradients(lesson, {kind.name: sheet for kind, sheet in made.items()})
    first = cover.build(lesson, drawing, values, made, missing, proof)
    return Plan(lesson.title, (first, *made.values()), _names(drawing, made.values()))


def _sheets(lesson: Lesson, drawing: Drawing, values) -> tuple[dict[SheetKind, Sheet], list[str]]:
    """The sheets that every workbook has and those that the lesson asks for; and why some are left out."""
    made, missing = {}, []
    for kind in sheet_kinds():
        if kind.key and kind.key not in lesson.sections:
            continue
        try:
            made[kind] = kind.build(lesson, drawing, values)
        except PlanError as error:
            if not kind.optional:
                raise
            missing.append(f"{kind.name} is left out: {error}")
    return made, missing


def _on_top_of_gradients(lesson: Lesson, made: Mapping[str, Sheet]) -> None:
    """What the Gradients sheet shows of others."""
    sheet = made[gradients.NAME]
    gradients.add_verdict(sheet, made[nudge.NAME].tally)
    if elements.NAME in made:
        gradients.add_lens(sheet, lesson, made[elements.NAME])


@RUNNING_AWAY
def make_handout_plan(lesson: Lesson, checked: bool, name: str, mark: str, number_format: str = "0.000") -> Plan:
    """The plan of a handout for the student called ``name`` with the id ``mark``: the blanks of the lesson's exercise
    are empty cells, and where they are ``checked`` a verdict stands beside each. Of a lesson with a bug, nothing is blank,
    and there is a verdict beside every gradient that the lesson asks for.

    Nothing in it holds the gradients that are blank, or the right ones of the line that is wrong: neither their numbers,
    nor their formulas, nor the lines that compute them.
    """
    values = lesson.program.run(lesson.values)
    drawing = draw(lesson, {}, blanks_of(lesson, checked=checked), number_format)
    checks = check.build(lesson, drawing, values) if checked else None
    sheets = [gradients.build(lesson, drawing, values, marks=checks.marks if checks else ())]
    sheets += [checks.sheet] if checks else []
    sheets.insert(0, task.build(lesson, drawing, checks, name, mark))
    for sheet in sheets:
        sheet.locked, sheet.heading = True, (name, mark)
    return Plan(lesson.title, tuple(sheets), _names(drawing, sheets))


def blanks_of(lesson: Lesson, **how) -> Blanks:
    """What a handout leaves blank; where it is to be found what is wrong, the gradients that have a sign beside them."""
    if not lesson.bug:
        return Blanks(lesson.exercise.blank, **how)
    return Blanks(tuple(f"{name}.g" for name in lesson.program.requested), **how, answered=True)


LARGE = dict(working=8, height=30.0)  # of a paper form: rows of free space, height of a box in points


@RUNNING_AWAY
def make_print_plan(
    lesson: Lesson, name: str, mark: str, large: bool, answered: bool, number_format: str = "0.000"
) -> Plan:
    """The plan of a handout to print: the Gradients sheet alone, with empty boxes or with the answers in them.

    ``large`` is the form for pencil and paper, with larger boxes and space for working. Of a lesson with a bug, the sheet
    shows the wrong line, and the answers the right one.
    """
    form = dict(on_paper=True, **(LARGE if large else {}))
    blanks = blanks_of(lesson, **form) if lesson.bug else blanks_of(lesson, answered=answered, **form)
    if lesson.bug and answered:
        blanks = replace(blanks, keys=(lesson.bug.gradient,))  # drawn as the answer
    shown = lesson.mended if answered else lesson
    values = shown.program.run(shown.values)
    drawing = draw(shown, {}, blanks, number_format)
    sheet = gradients.build(shown, drawing, values, task.print_heading(lesson, name, mark, answered))
    return Plan(lesson.title, (sheet,), _names(drawing, [sheet]))


def _names(drawing: Drawing, sheets: Iterable[Sheet]) -> dict[str, Area]:
    """``w1_value`` and ``w1_g`` for every tensor that has a block, and the names that sheets give."""
    names = {}
    for item in drawing.drawn:
        name, _, gradient = item.key.partition(".")
        if item.purpose in ("given", "line", "blank") and gradient in ("", "g"):
            place = item.place
            last = place.cell(tuple(n - 1 for n in place.shape))
            area = Area(place.sheet, place.row, place.column, *last)
            names[f"{name}_{gradient or 'value'}"] = area
    for sheet in sheets:
        names |= sheet.names
    return names
