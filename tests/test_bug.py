"""Lessons of the kind "find the wrong gradient": the bug, the workbook, mending it, handouts in which everyone has another."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from commands import assert_refused, sheetgrad
from lessons import BUGS, RIGHT, lesson_named, lesson_of
from openpyxl import Workbook, load_workbook
from teacher import give, graded, parts

from sheetgrad import Lesson, LessonError, build, verify
from sheetgrad.autodiff.slips import slips
from sheetgrad.classroom.give import handout
from sheetgrad.classroom.give.bugs import MOST, draw_slip, possible_bugs, with_slip
from sheetgrad.classroom.give.roster import Student
from sheetgrad.classroom.give.workshop import workshop
from sheetgrad.classroom.mark.answers import Marked
from sheetgrad.classroom.mark.marking import mark_one
from sheetgrad.engines import get_engine
from sheetgrad.formulas.fills import fill
from sheetgrad.formulas.places import address
from sheetgrad.formulas.printing import Printer
from sheetgrad.lesson.bugs import gradients, possible_slips
from sheetgrad.plan.drawing import GRADIENTS
from sheetgrad.plan.equations import draw
from sheetgrad.planning import blanks_of, make_plan
from sheetgrad.sheets.cover import VERDICT, settings_places

GATES = """
title = "Gates"
question = "Which line is wrong?"
forward = '''
l1 = x @ w1 + b1
l2 = relu(l1)
out = l2 @ w2 + b2
loss = mse(out, y)
'''
[tensors]
x = {role = "input", values = [[1.0, 2.0], [0.5, -1.0], [-1.5, 0.5]]}
w1 = {role = "parameter", values = [[0.5, -1.0], [1.0, 0.5]]}
b1 = {role = "parameter", values = [0.2, 0.1]}
w2 = {role = "parameter", values = [[1.0], [0.5]]}
b2 = {role = "parameter", values = [0.3]}
y = {role = "target", values = [[1.0], [0.0], [0.5]]}
"""
REACHED = {"x[2,2]", "x[3,1]", "x[3,2]", "b1[1]", "b1[2]", *(f"w1[{i},{j}]" for i in (1, 2) for j in (1, 2))}


def gates(bug: str, **more) -> Lesson:
    return lesson_of(f"{GATES}\n[bug]\n{bug}\n", "gates")


MASK = 'gradient = "l1.g"\nslip = "mask"'


def mended(lesson: Lesson, drawing, key: str) -> dict[str, str]:
    """The right formulas of a gradient, by cell of the Gradients sheet, in the places of a drawing."""
    item = next(item for item in drawing.drawn if item.key == key and item.purpose == "line")
    printer = Printer(drawing.book(item.step))
    found = {}
    for index in np.ndindex(item.place.shape):
        tokens = printer.tokens(lesson.derived.cells[key].element(index))
        ((formula,),) = fill(lambda i, j, tokens=tokens: tokens, 1, 1, GRADIENTS, True).formulas
        row, column = item.place.cell(index)
        found[f"{chr(64 + column)}{row}"] = formula
    return found


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The workbook of the gates without their mask, and the formulas that mend it."""
    lesson, path = gates(MASK), tmp_path_factory.mktemp("bug") / "gates.xlsx"
    report = build(lesson, path)
    return lesson, path, report, mended(lesson, draw(lesson, settings_places()), "l1.g")


def typed(path: Path, target: Path, cells: dict[str, object]) -> Path:
    book = load_workbook(path)
    for cell, content in cells.items():
        book[GRADIENTS][cell] = content
    book.save(target)
    return target


# -- the line that is wrong -----------------------------------------------------------------------------------------


def test_a_slip_by_name_makes_the_wrong_line_from_the_right_one():
    lesson = gates(MASK)
    lines = {line.target: line.text for line in lesson.program.backward}
    right = {line.target: line.text for line in lesson.derived.backward}
    assert (lines["l1.g"], right["l1.g"]) == ("l1.g = l2.g", "l1.g = l2.g * (l1 > 0)")
    assert {key: text for key, text in lines.items() if key != "l1.g"} == {
        key: text for key, text in right.items() if key != "l1.g"
    }
    assert gates('gradient = "l1.g"\nline = "l1.g = l2.g"').program.backward[4].text == lines["l1.g"]
    assert lesson.mended.program is lesson.derived and lesson.mended.bug is None


