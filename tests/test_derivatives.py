"""Every entry of the table of derivatives against nudges and against HIPS autograd, which knows nothing of ours."""

import math
import tomllib

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from autograd.extend import defvjp, primitive
from autograd.numpy.numpy_boxes import ArrayBox

from sheetgrad.autodiff.reverse import differentiate
from sheetgrad.autodiff.rules import builtin_rules, with_own_operations
from sheetgrad.lines.evaluate import evaluate
from sheetgrad.lines.parse import parse_lines
from sheetgrad.lines.readings import NUMBERS

_erf = primitive(np.vectorize(math.erf, otypes=[float]))
defvjp(_erf, lambda ans, x: lambda g: g * 2 / math.sqrt(math.pi) * np.exp(-(x**2)))
ArrayBox.mT = property(lambda self: anp.swapaxes(self, -1, -2))


def _one_hot(labels, scores):
    if np.shape(labels) == np.shape(scores):
        return labels
    return (np.asarray(labels)[..., None] == np.arange(np.shape(scores)[-1])) * 1.0


AUTOGRAD = {
    name: getattr(anp, name, None) for name in NUMBERS if name not in ("erf", "one_hot", "zeros", "flag", "where")
} | {
    "erf": _erf,
    "one_hot": _one_hot,
    "where": lambda condition, a, b: condition * a + (1 - condition) * b,  # its own where does not broadcast
    "broadcast_to": lambda a, shape: a * np.ones(shape),  # nor does its broadcast_to
    "flag": lambda truth: truth * 1.0,
}

# what autograd says of a max that several share, or of a sign, is not asked for: values keep away from kinks
S, V, M, R, C, T = (), (3,), (2, 3), (1, 3), (2, 1), (2, 2, 3)
PAIRS = [(S, S), (V, V), (M, M), (M, V), (V, M), (M, S), (S, M), (M, R), (M, C), (R, C), (T, M), (T, V), (V, S)]


def elementwise(line: str, *, positive: bool = False) -> list[tuple]:
    return [(line, {"a": shape}, positive) for shape in (S, V, M, T)]


def pairs(line: str, *, positive: bool = False) -> list[tuple]:
    return [(line, {"a": one, "b": other}, positive) for one, other in PAIRS]


