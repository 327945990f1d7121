"""What takes long is made once in a run, by whichever worker asks first; the others wait for it and share it."""

from __future__ import annotations

import fcntl
import pickle
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from openpyxl import load_workbook

from sheetgrad import Lesson, build
from sheetgrad.verifying.verify import Report

Made = TypeVar("Made")


class Shelf:
    """A folder that the workers of one run share."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def once(self, name: str, make: Callable[[Path], Made]) -> tuple[Path, Made]:
        """A folder called ``name`` and what ``make(folder)`` returned when it filled it.

        The lock is let go by itself when the one who holds it is killed; what it left is then made anew.
        """
        folder, result = self.folder / name, self.folder / f"{name}.made"
        with open(self.folder / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not result.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                unfinished = result.with_suffix(".part")
                unfinished.write_bytes(pickle.dumps(make(folder)))
                unfinished.replace(result)
            return folder, pickle.loads(result.read_bytes())

    def built(self, lesson: Lesson) -> tuple[Path, Report]:
        """The workbook of a lesson, not to be changed, and the report of building it. Lessons differ in their names."""
        folder, report = self.once(lesson.name, lambda folder: build(lesson, folder / f"{lesson.name}.xlsx"))
        return folder / f"{lesson.name}.xlsx", report

    def saved_by_libreoffice(self, name: str, books: Callable[[Path], Sequence[Path]]) -> Mapping[str, Path]:
        """The workbooks that ``books(folder)`` gives, recalculated and saved by one LibreOffice, by their stems.

        To start it takes longest, so that as many as can be go through one.
        """

        def make(folder: Path) -> dict[str, Path]:
            return through_libreoffice(books(folder), folder)

        return self.once(name, make)[1]


def through_libreoffice(books: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Each workbook as LibreOffice saves it, with the values that LibreOffice computed, in ``folder``/saved.

    What openpyxl saves has no stored values, so that none can be taken over.
    """
    bare = folder / "bare"
    bare.mkdir()
    copies = []
    for path in books:
        copies.append(bare / path.name)
        load_workbook(path).save(copies[-1])
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    convert = ["--headless", "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", str(folder / "saved")]
    call = ["soffice", profile, *convert, *map(str, copies)]
    subprocess.run(call, check=True, capture_output=True, timeout=60 + 30 * len(copies))
    return {path.stem: folder / "saved" / path.name for path in copies}
