"""Writes the pages of docs/lessons and all pictures of the documentation from the templates.

    python docs/make.py            needs LibreOffice, Carlito (fonts-crosextra-carlito), pdftoppm (poppler-utils) and
                                   Pillow and pypdf (pip install '.[docs]')
    python docs/make.py --text     only the pages; the pictures stay as they are

A page holds the digest of the sheets that its pictures show; tests/test_docs.py makes the pages again and compares.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sheetgrad import Lesson, build
from sheetgrad.classroom.give import handout
from sheetgrad.classroom.give.roster import Student
from sheetgrad.classroom.mark import assign, grade, report
from sheetgrad.classroom.mark.journal import Journal
from sheetgrad.lesson.kinds import sheet_kinds
from sheetgrad.lesson.sources import available
from sheetgrad.plan.blocks import Plan
from sheetgrad.planning import make_plan

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from drawn import first_pages  # noqa: E402 (the folder of the tests must be known first)
from pupils import Desk  # noqa: E402
from sight import first_screens  # noqa: E402

PAGES = HERE / "lessons"
README = {  # the pictures of the README: lesson and sheet
    "gradients": ("mini-batch", "Gradients"),
    "nudge": ("mini-batch", "Nudge"),
    "best-h": ("step-size", "Best h"),
    "ripple": ("chain-rule", "Ripple"),
    "tangent": ("kinks", "Tangent"),
    "training": ("training", "Training"),
    "handout": ("a handout", "Gradients"),
    "grades": ("a report", "Grades"),
}
# how pupils fill in the handout of find-dw-db: a name with two digits is the cell in that row and column of its block
RIGHT = {
    "w_g11": "=inp_value11*out_g11+inp_value21*out_g21",
    "w_g12": "=inp_value11*out_g12+inp_value21*out_g22",
    "w_g21": "=inp_value12*out_g11+inp_value22*out_g21",
    "w_g22": "=inp_value12*out_g12+inp_value22*out_g22",
    "b_g11": "=SUM(out_g11:out_g21)",
    "b_g12": "=SUM(out_g12:out_g22)",
}
PUPILS = {
    "Ada Lovelace": RIGHT,
    "Emmy Noether": RIGHT | {"b_g11": "=out_g11", "b_g12": "=out_g12"},
    "Sofja Kowalewskaja": dict.fromkeys(RIGHT, 0.5),
    "Maryam Mirzakhani": {cell: RIGHT[cell] for cell in ("w_g11", "b_g11", "b_g12")}
    | {"w_g12": "=inp_value11*out_g12"},
    "Hypatia": None,
}


def lessons() -> list[Lesson]:
    """The lessons in the order of the course."""
    return sorted((Lesson.load(path.stem) for path in available()), key=lambda lesson: (lesson.order, lesson.name))


def pictured(lesson: Lesson) -> list[str]:
    """The sheets that a lesson's page shows: the equations, and what is special about the lesson."""
    about = {"step-size": ["Best h"], "kinks": ["Nudge"]}.get(lesson.name, [])
    asked = [kind.name for kind in sheet_kinds() if kind.key in lesson.sections and kind.fields and not kind.hidden]
    return ["Gradients", *about, *asked]


def digest(plan: Plan, sheet: str) -> str:
    """What a sheet shows, as a short number: formulas, given numbers and words."""
    shown = plan.sheet(sheet)
    content = [[b.row, b.column, [list(map(str, row)) for row in b.cells]] for b in shown.blocks]
    content += [[label.row, label.column, label.text] for label in shown.labels]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def picture(lesson: Lesson, sheet: str) -> str:
    """The file name of a picture."""
    return f"{lesson.name}-{sheet.lower().replace(' ', '-')}.png"


def page(lesson: Lesson, others: list[Lesson]) -> str:
    """The page of a lesson."""
    plan = make_plan(lesson)
    shown = pictured(lesson)
    lines = [f"# {lesson.title}", "", f"**{lesson.question}**", "", *_paragraphs(lesson.answer)]
    lines += ["## Do this first", "", *(f"{k}. {line}" for k, line in enumerate(lesson.first, 1)), ""]
    lines += ["## At greater length", "", *_paragraphs(lesson.text)]
    lines += ["## Step by step", ""] * bool(lesson.notes)
    for name, note in lesson.notes.items():
        step = next(step for step in lesson.program.steps if step.result == name)
        lines += [f"{step.number}. `{step.written}`: {note}"]
    lines += [
        "",
        "Forward:",
        "",
        "```python",
        lesson.forward,
        "```",
        "",
        f"Backward, {'with one wrong line' if lesson.bug else 'as sheetgrad finds it'}:",
        "",
        "```python",
    ]
    lines += [line.text for line in lesson.program.backward]
    lines += ["```", "", *(_answer(lesson) if lesson.bug else [])]
    for sheet in shown:
        lines += [f"![The sheet {sheet}]({picture(lesson, sheet)})", f"<!-- {sheet}: {digest(plan, sheet)} -->", ""]
    lines += ["```sh", f"sheetgrad build {lesson.name}", "```", ""]
    at = [other.name for other in others].index(lesson.name)
    around = [f"before: [{x.title}]({x.name}.md)" for x in others[max(0, at - 1) : at]]
    around += [f"next: [{x.title}]({x.name}.md)" for x in others[at + 1 : at + 2]]
    lines.append(" · ".join([*around, "[all lessons](README.md)"]))
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> list[str]:
    """A text of a template as lines of a page, each followed by an empty one."""
    return [line for paragraph in text.split("\n\n") for line in (" ".join(paragraph.split()), "")]


