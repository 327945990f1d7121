"""gradcheck on workbooks that others made."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from commands import assert_refused, sheetgrad
from conftest import needs_libreoffice
from openpyxl import Workbook, load_workbook

from sheetgrad import EngineError, GradcheckError, gradcheck
from sheetgrad.gradchecking.check import check
from sheetgrad.gradchecking.ranges import Range

ENGINES = ["formualizer", "ironcalc", pytest.param("libreoffice", marks=needs_libreoffice)]
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


@pytest.mark.parametrize("engine", ENGINES)
def test_right_gradients_agree_and_the_file_stays_as_it_was(net, engine):
    before = net.read_bytes()
    table = gradcheck(net, loss=LOSS, pairs=[(WEIGHTS, "Net!D5:E6")], engine=engine)
    assert isinstance(table, pd.DataFrame) and list(table["verdict"]) == ["✓"] * 4
    np.testing.assert_allclose(table["slope"], expected().ravel(), rtol=1e-6)
    np.testing.assert_allclose(table["gradient"], expected().ravel(), rtol=1e-9)
    assert table.attrs["engine"] == engine and net.read_bytes() == before


@pytest.mark.parametrize("engine", ENGINES)
def test_one_wrong_cell_is_named(net, engine):
    table = gradcheck(net, loss=LOSS, pairs=[(WEIGHTS, "Net!M5:N6")], engine=engine)
    wrong = table[table["verdict"] == "✗"]
    assert list(wrong["gradient_cell"]) == ["Net!M6"] and list(wrong["input"]) == ["Net!D2"]


@pytest.mark.parametrize(
    ("gradient", "note"),
    [
        ("Net!G5:H6", "matches the transpose"),
        ("Net!J5:K6", "every slope is 2.000 times the gradient: summed where you meant averaged?"),
        ("Net!P5:Q6", "every slope is -1.000 times the gradient: the sign"),
        ("Net!M5:N6", None),
    ],
)
def test_the_usual_slips_are_recognised(net, gradient, note):
    found = check(net, LOSS, [(WEIGHTS, gradient)])
    assert not found.ok
    assert (note in found.notes[0]) if note else not found.notes


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
    assert found.ok and "stands as the transpose" in found.notes[0]


def test_the_loss_may_be_a_formula(net):
    found = check(net, "SUMXMY2(Net!J1:K3,Net!G1:H3)/6", [(WEIGHTS, "Net!D5:E6")])
    assert found.ok and found.engine == "formualizer"
    assert check(net, "=3*A10", [(WEIGHTS, "Net!D5:E6")]).notes[0].startswith("Net!D5:E6: every slope is 3.000 times")


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
    assert colours == {"M5": "DCFCE7", "M6": "FEE2E2"}
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
