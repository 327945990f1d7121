"""Verification: honest changes pass, damage is named."""

import json
import re
import shutil
import zipfile
from datetime import datetime
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from conftest import LAYER, lesson_of
from openpyxl import Workbook, load_workbook
from openpyxl.utils.cell import coordinate_to_tuple
from openpyxl.worksheet.formula import ArrayFormula

from sheetgrad import EngineError, Lesson, WorkbookError, build, verify
from sheetgrad.formulas.places import address
from sheetgrad.planning import make_plan
from sheetgrad.verifying.difference import largest_differences
from sheetgrad.verifying.verify import compare, difference
from sheetgrad.xlsx.contents import Contents
from sheetgrad.xlsx.grid import ErrorValue
from sheetgrad.xlsx.parts import rewritten, sheet_parts


def cell_of(lesson: Lesson, name: str, kind: str) -> tuple[str, str]:
    """The first cell of a tensor's block: (sheet, cell)."""
    for sheet in make_plan(lesson).sheets:
        for block in sheet.blocks:
            if block.name == name and block.kind == kind:
                return sheet.name, address(block.row, block.column)
    raise AssertionError(f"no {kind} block of {name}")


def change(path: Path, at: tuple[str, str], value) -> None:
    book = load_workbook(path)
    sheet, cell = at
    book[sheet][cell] = value
    book.save(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", 2.5), ("w", -1.25), ("b", 0.75), ("y", 3), ("nudge.step", 0.001), ("nudge.scheme", "forward")],
)
def test_changed_numbers_verify(book, layer, name, value):
    change(book, cell_of(layer, name, "input"), value)
    report = verify(book)
    assert report.ok, report.mismatches[:3]
    assert report.checked_cells == report.formula_cells


def test_an_input_that_is_itself_a_formula_is_taken_as_its_value(book, layer):
    change(book, cell_of(layer, "x", "input"), "=1/3")
    report = verify(book)
    assert report.ok and report.formula_cells == report.checked_cells + 1


def test_a_workbook_saved_by_openpyxl_verifies_and_cached_misses_its_values(book):
    load_workbook(book).save(book)
    assert verify(book).ok
    with pytest.raises(EngineError, match="has no stored value: save it in a spreadsheet"):
        verify(book, "cached")


def test_the_report_says_which_application_stored_the_values(book):
    assert verify(book, "cached").saved_by == "sheetgrad (Formualizer)"


def test_one_changed_formula_is_named_with_what_it_was(book, layer):
    sheet, cell = cell_of(layer, "w.g", "formula")
    before = load_workbook(book)[sheet][cell].value
    change(book, (sheet, cell), before + "*2")
    report = verify(book)
    assert not report.ok
    assert f"{sheet}!{cell}: formula changed: {before}*2 was {before}" in map(str, report.mismatches)


@pytest.mark.parametrize("broken", ['="a', "=[a", "=1)", "=)(", "='x"])
def test_a_formula_that_is_none_is_named(book, layer, broken):
    at = cell_of(layer, "w.g", "formula")
    change(book, at, broken)
    try:
        report = verify(book)
    except EngineError as error:  # an engine may refuse the file for it, in one line
        assert "\n" not in str(error)
    else:
        assert any(m.cell == at[1] and m.problem.startswith("formula") for m in report.mismatches)


def test_a_date_over_a_formula_and_an_array_formula_are_told_apart(book, layer):
    at = cell_of(layer, "loss", "formula")
    before = load_workbook(book)[at[0]][at[1]].value
    change(book, at, ArrayFormula(at[1], before))
    assert not [m for m in verify(book).mismatches if m.problem == "formula changed"]
    change(book, at, datetime(2026, 1, 2))
    assert any("2026-01-02" in str(m) and "typed over" in str(m) for m in verify(book).mismatches)


def test_a_number_typed_over_a_formula_is_named(book, layer):
    at = cell_of(layer, "out", "formula")
    change(book, at, 1.5)
    report = verify(book)
    assert not report.ok and report.checked_cells == report.formula_cells == verify_cells(layer) - 1
    assert str(report.mismatches[0]).startswith(f"{at[0]}!{at[1]}: 1.5 typed over the formula =")


def verify_cells(lesson: Lesson) -> int:
    return sum(sheet.formula_count for sheet in make_plan(lesson).sheets)


