"""Handouts on paper: a printable sheet a student with empty boxes, its answers, and all of them in one PDF of each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from sheetgrad.classroom.give.handout import KEYS, Given, HandoutError, Record
from sheetgrad.classroom.give.workshop import workshop
from sheetgrad.engines.libreoffice import LibreOffice, to_pdf
from sheetgrad.files import whole, write_whole

PDF, PAPER = "pdf", "paper"  # as on the screen; with larger boxes and space for working
MERGED = {PDF: ("handouts.pdf", "answers.pdf"), PAPER: ("handouts-paper.pdf", "answers-paper.pdf")}
ONE_AT_A_TIME = Lock()  # a workshop serves one thread
AT_ONCE = 20  # students in one call of LibreOffice: to start it takes longest


def check_tools() -> None:
    """Raises ``EngineError`` or :class:`HandoutError` when LibreOffice or pypdf is not there."""
    LibreOffice()
    if find_spec("pypdf") is None:
        raise HandoutError("--pdf: pypdf is not installed: pip install pypdf")


def missing_pages(record: Record, folder: Path, form: str) -> list[Given]:
    """Those whose sheet or answers are not printed yet in this form, ``pdf`` or ``paper``."""
    return [one for one in record.given.values() if not all(path.exists() for path in _paths(folder, one, form))]


def print_pages(
    record: Record, folder: Path, todo: Sequence[Given], form: str, jobs: int | None = None
) -> Iterator[Given]:
    """Prints ``FORM/ID.pdf`` and ``key/FORM/ID.pdf`` for each of ``todo``, and gives each when it is there.

    ``jobs`` LibreOffices run side by side. Raises ``EngineError`` when there is none, or when it fails.
    """
    batches = [todo[start : start + AT_ONCE] for start in range(0, len(todo), AT_ONCE)]
    with ThreadPoolExecutor(jobs) as executor:
        try:
            printed = executor.map(partial(_print_batch, record, form), batches)
            for batch, students in zip(batches, printed, strict=True):
                for one, pages in zip(batch, students, strict=True):
                    for path, data in zip(_paths(folder, one, form), pages, strict=True):
                        write_whole(path, data)
                    yield one
        finally:
            executor.shutdown(cancel_futures=True)


def _print_batch(record: Record, form: str, batch: Sequence[Given]) -> list[tuple[bytes, bytes]]:
    with tempfile.TemporaryDirectory(prefix="sheetgrad-") as room:
        books = []
        for number, one in enumerate(batch):
            who, course = one.student, record.course_of(one).text
            for answered in (False, True):
                book = Path(room) / f"{number}-{answered:d}.xlsx"
                with ONE_AT_A_TIME:
                    book.write_bytes(workshop(course).printed(who.mark, who.name, one.numbers, form == PAPER, answered))
                books.append(book)
        pages = [path.read_bytes() for path in to_pdf(books, Path(room))]
    return list(zip(pages[::2], pages[1::2], strict=True))


def merge(record: Record, folder: Path, form: str) -> tuple[Path, Path]:
    """All sheets in one PDF, and all answers in another, in the order of the roster.

    A student's part begins on an odd page, so that they can be printed on both sides.
    """
    from pypdf import PdfReader, PdfWriter

    targets = folder / MERGED[form][0], folder / KEYS / MERGED[form][1]
    for which, target in enumerate(targets):
        merged = PdfWriter()
        for one in record.given.values():
            reader = PdfReader(_paths(folder, one, form)[which])
            first = len(merged.pages)
            merged.append(reader, one.student.name or one.student.mark, import_outline=False)
            if (len(merged.pages) - first) % 2 and which == 0:
                merged.add_blank_page()
        with whole(target) as temporary:
            merged.write(temporary)
    return targets


def _paths(folder: Path, one: Given, form: str) -> tuple[Path, Path]:
    name = f"{one.student.mark}.pdf"
    return folder / form / name, folder / KEYS / form / name
