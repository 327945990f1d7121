"""gradcheck --find: loss, numbers and gradients of workbooks that others made, by their labels and their formulas."""

import json
import random
import shlex
import time
from pathlib import Path

import pytest
from commands import assert_refused, sheetgrad
from mistakes import contents_of, write
from openpyxl import Workbook, load_workbook
from openpyxl.utils.cell import get_column_letter
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.formula import ArrayFormula

from sheetgrad import GradcheckError
from sheetgrad.gradchecking.check import check
from sheetgrad.gradchecking.find import Found, find
from sheetgrad.gradchecking.labels import gradient_of, is_loss, names_of


def made(path: Path, sheets, merged=(), **cells) -> Path:
    """A workbook of blocks by sheet and first cell, of one sheet ``S`` where no sheet is named."""
    if not isinstance(next(iter(sheets.values())), dict):
        sheets = {"S": sheets}
    return write(path / "book.xlsx", list(sheets), contents_of(sheets), merged)


def ranges(found: Found) -> dict[str, str]:
    return dict(found.ranges)


SQUARE = {"D1": [["loss", "=A2^2+B2^2"]], "A1": [["w", None], [1, 2]]}  # the loss of a row of two numbers at A2:B2
GRADIENT = ["=2*A2", "=2*B2"]


# -- labels -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "name"),
    [
        *(
            (label, "w")
            for label in ("dw", "d_w", "∂w", "∇w", "∇ w", "w.g", "w_g", "w.grad", "w_grad", "grad w", "grad_w")
        ),
        *(
            (label, "w")
            for label in ("gradW", "w gradient", "W Gradient:", "w grad", "gradient w", "Gradient of w", "dw =")
        ),
        *(
            (label, "w")
            for label in ("dL/dw", "∂L/∂w", "δE/δw", "d L / d w", "∂E_total/∂w", "dJ/dW", "d(loss)/d(w)", "dL_dw")
        ),
        *(
            (label, "w")
            for label in ("∂(E)/∂(w)", "gradient of the loss with respect to W", "derivative of cost wrt w")
        ),
        *(
            (label, "w")
            for label in ("dw (2×2)", "Gradient of weights (dw)", "∇w L", "sum of dw", "mean dL/dw", "gradient (w)")
        ),
        *(
            (label, "w1")
            for label in ("dL/dw₁", "∂E/∂𝑤₁ = (a − t)·i", "dW^{(1)}", "\\partial L/\\partial w_1", "dw[1]", "w1 grad")
        ),
        ("∂E/∂θ₁", "θ1"),
        ("weights gradient", "weight"),
        ("bias gradients", "bias"),
    ],
)
def test_a_label_names_the_number_whose_gradient_it_is(label, name):
    assert name in gradient_of(label).names


@pytest.mark.parametrize(
    "label", ["gradient", "Gradients", "∇", "grad", "Backward pass", "derivative", "gradient of the loss"]
)
def test_a_label_may_say_only_that_it_is_a_gradient(label):
    assert gradient_of(label).names == ()


@pytest.mark.parametrize(
    "label", ["w", "Δw", "loss", "learning rate", "new w", "h = w·x", "w" * 200, "output/input", "step"]
)
def test_other_labels_say_nothing_of_gradients(label):
    assert gradient_of(label) is None


@pytest.mark.parametrize(
    ("label", "loss"),
    [
        *(
            (label, True)
            for label in ("Loss", "LOSS:", "loss (MSE)", "Total Error", "E_total", "E_Total", "Etot", "E", "L =", "J")
        ),
        *(
            (label, True)
            for label in ("Cost", "MSE", "Cross-entropy loss", "mean loss", "sum of squared errors", "J(w)", "E1")
        ),
        *(
            (label, False)
            for label in ("learning rate", "w", "output", "lr", "total", "e^x", "error signal", "Lab", "")
        ),
    ],
)
def test_what_is_called_a_loss(label, loss):
    assert is_loss(label) is loss


def test_a_number_is_known_by_its_whole_label_and_by_the_name_in_it():
    assert names_of("Weights W1 (2×2)")[-1] == "w1" and "b" in names_of("Bias (b)") and names_of("θ₁ =") == ("θ1",)