def test_a_changed_label_that_formulas_read_is_named(book, layer):
    block = next(b for b in make_plan(layer).sheet("Nudge").blocks if b.kind == "fixed" and b.style == "number")
    at = address(block.row, block.column)
    change(book, ("Nudge", at), "w[9,9]")
    report = verify(book)
    assert not report.ok
    assert any(f"Nudge!{at}: 'w[9,9]' stands where" in str(m) for m in report.mismatches)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("x", "many", "an input is not a number"),
        ("x", None, "an input is not a number"),
        ("nudge.step", 0, "a number above 0"),
        ("nudge.step", -1, "a number above 0"),
        ("nudge.scheme", "sideways", "central or forward"),
    ],
)
def test_an_input_that_cannot_be_used_is_named(book, layer, name, value, words):
    at = cell_of(layer, name, "input")
    change(book, at, value)
    report = verify(book)
    assert not report.ok
    assert f"{at[0]}!{at[1]}" in str(report.mismatches[0]) and words in str(report.mismatches[0])


def test_other_spellings_of_a_formula_are_the_same_formula(book, layer):
    at = cell_of(layer, "loss", "formula")
    before = load_workbook(book)[at[0]][at[1]].value
    change(book, at, before.lower().replace("=", "= ").replace(",", " , "))
    assert verify(book).ok


def test_a_formula_of_the_students_own_is_left_alone_and_counted(book):
    change(book, ("Lesson", "N40"), "=1+1")
    report = verify(book)
    assert report.ok and report.formula_cells == report.checked_cells + 1


def test_a_missing_sheet_is_named(book):
    whole = load_workbook(book)
    del whole["Nudge"]
    whole.save(book)
    assert any("the sheet is missing" in str(m) for m in verify(book).mismatches)


def test_a_wrong_rule_cannot_hide(tmp_path):
    wrong = LAYER + '[ops.relu]\nforward = "maximum(a, 0)"\na = "g * (a > 0) * 1.01"\n'
    report = build(lesson_of(wrong), tmp_path / "wrong.xlsx")
    assert not report.ok and not report.mismatches  # the sheet is what NumPy says; the nudges contradict both
    assert report.nudges["disagree"] == len(report.disagreeing) > 0
    assert report.disagreeing[0].startswith("x[")


def test_a_kink_is_neither_right_nor_wrong(tmp_path):
    text = """
    title = "Corner"
    question = "What is the slope of a corner?"
    forward = "a = relu(z)\\nloss = a * 3 + abs(z)"
    tensors.z = {role = "input", values = 0.0}
    """
    report = build(lesson_of(text), tmp_path / "corner.xlsx")
    assert report.ok and report.nudges == {"agree": 0, "disagree": 0, "kink": 1, "cannot_tell": 0}


def test_where_numpy_has_no_number_the_sheet_must_show_an_error(tmp_path):
    text = """
    title = "Logarithm"
    question = "What of a negative number?"
    forward = "loss = log(x).sum()"
    tensors.x = {role = "input", values = [1.0, 2.0]}
    """
    lesson = lesson_of(text)
    path = tmp_path / "log.xlsx"
    assert build(lesson, path).ok
    change(path, cell_of(lesson, "x", "input"), -1.0)
    report = verify(path)
    assert not report.mismatches, report.mismatches[:3]
    assert report.nudges == {"agree": 0, "disagree": 0, "kink": 0, "cannot_tell": 2} and not report.ok


# -- the errors that a report tells ---------------------------------------------------------------------------------


def stored(path: Path, at: tuple[str, str], value: float) -> None:
    """Another value stored in a formula's cell, as an application that computes otherwise would have stored it."""
    sheet, cell = at
    part = f"xl/worksheets/sheet{load_workbook(path).sheetnames.index(sheet) + 1}.xml"
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    pattern = rf'(<c r="{cell}"[^>]*><f>[^<]*</f><v>)[^<]*(</v>)'.encode()
    parts[part], count = re.subn(pattern, lambda found: found[1] + repr(value).encode() + found[2], parts[part])
    assert count == 1
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def errors(path: Path) -> dict[str, tuple[float, float, bool]]:
    """By tensor: the largest absolute and relative error, and whether that is good enough."""
    found = verify(path, "cached").tensors
    return {tensor.name: (tensor.max_abs_error, tensor.max_rel_error, tensor.ok) for tensor in found}


