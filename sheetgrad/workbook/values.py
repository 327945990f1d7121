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

    Names are looked for in all formulas at once, which is fast; only those that have an unknown one are taken apart.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheets = (name for name in archive.namelist() if name.startswith("xl/worksheets/"))
        formulas = {formula for name in sheets for formula in FORMULA.findall(archive.read(name))}
    called = {name.decode() for name in CALLED.findall(b"\n".join(formulas))}
    suspects = set(session.unknown_functions(sorted(called)))
    if not suspects:
        return []
    texts = (unescape(formula.decode("utf-8", "replace")) for formula in formulas)
    named = (functions_in(f"={text}") for text in texts if any(name in text for name in suspects))
    return sorted(suspects & set().union(*named))
