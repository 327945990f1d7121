"""Handouts and marking, end to end: a class of 200 pupils, what is in the files, what a roster may be, hostile files."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import needs_libreoffice
from openpyxl import load_workbook
from pupils import BLANK, KINDS, MARKS, Desk, hand_in, masked, products, spelled, sums
from test_cli import assert_refused, sheetgrad

from sheetgrad import Lesson, LessonError, verify
from sheetgrad.classroom.give import handout
from sheetgrad.classroom.give.roster import RosterError, Student, read_roster
from sheetgrad.classroom.give.variants import Variants
from sheetgrad.classroom.give.workshop import Course, workshop
from sheetgrad.classroom.mark import assign, grade, report
from sheetgrad.classroom.mark.answers import Marked
from sheetgrad.classroom.mark.journal import Journal
from sheetgrad.classroom.mark.marking import mark_one
from sheetgrad.classroom.mark.slips import HINTS
from sheetgrad.engines import get_engine
from sheetgrad.engines.libreoffice import XLSX, LibreOffice
from sheetgrad.lesson.sources import available
from sheetgrad.plan.drawing import Blanks
from sheetgrad.plan.equations import draw

CLASS = 200


def mlp(*blank: str) -> Lesson:
    return Lesson.load("mlp").with_blank(blank or BLANK)


def give(folder: Path, students: list[str], lesson: Lesson, mode: str = "exam", seed: str = "s") -> handout.Record:
    record = handout.prepare(lesson, [Student(mark, f"Pupil {mark}") for mark in students], folder, mode, seed)
    assert len(list(handout.make(record, folder, handout.missing(record, folder)))) == len(students)
    return record


def graded(record: handout.Record, inbox: Path, journal: Path) -> dict[str, assign.Row]:
    submissions, stray = assign.assign(record, assign.find_files(inbox, inbox.parent))
    book = Journal(journal, record)
    rows = list(grade.mark_class(record, submissions, book))
    book.close(True)
    return {row.mark or row.file: row for row in grade.report_rows(record, rows, stray)}


# -- a whole class -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    """200 pupils, the handouts that they were given, and what they handed in."""
    folder = tmp_path_factory.mktemp("school")
    students = [f"S{k:03d}" for k in range(CLASS)]
    record = give(folder, students, mlp())
    return record, folder, hand_in(folder, folder / "inbox", students)


def assert_marked_as_expected(rows: dict[str, assign.Row], kinds: dict[str, str]) -> None:
    for mark, kind in kinds.items():
        row, expected = rows[mark], KINDS[kind]
        assert row.status == "marked", (mark, kind, row.status)
        found = Counter()
        for name, answer in row.marked.answers.items():
            key, column = name.split("[")[0], int(re.search(r"(\d+)\]", name)[1]) - 1
            verdict = expected.expected[key]
            verdict = verdict[column] if isinstance(verdict[0], tuple) else verdict
            assert (answer.verdict, answer.hint) == verdict, (mark, kind, name, answer)
            assert answer.strict == (verdict[0] == "right"), (mark, kind, name)
            assert answer.mark == (verdict[0] in ("right", "follow-through"))
            found[key] += 1
        assert found == MARKS
        flags = [flag for flag in row.flags if not flag.startswith("same formulas")]
        assert len(flags) == len(expected.flags), (mark, kind, flags)
        assert all(flag.startswith(start) for flag, start in zip(flags, expected.flags, strict=True)), (kind, flags)


def test_a_class_of_200_is_marked_as_it_should_be(school, tmp_path):
    record, folder, kinds = school
    rows = graded(record, folder / "inbox", tmp_path / "journal")
    assert len(rows) == CLASS and set(kinds.values()) == set(KINDS)
    assert_marked_as_expected(rows, kinds)
    assert not [row.mark for row in rows.values() if any(flag.startswith("same formulas") for flag in row.flags)]


@needs_libreoffice
def test_so_it_is_after_libreoffice_opened_and_saved_every_file(school, tmp_path):
    record, folder, kinds = school
    LibreOffice().convert(sorted((folder / "inbox").glob("*.xlsx")), tmp_path, XLSX)
    saved = tmp_path / "out"
    assert len(list(saved.iterdir())) == CLASS
    assert_marked_as_expected(graded(record, saved, tmp_path / "journal"), kinds)


@needs_libreoffice
def test_a_handout_to_practise_with_is_the_same_after_libreoffice_saved_it(tmp_path):
    record = give(tmp_path, ["A"], mlp(), "practice")
    solved(tmp_path / "A.xlsx")
    LibreOffice().convert([tmp_path / "A.xlsx"], tmp_path, XLSX)
    row = graded(record, tmp_path / "out", tmp_path / "journal")["A"]
    assert row.flags == [] and sum(answer.mark for answer in row.marked.answers.values()) == 27


@pytest.mark.parametrize("name", ["mini-batch", "find-dw-db", "linear-layer", "neuron", "cross-entropy", "kinks"])
@pytest.mark.parametrize("mode", ["practice", "exam"])
def test_the_answers_of_the_key_earn_all_marks_and_ticks(name, mode, tmp_path):
    """The key's formulas, moved to where the handout has its blanks."""
    lesson = Lesson.load(name).with_blank()
    record = give(tmp_path, ["A"], lesson, mode)
    shop = workshop(record.course.text)
    path = tmp_path / "A.xlsx"
    fill_in(path, shop)
    table = Marked.from_dict(mark_one(record.course.text, record.given["A"].numbers, path.read_bytes()))
    assert not table.problem and not table.changed
    assert all(answer.strict for answer in table.answers.values()), table.answers
    if mode == "practice":
        for engine in ("formualizer", "ironcalc"):
            found = get_engine(engine).recalculate(path)
            total = len(table.answers)
            assert found["Lesson"]["B7"] in (f"{total} of {total} cells are right", kinked(found, total)), engine


