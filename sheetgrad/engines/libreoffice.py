"""LibreOffice, found on PATH: what many readers will open the workbook with."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sheetgrad.recalculation import (
    Changes,
    Engine,
    EngineError,
    Grids,
    guard,
)
from sheetgrad.recalculation.copies import Copies, set_in
from sheetgrad.xlsx.contents import Contents
from sheetgrad.xlsx.package import read_package

# Left to itself, LibreOffice trusts the stored values of a file that names Excel as its maker. 0 is "always".
_ALWAYS_RECALCULATE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load">
<prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop>
</item>
</oor:items>
"""


XLSX, PDF = "xlsx:Calc MS Excel 2007 XML", "pdf:calc_pdf_Export"
EACH = 120.0  # seconds a file may take, unless said otherwise


class LibreOffice(Engine):
    """Recalculates in a process of its own, with a profile of its own.

    Values carry 15 significant digits: LibreOffice writes no more. `timeout` is in seconds, for each file.
    """

    name = "libreoffice"
    install = "install LibreOffice"
    order = 30
    converts = True

    def __init__(self, timeout: float = EACH) -> None:
        program = shutil.which("soffice")
        if program is None:
            raise EngineError("libreoffice: soffice is not on PATH: install LibreOffice")
        self._program = program
        self._timeout = timeout

    def open(self, data: bytes, seconds: float | None = None) -> Copies:
        return Copies(self, data, seconds)

    def save_as_xlsx(self, path: Path, folder: Path, seconds: float | None = None) -> Path:
        """See `Engine.save_as_xlsx`; raises `EngineError` when LibreOffice cannot read the file."""
        with guard(self.name, path):
            read_package(path)
            copy = folder / f"source{path.suffix}"
            shutil.copyfile(path, copy)
            log = self.convert([copy], folder, XLSX, seconds)
            converted = folder / "out" / "source.xlsx"
            if not converted.is_file():
                raise ValueError(f"LibreOffice could not read it: {log or 'it gave no reason'}")
            return converted

    def recalculate_many(self, paths: Sequence[Path]) -> list[Grids]:
        """The values of each workbook, all from one LibreOffice process: to start it takes longest."""
        with guard(self.name, paths[0]):
            return list(self.converted([read_package(path) for path in paths], [{}] * len(paths)))

    def converted(
        self, books: Sequence[bytes], changes: Sequence[Changes], seconds: float | None = None
    ) -> Iterator[Grids]:
        """The values of each workbook with its changes, from one process; `seconds` is for all of them."""
        with TemporaryDirectory(prefix="sheetgrad-") as name:
            folder = Path(name)
            copies = [folder / f"{number}.xlsx" for number in range(len(books))]
            for copy, data, change in zip(copies, books, changes, strict=True):
                copy.write_bytes(data)
                set_in(copy, change)
            log = self.convert(copies, folder, XLSX, seconds)
            for copy in copies:
                done = folder / "out" / copy.name
                if not done.is_file():
                    raise ValueError(f"LibreOffice could not read it: {log or 'it gave no reason'}")
                yield {name: sheet.values for name, sheet in Contents(done.read_bytes()).all().items()}

    def convert(self, copies: Sequence[Path], folder: Path, form: str, seconds: float | None = None) -> str:
        """Convert `copies` into `folder`/out and return what LibreOffice said on standard error.

        The profile is thrown away too: a LibreOffice already open would otherwise take the call, and fail it.
        """
        limit = self._timeout * len(copies) if seconds is None else seconds
        if limit <= 0:
            raise EngineError("libreoffice: no time is left for it")
        user = folder / "profile" / "user"
        user.mkdir(parents=True)
        (user / "registrymodifications.xcu").write_text(_ALWAYS_RECALCULATE, encoding="utf-8")
        profile = f"-env:UserInstallation={user.parent.as_uri()}"
        call = [self._program, profile, "--headless", "--convert-to", form, "--outdir", str(folder / "out")]
        with subprocess.Popen(
            [*call, *map(str, copies)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                _, log = process.communicate(timeout=limit)
            except BaseException as error:
                os.killpg(process.pid, signal.SIGKILL)  # soffice is a script: the program proper is its child
                if isinstance(error, subprocess.TimeoutExpired):
                    raise EngineError(f"libreoffice: {len(copies)} file(s) not done after {limit:g} s") from error
                raise
        return log


ENGINE = LibreOffice


def to_pdf(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Each workbook, recalculated, as a PDF of its visible sheets in `folder`/out; their names must differ."""
    with guard(LibreOffice.name, paths[0]):
        log = LibreOffice().convert(paths, folder, PDF)
        printed = [folder / "out" / f"{path.stem}.pdf" for path in paths]
        for path in printed:
            if not path.is_file():
                raise ValueError(f"LibreOffice could not print it: {log or 'it gave no reason'}")
        return printed
