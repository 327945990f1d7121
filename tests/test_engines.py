"""Every engine recalculates real files, and says the same of them in the same words."""

import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from sheetgrad import engines
from sheetgrad.engines import AUTOMATIC, ENGINES, EngineError, ErrorValue, Formula, Grid, get_engine
from sheetgrad.engines.formualizer import OpenWorkbook
from sheetgrad.engines.libreoffice import LibreOffice
from sheetgrad.workbook.spelling import same_formula
from sheetgrad.workbook.values import store_values

STALE = 999.0


def skip_if_absent(name):
    if name == "ironcalc":
        pytest.importorskip("ironcalc")
    if name == "libreoffice" and shutil.which("soffice") is None:
        pytest.skip("LibreOffice is not installed")


@pytest.fixture(params=ENGINES)
def any_engine(request):
    skip_if_absent(request.param)
    return get_engine(request.param)


@pytest.fixture(params=[name for name in ENGINES if name != "cached"])
def engine(request):
    """An engine that really computes."""
    skip_if_absent(request.param)
    return get_engine(request.param)


def store_stale_values(path):
    """Put 999 into every formula cell, as if Excel had stored it."""
    with zipfile.ZipFile(path) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(path, "w") as target:
        for name, part in parts.items():
            if name.startswith("xl/worksheets/"):
                part = re.sub(rb"</f><v ?/>|</f><v></v>", b"</f><v>999</v>", part)
            target.writestr(name, part)


@pytest.fixture
def book(tmp_path):
    """Two sheets, one of them very hidden, with stale stored values throughout."""
    workbook = Workbook()
    sheet = workbook.active
    sheet.title = "It's a sheet"
    for cell, value in {
        "B2": 2,
        "C2": "=B2*3",
        "D2": "=C2+_hidden!A1",
        "B3": "naïve ✓",
        "C3": '=B3&" "&ROUND(B2/3,2)',
        "D3": '=""',
        "B4": True,
        "C4": "=B2>1",
        "B5": "=1/0",
        "C5": "=NA()",
        "D5": "=SQRT(-1)",
        "E5": '="#DIV/0!"',
        "F5": "=NOSUCHFUNCTION(1)",
    }.items():
        sheet[cell] = value
    sheet["AB40"].number_format = "0.00"  # formatted, empty
    hidden = workbook.create_sheet("_hidden")
    hidden.sheet_state = "veryHidden"
    hidden["A1"] = "='It''s a sheet'!B2+10"
    workbook.create_sheet("Empty")
    path = tmp_path / "book.xlsx"
    workbook.save(path)
    store_stale_values(path)
    return path


def test_stale_values_are_recalculated(engine, book):
    values = engine.recalculate(book)
    assert values["It's a sheet"]["C2"] == 6.0
    assert values["It's a sheet"]["D2"] == 18.0
    assert type(values["It's a sheet"]["B2"]) is float


def test_a_very_hidden_sheet_is_included_and_an_empty_one_is_empty(engine, book):
    values = engine.recalculate(book)
    assert list(values) == ["It's a sheet", "_hidden", "Empty"]
    assert values["_hidden"] == {"A1": 12.0}
    assert values["Empty"] == {}


def test_text_and_booleans_keep_their_type(engine, book):
    sheet = engine.recalculate(book)["It's a sheet"]
    assert (sheet["B3"], sheet["C3"], sheet["D3"]) == ("naïve ✓", "naïve ✓ 0.67", "")
    assert sheet["B4"] is True
    assert sheet["C4"] is True


def test_errors_are_told_apart_from_text_that_looks_like_one(engine, book):
    sheet = engine.recalculate(book)["It's a sheet"]
    assert (sheet["B5"], sheet["C5"], sheet["F5"]) == ("#DIV/0!", "#N/A", "#NAME?")
    for cell in ("B5", "C5", "D5", "F5"):  # D5, the root of -1, is #NUM! but for LibreOffice: #VALUE!
        assert isinstance(sheet[cell], ErrorValue)
    assert sheet["E5"] == "#DIV/0!"
    assert not isinstance(sheet["E5"], ErrorValue)