def kinked(found, total: int) -> str:
    kinks = sum(value == "kink" for cell, value in found["Check"].items())
    return f"{total - kinks} of {total} cells are right" if kinks else ""


def fill_in(path: Path, shop) -> None:
    """Right formulas by the printer of the key, in the handout's own places."""
    from sheetgrad.formulas.fills import fill
    from sheetgrad.formulas.printing import Printer
    from sheetgrad.plan.extents import extent

    lesson = shop.lesson
    blanks = Blanks(lesson.exercise.blank, shop.course.checked)
    drawing = draw(lesson, {}, blanks)
    book = load_workbook(path)
    for item in drawing.drawn:
        if item.purpose != "blank":
            continue
        cells, printer = lesson.program.cells[item.key], Printer(drawing.book(item.step))
        assert len(item.place.shape) <= 2 and extent(item.place.shape)
        for index in np.ndindex(item.place.shape):
            row, column = item.place.cell(index)
            tokens = printer.tokens(cells.element(index))
            ((formula,),) = fill(lambda i, j, tokens=tokens: tokens, 1, 1, "Gradients", True).formulas
            book["Gradients"].cell(row, column).value = formula
    book.save(path)


# -- what is in a handout -----------------------------------------------------------------------------------------


def parts(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()}


@pytest.mark.parametrize("path", available(), ids=lambda path: path.stem)
@pytest.mark.parametrize("mode", ["practice", "exam"])
def test_no_part_of_a_handout_holds_an_answer(path, mode, tmp_path):
    """Neither the numbers of blank gradients, nor their lines, nor their formulas, nor the lesson's own text."""
    lesson = Lesson.load(path).with_blank()
    record = give(tmp_path, ["A"], lesson, mode)
    shop = workshop(record.course.text)
    values = lesson.program.run(shop.tensors(record.given["A"].numbers))
    given = {
        round(abs(float(x)), 9) for key, value in values.items() if key not in BLANKS(lesson) for x in np.ravel(value)
    }
    answers = {float(x) for key in lesson.exercise.blank for x in np.ravel(values[key])}
    secret = [x for x in answers if round(abs(x), 9) not in given and abs(x * 1000 % 1) > 1e-6]
    lines = [line.text for line in lesson.program.backward if line.target in lesson.exercise.blank]
    key = load_workbook(tmp_path / "key" / "A.xlsx")
    for name, text in parts(tmp_path / "A.xlsx").items():
        numbers = {float(found) for found in re.findall(r"<v>(-?[0-9.]+(?:E-?[0-9]+)?)</v>", text)}
        for number in secret:
            assert not any(abs(number - other) <= 1e-9 * abs(number) for other in numbers), (name, number)
            assert repr(number) not in text
        for line in lines:
            own = line.split(" = ", 1)[1]
            assert line not in text and (own in values or own not in text.replace("&gt;", ">")), (name, line)
        assert lesson.text[:60] not in text
        for formula in answer_formulas(key, lesson):
            assert f">{formula}<" not in text
    sheets = load_workbook(tmp_path / "A.xlsx").sheetnames
    assert sheets == ["Lesson", "Gradients", *(["Check"] if mode == "practice" else []), "_sheetgrad"]


def BLANKS(lesson: Lesson) -> set[str]:  # noqa: N802
    """The blanks and everything that hangs on them: in the handout, none of it has a number."""
    from sheetgrad.plan.drawing import Blanks

    blanks = Blanks(lesson.exercise.blank)
    return {*blanks.keys, *blanks.withheld(lesson.program), *blanks.on_the_way(lesson.program)}


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
    beside = {desk.cell("l1_g", 0, 0): "D", desk.cell("b1_g", 0, 0): "D"}
    assert beside and list(stored["Check"].values()).count("…") == 21
    desk.fill(masked(desk), None, sums(desk, "=SUM(%s)+0.001"))
    desk.save()
    for engine in ("formualizer", "ironcalc"):
        found = get_engine(engine).recalculate(path)
        assert found["Lesson"]["B7"] == "18 of 21 cells are right", engine
        assert Counter(found["Check"].values())["✗"] == 3
        assert all(isinstance(found["Gradients"][cell], float) for cell in waiting)
    assert record.course.checked


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


