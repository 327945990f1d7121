"""Handouts: what is in the files and what is not, numbers of one's own, keys, interruptions, paper."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from commands import assert_refused, sheetgrad
from conftest import needs_libreoffice
from lessons import RIGHT
from openpyxl import load_workbook
from pupils import BLANK, EXAMPLES, HIDDEN, Desk, masked, products, sums
from teacher import give, graded, mlp, one_student, parts

from sheetgrad import Lesson, LessonError, verify
from sheetgrad.classroom.give import handout
from sheetgrad.classroom.give.roster import Student
from sheetgrad.classroom.give.variants import Variants
from sheetgrad.classroom.give.workshop import Course, workshop
from sheetgrad.classroom.mark.answers import Marked
from sheetgrad.classroom.mark.marking import mark_one
from sheetgrad.engines import get_engine
from sheetgrad.formulas.fills import fill
from sheetgrad.formulas.printing import Printer
from sheetgrad.plan.drawing import Blanks
from sheetgrad.plan.equations import draw
from sheetgrad.workbook.style import AGREE_INK, MUTED, STYLES


@pytest.mark.parametrize(
    ("name", "mode"),
    [(name, "practice") for name in RIGHT]
    + [pytest.param(name, "exam", marks=[] if name in ("mlp", "bias") else pytest.mark.long) for name in RIGHT],
)
def test_no_part_of_a_handout_holds_an_answer(shelf, name, mode):
    """Neither the numbers of blank gradients, nor their lines, nor their formulas, nor the lesson's own text."""
    lesson = Lesson.load(name).with_blank()
    record, folder = one_student(shelf, name, mode)
    shop = workshop(record.course.text)
    values = lesson.program.run(shop.tensors(record.given["A"].numbers))
    blanks = Blanks(lesson.exercise.blank)  # and what hangs on them: in the handout, none of it has a number
    hidden = {*blanks.keys, *blanks.withheld(lesson.program), *blanks.on_the_way(lesson.program)}
    given = {round(abs(float(x)), 9) for key, value in values.items() if key not in hidden for x in np.ravel(value)}
    answers = {float(x) for key in lesson.exercise.blank for x in np.ravel(values[key])}
    secret = [x for x in answers if round(abs(x), 9) not in given and abs(x * 1000 % 1) > 1e-6]
    lines = [line.text for line in lesson.program.backward if line.target in lesson.exercise.blank]
    formulas = answer_formulas(load_workbook(folder / "key" / "A.xlsx"), lesson)
    assert lines and lesson.text and (formulas or name in ("nudge-x", "step-size"))  # there the answer is one cell
    assert secret or name in ("kinks", "nudge-x", "step-size")  # there it is a number that is given as well
    for part, text in parts(folder / "A.xlsx").items():
        numbers = {float(found) for found in re.findall(r"<v>(-?[0-9.]+(?:E-?[0-9]+)?)</v>", text)}
        for number in secret:
            assert not any(abs(number - other) <= 1e-9 * abs(number) for other in numbers), (part, number)
            assert repr(number) not in text
        for line in lines:
            own = line.split(" = ", 1)[1]
            assert line not in text and (own in values or own not in text.replace("&gt;", ">")), (part, line)
        assert lesson.text[:60] not in text
        for formula in formulas:
            assert f">{formula}<" not in text
    sheets = load_workbook(folder / "A.xlsx").sheetnames
    assert sheets == ["Lesson", "Gradients", *(["Check"] if mode == "practice" else []), "_sheetgrad"]


def answer_formulas(key, lesson: Lesson) -> set[str]:
    """The formulas of the blanks as the key has them, without those that say no more than where something stands."""
    found = set()
    for name in lesson.exercise.blank:
        area = key.defined_names[name.replace(".", "_")].attr_text.rpartition("!")[2].replace("$", "")
        rows = key["Gradients"][area]
        rows = rows if isinstance(rows, tuple) else ((rows,),)
        found |= {
            str(cell.value).lstrip("=") for row in rows for cell in row if cell.value and len(str(cell.value)) > 6
        }
    return found


