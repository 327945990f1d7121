"""Laying out: where tensors stand, which copies the sums need, and where a printed page ends."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sheetgrad import Lesson
from sheetgrad.formulas.expressions import Fold, Op, Ref
from sheetgrad.formulas.places import Area, Gathered, Placement
from sheetgrad.formulas.printing import Printer
from sheetgrad.formulas.sidebyside import lined_up
from sheetgrad.formulas.sums import FormulaError, ranges_in
from sheetgrad.lines.cells import CellArray, concatenate
from sheetgrad.plan.blocks import PlanError
from sheetgrad.plan.equations import draw
from sheetgrad.plan.extents import extent, panels, placed
from sheetgrad.plan.placing import Order, Placing, Terms
from sheetgrad.planning import make_plan
from sheetgrad.sheets import gradients
from sheetgrad.sheets.cover import settings_places


def named(name: str, *shape: int) -> CellArray:
    return CellArray.named(name, shape)


# -- extents ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "lying", "expected"),
    [
        ((), "row", (1, 1)),
        ((3,), "row", (1, 3)),
        ((3,), "column", (3, 1)),
        ((2, 5), "row", (2, 5)),
        ((4, 2, 5), "row", (12, 5)),
        ((2, 3, 2, 5), "row", (18, 5)),
    ],
)
def test_a_block_takes_so_many_rows_and_columns(shape, lying, expected):
    assert extent(shape, lying) == expected


@pytest.mark.parametrize("lying", ["row", "column"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 5), (4, 2, 5), (2, 3, 2, 5)])
def test_every_element_has_a_cell_of_its_own_within_the_block(shape, lying):
    place = placed("S", 7, 3, shape, lying)
    rows, columns = extent(shape, lying)
    cells = [place.cell(index) for index in np.ndindex(shape)]
    assert len(set(cells)) == math.prod(shape)
    assert all(7 <= row < 7 + rows and 3 <= column < 3 + columns for row, column in cells)


def test_panels_stand_below_one_another_each_under_its_label():
    place = placed("S", 1, 1, (2, 3, 4))
    assert panels((2, 3, 4)) == [(0,), (1,)]
    assert [place.cell((*index, 0, 0)) for index in panels((2, 3, 4))] == [(2, 1), (6, 1)]
    assert panels((3, 4)) == panels((3,)) == panels(()) == [()]


# -- side by side -----------------------------------------------------------------------------------------------------


def test_a_row_and_a_column_are_a_crossing_only_in_a_sum_of_products():
    a, b = placed("S", 1, 1, (2, 6)), placed("S", 10, 1, (6, 2))
    (ranges,) = (named("a", 2, 6) @ named("b", 6, 2)).ranges[:1]
    assert lined_up(ranges, [[a], [b]]) == [(Area("S", 1, 1, 1, 6), Area("S", 10, 1, 15, 1))]
    (ranges,) = (((named("a", 2, 6)[0] - named("b", 6, 2)[:, 0]) ** 2).sum()).ranges
    assert lined_up(ranges, [[a], [b]]) is None


def test_a_sum_of_squares_of_differences_stays_on_one_sheet():
    (ranges,) = ((named("a", 8) - named("b", 8)) ** 2).sum().ranges
    here, there, near = (placed(sheet, row, 1, (8,)) for sheet, row in (("S", 1), ("T", 1), ("S", 5)))
    assert lined_up(ranges, [[here], [there]]) is None
    assert lined_up(ranges, [[here], [there, near]]) == [(Area("S", 1, 1, 1, 8), Area("S", 5, 1, 5, 8))]


def test_gathered_terms_are_found_by_what_they_are():
    run = tuple(Ref("a", (k, k)) for k in range(6))
    place = Gathered("S", 4, 2, {run: 0, run[::-1]: 1}, (0, 1), (1, 0))
    assert place.cells(run) == [(4, 2 + k) for k in range(6)]
    assert place.cells(run[::-1])[0] == (5, 2)
    assert place.cells(run[:5]) is None


def test_computed_terms_are_refused_in_words():
    terms = tuple(Op("/", Ref("a", (k,)), Ref("b", (k,))) for k in range(5))
    with pytest.raises(FormulaError, match="give the inner values a line of their own"):
        list(ranges_in(Fold("SUM", terms)))
    placing = Placing({"a": (5,), "b": (5,)}, {}, "S")
    with pytest.raises(PlanError, match="loss = s: a sum of more than four"):
        placing.settle({"loss": CellArray((), lambda index: Fold("SUM", terms))}, lambda target: f"{target} = s")


# -- the solver -------------------------------------------------------------------------------------------------------

SHAPES = {
    "a": (6, 7),
    "b": (7, 8),
    "c": (6, 7),
    "s": (7, 7),
    "h": (2, 6, 5),
    "k": (2, 5, 6),
    "v": (9,),
    "t": (20, 6, 5),
}
NONE_NEEDED = [
    "a @ b",
    "a.T @ a",
    "a @ a.T",
    "a @ c.T",
    "a.sum(0)",
    "a.sum()",
    "(a * c).sum()",
    "(a - c).sum(1)",
    "a.max(1)",
    "h @ k",
    "h.mT @ h",
    "v @ v",
    "h.sum(0)",
    "a + c * 2",
]
ONE_NEEDED = {
    "(s * s.T).sum()": Order("s", (7, 7), (1,), (0,)),
    "((s - s.T) ** 2).sum()": Order("s", (7, 7), (1,), (0,)),
    "t.sum(0)": Order("t", (20, 6, 5), (1, 2), (0,)),
}


def cells_of(line: str) -> CellArray:
    return eval(line, {name: named(name, *shape) for name, shape in SHAPES.items()})


def settled(line: str, along=None, repeated=()) -> tuple[Placing, CellArray]:
    forms = {name: [placed("S", 1, 1, shape)] for name, shape in SHAPES.items()}
    placing, cells = Placing(SHAPES, forms, "S", along, repeated), cells_of(line)
    placing.settle({"r": cells})
    return placing, cells


def book_of(placing: Placing) -> dict:
    """The places of a solved sheet, far enough apart."""
    book, row = {}, 1
    for name, shape in SHAPES.items():
        own = placing.order(name) if name in placing.repeated else None
        book[name] = [own.placed("S", row, 1) if own else placed("S", row, 1, shape)]
        row += 1000
    for copy in placing.copies:
        for tensor in copy.tensors:
            book[tensor].append(copy.placed("S", row, 1))
        row += 1000
    return book


def written_everywhere(placing: Placing, cells: CellArray) -> bool:
    printer = Printer(book_of(placing))
    return all(printer.tokens(cells.element(index)) for index in np.ndindex(cells.shape))


@pytest.mark.parametrize("line", NONE_NEEDED)
def test_no_copy_is_made_where_none_is_needed(line):
    placing, cells = settled(line)
    assert placing.copies == []
    assert written_everywhere(placing, cells)


@pytest.mark.parametrize("line", ONE_NEEDED)
def test_one_copy_serves_where_one_is_enough(line):
    placing, cells = settled(line)
    assert placing.copies == [ONE_NEEDED[line]]
    assert written_everywhere(placing, cells)


def test_terms_that_no_order_brings_together_get_cells_of_their_own():
    diagonal = CellArray((), lambda index: Fold("SUM", tuple(Ref("s", (k, k)) for k in range(7))))
    placing = Placing(SHAPES, {"s": [placed("S", 1, 1, (7, 7))]}, "S")
    placing.settle({"trace": diagonal})
    (copy,) = placing.copies
    assert isinstance(copy, Terms) and copy.line == "trace" and copy.extent == (1, 7)
    assert copy.numbers({"s": np.arange(49.0).reshape(7, 7)}).tolist() == [[0, 8, 16, 24, 32, 40, 48]]


def test_a_sum_over_several_tensors_gets_cells_of_its_own():
    joined = concatenate((named("a", 6, 7), named("c", 6, 7)), 0).sum(0)
    placing = Placing(SHAPES, {key: [placed("S", 1, 1, SHAPES[key])] for key in "ac"}, "S")
    placing.settle({"r": joined})
    (copy,) = placing.copies
    assert copy.extent == (7, 12) and copy.tensors == ("a", "c")
    assert written_everywhere(placing, joined)


@pytest.mark.parametrize("along", [(0, 1), (1, 0)])
def test_in_a_table_of_passes_an_order_is_chosen_before_anything_is_copied(along):
    placing, cells = settled("a @ b", along, ("a", "b"))
    assert placing.copies == []
    assert {key: order.axes for key, order in placing.orders.items()} == {"a": (0, 1), "b": (1, 0)}
    assert written_everywhere(placing, cells)


def test_a_tensor_that_is_needed_in_two_orders_lies_in_both():
    placing, cells = settled("s @ s", (0, 1), ("s",))
    assert placing.orders["s"].axes == (1, 0)
    assert [copy.axes for copy in placing.copies] == [(0, 1)]
    assert written_everywhere(placing, cells)


def test_what_stays_as_it_is_costs_less_to_copy_than_what_every_line_repeats():
    placing, cells = settled("(a * c).sum()", (0, 1), ("a",))
    assert placing.copies == [Order("c", (6, 7), (), (0, 1))]
    assert written_everywhere(placing, cells)


SUMS = [
    "a @ b",
    "a.T @ c",
    "(a * c).sum(0)",
    "(s * s.T).sum(1)",
    "h @ k",
    "h.mT @ h",
    "t.sum(1)",
    "t.max(0)",
    "a[1:6, 1:7].sum()",
    "(a[1:, 1:] * c[:5, :6]).sum()",
    "(h * h).sum(0)",
    "a.reshape(7, 6).sum(0)",
    "a.reshape(7, 6) @ a",
    "(a.reshape(7, 6).T - c).sum(1)",
    "h.reshape(6, 10).max(0)",
]


@pytest.mark.parametrize("repeated", [(), ("a", "s"), tuple(SHAPES)])
@pytest.mark.parametrize("along", [None, (0, 1), (1, 0)])
@pytest.mark.parametrize("line", SUMS)
def test_every_sum_can_be_written_wherever_it_stands(line, along, repeated):
    placing, cells = settled(line, along, repeated if along else ())
    assert written_everywhere(placing, cells)
    again, _ = settled(line, along, repeated if along else ())
    assert [copy.terms for copy in again.copies] == [copy.terms for copy in placing.copies]


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(3)), st.integers(0, 3), st.tuples(*[st.integers(1, 4)] * 3))
def test_a_copy_holds_each_number_where_it_says(axes, down, shape):
    copy = Order("x", shape, tuple(axes[:down]), tuple(axes[down:]))
    values, place = np.random.default_rng(0).normal(size=shape), copy.placed("S", 1, 1)
    numbers = copy.numbers({"x": values})
    assert numbers.shape == copy.extent
    for term, number in zip(copy.terms, numbers.flat, strict=True):
        row, column = place.cell(term.index)
        assert values[term.index] == number == numbers[row - 1, column - 1]


@pytest.mark.parametrize(("step", "flat"), [((0, 1), False), ((1, 0), False), ((0, 1), True), ((1, 0), True)])
def test_gathered_terms_stand_where_they_say(step, flat):
    runs = tuple(tuple(Ref("x", (i, k)) for k in range(5)) for i in range(3))
    copy, values = Terms("r", runs, step, flat), np.arange(15.0).reshape(3, 5)
    numbers, place = copy.numbers({"x": values}), copy.placed("S", 1, 1)
    for run in runs:
        for term, (row, column) in zip(run, place.cells(run), strict=True):
            assert numbers[row - 1, column - 1] == values[term.index]


# -- limits -----------------------------------------------------------------------------------------------------------


def lesson(forward: str, **shapes: list[int]):
    tensors = {name: {"role": "parameter", "shape": shape} for name, shape in shapes.items()}
    table = {"title": "t", "question": "q", "forward": forward, "tensors": tensors}
    return Lesson.from_table(table, "t", "t.toml")


def test_a_vector_longer_than_a_sheet_is_wide_stands_in_a_column():
    plan = make_plan(lesson("loss = (v * u).sum() / 100000", v=[20_000], u=[20_000]))
    assert plan.sheet("Gradients").last_row > 20_000
    assert plan.names["v_value"].right == plan.names["v_value"].left


@pytest.mark.parametrize(
    ("forward", "shapes", "message"),
    [
        ("m = v * 2\nloss = m.mean()", {"v": [2, 16_400]}, "m = v \\* 2: wider than the 16,384 columns of a sheet"),
        ("loss = (a @ b).mean()", {"a": [1_000, 2], "b": [2, 1_000]}, "at most 2,000,000: use smaller tensors"),
    ],
)
def test_what_excel_cannot_hold_is_said_of_the_line_as_it_was_written(forward, shapes, message):
    with pytest.raises(PlanError, match=message):
        make_plan(lesson(forward, **shapes))


def test_a_drawing_is_not_changed_by_what_is_made_of_it():
    small = lesson("loss = (v * v).sum()", v=[3])
    drawing = draw(small, settings_places())
    before = (drawing.drawn, drawing.labels, dict(drawing.heights), drawing.sections)
    gradients.build(small, drawing, small.program.run(small.values))
    assert (drawing.drawn, drawing.labels, dict(drawing.heights), drawing.sections) == before
    with pytest.raises(TypeError):
        drawing.places["v"] = []


def test_a_placement_knows_the_cells_of_its_own_tensor_alone():
    place = Placement("S", 1, 1, (2, 2), ((1, 0), (0, 1)))
    assert place.cells([Ref("a", (0, 0)), Ref("a", (1, 1))]) == [(1, 1), (2, 2)]
    assert place.cells([Ref("a", (0, 0)), Ref("b", (1, 1))]) is None
