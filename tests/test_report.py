"""Marking a whole folder: reports, feedback, records, interruptions, lost processes, a cluster."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import assert_refused, sheetgrad
from openpyxl import load_workbook
from pupils import Desk, masked, products
from teacher import inbox, mlp, parts, solved

from sheetgrad.classroom.give import handout
from sheetgrad.classroom.give.roster import Student
from sheetgrad.classroom.give.workshop import workshop
from sheetgrad.classroom.mark import assign, grade, report
from sheetgrad.classroom.mark.journal import Journal
from sheetgrad.classroom.mark.slips import HINTS
from sheetgrad.classroom.workers import WorkerLost, each
from sheetgrad.engines import get_engine


def test_the_folder_itself_may_be_named_and_its_keys_and_reports_are_no_submissions(trio, tmp_path):
    record, folder = trio
    shutil.copytree(folder, tmp_path / "d", ignore=shutil.ignore_patterns("other", "keyed.xlsx"))
    solved(tmp_path / "d" / "B.xlsx")
    done = sheetgrad("grade", "d", "--submissions", "d", "--feedback", "d/back", "--jobs", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    done = sheetgrad("grade", "d", "--submissions", "d", "--feedback", "d/back", "--force", "--jobs", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    report = pd.read_csv(tmp_path / "d" / "grades.csv")
    assert list(report["id"]) == ["A", "B", "C"] and list(report["total"]) == [0, 27, 0]


def test_no_feedback_on_somebody_elses_file_and_new_feedback_on_a_new_one(trio, tmp_path):
    record, folder = trio
    box = inbox(folder, tmp_path, A=None, B=folder / "C.xlsx")
    call = (
        "grade",
        str(folder),
        "--submissions",
        str(box),
        "-o",
        "r.xlsx",
        "--feedback",
        "back",
        "--force",
        "--jobs",
        1,
    )
    assert sheetgrad(*call, cwd=tmp_path).returncode == 1
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["A.xlsx"]
    shutil.copyfile(folder / "A.xlsx", box / "A.xlsx")
    solved(box / "A.xlsx")
    assert sheetgrad(*call, cwd=tmp_path).returncode == 1
    assert load_workbook(tmp_path / "back" / "A.xlsx")["Feedback"]["A2"].value == "27 of 27 marks"


def test_feedback_marks_every_blank_and_holds_no_answer(trio, tmp_path):
    record, folder = trio

    def wrong(path: Path) -> None:
        desk = Desk(path)
        desk.fill(masked(desk, "=%(up)s"), products(desk), None)
        desk.save()

    box = inbox(folder, tmp_path, A=wrong)
    call = ("grade", folder, "--submissions", box, "-o", "r.xlsx", "--feedback", "back", "--jobs", 1)
    assert sheetgrad(*call, cwd=tmp_path).returncode == 0
    book = load_workbook(tmp_path / "back" / "A.xlsx")
    shown = [[cell.value for cell in row] for row in book["Feedback"].iter_rows(min_row=5)]
    assert len(shown) == 27 and book.active.title == "Feedback"
    assert shown[0][1:] == ["l1.g[1,1]", "✗", HINTS["mask"]]
    assert sum(row[2] == "✓" for row in shown) == 6 and shown[-1][3] == "Nothing is filled in."
    stored = get_engine("cached").recalculate(tmp_path / "back" / "A.xlsx")
    sheet, cell = next(iter(book.defined_names["loss_value"].destinations))
    assert isinstance(stored[sheet][cell.replace("$", "")], float)
    values = record.course.lesson.program.run(workshop(record.course.text).tensors(record.given["A"].numbers))
    texts = " ".join(parts(tmp_path / "back" / "A.xlsx").values())
    assert all(repr(float(x)) not in texts for x in np.ravel(values["b1.g"]))
    report = pd.read_csv(tmp_path / "r.csv")
    assert list(report["total"]) == [6, 0, 0] and list(report["strict"]) == [0, 0, 0]
    assert report.loc[0, "w1.g"] == 6 and report.loc[0, "status"] == "marked"
    answers = pd.read_excel(tmp_path / "r.xlsx", sheet_name="Answers")
    assert answers.loc[0, "l1.g[1,1]"] == "wrong: no mask" and answers.loc[0, "w1.g[1,1]"] == "follow-through"


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
    done = sheetgrad("grade", str(tmp_path), "--submissions", str(box), "-o", "r.xlsx", "--jobs", 1, cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    report = pd.read_csv(tmp_path / "r.csv")
    assert report.loc[0, "total (roster)"] == 7 and report.loc[0, "status (roster)"] == "new"
    assert report.loc[0, "total"] == 0 and any("21,000,000 bytes" in text for text in report["status"])


def test_what_looks_like_a_formula_stays_a_text_in_the_report(tmp_path):
    student = Student("A", "=cmd|' /C calc'!A0", {"=1+1": "@SUM(1)"})
    record = handout.prepare(mlp(), [student], tmp_path, "exam", "s")
    found = report.tables(record, grade.report_rows(record, [], []))
    beside = report.write_report(found, tmp_path / "r.xlsx")
    sheet = load_workbook(tmp_path / "r.xlsx")["Grades"]
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    assert "\n=cmd" not in beside.read_text("utf-8-sig") and "'=cmd" in beside.read_text("utf-8-sig")


def test_a_report_is_not_overwritten_unasked(trio, tmp_path):
    record, folder = trio
    box = inbox(folder, tmp_path, A=solved)
    call = ("grade", str(folder), "--submissions", str(box), "-o", "r.xlsx", "--jobs", 1)
    done = sheetgrad(*call, cwd=tmp_path)
    assert done.returncode == 0 and "27.0 of 27 marks on average; 2 missing" in done.stdout
    assert_refused(sheetgrad(*call, cwd=tmp_path), "r.xlsx", "--force")
    assert sheetgrad(*call, "--force", cwd=tmp_path).returncode == 0
    (box / "B.xlsx").write_bytes(b"broken")
    done = sheetgrad(*call, "--force", cwd=tmp_path)
    assert done.returncode == 1 and "cannot be read" in done.stdout


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


def _die(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_task_that_kills_its_process_is_given_up_and_no_other():
    results = {task[0]: result for task, result in each(_die, ((number,) for number in range(4)), jobs=2)}
    assert isinstance(results.pop(1), WorkerLost)
    assert results == {0: 0, 2: 2, 3: 3}


@pytest.mark.long
def test_the_same_on_a_dask_cluster_of_two_workers(tmp_path):
    distributed = pytest.importorskip("distributed")
    (tmp_path / "c.csv").write_text("id\n" + "\n".join(f"S{k}" for k in range(6)) + "\n")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        where = ("--scheduler", cluster.scheduler_address)
        base = ("handout", "mlp", "--roster", "c.csv", "--seed", "s")
        assert sheetgrad(*base, "-o", "far", *where, cwd=tmp_path).returncode == 0
        assert sheetgrad(*base, "-o", "near", cwd=tmp_path).returncode == 0
        assert len(list((tmp_path / "near").rglob("*.xlsx"))) == 12
        for path in (tmp_path / "near").rglob("*.xlsx"):
            assert path.read_bytes() == (tmp_path / "far" / path.relative_to(tmp_path / "near")).read_bytes()
        solved(tmp_path / "far" / "S1.xlsx")
        assert sheetgrad("grade", "far", *where, cwd=tmp_path).returncode == 0
    report = pd.read_csv(tmp_path / "far" / "grades.csv")
    assert list(report["total"]) == [0, 27, 0, 0, 0, 0]