def test_blanks_are_open_all_else_is_locked_and_the_students_name_stands_everywhere(tmp_path):
    record = handout.prepare(mlp(), [Student("A-1", "Zoë O'Brien & Søn <3")], tmp_path, "practice", None)
    list(handout.make(record, tmp_path, handout.missing(record, tmp_path)))
    book = load_workbook(tmp_path / "A-1.xlsx")
    blanks = set(workshop(record.course.text).blanks)
    for sheet in book.worksheets[:-1]:
        assert sheet.protection.sheet and not sheet.protection.password
        assert sheet.oddHeader.left.text == "Zoë O'Brien && Søn <3" and sheet.oddHeader.right.text == "A-1"
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.protection.locked == ((sheet.title, cell.coordinate) not in blanks)
                if (sheet.title, cell.coordinate) in blanks:
                    assert cell.value is None and cell.border.left.style and cell.border.bottom.style
    assert (book["Lesson"]["C2"].value, book["Lesson"]["C3"].value) == ("Zoë O'Brien & Søn <3", "A-1")
    assert book["_sheetgrad"].sheet_state == "veryHidden"


def test_what_depends_on_a_blank_waits_for_it_and_the_checks_answer(tmp_path):
    record = give(tmp_path, ["A"], mlp("l1.g", "b1.g"), "practice")
    path = tmp_path / "A.xlsx"
    stored = get_engine("cached").recalculate(path)
    desk = Desk(path)
    waiting = desk.cell("x_g", 0, 0), desk.cell("w1_g", 1, 2)
    assert [stored["Gradients"][cell] for cell in waiting] == ["", ""]
    assert stored["Lesson"]["B7"] == "0 of 21 cells are right"
    l1 = {desk.cell("l1_g", i, HIDDEN + j) for i in range(EXAMPLES) for j in range(HIDDEN)}
    b1 = {desk.cell("b1_g", 0, HIDDEN + j) for j in range(HIDDEN)}
    assert {cell for cell, value in stored["Gradients"].items() if value == "…"} == l1 | b1  # beside each blank
    desk.fill(masked(desk), None, sums(desk, "=SUM(%s)+0.001"))
    desk.save()
    for engine in ("formualizer", "ironcalc"):
        found = get_engine(engine).recalculate(path)
        assert found["Lesson"]["B7"] == "18 of 21 cells are right", engine
        assert Counter(found["Gradients"].values())["✗"] == 3
        assert {found["Gradients"][cell] for cell in l1} == {"✓"}
        assert {found["Gradients"][cell] for cell in b1} == {"✗"}
        assert all(isinstance(found["Gradients"][cell], float) for cell in waiting)
    assert record.course.checked


@pytest.mark.parametrize("engine", ["formualizer", "ironcalc", pytest.param("libreoffice", marks=needs_libreoffice)])
def test_a_right_formula_waits_for_the_blank_that_it_is_computed_from(tmp_path, engine):
    give(tmp_path, ["A"], mlp("l1.g", "w1.g", "b1.g"), "practice")
    desk = Desk(tmp_path / "A.xlsx")
    desk.fill(None, products(desk), sums(desk))
    desk.sheet[desk.cell("b1_g", 0, 1)] = "nothing yet"
    desk.save(tmp_path / "early.xlsx")
    early = get_engine(engine).recalculate(tmp_path / "early.xlsx")
    signs = Counter(early["Gradients"].values())
    assert (signs["waits"], signs["…"], signs["✗"], signs["✓"]) == (9, 18, 0, 0)
    assert Counter(early["Check"].values())["waits for l1.g"] == 9
    assert states(early) == {"l1.g": "0 of 18 right", "w1.g": "waits for l1.g", "b1.g": "waits for l1.g"}
    desk.fill(masked(desk), None, None)
    desk.save(tmp_path / "then.xlsx")
    then = get_engine(engine).recalculate(tmp_path / "then.xlsx")
    signs = Counter(then["Gradients"].values())
    assert (signs["waits"], signs["…"], signs["✗"], signs["✓"]) == (0, 0, 1, 26)  # the text is no gradient
    assert states(then) == {"l1.g": "18 of 18 right ✓", "w1.g": "6 of 6 right ✓", "b1.g": "2 of 3 right"}
    assert then["Lesson"]["B7"] == "26 of 27 cells are right"


