"""The live verdict: right gradients are never accused, wrong ones never ticked, and what nudges cannot tell is said."""

import random
from collections import Counter

import numpy as np
import pytest
from conftest import needs_libreoffice, seed_of_this_run
from lessons import lesson_of
from openpyxl import load_workbook
from test_random import lesson_of as lesson_of_random
from test_random import template

from sheetgrad import Lesson, build
from sheetgrad.engines import ErrorValue, get_engine
from sheetgrad.formulas.places import address
from sheetgrad.planning import make_plan
from sheetgrad.sheets import cover, nudge
from sheetgrad.tables.agreement import AGREE, AGREEMENT, DISAGREE, KINK, UNKNOWN
from sheetgrad.verifying.proof import prove

STEPS = (*(10.0**k for k in range(-16, 2)), 5.0, 0.5, 0.05, 0.02)
H = cover.settings_places()[nudge.H]
SENTENCE = address(*cover.VERDICT)


def function(line: str, value: float, h: float = 1e-4, **tensors) -> Lesson:
    """A lesson of one number ``x``, and others that stay as they are."""
    given = "".join(f'tensors.{name} = {{role = "input", values = {number}}}\n' for name, number in tensors.items())
    return lesson_of(
        f'title = "t"\nquestion = "q"\nforward = "loss = {line}"\ngradients = ["x"]\n{given}'
        f'tensors.x = {{role = "parameter", values = {value}}}\nnudge = {{step = {h}}}'
    )


def signs(lesson: Lesson, name: str = "x", gradient=None) -> list[str]:
    """What the Nudge sheet says of each number, with another gradient than the rule's if one is given."""
    values = lesson.program.run(lesson.values)
    if gradient is not None:
        values[f"{name}.g"] = np.broadcast_to(np.asarray(gradient, dtype=float), values[name].shape)
    found, _ = nudge.nudged(lesson, name, list(np.ndindex(values[name].shape)), values)
    return list(found["verdict"].value)


# -- by name ------------------------------------------------------------------------------------------------------

RIGHT = {  # functions that were accused, or called a kink, and what is said of their right gradients
    ("tanh(6 * x)", 0.0): AGREE,
    ("sigmoid(11 * x)", 0.0): AGREE,
    ("x * abs(x)", 0.0): UNKNOWN,  # the slope is h, the gradient 0: 0.0001 and 0 differ by all of it
    ("x / (1 + abs(x))", 0.0): AGREE,
    ("log(x)", 1e-5): UNKNOWN,  # there is no loss at x - h
    ("sqrt(x)", 1e-8): UNKNOWN,
    ("-log(x)", 0.03): AGREE,
    ("1 / x", 0.02): AGREE,
    ("sqrt(x)", 0.01): AGREE,
    ("(x - 3) ** 2", 3.0): AGREE,
    ("(x + 5 - 8.1) ** 2", 3.1): AGREE,
    ("relu(x - 5) + 3", 1.0): AGREE,
    ("relu(x)", 0.0): KINK,
    ("abs(x)", 0.0): KINK,
}


@pytest.mark.parametrize(("line", "value"), RIGHT)
def test_right_gradients_that_were_accused_come_out_right(line, value):
    lesson = function(line, value)
    assert signs(lesson) == [RIGHT[line, value]]
    assert prove(lesson).ok


def test_the_functions_that_were_accused_in_tensors():
    gate = function("sigmoid(x * w)", 0.0, w=11.0)
    assert signs(gate) == [AGREE]
    swamped = lesson_of(
        'title = "t"\nquestion = "q"\nforward = "loss = ((c + x) - c).sum()"\ngradients = ["x"]\n'
        'tensors.c = {role = "input", values = 1e10}\ntensors.x = {role = "parameter", values = [0.0, 0.5, 0.3, -7.7]}'
    )
    assert set(signs(swamped)) == {UNKNOWN} and prove(swamped).ok  # c + x is kept to 0.000002 alone
    assert set(signs(swamped.with_setting(nudge.H, 0.1))) == {AGREE}


@pytest.mark.parametrize("size", [1.0, 1e-5, 1e-9, 1e-12, 1e12])
@pytest.mark.parametrize("wrong", [1.001, 0.99, -1.0, 2.0, 0.0])
def test_a_wrong_gradient_shows_however_small_the_loss(size, wrong):
    lesson = function(f"{size} * (x ** 3 + x * tanh(x))", 0.7)
    right = lesson.program.run(lesson.values)["x.g"]
    assert signs(lesson) == [AGREE] and signs(lesson, gradient=right * wrong) == [DISAGREE]