# -- rosters ---------------------------------------------------------------------------------------------------------

GOOD = {
    "comma": b"id,name,group\nS1,Ada,A\nS2,Emmy,B\n",
    "semicolon": b"ID;Name;group\r\nS1;Ada;A\r\nS2;Emmy;B\r\n",
    "tab and BOM": b"\xef\xbb\xbfid\tname\tgroup\nS1\tAda\tA\n\nS2\tEmmy\tB\n",
    "sep=": b"sep=;\r\nid;name;group\r\nS1;Ada;A\r\nS2;Emmy;B\r\n",
    "UTF-16": "id\tname\tgroup\nS1\tAda\tA\nS2\tEmmy\tB\n".encode("utf-16"),
    "quoted": b'name,group,id\n"Ada",A," S1 "\n"Emmy",B,S2\n',
}


@pytest.mark.parametrize("kind", GOOD)
def test_rosters_are_read_as_spreadsheets_write_them(kind, tmp_path):
    path = tmp_path / "class.csv"
    path.write_bytes(GOOD[kind])
    assert read_roster(path) == [Student("S1", "Ada", {"group": "A"}), Student("S2", "Emmy", {"group": "B"})]


def test_a_roster_may_be_a_workbook_with_numbers_as_ids(tmp_path):
    pd.DataFrame({"id": [7, 10], "name": ["Ünal, Ö.", "b"], "year": [1, 2]}).to_excel(tmp_path / "c.xlsx", index=False)
    assert [student.mark for student in read_roster(tmp_path / "c.xlsx")] == ["7", "10"]
    assert read_roster(tmp_path / "c.xlsx")[0] == Student("7", "Ünal, Ö.", {"year": "1"})
    (tmp_path / "w.csv").write_bytes("id,name\n1,Jos\xe9\n".encode("latin-1"))
    assert read_roster(tmp_path / "w.csv")[0].name == "José"


BAD = {
    b"": ["empty"],
    b"name\nAda\n": ["row 1", "name", "id"],
    b"id\n": ["no students"],
    b"id,name\nS1,a\ns1,b\n": ["row 3", "'s1'", "row 2"],
    b"id,name\n,a\nS2,b\n": ["row 2", "empty"],
    b"id\na/b\n": ["row 2", "'a/b'"],
    b"id\n../x\n": ["row 2", "'../x'"],
    b"id\nCON\n": ["row 2", "'CON'"],
    b"id\n.hidden\n": ["row 2"],
    b"id\nhandout\n": ["row 2", "'handout'"],
    b"id\n" + b"x" * 200 + b"\n": ["row 2", "200"],
    b"id,name\n1,a,b\n": ["more values"],
    b"The class,\nid,name\n1,a\n": ["row 1", "The class", "id"],
    b"PK\x03\x04\0\0\0": ["not a text file"],
}


@pytest.mark.parametrize("text", BAD, ids=lambda text: repr(text[:16]))
def test_bad_rosters_name_the_row_before_anything_is_written(text, tmp_path):
    path = tmp_path / "class.csv"
    path.write_bytes(text)
    with pytest.raises(RosterError) as caught:
        read_roster(path)
    assert all(word in str(caught.value) for word in ["class.csv", *BAD[text]]), str(caught.value)
    done = sheetgrad("handout", "mlp", "--roster", "class.csv", "-o", "out", cwd=tmp_path)
    assert_refused(done, "class.csv", *BAD[text])
    assert not (tmp_path / "out").exists()


def test_calls_that_cannot_be_answered_are_refused_in_one_line(tmp_path):
    (tmp_path / "c.csv").write_text("id\na\n")
    base = ("handout", "mlp", "--roster", "c.csv", "-o", "out")
    assert_refused(sheetgrad(*base, "--blank", "w3.g", cwd=tmp_path), "w3.g", "did you mean")
    assert_refused(sheetgrad(*base, "--blank", "loss.g", cwd=tmp_path), "loss.g")
    assert_refused(sheetgrad(*base, "--mode", "test", cwd=tmp_path), "--mode", "practice or exam")
    assert_refused(sheetgrad(*base, "--scheduler", "tcp://127.0.0.1:9", cwd=tmp_path), "--scheduler", "127.0.0.1:9")
    assert_refused(
        sheetgrad("handout", "mlp", "--roster", "none.csv", "-o", "out", cwd=tmp_path), "none.csv", "no such"
    )
    assert_refused(sheetgrad("grade", ".", cwd=tmp_path), "handout.json")
    (tmp_path / "handout.json").write_text('{"format": 1, "course": {}}')
    assert_refused(sheetgrad("grade", ".", cwd=tmp_path), "handout.json", "damaged")
    with pytest.raises(LessonError, match="exercise"):
        tensors = {"x": {"role": "input", "values": 1.0}}
        table = dict(title="t", question="q", forward="f = x * x", tensors=tensors, exercise={"blank": []})
        Lesson.from_table(table, "t", "t")