def test_cells_without_content_are_absent(engine, book):
    content = {"B2", "C2", "D2", "B3", "C3", "D3", "B4", "C4", "B5", "C5", "D5", "E5", "F5"}
    assert set(engine.recalculate(book)["It's a sheet"]) == content


def test_a_formatted_empty_cell_counts_for_nothing(engine, tmp_path):
    workbook = Workbook()
    sheet = workbook.active
    sheet["A1"] = 4
    sheet["A2"].number_format = "0.00"
    sheet["B1"] = "=AVERAGE(A1:A2)"
    sheet["B2"] = "=COUNT(A1:A2)"
    workbook.save(tmp_path / "book.xlsx")
    assert engine.recalculate(tmp_path / "book.xlsx") == {"Sheet": {"A1": 4.0, "B1": 4.0, "B2": 1.0}}


def test_changes_are_followed_and_the_file_stays_as_it_was(engine, book):
    before = book.read_bytes()
    values = engine.recalculate(book, {"It's a sheet": {"B2": 5, "B3": "=B2"}, "Empty": {"C7": 0.1}})
    sheet = values["It's a sheet"]
    assert (sheet["C2"], sheet["D2"], values["_hidden"]["A1"]) == (15.0, 30.0, 15.0)
    assert sheet["C3"] == "=B2 1.67"
    assert values["Empty"] == {"C7": 0.1}
    assert book.read_bytes() == before


def test_a_formula_gives_way_to_a_number_set_in_its_place(engine, book):
    sheet = engine.recalculate(book, {"It's a sheet": {"C2": 7.5}})["It's a sheet"]
    assert (sheet["C2"], sheet["D2"]) == (7.5, 19.5)


def test_changing_a_sheet_that_is_not_there_names_those_that_are(engine, book):
    with pytest.raises(EngineError, match=f"{engine.name}: .*book.xlsx: there is no sheet 'Emtpy', only .*_hidden"):
        engine.recalculate(book, {"Emtpy": {"A1": 1.0}})


def test_a_file_that_is_no_workbook_is_refused_in_one_quiet_line(any_engine, tmp_path, capfd):
    path = tmp_path / "notes.xlsx"
    path.write_text("1;2;3\n")
    with pytest.raises(EngineError, match=rf"^{any_engine.name}: .*notes\.xlsx: not a workbook") as caught:
        any_engine.recalculate(path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_damaged_workbook_is_refused_in_one_quiet_line(any_engine, book, capfd):
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook><sheets><sheet")
    with pytest.raises(EngineError, match=rf"^{any_engine.name}: .*book\.xlsx: ") as caught:
        any_engine.recalculate(book)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_missing_file_is_named(any_engine, tmp_path):
    with pytest.raises(EngineError, match=r"gone\.xlsx: no such file"):
        any_engine.recalculate(tmp_path / "gone.xlsx")


def test_an_unknown_engine_lists_the_known_ones():
    with pytest.raises(EngineError, match="'excel': use one of formualizer, ironcalc, libreoffice, cached"):
        get_engine("excel")


def test_an_engine_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ironcalc", None)
    with pytest.raises(EngineError, match=r"ironcalc is not installed: pip install 'sheetgrad\[ironcalc\]'"):
        get_engine("ironcalc")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EngineError, match="soffice is not on PATH: install LibreOffice"):
        get_engine("libreoffice")


def test_cached_gives_what_is_stored_right_or_wrong(book):
    assert get_engine("cached").recalculate(book)["_hidden"] == {"A1": STALE}


def test_cached_refuses_changes(book):
    with pytest.raises(EngineError, match="use another engine"):
        get_engine("cached").recalculate(book, {"Empty": {"A1": 1.0}})


