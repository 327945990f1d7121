"""Shared by the tests: lessons from short templates, workbooks that are built once, LibreOffice when there is one."""

import shutil
import tomllib
from collections.abc import Iterator

import pytest
from openpyxl import Workbook

from sheetgrad import Lesson, build

needs_libreoffice = pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")

LAYER = """
title = "A layer"
question = "How?"
text = "Words."
forward = '''
out = x @ w + b    # a layer
act = relu(out)
loss = mse(act, y)
'''
[tensors.x]
role = "input"
values = [[1.0, 2.0], [0.5, -1.0], [-1.5, 0.25]]
[tensors.w]
role = "parameter"
values = [[0.3, -0.7], [0.8, 0.4]]
[tensors.b]
role = "parameter"
values = [0.1, -0.2]
[tensors.y]
role = "target"
values = [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]
"""


def lesson_of(text: str, name: str = "layer") -> Lesson:
    """The lesson of a template given as text."""
    return Lesson.from_table(tomllib.loads(text), name, f"{name}.toml")


def formula_cells(book: Workbook) -> Iterator[tuple[str, str]]:
    """Every formula cell of a workbook, as openpyxl reads it: (sheet, cell)."""
    for sheet in book.worksheets:
        for row in sheet.iter_rows():
            yield from ((sheet.title, cell.coordinate) for cell in row if cell.data_type == "f")


@pytest.fixture
def layer() -> Lesson:
    return lesson_of(LAYER)


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A workbook of the small layer, built once; copy it before changing it."""
    path = tmp_path_factory.mktemp("built") / "layer.xlsx"
    assert build(lesson_of(LAYER), path).ok
    return path


@pytest.fixture
def book(built, tmp_path):
    """A copy of the small layer's workbook to do things to."""
    return shutil.copy(built, tmp_path / "layer.xlsx")
