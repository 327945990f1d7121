"""From a lesson to the plan of its workbook: pure and deterministic, so that a workbook proves itself years later."""

from __future__ import annotations

from sheetgrad.formulas.places import Area
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import MOST_FORMULAS, Plan, PlanError, Sheet
from sheetgrad.plan.drawing import Blanks, Drawing
from sheetgrad.plan.equations import draw
from sheetgrad.plan.passes import pass_cells
from sheetgrad.sheets import (
    check,
    code,
    contributions,
    cover,
    gradients,
    jacobian,
    nudge,
    numbers,
    ripple,
    step_size,
    steps,
    tangent,
    task,
    training,
)

SPARE = 1_000  # formula cells kept free for headings and tallies
LARGEST_LABORATORY = 20_000  # cells of forward pass on a sheet where one number is picked


def make_plan(lesson: Lesson, number_format: str = "") -> Plan:
    """The plan of the lesson's workbook, with what NumPy says that each formula must show.

    ``number_format`` is that of computed numbers, where it must not depend on them.

    The formulas depend on the lines and shapes alone, the expected values also on the lesson's numbers.
    Raises :class:`~sheetgrad.layout.PlanError` naming the line that does not fit a workbook.
    """
    values = lesson.program.run(lesson.values)
    drawing = draw(lesson, cover.settings_places(), number_format=number_format)
    gradient_sheet = gradients.build(lesson, drawing, values)
    step_sheets = _asked_for(lesson, drawing, values)
    lists = [numbers.build(lesson, drawing, values)] if lesson.laboratory else []
    room = MOST_FORMULAS - SPARE - sum(s.formula_count for s in (gradient_sheet, *step_sheets, *lists))
    if room < 0:
        raise PlanError(
            f"the forward and backward pass take {MOST_FORMULAS - SPARE - room:,} formula cells; "
            f"{MOST_FORMULAS - SPARE:,} fit a workbook: use smaller tensors"
        )
    laboratory, missing = _laboratory(lesson, drawing, values, room - nudge.LIGHT) if lesson.laboratory else ([], [])
    nudge_sheet = _nudge_sheet(lesson, drawing, values, room - sum(sheet.formula_count for sheet in laboratory))
    sheets = [gradient_sheet, nudge_sheet, *step_sheets, *laboratory, *lists]
    sheets.insert(0, cover.build(lesson, nudge.tally(nudge_sheet), sheets, missing))
    return Plan(lesson.title, tuple(sheets), _names(lesson, drawing))


def make_handout_plan(lesson: Lesson, checked: bool, name: str, mark: str, number_format: str = "0.000") -> Plan:
    """The plan of a handout for the student called ``name`` with the id ``mark``: the blanks of the lesson's exercise
    are empty cells, and where they are ``checked`` a verdict stands beside each.

    Nothing in it holds the gradients that are blank: neither their numbers, nor their formulas, nor the lines that
    compute them.
    """
    values = lesson.program.run(lesson.values)
    blanks = Blanks(lesson.exercise.blank, checked)
    drawing = draw(lesson, {}, blanks, number_format)
    sheets = [gradients.build(lesson, drawing, values)]
    if checked:
        sheets.append(check.build(lesson, drawing, values))
    formulas = sum(sheet.formula_count for sheet in sheets)
    if formulas > MOST_FORMULAS - SPARE:
        raise PlanError(f"the handout takes {formulas:,} formula cells; {MOST_FORMULAS - SPARE:,} fit a workbook")
    sheets.insert(0, task.build(lesson, drawing, sheets[-1].verdicts, name, mark))
    for sheet in sheets:
        sheet.locked, sheet.heading = True, (name, mark)
    return Plan(lesson.title, tuple(sheets), _names(lesson, drawing))


LARGE = dict(working=8, height=30.0)  # of a paper form: rows of free space, height of a box in points


def make_print_plan(
    lesson: Lesson, name: str, mark: str, large: bool, answered: bool, number_format: str = "0.000"
) -> Plan:
    """The plan of a handout to print: the Gradients sheet alone, with empty boxes or with the answers in them.

    ``large`` is the form for pencil and paper, with larger boxes and space for working.
    """
    values = lesson.program.run(lesson.values)
    blanks = Blanks(lesson.exercise.blank, answered=answered, on_paper=True, **(LARGE if large else {}))
    drawing = draw(lesson, {}, blanks, number_format)
    sheet = gradients.build(lesson, drawing, values)
    task.print_heading(sheet, lesson, name, mark, answered)
    return Plan(lesson.title, (sheet,), _names(lesson, drawing))


def _asked_for(lesson: Lesson, drawing: Drawing, values) -> list[Sheet]:
    """The sheets that the template names."""
    makers = {"steps": steps, "jacobian": jacobian, "contributions": contributions, "training": training, "code": code}
    return [maker.build(lesson, drawing, values) for key, maker in makers.items() if getattr(lesson, key)]


def _laboratory(lesson: Lesson, drawing: Drawing, values, room: int) -> tuple[list[Sheet], list[str]]:
    """The sheets on which one number is picked, and why some are left out: those that are too large for a workbook
    that a school laptop opens quickly."""
    cells = pass_cells(lesson.program, lesson.program.requested)
    makers = {
        step_size.NAME: (2 * len(step_size.STEPS), step_size.build),
        ripple.NAME: (6, ripple.build),
        tangent.NAME: (tangent.LINES, tangent.build),
    }
    sheets, missing = [], []
    for name, (passes, build) in makers.items():
        if passes * cells > min(room, LARGEST_LABORATORY):
            missing.append(f"{name} is left out: {passes * cells:,} cells of forward pass would be too many")
            continue
        try:
            sheet = build(lesson, drawing, values)
        except PlanError as error:
            missing.append(f"{name} is left out: {error}")
            continue
        room -= sheet.formula_count
        sheets.append(sheet)
    return sheets, missing


def _nudge_sheet(lesson: Lesson, drawing: Drawing, values, room: int) -> Sheet:
    """The Nudge sheet in at most ``room`` cells: the copies its formulas need are known only once it is laid out."""
    aim = room
    while True:
        sheet = nudge.build(lesson, drawing, values, aim)
        if sheet.formula_count <= room:
            return sheet
        aim -= sheet.formula_count - room


def _names(lesson: Lesson, drawing: Drawing) -> dict[str, Area]:
    """``w1_value`` and ``w1_g`` for every tensor that has a block."""
    names = {}
    for item in drawing.drawn:
        name, _, gradient = item.key.partition(".")
        if item.purpose in ("given", "line", "blank") and gradient in ("", "g"):
            place = item.place
            last = place.cell(tuple(n - 1 for n in place.shape))
            area = Area(place.sheet, place.row, place.column, *last)
            names[f"{name}_{gradient or 'value'}"] = area
    return names
