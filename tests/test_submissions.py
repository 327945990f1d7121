"""Hostile and broken submissions: a row each, and nothing stops."""

import shutil
import time
import zipfile
from pathlib import Path

from openpyxl import load_workbook
from pupils import Desk
from teacher import give, graded, mlp, solved


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