def test_cached_names_a_formula_without_a_stored_value(tmp_path):
    workbook = Workbook()
    workbook.active["B3"] = "=1+1"
    workbook.save(tmp_path / "unsaved.xlsx")
    with pytest.raises(EngineError, match="Sheet!B3 has no stored value"):
        get_engine("cached").recalculate(tmp_path / "unsaved.xlsx")


def test_values_that_formualizer_stores_are_those_that_it_computes(tmp_path):
    path = tmp_path / "book.xlsx"
    workbook = Workbook()
    sheet = workbook.active
    for row, formula in enumerate(["=1/3", "=1/0", '="✓"', '=""', "=1=1", "=ERF(0.3)"], start=1):
        sheet.cell(row, 1).value = formula
    workbook.save(path)
    store_values(path)
    assert get_engine("cached").recalculate(path) == get_engine("formualizer").recalculate(path)


def test_storing_values_names_a_function_that_formualizer_does_not_know(book):
    with pytest.raises(EngineError, match="does not know NOSUCHFUNCTION"):
        store_values(book)


def test_a_formula_that_the_engine_left_out_is_named_and_the_file_stays_as_it_was(book, monkeypatch):
    path = book
    workbook = Workbook()
    workbook.active["A1"], workbook.active["C4"] = 1, "=A1+1"
    workbook.save(path)
    before = path.read_bytes()
    grids = get_engine("formualizer").recalculate(path)
    lacking = {"Sheet": Grid.of(cell for cell in grids["Sheet"].cells() if cell[:2] != (4, 3))}
    monkeypatch.setattr(OpenWorkbook, "grids", lambda session: lacking)
    with pytest.raises(EngineError, match="Sheet!C4 was not evaluated"):
        store_values(path)
    assert path.read_bytes() == before


def test_stored_values_leave_everything_else_in_the_file_as_it_was(book):
    workbook = load_workbook(book)
    del workbook["It's a sheet"]["F5"]
    workbook.save(book)
    with zipfile.ZipFile(book) as archive:
        before = {name: archive.read(name) for name in archive.namelist()}
    store_values(book)
    with zipfile.ZipFile(book) as archive:
        for name in archive.namelist():
            part = archive.read(name)
            if name.startswith("xl/worksheets/"):
                part, before[name] = (
                    re.sub(rb' t="(str|b|e|n)"|<v>[^<]*</v>|<v ?/>', b"", x) for x in (part, before[name])
                )
            assert part == before[name]


# -- sessions -----------------------------------------------------------------------------------------------------


def test_a_session_follows_changes_and_puts_back_what_stood_there(engine, book):
    sheet = "It's a sheet"
    wanted = {sheet: ["B2", "B3", "C2", "D2", "Z9"], "_hidden": ["A1"]}
    with engine.opened(book) as session:
        assert session.sheets == [sheet, "_hidden", "Empty"]
        first = session.values(wanted)
        assert first[sheet] == {"B2": 2.0, "B3": "naïve ✓", "C2": 6.0, "D2": 18.0, "Z9": None}
        before = session.change({sheet: {"B2": 5.0, "B3": "=B2", "C2": Formula("=B2*10"), "Z9": 1.0}})
        changed = {"B2": 5.0, "B3": "=B2", "C2": 50.0, "D2": 65.0, "Z9": 1.0}
        assert session.values(wanted)[sheet] == changed == session.values_of_few(wanted)[sheet]
        session.restore(before)
        assert session.values_of_few(wanted) == first == session.values(wanted)
        session.clear(sheet, ["B2"])
        assert session.values(wanted)[sheet]["C2"] == 0.0
        assert same_formula("=" + session.formula(sheet, "C2").lstrip("="), "=B2*3")
        assert not session.formula(sheet, "B2")


def test_scenarios_of_a_session_do_not_add_up(engine, book):
    sheet = "It's a sheet"
    scenarios = [{}, {sheet: {"B2": 5.0}}, {"_hidden": {"A1": 0.0}}, {sheet: {"B2": 7.0}}]
    found = engine.recalculate_each(book, scenarios, {sheet: ["D2"]})
    assert [values[sheet]["D2"] for values in found] == [18.0, 30.0, 6.0, 38.0]