def _answer(lesson: Lesson) -> list[str]:
    """The wrong line and the right one, folded away."""
    right = next(line.text for line in lesson.derived.backward if line.target == lesson.bug.gradient)
    words = f"Wrong is `{lesson.bug.line}`; right is `{right}`."
    return ["<details><summary>Which one it is</summary>", "", words, "", "</details>", ""]


def pages() -> dict[str, str]:
    """Every page by file name, the index included."""
    course = lessons()
    index = [
        "# The lessons",
        "",
        "In the order that a course would take.",
        "",
        "| lesson | question |",
        "| --- | --- |",
    ]
    index += [f"| [{lesson.title}]({lesson.name}.md) (`{lesson.name}`) | {lesson.question} |" for lesson in course]
    made = {f"{lesson.name}.md": page(lesson, course) for lesson in course}
    return {"README.md": "\n".join(index) + "\n", **made}


def addressed(desk: Desk, text: str) -> str:
    """A formula with the addresses of the cells that it names."""
    return re.sub(r"(\w+)(\d)(\d)", lambda found: desk.cell(found[1], int(found[2]) - 1, int(found[3]) - 1), text)


def classroom(room: Path) -> None:
    """A handout half done, and the report on a small class: made as a teacher and pupils would."""
    roster = [Student(f"S{k}", name) for k, name in enumerate(PUPILS, 1)]
    record = handout.prepare(Lesson.load("find-dw-db").with_blank(), roster, room / "class", "practice", None)
    list(handout.make(record, room / "class", handout.missing(record, room / "class")))
    for student in roster:
        path = room / "class" / f"{student.mark}.xlsx"
        if PUPILS[student.name] is None:
            path.unlink()
            continue
        desk = Desk(path)
        for cell, content in PUPILS[student.name].items():
            desk.sheet[addressed(desk, cell)] = addressed(desk, content) if isinstance(content, str) else content
        desk.save()
    shutil.copyfile(room / "class" / "S4.xlsx", room / "a handout.xlsx")
    submissions, stray = assign.assign(record, assign.find_files(room / "class", room / "class"))
    journal = Journal(room / "journal", record)
    rows = grade.report_rows(record, list(grade.mark_class(record, submissions, journal)), stray)
    journal.close(True)
    tables = report.tables(record, rows)
    tables["Grades"] = tables["Grades"].drop(columns="file")
    report.write_report(tables, room / "a report.xlsx")


def draw(wanted: dict[Path, tuple[str, str]]) -> None:
    """Makes the pictures: file, and the (lesson, sheet) whose first screen it shows, pixel by pixel. LibreOffice runs once."""
    from PIL import Image, ImageChops

    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        shown = {lesson for lesson, _ in wanted.values()}
        if any(lesson.startswith("a ") for lesson in shown):
            classroom(room)
        books = [room / f"{lesson}.xlsx" for lesson in sorted(shown)]
        for book in books:
            if not book.exists():
                build(Lesson.load(book.stem), book)
        (room / "screens").mkdir()
        screens = first_screens(books, room / "screens")
        for target, (lesson, sheet) in wanted.items():
            page = str(first_pages(screens[lesson])[sheet] + 1)
            call = [
                "pdftoppm",
                "-r",
                "96",
                "-f",
                page,
                "-png",
                "-singlefile",
                str(screens[lesson]),
                str(room / "screen"),
            ]
            subprocess.run(call, check=True)
            image = Image.open(room / "screen.png").convert("RGB")
            box = ImageChops.difference(image, Image.new("RGB", image.size, "white")).getbbox()
            bottom = min(image.height, box[3] + 12)  # what is empty below is not kept
            image.crop((0, 0, image.width, bottom)).quantize(128).save(target, optimize=True)


def main() -> None:
    PAGES.mkdir(exist_ok=True)
    for name, text in pages().items():
        (PAGES / name).write_text(text, encoding="utf-8")
    if "--text" in sys.argv[1:]:
        return
    if not (shutil.which("soffice") and shutil.which("pdftoppm")):
        raise SystemExit("docs/make.py: needs soffice (LibreOffice) and pdftoppm (poppler-utils); --text does without")
    wanted = {HERE / f"{name}.png": source for name, source in README.items()}
    wanted |= {PAGES / picture(x, sheet): (x.name, sheet) for x in lessons() for sheet in pictured(x)}
    draw(wanted)


if __name__ == "__main__":
    main()
