"""Optimisers and schedules: their lines against PyTorch and against textbooks, on NumPy, in workbooks and as programs."""

import math
import shutil
import tomllib

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from conftest import needs_libreoffice
from openpyxl import load_workbook

from sheetgrad import Lesson, LessonError, build, verify
from sheetgrad.formulas.places import address
from sheetgrad.listings import listing, program_text
from sheetgrad.plan.descent import RATE_KEY, needed_lines, run
from sheetgrad.planning import make_plan
from sheetgrad.tables.updates import builtin_optimizers, schedules

STEPS = 20
NET = """
title = "A net that learns"
question = "How?"
forward = '''
h = tanh(x @ w1 + b1)
out = h @ w2 + b2
loss = mse(out, y)
'''
tensors.x = {role = "input", shape = [4, 2], seed = 1}
tensors.w1 = {role = "parameter", shape = [2, 3], seed = 2}
tensors.b1 = {role = "parameter", values = [0.1, -0.2, 0.3]}
tensors.w2 = {role = "parameter", shape = [3, 1], seed = 3}
tensors.b2 = {role = "parameter", values = [0.5]}
tensors.y = {role = "target", shape = [4, 1], seed = 4}
"""
TRAINED = ("w1", "b1", "w2", "b2")
OWN = {
    "lion": {  # Chen et al. 2023, with a clipped gradient
        "state": ["m"],
        "words": "Only the sign of the running mean counts.",
        "marks": {"first": 0.9, "second": 0.99},
        "most": 0.5,
        "decay": False,
        "lines": """
size = sqrt((g ** 2).sum())
g = g * minimum(1, most / size)            # never longer than most
u = sign(first * m + (1 - first) * g)      # the direction alone
w = w - lr * decay * w
w = w - lr * u
m = second * m + (1 - second) * g
""",
    }
}


def net(own=None, **table) -> Lesson:
    """The small net with such a ``[training]``; the optimisers in ``own`` are its own."""
    template = tomllib.loads(NET) | {"training": {"steps": STEPS, "lr": 0.05} | table, "code": True}
    return Lesson.from_table(template | ({"optimizers": own} if own else {}), "net", "net.toml")


def trained(lesson: Lesson) -> dict[str, np.ndarray]:
    """What the numbers path finds: every tensor by step."""
    return run(lesson, lesson.program.run(lesson.values), needed_lines(lesson))


# -- against PyTorch --------------------------------------------------------------------------------------------------

TORCH = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
}
CHANGED = {
    "sgd": {},
    "momentum": {"momentum": 0.5},
    "nesterov": {"momentum": 0.7},
    "adagrad": {"eps": 1e-3},
    "rmsprop": {"alpha": 0.7, "eps": 1e-4},
    "adam": {"betas": [0.7, 0.9], "eps": 1e-3},
    "adamw": {"betas": [0.7, 0.9], "eps": 1e-3},
}


def schedulers(torch):
    """PyTorch's schedulers for the template's words, without a warm-up; ``n`` steps are left for them."""
    rates = torch.optim.lr_scheduler
    return {
        "constant": lambda optimizer, n: rates.ConstantLR(optimizer, 1.0, 1),
        "linear": lambda optimizer, n: rates.LinearLR(optimizer, 1.0, 0.0, n),
        "cosine": lambda optimizer, n: rates.CosineAnnealingLR(optimizer, n),
        "step": lambda optimizer, n: rates.StepLR(optimizer, 10, 0.1),
    }


