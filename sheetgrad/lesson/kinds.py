"""What a sheet declares of itself, once, in its own module; and how the declarations are found.

A module of ``sheetgrad.sheets`` that has a ``SHEET`` is a sheet. The plan, the Lesson sheet, the documentation and the
reading of templates know it from that declaration alone.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module

from sheetgrad.lesson.fields import LessonError, only_known

PACKAGE = "sheetgrad.sheets"


def as_table(section: object) -> dict:
    """A section as plain data, as the template writes it."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(section).items()}


@dataclass(frozen=True, eq=False)
class SheetKind:
    """A sheet of a workbook.

    ``name`` stands on its tab, ``about`` beside its link on the Lesson sheet; sheets come by ``order``. ``key`` is what
    asks for it in a template: a table with the keys ``fields`` (and, with ``more_fields``, others that ``read`` checks), or ``true`` where that is enough; a sheet without a key
    is in every workbook. ``default`` is what stands there where the template says nothing, None when it is not asked for.

    ``build(lesson, drawing, values)`` makes the sheet. ``read(table, lesson, values)`` makes its section, found again as
    ``lesson.sections[key]``, and ``write(section)`` the table that reads as the same section. Of several sheets with one
    key the one with ``fields`` reads for all. An ``optional`` sheet that does not fit is left out with a word, others are
    refused; a ``hidden`` one is only read by formulas.
    """

    name: str
    about: str
    order: int
    build: Callable
    key: str = ""
    fields: tuple[str, ...] = ()
    more_fields: bool = False
    read: Callable | None = None
    write: Callable[[object], object] = as_table
    default: Mapping | None = None
    optional: bool = False
    hidden: bool = False


@cache
def sheet_kinds() -> tuple[SheetKind, ...]:
    """All sheets, in order."""
    package = import_module(PACKAGE)
    modules = (import_module(f"{PACKAGE}.{module.name}") for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted((m.SHEET for m in modules if hasattr(m, "SHEET")), key=lambda kind: kind.order))


@cache
def section_kinds() -> Mapping[str, SheetKind]:
    """By key of the template, the sheet that reads its section."""
    return {kind.key: kind for kind in sheet_kinds() if kind.read}


def read_sections(template: Mapping, lesson, values) -> dict[str, object]:
    """The sections that a template asks for, by key; ``values`` is what NumPy makes of the ``lesson``.

    Raises :class:`LessonError` naming the section, what was found and what was expected.
    """
    sections = {}
    for key, kind in section_kinds().items():
        asked = template.get(key, kind.default)
        if asked is None or asked is False:
            continue
        if asked is not True and not (kind.fields and isinstance(asked, Mapping)):
            expected = f"a table [{key}]" if kind.fields else "true or false"
            raise LessonError(f"{key}: found {asked!r}, expected {expected}")
        table = {} if asked is True else asked
        if not kind.more_fields:
            only_known(table, kind.fields, f"[{key}]")
        sections[key] = kind.read(table, lesson, values)
    return sections


def write_sections(sections: Mapping[str, object]) -> dict[str, object]:
    """The tables that :func:`read_sections` reads as the same sections."""
    return {
        key: kind.write(sections[key]) if key in sections else False
        for key, kind in section_kinds().items()
        if key in sections or kind.default is not None
    }