# -- marking ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trio(tmp_path_factory):
    """Three students of one class, and one of another, to be changed at will."""
    folder = tmp_path_factory.mktemp("trio")
    record = give(folder, ["A", "B", "C"], mlp())
    give(folder / "other", ["A"], Lesson.load("neuron").with_blank())
    return record, folder


def inbox(folder: Path, tmp_path: Path, **files) -> Path:
    box = tmp_path / "inbox"
    box.mkdir()
    for name, made in files.items():
        target = box / f"{name}.xlsx"
        shutil.copyfile(folder / "A.xlsx", target)
        if callable(made):
            made(target)
        elif made is not None:
            shutil.copyfile(made, target)
    return box


def solved(path: Path) -> None:
    desk = Desk(path)
    spelled(desk)
    desk.save()


def test_whose_file_is_whose(trio, tmp_path):
    record, folder = trio
    box = inbox(folder, tmp_path, A=solved, B=folder / "C.xlsx")
    (box / "deep").mkdir()
    shutil.copyfile(folder / "C.xlsx", box / "deep" / "Carla_1234_assignsubmission_file_.xlsx")
    shutil.copyfile(folder / "other" / "A.xlsx", box / "nobody.xlsx")
    (box / "notes.txt").write_text("hello")
    (box / "Thumbs.db").write_text("hello")
    rows = graded(record, box, tmp_path / "j")
    assert sum(answer.mark for answer in rows["A"].marked.answers.values()) == 27
    assert rows["B"].status == "wrong student's file: that of C" and not rows["B"].marked.answers
    assert rows["C"].flags[0] == "renamed" and rows["C"].status == "marked"
    assert rows[str(box / "nobody.xlsx")].status == "file of another lesson or class"
    assert "nobody's" in rows[str(box / "notes.txt")].status


def test_a_friends_file_is_not_ones_own_even_with_the_id_edited(trio, tmp_path):
    record, folder = trio

    def forged(path: Path) -> None:
        shutil.copyfile(folder / "B.xlsx", path)
        desk = Desk(path)
        spelled(desk)
        carrier = desk.book["_sheetgrad"]["A1"]
        carrier.value = json.dumps(json.loads(carrier.value.replace('"B"', '"A"')))
        desk.book["Lesson"]["C3"] = "A"
        desk.save()

    rows = graded(record, inbox(folder, tmp_path, A=forged), tmp_path / "j")
    assert rows["A"].status == "wrong student's file: that of B"


def test_a_changed_formula_a_changed_number_and_an_answer_key_are_told(trio, tmp_path):
    record, folder = trio

    def tampered(path: Path) -> None:
        desk = Desk(path)
        desk.sheet[desk.cell("out_g", 0, 0)] = 0.5
        desk.sheet[desk.cell("x_value", 0, 0)] = 9.0
        spelled(desk)
        desk.save()

    rows = graded(record, inbox(folder, tmp_path, A=tampered, C=folder / "key" / "C.xlsx"), tmp_path / "j")
    out = Desk(folder / "A.xlsx").cell("out_g", 0, 0)
    assert rows["A"].flags == ["inputs changed", f"formula elsewhere changed: Gradients!{out}"]
    assert "answer key" in rows["C"].status and rows["B"].status == "missing"
    assert {answer.verdict for answer in rows["A"].marked.answers.values()} <= {"right", "wrong", "follow-through"}


def test_students_with_the_same_numbers_are_not_accused(tmp_path):
    """In a lesson with a single number there are not enough for two hundred."""
    record = give(tmp_path, [f"S{k}" for k in range(200)], Lesson.load("step-size").with_blank())
    assert 50 < len({one.numbers for one in record.given.values()}) < 200
    shutil.copytree(tmp_path, tmp_path / "inbox", ignore=shutil.ignore_patterns("key", "*.json"))
    rows = graded(record, tmp_path / "inbox", tmp_path / "j")
    assert {row.status for row in rows.values()} == {"marked"}