# -- where labels stand -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "area", "merged"),
    [
        ({"A5": [["dw"], GRADIENT]}, "S!A6:B6", ()),
        ({"A5": [["dw", *GRADIENT]]}, "S!B5:C5", ()),
        ({"A5": [["dw", "→", *GRADIENT]]}, "S!C5:D5", ()),
        ({"A5": [["dw", None, *GRADIENT]]}, "S!C5:D5", ()),
        ({"A5": [["dw"], [None, *GRADIENT]]}, "S!B6:C6", ()),
        ({"A5": [["dw"], [None], GRADIENT]}, "S!A7:B7", ()),
        ({"A5": [["dw"], ["first", "second"], GRADIENT]}, "S!A7:B7", ()),
        ({"A5": [["dw", "first", "second"], ["row", *GRADIENT]]}, "S!B6:C6", ()),
        ({"A5": [["dw"], [None, "first", "second"], ["row", *GRADIENT]]}, "S!B7:C7", ()),
        ({"A5": [["dw"], GRADIENT]}, "S!A6:B6", ("S!A5:B5",)),
        ({"A5": [["dw"], ["row", *GRADIENT]]}, "S!B6:C6", ("S!A5:C5",)),
        ({"A5": [["dw"], [None, "first", "second"], ["row", *GRADIENT]]}, "S!B7:C7", ("S!A5:C5",)),
        ({"A5": [["dw", GRADIENT[0]], [None, GRADIENT[1]]]}, "S!B5:B6", ("S!A5:A6",)),
        ({"A5": [["dw", GRADIENT[0]], [None, GRADIENT[1]]]}, "S!B5:B6", ()),
    ],
)
def test_a_label_may_stand_above_left_or_at_the_corner(tmp_path, block, area, merged):
    found = find(made(tmp_path, SQUARE | block, merged))
    assert (found.loss, ranges(found), found.left_out) == ("S!E1", {"S!A2:B2": area}, ())


def test_labels_side_by_side_name_a_column_each(tmp_path):
    cells = {"A1": [["a", "b", "cost", "da", "db"], [3, 4, "=A2*B2^2", "=B2^2", "=2*A2*B2"]]}
    assert ranges(find(made(tmp_path, cells))) == {"S!A2": "S!D2", "S!B2": "S!E2"}


def test_loss_numbers_and_gradients_may_stand_on_three_sheets(tmp_path):
    sheets = {
        "My weights": {"B2": [["w", 1], [None, 2]]},
        "Bob's loss": {"A1": [["Loss", "=SUMSQ('My weights'!C2:C3)"]]},
        "Back": {"D4": [["∂Loss/∂w"], ["=2*'My weights'!C2", "=2*'My weights'!C3"]]},
    }
    path = made(tmp_path, sheets)
    found = find(path)
    assert found.loss == "'Bob''s loss'!B1" and ranges(found) == {"'My weights'!C2:C3": "Back!D5:E5"}
    assert check(path, found.loss, found.ranges).ok


def test_defined_names_are_labels(tmp_path):
    path = made(tmp_path, {"A1": [[1, 2], ["=2*A1", "=2*B1"], ["=SUMSQ(theta)"]]})
    book = load_workbook(path)
    for name, area in (("theta", "S!$A$1:$B$1"), ("theta_grad", "S!$A$2:$B$2"), ("loss", "S!$A$3")):
        book.defined_names[name] = DefinedName(name, attr_text=area)
    book.save(path)
    found = find(path)
    assert found.loss == "S!A3" and ranges(found) == {"S!A1:B1": "S!A2:B2"}


def test_a_workbook_of_ours_is_found_whole(built):
    found = find(built)
    assert found.loss_label == "loss_value"
    assert [pair.gradients.label for pair in found.pairs] == [
        f"{pair.numbers.label.removesuffix('_value')}_g" for pair in found.pairs
    ]
    assert len(found.pairs) == 3 and check(built, found.loss, found.ranges).ok


# -- tables -------------------------------------------------------------------------------------------------------


def test_a_table_of_name_value_gradient_needs_no_names_of_gradients(tmp_path):
    rows = [["name", "value", "unit", "gradient"], ["w", 1, "V", "=2*B2"], ["b", 2, "A", "=3"]]
    found = find(made(tmp_path, {"A1": rows, "F1": [["Loss", "=B2^2+3*B3"]]}))
    assert ranges(found) == {"S!B2:B3": "S!D2:D3"}
    rows = [["name", "w", "b"], ["value", 1, 2], ["unit", "V", "A"], ["gradient", "=2*B2", "=3"]]
    found = find(made(tmp_path, {"A1": rows, "F1": [["Loss", "=B2^2+3*C2"]]}))
    assert ranges(found) == {"S!B2:C2": "S!B4:C4"}


