"""Printing: the Excel text of expressions, what an engine makes of it, and how blocks are filled."""

import numpy as np
import pytest
from conftest import seed_of_this_run
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from sheetgrad.autodiff.rules import builtin_rules
from sheetgrad.engines import get_engine
from sheetgrad.formulas.expressions import Num, Op, Ref, children, mapped, replaced, simplified
from sheetgrad.formulas.fills import fill, fill_lines
from sheetgrad.formulas.places import Placement
from sheetgrad.formulas.printing import Printer
from sheetgrad.formulas.sums import FormulaError
from sheetgrad.formulas.words import spell, stands_between, words
from sheetgrad.lines.cells import CellArray
from sheetgrad.lines.evaluate import evaluate
from sheetgrad.lines.parse import parse_lines
from sheetgrad.lines.readings import CELLS, NUMBERS
from sheetgrad.plan.extents import placed

NUMBERS_IN = {
    "x": np.array([[1.5, -2.0, 0.5], [0.25, 3.0, -1.0]]),  # A1:C2
    "w": np.array([[0.5], [2.0], [-1.0]]),  # E1:E3
    "v": np.array([1.0, -2.0, 3.0, 0.5, 2.0]),  # A5:E5
    "u": np.array([0.5, 1.5, -1.0, 2.0, 1.0]),  # A6:E6
    "s": np.array(3.0),  # A8
    "z": np.array(-2.0),  # B8
}
PLACES = {
    "x": [placed("S", 1, 1, (2, 3))],
    "w": [placed("S", 1, 5, (3, 1))],
    "v": [placed("S", 5, 1, (5,))],
    "u": [placed("S", 6, 1, (5,))],
    "s": [placed("S", 8, 1, ())],
    "z": [placed("S", 8, 2, ())],
}
TABLE = [  # line, formula of its first element
    ("-s ** 2", "=-1*A8^2"),
    ("(-s) ** 2", "=(-A8)^2"),
    ("-(s ** 2) / 2", "=-1*A8^2/2"),
    ("2 ** 3 ** s", "=2^(3^A8)"),
    ("(z ** 2) ** s", "=IF(A8=0,1,(B8^2)^A8)"),  # 0^0 is #NUM! in Excel, 1 in NumPy
    ("(z ** 2) ** (s - 1)", "=IF(A8-1=0,1,(B8^2)^(A8-1))"),
    ("z ** 0 + z ** 1", "=1+B8"),
    ("(z ** 2) ** 1.5", "=(B8^2)^1.5"),
    ("2 * s ** -1", "=2*A8^(-1)"),
    ("s - (z - 1)", "=A8-(B8-1)"),
    ("s - z - 1", "=A8-B8-1"),
    ("s / (z * 2)", "=A8/(B8*2)"),
    ("s * (z + 1)", "=A8*(B8+1)"),
    ("-s * z", "=-A8*B8"),
    ("-s * z / 2 + s", "=-A8*B8/2+A8"),
    ("s + -z * s", "=A8+(-B8*A8)"),
    ("s / (-z * s)", "=A8/(-B8*A8)"),
    ("(-z * s) ** 2", "=(-B8*A8)^2"),
    ("-(z ** 2) * s", "=-1*B8^2*A8"),
    ("s * -z", "=A8*(-B8)"),
    ("s - -z", "=A8-(-B8)"),
    ("-(s + z)", "=-(A8+B8)"),
    ("-exp(z)", "=-EXP(B8)"),
    ("s * 1 + 0", "=A8"),
    ("s * 1e-05", "=A8*1E-05"),
    ("s * (z > 0)", "=A8*(B8>0)"),
    ("where(s != z, s, z)", "=IF(A8<>B8,A8,B8)"),
    ("relu(z)", "=MAX(B8,0)"),
    ("sigmoid(z)", "=1/(1+EXP(-B8))"),
    ("x @ w", "=A1*E1+B1*E2+C1*E3"),
    ("x.sum(0)", "=A1+A2"),
    ("x.sum()", "=SUM(A1:C2)"),
    ("v.sum()", "=SUM(A5:E5)"),
    ("v.mean()", "=SUM(A5:E5)/5"),
    ("v.max()", "=MAX(A5:E5)"),
    ("x.max(1)", "=MAX(A1:C1)"),
    ("v @ u", "=SUMPRODUCT(A5:E5,A6:E6)"),
    ("(v ** 2).sum()", "=SUMSQ(A5:E5)"),
    ("mse(v, u)", "=SUMXMY2(A5:E5,A6:E6)/5"),
    ("(2 * v).sum()", "=2*SUM(A5:E5)"),
    ("(v * s).sum()", "=SUM(A5:E5)*A8"),
    ("(-v).sum()", "=-SUM(A5:E5)"),
    ("(v - u).sum()", "=SUM(A5:E5)-SUM(A6:E6)"),
]


