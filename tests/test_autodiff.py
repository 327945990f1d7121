"""Backward lines: they read as a person writes them, and what cannot be is said with the line and the names."""

import ast
import tomllib

import pytest

from sheetgrad.autodiff.reverse import differentiate
from sheetgrad.autodiff.rules import builtin_rules, with_own_operations
from sheetgrad.lines.parse import LanguageError, parse_lines


def backward(text: str, wanted=None, **shapes) -> dict[str, str]:
    program = differentiate(parse_lines(text), shapes, wanted or list(shapes), builtin_rules())
    return {line.target: ast.unparse(line.expression) for line in program.backward}


def test_a_layer_reads_as_in_the_books():
    lines = backward(
        "out = inp @ w + b\nloss = mse(out, targ)", ["inp", "w", "b"], inp=(4, 3), w=(3, 2), b=(2,), targ=(4, 2)
    )
    assert lines == {
        "out.g": "2 * (out - targ) / 8",
        "inp.g": "out.g @ w.T",
        "w.g": "inp.T @ out.g",
        "b.g": "out.g.sum(0)",
    }


def test_one_example_reads_as_an_outer_product():
    lines = backward("f = x @ w + b\nloss = ((f - y) ** 2).sum()", ["x", "w", "b"], x=(3,), w=(3, 2), b=(2,), y=(2,))
    assert lines == {"f.g": "2 * (f - y)", "x.g": "f.g @ w.T", "w.g": "x[:, None] * f.g", "b.g": "f.g"}


def test_relu_passes_the_gradient_on_where_it_was_open():
    assert backward("l = relu(x)\nloss = l.sum()", x=(2, 2))["x.g"] == "l.g * (x > 0)"


def test_a_tensor_used_twice_gets_the_sum_of_both():
    assert backward("s = x + y\nloss = s * x", x=(), y=())["x.g"] == "s + s.g"


def test_layer_normalisation_undoes_each_broadcast():
    lines = backward("h = x - x.mean(0)\nloss = (h * h).sum()", x=(5, 3))
    assert lines["x.g"] == "h.g - h.g.sum(0) / 5"


def test_a_gradient_that_nobody_asked_for_is_not_computed():
    lines = backward("l = x @ w\nr = relu(l)\nloss = mse(r @ v, y)", ["v"], x=(4, 3), w=(3, 2), v=(2, 1), y=(4, 1))
    assert set(lines) == {"z.g", "v.g"}


def test_a_nested_non_linear_call_gets_a_line_of_its_own():
    program = differentiate(
        parse_lines("out = relu(x @ w + b)\nloss = out.sum()"),
        {"x": (4, 3), "w": (3, 2), "b": (2,)},
        ["w"],
        builtin_rules(),
    )
    assert [step.heading for step in program.steps] == ["z = x @ w + b", "out = relu(z)", "loss = out.sum()"]


def test_a_softmax_shows_its_steps():
    program = differentiate(
        parse_lines("p = softmax(z)\nloss = (p * t).sum()"), {"z": (2, 3), "t": (2, 3)}, ["z"], builtin_rules()
    )
    assert [line.target for line in program.steps[0].lines] == ["e", "p"]
    assert program.backward[-1].text == "z.g = p * (p.g - (p.g * p).sum(-1, keepdims=True))"


def forward(text: str, **shapes) -> list[str]:
    """Every line of the forward pass, with the gradient of the first tensor wanted."""
    return [
        line.text for line in differentiate(parse_lines(text), shapes, [next(iter(shapes))], builtin_rules()).forward
    ]


def test_cross_entropy_reads_as_in_the_books():
    text = "scores = x @ w\nloss = cross_entropy(scores, y)"
    assert forward(text, x=(6, 2), w=(2, 3), y=(6,)) == [
        "scores = x @ w",
        "e = exp(scores - scores.max(-1, keepdims=True))",
        "p = e / e.sum(-1, keepdims=True)",
        "logp = scores - scores.max(-1, keepdims=True) - log(e.sum(-1, keepdims=True))",
        "hot = one_hot(y, scores)",
        "loss = -(hot * logp).sum() / 6",
    ]
    assert backward(text, ["w"], x=(6, 2), w=(2, 3), y=(6,))["scores.g"] == "(p - hot) / 6"


