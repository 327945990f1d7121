"""Marking: a class of pupils of every kind, whose file is whose, what earns a mark and what a hint."""

import json
import re
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import needs_libreoffice
from lessons import lesson_of
from openpyxl import load_workbook
from pupils import BLANK, KINDS, MARKS, Desk, hand_in, masked, products, spelled, sums
from shelf import through_libreoffice
from teacher import give, graded, inbox, mlp, parts, solved

from sheetgrad import Lesson
from sheetgrad.autodiff.slips import NAMES
from sheetgrad.classroom.give import handout
from sheetgrad.classroom.give.roster import Student
from sheetgrad.classroom.give.workshop import workshop
from sheetgrad.classroom.mark import assign
from sheetgrad.classroom.mark.answers import Marked
from sheetgrad.classroom.mark.marking import mark_one
from sheetgrad.classroom.mark.slips import HINTS
from sheetgrad.engines import get_engine


def school(shelf, size: int) -> tuple[handout.Record, Path, dict[str, str]]:
    """A class of pupils, the handouts that they were given, and what they handed in."""
    students = [f"S{k:03d}" for k in range(size)]

    def make(folder: Path) -> dict[str, str]:
        record = handout.prepare(mlp(), [Student(mark) for mark in students], folder, "exam", "s")
        assert len(list(handout.make(record, folder, handout.missing(record, folder)))) == size
        return hand_in(folder, folder / "inbox", students)

    folder, kinds = shelf.once(f"class-of-{size}", make)
    assert set(kinds.values()) == set(KINDS)
    return handout.Record.load(folder), folder, kinds


classes = pytest.mark.parametrize("size", [len(KINDS), pytest.param(200, marks=pytest.mark.long)])


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


@classes
def test_a_class_of_every_kind_of_pupil_is_marked_as_it_should_be(shelf, tmp_path, size):
    record, folder, kinds = school(shelf, size)
    rows = graded(record, folder / "inbox", tmp_path / "journal")
    assert len(rows) == size
    assert_marked_as_expected(rows, kinds)
    assert not [row.mark for row in rows.values() if any(flag.startswith("same formulas") for flag in row.flags)]


@needs_libreoffice
@classes
def test_so_it_is_after_libreoffice_opened_and_saved_every_file(shelf, tmp_path, size):
    record, folder, kinds = school(shelf, size)
    saved = through_libreoffice(sorted((folder / "inbox").glob("*.xlsx")), tmp_path)
    assert set(saved) == set(kinds)
    assert_marked_as_expected(graded(record, tmp_path / "saved", tmp_path / "journal"), kinds)


@needs_libreoffice
def test_a_handout_to_practise_with_is_the_same_after_libreoffice_saved_it(tmp_path):
    record = give(tmp_path, ["A"], mlp(), "practice")
    solved(tmp_path / "A.xlsx")
    through_libreoffice([tmp_path / "A.xlsx"], tmp_path)
    row = graded(record, tmp_path / "saved", tmp_path / "journal")["A"]
    assert row.flags == [] and sum(answer.mark for answer in row.marked.answers.values()) == 27


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


CURVED = """
title = "A curve"
question = "What passes back through a curve?"
forward = "z = x @ w\\nout = tanh(z)\\nloss = mse(out, y)"
exercise.blank = ["out.g", "z.g"]
tensors.x = {role = "input", values = [[0.5, -1.0], [1.5, 0.25], [-0.75, 1.0]]}
tensors.w = {role = "parameter", values = [[0.75], [-0.5]]}
tensors.y = {role = "target", values = [[1.0], [0.0], [0.5]]}
"""


SHARES = """
title = "Shares"
question = "What does one score take from the others?"
forward = "p = softmax(s)\\nloss = (p * r).sum()"
exercise.blank = ["s.g"]
tensors.s = {role = "parameter", values = [[0.5, -1.0, 0.25]]}
tensors.r = {role = "constant", values = [[1.0, 2.0, 4.0]]}
"""


