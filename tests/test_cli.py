"""The command line: what it writes, what it says, and its exit status. Bad input is one line and status 2."""

import json
import re
from pathlib import Path

import pytest
import typer
from commands import as_process, assert_refused, sheetgrad
from lessons import COURSE, LAYER, lesson_named
from openpyxl import Workbook, load_workbook

from sheetgrad.cli import app

GOOD = """
title = "T"
question = "Q?"
forward = "loss = x * w"
[tensors.x]
role = "input"
values = 1.5
[tensors.w]
role = "parameter"
values = 2.0
"""


def test_list_shows_every_lesson_with_its_question_from_any_folder(tmp_path):
    done = sheetgrad("list", cwd=tmp_path)
    assert done.returncode == 0
    order = [line.split()[0] for line in done.stdout.splitlines()[1:]]
    assert order == sorted(COURSE, key=lambda name: lesson_named(name).order) and len(order) > 10
    assert (order[0], order[-1]) == ("nudge-x", "bug-transpose")
    assert "Where does out.g come from?" in done.stdout


def test_build_writes_each_lesson_that_is_named_into_workbooks(tmp_path):
    done = sheetgrad("build", "nudge-x", "step-size", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in (tmp_path / "workbooks").iterdir()) == ["nudge-x.xlsx", "step-size.xlsx"]
    assert done.stdout.count("✓ workbooks") == 2


@pytest.mark.long
def test_build_without_a_name_builds_all_lessons_into_workbooks(tmp_path):
    done = sheetgrad("build", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.stem for path in (tmp_path / "workbooks").iterdir()) == sorted(COURSE)
    assert done.stdout.count("✓ workbooks") == len(COURSE)


def test_new_writes_a_template_that_builds_and_is_not_overwritten(tmp_path):
    assert sheetgrad("new", "mine", cwd=tmp_path).returncode == 0
    done = sheetgrad("build", "mine.toml", "-o", "here", cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "here" / "mine.xlsx").exists()
    assert_refused(sheetgrad("new", "mine", cwd=tmp_path), "mine.toml", "exists")
    for place in ("../mine", "x y", "/tmp/mine"):
        assert_refused(sheetgrad("new", place, cwd=tmp_path), "plain name")


def test_verify_prints_a_table_for_people_and_json_for_programs(book, tmp_path):
    shown = sheetgrad("verify", book, cwd=tmp_path)
    assert shown.returncode == 0 and "w.g" in shown.stdout and "✓" in shown.stdout
    done = sheetgrad("verify", book, "--engine", "formualizer", "--engine", "ironcalc", "--json", cwd=tmp_path)
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [report["engine"] for report in reports] == ["formualizer", "ironcalc"]
    assert all(report["ok"] and report["checked_cells"] == report["formula_cells"] for report in reports)


def test_a_changed_formula_is_status_1_and_named(book, tmp_path):
    whole = load_workbook(book)
    sheet = whole["Gradients"]
    cell = next(c for row in sheet.iter_rows() for c in row if c.data_type == "f")
    before, cell.value = cell.value, "=1"
    whole.save(book)
    done = sheetgrad("verify", book, cwd=tmp_path)
    assert done.returncode == 1
    assert f"Gradients!{cell.coordinate}: formula changed: =1 was {before}" in done.stdout


def test_a_wrong_rule_is_status_1_and_says_which_gradients(tmp_path):
    wrong = '[ops.mse]\nforward = "((a - b) ** 2).mean()"\na = "g * 2 * (a - b)"\n'
    (tmp_path / "wrong.toml").write_text(LAYER + wrong)
    done = sheetgrad("build", "wrong.toml", cwd=tmp_path)
    assert done.returncode == 1
    assert "the rule's gradient disagrees with the nudge: x[1,1]" in done.stdout