def test_cross_entropy_names_the_targets_where_they_are_rows_and_the_probabilities_that_are_there():
    text = "prob = softmax(scores)\nloss = cross_entropy(scores, kind)"
    assert forward(text, scores=(6, 3), kind=(6, 3))[2:] == [
        "logp = scores - scores.max(-1, keepdims=True) - log(e.sum(-1, keepdims=True))",
        "loss = -(kind * logp).sum() / 6",
    ]
    assert backward(text, ["scores"], scores=(6, 3), kind=(6, 3)) == {"scores.g": "(prob - kind) / 6"}


def test_one_example_needs_no_axis():
    lines = forward("loss = cross_entropy(s, y)", s=(3,), y=())
    assert lines[1:3] == ["p = e / e.sum()", "logp = s - s.max() - log(e.sum())"]
    assert lines[-1] == "loss = -(hot * logp).sum()"


NAMED = [  # a line, and what it has on the way
    ("loss = ((x @ w - y) ** 2 * 2).sum()", ["diff = x @ w - y"]),
    ("loss = relu(x @ w + b).sum()", ["z = x @ w + b", "act = maximum(z, 0)"]),
    ("loss = tanh(relu(x @ w) @ v).sum()", ["z = x @ w", "act = maximum(z, 0)", "z_2 = act @ v", "act_2 = tanh(z_2)"]),
    ("z = (x @ w).T\nloss = z.sum()", ["before_z = x @ w", "z = before_z.T"]),
    ("a = relu(x @ w)\nloss = relu(a @ v).sum()", ["a_z = x @ w", "loss_z = a @ v"]),  # z would be either of them
    ("e = x.sum()\nloss = softmax(x)[0, 0] + e", ["loss_e = exp(x - x.max(-1, keepdims=True))"]),
]


@pytest.mark.parametrize(("text", "lines"), NAMED)
def test_what_a_line_has_on_the_way_is_named_as_a_person_would(text, lines):
    shapes = {"x": (4, 3), "w": (3, 2), "v": (2, 2), "b": (2,), "y": (4, 2)}
    found = forward(text, **shapes)
    assert [line for line in lines if line not in found] == [], found


def test_a_yes_or_no_question_shows_its_probabilities():
    lines = forward("loss = binary_cross_entropy(s, y)", s=(3,), y=(3,))
    assert lines[0] == "p = exp(minimum(s, 0)) / (1 + exp(-abs(s)))"
    assert backward("loss = binary_cross_entropy(s, y)", ["s"], s=(3,), y=(3,)) == {"s.g": "(p - y) / 3"}


def test_steps_on_the_way_to_a_gradient_say_what_they_are():
    lines = backward("n = h / r\nm = n.max(0)\nloss = (m ** 2).sum()", h=(4, 3), r=(3,))
    assert lines == {
        "m.g": "2 * m",
        "n.g_mask": "n == m",
        "n.g": "m.g * n.g_mask / n.g_mask.sum(0)",
        "h.g": "n.g / r",
        "r.g_each": "n.g * h / r ** 2",
        "r.g": "-r.g_each.sum(0)",
    }


def test_what_is_only_compared_gets_no_gradient():
    lines = backward("open = x > 0\nmany = open.sum()\nloss = (x * x).sum() * many", x=(3,))
    assert lines == {"x.g": "many * x + many * x"}


def test_names_that_an_operation_would_choose_may_be_taken():
    found = forward("e = softmax(x)\np = softmax(e)\nloss = p[0]", x=(3,))
    assert [line.split(" = ")[0] for line in found] == ["before_e", "e", "p_e", "p", "loss"]


