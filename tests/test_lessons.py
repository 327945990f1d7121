"""Every lesson that comes with sheetgrad: built, recalculated, compared, and looked at as a file."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from autograd import grad
from conftest import formula_cells, needs_libreoffice
from lessons import COURSE, lesson_named, lesson_of
from openpyxl import Workbook, load_workbook
from openpyxl.formula import Tokenizer
from openpyxl.utils.cell import column_index_from_string, coordinate_from_string
from test_derivatives import AUTOGRAD

from sheetgrad import Lesson, build, verify
from sheetgrad.formulas.places import address
from sheetgrad.lines.evaluate import evaluate
from sheetgrad.lines.parse import parse_lines
from sheetgrad.plan.blocks import Plan
from sheetgrad.planning import make_plan
from sheetgrad.sheets.nudge import LIGHT
from sheetgrad.verifying.verify import Report
from sheetgrad.workbook.write import CARRIER

DIALECT = {
    *(
        "SUM",
        "SUMPRODUCT",
        "MMULT",
        "SUMSQ",
        "SUMXMY2",
        "AVERAGE",
        "MAX",
        "MIN",
        "ABS",
        "SIGN",
        "SQRT",
        "EXP",
        "LN",
        "TANH",
        "ERF",
    ),
    *("IF", "AND", "OR", "ROUND", "INDEX", "MATCH", "COUNTIF", "SUMIF", "IFERROR", "ISNUMBER"),
}
REFERENCE = re.compile(r"(?<![A-Z0-9_])\$?[A-Z]{1,3}\$?[0-9]+(?![0-9(])")
NAMES = [*COURSE, "wild"]


@dataclass(frozen=True)
class Case:
    """A lesson, its workbook as it was built, and that workbook opened: its formulas, and the values stored in it."""

    lesson: Lesson
    plan: Plan
    path: Path
    report: Report
    formulas: Workbook
    values: Workbook


@pytest.fixture(scope="module", params=NAMES)
def case(request, shelf):
    """Every lesson in turn: all that is asked of one is asked while it is open."""
    given = lesson_named(request.param)
    path, report = shelf.built(given)
    return Case(given, make_plan(given), path, report, load_workbook(path), load_workbook(path, data_only=True))


def test_every_formula_cell_agrees_with_numpy(case):
    report = case.report
    assert report.ok, report.mismatches[:3]
    assert report.checked_cells == report.formula_cells == sum(1 for _ in formula_cells(case.formulas)) > 50
    assert report.nudges["agree"] > 0 and report.nudges["kink"] == (4 if case.lesson.name == "kinks" else 0)
    assert bool(report.nudges["disagree"]) == bool(case.lesson.bug) and not report.nudges["cannot_tell"]


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", ["ironcalc", pytest.param("libreoffice", marks=needs_libreoffice)])
def test_another_engine_computes_the_same(shelf, name, engine):
    path, built = shelf.built(lesson_named(name))
    report = verify(path, engine)
    assert report.ok, report.mismatches[:3]
    assert report.checked_cells == built.formula_cells


def test_gradients_equal_those_of_autograd(case):
    lesson = case.lesson
    if lesson.name == "kinks":  # at a corner of ReLU autograd shares the gradient; PyTorch and we give 0
        lesson = lesson.with_values(lesson.values | {"x": lesson.values["x"] + 0.25})
    found = lesson.derived.run(lesson.values)

    def loss(value, leaf):
        arrays = {**lesson.values, leaf: value}
        for line in parse_lines(lesson.forward):
            arrays[line.name] = evaluate(line.expression, arrays, AUTOGRAD, lesson.rules)
        return arrays[lesson.program.loss]

    assert lesson.gradients
    for leaf in lesson.gradients:
        np.testing.assert_allclose(found[f"{leaf}.g"], grad(loss)(lesson.values[leaf], leaf), rtol=1e-9, atol=1e-12)


def test_workbook_opens_on_the_lesson_with_values_inside(case):
    book = case.formulas
    empty = {
        (sheet.name, address(block.row + i, block.column + j))
        for sheet in case.plan.sheets
        for block in sheet.blocks
        for (i, j), expected in np.ndenumerate(block.expected)
        if isinstance(expected, (str, tuple)) and "" in (expected if isinstance(expected, tuple) else [expected])
    }
    assert book.sheetnames[0] == book.active.title == "Lesson"
    assert book[CARRIER].sheet_state == "veryHidden"
    for sheet, cell in formula_cells(book):
        assert case.values[sheet][cell].value is not None or (sheet, cell) in empty, f"{sheet}!{cell} has no value"
    for sheet in (sheet for sheet in book.worksheets if sheet.sheet_state == "visible"):
        assert sheet.page_setup.orientation == "landscape"
        assert not sheet.protection.sheet and not sheet.sheet_view.showGridLines
        assert sheet.max_column <= 1_024  # as many as LibreOffice had before 7.4
        assert [s.title for s in book.worksheets if s.sheet_view.tabSelected] in ([], ["Lesson"])
    scheme = [v for v in book["Lesson"].data_validations.dataValidation if v.type == "list"]
    assert scheme[0].formula1 == '"central,forward"'


def test_only_the_portable_dialect_is_used(case):
    alike = {}  # formulas that differ only in their cells call the same functions
    for sheet, cell in formula_cells(case.formulas):
        formula = case.formulas[sheet][cell].value
        assert isinstance(formula, str), f"{sheet}!{cell} is an array formula"
        alike[REFERENCE.sub("A1", formula)] = f"{sheet}!{cell}"
    for formula, cell in alike.items():
        tokens = Tokenizer(formula).items
        called = {token.value[:-1] for token in tokens if token.type == "FUNC" and token.subtype == "OPEN"}
        assert called <= DIALECT, f"{cell}: {called - DIALECT}"


def test_every_tensor_can_be_found_by_its_defined_name(case):
    lesson, book = case.lesson, case.values
    found = lesson.program.run(lesson.values)
    for key in [*lesson.tensors, *(f"{leaf}.g" for leaf in lesson.gradients)]:
        word = key.replace(".g", "_g") if ".g" in key else f"{key}_value"
        ((sheet, area),) = book.defined_names[word].destinations
        cells = book[sheet][area.replace("$", "")]
        rows = cells if isinstance(cells, tuple) else ((cells,),)
        shown = [cell.value for row in rows for cell in row if isinstance(cell.value, (int, float))]
        np.testing.assert_allclose(shown, found[key].ravel(), rtol=1e-9, atol=1e-12)


def test_charts_point_at_the_numbers_and_name_their_axes(case):
    book = case.values
    if case.lesson.bug:
        assert not any(sheet._charts for sheet in book.worksheets)  # no laboratory: it would tell
        return
    (v,) = book["Best h"]._charts
    (curve,) = book["Tangent"]._charts
    assert v.x_axis.scaling.logBase == v.y_axis.scaling.logBase == 10
    assert curve.x_axis.scaling.logBase is None
    for chart, sheet, counts in ((v, "Best h", [15, 15, 15, 15, 2]), (curve, "Tangent", [41, 41, 3])):
        assert chart.x_axis.title and chart.y_axis.title and not chart.visible_cells_only
        found = []
        for series in chart.series:
            for reference in (series.xVal.numRef.f, series.yVal.numRef.f):
                area = book[sheet][reference.split("!")[1].replace("$", "")]
                numbers = [cell.value for row in area for cell in row]
                assert all(isinstance(n, (int, float)) for n in numbers)
                assert sheet == "Tangent" or min(numbers) > 0
            found.append(len(numbers))
        assert found == counts


def r1c1(formula: str, row: int, column: int) -> str:
    """The formula with its references relative to where it stands."""

    def relative(match: re.Match) -> str:
        letters, number = coordinate_from_string(match.group().replace("$", ""))
        held_column, held_row = match.group().startswith("$"), "$" in match.group()[1:]
        at_row = f"R{number}" if held_row else f"R[{number - row}]"
        at_column = column_index_from_string(letters)
        return at_row + (f"C{at_column}" if held_column else f"C[{at_column - column}]")

    return REFERENCE.sub(relative, formula)


def test_every_fill_is_one_formula_and_a_block_is_one_fill_where_it_can_be(case):
    for sheet in case.plan.sheets:
        for block in sheet.blocks:
            if block.kind != "formula":
                continue
            covered = 0
            for fill in block.fills:
                forms = {
                    r1c1(block.cells[i][j], block.row + i, block.column + j)
                    for i in range(fill.down, fill.down + fill.rows)
                    for j in range(fill.right, fill.right + fill.columns)
                }
                assert len(forms) == 1, f"{sheet.name}!{address(block.row, block.column)}: {forms}"
                covered += fill.rows * fill.columns
            assert covered == block.rows * block.columns


def test_a_workbook_is_the_same_each_time():
    one, other = make_plan(Lesson.load("mlp")), make_plan(Lesson.load("mlp"))
    assert [[b.cells for b in s.blocks] for s in one.sheets] == [[b.cells for b in s.blocks] for s in other.sheets]


def test_a_lesson_survives_the_way_through_plain_data(case):
    lesson = case.lesson
    again = Lesson.from_table(lesson.to_table(), lesson.name, "again")
    assert again.to_table() == lesson.to_table()
    assert [line.text for line in again.program.backward] == [line.text for line in lesson.program.backward]


def test_a_large_lesson_nudges_a_spread_out_sample_and_says_so(tmp_path):
    text = """
    title = "Wide"
    question = "How many?"
    forward = "loss = mse(x @ w, y)"
    tensors.x = {role = "input", shape = [20, 10]}
    tensors.w = {role = "parameter", shape = [10, 3], seed = 1}
    tensors.y = {role = "target", shape = [20, 3], seed = 2}
    nudge.limit = 24
    """
    wide = lesson_of(text, "wide")
    report = build(wide, tmp_path / "wide.xlsx")
    assert report.ok and sum(report.nudges.values()) <= 24
    said = [label.text for label in make_plan(wide).sheet("Nudge").labels if "sample" in label.text]
    assert said == [f"a spread-out sample: {sum(report.nudges.values())} of 230 numbers"]


def test_a_large_lesson_keeps_its_nudge_sheet_light():
    text = """
    title = "Dense"
    question = "Does it fit?"
    forward = "l1 = x @ w1 + b1\\nl2 = relu(l1)\\nout = l2 @ w2\\nloss = mse(out, y)"
    tensors.x = {role = "input", shape = [120, 70]}
    tensors.w1 = {role = "parameter", shape = [70, 76], seed = 1}
    tensors.b1 = {role = "parameter", shape = [76], seed = 2}
    tensors.w2 = {role = "parameter", shape = [76, 10], seed = 3}
    tensors.y = {role = "target", shape = [120, 10], seed = 4}
    """
    plan = make_plan(lesson_of(text, "dense"))
    assert plan.sheet("Gradients").formula_count > 40_000
    assert 30_000 < plan.sheet("Nudge").formula_count <= LIGHT