def pytorch(
    lesson: Lesson, name: str, schedule: str = "constant", warmup: int = 0, **keywords
) -> dict[str, np.ndarray]:
    """The same training in PyTorch: the parameters, losses (``loss``) and learning rates (``lr``) by step."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    values = {key: torch.tensor(value, dtype=torch.float64) for key, value in lesson.values.items()}
    parameters = [values[key].requires_grad_() for key in TRAINED]
    kind, fixed = TORCH[name]
    optimizer = getattr(torch.optim, kind)(parameters, **{"lr": 0.05} | fixed | keywords)
    factor = torch.optim.lr_scheduler.LambdaLR
    after = schedulers(torch)[schedule]
    if warmup:
        first = factor(optimizer, lambda epoch: (epoch + 1) / warmup)
        rest = after(optimizer, STEPS - warmup)
        scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [first, rest], [warmup])
    else:
        scheduler = after(optimizer, STEPS)
    kept = {key: [] for key in (*TRAINED, "loss", "lr")}
    for step in range(STEPS + 1):
        hidden = torch.tanh(values["x"] @ values["w1"] + values["b1"])
        loss = ((hidden @ values["w2"] + values["b2"] - values["y"]) ** 2).mean()
        for key in TRAINED:
            kept[key].append(values[key].detach().numpy().copy())
        kept["loss"].append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        if step < STEPS:
            kept["lr"].append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return {key: np.array(value) for key, value in kept.items()}


def agrees(found: dict, expected: dict) -> None:
    for key in (*TRAINED, "loss"):
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-9, err_msg=key)


@pytest.mark.parametrize("name", builtin_optimizers())
@pytest.mark.parametrize("decay", [{}, {"weight_decay": 0.1}], ids=["plain", "weight_decay"])
@pytest.mark.parametrize("changed", [False, True], ids=["defaults", "changed"])
def test_twenty_steps_are_those_of_pytorch(name, decay, changed):
    keywords = (CHANGED[name] if changed else {}) | decay
    found = trained(net(optimizer=name, **keywords))
    expected = pytorch(net(), name, **{key: tuple(v) if key == "betas" else v for key, v in keywords.items()})
    agrees(found, expected)
    assert abs(found["loss"][-1] - found["loss"][0]) > 1e-3  # it went somewhere


@pytest.mark.parametrize("schedule", schedules())
@pytest.mark.parametrize("warmup", [0, 1, 6])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_schedules_and_the_warm_up_are_those_of_pytorch(schedule, warmup, name):
    lesson = net(optimizer=name, schedule=schedule, **({"warmup": warmup} if warmup else {}))
    found, expected = trained(lesson), pytorch(net(), name, schedule, warmup)
    np.testing.assert_allclose(found[RATE_KEY], expected["lr"], rtol=1e-9)
    agrees(found, expected)


@pytest.mark.parametrize("name", [name for name in builtin_optimizers() if name not in ("sgd", "momentum", "nesterov")])
def test_defaults_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs = getattr(torch.optim, TORCH[name][0])([torch.zeros(1)]).defaults
    for key, settings in builtin_optimizers()[name].keys.items():
        ours = [setting.default or 0 for setting in settings]
        assert theirs[key] == (tuple(ours) if key == "betas" else ours[0]), key


# -- against textbooks ------------------------------------------------------------------------------------------------


def by_hand(name: str, g: np.ndarray, kept: dict, t: int, lr: float) -> np.ndarray:
    """How far a number moves, as in the papers; ``kept`` is what is kept."""
    m, v = kept.get("m", 0.0), kept.get("v", 0.0)
    match name:
        case "sgd":
            return -lr * g
        case "momentum" | "nesterov":
            kept["v"] = v = 0.9 * v + g
            return -lr * (v if name == "momentum" else g + 0.9 * v)
        case "adagrad":
            kept["v"] = v + g * g
            return -lr * g / (np.sqrt(kept["v"]) + 1e-10)
        case "rmsprop":
            kept["v"] = 0.99 * v + 0.01 * g * g
            return -lr * g / (np.sqrt(kept["v"]) + 1e-8)
    kept["m"], kept["v"] = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    return -lr * kept["m"] / (1 - 0.9**t) / (np.sqrt(kept["v"] / (1 - 0.999**t)) + 1e-8)


@pytest.mark.parametrize("name", builtin_optimizers())
def test_twenty_steps_are_those_of_a_textbook_with_gradients_of_autograd(name):
    lesson = net(optimizer=name)
    x, y = lesson.values["x"], lesson.values["y"]
    numbers, kept = {key: lesson.values[key] for key in TRAINED}, {key: {} for key in TRAINED}

    def loss(w):
        return anp.mean((anp.tanh(x @ w["w1"] + w["b1"]) @ w["w2"] + w["b2"] - y) ** 2)

    losses = [loss(numbers)]
    for t in range(1, STEPS + 1):
        gradient = autograd.grad(loss)(numbers)
        shrunk = 1 - 0.05 * 0.01 if name == "adamw" else 1.0
        numbers = {key: numbers[key] * shrunk + by_hand(name, gradient[key], kept[key], t, lr=0.05) for key in TRAINED}
        losses.append(loss(numbers))
    np.testing.assert_allclose(trained(lesson)["loss"], losses, rtol=1e-9)


# -- in the workbook --------------------------------------------------------------------------------------------------


def losses_of(path) -> list[float]:
    """What stands in the cells that the defined name ``training_loss`` names."""
    book = load_workbook(path, data_only=True)
    ((sheet, area),) = book.defined_names["training_loss"].destinations
    return [cell.value for row in book[sheet][area] for cell in row]


def setting_cell(lesson: Lesson, name: str) -> str:
    (block,) = [b for b in make_plan(lesson).sheet("Training").blocks if b.name == f"training.{name}"]
    return address(block.row, block.column)


@pytest.mark.parametrize("name", builtin_optimizers())
def test_the_workbook_shows_the_losses_of_pytorch(name, tmp_path):
    lesson = net(optimizer=name, weight_decay=0.1, schedule="cosine", warmup=4)
    report = build(lesson, tmp_path / "net.xlsx")
    assert report.ok and report.checked_cells == report.formula_cells, report.mismatches[:3]
    expected = pytorch(lesson, name, "cosine", 4, weight_decay=0.1)["loss"]
    np.testing.assert_allclose(losses_of(tmp_path / "net.xlsx"), expected, rtol=1e-9)


@pytest.fixture(scope="module")
def adam(tmp_path_factory):
    """A workbook with settings of every kind."""
    lesson = net(optimizer="adam", weight_decay=0.1, schedule="step", warmup=3)
    path = tmp_path_factory.mktemp("adam") / "net.xlsx"
    assert build(lesson, path).ok
    return lesson, path


@pytest.mark.parametrize("engine", ["formualizer", "ironcalc", pytest.param("libreoffice", marks=needs_libreoffice)])
def test_every_setting_can_be_changed_in_the_workbook(adam, engine, tmp_path):
    lesson, path = adam
    changed = {"lr": 0.2, "beta1": 0.5, "beta2": 0.0, "eps": 1e-4, "weight_decay": 0, "step_size": 4, "gamma": 0.5}
    changed["warmup"] = 5
    assert set(changed) == set(lesson.sections["training"].numbers)
    path = shutil.copy(path, tmp_path)
    book = load_workbook(path)
    for name, value in changed.items():
        book["Training"][setting_cell(lesson, name)].value = value
        lesson = lesson.with_setting(f"training.{name}", value)
    book.save(path)
    report = verify(path, engine)
    assert report.ok, report.mismatches[:3]
    assert trained(lesson)["loss"][-1] != pytest.approx(trained(adam[0])["loss"][-1], rel=0.01)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("lr", 0, "training lr must be a number above 0"),
        ("lr", "fast", "training lr must be a number above 0"),
        ("beta1", 1, "training beta1 must be a number from 0 to"),
        ("eps", -1, "training eps must be a number from 0"),
        ("gamma", 2, "training gamma must be a number above 0, at most 1"),
    ],
)
def test_a_setting_that_cannot_be_is_named_by_verify(adam, tmp_path, name, value, words):
    lesson, path = adam
    path = shutil.copy(path, tmp_path)
    book = load_workbook(path)
    book["Training"][setting_cell(lesson, name)].value = value
    book.save(path)
    (mismatch,) = verify(path).mismatches
    assert words in str(mismatch)


def test_numbers_that_grow_past_all_bounds_are_errors_in_the_sheet_and_verify(tmp_path):
    lesson = net(lr=1e6, steps=40)
    assert not np.isfinite(trained(lesson)["loss"][-1]) and np.isfinite(trained(lesson)["loss"][0])
    assert not build(lesson, tmp_path / "net.xlsx").mismatches


@pytest.mark.parametrize(("hidden", "steps"), [(3, 200), (17, STEPS)], ids=["a row a step", "a column a step"])
def test_steps_stand_below_or_beside_one_another(hidden, steps, tmp_path):
    table = tomllib.loads(NET.replace("shape = [2, 3]", f"shape = [2, {hidden}]"))
    table["tensors"]["w2"]["shape"] = [hidden, 1]
    table["tensors"]["b1"]["values"] = [0.1] * hidden
    lesson = Lesson.from_table(table | {"training": {"steps": steps, "optimizer": "adam"}}, "net", "net.toml")
    report = build(lesson, tmp_path / "net.xlsx")
    assert report.ok, report.mismatches[:3]
    area = make_plan(lesson).names["training_loss"]
    assert (area.left == area.right) == (hidden == 3) and (area.top == area.bottom) == (hidden == 17)
    assert losses_of(tmp_path / "net.xlsx") == pytest.approx(list(trained(lesson)["loss"]), rel=1e-9)


def words_of(lesson: Lesson) -> list[str]:
    return [label.text for label in make_plan(lesson).sheet("Training").labels]


@pytest.mark.parametrize("name", builtin_optimizers())
def test_the_sheet_says_what_each_line_does(name):
    optimizer, words = builtin_optimizers()[name], words_of(net(optimizer=name, weight_decay=0.1))
    assert optimizer.words in words
    for line in optimizer.lines:
        assert line.text in words and line.note in words and line.note
    for one in optimizer.state:
        shown = [
            cell for b in make_plan(net(optimizer=name)).sheet("Training").blocks for row in b.cells for cell in row
        ]
        assert f"{one} of w1[2,3]" in shown


def test_what_is_off_is_not_shown_unless_the_template_asks_for_it():
    plain, asked = words_of(net()), words_of(net(weight_decay=0))
    assert "w = w - lr * g" in plain and not any("weight_decay" in text for text in plain)
    assert "g = g + weight_decay * w" in asked and "weight_decay, a pull to 0" in asked
    formulas = [str(c) for b in make_plan(net()).sheet("Training").blocks if b.style == "training" for c in b.cells[0]]
    assert formulas[0] == "=E25" and formulas[6] == "=E26-$E$4*R26"
    assert "lr" not in [label for label in plain if label == "lr"]
    assert "lr" in words_of(net(schedule="linear")) and "lr" in words_of(net(warmup=3))


@pytest.mark.parametrize("table", [{"optimizer": "adam", "schedule": "cosine", "warmup": 2}, {"weight_decay": 0}, {}])
def test_a_lesson_is_read_back_as_it_was(table):
    lesson = net(**table)
    again = Lesson.from_table(lesson.to_table(), "net", "net.toml")
    assert again.sections["training"].numbers == lesson.sections["training"].numbers
    assert words_of(again) == words_of(lesson)


# -- as programs ------------------------------------------------------------------------------------------------------

PROGRAMS = [
    *[(name, {"weight_decay": 0.1}) for name in builtin_optimizers()],
    *[("adam", {"schedule": name, "warmup": 3}) for name in schedules()],
    *[("sgd", {"schedule": name}) for name in schedules()],
    ("lion", {}),
    ("lion", {"decay": 0.1, "schedule": "cosine", "warmup": 3}),
]


@pytest.mark.parametrize(("name", "table"), PROGRAMS)
@pytest.mark.parametrize("language", ["numpy", "torch"])
def test_the_programs_run_and_agree(language, name, table):
    if language == "torch":
        pytest.importorskip("torch", reason="PyTorch is not installed")
    lesson, space = net(OWN, optimizer=name, **table), {}
    exec(program_text(listing(lesson), language), space)
    expected = trained(lesson)
    for key in TRAINED:
        number = space[key] if language == "numpy" else space[key].detach().numpy()
        np.testing.assert_allclose(number, expected[key][-1], rtol=1e-9, err_msg=key)


def test_pytorch_is_called_by_its_names():
    text = program_text(listing(net(optimizer="adamw", betas=[0.8, 0.9], schedule="cosine")), "torch")
    assert "torch.optim.AdamW([w1, b1, w2, b2], lr=lr, betas=(0.8, 0.9), eps=1e-08, weight_decay=0.01)" in text
    assert "torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20, eta_min=0)" in text


def test_tensors_and_what_an_optimiser_keeps_never_share_a_name():
    template = tomllib.loads(NET.replace("w2", "lr").replace("b2", "w1_m").replace("b1", "t"))
    lesson = Lesson.from_table(template | {"code": True, "training": {"optimizer": "adam"}}, "net", "net.toml")
    space: dict = {}
    exec(program_text(listing(lesson), "numpy"), space)
    np.testing.assert_allclose(space["t_"], trained(lesson)["t"][-1], rtol=1e-9)
    np.testing.assert_allclose(space["w1_m"], trained(lesson)["w1_m"][-1], rtol=1e-9)


# -- a lesson's own ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [{}, {"decay": 0.1, "marks": [0.5, 0.8], "most": 0.1}], ids=["defaults", "changed"])
def test_an_own_optimiser_does_what_its_lines_say(table, tmp_path):
    lesson = net(OWN, optimizer="lion", **table)
    first, second = table.get("marks", [0.9, 0.99])
    most, decay = table.get("most", 0.5), table.get("decay", 0.0)
    values, kept = lesson.program.run(lesson.values), dict.fromkeys(TRAINED, 0.0)
    for _ in range(STEPS):
        for key in TRAINED:
            g = values[f"{key}.g"] * min(1.0, most / math.sqrt((values[f"{key}.g"] ** 2).sum()))
            values[key] = values[key] * (1 - 0.05 * decay) - 0.05 * np.sign(first * kept[key] + (1 - first) * g)
            kept[key] = second * kept[key] + (1 - second) * g
        values = lesson.program.run({key: values[key] for key in lesson.tensors})
    found = trained(lesson)
    for key in (*TRAINED, "loss"):
        np.testing.assert_allclose(found[key][-1], values[key], rtol=1e-9)
    report = build(lesson, tmp_path / "net.xlsx")
    assert report.ok, report.mismatches[:3]
    assert losses_of(tmp_path / "net.xlsx") == pytest.approx(list(found["loss"]), rel=1e-9)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            {"lines": "w = w - lr * gg"},
            "[optimizers.mine] line 1: gg is not known here (did you mean g?); expected w, g",
        ),
        ({"lines": "v = w - lr * g"}, "[optimizers.mine]: lines: no line gives w a new value"),
        ({"lines": "w = w - g", "state": ["m"]}, "state: no line gives m a new value"),
        ({"lines": "w = w - g", "state": "m"}, "state: found 'm', expected a list of names"),
        ({"lines": "w = w - g", "state": ["m", "m"]}, "m is there twice"),
        ({"lines": "w = w - g", "state": ["g"]}, "g has a meaning already; choose another name"),
        ({"lines": "w = w - g", "rate": 0.1}, "rate: no line reads it"),
        ({"lines": "w = w - rate * g", "rate": "fast"}, "rate: found 'fast', expected a number"),
        ({"lines": "w = w - rate * g", "rate": True}, "rate: found True, expected a number"),
        ({"lines": "w = w - gamma * g", "gamma": 0.1}, "gamma has a meaning already"),
        ({"lines": "a = b\nb = a\nw = w - b"}, "line 1: b is not known here"),
        ({"lines": "lr = 2 * lr\nw = w - lr * g"}, "line 1: lr cannot be given a value"),
        ({"lines": "w = w - relu(g)"}, "line 1: there is no function relu; expected one of abs"),
        ({"lines": "w = w - open(g)"}, "line 1: there is no function open"),
        ({"lines": "w -= g"}, "[optimizers.mine] line 1: found 'w -= g', expected  name = expression"),
        ({"lines": "w = w -"}, "[optimizers.mine] line 1: 'w = w -' is not a line of NumPy"),
        ({}, "lines is missing, expected update lines such as"),
        (3, "found 3, expected a table with lines"),
        ({"lines": "w = w - g", "words": 3}, "words: expected a sentence"),
        ({"lines": "w = w - u\nu = g"}, "line 1: u is not known here"),
        ({"lines": "u = off * g\nw = w - u", "off": False}, "line 2: u is not known here"),
    ],
)
def test_an_own_optimiser_that_cannot_be_read_is_refused_in_one_line(entry, words):
    with pytest.raises(LessonError) as caught:
        net({"mine": entry})
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith("net.toml, [optimizers.mine]")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (
            {"optimizer": "adma"},
            "optimizer: found 'adma' (did you mean adam?), expected one of sgd, momentum, nesterov",
        ),
        ({"betas": [0.9, 0.99]}, "betas is not a known key of sgd; expected lr, weight_decay, optimizer, schedule"),
        (
            {"beta1": 0.9, "optimizer": "adam"},
            "beta1 is not a known key of adam (did you mean betas?); expected lr, betas",
        ),
        ({"betas": 0.9, "optimizer": "adam"}, "betas: found 0.9, expected 2 numbers such as [0.9, 0.999]"),
        ({"betas": [0.9, 1], "optimizer": "adam"}, "betas: found [0.9, 1], expected a number from 0 to"),
        ({"eps": -1, "optimizer": "adam"}, "eps: found -1, expected a number from 0 to 1e+06"),
        ({"lr": [0.1]}, "lr: found [0.1], expected a number above 0"),
        ({"lr": float("nan")}, "lr: found nan, expected a number above 0"),
        ({"gamma": 0.5}, "gamma is not a known key of sgd"),
        ({"schedule": "stairs"}, "schedule: found 'stairs', expected one of constant, linear, cosine, step"),
        ({"schedule": "step", "gamma": 0}, "gamma: found 0, expected a number above 0, at most 1"),
        ({"warmup": 20}, "warmup: found 20, expected fewer than the 20 steps"),
        ({"warmup": "long"}, "warmup: found 'long', expected a number"),
        ({"optimizer": "still", "lr": 0.1}, "lr is not a known key of still"),
        ({"optimizer": "uneven"}, "[optimizers.uneven] line 1"),
    ],
)
def test_a_training_that_cannot_be_is_refused_in_one_line(table, words):
    own = {"still": {"lines": "w = w - 0.1 * g"}, "uneven": {"lines": "w = w - lr * (g @ g)"}}
    with pytest.raises(LessonError) as caught:
        net(own, **table)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_an_optimiser_without_lr_has_no_schedule():
    table = tomllib.loads(NET) | {"optimizers": {"still": {"lines": "w = w - 0.1 * g"}}}
    assert (
        Lesson.from_table(table | {"training": {"optimizer": "still"}}, "net", "net.toml").sections["training"].numbers
        == {}
    )
    with pytest.raises(LessonError, match="no line of still reads lr, so there is nothing to change"):
        Lesson.from_table(table | {"training": {"optimizer": "still", "schedule": "cosine"}}, "net", "net.toml")


def test_a_built_in_optimiser_is_not_replaced():
    with pytest.raises(LessonError, match="adam is built in; choose another name"):
        net({"adam": {"lines": "w = w - lr * g"}})
