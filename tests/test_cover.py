"""The Lesson sheet and what a template says to the reader."""

import pytest
from commands import assert_refused, sheetgrad  # noqa: F401

from sheetgrad import Lesson, LessonError

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
        (dict(first=["Change it.", "x" * 76]), ("line 2 of first", "75 characters")),
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
