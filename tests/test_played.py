"""Workbooks that were played with: every number that may be changed is another one, and every cell still verifies."""

import random
import shutil
from pathlib import Path

import pytest
from conftest import needs_libreoffice, seed_of_this_run
from lessons import COURSE, lesson_named
from openpyxl import load_workbook

from sheetgrad import Lesson, verify
from sheetgrad.formulas.places import address
from sheetgrad.planning import make_plan

NAMES = [*COURSE, "wild", "everything"]
PICKS = ("laboratory.best_h", "laboratory.ripple", "laboratory.tangent")
SIZES = {"laboratory.nudge": 1e-3, "laboratory.reach": 0.07, "nudge.step": 1e-5, "training.lr": 0.013}


def play(path: Path, lesson: Lesson, settings: dict[str, object], shift: float) -> None:
    """Changes those of the settings that the workbook has, and moves the first number of each tensor that may move."""
    book, changed = load_workbook(path), set()
    for sheet in make_plan(lesson).sheets:
        for block in sheet.blocks:
            if block.kind != "input":
                continue
            cell = book[sheet.name][address(block.row, block.column)]
            if block.name in settings:
                cell.value = settings[block.name]
            elif block.name in lesson.tensors and lesson.tensors[block.name].role != "target":
                cell.value += shift
            else:
                continue
            changed.add(block.name)
    assert changed >= {name for name, tensor in lesson.tensors.items() if tensor.role != "target"} | {"nudge.step"}
    assert ("training.lr" in changed) == ("training" in lesson.sections)
    assert {name for name in changed if name.startswith("laboratory.")} in (set(), {*PICKS, *list(SIZES)[:2]})
    book.save(path)


def played(shelf, name: str) -> Path:
    """A lesson's workbook after that, with a random number picked on each sheet of the laboratory."""
    lesson = lesson_named(name)

    def make(folder: Path) -> None:
        chance = random.Random(f"{seed_of_this_run()} {name}")
        picks = {setting: chance.choice(list(lesson.numbers)) for setting in PICKS}
        play(shutil.copy(shelf.built(lesson)[0], folder), lesson, picks | SIZES, 0.0625)

    return shelf.once(f"{name}-played", make)[0] / f"{name}.xlsx"


def assert_verifies(path: Path, engine: str) -> None:
    report = verify(path, engine)
    assert report.ok, report.mismatches[:3]
    assert report.checked_cells == report.formula_cells > 50


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", ["formualizer", pytest.param("ironcalc", marks=pytest.mark.long)])
def test_a_workbook_that_was_played_with_verifies(shelf, name, engine):
    assert_verifies(played(shelf, name), engine)


@needs_libreoffice
@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_so_it_does_when_libreoffice_computed_and_saved_it(shelf, name):
    saved = shelf.saved_by_libreoffice("played", lambda _: [played(shelf, other) for other in NAMES])
    assert_verifies(saved[name], "cached")
    if name == "neuron":
        assert_verifies(saved[name], "formualizer")  # which reads the file as another application wrote it


@pytest.mark.long
@pytest.mark.parametrize("name", COURSE)
@pytest.mark.parametrize("which", [0.3, 0.6, 1.0])
def test_numbers_from_the_whole_list_verify_when_they_are_picked(workbook, tmp_path, name, which):
    path, listed = Path(shutil.copy(workbook(name), tmp_path)), list(lesson_named(name).numbers)
    picks = dict.fromkeys(PICKS, listed[round(which * (len(listed) - 1))])
    play(path, lesson_named(name), picks | SIZES, 0.125)
    assert_verifies(path, "formualizer")


@needs_libreoffice
@pytest.mark.long
@pytest.mark.parametrize("name", COURSE)
def test_the_last_number_verifies_in_libreoffice_when_it_is_picked(workbook, tmp_path, name):
    path = Path(shutil.copy(workbook(name), tmp_path))
    picks = dict.fromkeys(PICKS, list(lesson_named(name).numbers)[-1])
    play(path, lesson_named(name), picks | SIZES | {"nudge.step": 1e-4}, 0.0625)
    assert_verifies(path, "libreoffice")
