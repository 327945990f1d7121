"""Random lessons: any forward pass of the language must verify, cell by cell, and have autograd's gradients.

Other ones in every run: 30, with `pytest -m long` 300 more, or as many as SHEETGRAD_RANDOM says. A failure
shrinks to a template that is left in tests/regressions, where it stays a test of its own; with the SHEETGRAD_SEED that
the run tells at its end it happens again.
"""

import os
import random
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count as counted
from pathlib import Path

import formualizer
import numpy as np
import pytest
import test_pictures as pictures
from autograd import grad
from conftest import needs_libreoffice, seed_of_this_run
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st
from test_derivatives import AUTOGRAD
from wrong_rules import with_a_slip

from sheetgrad import Lesson, LessonError, build, verify
from sheetgrad.engines import ErrorValue, Value
from sheetgrad.engines.formualizer import _matrix_product
from sheetgrad.formulas.places import address
from sheetgrad.formulas.words import element_name
from sheetgrad.lines.evaluate import evaluate
from sheetgrad.lines.names import mentioned
from sheetgrad.lines.parse import parse_lines
from sheetgrad.plan.blocks import Plan
from sheetgrad.plan.drawing import GRADIENTS
from sheetgrad.plan.equations import draw
from sheetgrad.planning import make_plan
from sheetgrad.sheets import nudge
from sheetgrad.sheets.cover import settings_places
from sheetgrad.tables.agreement import DISAGREE
from sheetgrad.verifying.proof import prove as proven
from sheetgrad.verifying.verify import difference

REGRESSIONS = Path(__file__).parent / "regressions"
FEW, MANY = 30, int(os.environ.get("SHEETGRAD_RANDOM", "300"))
SEED = seed_of_this_run()
drawn = settings(
    deadline=None,
    database=None,  # what a run draws comes from its seed alone
    suppress_health_check=list(HealthCheck),
    phases=[phase for phase in Phase if phase is not Phase.explain],
)
Choose = Callable[[Sequence], object]

UNARY = [
    *("relu({a})", "abs({a})", "tanh({a})", "sigmoid({a})", "softplus({a})", "gelu({a})", "square({a})", "-{a}"),
    *(
        "leaky_relu({a}, slope=0.1)",
        "exp({a} / 4)",
        "log(1 + {a} * {a})",
        "sqrt(1 + {a} * {a})",
        "{a} ** 3 / 5",
        "2 - {a}",
    ),
    *("{a}.T", "({a} > 0.4) * {a}", "{a} * {a} - {a}"),
]
OF_ROWS = ["softmax({a})", "log_softmax({a})", "{a}.sum(0)", "{a}.mean(1)", "{a}.max(0)", "{a}.max(1, keepdims=True)"]
OF_ROWS += [
    "{a} - {a}.mean(0)",
    "{a}[0]",
    "{a}[:, 0:1]",
    "{a}[-1:]",
    "{a}.reshape(-1)",
    "{a} / (1 + abs({a}).sum(1, keepdims=True))",
]
BINARY = ["{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} / (2 + {b} * {b})", "maximum({a}, {b})", "minimum({a}, {b})"]
BINARY += ["where({a} > 0.2, {a}, {b})", "{a} * 0.5 + {b} * {a}"]
LIKE = [
    "mse({a}, {b})",
    "concatenate(({a}, {b}), axis=0)",
    "binary_cross_entropy({a}, {b})",
    "where({b} > {a}, {b}, 2)",
]