def states(found) -> dict[str, str]:
    """What the Lesson sheet says of each blank, in its order."""
    rows = range(10, 13)
    return {found["Lesson"][f"B{row}"]: found["Lesson"][f"G{row}"] for row in rows}


def test_blanks_are_listed_in_the_order_in_which_they_can_be_filled_and_nothing_right_is_not_green(tmp_path):
    give(tmp_path, ["A"], mlp("b1.g", "out.g", "w1.g", "l1.g", "l2.g"), "practice")
    sheet = load_workbook(tmp_path / "A.xlsx")["Lesson"]
    assert [sheet.cell(row, 2).value for row in range(10, 15)] == ["out.g", "l2.g", "l1.g", "w1.g", "b1.g"]
    assert sheet["B7"].font.color.rgb.endswith(STYLES["score"].color) and STYLES["score"].color == MUTED
    green = [rule for area in sheet.conditional_formatting if "B7" in str(area.sqref) for rule in area.rules]
    assert any("✓" in rule.formula[0] and rule.dxf.font.color.rgb.endswith(AGREE_INK) for rule in green)


@pytest.mark.parametrize("name", ["mini-batch", "find-dw-db", "linear-layer", "neuron", "cross-entropy", "kinks"])
@pytest.mark.parametrize("mode", ["practice", "exam"])
def test_the_answers_of_the_key_earn_all_marks_and_ticks(shelf, name, mode, tmp_path):
    """The key's formulas, moved to where the handout has its blanks."""
    record, folder = one_student(shelf, name, mode)
    shop = workshop(record.course.text)
    path = Path(shutil.copy(folder / "A.xlsx", tmp_path))
    fill_in(path, shop)
    table = Marked.from_dict(mark_one(record.course.text, record.given["A"].numbers, path.read_bytes()))
    assert not table.problem and not table.changed
    assert all(answer.strict for answer in table.answers.values()), table.answers
    if mode == "practice":
        for engine in ("formualizer", "ironcalc"):
            found = get_engine(engine).recalculate(path)
            total = len(table.answers)
            kinks = [cell for cell, value in found["Gradients"].items() if value == "kink"]
            assert len(kinks) == (4 if name == "kinks" else 0), engine  # all [2] stand at 0, at a corner
            assert found["Lesson"]["B7"] == f"{total - len(kinks)} of {total} cells are right ✓", engine


def fill_in(path: Path, shop) -> None:
    """Right formulas by the printer of the key, in the handout's own places."""
    lesson = shop.lesson
    blanks = Blanks(lesson.exercise.blank, shop.course.checked)
    drawing = draw(lesson, {}, blanks)
    book = load_workbook(path)
    for item in drawing.drawn:
        if item.purpose != "blank":
            continue
        cells, printer = lesson.program.cells[item.key], Printer(drawing.book(item.step))
        for index in np.ndindex(item.place.shape):
            row, column = item.place.cell(index)
            tokens = printer.tokens(cells.element(index))
            ((formula,),) = fill(lambda i, j, tokens=tokens: tokens, 1, 1, "Gradients", True).formulas
            book["Gradients"].cell(row, column).value = formula
    book.save(path)


def test_numbers_are_ones_own_friendly_and_the_same_again(tmp_path):
    students = [f"S{k}" for k in range(20)]
    one, two = (give(tmp_path / name, students, mlp()) for name in "ab")
    assert len({one.given[mark].numbers for mark in students}) == 20
    for mark in students:
        assert one.given[mark].numbers == two.given[mark].numbers
        assert all(abs(100 * x - round(100 * x)) < 1e-9 for x in one.given[mark].numbers)
        for name in (f"{mark}.xlsx", f"key/{mark}.xlsx"):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    other = handout.prepare(mlp(), [Student("S0")], tmp_path / "c", "exam", "another seed")
    assert other.given["S0"].numbers != one.given["S0"].numbers