def test_what_follows_from_the_wrong_line_is_wrong_and_nothing_else():
    lesson = gates(MASK)
    right, wrong = lesson.derived.run(lesson.values), lesson.program.run(lesson.values)
    other = {key for key in right if not np.array_equal(right[key], wrong[key])}
    assert other == {"l1.g", "w1.g", "b1.g", "x.g"}
    np.testing.assert_array_equal(wrong["w1.g"], lesson.values["x"].T @ wrong["l1.g"])


@pytest.mark.parametrize(
    ("key", "name", "line"),
    [
        ("l1.g", "mask", "l1.g = l2.g"),
        ("l1.g", "sign", "l1.g = -(l2.g * (l1 > 0))"),
        ("l1.g", "upstream", "l1.g = l1 > 0"),
        ("l1.g", "neighbour", "l1.g = l2.g * (l1[:, :1] > 0)"),
        ("w1.g", "sum", "w1.g = x[:1].T @ l1.g[:1]"),
        ("w1.g", "sum 3", "w1.g = x[2:3].T @ l1.g[2:3]"),
        ("w1.g", "transposed", "w1.g = l1.g.T @ x"),
        ("x.g", "transposed 1", "x.g = l1.g @ w1"),
        ("b1.g", "sum", "b1.g = l1.g[0]"),
        ("b1.g", "averaged", "b1.g = l1.g.sum(0) / 3"),
        ("w2.g", "before", "w2.g = l1.T @ out.g"),
        ("out.g", "two", "out.g = (out - y) / 3"),
        ("out.g", "mean", "out.g = 2 * (out - y)"),
        ("out.g", "sign", "out.g = 2 * (y - out) / 3"),
    ],
)
def test_every_slip_is_one_change_of_the_right_line(key, name, line):
    assert gates(f'gradient = "{key}"\nslip = "{name}"').bug.line == line


def test_a_softmax_without_its_sum_and_a_curve_without_its_slope_are_slips_too():
    text = """
    title = "S"
    question = "Q"
    forward = "p = softmax(s)\\nq = sigmoid(p)\\nloss = (q * r).sum()"
    tensors.s = {role = "parameter", values = [[0.5, -1.0, 0.25]]}
    tensors.r = {role = "constant", values = [[1.0, 2.0, 4.0]]}
    """
    program = lesson_of(text).program
    found = {slip.name: slip.line.text for key in ("s.g", "p.g") for slip in slips(program, key) if slip.here}
    assert found["share"] == "s.g = p * p.g"
    assert found["slope"] == "p.g = q.g"
    assert found["before"] == "p.g = q.g * p * (1 - p)"


@pytest.mark.parametrize("name", RIGHT)
def test_every_slip_in_every_lesson_is_another_line_of_the_same_shape(name):
    """It can be written as a line, reads back as the same, and gives numbers that are not the right ones somewhere or other."""
    lesson = lesson_named(name)
    program, made = lesson.derived, 0
    rng = np.random.default_rng(1)
    drawn = [{key: value + rng.normal(size=value.shape) for key, value in lesson.values.items()} for _ in range(3)]
    tried = [program.run(numbers) for numbers in (lesson.values, *drawn)]
    for key in gradients(program):
        for slip in possible_slips(program, key):
            made += 1
            wrong = [slip.on_numbers(program, values) for values in tried]
            shape = program.shapes[key]
            assert all(one is None or one.shape == shape for one in wrong), slip.label
            differs = [
                one is not None and not np.allclose(one, values[key]) for one, values in zip(wrong, tried, strict=True)
            ]
            alike = all(np.ptp(values[key]) == 0 for values in tried)  # turned over, it is the same
            assert any(differs) or alike or slip.name == "upstream", slip.label  # and what comes may be 1
    assert made > 0


