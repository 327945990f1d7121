"""Workbooks as they come: opened safely, with the lesson that they carry."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

from sheetgrad.errors import SheetgradError
from sheetgrad.formulas.places import address
from sheetgrad.lesson.fields import LessonError
from sheetgrad.lesson.model import Lesson
from sheetgrad.workbook.write import CARRIER, FORMAT
from sheetgrad.xlsx.contents import Contents, texts_down
from sheetgrad.xlsx.package import MOST_CELLS, UnsafeFileError, read_package

if TYPE_CHECKING:
    from openpyxl import Workbook


class WorkbookError(SheetgradError, ValueError):
    """A file that cannot be verified at all; the message names it and says why in one line."""


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns whatever goes wrong in reading a file into a :class:`WorkbookError` of one line."""
    try:
        yield
    except WorkbookError:
        raise
    except UnsafeFileError as error:
        raise WorkbookError(str(error)) from None
    except OSError as error:
        raise WorkbookError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # whatever a broken file makes the readers raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise WorkbookError(f"{path}: cannot be read as a workbook ({first}); expected an .xlsx file") from None


def read_workbook(path: Path) -> bytes:
    """The file of a workbook. Raises :class:`WorkbookError` for whatever is not one, or not safe to open."""
    with readable(path):
        return read_package(path)


def open_workbook(path: Path) -> Workbook:
    """The workbook in openpyxl, to add to it. Raises :class:`WorkbookError` as :func:`read_workbook` does."""
    from openpyxl import load_workbook

    with readable(path):
        book = load_workbook(io.BytesIO(read_package(path)), keep_links=False)
        for sheet in book.worksheets:
            if sheet.max_row * sheet.max_column > MOST_CELLS:
                last = address(sheet.max_row, sheet.max_column)
                raise WorkbookError(f"{path}: {sheet.title} reaches to {last}: clear the stray cells far out")
    return book


def carried_table(contents: Contents, path: Path) -> dict:
    """What a workbook of ours carries, as data. Raises :class:`WorkbookError` when it carries nothing."""
    if CARRIER not in contents.sheets:
        raise WorkbookError(
            f"{path}: not made by sheetgrad (it has no sheet {CARRIER}); expected a workbook of `sheetgrad build`"
        )
    with readable(path):
        text = "".join(texts_down(contents.sheet(CARRIER)))
    try:
        table = json.loads(text)
        return {**table, "name": str(table["name"])} if "handout" not in table else table
    except (ValueError, KeyError, TypeError, RecursionError):
        raise WorkbookError(f"{path}: the lesson inside is damaged") from None


def carried_lesson(contents: Contents, path: Path) -> Lesson:
    """The lesson that a workbook carries. Raises :class:`WorkbookError` when it carries none."""
    table = carried_table(contents, path)
    if "handout" in table:
        raise WorkbookError(f"{path}: a handout, which carries no lesson; `sheetgrad grade` marks it")
    try:
        if table["format"] != FORMAT:
            raise WorkbookError(
                f"{path}: made by another sheetgrad, with other sheets: found format {str(table['format'])[:20]}, "
                f"expected {FORMAT}; make it again: sheetgrad build {str(table['name'])[:60]}"
            )
        return Lesson.from_table(table["lesson"], table["name"], f"{path}, sheet {CARRIER}")
    except WorkbookError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError) as error:
        reason = str(error) if isinstance(error, LessonError) else f"{path}: the lesson inside is damaged"
        raise WorkbookError(reason) from None


def saved_by(data: bytes) -> str:
    """The application that last saved a workbook, from the file's own properties."""
    with ZipFile(io.BytesIO(data)) as archive:
        try:
            text = archive.read("docProps/app.xml")[:10_000].decode("utf-8", "replace")
        except KeyError:
            return "an application that does not say its name"
    name, version = (re.search(rf"<{tag}>([^<]{{1,100}})</{tag}>", text) for tag in ("Application", "AppVersion"))
    words = " ".join(part[1] for part in (name, version) if part) or "an application that does not say its name"
    # openpyxl computes nothing: in a file that it wrote last, the values are those that `build` had stored
    return "sheetgrad (Formualizer)" if "openpyxl" in words.lower() else words