def parse_expression(line: str):
    return parse_lines(f"r = {line}")[0].expression


def cells_of(line: str) -> CellArray:
    arrays = {name: CellArray.named(name, value.shape) for name, value in NUMBERS_IN.items()}
    cells = evaluate(parse_expression(line), arrays, CELLS, builtin_rules())
    return CELLS["broadcast_to"](cells, cells.shape)


def formula(line: str) -> str:
    cells = cells_of(line)
    tokens = Printer(PLACES).tokens(cells.element((0,) * cells.ndim))
    return fill(lambda i, j: tokens, 1, 1, "S", True).formulas[0][0]


@pytest.mark.parametrize(("line", "expected"), TABLE)
def test_expression_prints_as_a_person_types_it(line, expected):
    assert formula(line) == expected


@pytest.mark.parametrize("engine", ["formualizer", "ironcalc"])
def test_every_printed_formula_has_the_value_that_numpy_gives(engine, tmp_path):
    book = Workbook()
    sheet = book.active
    sheet.title = "S"
    for name, values in NUMBERS_IN.items():
        for index in np.ndindex(values.shape):
            sheet.cell(*PLACES[name][0].cell(index), float(values[index]))
    for k, (line, _) in enumerate(TABLE, 20):
        sheet.cell(k, 1, formula(line))
    path = tmp_path / "table.xlsx"
    book.save(path)
    found = get_engine(engine).recalculate(path)["S"]
    for k, (line, _) in enumerate(TABLE, 20):
        expected = np.asarray(evaluate(parse_expression(line), NUMBERS_IN, NUMBERS, builtin_rules())).flat[0]
        assert found[f"A{k}"] == pytest.approx(expected, rel=1e-12), line


def filled(line: str, row=20, column=1, sheet="S", places=PLACES):
    cells = cells_of(line)
    rows, columns = cells.shape
    printer = Printer(places)
    return fill(lambda i, j: printer.tokens(cells.element((i, j))), rows, columns, sheet, cells.uniform)


def test_a_block_is_one_formula_filled_down_and_right():
    product = filled("x * s + v[:3]")
    assert len(product.fills) == 1
    assert product.formulas == [
        ["=A1*$A$8+A$5", "=B1*$A$8+B$5", "=C1*$A$8+C$5"],
        ["=A2*$A$8+A$5", "=B2*$A$8+B$5", "=C2*$A$8+C$5"],
    ]


def test_a_transpose_is_filled_cell_by_cell_with_plain_references():
    grid = filled("x.T")
    assert grid.formulas == [["=A1", "=A2"], ["=B1", "=B2"], ["=C1", "=C2"]]


def test_other_sheets_are_named_and_quoted_when_they_must_be():
    places = {**PLACES, "x": [placed("My sheet", 1, 1, (2, 3))], "s": [placed("Other", 1, 1, ())]}
    assert filled("x * s", places=places).formulas[0][0] == "='My sheet'!A1*Other!$A$1"


def test_a_slice_gradient_is_filled_in_as_few_pieces_as_possible():
    cells = CELLS["zeros"]((4, 3)).at[1:3].add(CellArray.named("x", (2, 3)))
    printer = Printer(PLACES)
    grid = fill(lambda i, j: printer.tokens(cells.element((i, j))), 4, 3, "S", cells.uniform)
    assert grid.formulas == [["=0"] * 3, ["=A1", "=B1", "=C1"], ["=A2", "=B2", "=C2"], ["=0"] * 3]
    assert len(grid.fills) == 4


