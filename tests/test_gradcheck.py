"""gradcheck on workbooks that others made."""

import json
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from commands import assert_refused, sheetgrad
from conftest import needs_libreoffice
from handmade import (
    HOMEWORK_GRADIENTS,
    HOMEWORK_LOSS,
    HOMEWORK_WEIGHTS,
    MATRIX_LOSS,
    MATRIX_PAIRS,
    MLP_LOSS,
    MLP_PAIRS,
    homework,
    matrices,
    mlp,
)
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.formula import ArrayFormula

from sheetgrad import EngineError, GradcheckError, gradcheck
from sheetgrad.gradchecking.check import check
from sheetgrad.gradchecking.draws import drawn
from sheetgrad.gradchecking.ranges import Range
from sheetgrad.workbook.style import AGREE, WRONG

X, W, Y = [[1, 2], [3, -1], [0.5, 1]], [[0.5, -1], [1, 0.25]], [[1, 0], [0, 1], [1, 1]]
LOSS, WEIGHTS = "Net!A10", "Net!D1:E2"


@pytest.fixture
def net(tmp_path):
    """A layer by hand, with its gradient right (D5), turned (G5), halved (J5), with one slip (M5), negated (P5)."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Net"
    for column, numbers in ((1, X), (4, W), (7, Y)):
        for i, row in enumerate(numbers, 1):
            for j, value in enumerate(row):
                sheet.cell(i, column + j, value)
    for i in (1, 2, 3):
        for j in range(2):
            sheet.cell(i, 10 + j, f"=$A{i}*{'DE'[j]}$1+$B{i}*{'DE'[j]}$2")
            sheet.cell(i, 13 + j, f"=({'JK'[j]}{i}-{'GH'[j]}{i})*2/6")
    sheet["A10"] = "=SUMXMY2(J1:K3,G1:H3)/6"
    for i in range(2):
        for j in range(2):
            product = f"SUMPRODUCT({'AB'[i]}1:{'AB'[i]}3,{'MN'[j]}1:{'MN'[j]}3)"
            sheet.cell(5 + i, 4 + j, f"={product}")
            sheet.cell(5 + j, 7 + i, f"={product}")
            sheet.cell(5 + i, 10 + j, f"={product}/2")
            sheet.cell(5 + i, 13 + j, f"={product}" + ("+0.01" if (i, j) == (1, 0) else ""))
            sheet.cell(5 + i, 16 + j, f"=-{product}")
    path = tmp_path / "net.xlsx"
    book.save(path)
    return path


def expected() -> np.ndarray:
    x, w, y = map(np.array, (X, W, Y))
    return x.T @ (x @ w - y) * 2 / 6


@pytest.mark.parametrize("engine", ["formualizer", "ironcalc"])
def test_right_gradients_agree_and_the_file_stays_as_it_was(net, engine):
    before = net.read_bytes()
    table = gradcheck(net, loss=LOSS, pairs=[(WEIGHTS, "Net!D5:E6")], engine=engine)
    assert isinstance(table, pd.DataFrame) and list(table["verdict"]) == ["✓"] * 4
    np.testing.assert_allclose(table["slope"], expected().ravel(), rtol=1e-6)
    np.testing.assert_allclose(table["gradient"], expected().ravel(), rtol=1e-9)
    assert table.attrs["engine"] == engine and net.read_bytes() == before


@pytest.mark.parametrize("engine", ["formualizer", "ironcalc"])
def test_one_wrong_cell_is_named_and_nothing_is_guessed(net, engine):
    found = check(net, LOSS, [(WEIGHTS, "Net!M5:N6")], engine=engine)
    wrong = found.table[found.table["verdict"] == "✗"]
    assert list(wrong["gradient_cell"]) == ["Net!M6"] and list(wrong["input"]) == ["Net!D2"]
    assert found.slips == () and not found.notes


@pytest.mark.long
@needs_libreoffice
def test_libreoffice_finds_the_same(net):
    found = check(net, LOSS, [("Net!D2", "Net!M6")], engine="libreoffice")
    assert [cell.verdict for cell in found.cells] == ["✗"] and found.slips == ()


@pytest.mark.parametrize(
    ("gradient", "says"),
    [
        ("Net!J5:K6", "Net!J5, Net!K5, Net!J6, Net!K6: a factor of 2 is missing"),
        ("Net!P5:Q6", "Net!P5, Net!Q5, Net!P6, Net!Q6: the sign is the other way round"),
    ],
)
def test_the_usual_factors_are_recognised(net, gradient, says):
    found = check(net, LOSS, [(WEIGHTS, gradient)])
    assert not found.ok and [slip.says for slip in found.slips] == [says]


# -- orientation --------------------------------------------------------------------------------------------------


def test_all_right_but_turned_is_said_once_and_is_right(net, tmp_path):
    call = ("gradcheck", "net.xlsx", "--loss", LOSS, "--input", WEIGHTS, "--gradient", "Net!G5:H6")
    done = sheetgrad(*call, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.count("Net!G5:H6 stands turned: rows are columns") == 1


@pytest.mark.parametrize(("cell", "given"), [("H5", "Net!D2"), ("G5", "Net!D1")])
def test_a_turned_block_with_one_wrong_cell_is_judged_as_it_stands(net, cell, given):
    book = load_workbook(net)
    book["Net"][cell] = f"{book['Net'][cell].value}*1.3"
    book.save(net)
    found = check(net, LOSS, [(WEIGHTS, "Net!G5:H6")])
    assert found.notes == ("Net!G5:H6 stands turned: rows are columns",)
    wrong = [(one.input, one.gradient_cell) for one in found.cells if one.verdict == "✗"]
    assert wrong == [(given, f"Net!{cell}")] and found.counts["agree"] == 3


def test_a_gradient_that_lies_turned_is_compared_so(net):
    book = load_workbook(net)
    for k, cell in enumerate(("S5", "T5", "U5")):
        book["Net"][cell] = f"=SUM(M{k + 1}:N{k + 1})"
        book["Net"][f"R{k + 1}"] = 0.25
        for column in "JK":
            before = book["Net"][f"{column}{k + 1}"].value
            book["Net"][f"{column}{k + 1}"] = f"{before}+$R{k + 1}"
    book.save(net)
    found = check(net, LOSS, [("Net!R1:R3", "Net!S5:U5")])
    assert found.ok and found.notes == ("Net!S5:U5 stands turned: rows are columns",)


# -- slips that are too small to see ------------------------------------------------------------------------------


def curve(path, gradient, x=2.0, loss="=A1^3"):
    book = Workbook()
    sheet = book.active
    sheet["A1"], sheet["B1"], sheet["C1"] = x, loss, gradient
    book.save(path)
    return check(path, "Sheet!B1", [("Sheet!A1", "Sheet!C1")])


def test_a_slip_that_is_not_there_at_the_given_numbers_is_found_at_others(tmp_path):
    found = curve(tmp_path / "a.xlsx", "=6*A1")  # 3·x² and 6·x are the same at 2
    (cell,) = found.cells
    assert cell.verdict == "✗" and cell.shows.startswith("Sheet!A1 = ") and found.slips == ()
    at = found.sets[cell.set].numbers["Sheet", "A1"]
    assert cell.value == at and cell.gradient == pytest.approx(6 * at) and cell.slope == pytest.approx(3 * at**2)


def test_a_small_slip_is_seen_where_it_stands(tmp_path):
    found = curve(tmp_path / "a.xlsx", "=3*A1^2*1.00026")
    assert [cell.verdict for cell in found.cells] == ["✗"] and found.cells[0].shows == ""


def test_what_is_typed_is_checked_at_the_given_numbers_only(tmp_path):
    found = curve(tmp_path / "a.xlsx", 12)
    assert found.ok and "typed numbers" in found.notes[0]
    assert not curve(tmp_path / "b.xlsx", 12.1).ok


def test_numbers_without_a_loss_are_set_aside_and_counted(tmp_path):
    found = curve(tmp_path / "a.xlsx", "=1/A1", loss="=LN(A1)")
    assert found.ok and "random sets of numbers set aside: the loss is no number there" in found.notes[0]


def test_where_nothing_can_be_told_nothing_is_claimed(tmp_path):
    found = curve(
        tmp_path / "a.xlsx", "=0.5*A2", x=0.0, loss="=ABS(A1)"
    )  # a kink at the given number, typed half a slope
    assert not found.ok


def test_the_random_numbers_are_the_same_ones_every_time_and_keep_to_the_given_ones():
    given = {("S", "A1"): 0.5, ("S", "A2"): 2.0, ("S", "A3"): 0.0}
    sets = drawn([given], 4, 8)
    assert sets == drawn([given], 4, 8) and sets[0].numbers == given
    for one in sets[1:5]:
        moved = list(one.numbers.values())
        assert min(moved) >= 0 and moved[0] == pytest.approx(0.5, rel=0.31) and moved[2] <= 0.6
    far = np.array([list(one.numbers.values()) for one in sets[5:]])
    assert np.abs(far).max() <= 8 and (far < 0).any() and (far[0] >= 0).all()


# -- slips by name ------------------------------------------------------------------------------------------------

FIRST, SECOND = "(E7-B14)*E7*(1-E7)", "(E9-B15)*E9*(1-E9)"
HOMEWORK = {
    "neighbour": (
        {"H7": "=H3*E3*(1-E3)*B2", "H8": "=H3*E3*(1-E3)*B3"},
        ["H7", "H8"],
        [f"Net!{cell} uses Net!E3 (a_h1) where Net!E5 (a_h2) belongs, its neighbour" for cell in ("H7", "H8")],
    ),
    "h2 for a_h2": (
        {"H10": f"={FIRST}*E4"},
        ["H10"],
        ["Net!H10 uses Net!E4 (h2) where Net!E5 (a_h2) belongs: the activation is forgotten"],
    ),
    "another weight behind": (
        {"H3": f"={FIRST}*B9+{SECOND}*B12"},
        ["H7", "H8"],
        ["Net!H3 uses Net!B9 (w5) where Net!B10 (w6) belongs"],
    ),
    "slope forgotten": (
        {"H9": "=(E7-B14)*E3"},
        ["H9"],
        ["Net!H9 lacks the slope of the activation Net!E7 (a_o1): Net!E7·(1 − Net!E7)"],
    ),
    "input forgotten": (
        {"H5": "=H2*E3*(1-E3)", "H8": "=H3*E5*(1-E5)"},
        ["H5", "H8"],
        ["Net!H5 is not multiplied by Net!B2 (i1)", "Net!H8 is not multiplied by Net!B3 (i2)"],
    ),
    "what flows in forgotten": ({"H8": "=E5*(1-E5)*B3"}, ["H8"], ["Net!H8 is not multiplied by Net!H3 (∂E/∂a_h2)"]),
    "sign": ({"H9": "=(B14-E7)*E7*(1-E7)*E3"}, ["H9"], ["Net!H9: the sign is the other way round"]),
    "factor 2": ({"H9": f"=2*{FIRST}*E3"}, ["H9"], ["Net!H9: a factor of 2 too many"]),
    "averaged": ({"H9": f"={FIRST}*E3/5"}, ["H9"], ["Net!H9: 5 times too small: averaged where it should be summed"]),
}


def test_a_right_network_is_right(tmp_path):
    for targets in ((0.5, 0.5), (0.01, 0.99)):
        path = homework(tmp_path / "net.xlsx", {"B14": targets[0], "B15": targets[1]})
        found = check(path, HOMEWORK_LOSS, [(HOMEWORK_WEIGHTS, HOMEWORK_GRADIENTS)])
        assert found.ok and found.counts["agree"] == 8 and not found.slips and not found.notes


@pytest.mark.parametrize("slip", HOMEWORK)
def test_slips_of_a_sigmoid_network_are_named(tmp_path, slip):
    changes, wrong, says = HOMEWORK[slip]
    path = homework(tmp_path / "net.xlsx", changes)
    found = check(path, HOMEWORK_LOSS, [(HOMEWORK_WEIGHTS, HOMEWORK_GRADIENTS)])
    assert [cell.gradient_cell for cell in found.cells if cell.verdict == "✗"] == [f"Net!{cell}" for cell in wrong]
    assert [slip.says for slip in found.slips] == says
    assert {cell for slip in found.slips for cell in slip.gradient_cells} == {f"Net!{cell}" for cell in wrong}


@pytest.mark.parametrize("slip", ["another weight behind", "factor 2"])
def test_the_mended_formula_is_right(tmp_path, slip):
    changes, _, _ = HOMEWORK[slip]
    found = check(homework(tmp_path / "net.xlsx", changes), HOMEWORK_LOSS, [(HOMEWORK_WEIGHTS, HOMEWORK_GRADIENTS)])
    mended = {slip.cells[0].partition("!")[2]: slip.formula for slip in found.slips}
    again = homework(tmp_path / "mended.xlsx", changes | mended)
    assert check(again, HOMEWORK_LOSS, [(HOMEWORK_WEIGHTS, HOMEWORK_GRADIENTS)]).ok


@pytest.mark.parametrize(
    "formula",
    [
        f"={FIRST}*E3+0.001",
        f"={FIRST}*E3*1.1",
        f"={FIRST}*SQRT(E3)",
        "=SIN(E3)*B9",
        f"={FIRST}*E3*E5",
        "=E7*E3*B9-B14",
        f"={FIRST}*E3*(1+B2)",
    ],
)
def test_what_is_no_usual_slip_gets_no_name(tmp_path, formula):
    path = homework(tmp_path / "net.xlsx", {"H9": formula})
    found = check(path, HOMEWORK_LOSS, [(HOMEWORK_WEIGHTS, HOMEWORK_GRADIENTS)])
    assert found.counts["disagree"] == 1 and found.slips == ()


def test_a_mask_that_a_layer_lacks_shows_at_other_numbers_and_is_named(tmp_path):
    path = mlp(tmp_path / "mlp.xlsx", masked=(True, False))
    found = check(path, MLP_LOSS, MLP_PAIRS[2:4])
    wrong = [cell for cell in found.cells if cell.verdict == "✗"]
    assert len(wrong) == 12 and all(cell.shows for cell in wrong)
    assert any(cell.shows.endswith(", all else as it stands") for cell in wrong)
    (slip,) = found.slips
    assert set(slip.cells) == {f"MLP!{column}{row}" for column in "GH" for row in (20, 21, 22)}
    assert slip.says.startswith("MLP!G20 lacks the mask of MLP!G16") and len(slip.gradient_cells) == 12


@pytest.mark.long
@pytest.mark.parametrize("masked", [(True, True), (False, True), (False, False)])
@pytest.mark.parametrize("negative", [False, True])
def test_masks_of_all_layers(tmp_path, masked, negative):
    found = check(mlp(tmp_path / "mlp.xlsx", masked=masked, negative=negative), MLP_LOSS, MLP_PAIRS)
    assert found.ok == all(masked)
    lacking = [cells for open_, cells in zip(masked, ("BC", "GH"), strict=True) if not open_]
    expected = [{f"MLP!{column}{row}" for column in cells for row in (20, 21, 22)} for cells in reversed(lacking)]
    assert [set(slip.cells) for slip in found.slips] == expected


@pytest.mark.parametrize(
    ("mean", "words"),
    [
        (2, "a factor of 2 too many"),
        (1, "4 times too large: summed where it should be averaged"),
        (8, "a factor of 2 is missing"),
    ],
)
def test_sums_and_means_are_told_apart(tmp_path, mean, words):
    found = check(mlp(tmp_path / "mlp.xlsx", mean=mean), MLP_LOSS, MLP_PAIRS[4:])
    assert found.counts["agree"] == 0
    (slip,) = found.slips
    assert slip.says.endswith(words) and len(slip.cells) == 8


# -- what people's workbooks are made of --------------------------------------------------------------------------

MATRIX_SLIPS = {
    "right": ({}, ""),
    "turned": ({"A2:B3": "=TRANSPOSE(MMULT(TRANSPOSE(x_),D2:E4))"}, ""),
    "slope": ({"D2:E4": "=(out_-y_)*2/6"}, "Back!A2:B3, at Back!D2:E4, lacks the slope of the activation Layer!G6:H8"),
    "sign": (
        {"A2:B3": "=-MMULT(TRANSPOSE(x_),D2:E4)"},
        "Back!A2, Back!B2, Back!A3, Back!B3: the sign is the other way round",
    ),
}


@pytest.mark.parametrize("slip", MATRIX_SLIPS)
def test_array_formulas_names_and_several_sheets(tmp_path, slip):
    changes, says = MATRIX_SLIPS[slip]
    found = check(matrices(tmp_path / "layer.xlsx", changes), MATRIX_LOSS, MATRIX_PAIRS)
    assert found.ok == (not says) and found.engine == "ironcalc"  # Formualizer has no EXP of a range
    assert [one.says[: len(says)] for one in found.slips][:1] == ([says] if says else [])
    assert ("Back!A2:B3 stands turned: rows are columns" in found.notes) == (slip == "turned")


@needs_libreoffice
def test_array_formulas_with_stored_values_are_filled_anew(tmp_path):
    path = matrices(tmp_path / "layer.xlsx")
    book = load_workbook(path)
    for cell, area, text in (("G2", "G2:H4", "=MMULT(x_,w_)+b_"), ("G6", "G6:H8", "=G2:H4*2")):
        book["Layer"][cell] = ArrayFormula(area, text)
    book["Back"]["D2"] = ArrayFormula("D2:E4", "=(out_-y_)*2/6*2")
    book.save(path)
    call = ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", "xlsx"]
    subprocess.run([*call, "--outdir", str(tmp_path / "out"), str(path)], check=True, capture_output=True, timeout=120)
    for engine in ("formualizer", "ironcalc"):
        assert check(tmp_path / "out" / "layer.xlsx", MATRIX_LOSS, MATRIX_PAIRS, engine).ok


def test_a_cell_that_an_array_formula_fills_is_no_input(tmp_path):
    with pytest.raises(GradcheckError, match="Layer!G7: found '=1/"):
        check(matrices(tmp_path / "layer.xlsx"), MATRIX_LOSS, [("Layer!G7", "Back!A2")])


def test_json_is_one_object(net, tmp_path):
    call = ("gradcheck", "net.xlsx", "--loss", LOSS, "--input", WEIGHTS, "--gradient", "Net!M5:N6", "--json")
    done = sheetgrad(*call, cwd=tmp_path)
    found = json.loads(done.stdout)
    assert done.returncode == 1 and found["workbook"] == "net.xlsx" and found["engine"] == "formualizer"
    assert found["counts"] == {"agree": 3, "disagree": 1, "kink": 0, "cannot_tell": 0} and not found["ok"]
    assert [cell["verdict"] for cell in found["cells"]] == ["✓", "✓", "✗", "✓"]
    assert {"input", "gradient_cell", "value", "gradient", "slope", "verdict", "shows"} <= found["cells"][0].keys()
    assert found["notes"] == found["slips"] == [] and found["sets"][0] == {"kind": "given", "numbers": {}}


# -- the call -----------------------------------------------------------------------------------------------------


def test_the_loss_may_be_a_formula(net):
    found = check(net, "SUMXMY2(Net!J1:K3,Net!G1:H3)/6", [(WEIGHTS, "Net!D5:E6")])
    assert found.ok and found.engine == "formualizer"
    (slip,) = check(net, "=3*A10", [(WEIGHTS, "Net!D5:E6")]).slips
    assert slip.says.endswith("3 times too small: averaged where it should be summed")


def test_an_engine_that_cannot_is_passed_over_and_the_next_is_named(net):
    book = load_workbook(net)
    book["Net"]["A11"] = "=SUM(MMULT(A1:B3,D1:E2))+0*MDETERM(D1:E2)"  # MDETERM is unknown to Formualizer
    for k, cell in enumerate(("D8", "E8", "D9", "E9")):
        book["Net"][cell] = f"=SUM({'AABB'[k]}1:{'AABB'[k]}3)"
    book.save(net)
    found = check(net, "Net!A11", [(WEIGHTS, "Net!D8:E9")])
    assert found.engine == "ironcalc" and found.ok
    with pytest.raises(EngineError, match="formualizer: Net!A11 gives #"):
        check(net, "Net!A11", [(WEIGHTS, "Net!D8:E9")], engine="formualizer")


def test_a_kink_is_told_apart(tmp_path):
    book = Workbook()
    sheet = book.active
    sheet["A1"], sheet["B1"], sheet["C1"] = 0, "=MAX(A1,0)", "=IF(A1>0,1,0)"
    book.save(tmp_path / "kink.xlsx")
    table = gradcheck(tmp_path / "kink.xlsx", loss="Sheet!B1", pairs=[("Sheet!A1", "Sheet!C1")])
    assert list(table["verdict"]) == ["kink"] and (table["left"][0], table["right"][0]) == (0, pytest.approx(1))


def test_the_report_marks_the_cells_and_is_not_written_over_anything(net, tmp_path):
    done = sheetgrad(
        *(
            "gradcheck",
            "net.xlsx",
            "--loss",
            LOSS,
            "--input",
            WEIGHTS,
            "--gradient",
            "Net!M5:N6",
            "--report",
            "out.xlsx",
        ),
        cwd=tmp_path,
    )
    assert done.returncode == 1 and "Net!M6" in done.stdout and "3 of 4 gradients agree" in done.stdout
    book = load_workbook(tmp_path / "out.xlsx")
    colours = {cell: book["Net"][cell].fill.fgColor.rgb[-6:] for cell in ("M5", "M6")}
    assert colours == {"M5": AGREE, "M6": WRONG}
    assert [row[9] for row in book["gradcheck"].iter_rows(min_row=4, values_only=True)] == ["✓", "✓", "✗", "✓"]
    assert book["Net"]["M6"].value == load_workbook(net)["Net"]["M6"].value
    again = (
        "gradcheck",
        "net.xlsx",
        "--loss",
        LOSS,
        "--input",
        WEIGHTS,
        "--gradient",
        "Net!D5:E6",
        "--report",
        "out.xlsx",
    )
    assert_refused(sheetgrad(*again, cwd=tmp_path), "out.xlsx", "exists")


def test_a_workbook_with_macros_is_only_read(net, tmp_path):
    macro = shutil.copy(net, tmp_path / "net.xlsm")
    assert check(macro, LOSS, [(WEIGHTS, "Net!D5:E6")]).ok


@needs_libreoffice
def test_an_ods_is_read_through_libreoffice(net, tmp_path):
    call = ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", "ods"]
    subprocess.run([*call, "--outdir", str(tmp_path), str(net)], check=True, capture_output=True, timeout=120)
    assert check(tmp_path / "net.ods", LOSS, [(WEIGHTS, "Net!D5:E6")]).ok


@pytest.mark.parametrize(
    ("text", "area"),
    [
        ("Net!B2", Range("Net", 2, 2, 2, 2)),
        ("'My ''own'' sheet'!$B$2:$C$4", Range("My 'own' sheet", 2, 2, 4, 3)),
        ("Net!C4:B2", Range("Net", 2, 2, 4, 3)),
    ],
)
def test_ranges_are_read_as_excel_writes_them(text, area):
    assert Range.parse(text, "--input") == area


CALL = {"--loss": LOSS, "--input": WEIGHTS, "--gradient": "Net!D5:E6"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"--input": "D1:E2"}, ["--input", "'D1:E2'", "with its sheet"]),
        ({"--input": "Net!A:B"}, ["--input", "with its sheet"]),
        ({"--input": "Nut!D1:E2"}, ["no sheet 'Nut'", "expected one of Net"]),
        ({"--input": "Net!J1:K2"}, ["Net!J1", "'=$A1*D$1", "expected a number"]),
        ({"--input": "Net!Z1:AA2"}, ["Net!Z1", "found nothing"]),
        ({"--gradient": "Net!D5:E7"}, ["2×2", "3×2", "same shape"]),
        ({"--gradient": "Net!X5:Y6"}, ["Net!X5 gives nothing"]),
        ({"--loss": "Net!A10:A11"}, ["--loss", "a single cell"]),
        ({"--loss": "SUM("}, ["--loss"]),
        ({"--loss": "Net!C10"}, ["Net!C10 gives nothing, expected a number"]),
        ({"--engine": "excel"}, ["no engine is called 'excel'"]),
        ({"--step": "0"}, ["--step", "from 0 to 0.1"]),
    ],
)
def test_a_call_that_cannot_be_answered_is_refused_in_one_line(net, tmp_path, change, words):
    options = [part for pair in (CALL | change).items() for part in pair]
    assert_refused(sheetgrad("gradcheck", "net.xlsx", *options, cwd=tmp_path), *words)


def test_files_that_are_no_workbooks_are_refused(tmp_path):
    (tmp_path / "text.xlsx").write_text("hello")
    options = [part for pair in CALL.items() for part in pair]
    assert_refused(sheetgrad("gradcheck", "text.xlsx", *options, cwd=tmp_path), "text.xlsx")
    assert_refused(sheetgrad("gradcheck", "none.xlsx", *options, cwd=tmp_path), "none.xlsx", "no such file")
    with pytest.raises(GradcheckError, match="at least one --input"):
        gradcheck("none.xlsx", loss=LOSS, pairs=[])