@pytest.mark.parametrize("off", [0.5, 1e-3, 1e-7, -2e-8])
def test_the_largest_error_of_a_tensor_is_reported_as_it_is(book, layer, off):
    before, (sheet, cell) = errors(book), cell_of(layer, "out", "formula")
    right = layer.program.run(layer.values)["out"]
    stored(book, (sheet, cell), float(right[0, 0] * (1 + off)))
    below = address(coordinate_to_tuple(cell)[0] + 1, coordinate_to_tuple(cell)[1])
    stored(book, (sheet, below), float(right[1, 0] * (1 + off / 10)))  # a smaller one beside it
    after = errors(book)
    assert after["out"] == (
        pytest.approx(abs(off * right[0, 0]), rel=1e-6),
        pytest.approx(abs(off), rel=1e-6),
        False,
    )
    assert {**after, "out": None} == {**before, "out": None}  # the other cells keep what was stored in them
    assert before["out"][2] and before["out"][1] < 1e-12


def test_an_error_within_bounds_is_reported_as_it_is(tmp_path):
    text = """
    title = "Small"
    question = "How far off is next to nothing?"
    forward = "s = x * w\\nloss = s + x"
    tensors.x = {role = "input", values = 0.001}
    tensors.w = {role = "parameter", values = 0.001}
    """
    lesson, path = lesson_of(text), tmp_path / "small.xlsx"
    assert build(lesson, path).ok
    stored(path, cell_of(lesson, "s", "formula"), 1e-6 + 5e-13)
    absolute, relative, good = errors(path)["s"]
    assert good and (absolute, relative) == (pytest.approx(5e-13, rel=1e-3), pytest.approx(5e-7, rel=1e-3))


def damaged(kind: str, built: Path, folder: Path) -> Path:
    path = folder / "given.xlsx"
    match kind:
        case "truncated":
            path.write_bytes(built.read_bytes()[:3000])
        case "text":
            path.write_text("not a workbook")
        case "empty":
            path.write_bytes(b"")
        case "folder":
            path.mkdir()
        case "foreign":
            Workbook().save(path)
        case "lesson damaged":
            shutil.copy(built, path)
            change(path, ("_sheetgrad", "A1"), '{"name": "x", "lesson": {"title": 3}}')
        case "lesson cut":
            shutil.copy(built, path)
            change(path, ("_sheetgrad", "A1"), '{"name": "x", "les')
    return path


@pytest.mark.parametrize(
    "kind", ["missing", "truncated", "text", "empty", "folder", "foreign", "lesson damaged", "lesson cut"]
)
def test_what_is_not_a_workbook_of_ours_is_refused_in_one_line(kind, built, tmp_path):
    path = damaged(kind, built, tmp_path)
    with pytest.raises(WorkbookError) as caught:
        verify(path)
    assert "given.xlsx" in str(caught.value) and "\n" not in str(caught.value)


def test_the_report_is_plain_data(built):
    data = json.loads(json.dumps(verify(built).as_dict()))
    assert {"workbook", "engine", "ok", "formula_cells", "checked_cells", "tensors", "nudges", "mismatches"} <= set(
        data
    )
    assert {"name", "cells", "max_abs_error", "max_rel_error", "ok"} <= set(data["tensors"][0])
    assert set(data["nudges"]) == {"agree", "disagree", "kink", "cannot_tell"}


# -- how far off -------------------------------------------------------------------------------------------------


def check_of(report, name):
    return next(tensor for tensor in report.tensors if tensor.name == name)


@pytest.mark.parametrize("off", [1e-7, 3e-11])
def test_errors_are_reported_as_they_were_measured(built, layer, off):
    """Neither 0, nor capped at what is allowed; also of slopes, which may be off by more."""
    plan, sheets = make_plan(layer), Contents(built.read_bytes()).all()
    found = {name: sheet.values for name, sheet in sheets.items()}
    for sheet in plan.sheets:
        for block in sheet.blocks:
            value = found[sheet.name].at(block.row, block.column)
            if block.kind != "formula" or block.name not in ("out", "w.g") or not value:
                continue
            there = {address(block.row, block.column): value * (1 + off)}
            report = compare(plan, sheets, found | {sheet.name: found[sheet.name] | there}, "w", "l", "e")
            tensor = check_of(report, block.name)
            assert tensor.max_rel_error == pytest.approx(off, rel=1e-3)
            assert tensor.max_abs_error == pytest.approx(abs(value) * off, rel=1e-3)
            assert tensor.ok == (off < 1e-9)