@pytest.mark.parametrize(("line", "value", "gradient"), [("x ** 3", 0.0, 1.0), ("relu(x - 5) + 3", 1.0, 0.1)])
def test_a_slope_of_nothing_does_not_agree_with_a_gradient(line, value, gradient):
    assert signs(function(line, value), gradient=gradient) == [DISAGREE]


def test_beside_a_corner_a_gradient_outside_of_both_slopes_is_wrong():
    assert signs(function("abs(x)", 0.0), gradient=1.5) == [DISAGREE]
    assert signs(function("abs(x)", 0.0), gradient=0.5) == [KINK]


# -- on random lessons --------------------------------------------------------------------------------------------


def verdicts(lesson: Lesson, values, name: str, h: float, scale: float = 1.0, wrong: float = 1.0):
    """Slopes, gradients, what they are compared with, and signs, where the loss is ``scale`` times as large and the
    gradient ``wrong`` times."""
    lesson = lesson.with_setting(nudge.H, h)
    found, runs = nudge.nudged(lesson, name, list(np.ndindex(values[name].shape)), values)
    known = {word: found[word].value for word in ("value", "gradient", "loss", "carried", "h")}
    known |= {
        word: run[lesson.program.loss]
        for word, run in zip(("up", "down", "up_half", "down_half"), runs.values(), strict=True)
    }
    for word in ("gradient", "loss", "carried", "up", "down", "up_half", "down_half"):
        known[word] = known[word] * scale
    known["gradient"] = known["gradient"] * wrong
    return AGREEMENT.on_numbers(known, exact=True)


def swept(count: int):
    chance = random.Random(seed_of_this_run())
    while count:
        lesson = lesson_of_random(template(lambda options: chance.choice(list(options))))
        if lesson is not None:
            count -= 1
            yield lesson, lesson.program.run(lesson.values)


@pytest.mark.parametrize("count", [3, pytest.param(40, marks=pytest.mark.long)])
def test_no_tick_beside_a_difference_and_no_cross_beside_a_proven_gradient(count):
    """From h = 1e-16 to 10; the lessons stand at no corner, and their gradients are proven."""
    said = Counter()
    for lesson, values in swept(count):
        assert prove(lesson).ok
        for name in lesson.program.requested:
            for h in STEPS:
                for wrong in (1.0, 1.001, -1.0, 2.0):
                    found = verdicts(lesson, values, name, h, wrong=wrong)
                    sign, where = found["sign"].value, (lesson.forward, name, h, wrong)
                    slope, gradient, moves = (found[word].value for word in ("slope", "gradient", "compared"))
                    largest = np.maximum(moves, found["nothing"].value + found["rounding"].value / h)
                    assert not (wrong == 1 and (sign == DISAGREE).any()), where
                    assert (np.abs(slope - gradient) <= 0.01 * largest)[sign == AGREE].all(), where
                    large = np.abs(gradient) > 1e-6 * found["carried"].value
                    said.update((h, wrong, one) for one in np.broadcast_to(sign, large.shape)[large])
    for h in (1e-4, 1e-5, 1e-6):  # nearly all is known where h is neither large nor small
        for wrong, sign in ((1.0, AGREE), (1.001, DISAGREE), (-1.0, DISAGREE), (2.0, DISAGREE)):
            every = sum(n for (step, times, _), n in said.items() if (step, times) == (h, wrong))
            assert said[h, wrong, sign] >= 0.98 * every > 0, (h, wrong, said)
    for h in (1e-16, 1e-15):
        assert {sign for step, _, sign in said if step == h} == {UNKNOWN}


@pytest.mark.parametrize("count", [6, pytest.param(60, marks=pytest.mark.long)])
def test_the_size_of_the_loss_changes_no_verdict(count):
    """From 1e-12 to 1e12 times the loss, in powers of two, which round alike."""
    for lesson, values in swept(count):
        for name in lesson.program.requested:
            for wrong in (1.0, 1.001, -1.0):
                same = verdicts(lesson, values, name, 1e-4, wrong=wrong)["sign"].value
                for power in (-40, -20, 20, 40):
                    scaled = verdicts(lesson, values, name, 1e-4, 2.0**power, wrong)["sign"].value
                    assert (scaled == same).all(), (lesson.forward, name, power, wrong)


# -- in the workbook ----------------------------------------------------------------------------------------------

LAYER = """
title = "t"
question = "q"
forward = '''
z = x @ w + b
loss = (tanh(z) ** 2).mean() + relu(d).sum()
'''
[tensors]
x = {role = "input", values = [[1.2, -0.4], [0.3, 0.8]]}
w = {role = "parameter", values = [[0.5, -0.2], [0.1, 0.7]]}
b = {role = "parameter", values = [0.1, -0.3]}
d = {role = "parameter", values = [-1.5, 0.5]}
[laboratory]
"""