def test_what_cannot_be_a_bug_is_refused_in_one_line():
    for bug, *said in (
        ("", "gradient", "None", "expected a gradient such as"),
        ('gradient = "l3.g"\nslip = "mask"', "l3.g", "did you mean"),
        ('gradient = "loss.g"\nslip = "mask"', "loss.g"),
        ('gradient = "l1.g"', "either line", "or slip"),
        ('gradient = "l1.g"\nslip = "mask"\nline = "l1.g = l2.g"', "either line", "or slip"),
        ('gradient = "l1.g"\nslip = "masks"', "masks", "mask"),
        ('gradient = "w1.g"\nslip = "mask"', "mask", "for w1.g expected"),
        ('gradient = "l1.g"\nline = "w1.g = l2.g"', "a line for w1.g", "expected l1.g"),
        ('gradient = "l1.g"\nline = "l2.g * 2"', "expected a line such as"),
        ('gradient = "l1.g"\nline = "l1.g = open(l2.g)"', "there is no operation open"),
        ('gradient = "l1.g"\nline = "l1.g = l4.g"', "l4.g is not defined"),
        ('gradient = "l1.g"\nline = "l1.g = w1.g @ w2"', "w1.g", "before it is used"),
        ('gradient = "l1.g"\nline = "l1.g = out.g.T"', "l1.g as 1×3, expected 3×2"),
        ('gradient = "l1.g"\nline = "l1.g = l2.g * (l1 > 0) * 1"', "changes no gradient"),
        ('gradient = "l1.g"\nline = "l1.g = l2.g / (l1 - l1)"', "not a finite number"),
        ('gradient = "l1.g"\nslip = "mask"\nsize = 3', "size is not a known key"),
    ):
        with pytest.raises(LessonError) as error:
            gates(bug)
        assert "\n" not in str(error.value) and str(error.value).startswith("gates.toml, "), error.value
        assert all(word in str(error.value) for word in said), error.value


@pytest.mark.parametrize("other", ["code = true", "[training]", '[exercise]\nblank = ["w1.g"]', "[laboratory]"])
def test_sheets_that_would_tell_or_be_wrong_too_cannot_be_with_a_bug(other):
    with pytest.raises(LessonError, match="cannot be with"):
        text = f"{GATES}\n[bug]\n{MASK}\n"
        lesson_of(f"{other}\n{text}" if other[0] != "[" else f"{text}\n{other}\n", "gates")


def test_a_bug_that_shows_nowhere_on_the_numbers_is_refused():
    """Where every gate is open, to forget the mask changes nothing."""
    with pytest.raises(LessonError, match=r"l1\.g = l2\.g: changes no gradient"):
        lesson_of(f"{GATES.replace('[0.2, 0.1]', '[9.0, 9.0]')}\n[bug]\n{MASK}\n", "gates")


# -- the workbook ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUGS)
def test_exactly_what_the_bug_reaches_is_wrong_by_the_proof_and_by_the_nudges(shelf, name):
    report = shelf.built(lesson_named(name))[1]
    wrong = [one.name for one in report.proof.wrong]
    assert report.ok and not report.mismatches
    assert set(wrong) == set(report.disagreeing) == set(report.bug.shows) and wrong
    assert report.nudges["agree"] == report.proof.proven > 0
    assert report.bug.state == "not mended"
    assert report.as_dict()["bug"]["line"] == lesson_named(name).bug.line


def test_a_wrong_gradient_that_was_not_meant_is_still_an_error(book, tmp_path):
    """What is wrong on purpose excuses nothing else."""
    lesson, path, report, _ = book
    assert report.ok and set(report.disagreeing) == REACHED
    own = typed(
        path, tmp_path / "own.xlsx", {"B9": 1.0, **{cell: "=0" for cell in gradient_cells(load_workbook(path), "b2_g")}}
    )
    found = verify(own)
    assert not found.ok and [m.problem for m in found.mismatches] == ["not the gradient"]
    assert "b2[1]" in found.disagreeing


