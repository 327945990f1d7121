"""The wall of mistakes: every slip is found, named where it can be, and gone when it is mended."""

import importlib.util
from pathlib import Path

import pytest
from commands import sheetgrad
from mistakes import MISTAKES

from sheetgrad.gradchecking.check import check
from sheetgrad.gradchecking.find import find

DOCS = Path(__file__).parent.parent / "docs"
STALE = "docs/mistakes.md is stale: run `python docs/wall.py`"


SLOW = ("mask-missing",)  # to be named: many formulas may have the slip
LISTED = [
    pytest.param(mistake, id=mistake.name, marks=[pytest.mark.long] if mistake.name in SLOW else [])
    for mistake in MISTAKES
]


@pytest.fixture(scope="module")
def wall():
    spec = importlib.util.spec_from_file_location("wall", DOCS / "wall.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("mistake", LISTED)
def test_a_mistake_is_found_and_named_and_stands_on_the_page(mistake, wall, tmp_path):
    mistake.write(tmp_path / f"{mistake.name}.xlsx")
    done = sheetgrad("gradcheck", f"{mistake.name}.xlsx", "--find", cwd=tmp_path)
    assert done.returncode == (0 if mistake.passes else 1), done.stdout + done.stderr
    assert mistake.named in done.stdout
    assert wall.section(mistake, done.stdout) in wall.PAGE.read_text(encoding="utf-8"), STALE


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_mended_every_gradient_that_is_found_agrees(mistake, tmp_path):
    path = mistake.write(tmp_path / "mended.xlsx", mended=True)
    found = find(path)
    wrong = find(mistake.write(tmp_path / "wrong.xlsx"))
    assert (wrong.loss, wrong.ranges) == (found.loss, found.ranges)
    checked = check(path, found.loss, found.ranges)
    assert len(found.pairs) == mistake.pairs
    assert checked.ok and checked.counts["agree"] == len(checked.cells) and not checked.notes


def test_the_page_has_these_mistakes_and_no_others(wall):
    text = wall.PAGE.read_text(encoding="utf-8")
    assert text.startswith(wall.HEAD.format(count=len(MISTAKES))), STALE
    titles = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert titles == [mistake.title for mistake in MISTAKES], STALE