def long_product(b: Placement) -> list[list[str]]:
    """The formulas of ``a @ b`` with six terms each; ``a`` stands in A1:F2."""
    product = CellArray.named("a", (2, 6)) @ CellArray.named("b", (6, 2))
    printer = Printer({"a": [placed("S", 1, 1, (2, 6))], "b": [b]})
    grid = fill(lambda i, j: printer.tokens(product.element((i, j))), 2, 2, "S", True)
    assert len(grid.fills) == (1 if b.steps == ((1, 0), (0, 1)) else 2)
    return grid.formulas


def test_a_long_sum_over_a_row_and_a_column_is_one_matrix_product_for_the_whole_block():
    assert long_product(placed("S", 10, 1, (6, 2))) == [
        ["=SUMPRODUCT(MMULT($A1:$F1,A$10:A$15))", "=SUMPRODUCT(MMULT($A1:$F1,B$10:B$15))"],
        ["=SUMPRODUCT(MMULT($A2:$F2,A$10:A$15))", "=SUMPRODUCT(MMULT($A2:$F2,B$10:B$15))"],
    ]


def test_a_long_sum_over_two_rows_is_a_plain_one():
    turned = Placement("S", 20, 1, (6, 2), ((0, 1), (1, 0)))
    assert long_product(turned)[0] == ["=SUMPRODUCT($A1:$F1,$A$20:$F$20)", "=SUMPRODUCT($A1:$F1,$A$21:$F$21)"]


def test_a_formula_too_long_for_excel_is_refused():
    terms = [Num(1234567890.25)] * 1024
    while len(terms) > 1:
        terms = [Op("+", one, other) for one, other in zip(terms[::2], terms[1::2], strict=True)]
    expression = terms[0]
    tokens = Printer(PLACES).tokens(expression)
    with pytest.raises(FormulaError, match="8192"):
        fill(lambda i, j: tokens, 1, 1, "S", True)


def test_a_formula_nested_too_deep_for_excel_is_refused():
    expression = Ref("s", ())
    for _ in range(70):
        expression = Op("-", Num(1), Op("-", Num(1), expression))
    tokens = Printer(PLACES).tokens(expression)
    with pytest.raises(FormulaError, match="64"):
        fill(lambda i, j: tokens, 1, 1, "S", True)


def test_many_signs_are_written_once_each():
    assert formula("-" * 40 + "s").count("-") == 40


def test_one_element_of_a_large_product_costs_one_element():
    asked = []

    def rule(index):
        asked.append(index)
        return Ref("a", index)

    product = CellArray((1000, 1000), rule) @ CellArray.named("b", (1000, 1000))
    product.element((3, 5))
    assert len(asked) == 1000


@seed(seed_of_this_run())
@settings(max_examples=60, deadline=None, database=None)
@given(
    st.integers(1, 5), st.integers(1, 4), st.integers(1, 5), st.sampled_from(["p @ q + r", "(p @ q) * r", "p @ q - r"])
)
def test_filling_equals_making_every_cell(n, k, m, line):
    shapes = {"p": (n, k), "q": (k, m), "r": (m,)}
    places = {
        "p": [placed("S", 1, 1, (n, k))],
        "q": [placed("S", 10, 1, (k, m))],
        "r": [placed("S", 20, 1, (m,))],
    }
    arrays = {name: CellArray.named(name, shape) for name, shape in shapes.items()}
    cells = evaluate(parse_expression(line), arrays, CELLS, builtin_rules())
    printer = Printer(places)

    def tokens(i, j):
        return printer.tokens(cells.element((i, j)))

    grid = fill(tokens, n, m, "T", True).formulas
    for i in range(n):
        for j in range(m):
            alone = fill(lambda a, b, i=i, j=j: tokens(i, j), 1, 1, "T", True).formulas[0][0]
            assert grid[i][j].replace("$", "") == alone.replace("$", "")


def test_an_element_is_spelled_with_names():
    assert spell(cells_of("x @ w").element((0, 0))) == "x[1,1]·w[1,1] + x[1,2]·w[2,1] + x[1,3]·w[3,1]"
    assert spell(cells_of("mse(v, u)").element(())).startswith("((v[1] − u[1])² + (v[2] − u[2])² + … + ")