def test_which_of_two_columns_of_numbers_has_the_gradients_is_not_guessed(tmp_path):
    rows = [["x", "t", "gradient"], *([k, k + 1, f"=2*(A{k}-B{k})"] for k in (2, 3))]
    path = made(tmp_path, {"A1": rows, "F1": [["loss", "=SUMXMY2(A2:A3,B2:B3)"]]})
    with pytest.raises(GradcheckError, match=r"gradient \(S!C2:C3\): numbers stand beside it at S!B2:B3 and S!A2:A3"):
        find(path)


def test_in_a_table_of_examples_the_sum_of_the_gradients_is_taken(tmp_path):
    rows = [
        ["x", "t", "error", "dw"],
        *([k, 2 * k, f"=(A{k}*$H$1-B{k})^2", f"=2*(A{k}*$H$1-B{k})*A{k}"] for k in (2, 3, 4)),
    ]
    table = {"A1": rows, "G1": [["w", 0.5]], "G3": [["mean", "=AVERAGE(C2:C4)"]]}
    with pytest.raises(GradcheckError, match=r"dw \(S!D2:D4\): w \(S!H1\) has another shape"):
        find(made(tmp_path, table))
    path = made(tmp_path, table | {"J9": [["=SUM(D2:D4)/3"]]})
    found = find(path)
    assert (found.loss, found.loss_label) == ("S!H3", "the total of error") and ranges(found) == {"S!H1": "S!J9"}
    assert check(path, found.loss, found.ranges).ok


def test_an_array_formula_and_a_typed_number_belong_to_the_gradient(tmp_path):
    path = made(
        tmp_path,
        {"A1": [["W"], [1, 2], [3, 4]], "D1": [["L", "=SUMSQ(A2:B3)"]], "G1": [["dW"], [0, 4], ["=2*A3", "=2*B3"]]},
    )
    assert ranges(find(path)) == {"S!A2:B3": "S!G2:H3"}
    book = load_workbook(path)
    book["S"]["G2"] = ArrayFormula("G2:H3", "=2*A2:B3")
    book.save(path)
    assert ranges(find(path)) == {"S!A2:B3": "S!G2:H3"}


# -- which loss, which of several ---------------------------------------------------------------------------------


TWO = {
    "A1": [["w", 1.5], ["v", 0.5]],
    "A4": [["E1", "=(B1-1)^2"], ["E2", "=(B1*B2)^2"], ["E_total", "=B4+B5"]],
    "D1": [["∂E_total/∂w", "=2*(B1-1)+2*B1*B2^2"], ["∂E/∂v", "=2*B1^2*B2"], ["∂E1/∂w", "=2*(B1-1)"]],
}


def test_of_several_losses_the_last_is_taken_and_gradients_of_another_are_left_out(tmp_path):
    found = find(made(tmp_path, TWO))
    assert (found.loss, found.loss_label) == ("S!B6", "E_total")
    assert ranges(found) == {"S!B1": "S!E1", "S!B2": "S!E2"}
    assert found.left_out == ("∂E1/∂w (S!E3): a gradient of e1, not of E_total (S!B6)",)


def test_the_loss_after_an_update_is_not_the_loss(tmp_path):
    path = made(
        tmp_path, {"A1": [["w", 1], ["loss", "=B1^2"], ["dw", "=2*B1"], ["new w", "=B1-0.1*B3"], ["Loss", "=B4^2"]]}
    )
    assert find(path).loss == "S!B2"


def test_two_losses_that_do_not_meet_are_not_chosen_between(tmp_path):
    path = made(tmp_path, {"A1": [["w", 1], ["loss", "=B1^2"], ["cost", "=B1^4"], ["dw", "=2*B1"]]})
    with pytest.raises(
        GradcheckError, match=r"loss \(S!B2\) and cost \(S!B3\) may each be the loss; name it with --loss"
    ):
        find(path)
    assert ranges(find(path, loss="S!B2")) == {"S!B1": "S!B4"}