def gradient_cells(book: Workbook, name: str) -> list[str]:
    rows = book[GRADIENTS][book.defined_names[name].attr_text.rpartition("!")[2].replace("$", "")]
    rows = rows if isinstance(rows, tuple) else ((rows,),)
    return [cell.coordinate for row in rows for cell in row]


def test_all_gradients_look_alike_and_nothing_on_the_sheets_tells_which_is_wrong(book):
    lesson, path, *_ = book
    sheets = load_workbook(path)
    assert [name for name in sheets.sheetnames if name[0] != "_"] == ["Lesson", "Gradients", "Nudge"]
    names = [f"{line.target.replace('.', '_')}" for line in lesson.program.backward]
    styles = {sheets[GRADIENTS][cell].style for name in names for cell in gradient_cells(sheets, name)}
    styles = {style.removesuffix(" first") for style in styles}  # with a line at the left of each block
    assert len(styles) == 1
    shown = [str(cell.value) for row in sheets[GRADIENTS].iter_rows() for cell in row if cell.value is not None]
    assert "l1.g = l2.g" in shown and not any("l1 > 0" in text for text in shown)
    cells = [str(c.value) for row in sheets["Lesson"].iter_rows() for c in row if c.value is not None]
    mapped = [line.text for line in lesson.program.backward] + [line.target for line in lesson.program.backward]
    words = " ".join(text for text in cells if text not in mapped)  # the map shows every gradient
    assert "Your task" in words and "l1.g" not in words and "mask" not in words


@pytest.mark.parametrize("engine", ["formualizer", "ironcalc"])
def test_a_mended_workbook_turns_to_ticks_and_verify_says_so(book, tmp_path, engine):
    _, path, _, right = book
    report = verify(typed(path, tmp_path / "mended.xlsx", right), engine)
    assert report.ok and report.bug.state == "mended" and not report.bug.shows
    assert report.nudges["disagree"] == 0 and report.proof.proven == report.proof.gradients
    sentence = get_engine(engine).recalculate(tmp_path / "mended.xlsx")["Lesson"][address(*VERDICT)]
    assert sentence.startswith("15 of 15") and sentence.endswith("✓")


def test_a_half_mended_a_wrongly_mended_and_a_typed_over_workbook_are_told_apart(book, tmp_path):
    _, path, _, right = book
    half = dict(list(right.items())[:3])
    report = verify(typed(path, tmp_path / "half.xlsx", half))
    assert report.ok and report.bug.state == "partly mended" and report.nudges["disagree"] > 0
    cell = list(right)[0]
    report = verify(typed(path, tmp_path / "wrong.xlsx", {**right, cell: "=1+1"}))
    assert not report.ok and [(m.cell, m.problem) for m in report.mismatches] == [(cell, "not the gradient")]
    shows_right = get_engine("formualizer").recalculate(typed(path, tmp_path / "m.xlsx", right))[GRADIENTS][cell]
    report = verify(typed(path, tmp_path / "typed.xlsx", {**right, cell: shows_right}))
    assert not report.ok and [m.problem for m in report.mismatches] == ["formula overwritten"]
    assert report.bug.state == "partly mended"
    report = verify(typed(path, tmp_path / "error.xlsx", {**right, cell: "=1/0"}))
    assert not report.ok and report.mismatches[0].problem == "not the gradient"


def test_an_equal_formula_mends_as_well_and_one_that_is_right_elsewhere_is_kept(book, tmp_path):
    _, path, _, right = book
    other = {
        cell: f"=IF({re.search(r'[A-Z]+[0-9]+>0', text)[0]},{text[1:].split('*')[0]},0)" for cell, text in right.items()
    }
    bias, lines = gradient_cells(load_workbook(path), "b1_g"), load_workbook(path)[GRADIENTS]
    report = verify(typed(path, tmp_path / "a.xlsx", {**other, bias[0]: f"={lines[bias[0]].value[1:]}+0"}))
    assert report.ok and report.bug.state == "mended"