def test_formulas_that_read_the_nudges_earn_nothing_however_they_reach_them(tmp_path):
    record = give(tmp_path, ["A"], Lesson.load("find-dw-db").with_blank(), "practice")
    shop = workshop(record.course.text)
    book = load_workbook(tmp_path / "A.xlsx")
    check = book["Check"]
    heads = {cell.value: cell.column_letter for row in check.iter_rows() for cell in row if str(cell.value) == "loss"}
    assert heads
    losses = [
        cell.column_letter for row in check.iter_rows(min_row=7, max_row=7) for cell in row if cell.value == "loss"
    ]
    up, down = losses[:2]
    own = book.create_sheet("own")
    for k, cell in enumerate(cell for (_, cell), (key, _) in shop.blanks.items() if key == "w.g"):
        own.cell(1, k + 1, f"=('Check'!{up}{9 + k}-'Check'!{down}{9 + k})/0.0002")
        book["Gradients"][cell] = f"=own!{'ABCD'[k]}1"
    book.save(tmp_path / "A.xlsx")
    found = get_engine("formualizer").recalculate(tmp_path / "A.xlsx")
    assert found["Lesson"]["B7"] == "4 of 6 cells are right"
    marked = Marked.from_dict(
        mark_one(record.course.text, record.given["A"].numbers, (tmp_path / "A.xlsx").read_bytes())
    )
    assert [answer.verdict for answer in marked.answers.values()] == ["nudged"] * 4 + ["empty"] * 2


def test_follow_through_needs_a_formula_that_follows_and_no_more(trio, tmp_path):
    """Earlier cells that are typed, empty, a text or an error do not spoil a right formula, nor does a typed number gain."""
    record, folder = trio
    for earlier in (lambda i, j: 0.5, None, lambda i, j: "0,5" if i else "=1/0"):
        path = tmp_path / "A.xlsx"
        shutil.copyfile(folder / "A.xlsx", path)
        desk = Desk(path)
        desk.fill(earlier, products(desk), lambda i, j, desk=desk: "=0*" + desk.cell("l1_g", 0, j))
        desk.save()
        marked = Marked.from_dict(mark_one(record.course.text, record.given["A"].numbers, path.read_bytes()))
        by_key = {key: {a.verdict for name, a in marked.answers.items() if name.startswith(key)} for key in BLANK}
        assert by_key["w1.g"] == {"follow-through"} and not by_key["l1.g"] & {"right", "follow-through"}
        assert not by_key["b1.g"] & {"right", "follow-through", "typed"}


def test_several_files_that_say_they_are_one_students_are_left_to_the_teacher(trio, tmp_path):
    record, folder = trio
    box = inbox(folder, tmp_path, A_final=solved, zz=None)
    rows = graded(record, box, tmp_path / "j")
    assert rows["A"].status == "missing"
    assert {rows[str(box / f"{name}.xlsx")].status for name in ("A_final", "zz")} == {
        "not marked: 2 files say that they are A's"
    }