def hints_for(lesson: Lesson, folder: Path, answers: dict[str, dict[str, str]]) -> dict[str, set[str]]:
    """What a student is told for each set of wrong formulas, by blank."""
    record = give(folder, ["A"], lesson)
    blanks = workshop(record.course.text).blanks.items()
    places = {f"{key}[{','.join(str(i + 1) for i in index)}]": cell for (_, cell), (key, index) in blanks}
    found = {}
    for name, formulas in answers.items():
        book, path = load_workbook(folder / "A.xlsx"), folder / f"{name}.xlsx"
        for blank, formula in formulas.items():
            book["Gradients"][places[blank]] = formula
        book.save(path)
        marked = Marked.from_dict(mark_one(record.course.text, record.given["A"].numbers, path.read_bytes()))
        said = [marked.answers[blank] for blank in formulas]
        found[name] = {answer.hint for answer in said if answer.verdict != "right"}
    return found


def test_every_hint_that_can_be_given_is_given_for_its_slip(tmp_path):
    """Those that a class of pupils cannot make: rows and columns, the factor of the square, the slope of a curve."""
    layer, curve = Lesson.load("find-dw-db").with_blank(), lesson_of(CURVED, "curved").with_blank()
    shares = lesson_of(SHARES, "shares").with_blank()
    for name, lesson in (("layer", layer), ("curve", curve), ("shares", shares)):
        give(tmp_path / "look" / name, ["A"], lesson)
    desk, other, third = (Desk(tmp_path / "look" / name / "A.xlsx") for name in ("layer", "curve", "shares"))

    def product(i: int, j: int, after: str = "") -> str:
        pairs = [f"{desk.cell('inp_value', n, i)}*{desk.cell('out_g', n, j)}" for n in range(2)]
        return f"=({'+'.join(pairs)}){after}"

    every = [(i, j) for i in range(2) for j in range(2)]
    said = hints_for(
        layer,
        tmp_path / "layer",
        {
            "transposed": {"w.g[1,2]": product(1, 0), "w.g[2,1]": product(0, 1)},
            "halved": {f"w.g[{i + 1},{j + 1}]": product(i, j, "/2") for i, j in every},
            "mean": {f"w.g[{i + 1},{j + 1}]": product(i, j, "*4") for i, j in every},
            "neighbour": {"w.g[2,1]": product(0, 0), "w.g[2,2]": product(0, 1)},
        },
    )
    names = ("out_g", "out_value", "y_value", "z_value")
    given, out, y, z = ([other.cell(name, n, 0) for n in range(3)] for name in names)
    right = {f"out.g[{n + 1},1]": f"=2*({out[n]}-{y[n]})/3" for n in range(3)}
    said |= hints_for(
        curve,
        tmp_path / "curve",
        {
            "slope": {f"z.g[{n + 1},1]": f"={given[n]}" for n in range(3)} | right,
            "upstream": {f"z.g[{n + 1},1]": f"=1-{out[n]}^2" for n in range(3)} | right,
            "before": {f"z.g[{n + 1},1]": f"={given[n]}*(1-{z[n]}^2)" for n in range(3)} | right,
            "two": {f"out.g[{n + 1},1]": f"=({out[n]}-{y[n]})/3" for n in range(3)},
        },
    )
    own = {f"s.g[1,{n + 1}]": f"={third.cell('p_value', 0, n)}*{third.cell('p_g', 0, n)}" for n in range(3)}
    said |= hints_for(shares, tmp_path / "shares", {"share": own})
    assert said.pop("halved") <= {"two", "averaged"}  # by two, which may be the batch or the square
    assert said == {name: {name} for name in said}
    of_pupils = {hint for kind in KINDS.values() for verdict in kind.expected.values() for hint in np.ravel(verdict)}
    assert set(HINTS) == set(NAMES) <= of_pupils | set(said)


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