SPREAD = [  # what counts for every element needs no word for it
    ("r = relu(x)\nloss = r.mean()", {"r.g": "1 / 6", "x.g": "r.g * (x > 0)"}),
    ("r = relu(x)\nm = r.mean()\nloss = m * m", {"m.g": "m + m", "r.g": "m.g / 6", "x.g": "r.g * (x > 0)"}),
    ("r = relu(x)\nm = r.mean(0)\nloss = (m ** 2).sum()", {"m.g": "2 * m", "r.g": "m.g / 2", "x.g": "r.g * (x > 0)"}),
    ("r = x ** 2\nloss = (r ** 2).mean()", {"r.g": "2 * r / 6", "x.g": "r.g * 2 * x"}),
    ("loss = x.sum() * y.sum()", {"x.g": "y.sum()"}),
    ("loss = x.sum()", {"x.g": "1"}),
    ("r = x[:, 1:]\nloss = r.mean()", {"r.g": "1 / 4", "x.g": "zeros((2, 3)).at[:, 1:].add(r.g)"}),
    ("loss = x[:, 1:].mean()", {"x.g": "zeros((2, 3)).at[:, 1:].add(1 / 4)"}),
    ("s = y.sum()\nloss = (s * x.T).sum()", {"product.g": "1", "x.g": "product.g.T * s"}),
    ("r = x.mean(1)\nloss = (r ** 2).sum()", {"r.g": "2 * r", "x.g": "r.g[:, None] / 3"}),
    ("r = x.reshape(3, 2)\nloss = (r ** 2).sum()", {"r.g": "2 * r", "x.g": "r.g.reshape(2, 3)"}),
]


@pytest.mark.parametrize(("text", "lines"), SPREAD)
def test_a_gradient_that_is_the_same_everywhere_is_said_once(text, lines):
    assert backward(text, ["x"], x=(2, 3), y=(2, 3)) == lines


def test_a_rule_that_does_not_fit_is_named():
    own = with_own_operations(tomllib.loads('[cube]\nforward = "a ** 3"\na = "g @ a @ a"'))
    with pytest.raises(LanguageError, match="the rule of cube does not fit, gradient of a"):
        differentiate(parse_lines("loss = cube(x).sum()"), {"x": (2, 3)}, ["x"], own)


def test_a_part_that_is_summed_twice_is_computed_once():
    program = differentiate(
        parse_lines("y = x * s * t\nloss = (y * y).sum()"), {"x": (3, 2), "s": (), "t": ()}, ["s", "t"], builtin_rules()
    )
    targets = [line.target for line in program.backward]
    assert len(targets) == len(set(targets))


BAD = [
    ("loss = x @ w", {"x": (6, 3), "w": (4, 1)}, ["line 1", "x is 6×3 and w is 4×1", "3 ≠ 4"]),
    ("y = x + 1\nloss = (y @ w).sum()", {"x": (6, 3), "w": (4, 1)}, ["line 2", "3 ≠ 4"]),
    ("loss = (x + w).sum()", {"x": (6, 3), "w": (4,)}, ["3 ≠ 4"]),
    ("loss = wieght.sum()", {"weight": (2,)}, ["wieght is not defined", "did you mean weight"]),
    ("loss = relo(x).sum()", {"x": (2,)}, ["no operation relo", "did you mean relu"]),
    ("x = x + 1\nloss = x.sum()", {"x": (2,)}, ["x is defined already"]),
    ("relu = x + 1\nloss = relu.sum()", {"x": (2,)}, ["relu is an operation"]),
    ("loss = x * 2", {"x": (2,)}, ["must be a single number", "loss is 2"]),
    ("loss = x.sum(2)", {"x": (2, 2)}, ["no axis 2"]),
    ("loss = x.reshape(3, 3).sum()", {"x": (2, 2)}, ["cannot be reshaped to 3×3"]),
    ("loss = x[5].sum()", {"x": (2, 2)}, ["index"]),
    ("loss = x[2:2].sum()", {"x": (2, 2)}, ["leaves nothing"]),
    ("X = x + 1\nloss = X.sum()", {"x": (2,)}, ["differ only in case"]),
    ("loss = relu(x, 1, 2).sum()", {"x": (2,)}, ["relu(a)"]),
    ("loss = leaky_relu(x, slop=1).sum()", {"x": (2,)}, ["slop="]),
    ("loss = concatenate(x, x).sum()", {"x": (2,)}, ["concatenate((a, b), axis=0)"]),
    ("loss = cross_entropy(x, t)", {"x": (2, 3), "t": (4,)}, ["class numbers of 2"]),
    ("y = x > 0\nloss = y.sum()", {"x": (2,)}, ["nothing leads from x"]),
    ("loss = 2", {"x": (2,)}, ["nothing leads from x"]),
    ("loss = x[::0].sum()", {"x": (2,)}, ["x[::0]", "step"]),
    ("loss = x.sum() + (2).T", {"x": (2,)}, ["2 .T"]),
    ("\n".join(f"y{k} = x + {k}" for k in range(101)), {"x": ()}, ["line 101", "more than 100 lines"]),
]


