"""Every workbook as its reader sees it: nothing is cut off, nothing hidden, everything can be told apart."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import needs_libreoffice
from drawn import Box, Page, Text, pages
from lessons import COURSE, OTHERS, lesson_named
from openpyxl import Workbook
from openpyxl.chart import Reference, ScatterChart, Series
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.worksheet.worksheet import Worksheet
from sight import WINDOW, contrast, faults, first_screens, on_screen
from teacher import one_student

from sheetgrad.classroom.give.workshop import MODES

SAMPLE = ("mini-batch", "mlp", "cross-entropy", "training")  # in every run
REST = [name for name in (*COURSE, *OTHERS) if name not in SAMPLE]


def carlito_is_there() -> bool:
    """Whether texts are as wide as where Calibri is installed."""
    finder = shutil.which("fc-list")
    return bool(finder and subprocess.run([finder, "Carlito"], capture_output=True).stdout)


needs_fonts = pytest.mark.skipif(not carlito_is_there(), reason="Carlito (fonts-crosextra-carlito) is not installed")


def seen(shelf, names: tuple[str, ...]) -> dict[str, list[Page]]:
    """The sheets of lessons on the screen, all from one LibreOffice."""

    def look(room: Path) -> dict[str, list[Page]]:
        return on_screen([shelf.built(lesson_named(name))[0] for name in names], room)

    return shelf.once(f"seen-{names[0]}", look)[1]


@needs_libreoffice
@needs_fonts
@pytest.mark.parametrize("name", SAMPLE)
def test_a_lesson_can_be_read(name, shelf):
    assert "\n".join(map(str, faults(seen(shelf, SAMPLE)[name]))) == ""


@pytest.mark.long
@needs_libreoffice
@needs_fonts
@pytest.mark.parametrize("name", REST)
def test_every_other_lesson_can_be_read(name, shelf):
    assert "\n".join(map(str, faults(seen(shelf, tuple(REST))[name]))) == ""


def handed_out(shelf) -> dict[str, list[Page]]:
    """A handout to practise with and one for an exam of every lesson, and the key."""

    def look(room: Path) -> dict[str, list[Page]]:
        books = []
        for name in COURSE:
            for mode in MODES:
                _, folder = one_student(shelf, name, mode)
                for kind in ("", "key/"):
                    books.append(room / f"{name}-{mode}-{kind.strip('/')}.xlsx")
                    shutil.copyfile(folder / f"{kind}A.xlsx", books[-1])
        (room / "copies").mkdir()
        return on_screen(books, room / "copies")

    return shelf.once("seen-handouts", look)[1]


@pytest.mark.long
@needs_libreoffice
@needs_fonts
@pytest.mark.parametrize("name", COURSE)
def test_handouts_and_their_keys_can_be_read(name, shelf):
    shown = {book: pages for book, pages in handed_out(shelf).items() if book.startswith(f"{name}-")}
    assert len(shown) == 4
    assert "\n".join(f"{book}: {fault}" for book, pages in shown.items() for fault in faults(pages)) == ""


# -- the checks see what they are for -------------------------------------------------------------------------------

LONG = "a text that is longer than its cell is wide"


def number_too_wide(sheet: Worksheet) -> None:
    sheet["B2"] = 123456.789
    sheet.column_dimensions["B"].width = 3


def cut_by_a_neighbour(sheet: Worksheet) -> None:
    sheet["B2"], sheet["C2"] = LONG, "next"


def cut_by_an_empty_text(sheet: Worksheet) -> None:
    sheet["B2"], sheet["C2"] = LONG, '=""'


def cut_at_its_left(sheet: Worksheet) -> None:
    sheet["A2"], sheet["B2"] = "next", LONG
    sheet["B2"].alignment = Alignment(horizontal="right")


def more_lines_than_the_row_is_high(sheet: Worksheet) -> None:
    sheet["B2"] = LONG
    sheet["B2"].alignment = Alignment(wrap_text=True)
    sheet.row_dimensions[2].height = 15


def out_of_the_window(sheet: Worksheet) -> None:
    sheet["B2"] = " ".join([LONG] * 6)


def pale(sheet: Worksheet) -> None:
    sheet["B2"] = "pale"
    sheet["B2"].font = Font(color="767676")
    sheet["B2"].fill = PatternFill("solid", fgColor="DDF1FD")


def shrunk(sheet: Worksheet) -> None:
    sheet["B2"] = LONG
    sheet["B2"].alignment = Alignment(shrink_to_fit=True)


def under_a_chart(sheet: Worksheet) -> None:
    sheet["B4"] = "beneath"
    for k in range(4):
        sheet.append([k, k * k])
    chart = ScatterChart()
    chart.series.append(Series(Reference(sheet, 2, 5, 2, 8), Reference(sheet, 1, 5, 1, 8)))
    sheet.add_chart(chart, "B3")


PLANTED: dict[Callable[[Worksheet], None], str] = {
    number_too_wide: "a number that does not fit: '###'",
    cut_by_a_neighbour: "cut off: 'a text",
    cut_by_an_empty_text: "cut off: 'a text",
    cut_at_its_left: "cut off: ",
    more_lines_than_the_row_is_high: "cut off: 'longer'",
    out_of_the_window: "runs out of the window: 'a text",
    pale: "contrast 3.9: 'pale'",
    shrunk: "points high: 'a text",
    under_a_chart: "covered: 'beneath'",
}


@pytest.fixture(scope="module")
def planted(shelf) -> dict[str, list[Page]]:
    """Sheets with one fault each."""

    def look(room: Path) -> dict[str, list[Page]]:
        book = Workbook()
        for plant in PLANTED:
            plant(book.create_sheet(plant.__name__))
        book["Sheet"]["B2"], book["Sheet"]["C3"] = LONG, 0.5
        book.save(room / "own.xlsx")
        (room / "copies").mkdir()
        return on_screen([room / "own.xlsx"], room / "copies")

    return shelf.once("planted", look)[1]


@needs_libreoffice
@needs_fonts
@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_fault_that_is_planted_is_found(plant, planted):
    (page,) = (page for page in planted["own"] if page.sheet == plant.__name__)
    assert any(PLANTED[plant] in str(fault) for fault in faults([page]))


@needs_libreoffice
@needs_fonts
def test_a_text_is_found_wherever_its_cell_ends(tmp_path):
    """Between two letters, too: LibreOffice then draws the first alone."""
    book = Workbook()
    for number in range(40):
        row = book.active.cell(2, 1 + 2 * number, LONG), book.active.cell(2, 2 + 2 * number, "next")
        book.active.column_dimensions[row[0].column_letter].width = 8 + number / 20
    book.save(tmp_path / "own.xlsx")
    (tmp_path / "copies").mkdir()
    found = faults(on_screen([tmp_path / "own.xlsx"], tmp_path / "copies")["own"])
    assert [fault.kind for fault in found] == ["cut off"] * 40


@needs_libreoffice
@needs_fonts
def test_nothing_is_found_where_nothing_is_wrong(planted):
    (page,) = (page for page in planted["own"] if page.sheet == "Sheet")
    assert [text.words for text in page.texts] == [LONG, "0.5"]
    assert faults([page]) == []


def text_at(left: float, top: float, words: str = "words") -> Text:
    box = Box(left, top, left + 30, top + 8)
    return Text(words, 11, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), box, box)


@pytest.mark.parametrize(("left", "top", "found"), [(20, 0, 1), (0, 5, 1), (31, 0, 0), (0, 9, 0), (29.5, 0, 0)])
def test_texts_that_lie_on_one_another_are_found(left, top, found):
    page = Page("S", 500, 500, (text_at(0, 0, "one"), text_at(left, top, "two")))
    assert [fault.kind for fault in faults([page])] == ["on 'one'"] * found


def test_contrast_is_that_of_wcag():
    white, black, grey = (1.0,) * 3, (0.0,) * 3, (0x76 / 255,) * 3
    assert contrast(white, black) == contrast(black, white) == pytest.approx(21)
    assert contrast(grey, white) == pytest.approx(4.54, abs=0.005)


# -- pictures -------------------------------------------------------------------------------------------------------


@needs_libreoffice
def test_the_first_screen_shows_what_the_window_does(built, tmp_path):
    shown = pages(first_screens([built], tmp_path)["layer"])
    first = {page.sheet: page for page in reversed(shown)}
    assert list(reversed(first))[:3] == ["Lesson", "Gradients", "Nudge"]
    assert {(round(page.width / 0.75), round(page.height / 0.75)) for page in shown} == {WINDOW}
    assert any(text.words == lesson_named("layer").title for text in first["Lesson"].texts)
    (tmp_path / "whole").mkdir()
    assert len(shown) > len(on_screen([built], tmp_path / "whole")["layer"]) == len(first)