def test_numbers_keep_away_from_kinks_unless_the_lesson_stands_at_one():
    variants = Variants(mlp())
    for k in range(50):
        values = variants.draw_with_gradients("s", str(k))[1]
        assert np.abs(values["l1"]).min() >= 0.02
        assert (values["l1"] > 0).any() and (values["l1"] < 0).any()
        assert all((values[key] == 0).sum() <= 18 for key in BLANK)
    kinks = Variants(Lesson.load("kinks").with_blank())
    assert kinks.at_a_kink and kinks.draw("s")["x"][1] == 0


def test_every_key_verifies_and_is_what_a_direct_build_shows(tmp_path):
    record = give(tmp_path, ["A", "B"], mlp())
    for mark in "AB":
        path = tmp_path / "key" / f"{mark}.xlsx"
        for engine in ("formualizer", "ironcalc", "cached"):
            report = verify(path, engine)
            assert report.ok and report.checked_cells == report.formula_cells, [str(m) for m in report.mismatches]
        values = record.course.lesson.program.run(workshop(record.course.text).tensors(record.given[mark].numbers))
        sheet = load_workbook(path, data_only=True)
        area = sheet.defined_names["w1_g"].attr_text.rpartition("!")[2].replace("$", "")
        shown = [[cell.value for cell in row] for row in sheet["Gradients"][area]]
        np.testing.assert_allclose(shown, values["w1.g"], rtol=1e-12)
    assert_refused(sheetgrad("verify", str(tmp_path / "A.xlsx"), cwd=tmp_path), "A.xlsx", "sheetgrad grade")


def test_a_handout_goes_on_where_it_stopped_and_leaves_what_is_there(tmp_path):
    students = [f"S{k}" for k in range(6)]
    record = handout.prepare(mlp(), [Student(mark) for mark in students], tmp_path, "exam", None)
    making = handout.make(record, tmp_path, handout.missing(record, tmp_path), jobs=1)
    next(making)
    making.close()  # as when it is interrupted
    there = sorted(path.name for path in tmp_path.glob("S*.xlsx"))
    assert 1 <= len(there) < 6
    (tmp_path / there[0]).write_bytes(b"what the student did")
    again = handout.prepare(mlp(), [*map(Student, students), Student("late")], tmp_path, "exam", None)
    assert again.course.seed == record.course.seed and len(record.course.seed) == 16
    list(handout.make(again, tmp_path, handout.missing(again, tmp_path)))
    assert len(list(tmp_path.glob("*.xlsx"))) == len(list((tmp_path / "key").glob("*.xlsx"))) == 7
    assert (tmp_path / there[0]).read_bytes() == b"what the student did"
    assert {mark: again.given[mark].numbers for mark in students} == {
        mark: record.given[mark].numbers for mark in students
    }
    for change, word in (
        (dict(lesson=mlp("w1.g")), "blanks"),
        (dict(mode="practice"), "mode"),
        (dict(seed="x"), "seed"),
        (dict(lesson=Lesson.load("neuron").with_blank()), "lesson"),
    ):
        call = dict(lesson=mlp(), roster=[Student("S1")], folder=tmp_path, mode="exam", seed=None) | change
        with pytest.raises(handout.HandoutError, match=word):
            handout.prepare(**call)


