"""Shared by the tests: lessons and their workbooks, built once; what is needed to run some of them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lessons import LAYER, lesson_named, lesson_of  # noqa: F401 (for those who ask here)
from openpyxl import Workbook
from shelf import Shelf
from suite import (  # noqa: F401 (pytest looks for its hooks here)
    pytest_configure,
    pytest_make_collect_report,
    pytest_runtest_makereport,
    pytest_terminal_summary,
    seed_of_this_run,
)
from teacher import three_students

from sheetgrad import Lesson

needs_libreoffice = pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")


def formula_cells(book: Workbook) -> Iterator[tuple[str, str]]:
    """Every formula cell of a workbook, as openpyxl reads it: (sheet, cell)."""
    for sheet in book.worksheets:
        for row in sheet.iter_rows():
            yield from ((sheet.title, cell.coordinate) for cell in row if cell.data_type == "f")


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
