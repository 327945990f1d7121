"""The documentation is what the templates say now."""

import importlib.util
import re
from pathlib import Path

import pytest

from sheetgrad import Lesson
from sheetgrad.lesson.sources import available

DOCS = Path(__file__).parent.parent / "docs"
STALE = "stale: run `python docs/make.py`"


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("make", DOCS / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_and_the_index_are_up_to_date(make):
    made = make.pages()
    assert {path.name for path in (DOCS / "lessons").glob("*.md")} == set(made), STALE
    for name, text in made.items():
        assert (DOCS / "lessons" / name).read_text(encoding="utf-8") == text, f"docs/lessons/{name} is {STALE}"


def test_every_picture_is_there_and_none_is_left_over(make):
    wanted = {make.picture(lesson, sheet) for lesson in make.lessons() for sheet in make.pictured(lesson)}
    assert {path.name for path in (DOCS / "lessons").glob("*.png")} == wanted, STALE
    assert {path.stem for path in DOCS.glob("*.png")} == set(make.README), STALE


def test_a_changed_formula_makes_a_page_stale(make):
    lesson = Lesson.load("mini-batch")
    changed = lesson.with_values(lesson.values | {"b": lesson.values["b"] + 0.5})
    plans = [make.make_plan(x) for x in (lesson, changed)]
    assert make.digest(plans[0], "Gradients") != make.digest(plans[1], "Gradients")


def test_the_readme_lists_every_lesson_with_its_question():
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    for path in available():
        assert f"| `{path.stem}` | {Lesson.load(path.stem).question} |" in readme


def test_lessons_name_the_next_one_in_a_chain_through_the_whole_course(make):
    course = make.lessons()
    assert [lesson.next for lesson in course] == [*(lesson.name for lesson in course[1:]), ""]


def test_links_in_the_documentation_lead_somewhere():
    for path in [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path}: {target}"
