"""The proof: every gradient against exact slopes, which no rule has a part in. What is wrong is found and named."""

import itertools
import json
import random
import re
import shutil
import time
import tomllib

import numpy as np
import pytest
from lessons import RIGHT, lesson_named, microgpt
from openpyxl import load_workbook
from test_cli import sheetgrad
from test_derivatives import CASES
from wrong_rules import SLIPS, slipped

from sheetgrad import Lesson, build, verify
from sheetgrad.autodiff.rules import builtin_rules
from sheetgrad.lines.evaluate import evaluate
from sheetgrad.lines.parse import parse_lines
from sheetgrad.lines.readings import NUMBERS
from sheetgrad.verifying.proof import Wrong, prove


def lesson(forward: str, ops: str = "", **numbers) -> Lesson:
    tensors = "\n".join(f'{name} = {{role = "parameter", values = {value}}}' for name, value in numbers.items())
    text = f'title = "P"\nquestion = "Q"\nforward = """\n{forward}\n"""\n{ops}\n[tensors]\n{tensors}\n'
    return Lesson.from_table(tomllib.loads(text), "proof", "proof.toml")


@pytest.mark.parametrize("name", RIGHT)
def test_every_gradient_of_every_lesson_is_proven_or_at_a_kink(name):
    one = lesson_named(name)
    proof = prove(one)
    sizes = [one.tensors[key].values.size for key in one.gradients]
    assert proof.ok and proof.proven + proof.kinks == proof.gradients == sum(sizes)
    assert bool(proof.kinks) == (name in ("kinks",)) and proof.max_rel_error < 1e-11