def test_an_existing_file_is_replaced_only_when_it_is_the_same_lesson(tmp_path):
    (tmp_path / "one.toml").write_text(GOOD)
    (tmp_path / "two.toml").write_text(GOOD)
    target = tmp_path / "workbooks" / "one.xlsx"
    assert sheetgrad("build", "one.toml", cwd=tmp_path).returncode == 0
    assert sheetgrad("build", "one.toml", cwd=tmp_path).returncode == 0
    assert sheetgrad("build", "two.toml", cwd=tmp_path).returncode == 0
    (tmp_path / "workbooks" / "two.xlsx").replace(target)
    assert_refused(sheetgrad("build", "one.toml", cwd=tmp_path), "one.xlsx", "another lesson, two", "--force")
    Workbook().save(target)
    before = target.read_bytes()
    assert_refused(sheetgrad("build", "one.toml", cwd=tmp_path), "one.xlsx", "not made by sheetgrad", "--force")
    assert target.read_bytes() == before
    assert sheetgrad("build", "one.toml", "--force", cwd=tmp_path).returncode == 0


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "one.toml").write_text(GOOD)
    (tmp_path / "file").write_text("in the way")
    assert_refused(sheetgrad("build", "one.toml", "-o", "file", cwd=tmp_path), "cannot be written")


def test_files_that_are_no_workbooks_are_refused(tmp_path):
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04 broken")
    Workbook().save(tmp_path / "foreign.xlsx")
    assert_refused(sheetgrad("verify", "broken.xlsx", cwd=tmp_path), "broken.xlsx")
    assert_refused(sheetgrad("verify", "missing.xlsx", cwd=tmp_path), "missing.xlsx", "no such file")
    assert_refused(sheetgrad("verify", "foreign.xlsx", cwd=tmp_path), "not made by sheetgrad")


def test_an_unknown_engine_or_lesson_is_refused_with_what_there_is(book, tmp_path):
    assert_refused(sheetgrad("verify", book, "--engine", "abacus", cwd=tmp_path), "abacus", "formualizer")
    assert_refused(sheetgrad("build", "mpl", cwd=tmp_path), "mpl", "did you mean mlp")
    assert_refused(sheetgrad("build", "none.toml", cwd=tmp_path), "none.toml", "no such file")


def test_text_that_looks_like_a_formula_or_markup_stays_text(tmp_path):
    text = GOOD.replace('"T"', '"=1+1"').replace('"Q?"', '"[bold]why[/]?"')
    (tmp_path / "sly.toml").write_text(text)
    assert sheetgrad("build", "sly.toml", cwd=tmp_path).returncode == 0
    book = load_workbook(tmp_path / "workbooks" / "sly.xlsx")
    title = next(c for c in book["Lesson"]["B"] if c.value == "=1+1")
    assert title.data_type == "s"