@pytest.mark.parametrize(
    ("more", "left_out"),
    [
        ({"G1": [["dh", "=2*A2"]], "G3": [["h", "=A2"]]}, "dh (S!H1): h (S!H3) is computed, not typed in"),
        ({"G1": [["dL/dq", "=2*A2"]]}, "dL/dq (S!H1): no numbers are labelled q"),
        ({"G1": [["grad u", "=2*A2"]], "G3": [["u", 1]]}, "grad u (S!H1): loss (S!E1) does not depend on u (S!H3)"),
        ({"G1": [["dL/dv", 2], ["v", 3]]}, "dL/dv (S!H1): typed numbers, not formulas"),
        ({"G1": [["∂a/∂w", *GRADIENT]]}, "∂a/∂w (S!H1:I1): a gradient of a, not of loss (S!E1)"),
        ({"G1": [["∂L/∂v", "=A2"]], "G3": [["v", 1, 2]]}, "∂L/∂v (S!H1): v (S!H3:I3) has another shape"),
    ],
)
def test_what_is_left_out_is_said_with_the_reason(tmp_path, more, left_out):
    found = find(made(tmp_path, SQUARE | {"A5": [["dw"], GRADIENT]} | more))
    assert ranges(found) == {"S!A2:B2": "S!A6:B6"} and found.left_out == (left_out,)


def test_a_workbook_with_a_network_on_every_sheet_is_asked_which(tmp_path):
    network = {"A1": [["w", 1.5], ["loss", "=B1^2"], ["dw", "=2*B1"]]}
    path = made(tmp_path, {"one": network, "two": network})
    with pytest.raises(GradcheckError, match=r"loss \(one!B2\) and loss \(two!B2\) may each be the loss"):
        find(path)
    assert ranges(find(path, loss="two!B2")) == {"two!B1": "two!B3"}


def test_words_that_begin_with_d_are_no_gradients(tmp_path):
    found = find(
        made(tmp_path, SQUARE | {"A5": [["dw"], GRADIENT], "G1": [["data", "=A2"], ["date", "=B2"], ["depth", "=1"]]})
    )
    assert found.left_out == ()


def test_a_gradient_that_the_loss_is_computed_from_is_none(tmp_path):
    path = made(tmp_path, {"A1": [["w", 1], ["dw", "=2*B1"], ["loss", "=B1^2+B2"]]})
    with pytest.raises(GradcheckError, match="no formula that depends on w .* is labelled loss"):
        find(path)
    with pytest.raises(GradcheckError, match=r"dw \(S!B2\): loss \(S!B3\) is computed from it"):
        find(path, loss="S!B3")


def test_of_two_gradients_the_one_made_of_the_other_is_taken_and_else_none(tmp_path):
    parts = {"A5": [["dw"], ["=A2", "=B2"]], "A8": [["dw"], ["=A2", "=B2"]]}
    with pytest.raises(GradcheckError, match=r"its gradient may be dw \(S!A6:B6\) and dw \(S!A9:B9\); say which"):
        find(made(tmp_path, SQUARE | parts))
    total = {"A11": [["total dw"], ["=A6+A9", "=B6+B9"]]}
    path = made(tmp_path, SQUARE | parts | total)
    assert ranges(find(path)) == {"S!A2:B2": "S!A12:B12"} and check(path, *_call(find(path))).ok


def _call(found: Found):
    return found.loss, found.ranges


def test_names_that_return_in_every_layer_are_told_apart_by_their_section(tmp_path):
    layers = {
        "A1": [
            ["Layer 1"],
            ["w", 2],
            ["dw", "=B7*2*B6*B2/B2"],
            [],
            ["Layer 2"],
            ["w", 3],
            ["h", "=B2*B6"],
            ["dw", "=2*B7*B2"],
        ]
    }
    layers["A1"][2][1] = "=2*B7*B6"
    path = made(tmp_path, layers | {"A11": [["loss", "=B7^2"]]})
    found = find(path)
    assert ranges(found) == {"S!B2": "S!B3", "S!B6": "S!B8"} and check(path, *_call(found)).ok


def test_the_same_without_sections_is_not_guessed(tmp_path):
    cells = {"A1": [["w", 2], ["w", 3], ["dw", "=2*B1*B2^2"], ["loss", "=(B1*B2)^2"]]}
    with pytest.raises(GradcheckError, match=r"dw \(S!B3\): w stands at S!B1 and S!B2; say which"):
        find(made(tmp_path, cells))


# -- the command --------------------------------------------------------------------------------------------------


def test_the_command_shows_what_it_found_and_how_to_say_it(tmp_path):
    made(tmp_path, TWO)
    done = sheetgrad("gradcheck", "book.xlsx", "--find", cwd=tmp_path)
    assert done.returncode == 0 and "left out: ∂E1/∂w (S!E3)" in done.stdout and "E_total" in done.stdout
    call = next(line for line in done.stdout.splitlines() if "the same, named:" in line)
    again = sheetgrad(*shlex.split(call.partition("sheetgrad ")[2]), cwd=tmp_path)
    assert again.stdout == done.stdout[-len(again.stdout) :] and "2 of 2 gradients agree" in again.stdout