def template(choose: Choose) -> str:
    """A random template. Every choice is made by ``choose(options)``, so that Hypothesis can shrink it."""
    n, d, m = (choose([2, 1, 3]) for _ in range(3))
    shapes: dict[str, tuple] = {"x": (n, d), "w": (d, m), "b": (m,), "c": (), "v": (m, 2)}
    lines, used = [], set()
    for k in range(choose([1, 2, 3, 4, 5, 6])):
        kind = choose(["matmul", "unary", "binary", "rows", "like"])
        names = [name for name in shapes if name != "c" or kind in ("unary", "binary")]
        a, b = choose(names[::-1]), choose(names)
        if kind == "matmul":
            pairs = [
                (p, q)
                for p in names
                for q in names
                if len(shapes[p]) == len(shapes[q]) == 2 and shapes[p][1] == shapes[q][0]
            ]
            a, b = choose(pairs[::-1])
            text = f"{a} @ {b}"
        elif kind == "like":
            b = choose([name for name in names if shapes[name] == shapes[a]])
            text = choose(LIKE).format(a=a, b=b)
        elif kind == "rows" and len(shapes[a]) == 2:
            text = choose(OF_ROWS).format(a=a)
        elif kind == "binary":
            text = choose(BINARY).format(a=a, b=b)
        else:
            text = choose(UNARY).format(a=a)
        try:  # the shape is what NumPy says; what does not fit is left out
            arrays = {name: np.full(shape, 0.5) for name, shape in shapes.items()}
            (line,) = parse_lines(f"y{k} = {text}")
            shape = np.shape(evaluate(line.expression, arrays, AUTOGRAD, BUILTIN))
        except (ValueError, IndexError):
            continue
        lines.append(f"y{k} = {text}")
        shapes[f"y{k}"] = shape
        used |= {name for name in (a, b) if name in text}
    last = [name for name in shapes if name not in used and name in "xwbcv" and name in "".join(lines)]
    ends = [name for name in shapes if name not in used and name not in "xwbcv"] or last or ["x"]
    terms = [name if shapes[name] == () else f"{name}.{choose(['mean', 'sum'])}()" for name in ends]
    lines.append(f"loss = {' + '.join(terms)}")
    text = "\n".join(lines)
    tensors, place = [], counted()
    for name in "xwbcv":
        if name not in {part for line in parse_lines(text) for part in mentioned(line.expression)}:
            continue
        size = int(np.prod(shapes[name], dtype=int))
        numbers = [
            choose(range(-3, 4)) / 2 + 0.01 * next(place) + 0.075 for _ in range(size)
        ]  # no ties, none at an edge
        values = np.round(np.array(numbers), 3).reshape(shapes[name]).tolist()
        tensors.append(f'{name} = {{role = "{"input" if name == "x" else "parameter"}", values = {values}}}')
    return (
        f"title = 'Random'\nquestion = 'Does it hold?'\nlaboratory = true\nforward = '''\n{text}\n'''\n[tensors]\n"
        + "\n".join(tensors)
        + "\n"
    )


BUILTIN = Lesson.load("neuron").rules


def lesson_of(text: str, name: str = "random") -> Lesson | None:
    """The lesson, or None where a number stands at a corner or runs away."""
    try:
        lesson = Lesson.from_table(tomllib.loads(text), name, f"{name}.toml")
    except LessonError as error:
        assert "nothing leads from" in str(error)  # a number that only a comparison sees
        return None
    values = lesson.program.run(lesson.values)
    if any(np.abs(value).max(initial=0) > 1e4 for value in values.values()):
        return None
    for name in lesson.program.requested:
        indices = list(np.ndindex(values[name].shape))
        found, _ = nudge.nudged(lesson, name, indices, values)
        if (found["corner"].value != 0).any() or not found["corner"].sure.all():
            return None
    return lesson


def prove(lesson: Lesson) -> None:
    """A workbook of the lesson: every formula cell against NumPy, and the way through plain data."""
    with tempfile.TemporaryDirectory() as room:
        report = build(lesson, Path(room) / "random.xlsx")
    assert report.ok, (report.mismatches[:3], report.disagreeing)
    assert report.checked_cells == report.formula_cells > 0
    again = Lesson.from_table(lesson.to_table(), lesson.name, "again")
    assert again.to_table() == lesson.to_table()


def prove_in_memory(lesson: Lesson) -> None:
    """The same without a file, which takes most of the time: the plan goes straight into Formualizer."""
    plan, book = make_plan(lesson), formualizer.Workbook()
    prove_pictures(lesson, plan)
    book.register_function("MMULT", _matrix_product, min_args=2, max_args=2)
    for sheet in plan.sheets:
        book.add_sheet(sheet.name)
        for block in sheet.blocks:
            put = book.set_formulas_batch if block.kind == "formula" else book.set_values_batch
            put(sheet.name, block.row, block.column, [list(row) for row in block.cells])
    book.evaluate_all()
    wrong = []
    for sheet in plan.sheets:
        for block in sheet.blocks:
            if block.kind != "formula":
                continue
            area = formualizer.RangeAddress(
                sheet.name, block.row, block.column, block.row + block.rows - 1, block.column + block.columns - 1
            )
            tolerance = np.broadcast_to(block.tolerance, block.expected.shape)
            for i, row in enumerate(book.sheet(sheet.name).get_values(area)):
                for j, raw in enumerate(row):
                    expected, found = block.expected[i, j], plain(raw)
                    if not difference(found, expected, tolerance[i, j], block.near_zero)[2]:
                        wrong.append((sheet.name, address(block.row + i, block.column + j), expected, found))
    assert not wrong, wrong[:3]
    verdicts = [b.expected for b in plan.sheet("Nudge").blocks if b.style == "verdict"]
    assert all((signs != DISAGREE).all() for signs in verdicts)


def prove_pictures(lesson: Lesson, plan: Plan) -> None:
    """What the Gradients sheet draws is true, and nothing stands on anything else."""
    sheet = pictures.Seen(lesson, draw(lesson, settings_places()), plan.sheet(GRADIENTS))
    pictures.test_every_picture_gives_the_numbers_that_it_shows(sheet)
    pictures.test_nothing_stands_on_anything_else(sheet)


def plain(raw: object) -> Value:
    """A value as Formualizer gives it, an error as a dictionary."""
    if isinstance(raw, dict):
        return ErrorValue(raw["kind"])
    return raw if raw is None or isinstance(raw, (bool, str)) else float(raw)