def replaced(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


BAD = [
    ("title = ", ["not a TOML file"]),
    ("\x00", ["not a TOML file"]),
    (replaced('title = "T"', ""), ["title is missing"]),
    (replaced('title = "T"', "title = 3"), ["title", "text"]),
    (replaced('question = "Q?"', ""), ["question is missing"]),
    (replaced('forward = "loss = x * w"', ""), ["forward is missing"]),
    (replaced('forward = "loss = x * w"', 'forward = ""'), ["forward", "no line found"]),
    (replaced("loss = x * w", "loss = x * v"), ["v is not defined"]),
    (replaced("loss = x * w", "loss = x w"), ["forward line 1", "not a line of NumPy"]),
    (replaced("loss = x * w", "x * w"), ["forward line 1", "name = expression"]),
    (replaced("loss = x * w", "loss = open('f')"), ["forward line 1", "expected a number"]),
    (replaced("loss = x * w", "loss = x.real * w"), ["forward line 1", ".real"]),
    (replaced("loss = x * w", "w = x * w"), ["forward line 1", "w is defined already"]),
    (replaced("loss = x * w", "loss = sigmod(x) * w"), ["forward line 1", "did you mean sigmoid"]),
    (replaced("loss = x * w", "loss = x"), ["[tensors.w]", "no forward line uses w"]),
    (replaced("loss = x * w", "loss = log(-x) * w"), ["not a finite number"]),
    (replaced("values = 2.0", "values = [[1, 2], [3]]"), ["[tensors.w]", "equally many"]),
    (replaced("values = 2.0", 'values = "two"'), ["[tensors.w]", "values"]),
    (replaced("values = 2.0", "values = nan"), ["[tensors.w]", "finite"]),
    (replaced("values = 2.0", "values = []"), ["[tensors.w]", "found shape [0]"]),
    (replaced("values = 2.0", "values = [1.0, 2.0]"), ["forward line 1", "single number"]),
    (replaced("values = 2.0", ""), ["[tensors.w]", "expected exactly one"]),
    (replaced("values = 2.0", "values = 2.0\nshape = [2]"), ["[tensors.w]", "values and shape"]),
    (replaced("values = 2.0", "shape = [0]"), ["[tensors.w]", "shape"]),
    (replaced("values = 2.0", "shape = [100000, 100000]"), ["[tensors.w]", "at most"]),
    (replaced("values = 2.0", 'shape = []\nrandom = "odd"'), ["[tensors.w]", "normal, uniform or kaiming"]),
    (replaced("values = 2.0", "shape = []\nseed = -1"), ["[tensors.w]", "seed"]),
    (replaced("values = 2.0", 'csv = "../secret.csv"'), ["[tensors.w]", "own folder"]),
    (replaced("values = 2.0", 'csv = "/etc/passwd"'), ["[tensors.w]", "own folder"]),
    (replaced("values = 2.0", 'csv = "none.csv"'), ["[tensors.w]", "none.csv"]),
    (replaced("values = 2.0", 'csv = "data.csv"\ncolumns = ["legnth"]'), ["no 'legnth'", "did you mean length"]),
    (replaced("values = 2.0", 'csv = "data.csv"\nrows = [9]'), ["rows", "from 1 to 2"]),
    (replaced("values = 2.0", 'csv = "data.csv"\ncolumns = ["kind"]'), ["row 1, kind", "expected a number"]),
    (replaced('role = "parameter"', 'role = "weight"'), ["[tensors.w]", "expected one of input, parameter"]),
    (replaced('role = "parameter"', 'rule = "parameter"'), ["[tensors.w]", "did you mean role"]),
    (
        replaced("[tensors.w]", "[tensors.W]").replace("x * w", "x * W * w")
        + "[tensors.w]\nrole = 'input'\nvalues = 1",
        ["only in case"],
    ),
    (replaced("[tensors.w]", "[tensors.relu]").replace("x * w", "x * relu"), ["relu is an operation"]),
    (replaced("[tensors.w]", '[tensors."a b"]'), ["plain name"]),
    (GOOD.replace('"Q?"', '"Q?"\ngradients = ["v"]'), ["gradients", "v is not one of the tensors"]),
    (GOOD.replace('"Q?"', '"Q?"\ngradients = []'), ["gradients"]),
    (GOOD.replace('"Q?"', '"Q?"\ncolour = "red"'), ["colour is not a known key"]),
    (GOOD.replace('"input"', '"constant"').replace('"parameter"', '"target"'), ["none is an input or a parameter"]),
    (GOOD + "[nudge]\nstep = 0", ["[nudge] step"]),
    (GOOD + '[nudge]\nscheme = "both"', ["[nudge] scheme", "central or forward"]),
    (GOOD + "[nudge]\nlimit = 0", ["[nudge] limit"]),
    (GOOD + '[steps]\nnumber = "z"', ["[steps] number", "x, w"]),
    (GOOD.replace('"input"', '"constant"') + '[steps]\nnumber = "x"', ["[steps] number", "expected one of w"]),
    (replaced("values = 2.0", "shape = [true]"), ["[tensors.w]", "shape"]),
    (replaced("values = 2.0", 'csv = "data.csv"\ncolumns = [["length"]]'), ["[tensors.w]", "columns"]),
    (replaced("values = 2.0", 'csv = "data.csv"\nrows = 99999999999999999999'), ["rows", "from 1 to 2"]),
    (replaced("values = 2.0", "values = " + "9" * 5000), ["not a TOML file"]),
    (replaced("values = 2.0", 'csv = "wide.csv"'), ["more values than there are headings"]),
    (
        GOOD.replace("x * w", "x * w * cross_entropy(s, t)")
        + "[tensors]\ns = {role = 'input', values = [[1.0, 2.0]]}\nt = {role = 'target', values = [2]}",
        ["[tensors.t]", "class numbers 0 to 1"],
    ),
    (replaced("loss = x * w", "loss = x * leaky_relu(w, slope=x)"), ["plain values after ="]),
    (GOOD + "[laboratory]\nnumber = 'w[1]'", ["[laboratory] number", "'w[1]'", "expected x or w"]),
    (GOOD + "[training]\nlr = 0", ["[training] lr", "found 0"]),
    (GOOD + "[jacobian]\npairs = [['loss', 'x']]", ["[jacobian] pairs", "must be vectors"]),
    (replaced("loss = x * w", "loss = x.__class__"), ["forward line 1", "found .__class__"]),
    (replaced("loss = x * w", "loss = sum(a for a in x)"), ["forward line 1", "not part of the language"]),
    (replaced("loss = x * w", "loss = (lambda: x)()"), ["forward line 1", "not part of the language"]),
    (replaced("loss = x * w", "loss = x * w if x else w"), ["forward line 1", "not part of the language"]),
    (GOOD + "[laboratory]\nreach = 0", ["[laboratory] reach", "found 0"]),
    (GOOD + "[laboratory]\nstep = 1", ["[laboratory]", "step is not a known key"]),
    (GOOD + "[ops.f]\nforward = 3", ["[ops.f]", "expected forward"]),
    (GOOD + "[[tensors.q]]\nrole = 'input'", ["[tensors.q]", "expected a table"]),
]


@pytest.mark.parametrize(("text", "words"), BAD)
def test_a_bad_template_is_refused_in_one_line(text, words, tmp_path):
    (tmp_path / "wide.csv").write_text("a,b\n1,2,3\n4,5,6\n")
    (tmp_path / "data.csv").write_text("length,kind\n1.5,rose\n2.5,lily\n")
    (tmp_path / "bad.toml").write_text(text)
    done = sheetgrad("build", "bad.toml", cwd=tmp_path)
    assert_refused(done, "bad.toml", *words)
    assert not list(tmp_path.glob("workbooks/*"))


def test_a_process_of_its_own_says_and_ends_with_the_same(book, tmp_path):
    """The other tests call the command in their own process; a user starts one."""
    (tmp_path / "good.toml").write_text(GOOD)
    (tmp_path / "bad.toml").write_text(GOOD.replace("x * w", "x * v"))
    broken = load_workbook(book)
    broken["Gradients"][next(c.coordinate for row in broken["Gradients"] for c in row if c.data_type == "f")] = "=1"
    broken.save(tmp_path / "broken.xlsx")
    for call, status in (
        (("list",), 0),
        (("build", "good.toml", "--force"), 0),
        (("verify", "layer.xlsx", "--json"), 0),
        (("verify", "broken.xlsx"), 1),
        (("build", "bad.toml"), 2),
    ):
        one, other = (run(*call, cwd=tmp_path) for run in (as_process, sheetgrad))
        assert one.returncode == other.returncode == status, one.stdout + one.stderr
        assert (one.stdout, one.stderr) == (other.stdout, other.stderr)


COMMANDS = typer.main.get_command(app).commands


def test_the_commands_are_those_of_the_readme():
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    assert list(dict.fromkeys(re.findall(r"^\| `sheetgrad (\w+)", readme, re.MULTILINE))) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_names_each_option_and_shows_an_example(name, tmp_path):
    done = sheetgrad(name, "--help", cwd=tmp_path)
    assert done.returncode == 0
    words = done.stdout.split()
    for parameter in COMMANDS[name].params:
        for option in [*parameter.opts, *parameter.secondary_opts] if parameter.param_type_name == "option" else []:
            assert option in words, option
        assert parameter.help, parameter.name
    assert re.search(rf"^ *sheetgrad {name}\b", done.stdout, re.MULTILINE), "an example"