def test_the_command_line_names_the_line_for_the_teacher_and_verify_says_how_far_it_is_mended(book, tmp_path):
    _, path, _, right = book
    (tmp_path / "gates.toml").write_text(f"{GATES}\n[bug]\n{MASK}\n")
    done = sheetgrad("build", "gates.toml", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0 and "9 wrong" in done.stdout and "l1.g = l2.g" in done.stdout
    done = sheetgrad("verify", "out/gates.xlsx", cwd=tmp_path)
    assert done.returncode == 0 and "on purpose: not mended" in done.stdout and "l1.g = l2.g" not in done.stdout
    typed(path, tmp_path / "mended.xlsx", right)
    done = sheetgrad("verify", "mended.xlsx", "--json", cwd=tmp_path)
    assert done.returncode == 0 and json.loads(done.stdout)["bug"]["state"] == "mended"
    typed(path, tmp_path / "wrong.xlsx", {cell: "=0" for cell in right})
    done = sheetgrad("verify", "wrong.xlsx", cwd=tmp_path)
    assert done.returncode == 1 and "which is not the gradient" in done.stdout


# -- handouts -------------------------------------------------------------------------------------------------------


def solve(record: handout.Record, mark: str, path: Path) -> dict[str, str]:
    """Mends a handout as its key does; gives the formulas."""
    shop = workshop(record.course_of(record.given[mark]).text)
    places = {place for _, place in shop.blanks}
    drawing = draw(shop.lesson, {}, blanks_of(shop.lesson, checked=shop.course.checked), "0.000")
    formulas = {cell: text for cell, text in mended(shop.lesson, drawing, shop.asked[0]).items() if cell in places}
    typed(path, path, formulas)
    return formulas


def marked(record: handout.Record, mark: str, path: Path) -> Marked:
    one = record.given[mark]
    return Marked.from_dict(mark_one(record.course_of(one).text, one.numbers, path.read_bytes()))


@pytest.fixture(scope="module")
def class_of_four(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    return give(folder, [f"S{k}" for k in range(4)], gates(MASK), "practice"), folder


def test_every_student_gets_another_slip_the_same_again_for_the_same_seed(class_of_four, tmp_path):
    record, folder = class_of_four
    found = {mark: one.slip for mark, one in record.given.items()}
    assert len(set(found.values())) == 4
    again = handout.Record.load(folder)
    assert {mark: one.slip for mark, one in again.given.items()} == found
    students = [Student(f"S{k}") for k in range(4)]
    twin = handout.prepare(gates(MASK), students, tmp_path / "b", "practice", "s")
    assert {mark: one.slip for mark, one in twin.given.items()} == found
    other = handout.prepare(gates(MASK), students, tmp_path / "c", "practice", "another seed")
    assert {mark: one.slip for mark, one in other.given.items()} != found
    many = handout.prepare(gates(MASK), [Student(f"S{k}") for k in range(40)], tmp_path / "d", "exam", "s")
    slips_given = {one.slip for one in many.given.values()}
    assert len(slips_given) == len(possible_bugs(gates(MASK))) == MOST


def test_a_mended_handout_earns_every_mark_an_untouched_one_none_and_its_hint(class_of_four, tmp_path):
    record, folder = class_of_four
    for mark, one in record.given.items():
        path = tmp_path / f"{mark}.xlsx"
        path.write_bytes((folder / f"{mark}.xlsx").read_bytes())
        before = marked(record, mark, path)
        assert not before.problem and before.answers and not before.changed
        assert not any(answer.mark for answer in before.answers.values()), one.slip
        assert {answer.hint for answer in before.answers.values()} <= {one.slip.split()[1], "mask", "slope", "still"}, (
            one.slip
        )
        solve(record, mark, path)
        after = marked(record, mark, path)
        assert all(answer.strict for answer in after.answers.values()) and not after.changed, one.slip
        found = get_engine("formualizer").recalculate(path)
        assert set(found["Check"].values()) & {"✓", "✗", "kink"} <= {"✓", "kink"}


def test_no_part_of_a_handout_names_the_wrong_line_or_holds_the_right_one(class_of_four):
    record, folder = class_of_four
    for mark, one in record.given.items():
        shop = workshop(record.course_of(one).text)
        values = shop.right.program.run(shop.tensors(one.numbers))
        shown = shop.lesson.program.run(shop.tensors(one.numbers))
        line = next(line.text for line in shop.right.program.backward if line.target == shop.asked[0])
        there = {round(abs(float(x)), 9) for value in shown.values() for x in np.ravel(value)}
        secret = [float(x) for x in np.ravel(values[shop.asked[0]]) if round(abs(float(x)), 9) not in there]
        drawing = draw(shop.lesson, {}, blanks_of(shop.lesson, checked=shop.course.checked), "0.000")
        right = {text.lstrip("=") for text in mended(shop.lesson, drawing, shop.asked[0]).values()}
        book = load_workbook(folder / f"{mark}.xlsx")
        wrong = {str(cell.value).lstrip("=") for row in book[GRADIENTS] for cell in row}
        for part, text in parts(folder / f"{mark}.xlsx").items():
            numbers = {float(number) for number in re.findall(r"<v>(-?[0-9.]+(?:E-?[0-9]+)?)</v>", text)}
            assert not any(abs(a - b) <= 1e-9 * abs(a) for a in secret for b in numbers), (part, one.slip)
            plain = text.replace("&gt;", ">").replace("&lt;", "<")
            assert f">{line}<" not in plain and one.slip not in plain and "slip" not in plain
            for formula in right - wrong:
                assert len(formula) < 7 or f">{formula}<" not in plain, (part, one.slip)
        names = ("w1_g", "l1_g", "out_g", "x_g")
        styles = {book[GRADIENTS][cell].style for name in names for cell in gradient_cells(book, name)}
        assert len({style.removesuffix(" first") for style in styles}) == 1


def test_a_handout_lets_all_gradients_be_typed_over_and_nothing_else(class_of_four):
    record, folder = class_of_four
    book = load_workbook(folder / "S0.xlsx")
    sheet = book[GRADIENTS]
    names = [f"{key}_g" for key in ("w1", "b1", "w2", "b2", "x", "l1", "l2", "out")]
    own = {cell for name in names for cell in gradient_cells(book, name)}
    assert sheet.protection.sheet
    assert {cell.coordinate for row in sheet.iter_rows() for cell in row if not cell.protection.locked} == own


def test_the_signs_beside_the_gradients_show_something_wrong_and_where_is_left_to_find(class_of_four):
    record, folder = class_of_four
    for mark in record.given:
        stored = get_engine("cached").recalculate(folder / f"{mark}.xlsx")
        signs = list(stored[GRADIENTS].values())
        assert signs.count("✗") > 0 and "…" not in signs
        right = signs.count("✓")
        assert stored["Lesson"]["B7"] == f"{right} of 15 cells are right"


def test_every_key_is_mended_verifies_and_says_what_was_wrong(class_of_four):
    record, folder = class_of_four
    for mark, one in record.given.items():
        report = verify(folder / "key" / f"{mark}.xlsx")
        assert report.ok and report.bug is None and report.nudges["disagree"] == 0
        words = " ".join(parts(folder / "key" / f"{mark}.xlsx").values())
        assert workshop(record.course_of(one).text).lesson.bug.line in words.replace("&gt;", ">")


def test_a_right_number_that_was_spoiled_is_told(tmp_path):
    """Of a square that was turned over the diagonal was right: to retype it is no matter, to spoil it is."""
    record = give(tmp_path, ["A"], gates(MASK))
    one = record.given["A"]
    course = record.course.with_slip("w1.g transposed")
    shop = workshop(course.text)
    path = tmp_path / "own.xlsx"
    path.write_bytes(shop.make("A", "", one.numbers)[0])
    assert (len(shop.blanks), len(shop.beside)) == (2, 2)
    right = mended(
        shop.lesson, draw(shop.lesson, {}, blanks_of(shop.lesson, checked=shop.course.checked), "0.000"), "w1.g"
    )
    typed(path, path, right)
    done = Marked.from_dict(mark_one(course.text, one.numbers, path.read_bytes()))
    assert all(answer.mark for answer in done.answers.values()) and not done.changed
    (_, diagonal), _ = shop.beside
    typed(path, path, {diagonal: "=1"})
    done = Marked.from_dict(mark_one(course.text, one.numbers, path.read_bytes()))
    assert done.changed == [f"Gradients!{diagonal}"]


def test_a_class_is_graded_each_by_its_own_slip_and_a_friends_file_is_not_ones_own(class_of_four, tmp_path):
    record, folder = class_of_four
    box = tmp_path / "inbox"
    box.mkdir()
    for mark in ("S0", "S1", "S2"):
        (box / f"{mark}.xlsx").write_bytes((folder / f"{mark}.xlsx").read_bytes())
    solve(record, "S0", box / "S0.xlsx")
    (box / "S2.xlsx").write_bytes((box / "S0.xlsx").read_bytes())
    rows = graded(record, box, tmp_path / "j")
    total = {mark: sum(answer.mark for answer in row.marked.answers.values()) for mark, row in rows.items()}
    assert total["S0"] == len(rows["S0"].marked.answers) > 0 and total["S1"] == 0
    assert rows["S2"].status == "wrong student's file: that of S0"
    from sheetgrad.classroom.mark.report import tables

    found = tables(record, [rows[mark] for mark in record.given])["Grades"].set_index("id")
    for mark, one in record.given.items():
        line = record.course_of(one).shown.bug.line
        assert found.loc[mark, "wrong line"] == line
        assert found.loc[mark, "of"] == len(workshop(record.course_of(one).text).blanks)
    assert found.loc["S0", "total"] == found.loc["S0", "of"] and found.loc["S1", "total"] == 0


@pytest.mark.long
@pytest.mark.parametrize("name", BUGS)
@pytest.mark.parametrize("mode", ["practice", "exam"])
def test_every_slip_of_every_lesson_can_be_given_out_and_mended(name, mode, tmp_path):
    lesson = Lesson.load(name)
    record = give(tmp_path, [f"S{k}" for k in range(MOST)], lesson, mode)
    assert len({one.slip for one in record.given.values()}) == len(possible_bugs(lesson)) >= 8
    for mark, one in record.given.items():
        path = tmp_path / f"{mark}.xlsx"
        assert not any(answer.mark for answer in marked(record, mark, path).answers.values()), one.slip
        solve(record, mark, path)
        after = marked(record, mark, path)
        assert all(answer.strict for answer in after.answers.values()) and not after.changed, one.slip


def test_a_record_whose_slip_is_none_of_the_lessons_is_damaged(class_of_four, tmp_path):
    record, folder = class_of_four
    text = (folder / "handout.json").read_text(encoding="utf-8")
    (tmp_path / "handout.json").write_text(text.replace(record.given["S0"].slip, "l1.g nonsense"), encoding="utf-8")
    with pytest.raises(handout.HandoutError, match="damaged"):
        handout.Record.load(tmp_path)


def test_a_slip_that_does_not_show_on_ones_numbers_is_not_given():
    lesson = gates(MASK)
    bugs = {label: with_slip(lesson, label) for label in ("l1.g mask", "b2.g sign")}
    open_gates = lesson.values | {"b1": np.array([9.0, 9.0])}
    assert {draw_slip(bugs, open_gates, (), str(k)) for k in range(8)} == {"b2.g sign"}
    assert len({draw_slip(bugs, lesson.values, (), str(k)) for k in range(8)}) == 2


def test_nothing_can_be_left_blank_where_a_wrong_line_is_to_be_found(tmp_path):
    (tmp_path / "c.csv").write_text("id\na\n")
    call = ("handout", "bug-mask", "--roster", "c.csv", "-o", "out", "--blank", "w1.g")
    assert_refused(sheetgrad(*call, cwd=tmp_path), "w1.g", "none is blank")


def test_the_workbook_carries_its_bug_and_a_plan_without_it_is_another(book):
    lesson = book[0]
    assert Lesson.from_table(lesson.to_table(), "gates", "carried").bug == lesson.bug
    plans = [make_plan(one).sheet("Gradients") for one in (lesson, lesson.mended)]
    assert {b.open for b in plans[0].blocks} == {True, False} and {b.open for b in plans[1].blocks} == {False}
