"""The Best h, Ripple and Tangent sheets: every picked number, tolerances that are neither loose nor tight."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import sheetgrad
from conftest import needs_libreoffice, seed_of_this_run
from lessons import RIGHT, lesson_named, lesson_of
from openpyxl import load_workbook

from sheetgrad import Lesson, build, verify
from sheetgrad.autodiff.rounding import carried
from sheetgrad.engines import get_engine
from sheetgrad.formulas.places import address
from sheetgrad.planning import make_plan
from sheetgrad.sheets import best_h, nudge, ripple, tangent
from sheetgrad.tables.agreement import AGREE, DISAGREE, KINK, UNKNOWN
from sheetgrad.verifying.verify import compare
from sheetgrad.xlsx.contents import Contents

BEST_H = best_h.TABLE.constants


def cells(plan) -> dict[str, tuple[str, str]]:
    """Where the numbers to play with stand: sheet and cell by setting."""
    return {
        block.name: (sheet.name, address(block.row, block.column))
        for sheet in plan.sheets
        for block in sheet.blocks
        if block.kind == "input" and "." in block.name
    }


def shown(path, sheet: str) -> dict[str, object]:
    """The stored values of a sheet by cell."""
    rows = load_workbook(path, data_only=True)[sheet].iter_rows()
    return {cell.coordinate: cell.value for row in rows for cell in row if cell.value is not None}


def test_a_number_that_is_not_in_the_list_is_named(workbook, tmp_path):
    path, book = Path(shutil.copy(workbook("neuron"), tmp_path)), load_workbook(workbook("neuron"))
    sheet, cell = cells(make_plan(lesson_named("neuron")))["laboratory.ripple"]
    book[sheet][cell] = "w[9]"
    book.save(path)
    assert any("must be one of x[1]" in m.problem and m.found == "w[9]" for m in verify(path).mismatches)


def tabs(lesson: Lesson) -> list[str]:
    return [sheet.name for sheet in make_plan(lesson).sheets if not sheet.hidden]


def test_a_workbook_has_three_sheets_and_what_its_lesson_asks_for():
    first = ["Lesson", "Gradients", "Nudge"]
    assert tabs(Lesson.load("mlp")) == first
    assert tabs(Lesson.load("nudge-x")) == [*first, "Row by row"]
    assert tabs(Lesson.load("step-size")) == [*first, "Best h", "Ripple", "Tangent"]


def test_build_adds_the_laboratory_where_it_is_asked_to(tmp_path):
    done = sheetgrad("build", "outer-product", "bug-sum", "--laboratory", "-o", tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = {path.stem: load_workbook(path).sheetnames for path in tmp_path.glob("*.xlsx")}
    assert {"Best h", "Ripple", "Tangent"} <= set(found["outer-product"])
    assert not {"Best h", "Ripple", "Tangent"} & set(found["bug-sum"])  # there it would tell
    assert verify(tmp_path / "outer-product.xlsx").ok


# -- step sizes ---------------------------------------------------------------------------------------------------


def test_the_v_has_its_best_step_where_theory_says():
    lesson = Lesson.load("step-size")
    found, _ = best_h.measure(lesson, lesson.program.run(lesson.values))
    e = np.exp(1.5)
    assert found["second"].value == pytest.approx(e, rel=1e-3)
    assert found["third"].value == pytest.approx(e, rel=1e-2)
    names = ("central_theory", "right_theory", "right_error", "central_error")
    fields = {name: found[name].value for name in names}
    assert best_h.STEPS[np.argmin(fields["central_theory"])] == 1e-5
    assert best_h.STEPS[np.argmin(fields["right_theory"])] == 1e-8
    ratios = fields["right_error"][:5] / fields["right_error"][1:6]
    np.testing.assert_allclose(ratios, 10, rtol=0.05)  # truncation falls with h on one side
    ratios = fields["central_error"][:3] / fields["central_error"][1:4]
    np.testing.assert_allclose(ratios, 100, rtol=0.05)  # and with h² on both


SMOOTH = [
    "loss = mse(tanh(x @ w + b), y)",
    "l1 = sigmoid(x @ w)\nloss = (l1 * l1 - y).mean()",
    "q = exp(x @ w / 4)\nloss = (q * y).sum()",
    "q = x @ w + b\nr = sqrt(1 + q * q)\nloss = (r / (2 + y * y)).mean()",
    "s = log(1 + x * x).sum(1)\nt = s * s\nloss = t.mean() + (w * w * w).sum() + b.sum() * y.sum()",
    "p = softmax(x @ w)\nloss = (p * y).sum() + (b ** 3).sum()",
    "q = softplus(x @ w + b)\nloss = mse(q, y)",
    "d = x.mean(0)\ne = d @ w\nloss = (e ** 4).sum() / 8 + (b * e).sum() + (y * 0).sum()",
    "g1 = gelu(x @ w)\nloss = mse(g1 + b, y)",
    "a = (x @ w) ** 3 / 10\nc = tanh(a - b)\nloss = (c * y).mean()",
]


def random_lessons(count: int):
    """Smooth lessons of random numbers with two decimals, with a random number picked in each."""
    generator = np.random.default_rng(seed_of_this_run())
    for forward in SMOOTH:
        table = {
            "title": "t",
            "question": "q",
            "forward": forward,
            "laboratory": True,
            "gradients": ["x", "w", *(["b"] if " b" in forward or "(b" in forward else [])],
            "tensors": {
                name: {"role": "input" if name in "xy" else "parameter", "shape": shape}
                for name, shape in {"x": [3, 2], "w": [2, 2], "b": [2], "y": [3, 2]}.items()
                if name in forward.replace("exp", "").replace("sigmoid", "").replace("sum", "").replace("sub", "")
            },
        }
        smooth = Lesson.from_table(table, "smooth", "smooth")
        names = list(smooth.numbers)
        for _ in range(count // len(SMOOTH)):
            values = {
                name: np.round(generator.normal(size=tensor.values.shape) * generator.choice([0.3, 1, 2]), 2)
                for name, tensor in smooth.tensors.items()
            }
            pick = names[generator.integers(len(names))]
            yield smooth.with_values(values).with_setting("laboratory.best_h", pick)


@pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=pytest.mark.long)])
def test_random_smooth_lessons_raise_no_false_alarm_and_a_millionth_is_caught(count):
    alarms, missed, large = [], [], 0
    for lesson in random_lessons(count):
        values = lesson.program.run(lesson.values)
        found, _ = best_h.measure(lesson, values)
        gradient, now, value = (float(found[word].value) for word in ("gradient", "loss", "value"))
        size = max(carried(lesson.program, values), abs(value * gradient))
        if DISAGREE in found["sign"].value or (abs(gradient) > 1e-6 * size and AGREE not in found["sign"].value):
            alarms.append((lesson.forward, lesson.setting("laboratory.best_h"), found["sign"].value))
        key = f"{lesson.numbers[lesson.setting('laboratory.best_h')][0]}.g"
        wrong, _ = best_h.measure(lesson, values | {key: values[key] * (1 + 1e-6)})
        if abs(gradient) >= 0.015 * size:
            large += 1  # a millionth is more than 64 roundings
            if DISAGREE not in wrong["sign"].value:
                missed.append((lesson.forward, gradient, now, wrong["doubt"].value))
    assert not alarms, (len(alarms), alarms[:3])
    assert large > count / 3 and not missed, (len(missed), missed[:3])


def test_a_rule_wrong_by_a_millionth_shows_on_the_sheet(tmp_path):
    lesson = lesson_of(
        """
        title = "t"
        question = "q"
        laboratory = true
        forward = "loss = cube(x)"
        tensors.x = {role = "input", values = 1.5}
        ops.cube = {forward = "a * a * a", a = "g * 3.000003 * a * a"}
        """
    )
    report = build(lesson, tmp_path / "wrong.xlsx")
    assert not report.mismatches and report.nudges["disagree"] == 1  # at h = 1E-04 a millionth is beyond doubt
    sheet = make_plan(lesson).sheet("Best h")
    (verdicts,) = [block.expected[:, 0] for block in sheet.blocks if block.style == "verdict"]
    assert verdicts[-1][0] == UNKNOWN and DISAGREE in list(verdicts)


def test_a_vanished_difference_is_accepted_exactly_where_rounding_allows_it(workbook):
    path = workbook("step-size")
    lesson, book = Lesson.load("step-size"), Contents(path.read_bytes()).all()
    plan, found = make_plan(lesson), get_engine("formualizer").recalculate(path)
    sheet = plan.sheet("Best h")
    measured, _ = best_h.measure(lesson, lesson.program.run(lesson.values))
    apart, bound = measured["apart"].value, measured["apart"].off
    np.testing.assert_allclose(bound, measured["rounding"].value)  # 64 roundings of the larger of loss and move
    block = next(
        b for b in sheet.blocks if b.number_format == "0.00E+00" and b.rows == len(apart) and b.style == "nudge"
    )
    for k, difference in enumerate(apart):
        cell = address(block.row + k, block.column)
        changed = found | {"Best h": found["Best h"] | {cell: 0.0}}
        report = compare(plan, book, changed, "w", "l", "e")
        named = [m.cell for m in report.mismatches]
        assert named == ([] if abs(difference) <= bound[k] else [cell])
    assert 0 < (np.abs(apart) <= bound).sum() < len(apart) - 8


@needs_libreoffice
def test_libreoffice_sets_tiny_differences_to_zero_and_the_sheet_says_so(workbook):
    found = get_engine("libreoffice").recalculate(workbook("step-size"))["Best h"]
    assert BEST_H["vanished"] in found.values() and BEST_H["hidden"] in found.values()
    formualizer = get_engine("formualizer").recalculate(workbook("step-size"))["Best h"]
    assert BEST_H["vanished"] not in formualizer.values()


# -- ripples ------------------------------------------------------------------------------------------------------


def test_a_tensor_that_every_way_leads_through_is_told_from_one_way_of_several():
    lesson = Lesson.load("chain-rule")
    found = ripple.gates(lesson.program)
    assert "x" not in found["s"] and "y" in found["s"]  # x goes on beside s, y only through it
    assert set(found["p"]) == {"x", "y"} and "z" in found[lesson.program.loss]


def test_a_bias_moves_every_example_and_a_weight_a_column(workbook):
    lesson = lesson_named("mini-batch")
    values = lesson.program.run(lesson.values)
    for pick, moved in (("b[1]", values["out"].shape[0]), ("w[1,2]", values["out"].shape[0])):
        changed = lesson.with_setting("laboratory.ripple", pick)
        sheet = make_plan(changed).sheet("Ripple")
        out = next(label.row for label in sheet.labels if label.text == "out" and label.column == ripple.CHAIN)
        (count,) = [
            b for b in sheet.blocks if (b.row, b.column) == (out, ripple.chain_columns(lesson.program)["count"])
        ]
        assert count.expected[0, 0] == moved


@pytest.mark.parametrize("picks", [1, pytest.param(5, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", RIGHT)
def test_the_products_add_up_to_the_gradient_wherever_every_way_leads_through(name, picks):
    lesson = lesson_named(name).with_setting("laboratory.nudge", 1e-7)
    chance = random.Random(f"{seed_of_this_run()} {name}")
    for pick in chance.sample(list(lesson.numbers), min(picks, len(lesson.numbers))):
        changed = lesson.with_setting("laboratory.ripple", pick)
        tensor, index = lesson.numbers[pick]
        gradient = lesson.program.run(lesson.values)[f"{tensor}.g"][index]
        sheet = make_plan(changed).sheet("Ripple")
        blocks = {(b.row, b.column): b.expected[0, 0] for b in sheet.blocks}
        whole = [row for (row, column), value in blocks.items() if value == ripple.TABLE.constants["whole"]]
        passed = ripple.chain_columns(lesson.program)["passed"]
        sums = [blocks[row, passed] for row in whole if (row, passed) in blocks]
        assert len(sums) >= (2 if gradient else 1)
        if not (name == "kinks" and pick in ("x[2]", "y[2]", "p[2]", "q[2]")):
            np.testing.assert_allclose(sums, gradient, rtol=1e-5, atol=1e-6)


# -- kinks and zeros ----------------------------------------------------------------------------------------------


def test_zeros_and_corners_are_told_apart(workbook):
    lesson = Lesson.load("kinks")
    values = lesson.program.run(lesson.values)
    said = {}
    for name in lesson.program.requested:
        indices = list(np.ndindex(values[name].shape))
        found, _ = nudge.nudged(lesson, name, indices, values)
        for index, word, sign in zip(indices, found["remark"].value, found["verdict"].value, strict=True):
            said[f"{name}{index[0] + 1}"] = (word, sign)
    words = nudge.TABLE.constants
    assert said["x1"] == (words["no_effect"], AGREE) and said["p1"] == (words["no_effect"], AGREE)
    assert said["x2"] == said["y2"] == said["p2"] == said["q2"] == (words["at_corner"], KINK)
    assert said["x3"] == ("", AGREE)
    flat = lesson_of(
        'title="t"\nquestion="q"\nforward="f = x * x + y * 1e-8"\n'
        'tensors.x={role="input",values=0.0}\ntensors.y={role="input",values=1.0}'
    )
    values = flat.program.run(flat.values)
    for name, word in (("x", "flat"), ("y", "tiny")):
        found, _ = nudge.nudged(flat, name, [()], values)
        assert found["remark"].value[0] == words[word]


def test_the_tangent_sheet_names_the_corner(workbook):
    assert tangent.TABLE.constants["two_slopes"] in shown(workbook("kinks"), "Tangent").values()
    assert tangent.TABLE.constants["touches"] in shown(workbook("mlp"), "Tangent").values()


# -- charts and sizes ---------------------------------------------------------------------------------------------


def test_mlp_stays_small(workbook):
    assert workbook("mlp").stat().st_size < 300_000


def test_a_forward_pass_too_large_for_the_laboratory_says_so_on_the_lesson_sheet():
    lesson = lesson_of(
        """
        title = "Wide"
        question = "q"
        laboratory = true
        forward = "loss = mse(x @ w, y)"
        tensors.x = {role = "input", shape = [60, 20]}
        tensors.w = {role = "parameter", shape = [20, 3], seed = 1}
        tensors.y = {role = "target", shape = [60, 3], seed = 2}
        nudge.limit = 10
        """
    )
    plan = make_plan(lesson)
    assert tabs(lesson) == ["Lesson", "Gradients", "Nudge", "Ripple"]
    said = [label.text for label in plan.sheet("Lesson").labels]
    assert any(text.startswith("Best h is left out: ") for text in said)
    assert any(text.startswith("Tangent is left out: ") for text in said)
    assert len(lesson.numbers) in range(990, 1001)  # of 1,260, an even share of both tensors
