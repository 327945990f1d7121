"""Shared by the tests: small lessons, the seed of a run, what a run may not skip, and what its workers build once."""

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lessons import LAYER, lesson_named, lesson_of  # noqa: F401 (for those who ask here)
from openpyxl import Workbook
from shelf import Shelf
from teacher import three_students

from sheetgrad import Lesson

needs_libreoffice = pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")


def formula_cells(book: Workbook) -> Iterator[tuple[str, str]]:
    """Every formula cell of a workbook, as openpyxl reads it: (sheet, cell)."""
    for sheet in book.worksheets:
        for row in sheet.iter_rows():
            yield from ((sheet.title, cell.coordinate) for cell in row if cell.data_type == "f")


# -- the seed of a run --------------------------------------------------------------------------------------------


def pytest_configure(config):
    """One seed for all that a run draws. Workers inherit it from the process that starts them, with its environment."""
    if not os.environ.setdefault("SHEETGRAD_SEED", str(secrets.randbelow(1_000_000))).isdigit():
        raise pytest.UsageError(f"SHEETGRAD_SEED: found {os.environ['SHEETGRAD_SEED']!r}, expected a whole number")


def seed_of_this_run() -> int:
    """What random lessons are drawn from."""
    return int(os.environ["SHEETGRAD_SEED"])


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"random lessons: SHEETGRAD_SEED={seed_of_this_run()} draws the same ones again")


# -- what may not be skipped --------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return not_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return not_skipped((yield))


def not_skipped(report):
    """With SHEETGRAD_ALL=1, where every program that tests need must be installed, a skipped test has failed."""
    if os.environ.get("SHEETGRAD_ALL") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome, reason = "failed", report.longrepr
        report.longrepr = f"skipped where SHEETGRAD_ALL=1 says that nothing may be: {reason[-1]}"
    return report


# -- built once ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shelf(tmp_path_factory, testrun_uid, worker_id) -> Shelf:
    """What is built once in a run, for all of its workers. Another run has another folder, so that nothing is stale."""
    own = tmp_path_factory.getbasetemp()
    return Shelf((own if worker_id == "master" else own.parent) / f"shelf-{testrun_uid}")


@pytest.fixture
def workbook(shelf):
    """The path of a lesson's workbook by its name; copy it before changing it."""
    return lambda name: shelf.built(lesson_named(name))[0]


@pytest.fixture
def trio(shelf):
    """Three students of one class, and one of another: the record and the folder."""
    return three_students(shelf)


@pytest.fixture
def layer() -> Lesson:
    return lesson_named("layer")


@pytest.fixture
def built(workbook) -> Path:
    """A workbook of the small layer; copy it before changing it."""
    return workbook("layer")


@pytest.fixture
def book(built, tmp_path) -> Path:
    """A copy of the small layer's workbook to do things to."""
    return Path(shutil.copy(built, tmp_path / "layer.xlsx"))