SPOKEN = [  # line, its first element in names, and in the numbers that the cells hold
    ("x @ w", "x[1,1]·w[1,1] + x[1,2]·w[2,1] + x[1,3]·w[3,1]", "1.5·0.5 + (-2)·2 + 0.5·(-1)"),
    ("z * s - z", "z·s − z", "-2·3 − (-2)"),
    ("(z - 1) ** 2", "(z − 1)²", "(-2 − 1)²"),
    ("z ** 2 / 3", "z² / 3", "(-2)² / 3"),
    ("relu(z)", "max(z, 0)", "max(-2, 0)"),
    ("s * (z > 0)", "s·(z > 0)", "3·(-2 > 0)"),
    ("log(where(z > 0, s, 1))", "log(where(z > 0, s, 1))", "log(where(-2 > 0, 3, 1))"),
    ("s - -z * s / 2", "s − (−z·s / 2)", "3 − (−(-2)·3 / 2)"),
    ("-v.sum()", "−(v[1] + v[2] + … + v[5])", "−(1 + (-2) + … + 2)"),
    ("s", "s", "3"),
]


@pytest.mark.parametrize(("line", "names"), [spoken[:2] for spoken in SPOKEN])
def test_an_element_is_said_in_names(line, names):
    cells = cells_of(line)
    assert spell(cells.element((0,) * cells.ndim)) == names


@pytest.mark.parametrize(("line", "numbers"), [(line, numbers) for line, _, numbers in SPOKEN])
def test_an_element_is_said_in_numbers_with_brackets_where_a_sign_needs_them(line, numbers):
    cells = cells_of(line)
    parts = words(cells.element((0,) * cells.ndim))

    def said(k: int) -> str:
        if isinstance(parts[k], str):
            return parts[k]
        number = f"{NUMBERS_IN[parts[k].tensor][parts[k].index]:.15g}"
        return f"({number})" if number.startswith("-") and stands_between(parts, k) else number

    assert "".join(map(said, range(len(parts)))) == numbers


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.booleans(),
    st.sampled_from(["p * q + 1", "p - q.sum(0)", "p * p.max()", "p @ p.T @ q"]),
)
def test_filling_lines_of_a_table_equals_making_every_cell(lines, shape, across, line):
    arrays = {name: CellArray.named(name, shape) for name in "pq"}
    cells = evaluate(parse_expression(line), arrays, CELLS, builtin_rules())
    order = list(np.ndindex(cells.shape))[::-1]

    def flat(start: int, at: int) -> Placement:
        """A matrix laid flat in one line."""
        steps = ((0, shape[1]), (0, 1)) if across else ((shape[1], 0), (1, 0))
        return Placement("S", *((10 + at, start) if across else (start, 10 + at)), shape, steps)

    def tokens(at: int, index):
        return Printer({"p": [flat(1, at)], "q": [placed("T", 1, 1, shape)]}).tokens(cells.element(index))

    found = fill_lines(tokens, lines, order, cells.shape, "S", across, cells.uniform)
    assert len(found.fills) == len(order)
    for at in range(lines):
        for k, index in enumerate(order):
            text = found.formulas[at][k] if across else found.formulas[k][at]
            alone = fill(lambda i, j, at=at, index=index: tokens(at, index), 1, 1, "S", True).formulas[0][0]
            assert text.replace("$", "") == alone


def test_children_and_mapping_know_every_kind_of_expression():
    cells = cells_of("where(x @ w > 0, -(x @ w), 1)").element((0, 0))
    found, todo = [], [cells]
    while todo:
        part = todo.pop()
        found.append(part)
        todo += children(part)
    assert {type(part).__name__ for part in found} == {"Call", "Op", "Fold", "Ref", "Num", "Neg"}
    assert mapped(cells, lambda child: child) == cells
    turned = replaced(cells, {Ref("w", (0, 0)): Num(2)})
    assert Ref("w", (0, 0)) not in {*children(children(children(turned)[0])[0].terms[0])}
    (ranges,) = cells_of("v @ u").ranges
    assert len(children(ranges)) == 10 and mapped(ranges, lambda child: child) == ranges


@pytest.mark.parametrize(
    ("line", "expected"),
    [("s * 0 + z", "z"), ("0 - s", "−s"), ("(x * 0).sum()", "0"), ("2 * 3 - s * 1", "6 − s"), ("0 / s + z", "z")],
)
def test_zeros_and_ones_are_left_out(line, expected):
    cells = cells_of(line)
    assert spell(simplified(cells.element((0,) * cells.ndim))) == expected
