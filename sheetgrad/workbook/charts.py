"""The charts of a sheet, drawn with openpyxl; its chart classes are slow to import, and most workbooks have few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openpyxl.utils import absolute_coordinate, quote_sheetname
from openpyxl.worksheet.worksheet import Worksheet

from sheetgrad.formulas.places import Area, address
from sheetgrad.plan.blocks import Chart, Series, Sheet
from sheetgrad.workbook.style import CURVES

if TYPE_CHECKING:
    from openpyxl.chart import ScatterChart
    from openpyxl.chart import Series as Curve

MARKS = {"line": ("solid", 22_000), "dashes": ("dash", 15_000), "points": (None, 0)}  # dash and width in EMU


def draw_charts(target: Worksheet, sheet: Sheet) -> None:
    """Adds the charts of a sheet to it."""
    for chart in sheet.charts:
        drawn = _frame(chart)
        drawn.series.extend(_curve(target, series) for series in chart.series)
        target.add_chart(drawn, address(chart.row, chart.column))


def _frame(chart: Chart) -> ScatterChart:
    """The chart with its title and axes, without curves."""
    from openpyxl.chart import ScatterChart
    from openpyxl.chart.shapes import GraphicalProperties
    from openpyxl.drawing.line import LineProperties
    from openpyxl.drawing.text import CharacterProperties, ParagraphProperties

    drawn = ScatterChart()
    drawn.title, drawn.width, drawn.height, drawn.style = chart.title, chart.width, chart.height, 2
    drawn.visible_cells_only = False  # what is folded away is drawn all the same
    drawn.scatterStyle, drawn.legend.position = "lineMarker", "b"
    drawn.title.overlay = False
    drawn.title.tx.rich.p[0].pPr = ParagraphProperties(defRPr=CharacterProperties(sz=1200, b=True))
    for axis, words in ((drawn.x_axis, chart.x_title), (drawn.y_axis, chart.y_title)):
        axis.title, axis.delete, axis.crosses = words, False, "min"
        axis.title.tx.rich.p[0].pPr = ParagraphProperties(defRPr=CharacterProperties(sz=1000, b=False))
        axis.number_format = "0E+00" if chart.logarithmic else "General"
        axis.majorGridlines.spPr = GraphicalProperties(ln=LineProperties(solidFill="E5E7EB", w=6_000))
        if chart.logarithmic:
            axis.scaling.logBase = 10
    drawn.x_axis.scaling.min, drawn.x_axis.scaling.max = chart.ends
    if len(chart.series) == 1:
        drawn.legend = None  # the axis says its name
    return drawn


def _curve(target: Worksheet, series: Series) -> Curve:
    from openpyxl.chart import Reference
    from openpyxl.chart import Series as Curve
    from openpyxl.chart.marker import Marker
    from openpyxl.chart.shapes import GraphicalProperties
    from openpyxl.drawing.line import LineProperties

    values = [Reference(target, range_string=absolute(area)) for area in (series.y, series.x)]
    curve = Curve(*values, title=series.title)
    dash, width = MARKS[series.mark]
    line = (
        LineProperties(solidFill=CURVES[series.color], w=width, prstDash=dash) if dash else LineProperties(noFill=True)
    )
    curve.smooth = False
    curve.graphicalProperties = GraphicalProperties(ln=line)
    curve.marker = Marker(symbol="none" if dash else "circle", size=8)
    if not dash:
        curve.marker.graphicalProperties = GraphicalProperties(solidFill=CURVES[series.color])
    return curve


def absolute(area: Area) -> str:
    """The area as a formula refers to it from anywhere: ``Gradients!$B$2:$C$4``."""
    cells = absolute_coordinate(address(area.top, area.left))
    if (area.top, area.left) != (area.bottom, area.right):
        cells += ":" + absolute_coordinate(address(area.bottom, area.right))
    return f"{quote_sheetname(area.sheet)}!{cells}"
