"""The Lesson sheet and what a template says to the reader."""

import re
import tomllib

import numpy as np
import pytest
from lessons import microgpt
from openpyxl.utils.cell import coordinate_to_tuple

from sheetgrad import Lesson, LessonError
from sheetgrad.formulas.words import element_name
from sheetgrad.lesson.sources import available, templates_folder
from sheetgrad.planning import make_plan
from sheetgrad.sheets import way
from sheetgrad.sheets.cover import settings_places

TABLE = dict(
    title="A cube",
    question="How fast does a cube grow?",
    forward="area = side ** 2\nvolume = area * side",
    tensors={"side": {"role": "input", "values": [1.5, 2.0]}},
)
TABLE["forward"] += "\nall = volume.sum()"


def lesson(**more) -> Lesson:
    return Lesson.from_table({**TABLE, **more}, "cube", "cube.toml")


def test_what_is_told_is_carried_by_the_workbook_and_read_again():
    told = dict(
        answer="By three squares.", first=["Change it.", "Look."], first_at="side[2]", notes={"area": "a square"}
    )
    one = lesson(**told, next="sphere", next_title="A sphere")
    again = Lesson.from_table(one.to_table(), "cube", "cube.toml")
    assert again.to_table() == one.to_table()
    assert (again.answer, again.first, again.first_at, again.next_title) == (
        *map(one.__getattribute__, ("answer", "first", "first_at", "next_title")),
    )
    assert again.notes == {"area": "a square"} and again.starts_at == ("side", (1,))
    assert lesson().starts_at == ("side", (0,))  # where nothing is said, the first number


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (dict(answer="word " * 151), ("answer", "found 151 words", "at most 150")),
        (dict(first="Change it."), ("first", "Change it.", "list of at most 3")),
        (dict(first=["a", "b", "c", "d"]), ("first", "at most 3")),
        (dict(first=["Change it.", "x" * 83]), ("line 2 of first", "82 characters")),
        (dict(first_at="sides[1]"), ("first_at", "'sides'", "did you mean side")),
        (dict(first_at="side[0]"), ("first_at", "'side[0]'", "side[2]")),
        (dict(first_at="side[3]"), ("first_at", "'side[3]'", "side[2]")),
        (dict(first_at="side"), ("first_at", "'side'", "side[2]")),
        (dict(first_at="side[1"), ("first_at", "side[1")),
        (dict(notes={"areas": "x"}), ("[notes] areas", "did you mean area")),
        (dict(notes={"side": "x"}), ("[notes] side", "no forward line")),
        (dict(notes={"area": "x" * 601}), ("[notes] area", "600")),
        (dict(notes="x"), ("notes", "[notes]")),
        (dict(next_title=3), ("next_title",)),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_refused_in_one_line(told, words):
    with pytest.raises(LessonError) as refused:
        lesson(**told)
    message = str(refused.value)
    assert message.startswith("cube.toml, ") and "\n" not in message
    for word in words:
        assert word in message


def test_a_handout_tells_nothing_of_the_lessons_own_numbers():
    given = (
        lesson(answer="a", first=["b"], first_at="side[2]", notes={"area": "c"}, text="d").with_blank().to_hand_out()
    )
    assert (given.answer, given.first, given.first_at, dict(given.notes), given.text) == ("", (), "", {}, "")


WORDS = ("title", "question", "answer", "first", "first_at", "notes", "text", "next", "next_title")
COURSE = [path.stem for path in available()]
SCREEN = 530 * 0.75, 1330 * 0.75  # of a 1366×768 laptop, what a spreadsheet's own bars leave: points
PIXELS = 7  # a character of Calibri 11, the unit of widths; a column has 5 more


@pytest.fixture(scope="module", params=COURSE)
def cover(request):
    """A lesson, the plan of its workbook, and the Lesson sheet."""
    one = Lesson.load(request.param)
    plan = make_plan(one, proof="all proven")
    return one, plan, plan.sheet("Lesson")


def height(sheet, last: int) -> float:
    return sum(sheet.heights.get(row, 15) for row in range(1, last + 1))


def texts(sheet, style: str) -> list[str]:
    return [label.text for label in sheet.labels if label.style == style]


def test_everything_stands_on_one_screen(cover):
    _, _, sheet = cover
    assert height(sheet, sheet.last_row) <= SCREEN[0]
    assert sum(sheet.widths.get(k, 8.43) * PIXELS + 5 for k in range(1, sheet.last_column + 1)) * 0.75 <= SCREEN[1]


def test_the_answer_and_the_task_are_read_at_one_sight(cover):
    one, _, sheet = cover
    (words,) = texts(sheet, "text")
    assert one.answer and words.startswith(one.answer.split("\n")[0])
    assert len(words.split()) <= 150
    assert texts(sheet, "heading") == [*(["Your task"] if one.bug else ["The answer"]), "The way of the numbers"]
    assert 2 <= len(one.first) <= 3 and one.first_at