def test_a_session_that_takes_too_long_is_stopped_where_it_is_a_process_of_its_own(book):
    skip_if_absent("libreoffice")
    with (
        pytest.raises(EngineError, match=r"libreoffice: .* not done after|no time is left"),
        get_engine("libreoffice").opened(book, seconds=0.05) as session,
    ):
        session.grids()


def test_an_engine_that_is_a_module_is_found_by_its_declaration():
    assert ENGINES == ("formualizer", "ironcalc", "libreoffice", "cached")
    assert ENGINES[:3] == AUTOMATIC
    folder = Path(engines.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} == {"__init__", *ENGINES}


def test_nothing_but_an_engines_own_module_names_it():
    """Marking, gradcheck and verification ask for an engine by its place in the order."""
    package = Path(engines.__file__).parent.parent
    rooms = ("gradchecking", "verifying", "workbook", "classroom/mark")
    asking = [package / "building.py", *(path for room in rooms for path in (package / room).glob("*.py"))]
    asking += [package / "classroom" / "give" / name for name in ("stencil.py", "workshop.py")]
    assert len(asking) > 25
    for path in asking:
        code = re.sub(r'""".*?"""|#.*', "", path.read_text(encoding="utf-8"), flags=re.S)
        assert not re.search(r"formualizer|ironcalc|libreoffice", code, re.I), path


def test_libreoffice_takes_many_files_of_one_name_at_once(tmp_path):
    skip_if_absent("libreoffice")
    paths = [tmp_path / name / "book.xlsx" for name in ("anna", "ben")]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        workbook = Workbook()
        workbook.active["A1"] = number
        workbook.active["A2"] = "=A1+1"
        workbook.save(path)
    first, second = LibreOffice().recalculate_many(paths)
    assert first == {"Sheet": {"A1": 0.0, "A2": 1.0}}
    assert second == {"Sheet": {"A1": 1.0, "A2": 2.0}}


def test_a_libreoffice_that_takes_too_long_is_stopped_and_leaves_nothing(book, tmp_path, monkeypatch):
    skip_if_absent("libreoffice")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    with pytest.raises(EngineError, match=r"not done after 0\.05 s"):
        LibreOffice(timeout=0.05).recalculate(book)
    assert list(scratch.iterdir()) == []


def test_values_agree_between_engines(engine, tmp_path):
    workbook = Workbook()
    sheet = workbook.active
    for row in range(1, 31):
        sheet.cell(row, 1).value = row / 7
        sheet.cell(row, 2).value = f"=TANH(A{row})*EXP(-A{row})+ERF(A{row}/9)"
    sheet["C1"] = "=SUMPRODUCT(A1:A30,B1:B30)-SUMXMY2(A1:A30,B1:B30)"
    path = tmp_path / "book.xlsx"
    workbook.save(path)
    expected = get_engine("formualizer").recalculate(path)["Sheet"]
    assert engine.recalculate(path)["Sheet"] == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("engine", ["formualizer", "ironcalc"])
def test_a_matrix_product_is_known_alone_and_as_an_array_formula(engine, tmp_path):
    """Formualizer learns MMULT from us."""
    book = Workbook()
    sheet = book.active
    sheet["A1"], sheet["B1"], sheet["A2"], sheet["B2"] = 1, 2, 3, 4
    sheet["D1"] = "=SUM(MMULT(A1:B2,A1:B2))"
    sheet["D2"] = "=INDEX(MMULT(TRANSPOSE(A1:A2),A1:A2),1,1)"
    book.save(tmp_path / "m.xlsx")
    found = get_engine(engine).recalculate(tmp_path / "m.xlsx")["Sheet"]
    assert (found["D1"], found["D2"]) == (54.0, 10.0)