def test_the_search_is_part_of_the_json(tmp_path):
    made(tmp_path, TWO)
    found = json.loads(sheetgrad("gradcheck", "book.xlsx", "--find", "--json", cwd=tmp_path).stdout)
    assert found["ok"] and found["found"]["loss"] == "S!B6"
    assert found["found"]["pairs"][1] == {"label": "v", "input": "S!B2", "gradient_label": "∂E/∂v", "gradient": "S!E2"}


def test_what_the_call_names_is_not_looked_for(tmp_path):
    made(tmp_path, TWO)
    done = sheetgrad("gradcheck", "book.xlsx", "--find", "--loss", "S!B4", cwd=tmp_path)
    assert done.returncode == 0 and "--input 'S!B1' --gradient 'S!E3'" in done.stdout and "v (S!B2)" in done.stdout
    done = sheetgrad("gradcheck", "book.xlsx", "--find", "--input", "S!B2", "--gradient", "S!E2", cwd=tmp_path)
    assert done.returncode == 0 and "--loss 'S!B6'" in done.stdout and "1 of 1 gradients agree" in done.stdout
    done = sheetgrad("gradcheck", "book.xlsx", "--find", "--loss", "=2*S!B6", cwd=tmp_path)
    assert (
        done.returncode == 1
        and "0 of 1 gradients agree" in done.stdout
        and "w (S!B1): its gradient may be" in done.stdout
    )


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            {"A1": [["w", 1], ["loss", "=B1^2"], ["slope", "=2*B1"]]},
            ["book.xlsx", "dw, ∂L/∂w", "w.g", "grad w", "--input"],
        ),
        (
            {"A1": [["w", 1], ["result", "=B1^2"], ["dw", "=2*B1"]]},
            ["w (S!B1)", "loss, cost, error, E, L or J", "--loss"],
        ),
        ({"A1": [["h", "=1"], ["loss", "=B1^2"], ["dh", "=2*B1"]]}, ["dh (S!B3): h (S!B1) is computed, not typed in"]),
    ],
)
def test_where_nothing_is_found_one_line_says_what_is_looked_for(tmp_path, cells, words):
    made(tmp_path, cells)
    assert_refused(sheetgrad("gradcheck", "book.xlsx", "--find", cwd=tmp_path), *words)


def test_without_find_what_is_missing_is_named(tmp_path):
    made(tmp_path, TWO)
    assert_refused(sheetgrad("gradcheck", "book.xlsx", cwd=tmp_path), "expected --loss", "--find")
    assert_refused(sheetgrad("gradcheck", "book.xlsx", "--loss", "S!B6", cwd=tmp_path), "expected --input", "--find")


# -- workbooks that were made to hurt -----------------------------------------------------------------------------


def test_a_long_chain_of_formulas_and_whole_columns_are_followed(tmp_path):
    chain = [["w", "h"], [0.5, "=A2"], *([None, f"=B{k}+1"] for k in range(2, 5_000))]
    path = made(tmp_path, {"A1": chain, "D1": [["loss", "=SUM(B:B)"]], "D3": [["dw", "=1+0*SUM(1:1)"]]})
    assert ranges(find(path)) == {"S!A2": "S!E3"}


def test_too_many_cells_are_refused_before_they_are_searched(tmp_path, monkeypatch):
    monkeypatch.setattr("sheetgrad.gradchecking.cells.MOST_CELLS", 20)
    rows = [[k] for k in range(60)]
    with pytest.raises(GradcheckError, match="book.xlsx: --find: S brings the workbook above 20 cells"):
        find(made(tmp_path, SQUARE | {"G1": rows}))


def test_formulas_that_read_everything_are_given_up_in_good_time(tmp_path, monkeypatch):
    monkeypatch.setattr("sheetgrad.gradchecking.cells.MOST_STEPS", 5_000)
    rows = [[f"=SUM(H{k + 1}:H$400)"] for k in range(1, 400)]
    path = made(tmp_path, SQUARE | {"A5": [["dw"], GRADIENT], "H1": rows, "D1": [["loss", "=A2^2+B2^2+0*H1"]]})
    with pytest.raises(GradcheckError, match="too much to follow"):
        find(path)


