"""LibreOffice, found on PATH: what many readers will open the workbook with."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from openpyxl import load_workbook

from sheetgrad.engines import Changes, EngineError, Formula, Values, Wanted, cells_to_set, guard, only
from sheetgrad.engines.cached import stored_values

# Left to itself, LibreOffice trusts the stored values of a file that names Excel as its maker. 0 is "always".
_ALWAYS_RECALCULATE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load">
<prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop>
</item>
</oor:items>
"""


XLSX, PDF = "xlsx:Calc MS Excel 2007 XML", "pdf:calc_pdf_Export"
AT_ONCE = 200  # copies of a file in one call


def to_xlsx(path: Path, folder: Path, timeout: float = 120) -> Path:
    """A workbook in another format, such as .ods, as .xlsx in `folder`; macros are not run."""
    with guard(LibreOffice.name, path):
        copy = folder / f"source{path.suffix}"
        shutil.copyfile(path, copy)
        log = LibreOffice(timeout).convert([copy], folder, XLSX)
        converted = folder / "out" / "source.xlsx"
        if not converted.is_file():
            raise ValueError(f"LibreOffice could not read it: {log or 'it gave no reason'}")
        return converted


def to_pdf(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Each workbook, recalculated, as a PDF of its visible sheets in `folder`/out; their names must differ."""
    with guard(LibreOffice.name, paths[0]):
        log = LibreOffice().convert(paths, folder, PDF)
        printed = [folder / "out" / f"{path.stem}.pdf" for path in paths]
        for path in printed:
            if not path.is_file():
                raise ValueError(f"LibreOffice could not print it: {log or 'it gave no reason'}")
        return printed


class LibreOffice:
    """Recalculates by converting a copy of the file, and reads the values stored in the result.

    These carry 15 significant digits: LibreOffice writes no more. `timeout` is in seconds, for each file.
    """

    name = "libreoffice"

    def __init__(self, timeout: float = 120) -> None:
        program = shutil.which("soffice")
        if program is None:
            raise EngineError("libreoffice: soffice is not on PATH: install LibreOffice")
        self._program = program
        self._timeout = timeout

    def recalculate(self, path: Path, changes: Changes | None = None) -> Values:
        """See `Engine.recalculate`."""
        return self._recalculate([path], [changes])[0]

    def recalculate_many(self, paths: Sequence[Path]) -> list[Values]:
        """The values of each workbook, all from one LibreOffice process: to start it takes longest."""
        return self._recalculate(paths, [None] * len(paths))

    def recalculate_each(self, path: Path, scenarios: Sequence[Changes], wanted: Wanted) -> Iterator[Values]:
        """See `Engine.recalculate_each`. A copy of the file for each scenario, so many at a time in one process."""
        for start in range(0, len(scenarios), AT_ONCE):
            some = scenarios[start : start + AT_ONCE]
            for values in self._recalculate([path] * len(some), some):
                yield only(values, wanted)

    def _recalculate(self, paths: Sequence[Path], changes: Sequence[Changes | None]) -> list[Values]:
        with TemporaryDirectory(prefix="sheetgrad-") as name:
            folder = Path(name)
            # Numbered copies: two workbooks may share a name, and LibreOffice locks beside what it opens.
            copies = [folder / f"{number}.xlsx" for number in range(len(paths))]
            for path, copy, change in zip(paths, copies, changes, strict=True):
                with guard(self.name, path):
                    _copy(path, copy, change)
            log = self.convert(copies, folder, XLSX)
            results = []
            for path, copy in zip(paths, copies, strict=True):
                with guard(self.name, path):
                    converted = folder / "out" / copy.name
                    if not converted.is_file():
                        raise ValueError(f"LibreOffice could not read it: {log or 'it gave no reason'}")
                    results.append(stored_values(converted))
            return results

    def convert(self, copies: Sequence[Path], folder: Path, form: str) -> str:
        """Convert `copies` into `folder`/out and return what LibreOffice said on standard error.

        The profile is thrown away too: a LibreOffice already open would otherwise take the call, and fail it.
        """
        user = folder / "profile" / "user"
        user.mkdir(parents=True)
        (user / "registrymodifications.xcu").write_text(_ALWAYS_RECALCULATE, encoding="utf-8")
        profile = f"-env:UserInstallation={user.parent.as_uri()}"
        convert = [
            "--headless",
            "--convert-to",
            form,
            "--outdir",
            str(folder / "out"),
        ]
        with subprocess.Popen(
            [self._program, profile, *convert, *map(str, copies)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            limit = self._timeout * len(copies)
            try:
                _, log = process.communicate(timeout=limit)
            except BaseException as error:
                os.killpg(process.pid, signal.SIGKILL)  # soffice is a script: the program proper is its child
                if isinstance(error, subprocess.TimeoutExpired):
                    raise EngineError(f"libreoffice: {len(copies)} file(s) not done after {limit:g} s") from error
                raise
        return log


def _copy(path: Path, copy: Path, changes: Changes | None) -> None:
    if not changes:
        shutil.copyfile(path, copy)
        return
    book = load_workbook(path)
    for sheet, row, column, value in cells_to_set(changes, [sheet.title for sheet in book.worksheets]):
        cell = book[sheet].cell(row, column)
        cell.value = str(value) if isinstance(value, str) else value
        if isinstance(value, str) and not isinstance(value, Formula):
            cell.data_type = "s"  # openpyxl would take "=A1" for a formula
    book.save(copy)