def test_the_folder_itself_may_be_named_and_its_keys_and_reports_are_no_submissions(trio, tmp_path):
    record, folder = trio
    shutil.copytree(folder, tmp_path / "d", ignore=shutil.ignore_patterns("other", "keyed.xlsx"))
    solved(tmp_path / "d" / "B.xlsx")
    done = sheetgrad("grade", "d", "--submissions", "d", "--feedback", "d/back", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    done = sheetgrad("grade", "d", "--submissions", "d", "--feedback", "d/back", "--force", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    report = pd.read_csv(tmp_path / "d" / "grades.csv")
    assert list(report["id"]) == ["A", "B", "C"] and list(report["total"]) == [0, 27, 0]


def test_no_feedback_on_somebody_elses_file_and_new_feedback_on_a_new_one(trio, tmp_path):
    record, folder = trio
    box = inbox(folder, tmp_path, A=None, B=folder / "C.xlsx")
    call = ("grade", str(folder), "--submissions", str(box), "-o", "r.xlsx", "--feedback", "back", "--force")
    assert sheetgrad(*call, cwd=tmp_path).returncode == 1
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["A.xlsx"]
    shutil.copyfile(folder / "A.xlsx", box / "A.xlsx")
    solved(box / "A.xlsx")
    assert sheetgrad(*call, cwd=tmp_path).returncode == 1
    assert load_workbook(tmp_path / "back" / "A.xlsx")["Feedback"]["A2"].value == "27 of 27 marks"


def test_two_runs_at_once_make_one_handout(tmp_path):
    (tmp_path / "c.csv").write_text("id\n" + "\n".join(f"S{k}" for k in range(10)) + "\n")
    code = "from sheetgrad.cli import main; main()"
    call = [sys.executable, "-c", code, "handout", "mlp", "--roster", "c.csv", "-o", "d", "--mode", "exam"]
    runs = [subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    codes = sorted(run.wait(120) for run in runs)
    assert codes in ([0, 0], [0, 2])
    record = handout.Record.load(tmp_path / "d")
    shutil.copytree(tmp_path / "d", tmp_path / "in", ignore=shutil.ignore_patterns("key", "*.json"))
    assert {row.status for row in graded(record, tmp_path / "in", tmp_path / "j").values()} == {"marked"}


def test_odd_names_and_columns_are_reported_like_others(tmp_path):
    student = Student("A", "{{student.id}}", {"total": "7", "status": "new"})
    record = handout.prepare(mlp(), [student], tmp_path, "exam", "s")
    list(handout.make(record, tmp_path, handout.missing(record, tmp_path)))
    assert load_workbook(tmp_path / "A.xlsx")["Lesson"]["C2"].value == "{{student.id}}"
    box = tmp_path / "in"
    box.mkdir()
    (box / "A.xlsx").write_bytes((tmp_path / "A.xlsx").read_bytes())
    Path(os.fsdecode(os.fsencode(box) + b"/\xff\xfe.xlsx")).write_bytes(b"x")
    with open(box / "large.xlsx", "wb") as file:
        file.truncate(21_000_000)
    done = sheetgrad("grade", str(tmp_path), "--submissions", str(box), "-o", "r.xlsx", cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    report = pd.read_csv(tmp_path / "r.csv")
    assert report.loc[0, "total (roster)"] == 7 and report.loc[0, "status (roster)"] == "new"
    assert report.loc[0, "total"] == 0 and any("21,000,000 bytes" in text for text in report["status"])


@pytest.mark.parametrize("change", ["numbers", "id", "mode", "nan"])
def test_a_changed_record_is_refused(trio, tmp_path, change):
    record, folder = trio
    table = json.loads((folder / "handout.json").read_text())
    match change:
        case "numbers":
            table["students"][0]["numbers"].pop()
        case "id":
            table["students"][0]["id"] = "../../evil"
        case "mode":
            table["course"]["mode"] = "zzz"
        case "nan":
            table["students"][0]["numbers"][0] = float("nan")
    (tmp_path / "handout.json").write_text(json.dumps(table))
    assert_refused(sheetgrad("grade", ".", cwd=tmp_path), "handout.json")


def test_formulas_that_are_the_same_text_for_text_are_told_where_there_is_a_choice(tmp_path):
    marks = [f"S{k}" for k in range(12)]
    record = give(tmp_path, marks, mlp())
    box = tmp_path / "inbox"
    box.mkdir()
    for k, mark in enumerate(marks):
        desk = Desk(tmp_path / f"{mark}.xlsx")
        if k in (3, 7):
            odd = "=%(up)s*IF(%(given)s>0,1,0)+0"
            desk.fill(masked(desk, odd), products(desk, "*2/2"), sums(desk, "=0+SUM(%s)"))
        else:
            spelled(desk)
        desk.save(box / f"{mark}.xlsx")
    rows = graded(record, box, tmp_path / "j")
    assert {mark: row.flags for mark, row in rows.items() if row.flags} == {
        "S3": ["same formulas as S7"],
        "S7": ["same formulas as S3"],
    }


def test_every_hint_that_can_be_given_is_given_for_its_slip(tmp_path):
    """Those that the class of 200 cannot make: rows and columns, and the factor of the square."""
    lesson = Lesson.load("find-dw-db").with_blank()
    record = give(tmp_path, ["A"], lesson)
    shop = workshop(record.course.text)
    book = load_workbook(tmp_path / "A.xlsx")
    place = {index: cell for (_, cell), (key, index) in shop.blanks.items() if key == "w.g"}
    desk = Desk(tmp_path / "A.xlsx")

    def product(i: int, j: int, after: str = "") -> str:
        pairs = [f"{desk.cell('inp_value', n, i)}*{desk.cell('out_g', n, j)}" for n in range(2)]
        return f"=({'+'.join(pairs)}){after}"

    for name, formulas in {
        "transposed": {(0, 1): product(1, 0), (1, 0): product(0, 1)},
        "two": {index: product(*index, "/2") for index in place},
        "averaged": {index: product(*index, "/2") for index in place},
        "mean": {index: product(*index, "*4") for index in place},
    }.items():
        for index, formula in formulas.items():
            book["Gradients"][place[index]] = formula
        path = tmp_path / f"{name}.xlsx"
        book.save(path)
        found = Marked.from_dict(mark_one(record.course.text, record.given["A"].numbers, path.read_bytes()))
        hints = {found.answers[f"w.g[{i + 1},{j + 1}]"].hint for i, j in formulas}
        assert hints <= ({name} if name not in ("two", "averaged") else {"two", "averaged"}), (name, hints)
    assert {"sum", "mean", "averaged", "sign", "mask"} <= {
        hint for kind in KINDS.values() for verdict in kind.expected.values() for hint in str(verdict).split("'")
    }
    assert set(HINTS) >= {"sum", "transposed", "mean", "averaged", "two", "sign", "mask", "slope"}


def test_feedback_marks_every_blank_and_holds_no_answer(trio, tmp_path):
    record, folder = trio

    def wrong(path: Path) -> None:
        desk = Desk(path)
        desk.fill(masked(desk, "=%(up)s"), products(desk), None)
        desk.save()

    box = inbox(folder, tmp_path, A=wrong)
    assert (
        sheetgrad(
            "grade", str(folder), "--submissions", str(box), "-o", "r.xlsx", "--feedback", "back", cwd=tmp_path
        ).returncode
        == 0
    )
    book = load_workbook(tmp_path / "back" / "A.xlsx")
    shown = [[cell.value for cell in row] for row in book["Feedback"].iter_rows(min_row=5)]
    assert len(shown) == 27 and book.active.title == "Feedback"
    assert shown[0][1:] == ["l1.g[1,1]", "✗", HINTS["mask"]]
    assert sum(row[2] == "✓" for row in shown) == 6 and shown[-1][3] == "Nothing is filled in."
    stored = get_engine("cached").recalculate(tmp_path / "back" / "A.xlsx")
    assert isinstance(stored["Gradients"]["B9"], float)
    values = record.course.lesson.program.run(workshop(record.course.text).tensors(record.given["A"].numbers))
    texts = " ".join(parts(tmp_path / "back" / "A.xlsx").values())
    assert all(repr(float(x)) not in texts for x in np.ravel(values["b1.g"]))
    report = pd.read_csv(tmp_path / "r.csv")
    assert list(report["total"]) == [6, 0, 0] and list(report["strict"]) == [0, 0, 0]
    assert report.loc[0, "w1.g"] == 6 and report.loc[0, "status"] == "marked"
    answers = pd.read_excel(tmp_path / "r.xlsx", sheet_name="Answers")
    assert answers.loc[0, "l1.g[1,1]"] == "wrong: no mask" and answers.loc[0, "w1.g[1,1]"] == "follow-through"


def test_what_looks_like_a_formula_stays_a_text_in_the_report(tmp_path):
    student = Student("A", "=cmd|' /C calc'!A0", {"=1+1": "@SUM(1)"})
    record = handout.prepare(mlp(), [student], tmp_path, "exam", "s")
    found = report.tables(record, grade.report_rows(record, [], []))
    beside = report.write_report(found, tmp_path / "r.xlsx")
    sheet = load_workbook(tmp_path / "r.xlsx")["Grades"]
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    assert "\n=cmd" not in beside.read_text("utf-8-sig") and "'=cmd" in beside.read_text("utf-8-sig")


def rewritten(path: Path, change) -> None:
    """The XML of the sheet Gradients, changed as another application would have written it."""
    whole = parts(path)
    with zipfile.ZipFile(path) as archive:
        data = {name: archive.read(name) for name in archive.namelist()}
    data["xl/worksheets/sheet2.xml"] = change(whole["xl/worksheets/sheet2.xml"]).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in data.items():
            archive.writestr(name, part)


def put(text: str, cell: str, content: str) -> str:
    pattern = rf'<c r="{cell}"( s="\d+")?(?: t="\w+")?(?:\s*/>|>.*?</c>)'
    changed, count = re.subn(pattern, lambda found: f'<c r="{cell}"{found[1] or ""}>{content}</c>', text, count=1)
    assert count == 1, cell
    return changed


def test_formulas_dragged_in_excel_are_understood(trio, tmp_path):
    """Excel keeps what was dragged as shared formulas, and the values of an array formula in all of its cells."""
    record, folder = trio
    desk = Desk(folder / "A.xlsx")
    cells = [[desk.cell("w1_g", i, j) for j in range(3)] for i in range(2)]

    def dragged(text: str) -> str:
        for i, row in enumerate(cells):
            column = desk.column("x_value", i, "$")
            first = f"SUMPRODUCT({column},{desk.column('l1_g', 0)})"
            text = put(text, row[0], f'<f t="shared" ref="{row[0]}:{row[2]}" si="{i}">{first}</f><v>0</v>')
            for cell in row[1:]:
                text = put(text, cell, f'<f t="shared" si="{i}"/><v>0</v>')
        return text

    def spilt(text: str) -> str:
        for cell in [*cells[0][1:], *cells[1]]:
            text = put(text, cell, "<v>1.5</v>")
        return text

    for fill, change in ((spelled, dragged), (KINDS["matrices"].fill, spilt)):
        path = tmp_path / "saved.xlsx"
        desk = Desk(folder / "A.xlsx")
        fill(desk)
        desk.save(path)
        rewritten(path, change)
        found = Marked.from_dict(mark_one(record.course.text, record.given["A"].numbers, path.read_bytes()))
        assert {answer.verdict for answer in found.answers.values()} == {"right"} and not found.changed
        assert found.engine == "formualizer"


# -- hostile and broken files -----------------------------------------------------------------------------------------


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/x.xml", b" " * 50_000_000)


def endless(path: Path) -> None:
    """Whole columns multiplied, thousands of times."""
    desk = Desk(path)
    desk.fill(lambda i, j: "=SUMPRODUCT(A1:XFD1048576,A1:XFD1048576)", None, None)
    desk.save()


def macros(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"\xcc\x61 not run")


def circular(path: Path) -> None:
    desk = Desk(path)
    desk.fill(lambda i, j: f"={desk.cell('l1_g', i, j)}+1", None, None)
    desk.save()


def without_gradients(path: Path) -> None:
    book = load_workbook(path)
    del book["Gradients"]
    book.save(path)


HOSTILE = {
    "empty": (lambda path: path.write_bytes(b""), "cannot be read"),
    "text": (lambda path: path.write_text("=1+1"), "cannot be read"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:3000]), "cannot be read"),
    "password": (lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600), "password"),
    "bomb": (bomb, "at most 200 times"),
    "huge": (lambda path: path.write_bytes(b"\0" * 21_000_000), "bytes, at most"),
    "no sheet": (without_gradients, "it has no sheet Gradients"),
    "macros": (macros, "marked"),
    "circular": (circular, "marked"),
    "endless": (endless, ""),
}


def test_hostile_files_are_a_row_each_and_stop_nothing(tmp_path):
    record = give(tmp_path, [*HOSTILE, "good", "missing"], mlp())
    box = tmp_path / "inbox"
    box.mkdir()
    for name in [*HOSTILE, "good"]:
        target = box / f"{name}.xlsx"
        shutil.copyfile(tmp_path / f"{name}.xlsx", target)
        HOSTILE[name][0](target) if name in HOSTILE else solved(target)
    (box / "missing.xlsx").mkdir()
    start = time.monotonic()
    rows = graded(record, box, tmp_path / "j")
    assert time.monotonic() - start < 300
    for name, (_, words) in HOSTILE.items():
        assert words in rows[name].status, (name, rows[name].status)
        assert not sum(answer.mark for answer in rows[name].marked.answers.values())
    assert sum(answer.mark for answer in rows["good"].marked.answers.values()) == 27
    assert rows["missing"].status == "missing"


def _die(number: int) -> int:
    import os

    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_task_that_kills_its_process_is_given_up_and_no_other(tmp_path):
    from sheetgrad.classroom.workers import WorkerLost, each

    results = {task[0]: result for task, result in each(_die, ((number,) for number in range(12)), jobs=2)}
    assert isinstance(results.pop(3), WorkerLost)
    assert results == {number: number for number in range(12) if number != 3}


def test_grading_goes_on_where_it_was_stopped(trio, tmp_path):
    record, folder = trio
    box = inbox(folder, tmp_path, A=solved, B=folder / "B.xlsx", C=folder / "C.xlsx")
    submissions, _ = assign.assign(record, assign.find_files(box, folder))
    journal = Journal(tmp_path / "j", record)
    marking = grade.mark_class(record, submissions, journal, jobs=1)
    first = next(marking)
    marking.close()
    journal.close(False)
    with open(tmp_path / "j", "a") as file:
        file.write('{"course": "cut o')
    again = Journal(tmp_path / "j", record)
    assert [mark for mark, _ in again.done] == [first.mark]
    rows = list(grade.mark_class(record, submissions, again))
    assert sorted(row.mark for row in rows) == ["A", "B", "C"]
    lines = [line for line in (tmp_path / "j").read_text().splitlines() if line.endswith("}")]
    assert len(lines) == 3  # nothing twice
    again.close(True)
    assert not (tmp_path / "j").exists()


def test_a_report_is_not_overwritten_unasked(trio, tmp_path):
    record, folder = trio
    box = inbox(folder, tmp_path, A=solved)
    call = ("grade", str(folder), "--submissions", str(box), "-o", "r.xlsx")
    done = sheetgrad(*call, cwd=tmp_path)
    assert done.returncode == 0 and "27.0 of 27 marks on average; 2 missing" in done.stdout
    assert_refused(sheetgrad(*call, cwd=tmp_path), "r.xlsx", "--force")
    assert sheetgrad(*call, "--force", cwd=tmp_path).returncode == 0
    (box / "B.xlsx").write_bytes(b"broken")
    done = sheetgrad(*call, "--force", cwd=tmp_path)
    assert done.returncode == 1 and "cannot be read" in done.stdout


# -- a cluster, and paper ---------------------------------------------------------------------------------------------


def test_the_same_on_a_dask_cluster_of_two_workers(tmp_path):
    distributed = pytest.importorskip("distributed")
    (tmp_path / "c.csv").write_text("id\n" + "\n".join(f"S{k}" for k in range(6)) + "\n")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        where = ("--scheduler", cluster.scheduler_address)
        base = ("handout", "mlp", "--roster", "c.csv", "--seed", "s")
        assert sheetgrad(*base, "-o", "far", *where, cwd=tmp_path).returncode == 0
        assert sheetgrad(*base, "-o", "near", cwd=tmp_path).returncode == 0
        for path in (tmp_path / "near").rglob("*.xlsx"):
            assert path.read_bytes() == (tmp_path / "far" / path.relative_to(tmp_path / "near")).read_bytes()
        solved(tmp_path / "far" / "S1.xlsx")
        assert sheetgrad("grade", "far", *where, cwd=tmp_path).returncode == 0
    report = pd.read_csv(tmp_path / "far" / "grades.csv")
    assert list(report["total"]) == [0, 27, 0, 0, 0, 0]


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
