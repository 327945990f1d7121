"""Given tensors: values written out, drawn from a seed, or read from a CSV beside the template."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sheetgrad.lesson.fields import LessonError, is_count, number_of, only_known, text_of
from sheetgrad.lines.names import closest

FIELDS = ("role", "values", "csv", "columns", "rows", "shape", "random", "seed", "decimals", "note")
ROLES = ("input", "parameter", "target", "constant")
MOST_ELEMENTS = 1_000_000
HIGHEST_RANK = 4
LARGEST_FILE = 5_000_000  # bytes of a template or a CSV


@dataclass(frozen=True)
class Tensor:
    """A tensor that is given: its role, its numbers, and a note to show beside it."""

    name: str
    role: str
    values: np.ndarray
    note: str = ""


def read_tensor(name: str, entry: object, folder: Path | None) -> Tensor:
    where = f"[tensors.{name}]"
    if not name.isidentifier() or len(name) > 30 or name.startswith("_"):
        raise LessonError(f"{where}: expected a plain name of letters, digits and _")
    if not isinstance(entry, Mapping):
        raise LessonError(f"{where}: found {entry!r}, expected a table with role and values")
    try:
        only_known(entry, FIELDS, where)
        role = text_of(entry, "role", 20)
        if role not in ROLES:
            raise LessonError(f"role: found {role!r}, expected one of {', '.join(ROLES)}")
        sources = [key for key in ("values", "csv", "shape") if key in entry]
        if len(sources) != 1:
            found = " and ".join(sources) or "none"
            raise LessonError(f"found {found} of values, csv and shape, expected exactly one")
        read = {"values": _given, "csv": _from_csv, "shape": _drawn}[sources[0]]
        values = read(entry, folder)
        if values.ndim > HIGHEST_RANK or values.size > MOST_ELEMENTS or values.size == 0:
            raise LessonError(
                f"found shape {list(values.shape)}, expected 1 to {MOST_ELEMENTS:,} numbers on at most {HIGHEST_RANK} axes"
            )
        if not np.isfinite(values).all() or np.abs(values).max() > 1e12:
            raise LessonError("expected finite numbers below 1e12")
        return Tensor(name, role, values, text_of(entry, "note", 300, ""))
    except LessonError as error:
        raise LessonError(f"{where} {error}" if not str(error).startswith("[") else str(error)) from None


def _given(entry: Mapping, folder: Path | None) -> np.ndarray:
    try:
        values = np.array(entry["values"], dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise LessonError("values: expected a number, or rows of equally many numbers") from None
    return values


def _drawn(entry: Mapping, folder: Path | None) -> np.ndarray:
    """Random numbers, rounded to friendly decimals; the same seed gives the same numbers.

    ``kaiming`` has standard deviation √(2 / inputs), for a weight of shape inputs × outputs (He et al. 2015).
    """
    shape = entry["shape"]
    if not isinstance(shape, list) or not all(is_count(n) for n in shape):
        raise LessonError(f"shape: found {shape!r}, expected a list of whole numbers such as [2, 4]")
    if math.prod(shape) > MOST_ELEMENTS or len(shape) > HIGHEST_RANK:
        raise LessonError(f"shape: found {shape}, expected at most {MOST_ELEMENTS:,} numbers on {HIGHEST_RANK} axes")
    kind = text_of(entry, "random", 20, "normal")
    generator = np.random.default_rng(int(number_of(entry, "seed", 0, 0, 2**32)))
    decimals = int(number_of(entry, "decimals", 2, 0, 12))
    match kind:
        case "normal":
            values = generator.normal(size=shape)
        case "uniform":
            values = generator.uniform(-1, 1, size=shape)
        case "kaiming":
            values = generator.normal(size=shape) * math.sqrt(2 / (shape[0] if shape else 1))
        case _:
            raise LessonError(f"random: found {kind!r}, expected normal, uniform or kaiming")
    return np.round(values, decimals) + 0.0


def _from_csv(entry: Mapping, folder: Path | None) -> np.ndarray:
    """Columns of a CSV beside the template; rows are counted from 1, ``rows = n`` takes the first n."""
    import pandas as pd

    file = text_of(entry, "csv", 200)
    if folder is None:
        raise LessonError(f"csv: {file} cannot be read here")
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()) or path.suffix.lower() != ".csv":
        raise LessonError(f"csv: found {file!r}, expected a .csv file in the template's own folder")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise LessonError(f"csv: {file} is larger than {LARGEST_FILE:,} bytes")
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(path, skipinitialspace=True, index_col=False)
    except pd.errors.ParserWarning:
        raise LessonError(f"csv: {file}: a row has more values than there are headings") from None
    except FileNotFoundError:
        raise LessonError(f"csv: {file} is not in the template's folder") from None
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise LessonError(f"csv: {file}: {str(error).splitlines()[0]}") from None
    columns = entry.get("columns", list(frame.columns))
    columns = [columns] if isinstance(columns, str) else columns
    if not isinstance(columns, list) or not columns or not all(isinstance(name, str) for name in columns):
        raise LessonError(f"columns: found {columns!r}, expected a list of column names")
    for column in columns:
        if column not in frame.columns:
            known = [str(name) for name in frame.columns]
            raise LessonError(f"columns: {file} has no {column!r}{closest(str(column), known)}")
    rows = entry.get("rows", len(frame))
    wanted = list(range(1, rows + 1)) if is_count(rows) and rows <= len(frame) else rows
    if not isinstance(wanted, list) or not all(is_count(n) and n <= len(frame) for n in wanted):
        raise LessonError(f"rows: found {rows!r}, expected row numbers from 1 to {len(frame)}")
    chosen = frame.iloc[[n - 1 for n in wanted]][columns]
    numbers = chosen.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    if numbers.size and not np.isfinite(numbers).all():
        row, column = np.argwhere(~np.isfinite(numbers))[0]
        found = chosen.iloc[row, column]
        raise LessonError(f"csv: {file}, row {wanted[row]}, {columns[column]}: found {found!r}, expected a number")
    return numbers


def refuse_twins(tensors: Mapping[str, Tensor]) -> None:
    seen: dict[str, str] = {}
    for name in tensors:
        twin = seen.setdefault(name.lower(), name)
        if twin != name:
            raise LessonError(
                f"[tensors.{name}]: {name} and {twin} differ only in case, which names in Excel do not tell apart"
            )
