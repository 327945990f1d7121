"""Printed pages: as few as can be read, nothing cut in two that fits on one, and none for nothing."""

from collections import Counter
from pathlib import Path

import pytest
from conftest import needs_libreoffice
from drawn import Page
from lessons import COURSE, lesson_named, lesson_of
from sight import SMALLEST, is_cut, on_paper

from sheetgrad.plan.blocks import Chart, Sheet
from sheetgrad.plan.lettering import Letters, width
from sheetgrad.plan.pages import CENTIMETRE, READABLE, ROOM, pages, rows_above
from sheetgrad.planning import make_plan, make_print_plan
from sheetgrad.workbook.write import write

ROWS = int(ROOM[1] / 15)  # of usual height on a page that is not made smaller
SAMPLE = ("mini-batch", "mlp", "unused-gradient")  # in every run
REST = [name for name in COURSE if name not in SAMPLE]
FIVE = """
title = "Five at once"
question = "How do five tensors share one gradient?"
forward = '''
out = a * b + c * d + e
loss = (out ** 2).sum()
'''
[tensors]
""" + "".join(f'{name} = {{role = "parameter", shape = [3, 4], seed = {seed}}}\n' for seed, name in enumerate("abcde"))


def sheet_of(sections: list[int], last: int, column: int = 10, **more) -> Sheet:
    sheet = Sheet("S", sections=sections, **more)
    for row in (1, *range(sections[0] if sections else 2, last + 1)):
        sheet.label(row, 1, "words", "note")
    sheet.label(last, column, "end", "note")
    return sheet


# -- down ---------------------------------------------------------------------------------------------------------------


def test_what_fits_is_not_made_smaller():
    assert pages(sheet_of([6], ROWS)).scale == 100


def test_a_sheet_that_is_a_little_too_long_is_printed_smaller():
    found = pages(sheet_of([6], ROWS + 3))
    assert found.breaks == () and READABLE <= found.scale < 100


def test_a_sheet_is_not_printed_smaller_where_that_saves_no_page():
    found = pages(sheet_of([6], 2 * ROWS - 1))
    assert found.scale == 100 and found.breaks == (ROWS,)


def test_nothing_is_printed_smaller_than_can_be_read():
    assert all(pages(sheet_of([6], last)).scale >= READABLE for last in range(30, 400, 7))


@pytest.mark.parametrize(
    ("sections", "last", "expected"),
    [
        ([6, 30], 55, (29,)),  # the second is kept whole
        ([6, 30, 60], 125, (29, 59, 59 + ROWS)),  # the last is longer than a page, and begins one
        ([6, 12], 100, (ROWS, 2 * ROWS)),  # too long to be kept whole, and begins high up
    ],
)
def test_a_section_that_the_end_of_a_page_would_cut_begins_a_new_one(sections, last, expected):
    found = pages(sheet_of(sections, last))
    assert found.scale == 100 and found.breaks == expected


def test_a_long_section_is_cut_where_nothing_stands():
    sheet = Sheet("S", sections=[1])
    for row in (row for row in range(1, 3 * ROWS) if row % 9):
        sheet.label(row, 1, "words", "note")
    assert [row % 9 for row in pages(sheet).breaks] == [0] * len(pages(sheet).breaks) != []


def test_folded_rows_take_no_room_on_paper():
    sheet = sheet_of([6, 30], 50, folded_rows=[(10, 29)], heights={2: 30})
    assert rows_above(sheet, 29)[29] == 15 * (29 - 20 + 1)
    assert pages(sheet).breaks == ()


# -- across -------------------------------------------------------------------------------------------------------------


def test_a_sheet_that_is_a_little_too_wide_is_printed_smaller():
    found = pages(sheet_of([], 10, column=18))
    assert found.column_breaks == () and READABLE <= found.scale < 100 and found.last == (10, 18)


def test_a_page_ends_between_the_blocks_of_a_wide_sheet():
    sheet = Sheet("S")
    for column in (2, 14, 26):
        sheet.label(3, column, "words", "bar", span=10)
    assert pages(sheet).column_breaks == (13, 25)


def test_no_page_is_printed_for_the_rest_of_a_bar():
    sheet = Sheet("S", sections=[2])
    for column in range(1, 40):
        sheet.label(2, column, "line" * (column == 1), "bar")
    sheet.label(4, 5, "words", "note")
    assert pages(sheet).column_breaks == () and pages(sheet).last == (4, 5)