CASES: dict[str, list[tuple]] = {
    "add": pairs("a + b"),
    "sub": pairs("a - b"),
    "mul": pairs("a * b"),
    "div": pairs("a / b", positive=True),
    "pow": [
        *pairs("a ** b", positive=True),
        *elementwise("a ** 3"),
        *elementwise("2 ** a"),
        *elementwise("a ** -1.5", positive=True),
    ],
    "neg": elementwise("-a"),
    "matmul": [
        ("a @ b", {"a": (2, 3), "b": (3, 4)}, False),
        ("a @ b + c", {"a": (5, 6), "b": (6, 2), "c": (2,)}, False),
    ],
    "vecmat": [("a @ b", {"a": (3,), "b": (3, 2)}, False)],
    "matvec": [("a @ b", {"a": (2, 3), "b": (3,)}, False)],
    "dot": [("a @ b", {"a": (3,), "b": (3,)}, False)],
    "stacked_matmul": [
        ("a @ b", {"a": (2, 3, 2), "b": (2, 2, 4)}, False),
        ("a @ b", {"a": (2, 3, 2), "b": (2, 4)}, False),
        ("a @ b", {"a": (1, 3, 2), "b": (5, 2, 2)}, False),
    ],
    "sum": [
        *[
            (f"a.sum({k})", {"a": shape}, False)
            for k, shape in (("", M), ("0", M), ("1", M), ("-1", T), ("1", T), ("", S))
        ],
        ("a.sum(0, keepdims=True)", {"a": M}, False),
        ("(a * b).sum(1, keepdims=True)", {"a": M, "b": M}, False),
    ],
    "mean": [
        (f"a.mean({k})", {"a": shape}, False) for k, shape in (("", M), ("0", M), ("1", M), ("-1, keepdims=True", T))
    ],
    "max": [
        (f"a.max({k})", {"a": shape}, False) for k, shape in (("", M), ("0", M), ("1", M), ("1, keepdims=True", T))
    ],
    "transpose": [("a.T", {"a": M}, False), ("a.T", {"a": V}, False), ("a.T @ b", {"a": (3, 2), "b": (3, 2)}, False)],
    "stacked_transpose": [("a.mT", {"a": T}, False)],
    "reshape": [
        ("a.reshape(3, 2)", {"a": M}, False),
        ("a.reshape(-1)", {"a": M}, False),
        ("a.reshape((2, 6))", {"a": T}, False),
    ],
    "index": [
        (f"a[{key}]", {"a": (4, 3)}, False)
        for key in ("0", "-1", "1:3", "::2", "::-1", "1, 2", ":, 0", "1:, :2", ":, None", "None", "..., 1", "3:1:-1")
    ],
    "concatenate": [
        ("concatenate((a, b), axis=0)", {"a": M, "b": (4, 3)}, False),
        ("concatenate((a, b), axis=1)", {"a": M, "b": (2, 1)}, False),
        ("concatenate((a, b, a), axis=-1)", {"a": M, "b": M}, False),
        ("concatenate((a, b))", {"a": V, "b": (2,)}, False),
        ("concatenate((a, b)) * 1", {"a": V, "b": (2,)}, False),
    ],
    "broadcast_to": [("broadcast_to(a, (2, 3))", {"a": shape}, False) for shape in (S, V, R, C)],
    "maximum": [*pairs("maximum(a, b)"), *elementwise("maximum(a, 0.05)")],
    "minimum": [*pairs("minimum(a, b)"), *elementwise("minimum(0.05, a)")],
    "where": [
        *pairs("where(a > b, a, b * 2)"),
        ("where(a > 0, b, c)", {"a": M, "b": V, "c": S}, False),
    ],
    "leaky_relu": [*elementwise("leaky_relu(a)"), *elementwise("leaky_relu(a, slope=0.2)")],
    "softmax": [("softmax(a)", {"a": shape}, False) for shape in (V, M, T)],
    "log_softmax": [("log_softmax(a)", {"a": shape}, False) for shape in (V, M, T)],
    "mse": pairs("mse(a, b)"),
    "cross_entropy": [
        ("cross_entropy(a, t)", {"a": (3, 4), "t": np.array([0.0, 3.0, 1.0])}, False),
        ("cross_entropy(a, t)", {"a": (2, 3), "t": np.array([[0.0, 1.0, 0.0], [0.2, 0.3, 0.5]])}, False),
        ("cross_entropy(a, t)", {"a": (3,), "t": np.array(2.0)}, False),
        ("cross_entropy(a @ b, t)", {"a": (3, 2), "b": (2, 4), "t": np.array([0.0, 3.0, 1.0])}, False),
    ],
    "binary_cross_entropy": [
        *pairs("binary_cross_entropy(a, b)"),
        ("binary_cross_entropy(a, t)", {"a": (3,), "t": np.array([0.0, 1.0, 1.0])}, False),
        ("binary_cross_entropy(a * 60, t)", {"a": (2, 2), "t": np.array([[0.0, 1.0], [1.0, 0.0]])}, False),
    ],
    "sqrt": elementwise("sqrt(a)", positive=True),
    "log": elementwise("log(a)", positive=True),
}
for name, rule in builtin_rules().items():  # a new operation of one argument needs no case of its own
    if name not in CASES and rule.arguments == ("a",):
        CASES[name] = elementwise(f"{name}(a)")