@pytest.mark.parametrize(
    "engine", ["formualizer", "ironcalc", pytest.param("libreoffice", marks=[needs_libreoffice, pytest.mark.long])]
)
@pytest.mark.parametrize("typed", [0.0, -1.0, "abc", None, 1e-14, 5.0])
def test_whatever_is_typed_for_h_the_sheets_show_no_error_and_say_what_to_do(shelf, tmp_path, engine, typed):
    path, _ = shelf.built(lesson_of(LAYER, "typed"))
    book = load_workbook(path)
    book[H.sheet].cell(H.row, H.column).value = typed
    book.save(tmp_path / "typed.xlsx")
    found = get_engine(engine).recalculate(tmp_path / "typed.xlsx")
    errors = [
        (sheet, cell) for sheet, grid in found.items() for cell, one in grid.items() if isinstance(one, ErrorValue)
    ]
    assert not errors, errors[:5]
    sentence, (advice,) = found["Lesson"][SENTENCE], nudge.tally_places()["advice"]
    said = found[nudge.NAME].get(address(advice.row, advice.column)) or ""
    if typed in (1e-14, 5.0):
        size = "small" if typed < 1 else "large"
        assert said == f"h is too {size} here: try 0.0001"
        assert sentence.startswith("cannot tell for") and sentence.endswith(said)
    else:
        assert sentence == f"12 of 12 gradients agree with their nudges {AGREE}" and not said
        warning = found[nudge.NAME].get(address(*nudge.WARNING))
        assert warning == nudge.TABLE.constants["refused"]


def test_all_at_a_kink_is_no_agreement(tmp_path):
    lesson = lesson_of(
        'title="t"\nquestion="q"\nforward="loss = relu(x).sum()"\ntensors.x={role="input",values=[0.0, 0.0]}'
    )
    report = build(lesson, tmp_path / "kinks.xlsx")
    assert report.nudges == {"agree": 0, "disagree": 0, "kink": 2, "cannot_tell": 0}
    said = load_workbook(tmp_path / "kinks.xlsx", data_only=True)["Lesson"][SENTENCE].value
    assert said == "all 2 stand at a kink: change one of the numbers a little" and AGREE not in said


@pytest.mark.parametrize("pick", ["w[1,1]", "d[1]", "d[2]"])
def test_the_sheets_do_not_contradict_each_other(pick):
    """The Nudge, Best h and Tangent sheets say the same of the same number at the same h."""
    for h in (0.1, 0.01, 1e-4, 1e-6, 1e-10, 1e-14):
        lesson = lesson_of(LAYER).with_setting(nudge.H, h)
        for key in ("best_h", "tangent"):
            lesson = lesson.with_setting(f"laboratory.{key}", pick)
        plan = make_plan(lesson)
        said = {}
        for block in plan.sheet(nudge.NAME).blocks:
            if block.items and pick in block.items:
                said[nudge.NAME] = block.expected.ravel()[block.items.index(pick)]
        for block in plan.sheet("Best h").blocks:
            if block.style == "verdict":
                said["Best h"] = block.expected.ravel()[round(-np.log10(h)) - 1]
        (said["Tangent"],) = [
            b.expected[0, 0]
            for b in plan.sheet("Tangent").blocks
            if b.style == "index"
            and b.name == ""
            and isinstance(b.expected[0, 0], (str, tuple))
            and _first(b.expected[0, 0]) in (AGREE, DISAGREE, KINK, UNKNOWN)
        ]
        assert len({_first(one) for one in said.values()}) == 1, (h, said)


def _first(shown):
    return shown[0] if isinstance(shown, tuple) else shown


def test_only_a_number_above_0_can_be_typed_for_h(workbook):
    sheet = load_workbook(workbook("mlp"))[H.sheet]
    at = address(H.row, H.column)
    (rule,) = [one for one in sheet.data_validations.dataValidation if at in one.sqref]
    assert (rule.type, rule.formula1) == ("custom", f"AND(ISNUMBER({at}),{at}>0,{at}<=1000000)")
    assert rule.error == "Expected a number above 0" and rule.showErrorMessage


@pytest.mark.parametrize(("limit", "nudged"), [(None, 32), (7, 7), (300, 300)])
def test_a_template_says_how_many_numbers_of_a_long_column_are_nudged(limit, nudged):
    said = f"nudge = {{limit = {limit}}}" if limit else ""
    lesson = lesson_of(
        f'title = "t"\nquestion = "q"\nforward = "loss = (x * x).sum()"\n{said}\n'
        'tensors.x = {role = "parameter", shape = [300]}'
    )
    assert make_plan(lesson).sheet(nudge.NAME).tally["total"].value == nudged
    assert Lesson.from_table(lesson.to_table(), "column", "column").nudge == lesson.nudge