def test_the_first_line_leads_to_the_number_that_it_names(cover):
    one, plan, sheet = cover
    tensor, index = one.starts_at
    (link,) = [label for label in sheet.labels if label.style == "first_link"]
    assert link.text.startswith(f"1  Go to {element_name(tensor, index)} on Gradients")
    row, column = coordinate_to_tuple(link.cell)
    assert shown_at(plan, row, column) == one.program.run(one.values)[tensor][index]
    said = re.search(r"change (\S+) to", link.text)
    assert not said or float(said[1]) == one.tensors[tensor].values[index]


def shown_at(plan, row: int, column: int) -> float:
    """The number in a cell of Gradients."""
    for block in plan.sheet("Gradients").blocks:
        if row - block.row in range(block.rows) and column - block.column in range(block.columns):
            return block.expected[row - block.row, column - block.column]
    raise AssertionError(f"nothing stands at row {row}, column {column}")


def test_the_map_has_a_row_a_step_and_each_leads_to_its_section(cover):
    one, plan, sheet = cover
    lines = [label for label in sheet.labels if label.style == "map_line"]
    assert len(lines) == len(one.program.steps)
    for step, line, number in zip(one.program.steps, lines, texts(sheet, "map_number"), strict=True):
        assert number == str(step.number) and step.heading.startswith(line.text.removesuffix("…"))
        row, column = coordinate_to_tuple(line.cell)
        assert (row, column, number) in {(x.row, x.column, x.text) for x in plan.sheet("Gradients").labels}


def names_on(label) -> list[str]:
    """The gradients that a link of the map is about: the one whose line it is, or those that it names."""
    return label.text.split(" = ")[:1] if "=" in label.text else label.text.split()


def test_every_gradient_is_on_the_map_once_and_leads_to_its_first_number(cover):
    one, plan, sheet = cover
    values = one.program.run(one.values)
    wanted = [line.target for line in one.program.backward if line.target.endswith(".g")]
    links = [label for label in sheet.labels if label.style == "map_back_link"]
    assert sorted(name for label in links for name in names_on(label)) == sorted(wanted)
    for label in links:  # up to the next one, or to the end
        beside = [other.column for other in links if other.row == label.row and other.column > label.column]
        room = sum(sheet.widths[k] for k in range(label.column, min([*beside, way.LAST + 1])))
        assert len(label.text) * way.CODE <= room
    for label in links:
        found = shown_at(plan, *coordinate_to_tuple(label.cell))
        assert found == np.ravel(values[names_on(label)[0]])[0]


def test_the_next_lesson_is_told_by_its_title(cover):
    one, _, sheet = cover
    said = [text for text in texts(sheet, "text_line") if text.startswith("Next lesson")]
    assert said == ([f"Next lesson: {Lesson.load(one.next).title}"] if one.next else [])


def test_every_other_sheet_is_a_link(cover):
    _, plan, sheet = cover
    shown = [other.name for other in plan.sheets[1:] if not other.hidden]
    assert [label.link for label in sheet.labels if label.style == "link"] == shown


def test_the_settings_stand_in_the_same_cells_of_every_workbook(cover):
    one, _, sheet = cover
    inputs = {block.name: (block.row, block.column) for block in sheet.blocks if block.kind == "input"}
    assert inputs == {key: (place.row, place.column) for key, place in settings_places().items()}


def test_the_map_of_a_long_program_is_whole_and_leaves_the_rest_in_sight():
    gpt = Lesson.from_table(microgpt(), "gpt", "gpt")
    sheet = make_plan(gpt, proof="all proven").sheet("Lesson")
    assert len(texts(sheet, "map_line")) == len(gpt.program.steps) > 20
    for style in ("first_link", "proof", "link", "legend_gradient", "setting_beside"):
        assert height(sheet, next(label.row for label in sheet.labels if label.style == style)) <= SCREEN[0]
    for style, column in (("map_line", way.LINE), ("map_back_link", way.BACK)):
        room = sheet.widths[column] * (way.BACKS if column == way.BACK else 1)
        assert all(len(text) * way.CODE <= room for text in texts(sheet, style))


def test_a_lesson_without_an_answer_shows_its_text_and_a_first_step():
    sheet = make_plan(lesson(text="One.\n\nTwo\nthree.", next="a sphere")).sheet("Lesson")
    assert texts(sheet, "text") == ["One.\n\nTwo three."] and "In words" in texts(sheet, "heading")
    assert texts(sheet, "first_link") == ["1  Go to side[1] on Gradients and change it."]
    assert "Next lesson: a sphere" in texts(sheet, "text_line")
    assert texts(make_plan(lesson()).sheet("Lesson"), "text") == []


def test_the_example_of_the_templates_readme_is_a_lesson():
    readme = (templates_folder() / "README.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", readme, re.S)
    one = Lesson.from_table(tomllib.loads(example), "cube", "cube.toml")
    assert one.answer and one.first and one.notes and one.starts_at == ("side", ())
    for key in WORDS:
        assert f"`{key}`" in readme or f"`[{key}]`" in readme, key
