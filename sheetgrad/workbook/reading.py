"""Workbooks as they come: opened safely, with the lesson that they carry."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

from openpyxl import Workbook, load_workbook
from openpyxl.formula import Tokenizer
from openpyxl.formula.tokenizer import Token, TokenizerError

from sheetgrad.errors import SheetgradError
from sheetgrad.formulas.places import address
from sheetgrad.lesson.fields import LessonError
from sheetgrad.lesson.model import Lesson
from sheetgrad.workbook.package import MOST_CELLS, UnsafeFileError, check_package
from sheetgrad.workbook.write import CARRIER, FORMAT


class WorkbookError(SheetgradError, ValueError):
    """A file that cannot be verified at all; the message names it and says why in one line."""


def open_workbook(path: Path) -> Workbook:
    """The workbook with its formulas. Raises :class:`WorkbookError` for whatever is not one, or not safe to open."""
    try:
        check_package(path)
        book = load_workbook(path, keep_links=False)
    except UnsafeFileError as error:
        raise WorkbookError(str(error)) from None
    except OSError as error:
        raise WorkbookError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # whatever a broken file makes openpyxl raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise WorkbookError(f"{path}: cannot be read as a workbook ({first}); expected an .xlsx file") from None
    for sheet in book.worksheets:
        if sheet.max_row * sheet.max_column > MOST_CELLS:
            last = address(sheet.max_row, sheet.max_column)
            raise WorkbookError(f"{path}: {sheet.title} reaches to {last}: clear the stray cells far out")
    return book


def carried_lesson(book: Workbook, path: Path) -> Lesson:
    """The lesson that a workbook carries. Raises :class:`WorkbookError` when it carries none."""
    if CARRIER not in book.sheetnames:
        raise WorkbookError(
            f"{path}: not made by sheetgrad (it has no sheet {CARRIER}); expected a workbook of `sheetgrad build`"
        )
    text = "".join(str(cell.value or "") for (cell,) in book[CARRIER].iter_rows(max_col=1))
    try:
        carried = json.loads(text)
        if "handout" in carried:
            raise WorkbookError(f"{path}: a handout, which carries no lesson; `sheetgrad grade` marks it")
        if carried["format"] != FORMAT:
            raise WorkbookError(
                f"{path}: made by another sheetgrad: found format {str(carried['format'])[:20]}, expected {FORMAT}"
            )
        return Lesson.from_table(carried["lesson"], str(carried["name"]), f"{path}, sheet {CARRIER}")
    except WorkbookError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError) as error:
        reason = str(error) if isinstance(error, LessonError) else f"{path}: the lesson inside is damaged"
        raise WorkbookError(reason) from None


def formula_cells(book: Workbook) -> Iterator[tuple[str, str]]:
    """Every formula cell of a workbook: (sheet, cell)."""
    for sheet in book.worksheets:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    yield sheet.title, cell.coordinate


def same_formula(one: object, other: str) -> bool:
    """Whether two formulas are the same but for how an application writes them: spaces, case, ``1E-04``."""
    try:
        return isinstance(one, str) and one.startswith("=") and _normal(one) == _normal(other)
    except (TokenizerError, IndexError, ValueError):
        return False  # not a formula at all


def _normal(formula: str) -> list[str]:
    words = []
    for token in Tokenizer(formula).items:
        if token.type == Token.WSPACE:
            continue
        if token.type == Token.OPERAND and token.subtype == Token.NUMBER:
            words.append(repr(float(token.value)))
        elif token.type == Token.OPERAND and token.subtype == Token.TEXT:
            words.append(token.value)
        else:
            words.append(token.value.upper().replace("'", ""))
    return words


def saved_by(path: Path) -> str:
    """The application that last saved a workbook, from the file's own properties."""
    with ZipFile(path) as archive:
        try:
            text = archive.read("docProps/app.xml")[:10_000].decode("utf-8", "replace")
        except KeyError:
            return "an application that does not say its name"
    name, version = (re.search(rf"<{tag}>([^<]{{1,100}})</{tag}>", text) for tag in ("Application", "AppVersion"))
    words = " ".join(part[1] for part in (name, version) if part) or "an application that does not say its name"
    # openpyxl computes nothing: in a file that it wrote last, the values are those that `build` had stored
    return "sheetgrad (Formualizer)" if "openpyxl" in words.lower() else words