def test_a_page_of_a_wide_sheet_ends_before_a_chart_rather_than_in_it():
    sheet = sheet_of([], 10, column=30, charts=[Chart(3, 14, "t", "x", "y", (), 20.0, 12.0, (0.0, 1.0))])
    assert pages(sheet).column_breaks[0] == 13


def test_a_text_that_runs_over_its_cell_is_printed_whole():
    sheet = Sheet("S")
    sheet.label(3, 10, "a note that is a good deal longer than its cell is wide", "note")
    assert 14 <= pages(sheet).last[1] <= 16
    assert pages(sheet, lambda item: 0.0).last[1] == 10


def test_a_chart_is_printed_whole():
    chart = Chart(3, 2, "t", "x", "y", (), 20.0, 12.0, (0.0, 1.0))
    sheet = Sheet("S", charts=[chart])
    row, column = pages(sheet).last
    assert (row - 2) * 15 >= 12 * CENTIMETRE > (row - 4) * 15
    assert column >= 12


def test_folded_columns_take_no_room_on_paper():
    sheet = sheet_of([], 10, column=40, folded_columns=[(3, 39)])
    assert pages(sheet).scale == 100 and pages(sheet).last == (10, 40)


def test_the_widths_of_letters_are_known():
    assert width("WWW") == pytest.approx(3 * 0.89 * 11, rel=0.01)
    assert width("iii") == pytest.approx(3 * 0.229 * 11, rel=0.01)
    assert width("w", Letters(bold=True)) > width("w")
    assert width("iii", Letters(10, code=True)) == width("WWW", Letters(10, code=True)) == pytest.approx(18.06)


# -- as they are printed ------------------------------------------------------------------------------------------------


def printed(shelf, names: tuple[str, ...]) -> dict[str, list[Page]]:
    def make(room: Path) -> dict[str, list[Page]]:
        return on_paper([shelf.built(lesson_named(name))[0] for name in names], room)

    return shelf.once(f"printed-{names[0]}", make)[1]


def check_pages(name: str, shown: list[Page]) -> None:
    """Every sheet is there, and every page can be read and has something on it."""
    for sheet in make_plan(lesson_named(name)).sheets:
        if not sheet.hidden:
            assert any(page.sheet == sheet.name for page in shown)
    for page in shown:
        footer = max(text.box.top for text in page.texts)
        body = [text for text in page.texts if text.box.top < footer - 5]
        assert len(body) > 4, f"{name}, {page.sheet}: a page with hardly anything on it"
        assert min(text.size for text in body) >= SMALLEST - 0.05, f"{name}, {page.sheet}: too small to be read"


@needs_libreoffice
@pytest.mark.parametrize("name", SAMPLE)
def test_a_lesson_prints_on_pages_that_can_be_read(name, shelf):
    check_pages(name, printed(shelf, SAMPLE)[name])


@pytest.mark.long
@needs_libreoffice
@pytest.mark.parametrize("name", REST)
def test_every_other_lesson_prints_on_pages_that_can_be_read(name, shelf):
    check_pages(name, printed(shelf, tuple(REST))[name])


def forms(lesson, room: Path) -> dict[str, list[Page]]:
    """A handout as it is printed, and the form for pencil and paper."""
    books = []
    for large in (False, True):
        books.append(room / f"{lesson.name}-{'paper' if large else 'pdf'}.xlsx")
        write(make_print_plan(lesson.with_blank(), "Ada", "S1", large, False), {"format": 1}, books[-1])
    return on_paper(books, room)


def check_form(shown: list[Page]) -> None:
    """Nothing is cut off, and each page says whose it is."""
    for page in shown:
        assert [text.words for text in page.texts if is_cut(text)] == []
        assert Counter(text.words for text in page.texts)["Ada"] == 1
        assert min(text.size for text in page.texts) >= SMALLEST - 0.05


@needs_libreoffice
def test_a_form_for_pencil_and_paper_wastes_no_page(tmp_path):
    """Five tensors in one line took six pages a student, two of them for a note that ran over."""
    shown = forms(lesson_of(FIVE, "five"), tmp_path)
    assert len(shown["five-pdf"]) == 1 and len(shown["five-paper"]) <= 2
    for found in shown.values():
        check_form(found)


@pytest.mark.long
@needs_libreoffice
@pytest.mark.parametrize("name", COURSE)
def test_every_handout_can_be_printed(name, tmp_path):
    for found in forms(lesson_named(name), tmp_path).values():
        check_form(found)
