"""Numbers that run away are errors in their cells; no warning of NumPy about them reaches the terminal."""

import subprocess
import sys
import warnings

import pytest
from commands import sheetgrad
from conftest import lesson_of
from openpyxl import load_workbook

from sheetgrad import build

EDGES = """
title = "Near every edge"
question = "What runs away?"
laboratory = true
code = true
forward = '''
a = exp(x) / 1e300                     # the largest that there is: a nudge goes too far
b = log(y) + sqrt(z) + 1 / u           # and here it leaves the numbers
s = softmax(w)
d = (v ** p).sum() + s.max() + sigmoid(-800 * v[0] - 700) + log_softmax(w).sum() / 1e6
loss = a + b + d + mse(w, w * t) / 1e300
'''
jacobian = {pairs = [["s", "w"]], example = 1}
training = {lr = 1000000, steps = 5, train = ["x", "y", "z"]}
exercise = {blank = ["w.g"]}
[tensors]
x = {role = "parameter", values = 709.7827}
y = {role = "parameter", values = 1e-5}
z = {role = "parameter", values = 1e-8}
u = {role = "parameter", values = 1e-6}
v = {role = "parameter", values = [0.0, 0.5]}
p = {role = "parameter", values = [1.0, 2.0]}
w = {role = "parameter", values = [[700.0, -700.0, 0.0], [1.0, 1e5, 3.0]]}
t = {role = "constant", values = 1e11}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A template, its workbook, and a copy in which a student has typed what has no logarithm, no root and no inverse."""
    place = tmp_path_factory.mktemp("edges")
    (place / "edges.toml").write_text(EDGES, encoding="utf-8")
    (place / "class.csv").write_text("id,name\nS1,Ada\n", encoding="utf-8")
    mild = EDGES.replace('"x", "y", "z"', '"w"')
    for name in "xyzuv":  # no other numbers would do
        mild = mild.replace(f'\n{name} = {{role = "parameter"', f'\n{name} = {{role = "constant"')
    (place / "mild.toml").write_text(mild, encoding="utf-8")
    build(lesson_of(EDGES, "edges"), place / "edges.xlsx")
    book = load_workbook(place / "edges.xlsx")
    for name, value in {"x": 800, "y": -1, "z": 0, "u": 0}.items():
        ((sheet, cell),) = book.defined_names[f"{name}_value"].destinations
        book[sheet][cell] = value
    book.save(place / "typed.xlsx")
    return place


@pytest.mark.parametrize(
    "call",
    [
        "build edges.toml -o built",
        "verify edges.xlsx typed.xlsx",
        "gradcheck edges.xlsx --loss {loss_value} --input {y_value} --gradient {y_g}",
    ],
    ids=lambda call: call.split()[0],
)
def test_no_command_shows_a_warning_of_numpy(folder, call):
    names = load_workbook(folder / "edges.xlsx").defined_names
    places = {key: "!".join(*names[key].destinations).replace("$", "") for key in ("loss_value", "y_value", "y_g")}
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        done = sheetgrad(*call.format(**places).split(), cwd=folder)
    assert done.returncode in (0, 1) and not done.stderr, done.stderr


@pytest.mark.long
def test_nor_does_a_class(folder):
    program = [sys.executable, "-W", "error::RuntimeWarning", "-c", "from sheetgrad.cli import main; main()"]
    for call in (
        "handout mild.toml --roster class.csv -o given",
        "grade given --submissions given/key -o grades.xlsx",
    ):
        done = subprocess.run([*program, *call.split()], cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode in (0, 1) and "Warning" not in done.stderr + done.stdout, done.stderr
