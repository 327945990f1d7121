"""The sheets that a template asks for: Jacobian, Contributions, Training, Code."""

import shutil

import numpy as np
import pytest
from lessons import RIGHT, lesson_named, lesson_of
from openpyxl import load_workbook

from sheetgrad import Lesson, LessonError, build, verify
from sheetgrad.formulas.expressions import Num, Ref
from sheetgrad.formulas.places import address
from sheetgrad.listings import listing, program_text
from sheetgrad.plan.blocks import PlanError
from sheetgrad.plan.descent import needed_lines, run
from sheetgrad.planning import make_plan
from sheetgrad.sheets import contributions, jacobian, training

LESSONS = {name: lesson_named(name) for name in [*RIGHT, "everything"]}


# -- Jacobian -----------------------------------------------------------------------------------------------------


def test_the_jacobian_of_a_layer_is_its_weights_and_of_a_bias_the_identity():
    lesson = LESSONS["jacobian"]
    weights, ones = (jacobian.entries(lesson, "f", name, 0) for name in ("x", "b"))
    assert weights == {(j, i): Ref("w", (i, j)) for j in range(2) for i in range(3)}
    assert ones == {(j, i): Num(int(i == j)) for j in range(2) for i in range(2)}
    said = " ".join(label.text for label in make_plan(lesson).sheet("Jacobian").labels)
    assert "This is w.T" in said and "This is the identity" in said


def test_a_layer_stored_the_other_way_round_shows_its_weights_as_they_are():
    found = jacobian.entries(LESSONS["weight-storage"], "out2", "x", 0)
    assert jacobian.recognised(found).startswith("This is v,")


@pytest.mark.parametrize("pair", [("z", "x"), ("p", "z"), ("l1", "z"), ("z", "b"), ("q", "l1")])
def test_the_jacobian_from_the_rules_equals_nudges_on_numpy(pair):
    lesson = LESSONS["everything"]
    blocks = [b for b in make_plan(lesson).sheet("Jacobian").blocks if b.kind == "formula" and b.rows > 1]
    output, given = pair
    rows, columns = lesson.program.shapes[output][-1], lesson.program.shapes[given][-1]
    rule, nudged = next(
        (one.expected, other.expected)
        for one, other in zip(blocks, blocks[1:], strict=False)
        if one.style == "gradient" and other.style == "nudge" and one.expected.shape == (rows, columns)
    )
    np.testing.assert_allclose(rule.astype(float), nudged.astype(float), atol=1e-6)
    assert np.abs(rule).max() > 0


def test_the_jacobian_of_an_operation_moves_the_steps_that_it_shares_with_another(tmp_path):
    lesson = lesson_of("""
title = "Two of the same"
question = "What is shared?"
forward = "p = softmax(z)\\nq = log_softmax(z)\\nloss = (p * q).sum()"
jacobian.pairs = [["p", "z"], ["q", "z"]]
code = true
[tensors.z]
role = "parameter"
values = [0.5, -1.0, 2.0]
""")
    assert [line.target for line in lesson.program.forward] == ["e", "p", "q", "loss"]
    report = build(lesson, tmp_path / "book.xlsx")
    assert report.ok, report


def test_the_chain_rule_ends_at_the_gradients_of_the_lesson():
    lesson = LESSONS["jacobian"]
    values = lesson.program.run(lesson.values)
    bold = [b.expected for b in make_plan(lesson).sheet("Jacobian").blocks if b.style == "gradient_bold"]
    np.testing.assert_allclose(bold[0][0].astype(float), values["x.g"][0])
    np.testing.assert_allclose(bold[1][0].astype(float), values["b.g"])


# -- Contributions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bias", "outer-product", "find-dw-db", "weight-storage"])
def test_contributions_are_outer_products_that_add_up(name):
    lesson = LESSONS[name]
    values = lesson.program.run(lesson.values)
    for key in lesson.sections["contributions"].of:
        line = next(line for line in lesson.program.backward if line.target == f"{key}.g")
        operands = [values[operand] for operand in contributions.operands(line)]
        parts = [
            np.outer(*(x[n] for x in operands)) if len(operands) == 2 else operands[0][n]
            for n in range(len(operands[0]))
        ]
        np.testing.assert_allclose(sum(parts), values[f"{key}.g"])
        blocks = [b.expected.astype(float) for b in make_plan(lesson).sheet("Contributions").blocks]
        assert all(any(b.shape == np.atleast_2d(p).shape and np.allclose(b, p) for b in blocks) for p in parts)


def test_a_gradient_that_is_no_sum_over_examples_is_refused():
    lesson = lesson_of(
        """
        title = "t"
        question = "q"
        forward = "loss = (x * w).sum()"
        tensors.x = {role = "input", shape = [3, 2]}
        tensors.w = {role = "parameter", shape = [3, 2], seed = 1}
        [contributions]
        """
    )
    with pytest.raises(PlanError, match="w.g = .* is no sum over examples; expected"):
        make_plan(lesson)


# -- Training -----------------------------------------------------------------------------------------------------


def by_hand(lesson: Lesson) -> dict[str, np.ndarray]:
    """Gradient descent as in a textbook, on NumPy."""
    values, velocity = lesson.program.run(lesson.values), {}
    beta = lesson.sections["training"].numbers.get("momentum", 0.0)
    for _ in range(lesson.sections["training"].steps):
        given = {name: values[name] for name in lesson.tensors}
        for name in lesson.sections["training"].train:
            velocity[name] = beta * velocity.get(name, 0.0) + values[f"{name}.g"]
            given[name] = given[name] - lesson.setting("training.lr") * velocity[name]
        values = lesson.program.run(given)
    return values


