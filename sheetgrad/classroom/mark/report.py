"""The report on a class: a row a student, as XLSX and as CSV."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.formatting.rule import CellIsRule
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties

from sheetgrad.classroom.give.handout import Given, Record
from sheetgrad.classroom.give.workshop import workshop
from sheetgrad.classroom.mark.answers import SHORT
from sheetgrad.classroom.mark.assign import Row
from sheetgrad.files import whole
from sheetgrad.formulas.words import element_name
from sheetgrad.workbook.style import AGREE, BAR, WORDS, WRONG

if TYPE_CHECKING:
    import pandas as pd
    from openpyxl.worksheet.worksheet import Worksheet

BODY, HEAD = Font(name=WORDS, size=11), Font(name=WORDS, size=11, bold=True, color="FFFFFF")
LEFT, MIDDLE = Alignment(horizontal="left"), Alignment(horizontal="center")
LINE = "wrong line"
COLUMNS = ("id", "name", "total", "of", "strict", "status", "flags", "file")  # of the report, besides the marks


def tables(record: Record, rows: Sequence[Row]) -> dict[str, pd.DataFrame]:
    """The report as two tables with a row a student: ``Grades`` in numbers, ``Answers`` in words."""
    import pandas as pd

    names = _blanks(record)
    cells = [name for part in names.values() for name in part]
    taken = {*COLUMNS, LINE, *names, *cells}
    more = dict.fromkeys(key for one in record.given.values() for key in one.student.more)
    extra = {key: f"{key} (roster)" if key in taken else key for key in more}
    grades, answers = [], []
    for row in rows:
        student = row.given.student if row.given else None
        who = {"id": row.mark, "name": student.name if student else ""}
        who |= {shown: student.more.get(key, "") if student else "" for key, shown in extra.items()}
        found = row.marked.answers
        marks = {name: found[name].mark if found else 0 for name in cells}
        strict = sum(answer.strict for answer in found.values())
        total = {"total": sum(marks.values()), "of": len(cells), "strict": strict, "status": row.status}
        per_tensor = {key: sum(marks[name] for name in part) for key, part in names.items()}
        if record.course.lesson.bug:
            total |= {"total": sum(answer.mark for answer in found.values()), **_wrong_line(record, row.given)}
        flags = {"flags": "; ".join(row.flags), "file": row.file}
        grades.append({**who, **total, **per_tensor, **marks, **flags})
        said = {name: _said(found[name].verdict, found[name].hint) if found else "" for name in cells or found}
        answers.append({**who, **said})
    return {"Grades": pd.DataFrame(grades), "Answers": pd.DataFrame(answers).fillna("")}


def _blanks(record: Record) -> dict[str, list[str]]:
    """The numbers that are blank in every handout, by gradient; none where everybody has another line to mend."""
    names: dict[str, list[str]] = defaultdict(list)
    if not record.course.lesson.bug:
        for key, index in workshop(record.course.text).blanks.values():
            names[key].append(element_name(key, index))
    return names


def _wrong_line(record: Record, one: Given | None) -> dict[str, object]:
    """What a student had to find, and how many numbers of it are to be mended."""
    if one is None:
        return {"of": 0, LINE: ""}
    shop = workshop(record.course_of(one).text)
    return {"of": len(shop.blanks), LINE: shop.lesson.bug.line}


def _said(verdict: str, hint: str) -> str:
    return verdict if hint in ("", verdict) else f"{verdict}: {SHORT[hint]}"


def write_report(found: Mapping[str, pd.DataFrame], target: Path) -> Path:
    """Writes the report as XLSX at ``target`` and as CSV beside it; gives the path of the CSV.

    Texts stay texts in both: what begins like a formula is not computed by whoever opens the report.
    """
    import pandas as pd

    beside = target.with_suffix(".csv")
    safe = found["Grades"].map(_no_formula)
    with whole(beside) as temporary:
        safe.rename(columns=_no_formula).to_csv(temporary, index=False, encoding="utf-8-sig")
    with whole(target) as temporary, pd.ExcelWriter(temporary, engine="openpyxl") as writer:
        for title, frame in found.items():
            frame.map(_printable).to_excel(writer, sheet_name=title, index=False, freeze_panes=(1, 2))
            _look(writer.sheets[title], frame)
    return beside


def _look(sheet: Worksheet, frame: pd.DataFrame) -> None:
    """Headings, widths, pages; marks in green, lost marks in red, each with its number."""
    words = {"total", "of", "strict"}
    for number, column in enumerate(frame.columns, 1):
        shown = [cell for (cell,) in sheet.iter_rows(min_col=number, max_col=number)]
        centred = column in words or frame[column].dtype.kind in "iub"
        for cell in shown:
            if cell.data_type == "f":
                cell.data_type = "s"
            cell.font, cell.alignment = BODY, MIDDLE if centred else LEFT
        shown[0].font, shown[0].fill = HEAD, PatternFill("solid", fgColor=BAR)
        longest = max([len(str(column)), *(len(str(value)) for value in frame[column].head(200))])
        sheet.column_dimensions[get_column_letter(number)].width = min(60, longest + 3)
        if "[" in str(column) and centred and len(frame):
            area = f"{shown[1].coordinate}:{shown[-1].coordinate}"
            for value, fill in ((1, AGREE), (0, WRONG)):
                rule = CellIsRule(operator="equal", formula=[str(value)], fill=PatternFill("solid", bgColor=fill))
                sheet.conditional_formatting.add(area, rule)
    sheet.auto_filter.ref = sheet.dimensions
    sheet.sheet_view.showGridLines = False
    sheet.page_setup.orientation, sheet.page_setup.paperSize = "landscape", sheet.PAPERSIZE_A4
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.page_setup.fitToHeight = 0
    sheet.print_title_rows = "1:1"


def _no_formula(value: object) -> object:
    """A text that a spreadsheet would take for a formula gets the apostrophe that says it is none."""
    risky = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{value}" if risky else value


def _printable(value: object) -> object:
    return ILLEGAL_CHARACTERS_RE.sub("�", value) if isinstance(value, str) else value