def prove_gradients(lesson: Lesson) -> None:
    """Every gradient against exact slopes, and against autograd."""
    proof = proven(lesson)
    assert proof.ok and proof.proven + proof.kinks == proof.gradients, proof
    found = lesson.program.run(lesson.values)

    def loss(value, leaf):
        arrays = {**lesson.values, leaf: value}
        for line in parse_lines(lesson.forward):
            arrays[line.name] = evaluate(line.expression, arrays, AUTOGRAD, lesson.rules)
        return arrays[lesson.program.loss] * 1.0

    for leaf in lesson.gradients:
        np.testing.assert_allclose(found[f"{leaf}.g"], grad(loss)(lesson.values[leaf], leaf), rtol=1e-8, atol=1e-10)


@seed(SEED)
@settings(drawn, max_examples=FEW)
@given(st.data())
def test_random_lessons_verify_and_have_the_gradients_of_autograd(data):
    prove_one(data)


@pytest.mark.long
@seed(SEED + 1)
@settings(drawn, max_examples=MANY)
@given(st.data())
def test_so_do_many_more(data):
    prove_one(data)


def prove_one(data: st.DataObject) -> None:
    text = template(lambda options: data.draw(st.sampled_from(list(options))))
    lesson = lesson_of(text)
    assume(lesson is not None)
    try:
        prove_gradients(lesson)
        prove_in_memory(lesson)
    except BaseException:
        REGRESSIONS.mkdir(exist_ok=True)
        (REGRESSIONS / "latest.toml").write_text(text, encoding="utf-8")  # the last one is the smallest
        raise


def sample(count: int) -> list[Lesson]:
    """Some random lessons, in one run always the same."""
    chance, lessons = random.Random(SEED), []
    while len(lessons) < count:
        lesson = lesson_of(template(lambda options: chance.choice(list(options))), f"random-{len(lessons)}")
        if lesson:
            lessons.append(lesson)
    return lessons


@pytest.mark.parametrize("count", [40, pytest.param(MANY, marks=pytest.mark.long)])
def test_a_random_slip_in_a_rule_is_always_caught_and_blamed(count):
    chance, seen = random.Random(SEED), Counter()
    while seen.total() < count:
        lesson = lesson_of(template(lambda options: chance.choice(list(options))))
        found = lesson and with_a_slip(lesson, chance)
        if not found:
            continue
        slipped, blamed, off = found
        right, wrong = proven(lesson), proven(slipped)
        told = (lesson.forward, blamed, slipped.ops)
        assert right.proven + right.kinks == right.gradients == len(off), told
        if right.kinks:  # some corners are too shallow for a nudge to see
            continue
        names = element_names(lesson)
        assert {one.name for one in wrong.wrong} >= {name for name, is_off in zip(names, off, strict=True) if is_off}, (
            told
        )
        assert not wrong.ok and wrong.proven + len(wrong.wrong) == wrong.gradients, told
        assert blamed in wrong.blamed, told
        seen[blamed] += 1
    assert len(seen) > 10  # rules and arguments of all kinds


def element_names(lesson: Lesson) -> list[str]:
    """``w[1,2]``: the names of all numbers with a gradient, in order."""
    shapes = ((name, lesson.program.shapes[name]) for name in lesson.program.requested)
    return [element_name(name, index) for name, shape in shapes for index in np.ndindex(shape)]


samples = pytest.mark.parametrize("count", [6, pytest.param(40, marks=pytest.mark.long)])


@samples
def test_workbooks_of_a_sample_of_random_lessons_verify(shelf, count):
    for lesson in sample(count):
        path, built = shelf.built(lesson)  # by the engine that comes with sheetgrad
        exact = "gelu(" not in lesson.forward  # IronCalc's ERF is off by up to 5e-11, which slopes magnify
        for report in (built, verify(path, "ironcalc")) if exact else (built,):
            assert report.ok, (lesson.forward, report.mismatches[:3], report.disagreeing)
            assert report.checked_cells == report.formula_cells > 0


@needs_libreoffice
@pytest.mark.long
@pytest.mark.parametrize("count", [40])
def test_a_sample_of_random_lessons_verifies_in_libreoffice(shelf, count):
    lessons = {lesson.name: lesson for lesson in sample(count)}
    books = shelf.saved_by_libreoffice(f"random-{count}", lambda _: [shelf.built(one)[0] for one in lessons.values()])
    assert len(books) == count
    for name, path in books.items():
        report = verify(path, "cached")
        assert report.ok, (lessons[name].forward, report.mismatches[:3], report.disagreeing)
        assert report.checked_cells == report.formula_cells


@pytest.mark.parametrize("path", sorted(REGRESSIONS.glob("*.toml")), ids=lambda path: path.stem)
def test_what_once_failed_holds(path):
    prove_gradients(Lesson.load(path))
    prove(Lesson.load(path))