SOFTMAX = (
    '[ops.softmax]\nforward = """\ne = exp(a - a.max(axis=-1, keepdims=True))\ne / e.sum(axis=-1, keepdims=True)\n"""\n'
)
WRONG = {
    "a softmax without its sum": (
        "p = softmax(x)\nloss = (p * p).sum()",
        SOFTMAX + 'a = "out * g"',
        dict(x=[[1.0, 2.0], [0.0, 1.0]]),
        ("[ops.softmax] a", 4),
    ),
    "a product with a factor": (
        "y = x @ w\nloss = (y * y).sum()",
        '[ops.matmul]\nforward = "a @ b"\na = "g @ b.T"\nb = "1.001 * (a.T @ g)"',
        dict(x=[[1.0, 2.0], [0.0, 1.0]], w=[[1.0, 2.0], [0.5, 1.0]]),
        ("[ops.matmul] b", 4),
    ),
    "a power of one's own": (
        "loss = cube(x).sum()",
        '[ops.cube]\nforward = "a ** 3"\na = "g * 2 * a ** 2"',
        dict(x=[1.0, 0.0, -2.0]),
        ("[ops.cube] a", 2),  # at 0 it is right
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_named_with_its_argument(name):
    forward, ops, numbers, (blamed, count) = WRONG[name]
    proof = prove(lesson(forward, ops, **numbers))
    assert proof.blamed == (blamed,) and len(proof.wrong) == count
    assert proof.proven == proof.gradients - count


def test_one_wrong_number_among_eighty_nine_thousand_is_found():
    shapes = {"x": (64, 784), "w1": (784, 112), "b1": (112,), "w2": (112, 10), "b2": (10,), "y": (64, 10)}
    tensors = {
        name: {"role": "parameter", "shape": list(shape), "seed": k} for k, (name, shape) in enumerate(shapes.items())
    }
    table = {
        "title": "Wide",
        "question": "Is each right?",
        "forward": "l1 = relu(x @ w1 / 28 + b1)\nloss = mse(l1 @ w2 + b2, y)",
        "gradients": ["w1", "b1", "w2", "b2"],
        "tensors": tensors,
    }
    wide = Lesson.from_table(table, "wide", "wide")
    values = wide.program.run(wide.values)
    start = time.perf_counter()
    assert prove(wide, values).proven == 89_050
    assert time.perf_counter() - start < 5
    values["w1.g"] = values["w1.g"].copy()
    values["w1.g"][300, 50] *= 1 + 1e-7
    proof = prove(wide, values)
    assert [one.name for one in proof.wrong] == ["w1[301,51]"] and proof.proven == 89_049


def case(line: str, leaves: dict, positive: bool) -> Lesson:
    """A lesson whose loss is a weighted sum of one line."""
    chance = np.random.default_rng(7)
    low, high = (0.4, 1.9) if positive else (-1.7, 1.7)
    given = {
        name: leaf if isinstance(leaf, np.ndarray) else chance.uniform(low, high, leaf) for name, leaf in leaves.items()
    }
    shape = np.shape(evaluate(parse_lines(f"r = {line}")[0].expression, given, NUMBERS, builtin_rules()))
    given["weights"] = chance.uniform(0.5, 1.5, shape)
    wanted = [name for name, leaf in leaves.items() if not isinstance(leaf, np.ndarray)]
    table = {
        "title": line,
        "question": "?",
        "forward": f"r = {line}\nloss = (r * weights).sum()",
        "gradients": wanted[1:] if "where(a > 0" in line else wanted,
        "tensors": {
            name: {"role": "constant", "values": np.asarray(values).tolist()} for name, values in given.items()
        },
    }
    return Lesson.from_table(table, "case", "case")


@pytest.mark.parametrize("most", [1, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.parametrize("operation", builtin_rules())
def test_every_rule_is_proven_and_caught_with_any_slip_in_it(operation, most):
    chance, caught = random.Random(operation), set()
    for arguments in CASES[operation][:most]:
        one, rule = case(*arguments), builtin_rules()[operation]
        assert prove(one).proven == prove(one).gradients > 0
        for argument, slip in itertools.product(rule.gradients, SLIPS):
            found = slipped(one, rule, argument, slip, chance)
            if found:
                wrong, blamed, off = found
                proof = prove(wrong)
                assert len(proof.wrong) >= off.sum() and proof.blamed == (blamed,), (wrong.ops, str(proof))
                caught.add((argument, slip))
    assert len(caught) >= len(rule.gradients)


def test_all_4192_gradients_of_a_microgpt_are_proven_in_under_a_second():
    gpt = Lesson.from_table(microgpt(), "gpt", "gpt")
    start = time.perf_counter()
    proof = prove(gpt)
    assert proof.proven == proof.gradients == 4192 and proof.max_rel_error < 1e-10
    assert time.perf_counter() - start < 1  # 0.06 s on one idle core


def test_a_softmax_without_its_sum_is_caught_in_a_microgpt():
    table = microgpt() | tomllib.loads(WRONG["a softmax without its sum"][1]) | {"gradients": ["wq", "w1"]}
    proof = prove(Lesson.from_table(table, "gpt", "gpt"))
    assert proof.blamed == ("[ops.softmax] a",)
    assert str(proof) == "1,024 of 1,280 gradients proven, 256 wrong"  # what scores of attention depend on
    assert proof.tensors[0].complaint.startswith("wq: 256 of 256 gradients are wrong; the worst wq[")


@pytest.mark.long
def test_so_it_is_where_its_workbook_nudges_a_few_numbers(tmp_path):
    table = microgpt() | tomllib.loads(WRONG["a softmax without its sum"][1])
    report = build(Lesson.from_table(table, "gpt", "gpt"), tmp_path / "gpt.xlsx")
    assert not report.ok and report.proof.blamed == ("[ops.softmax] a",)


def test_one_wrong_number_in_a_column_of_300_is_found():
    ops = '[ops.bent]\nforward = "tanh(a)"\na = "g * (1 - out ** 2) + zeros(a.shape).at[250].add(0.0001)"'
    column = np.random.default_rng(1).normal(size=(300, 1)).round(2).tolist()
    proof = prove(lesson("loss = bent(x).sum()", ops, x=column))
    assert [one.name for one in proof.wrong] == ["x[251,1]"] and proof.proven == 299
    assert proof.tensors[0].complaint.startswith("x: 1 of 300 gradients is wrong; the worst x[251,1]: the rule says 0.")


def test_a_rule_wrong_everywhere_is_not_searched_to_its_end(monkeypatch):
    monkeypatch.setattr("sheetgrad.verifying.proof.MOST_ALONE", 50)
    ops = '[ops.twice]\nforward = "2 * a"\na = "3 * g"'
    proof = prove(lesson("loss = twice(x).sum()", ops, x=[0.5] * 300))
    assert 50 <= len(proof.wrong) < 100 and proof.unknown == 300 - len(proof.wrong)
    assert proof.tensors[0].complaint.startswith(
        f"x: at least {len(proof.wrong)} of 300 gradients are wrong; the worst x["
    )


RIGHT = [
    ("loss = tanh(6 * x)", dict(x=0.0)),
    ("loss = sigmoid(w * x)", dict(w=0.0, x=11.0)),
    ("loss = x * abs(x)", dict(x=0.0)),
    ("loss = x / (1 + abs(x))", dict(x=0.0)),
    ("loss = log(x)", dict(x=1e-5)),
    ("loss = sqrt(x)", dict(x=1e-8)),
    ("loss = ((c + x) - c).sum()", dict(c=1e10, x=[1.0, 2.0])),
    ("loss = -log(p)", dict(p=0.03)),
    ("loss = 1 / p", dict(p=0.02)),
    ("loss = gelu(x).sum()", dict(x=[-1.0, 0.0, 2.0])),
    ("loss = -log(sigmoid(x))", dict(x=60.0)),  # 1 - sigmoid(x) is 0 here, and its slope 9e-27
    ("loss = (x - x.mean()).sum()", dict(x=[0.1, 0.2, 0.7])),  # so are these, but for rounding
    ("loss = x.max()", dict(x=[1.0, 3.0, 2.0])),
    ("loss = (x ** 3).sum()", dict(x=[-1.5, 0.0, 2.0])),
]


@pytest.mark.parametrize(("forward", "numbers"), RIGHT)
def test_right_gradients_are_proven_where_nudges_have_trouble(forward, numbers):
    proof = prove(lesson(forward, **numbers))
    assert proof.proven == proof.gradients > 0 and proof.ok


@pytest.mark.parametrize(
    ("forward", "numbers"),
    [
        ("loss = relu(x)", dict(x=0.0)),
        ("loss = abs(x)", dict(x=0.0)),
        ("loss = maximum(x, y)", dict(x=1.0, y=1.0)),
        ("loss = x.max()", dict(x=[2.0, 2.0])),
    ],
)
def test_a_kink_is_told_from_a_smooth_spot_by_its_two_slopes(forward, numbers):
    proof = prove(lesson(forward, **numbers))
    assert proof.ok and proof.kinks == proof.gradients and not proof.proven


EDGES = {
    "three tenths": ("loss = relu(x + y - z)", dict(x=0.1, y=0.2, z=0.3), 3),
    "three tenths in the line": ("loss = relu(0.1 + 0.2 - 0.3 + x)", dict(x=0.0), 1),
    "equal numbers and their mean": ("loss = relu(x - x.mean()).sum()", dict(x=[0.1] * 7), 7),
    "the same in another scale": ("loss = relu(x - x.mean()).sum()", dict(x=[0.1e-150] * 7), 7),
    "the largest of two": ("y = x * 3 - z\nloss = y.max()", dict(x=[0.1, 0.2], z=[0.3, 0.6]), 4),
    "no difference": ("y = abs(x * 3 - z)\nloss = y.sum()", dict(x=[0.1, 0.2], z=[0.3, 0.6]), 4),
    "two that end on other sides": (
        "y = x / 7\nloss = (relu(x - x.mean()) * c).sum() - (relu(x - y.sum()) * c).sum()",  # ±1.4e-17
        dict(x=[0.1] * 7, c=[1.0, -2.0, 3.0, 5.0, 8.0, 13.0, 21.0]),
        7,
    ),
}


@pytest.mark.parametrize("name", EDGES)
def test_a_kink_that_only_rounding_keeps_away_from_is_recognised(name):
    forward, numbers, kinks = EDGES[name]
    proof = prove(lesson(forward, **numbers))
    assert proof.ok and proof.kinks == kinks and proof.unknown == 0


@pytest.mark.parametrize("x", [1e-17, -1e-17, 1e-300])
def test_a_small_number_is_not_at_a_kink(x):
    assert prove(lesson("loss = relu(x) + abs(x) * 3", x=x)).proven == 1


def test_a_large_number_beside_it_hides_no_wrong_gradient():
    ops = '[ops.twice]\nforward = "2 * a"\na = "2.00001 * g"'
    proof = prove(lesson("loss = s * a ** 2 + twice(b)", ops, s=1e12, a=1.1, b=0.3))
    assert [one.name for one in proof.wrong] == ["b"] and proof.proven == 2
    assert str(proof.wrong[0]) == "b: the rule says 2.00001, the slope is 2"


@pytest.mark.parametrize(("size", "told"), [(1e-25, True), (1e-45, False)])
def test_a_gradient_is_told_from_0_down_to_1e_30(size, told):
    proof = prove(lesson("loss = still(x)", f'[ops.still]\nforward = "{size} * a"\na = "0 * g"', x=1.5))
    assert proof.ok != told


def test_two_numbers_that_look_alike_are_told_with_the_digits_that_tell_them_apart():
    assert str(Wrong("b", 1 + 1e-8, 1.0)) == "b: the rule says 1.00000001, the slope is 1"
    assert str(Wrong("b", 1.0, np.inf)) == "b: the rule says 1, the loss jumps"


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6, 1e12])
@pytest.mark.parametrize("factor", [1 + 1e-7, -1.0, 0.5])
def test_a_wrong_gradient_is_found_however_large_or_small_the_loss_is(scale, factor):
    ops = f'[ops.twice]\nforward = "2 * a"\na = "{factor} * 2 * g"'
    proof = prove(lesson("loss = s * (twice(x) * x).sum()", ops, s=scale, x=[1.0, -2.0, 0.5]))
    assert {one.name for one in proof.wrong} == {"x[1]", "x[2]", "x[3]"} and proof.blamed == ("[ops.twice] a",)
    assert prove(lesson("loss = s * (x * x).sum()", s=scale, x=[1.0, -2.0, 0.5])).proven == 4


def test_the_report_has_the_proof_and_a_wrong_gradient_ends_with_status_1(tmp_path):
    path = tmp_path / "wrong.toml"
    forward, ops, numbers, _ = WRONG["a softmax without its sum"]
    tensors = "".join(f'[tensors.{name}]\nrole = "parameter"\nvalues = {value}\n' for name, value in numbers.items())
    path.write_text(f'title = "P"\nquestion = "Q"\nforward = """\n{forward}\n"""\n{ops}\n{tensors}', encoding="utf-8")
    done = sheetgrad("build", path, "-o", tmp_path, cwd=tmp_path)
    assert done.returncode == 1 and "4 of 4 gradients are wrong" in done.stdout
    assert re.search(
        r"^  x: 4 of 4 gradients are wrong; the worst x\[.,2\]: the rule says [^ ]+, the slope is [^ ]+$",
        done.stdout,
        re.M,
    )
    assert "wrong rules: [ops.softmax] a" in done.stdout
    assert "The lesson's own [ops.softmax] replaces the built-in operation" in done.stdout
    found = json.loads(sheetgrad("verify", tmp_path / "wrong.xlsx", "--json", cwd=tmp_path).stdout)
    assert not found["ok"] and found["proof"]["wrong"] == ["x[1,1]", "x[1,2]", "x[2,1]", "x[2,2]"]
    assert found["proof"]["gradients"] == 4 and found["proof"]["proven"] == 0


def test_the_numbers_that_stand_in_the_workbook_are_those_proven(tmp_path):
    report = build(lesson("loss = relu(x)", x=1.0), tmp_path / "one.xlsx")
    assert report.proof.proven == 1 and np.isfinite(report.proof.max_rel_error)


def test_where_numbers_run_away_nothing_is_claimed():
    outside = lesson("loss = log(x).sum()", x=[1.0, 2.0]).with_values({"x": np.array([-1.0, 2.0])})
    proof = prove(outside)
    assert not proof.ok and not proof.proven and not proof.wrong and proof.unknown == proof.gradients == 2
    assert proof.tensors[0].complaint == "x: nothing can be said of 2 of 2 gradients: numbers run away"
    assert str(proof) == "0 of 2 gradients proven, 2 of which nothing can be said"
    assert proof.as_dict()["unknown"] == proof.as_dict()["tensors"][0]["unknown"] == 2


def lesson_sheet(path) -> list[str]:
    return [
        cell.value for row in load_workbook(path)["Lesson"].iter_rows() for cell in row if isinstance(cell.value, str)
    ]


def test_the_lesson_sheet_says_what_was_proven_when_it_was_made_and_how_many_numbers_it_nudges(tmp_path, workbook):
    said = "25 of 25 gradients proven, by exact slopes when this workbook was made; all of them are nudged here"
    assert said in lesson_sheet(workbook("mlp"))
    assert any("8 of 12 gradients proven, 4 at a kink, by" in text for text in lesson_sheet(workbook("kinks")))
    limited = Lesson.from_table(lesson_named("mlp").to_table() | {"nudge": {"limit": 9}}, "mlp", "mlp")
    report = build(limited, tmp_path / "mlp.xlsx")
    some = sum(report.nudges.values())
    assert 0 < some < 25 and any(f"made; {some} of them are" in text for text in lesson_sheet(tmp_path / "mlp.xlsx"))


def test_numbers_that_are_changed_later_make_the_sentence_no_mismatch(tmp_path, workbook):
    changed = shutil.copy(workbook("kinks"), tmp_path / "kinks.xlsx")
    book = load_workbook(changed)
    sheet, cells = next(iter(book.defined_names["x_value"].destinations))
    book[sheet][cells][0][1].value = 0.5  # x[2], which stood at its corner
    book.save(changed)
    report = verify(changed)
    assert report.ok and (report.proof.proven, report.proof.kinks) == (9, 3)


def test_an_operation_that_a_lesson_replaces_is_said_to_be_replaced(tmp_path):
    ops = SOFTMAX + 'a = "out * (g - (g * out).sum(axis=-1, keepdims=True))"'
    report = build(lesson("p = softmax(x)\nloss = (p * p).sum()", ops, x=[[1.0, 2.0]]), tmp_path / "own.xlsx")
    sentence = "The lesson's own [ops.softmax] replaces the built-in operation"
    assert report.ok and report.as_dict()["replacements"] == (sentence,)
    assert f"{sentence}." in lesson_sheet(tmp_path / "own.xlsx")
    assert sentence in sheetgrad("verify", tmp_path / "own.xlsx", cwd=tmp_path).stdout
    own = lesson("loss = cube(x)", '[ops.cube]\nforward = "a ** 3"\na = "g * 3 * a ** 2"', x=1.0)
    assert own.replacements == ()


POWERS = """
one = x ** 1
two = x ** 2
none = x ** 0
some = (x * x) ** p      # p is 1 and 0 here, and x is 0
far = c ** p
loss = one.sum() + two.sum() + none.sum() + some.sum() + far.sum()
"""


@pytest.mark.parametrize("engine", ["formualizer", "ironcalc"])  # 0^0 is an error in IronCalc, as in Excel
def test_no_power_of_zero_is_an_error_on_the_sheet(tmp_path, engine):
    given = "x = {role = 'parameter', values = [0.0, 0.5, -2.0]}\np = {role = 'constant', values = [1.0, 0.0, 2.0]}\n"
    given += "c = {role = 'constant', values = [0.0, 0.0, 0.0]}\n"
    text = f"title = 'P'\nquestion = 'Q'\nforward = '''{POWERS}'''\n[tensors]\n{given}"
    powers = Lesson.from_table(tomllib.loads(text), "powers", "powers")
    report = build(powers, tmp_path / "powers.xlsx")
    assert report.ok and report.proof.proven == 3
    again = verify(tmp_path / "powers.xlsx", engine)
    assert again.ok and again.checked_cells == again.formula_cells
    shown = load_workbook(tmp_path / "powers.xlsx", data_only=True)
    errors = [c for sheet in shown for row in sheet.iter_rows() for c in row if str(c.value).startswith("#")]
    assert errors == []
    lines = [line.text for line in powers.program.backward]
    assert not any("** 0" in line or "** 1" in line for line in lines), lines


def test_a_power_is_proven_at_zero_for_its_base_and_for_its_exponent():
    assert prove(lesson("loss = (a ** b).sum()", a=[0.0, 2.0, 0.5, 0.0], b=[1.0, 0.0, 1.5, 2.5])).proven == 8