def check(line: str, leaves: dict, positive: bool, rules=None) -> None:
    """Gradients of a weighted sum of ``line`` by our rules, by nudges and by autograd."""
    rules = rules or builtin_rules()
    generator = np.random.default_rng(7)
    values, shapes = {}, {}
    for name, leaf in leaves.items():
        given = isinstance(leaf, np.ndarray)
        numbers = (
            leaf if given else generator.uniform(0.4, 1.9, leaf) if positive else generator.uniform(-1.7, 1.7, leaf)
        )
        values[name] = np.array(numbers, dtype=float)
        shapes[name] = values[name].shape
    wanted = [name for name, leaf in leaves.items() if not isinstance(leaf, np.ndarray)]
    result = evaluate(parse_lines(f"r = {line}")[0].expression, values, NUMBERS, rules)
    values["weight"] = generator.uniform(0.5, 1.5, np.shape(result))
    shapes["weight"] = values["weight"].shape
    lines = parse_lines(f"r = {line}\nloss = (r * weight).sum()")
    if "where(a > 0" in line:
        wanted.remove("a")
    program = differentiate(lines, shapes, wanted, rules)
    found = program.run(values)

    def loss(**changed):
        arrays = {**values, **changed}
        for assignment in lines:
            arrays[assignment.name] = evaluate(assignment.expression, arrays, AUTOGRAD, rules)
        return arrays["loss"]

    for name in wanted:
        mine = found[f"{name}.g"]
        assert mine.shape == values[name].shape
        independent = grad(lambda value, name=name: loss(**{name: value}))(values[name])
        np.testing.assert_allclose(mine, independent, rtol=1e-9, atol=1e-12, err_msg=f"{line}: {name}.g")
        slopes = np.zeros(mine.shape)
        for index in np.ndindex(mine.shape):
            sides = []
            for step in (1e-6, -1e-6):
                nudged = values[name].copy()
                nudged[index] += step
                sides.append(program.run({**values, name: nudged})["loss"])
            slopes[index] = (sides[0] - sides[1]) / 2e-6
        np.testing.assert_allclose(mine, slopes, rtol=1e-6, atol=1e-7, err_msg=f"{line}: {name}.g against nudges")


@pytest.mark.parametrize("operation", builtin_rules())
def test_rule_agrees_with_nudges_and_with_autograd(operation):
    assert CASES.get(operation), f"{operation} needs a case: a line and the shapes of its tensors"
    for line, leaves, positive in CASES[operation]:
        check(line, leaves, positive)


def test_a_wrong_rule_is_caught():
    wrong = with_own_operations(tomllib.loads('[relu]\nforward = "maximum(a, 0)"\na = "g * (a > 0) * 1.001"'))
    with pytest.raises(AssertionError, match="relu"):
        check("relu(a)", {"a": M}, False, wrong)


def test_an_operation_of_ones_own_is_three_lines():
    own = with_own_operations(tomllib.loads('[cube]\nforward = "a ** 3"\na = "g * 3 * a ** 2"'))
    check("cube(a @ b)", {"a": M, "b": (3, 2)}, False, own)


def test_an_own_operation_may_take_steps_and_keywords():
    own = with_own_operations(
        tomllib.loads(
            """[huber]
            forward = '''
            far = abs(a - b) > edge
            where(far, edge * (abs(a - b) - edge / 2), (a - b) ** 2 / 2).mean()
            '''
            edge = 1.0
            a = "g * where(far, edge * sign(a - b), a - b) / a.size"
            """
        )
    )
    check("huber(a, t, edge=0.5)", {"a": M, "t": np.array([[0.1, 0.2, 0.3], [2.0, 1.0, -1.0]])}, False, own)


def test_ties_share_the_gradient_of_a_maximum():
    program = differentiate(parse_lines("m = a.max(1)\nloss = m.sum()"), {"a": (1, 3)}, ["a"], builtin_rules())
    assert program.run({"a": np.array([[2.0, 2.0, 1.0]])})["a.g"].tolist() == [[0.5, 0.5, 0.0]]


def test_large_scores_do_not_overflow():
    lines = parse_lines("loss = cross_entropy(a, t)")
    program = differentiate(lines, {"a": (2, 3), "t": (2,)}, ["a"], builtin_rules())
    found = program.run({"a": np.array([[1000.0, 0.0, -1000.0], [-900.0, 900.0, 0.0]]), "t": np.array([0.0, 0.0])})
    assert found["loss"] == 900.0 and np.isfinite(found["a.g"]).all()