def test_a_slope_may_be_off_by_more_and_says_by_how_much():
    assert difference(1.0 + 1e-6, 1.0, 1e-5, 1e-12) == (pytest.approx(1e-6), pytest.approx(1e-6), True)
    assert difference(2e-13, 1e-13, 0.0, 1e-12) == (pytest.approx(1e-13), pytest.approx(1.0), True)
    assert difference(1e-13, 0.0, 0.0, 1e-12) == (1e-13, 0.0, True)  # no relative error of 0
    block = np.array([[1.0, 2.0], [0.0, -4.0]])
    off = block + np.array([[0, 2e-6], [1e-13, 0]])
    assert largest_differences(off, block, 1e-5, 1e-12) == (pytest.approx(2e-6), pytest.approx(1e-6))
    assert largest_differences(off, block, 0.0, 1e-12) is None


# -- what other applications write --------------------------------------------------------------------------------


def sheet_rewritten(path: Path, sheet: str, change) -> None:
    """Another XML for a sheet of a workbook."""
    with ZipFile(path) as archive:
        part = sheet_parts(archive)[sheet]
    path.write_bytes(rewritten(path.read_bytes(), lambda name, text: change(text) if name == part else text))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"<sheetData>", b'<sheetData><!-- <c r="A1"><f>1+1</f><v>9</v></c> -->'),
        lambda text: re.sub(rb"<(/?)(?=[a-zA-Z])", rb"<\1x:", text).replace(b"xmlns=", b"xmlns:x="),
        lambda text: re.sub(rb'<c r="([A-Z]+[0-9]+)"( s="[0-9]+")', rb'<c\2 r="\1"', text),
        lambda text: re.sub(rb"<f>([^<&]*)</f>", rb"<f><![CDATA[\1]]></f>", text),
    ],
    ids=["comments", "prefixes", "order of attributes", "character data"],
)
def test_a_workbook_in_other_xml_says_the_same(book, change):
    before = Contents(Path(book).read_bytes()).sheet("Gradients")
    sheet_rewritten(Path(book), "Gradients", change)
    after = Contents(Path(book).read_bytes()).sheet("Gradients")
    assert dict(after.formulas) == dict(before.formulas) and dict(after.values) == dict(before.values)


def test_shared_texts_dates_and_shared_formulas_are_read(tmp_path):
    text = b"""<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>
    <row r="1"><c r="A1"><v>3</v></c><c r="B1"><f t="shared" ref="B1:B3" si="0">A1*$A$1</f><v>9</v></c></row>
    <row r="2"><c r="A2"><v>4</v></c><c r="B2"><f t="shared" si="0"/><v>12</v></c></row>
    <row r="3"><c r="B3" t="str"><f t="shared" si="0"/><v>x &amp; y</v></c><c r="C3" t="b"><v>1</v></c>
    <c r="D3" t="e"><v>#N/A</v></c><c r="E3" t="s"><v>1</v></c><c r="F3" s="7"/></row>
    </sheetData></worksheet>"""
    shared = b"""<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>one</t></si>
    <si><r><t>two </t></r><r><t>parts</t></r><rPh sb="0" eb="1"><t>spoken</t></rPh></si></sst>"""
    path = tmp_path / "given.xlsx"
    Workbook().save(path)
    sheet_rewritten(path, "Sheet", lambda _: text)
    with ZipFile(path, "a") as archive:
        archive.writestr("xl/sharedStrings.xml", shared)
    sheet = Contents(path.read_bytes()).sheet("Sheet")
    assert dict(sheet.formulas) == {"B1": "=A1*$A$1", "B2": "=A2*$A$1", "B3": "=A3*$A$1"}
    texts = {"B3": "x & y", "C3": True, "D3": "#N/A", "E3": "two parts"}
    assert dict(sheet.values) == {"A1": 3.0, "B1": 9.0, "A2": 4.0, "B2": 12.0, **texts}
    assert isinstance(sheet.values["D3"], ErrorValue)
