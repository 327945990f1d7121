"""Evaluates a workbook that was written without values, and stores them in it."""

from __future__ import annotations

import io
import re
import zipfile
from html import unescape
from pathlib import Path

from sheetgrad.engines import AUTOMATIC, Grids, Session, get_engine, guard
from sheetgrad.workbook.spelling import functions_in
from sheetgrad.xlsx.package import read_package
from sheetgrad.xlsx.stored import with_values

CALLED = re.compile(rb"[A-Z][A-Z0-9_.]+(?=\()")  # functions, as applications write them
FORMULA = re.compile(rb"<f\b[^>]*>([^<]*)</f>")


def store_values(path: Path, engine: str = AUTOMATIC[0]) -> None:
    """Recalculates the workbook at ``path`` and stores the values in it; all else in the file stays as it is.

    Raises ``EngineError`` when the engine does not know a function, or a formula was not evaluated: then the file is
    what it was.
    """
    data, values = evaluated(path, engine)
    with guard(engine, path):
        path.write_bytes(with_values(data, values))


def evaluated(path: Path, engine: str) -> tuple[bytes, Grids]:
    """The file at ``path``, and the values of its cells; raises as :func:`store_values` does."""
    chosen = get_engine(engine)
    with guard(engine, path):
        data = read_package(path)
        session = chosen.open(data)
        if unknown := unknown_functions(data, session):
            raise ValueError(f"{engine} does not know {', '.join(unknown)}")
        return data, session.grids()


def unknown_functions(data: bytes, session: Session) -> list[str]:
    """The functions in a workbook's formulas that the engine does not know.

    Names are looked for in the whole XML, which is fast; only where one is unknown are the formulas taken apart.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        called = {name: set(CALLED.findall(archive.read(name))) for name in names}
        suspects = set(
            session.unknown_functions(sorted({word.decode() for words in called.values() for word in words}))
        )
        found: set[str] = set()
        for name, words in called.items():
            if suspects & {word.decode() for word in words}:
                texts = {unescape(text.decode("utf-8", "replace")) for text in FORMULA.findall(archive.read(name))}
                found |= suspects & set().union(*(functions_in(f"={text}") for text in texts))
    return sorted(found)
