"""Who is in the class: a CSV or XLSX file with a row a student."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sheetgrad.errors import SheetgradError
from sheetgrad.xlsx.package import UnsafeFileError, read_package

LARGEST_FILE = 20_000_000  # bytes
MOST_STUDENTS = 100_000
LONGEST = 100  # characters of an id or a name
MOST_SAID = 5  # problems named in one message
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$", re.I)  # no file can be called so on Windows
FORBIDDEN = set('<>:"/\\|?*')  # nor hold these
OURS = ("handout", "handouts", "answers", "grades", "key")  # names that sheetgrad's own files in the same folder have


class RosterError(SheetgradError, ValueError):
    """A roster that cannot be used; the message names the file, the rows, what was found and expected."""


@dataclass(frozen=True)
class Student:
    """One row: ``mark`` is the id, which names the student's files, ``more`` the other columns."""

    mark: str
    name: str = ""
    more: Mapping[str, str] = field(default_factory=dict)


def read_roster(path: str | Path) -> list[Student]:
    """The students of a CSV (UTF-8 or Windows-1252; comma, semicolon or tab) or the first sheet of an XLSX file.

    It needs a column ``id``; ``name`` is used, all others are kept. Raises :class:`RosterError` naming every row with
    an id that is missing, there twice, or not usable as the name of a file.
    """
    import pandas as pd

    path = Path(path)
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise RosterError(f"{path}: {size:,} bytes, at most {LARGEST_FILE:,}")
        frame = _read_xlsx(path) if path.suffix.lower() in (".xlsx", ".xlsm") else _read_csv(path)
    except FileNotFoundError:
        raise RosterError(f"{path}: no such file; expected a roster (.csv or .xlsx) with a column id") from None
    except (UnsafeFileError, RosterError) as error:
        raise RosterError(str(error)) from None
    except OSError as error:
        raise RosterError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # whatever a broken file makes pandas and openpyxl raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise RosterError(f"{path}: cannot be read ({first}); expected a .csv or .xlsx with a column id") from None
    frame = frame.fillna("").astype(str).map(lambda text: unicodedata.normalize("NFC", text.strip()))
    headings = [unicodedata.normalize("NFC", str(column).strip()) for column in frame.columns]
    known = {heading.lower(): k for k, heading in reversed(list(enumerate(headings)))}
    if "id" not in known:
        headings = [heading for heading in headings if not heading.startswith("Unnamed: ")]
        shown = ", ".join(headings[:8]) or "none"
        raise RosterError(f"{path}, row 1: found the columns {shown}; expected one called id")
    if not isinstance(frame, pd.DataFrame) or frame.empty:
        raise RosterError(f"{path}: no students; expected a row for each under the headings")
    if len(frame) > MOST_STUDENTS:
        raise RosterError(f"{path}: {len(frame):,} rows, at most {MOST_STUDENTS:,}")
    others = [k for k in range(len(headings)) if k not in (known["id"], known.get("name"))]
    students, rows = [], []
    for row, cells in enumerate(frame.itertuples(index=False, name=None), 2):
        if any(cells):
            name = cells[known["name"]] if "name" in known else ""
            students.append(Student(cells[known["id"]], name, {headings[k]: cells[k] for k in others}))
            rows.append(row)
    problems = list(_problems(students, rows))
    if problems:
        more = f"; … and {len(problems) - MOST_SAID} more" if len(problems) > MOST_SAID else ""
        raise RosterError(f"{path}, " + "; ".join(problems[:MOST_SAID]) + more)
    return students


def _read_csv(path: Path):
    import pandas as pd

    data = path.read_bytes()
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    if "\0" in text:
        raise RosterError(f"{path}: not a text file; expected a .csv or .xlsx with a column id")
    first, _, rest = text.lstrip().partition("\n")
    if first.lower().startswith("sep="):  # Excel's own way to say it
        text = rest
        first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    from io import StringIO

    options = dict(dtype=str, keep_default_na=False, skip_blank_lines=False, index_col=False, skipinitialspace=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(StringIO(text), sep=separator, **options)
        except pd.errors.ParserWarning:
            raise RosterError(f"{path}: a row has more values than there are headings") from None
        except pd.errors.EmptyDataError:
            raise RosterError(f"{path}: is empty; expected a column id and a row for each student") from None


def _read_xlsx(path: Path):
    from io import BytesIO

    import pandas as pd

    return pd.read_excel(BytesIO(read_package(path)), dtype=str, keep_default_na=False)


def _problems(students: list[Student], rows: list[int]) -> Iterator[str]:
    """What is wrong, row by row. Upper and lower case do not tell files apart everywhere."""
    seen: dict[str, int] = {}
    for student, row in zip(students, rows, strict=True):
        mark = student.mark
        reason = unusable(mark)
        if reason:
            yield f"row {row}: {reason}"
        elif mark.lower() in seen:
            yield f"row {row}: the id {mark!r} stands already in row {seen[mark.lower()]}"
        elif len(student.name) > LONGEST or not _printable(student.name):
            yield f"row {row}: the name of {mark!r} is not a line of at most {LONGEST} characters"
        seen.setdefault(mark.lower(), row)


def unusable(mark: str) -> str:
    """Why an id cannot name a file on every system; empty when it can."""
    if not isinstance(mark, str) or not mark:
        return "the id is empty"
    if len(mark) > LONGEST:
        return f"the id has {len(mark)} characters, at most {LONGEST}"
    if not _printable(mark) or FORBIDDEN & set(mark):
        return f"the id {mark!r} holds a character that no file name can hold"
    if mark.startswith((".", "~", "-")) or mark.endswith((".", " ")) or RESERVED.match(mark) or mark.lower() in OURS:
        return f"the id {mark!r} cannot name a file"
    return ""


def _printable(text: str) -> bool:
    return all(unicodedata.category(character)[0] not in "CZ" or character == " " for character in text)