@pytest.mark.parametrize(("text", "shapes", "words"), BAD)
def test_what_cannot_be_is_said_with_line_and_names(text, shapes, words):
    with pytest.raises(LanguageError) as caught:
        differentiate(parse_lines(text), shapes, [next(iter(shapes))], builtin_rules())
    assert all(word in str(caught.value) for word in words), str(caught.value)


OUTSIDE = [
    "loss = __import__('os').system('true')",
    "loss = x.__class__",
    "loss = x.dtype",
    "loss = [x for x in y]",
    "loss = (lambda: 1)()",
    "loss = x if y else z",
    "loss = x and y",
    "loss = 'text'",
    "loss = f'{x}'",
    "loss = x[y]",
    "loss = x[1.5]",
    "loss = {1: 2}",
    "loss = 1 < x < 2",
    "loss = x // 2",
    "loss = x % 2",
    "loss = (y := x)",
    "loss += x",
    "loss, y = x",
    "loss[0] = x",
    "import os",
    "loss = x; y = x",
    "loss = *x",
    "loss = " + "(" * 200 + "x" + ")" * 200,
    "loss = " + "-" * 100 + "x",
    "loss = 1e400",
    "loss = " + "9" * 5000,
    "loss = x.sum(0, True)",
    "loss = 9 ** 9 ** 9 ** 9 * x.sum()",
    "loss = x.sum() * (1 / 0)",
    "loss = broadcast_to(x, (100000, 100000, 2)).sum()",
    "loss = broadcast_to(x, (100000, 100000, 2))[0, 0].sum()",
    "loss = x.sum(**y)",
    "loss =",
    "",
]


@pytest.mark.parametrize("text", OUTSIDE)
def test_what_is_outside_the_language_is_refused(text):
    with pytest.raises(LanguageError):
        differentiate(parse_lines(text), {"x": (2,)}, ["x"], builtin_rules())


def test_an_operation_of_ones_own_may_say_what_its_result_is_called():
    entry = '[cube]\nforward = "a ** 3"\na = "g * 3 * a ** 2"\n'
    for called, name in (('called = "volume"', "volume"), ("", "cube_x")):
        own = with_own_operations(tomllib.loads(entry + called))
        program = differentiate(parse_lines("loss = relu(cube(x))"), {"x": ()}, ["x"], own)
        assert [step.heading for step in program.steps] == [f"{name} = cube(x)", f"loss = relu({name})"]


WRONG_OPERATIONS = [
    ('[f]\nforward = "a * 2"\na = "g"\ncalled = "a b"', "expected a plain name"),
    ('[a_b]\nforward = "a.__class__"\na = "g"', "found .__class__"),
    ('[f]\nforward = "f(a)"\na = "g"', "calls itself"),
    ('[f]\nforward = "h(a)"\na = "g"\n[h]\nforward = "f(a)"\na = "g"', "calls itself"),
    ('[f]\nforward = "b * 2"\nb = "g"', "expected a, then b"),
    ('[f]\nforward = "a * k"\na = "g"', "uses k"),
    ('[f]\nforward = "a * 2"\na = "g * q"', "uses q"),
    ('[f]\nforward = "a * 2"', "expected a gradient"),
    ('[f]\na = "g"', "expected forward"),
    ('[exp]\nforward = "exp(a)"\na = "g"', "built in"),
    ('[f]\nforward = "nothing(a)"\na = "g"', "no operation nothing"),
    ('[f]\nforward = "y = a * 2"\na = "g"', "the last forward line is the result"),
]


@pytest.mark.parametrize(("text", "words"), WRONG_OPERATIONS)
def test_a_wrong_operation_of_ones_own_is_refused_by_name(text, words):
    with pytest.raises(LanguageError, match=r"\[ops\.") as caught:
        with_own_operations(tomllib.loads(text))
    assert words in str(caught.value)
