"""From a lesson to the plan of its workbook: pure and deterministic, so that a workbook proves itself years later."""

from __future__ import annotations

from sheetgrad.formulas import Area
from sheetgrad.layout import MOST_FORMULAS, Plan, PlanError, Sheet
from sheetgrad.lesson import Lesson
from sheetgrad.sheets import cover, gradients, nudge, numbers, ripple, step_size, steps, tangent

SPARE = 1_000  # formula cells kept free for headings and tallies


def make_plan(lesson: Lesson) -> Plan:
    """The plan of the lesson's workbook, with what NumPy says that each formula must show.

    The formulas depend on the lines and shapes alone, the expected values also on the lesson's numbers.
    Raises :class:`~sheetgrad.layout.PlanError` naming the line that does not fit a workbook.
    """
    values = lesson.program.run(lesson.values)
    drawing = gradients.draw(lesson)
    gradient_sheet = gradients.build(lesson, drawing, values)
    step_sheets = [steps.build(lesson, drawing, values)] if lesson.steps else []
    taken = sum(sheet.formula_count for sheet in (gradient_sheet, *step_sheets))
    if taken > MOST_FORMULAS - SPARE:
        raise PlanError(
            f"the forward and backward pass take {taken:,} formula cells; {MOST_FORMULAS - SPARE:,} fit a workbook: "
            "use smaller tensors"
        )
    nudge_sheet = _nudge_sheet(lesson, drawing, values, MOST_FORMULAS - SPARE - taken)
    sheets = [gradient_sheet, nudge_sheet, *step_sheets, step_size.build(lesson, drawing, values)]
    sheets.append(ripple.build(lesson, drawing, values))
    sheets.append(tangent.build(lesson, drawing, cover.settings_places(), values))
    sheets.append(numbers.build(lesson, drawing, values))
    sheets.insert(0, cover.build(lesson, _counts(nudge_sheet), sheets))
    return Plan(lesson.title, tuple(sheets), _names(lesson, drawing))


def _nudge_sheet(lesson: Lesson, drawing: gradients.Drawing, values, room: int) -> Sheet:
    """The Nudge sheet in at most ``room`` cells: the copies its formulas need are known only once it is laid out."""
    aim = room
    while True:
        sheet = nudge.build(lesson, drawing, cover.settings_places(), values, aim)
        if sheet.formula_count <= room:
            return sheet
        aim -= sheet.formula_count - room


def _counts(sheet: Sheet) -> dict[str, int]:
    """The tally that the Nudge sheet shows."""
    shown = {(block.row, block.column): block.expected[0, 0] for block in sheet.blocks if block.expected.size == 1}
    places = nudge.tally_places()
    return {key.split(".")[1]: int(shown[place.row, place.column]) for key, place in places.items()}


def _names(lesson: Lesson, drawing: gradients.Drawing) -> dict[str, Area]:
    """``w1_value`` and ``w1_g`` for every tensor that has a block."""
    names = {}
    for item in drawing.drawn:
        name, _, gradient = item.key.partition(".")
        if item.purpose in ("given", "line") and gradient in ("", "g"):
            place = item.place
            last = place.cell(tuple(n - 1 for n in place.shape))
            area = Area(place.sheet, place.row, place.column, *last)
            names[f"{name}_{gradient or 'value'}"] = area
    return names