@pytest.mark.parametrize("name", ["training", "optimise-the-input", "cross-entropy", "everything"])
def test_the_last_row_is_where_gradient_descent_on_numpy_ends(workbook, name):
    lesson = LESSONS[name]
    last = by_hand(lesson)
    found = run(lesson, lesson.program.run(lesson.values), needed_lines(lesson))
    for key in (*lesson.sections["training"].train, lesson.program.loss):
        np.testing.assert_allclose(found[key][-1], last[key], rtol=1e-12)
    shown = load_workbook(workbook(name), data_only=True)["Training"]
    (cell,) = [
        address(b.row, b.column)
        for b in make_plan(lesson).sheet("Training").blocks
        if (b.row, b.column) == (8, training.PANEL)
    ]
    assert shown[cell].value == pytest.approx(float(last[lesson.program.loss]), rel=1e-9)
    assert last[lesson.program.loss] < lesson.program.run(lesson.values)[lesson.program.loss]


def test_a_learning_rate_that_explodes_still_verifies(workbook, tmp_path):
    path = shutil.copy(workbook("training"), tmp_path)
    book = load_workbook(path)
    book["Training"].cell(4, training.PANEL).value = 50.0
    book.save(path)
    report = verify(path)
    assert not report.mismatches, report.mismatches[:3]


# -- Code ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(LESSONS))
def test_the_numpy_program_runs_and_agrees(name):
    lesson = LESSONS[name]
    rows, space = listing(lesson), {}
    exec(program_text(rows, "numpy", ("import", "given", "forward", "backward")), space)
    for key, value in lesson.program.run(lesson.values).items():
        np.testing.assert_allclose(space[key.replace(".", "_")], value, rtol=1e-12, atol=1e-14, err_msg=key)
    if "training" in lesson.sections:
        exec(program_text(rows, "numpy", ("training",)), space)
        for key in lesson.sections["training"].train:
            np.testing.assert_allclose(space[key], by_hand(lesson)[key], rtol=1e-9)


@pytest.mark.parametrize("name", sorted(LESSONS))
def test_the_pytorch_program_runs_and_agrees(name):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    lesson = LESSONS[name]
    rows, space = listing(lesson), {}
    exec(program_text(rows, "torch", ("import", "given", "forward", "backward")), space)
    values = lesson.program.run(lesson.values)
    for step in lesson.program.steps:
        np.testing.assert_allclose(space[step.result].detach().numpy(), values[step.result], rtol=1e-9, atol=1e-12)
    for key in lesson.gradients:
        np.testing.assert_allclose(space[key].grad.numpy(), values[f"{key}.g"], rtol=1e-9, atol=1e-12, err_msg=key)
    if "training" in lesson.sections:
        for key in lesson.gradients:
            space[key].grad = None
        exec(program_text(rows, "torch", ("training",)), space)
        for key in lesson.sections["training"].train:
            np.testing.assert_allclose(space[key].detach().numpy(), by_hand(lesson)[key], rtol=1e-7)


def test_the_pytorch_program_is_python():
    for name, given in LESSONS.items():
        compile(program_text(listing(given), "torch"), name, "exec")


def test_the_code_sheet_leads_to_the_blocks(workbook):
    lesson = LESSONS["training"]
    sheet = load_workbook(workbook("training"))["Code"]
    links = {c.value: c.hyperlink.location for row in sheet.iter_rows() for c in row if c.hyperlink}
    assert {"w1", "l1", "out.g", "w1.g"} <= set(links)
    assert all(location.startswith("'Gradients'!") for location in links.values())
    texts = [c.value for row in sheet.iter_rows() for c in row if c.value]
    assert "w1_g = x.T @ l1_g" in texts and "loss.backward()" in texts
    assert "code" in lesson.sections and "Code" not in [s.name for s in make_plan(LESSONS["neuron"]).sheets]


# -- templates ----------------------------------------------------------------------------------------------------

HEAD = 'title = "t"\nquestion = "q"\nforward = "z = x @ w\\nloss = mse(z, y)"\n'
TENSORS = """
tensors.x = {role = "input", shape = [3, 2]}
tensors.w = {role = "parameter", shape = [2, 2], seed = 1}
tensors.y = {role = "target", shape = [3, 2], seed = 2}
"""


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("jacobian.pairs = 3", "expected a list such as"),
        ('jacobian.pairs = [["z", "y"]]', "expected a result (z, loss) and an operand"),
        ('jacobian.pairs = [["z", "w"]]', "has not one row for each example"),
        ('jacobian.pairs = [["loss", "z"]]', "must be vectors, or matrices"),
        ('jacobian = {pairs = [["z", "x"]], example = 4}', "example: found 4, expected a number from 1 to 3"),
        ('contributions.of = ["v"]', "'v' has no gradient here"),
        ('contributions.of = ["w", "w"]', "expected a list of names"),
        ('training.optimizer = "adma"', "found 'adma' (did you mean adam?), expected one of sgd, momentum"),
        ("training.momentum = 0.5", "momentum is not a known key of sgd; expected lr, weight_decay"),
        ("training.steps = 0", "found 0, expected a number from 1 to 200"),
        ("training.lr = -1", "found -1"),
        ('training.train = ["y"]', "'y' has no gradient here"),
        ("training.rate = 1", "rate is not a known key"),
        ("code = 1", "expected true or false"),
    ],
)
def test_a_sheet_that_cannot_be_made_is_refused_with_what_is_expected(table, words):
    with pytest.raises(LessonError) as caught:
        lesson_of(HEAD + table + TENSORS)
    assert words in str(caught.value) and "\n" not in str(caught.value)