def test_two_runs_at_once_make_one_handout(tmp_path):
    (tmp_path / "c.csv").write_text("id\n" + "\n".join(f"S{k}" for k in range(4)) + "\n")
    code = "from sheetgrad.cli import main; main()"
    call = [sys.executable, "-c", code, "handout", "mlp", "--roster", "c.csv", "-o", "d", "--mode", "exam"]
    runs = [subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    codes = sorted(run.wait(120) for run in runs)
    assert codes in ([0, 0], [0, 2])
    record = handout.Record.load(tmp_path / "d")
    shutil.copytree(tmp_path / "d", tmp_path / "in", ignore=shutil.ignore_patterns("key", "*.json"))
    assert {row.status for row in graded(record, tmp_path / "in", tmp_path / "j").values()} == {"marked"}


@pytest.mark.long
def test_a_cluster_that_does_not_answer_is_refused_in_one_line(tmp_path):
    (tmp_path / "c.csv").write_text("id\na\n")
    call = ("handout", "mlp", "--roster", "c.csv", "-o", "out", "--scheduler", "tcp://127.0.0.1:9")
    assert_refused(sheetgrad(*call, cwd=tmp_path), "--scheduler", "127.0.0.1:9")


def test_calls_that_cannot_be_answered_are_refused_in_one_line(tmp_path):
    (tmp_path / "c.csv").write_text("id\na\n")
    base = ("handout", "mlp", "--roster", "c.csv", "-o", "out")
    assert_refused(sheetgrad(*base, "--blank", "w3.g", cwd=tmp_path), "w3.g", "did you mean")
    assert_refused(sheetgrad(*base, "--blank", "loss.g", cwd=tmp_path), "loss.g")
    assert_refused(sheetgrad(*base, "--mode", "test", cwd=tmp_path), "--mode", "practice or exam")
    assert_refused(sheetgrad(*base, "--scheduler", "no://where", cwd=tmp_path), "--scheduler", "no://where")
    assert_refused(
        sheetgrad("handout", "mlp", "--roster", "none.csv", "-o", "out", cwd=tmp_path), "none.csv", "no such"
    )
    assert_refused(sheetgrad("grade", ".", cwd=tmp_path), "handout.json")
    (tmp_path / "handout.json").write_text('{"format": 2, "course": {}}')
    assert_refused(sheetgrad("grade", ".", cwd=tmp_path), "handout.json", "damaged")
    (tmp_path / "handout.json").write_text('{"format": 1, "course": {}}')
    assert_refused(sheetgrad("grade", ".", cwd=tmp_path), "found format 1, expected 2", "hand it out again")
    with pytest.raises(LessonError, match="exercise"):
        tensors = {"x": {"role": "input", "values": 1.0}}
        table = dict(title="t", question="q", forward="f = x * x", tensors=tensors, exercise={"blank": []})
        Lesson.from_table(table, "t", "t")


@needs_libreoffice
@pytest.mark.parametrize("form", ["pdf", "paper"])
def test_printed_sheets_are_whole_and_the_answers_apart(form, tmp_path):
    pypdf = pytest.importorskip("pypdf")
    (tmp_path / "c.csv").write_text("id,name\nS1,Ada Lovelace\nS2,Emmy Noether\n")
    assert sheetgrad("handout", "mlp", "--roster", "c.csv", "-o", "d", f"--{form}", cwd=tmp_path).returncode == 0
    record = handout.Record.load(tmp_path / "d")
    suffix = "" if form == "pdf" else "-paper"
    for which, name in ((0, f"handouts{suffix}.pdf"), (1, f"key/answers{suffix}.pdf")):
        merged = pypdf.PdfReader(tmp_path / "d" / name)
        assert len(merged.outline) == 2
        texts = [page.extract_text() for page in merged.pages]
        for student in ("Ada Lovelace", "Emmy Noether"):
            assert any(student in text for text in texts)
        shown = " ".join(texts)
        assert ("w1.g = ?" in shown) == (which == 0) and ("w1.g = x.T @ l1.g" in shown) == (which == 1)
        values = record.course.lesson.program.run(workshop(record.course.text).tensors(record.given["S1"].numbers))
        answers = [f"{x:.3f}" for x in np.ravel(values["w1.g"]) if abs(x) > 0.1]
        assert all(answer in shown for answer in answers) == (which == 1)
        for mark in ("S1", "S2"):
            own = pypdf.PdfReader(tmp_path / "d" / ("" if which == 0 else "key") / form / f"{mark}.pdf")
            assert all(page.mediabox.width > page.mediabox.height for page in own.pages) and len(own.pages) <= 4


def test_python_that_hands_out_needs_no_cluster_and_no_paper():
    """The optional extras are asked for only when they are used."""
    code = (
        "import sys, sheetgrad.cli; sys.exit(any(name in sys.modules for name in ('distributed', 'pypdf', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_course_is_known_by_its_text():
    course = Course(mlp(), "exam", "s")
    assert Course.from_text(course.text).text == course.text
