"""docs/adding.md is true: every change that it shows applies to the code as it is, and does what the page says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
DIFFS = dict(zip(re.findall(r"^## An? (\w+)", PAGE, re.M), re.findall(r"```diff\n(.*?)```", PAGE, re.S), strict=True))
LESSON = """
import sys, tomllib
from sheetgrad import EngineError, Lesson, build, verify
from sheetgrad.engines import ENGINES, get_engine
from sheetgrad.planning import make_plan

def lesson(forward="relu", more=""):
    text = f'''
title = "A layer"
question = "Does it work?"
forward = "l1 = {forward}(x @ w)\\\\nloss = mse(l1, y)"
{more}
[tensors]
x = {{role = "input", values = [[1.0, 2.0], [0.5, -1.0]]}}
w = {{role = "parameter", values = [[0.3, -0.7], [0.8, 0.4]]}}
y = {{role = "target", values = [[1.0, 0.0], [0.0, 1.0]]}}
'''
    return Lesson.from_table(tomllib.loads(text), "layer", "layer.toml")

def built(lesson):
    report = build(lesson, "layer.xlsx", force=True)
    assert report.ok and report.nudges["agree"] == 8, report
    return report
"""
USES = {
    "operation": """
made = lesson("swish")
built(made)
assert "x.g = z.g @ w.T" in [line.text for line in made.program.backward]
""",
    "optimiser": """
made = lesson(more='training = {optimizer = "lion", lr = 0.05, betas = [0.8, 0.9], steps = 5}')
built(made)
assert {"training.lr", "training.beta1", "training.beta2"} <= {b.name for b in make_plan(made).sheet("Training").blocks}
""",
    "sheet": """
made = lesson(more="sizes = true")
built(made)
assert Lesson.from_table(made.to_table(), "layer", "again").sections["sizes"]
plan = make_plan(made)
assert len([b for b in plan.sheet("Sizes").blocks if b.kind == "formula"]) == 2
assert "Sizes" in [label.text for label in plan.sheet("Lesson").labels if label.link]
assert "Sizes" not in [sheet.name for sheet in make_plan(lesson()).sheets]
""",
    "engine": """
import shutil
assert "gnumeric" in ENGINES
built(lesson())
if shutil.which("ssconvert"):
    assert verify("layer.xlsx", "gnumeric").ok
else:
    try:
        get_engine("gnumeric")
    except EngineError as error:
        assert "install Gnumeric" in str(error)
    else:
        raise AssertionError("an engine that is not there was given out")
""",
}


def test_the_page_shows_every_kind_of_addition():
    assert set(DIFFS) == set(USES)


@pytest.mark.parametrize("kind", USES)
def test_what_is_added_as_the_page_says_works(kind, tmp_path):
    for folder in ("sheetgrad", "templates"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    call = ["git", "apply", "--whitespace=error-all", "-"]
    subprocess.run(call, input=DIFFS[kind], cwd=tmp_path, text=True, check=True, capture_output=True)
    code = [sys.executable, "-c", LESSON + USES[kind]]
    done = subprocess.run(
        code, cwd=tmp_path, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, timeout=120
    )
    assert done.returncode == 0, done.stderr