def test_names_of_the_whole_sheet_formulas_that_are_none_and_endless_labels_do_no_harm(tmp_path):
    path = made(
        tmp_path, SQUARE | {"A5": [["dw"], GRADIENT], "G1": [["=SUM((A2"], ["d" * 30_000, "=A2"], ["∂" * 100, "=A2"]]}
    )
    book = load_workbook(path)
    book.defined_names["w"] = DefinedName("w", attr_text="S!$A$1:$XFD$1048576")
    book.defined_names["w.g"] = DefinedName("w.g", attr_text="S!$A$1:$XFD$1048576")
    book.defined_names["E"] = DefinedName("E", attr_text="S!#REF!")
    book.save(path)
    assert ranges(find(path)) == {"S!A2:B2": "S!A6:B6"}


@pytest.mark.long
def test_nothing_that_is_short_enough_to_be_searched_takes_long(tmp_path):
    checkers = [[("dw" if (row + column) % 2 else "=1") for column in range(300)] for row in range(300)]
    books = [
        [["dw"] * 300] * 300,
        [*checkers, ["w", 1], ["loss", "=B301"]],
        [["dw"] * 400, *([["=1"] * 400] * 400), ["w", 1], ["loss", "=B402"]],
        [["E"] * 400, *([["=1"] * 400] * 400), ["w", 1], ["dw", "=B402"]],
    ]
    for rows in books:
        path, start = made(tmp_path, {"A1": rows}), time.monotonic()
        with pytest.raises(GradcheckError):
            find(path)
        assert time.monotonic() - start < 60


# -- any layout ---------------------------------------------------------------------------------------------------

STYLES = ["d{}", "∂L/∂{}", "{}.g", "{} gradient", "grad {}", "∇{}", "dL/d{}", "gradient of {}"]


def scattered(rng: random.Random) -> tuple[dict, dict[str, str]]:
    """Blocks of numbers and of gradients of their squares in a random order on a random grid, and what is to be found."""
    names = rng.sample(["w1", "w2", "b1", "b2", "V", "θ", "u"], rng.randint(1, 4))
    shapes = {name: (rng.randint(1, 3), rng.randint(1, 3)) for name in names}
    slots = [(row, column) for row in range(1, 60, 7) for column in range(1, 36, 7)]
    rng.shuffle(slots)
    cells, numbers, expected, style = {}, {}, {}, rng.choice(STYLES)

    def put(label: str, block: list[list]) -> str:
        row, column = slots.pop()
        first = get_column_letter(column) + str(row)
        if rng.random() < 0.5:
            cells[first], row = [[label], *block], row + 1
        else:
            cells[first], column = [[label, *block[0]], *([None, *line] for line in block[1:])], column + 1
        last = f"{get_column_letter(column + len(block[0]) - 1)}{row + len(block) - 1}"
        first = f"{get_column_letter(column)}{row}"
        return f"S!{first}" + (f":{last}" if last != first else "")

    def at(area: str, i: int, j: int) -> str:
        first = area.removeprefix("S!").partition(":")[0]
        column, row = first.rstrip("0123456789"), int(first.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        letters = [get_column_letter(k) for k in range(1, 60)]
        return f"{letters[letters.index(column) + j]}{row + i}"

    for name in names:
        rows, columns = shapes[name]
        numbers[name] = put(name, [[round(rng.uniform(-2, 2), 2) for _ in range(columns)] for _ in range(rows)])
    put("t", [[rng.random()]])  # nobody's
    put("copy", [[f"={at(numbers[names[0]], 0, 0)}"]])
    for name in rng.sample(names, len(names)):
        rows, columns = shapes[name]
        block = [[f"=2*{at(numbers[name], i, j)}" for j in range(columns)] for i in range(rows)]
        block = [list(line) for line in zip(*block, strict=True)] if rng.random() < 0.3 else block
        expected[numbers[name]] = put(style.format(name), block)
    put("loss", [["=" + "+".join(f"SUMSQ({area.removeprefix('S!')})" for area in numbers.values())]])
    return cells, expected


def test_blocks_scattered_over_a_sheet_are_found_each_with_its_gradient(tmp_path):
    for seed in range(60):
        cells, expected = scattered(random.Random(seed))
        found = find(made(tmp_path, cells))
        assert ranges(found) == expected and found.left_out == (), f"seed {seed}"


def test_an_empty_workbook_has_nothing_to_find(tmp_path):
    Workbook().save(tmp_path / "empty.xlsx")
    with pytest.raises(GradcheckError, match="no formulas are labelled dw"):
        find(tmp_path / "empty.xlsx")
