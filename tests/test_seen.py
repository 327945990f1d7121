"""What students read on the sheets they play with: whole words and no ###, also when their numbers grow."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import needs_libreoffice
from lessons import lesson_named, lesson_of
from openpyxl import load_workbook
from sight import faults, on_screen
from test_reader import needs_fonts

from sheetgrad.formulas.places import address
from sheetgrad.planning import make_plan
from sheetgrad.sheets import best_h, ripple
from sheetgrad.tables.agreement import UNKNOWN

# The lesson, and by how much what is typed there grows: its learning rate, or a tensor.
GROWN = {
    "training": {"training.lr": 10, "x": 1e6},
    "optimise-the-input": {"training.lr": 10},
    "mini-batch": {"inp": 1e6},
    "step-size": {"x": 20},
    "neuron": {"x": 1e6, "t": 1e6},
    "nudge-x": {"x": 1e6, "y": -1e6},
}
LARGE = re.compile(r"-?\d\.\d\dE\+(0[5-9]|[1-9]\d)")
SMALL = ("optimise-the-input",)  # there they do not reach 100,000


def grow(path: Path, name: str, factors: dict[str, float]) -> Path:
    """Types larger numbers into a workbook, as a student would."""
    book = load_workbook(path)
    for sheet in make_plan(lesson_named(name)).sheets:
        for block in sheet.blocks:
            if block.kind == "input" and block.name in factors:
                for (i, j), value in np.ndenumerate(block.expected):
                    cell = address(block.row + i, block.column + j)
                    book[sheet.name][cell] = float(value) * factors[block.name]
    book.save(path)
    return path


@pytest.fixture(scope="module")
def grown(shelf):
    """The sheets of the lessons after that, as they are seen."""

    def look(room: Path):
        copies = [
            grow(Path(shutil.copy(shelf.built(lesson_named(name))[0], room)), name, GROWN[name]) for name in GROWN
        ]
        (room / "screens").mkdir()
        return on_screen(copies, room / "screens")

    return shelf.once("grown", look)[1]


@needs_libreoffice
@needs_fonts
@pytest.mark.parametrize("name", GROWN)
def test_no_number_is_too_long_for_its_cell_when_numbers_grow(grown, name):
    shown = [page for page in grown[name] if page.sheet not in ("Lesson", "Gradients")]
    large = [text.words for page in shown for text in page.texts if LARGE.fullmatch(text.words.strip())]
    assert len(shown) >= 4 and bool(large) == (name not in SMALL)
    assert "\n".join(map(str, faults(shown))) == ""


# -- what the sheets of the laboratory say --------------------------------------------------------------------------


def found(name: str, **picked):
    """What the sheet Best h says of a number of a lesson."""
    lesson = lesson_named(name)
    for key, value in picked.items():
        lesson = lesson.with_setting(f"laboratory.{key}", value)
    said, _ = best_h.measure(lesson, lesson.program.run(lesson.values))
    return said


@pytest.mark.parametrize("name", ["step-size", "mlp", "cross-entropy", "training"])
def test_where_a_nudge_is_too_fine_best_h_does_not_call_it_too_coarse(name):
    words, said = best_h.TABLE.constants, found(name)
    for h, verdict, cause in zip(best_h.STEPS, said["verdict"].value, said["cause"].value, strict=True):
        if verdict == UNKNOWN:
            assert cause in (words["fine" if h < 1e-6 else "coarse"], words["vanished"], words["hidden"])
    assert words["fine"] in said["cause"].value


@pytest.mark.parametrize("name", ["step-size", "mlp", "cross-entropy", "training"])
def test_that_two_decimals_hide_a_difference_is_said_once_where_it_begins(name):
    words, said = best_h.TABLE.constants, found(name)
    rows = [k for k, cause in enumerate(said["cause"].value) if cause == words["hidden"]]
    assert rows == [int(np.argmax(np.round(said["apart"].value, 2) == 0))]


def test_best_h_claims_no_more_than_it_has_tried():
    words = best_h.TABLE.constants
    assert found("mlp", best_h="w1[1,1]")["sentence"].value == words["even"]
    assert found("kinks", best_h="y[2]")["sentence"].value == words["corner_here"]
    assert found("kinks", best_h="y[3]")["sentence"].value == words["straight"]
    assert found("step-size")["sentence"].value == ""
    assert all("h = 0.1" in words[word] for word in ("even", "straight"))
    bent = """
    title = "A corner close by"
    question = "q"
    laboratory = true
    forward = "loss = relu(x) ** 2"
    tensors.x = {role = "input", values = 0.05}
    """
    lesson = lesson_of(bent)  # a nudge of 0.1 steps over the corner
    said, _ = best_h.measure(lesson, lesson.program.run(lesson.values))
    assert said["sentence"].value == ""


def chain(name: str) -> dict[str, list]:
    """The columns of the chain on the sheet Ripple, by field."""
    lesson = lesson_named(name)
    sheet, columns = make_plan(lesson).sheet("Ripple"), ripple.chain_columns(lesson.program)
    cells = {(block.row, block.column): block.expected[0, 0] for block in sheet.blocks if block.expected.size == 1}
    rows = range(ripple.CHAIN_TOP + 1, ripple.CHAIN_TOP + 1 + len(lesson.program.forward) + len(lesson.gradients))
    return {word: [cells.get((row, column), "") for row in rows] for word, column in columns.items()}


@pytest.mark.parametrize("name", ["chain-rule", "mini-batch", "mlp", "reduction", "neuron", "bias"])
def test_the_chain_of_a_ripple_has_no_empty_column_and_nothing_where_nothing_moves(name):
    assert lesson_named(name).setting("laboratory.nudge") == 0.001
    columns = chain(name)
    for word in set(columns) - {"name"}:
        assert any(value != "" for value in columns[word]), word
    still = [k for k, count in enumerate(columns["count"]) if count == 0]
    assert all(columns[word][k] == "" for word in ("speed", "passed") for k in still)


def test_every_chart_ends_where_its_data_end(workbook):
    for name, sheets in {"training": 3, "kinks": 2}.items():
        book = load_workbook(workbook(name), data_only=True)
        charts = [(sheet, chart) for sheet in book.worksheets for chart in sheet._charts]
        assert len(charts) == sheets
        for sheet, chart in charts:
            areas = [series.xVal.numRef.f.split("!")[1].replace("$", "") for series in chart.series]
            numbers = [cell.value for area in areas for row in sheet[area] for cell in row]
            assert (chart.x_axis.scaling.min, chart.x_axis.scaling.max) == (min(numbers), max(numbers))
