"""The tests themselves: what may not be skipped is not, and what was drawn can be drawn again."""

import os
import re
import subprocess
import sys
from pathlib import Path

from suite import seed_of_this_run

HERE = Path(__file__).parent
SOME = """
import pytest
from suite import seed_of_this_run

@pytest.mark.skipif(True, reason="some tool is not installed")
def test_marked():
    pass

def test_inside():
    pytest.importorskip("a_module_that_is_nowhere")

@pytest.mark.xfail
def test_expected():
    assert False

@pytest.mark.parametrize("drawn", [seed_of_this_run()])
def test_drawn(drawn):
    print(f"seed {drawn} in test {drawn == seed_of_this_run()}")

@pytest.mark.long
def test_long():
    assert False
"""


def pytest_on_some(folder: Path, **environment: str) -> subprocess.CompletedProcess:
    """What pytest says of the tests above, in two workers, with our hooks and our settings."""
    (folder / "test_some.py").write_text(SOME)
    (folder / "conftest.py").write_text("from suite import *")
    settings = (HERE.parent / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "pyproject.toml").write_text(settings.replace('testpaths = ["tests"]', ""), encoding="utf-8")
    known = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "SHEETGRAD"))}
    environment |= {"PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, [known.get("PYTHONPATH")])])}
    call = [sys.executable, "-m", "pytest", "-n", "2", "-rA", "-p", "no:cacheprovider"]
    return subprocess.run(call, cwd=folder, env=known | environment, capture_output=True, text=True, timeout=120)


def drawn_by(run: subprocess.CompletedProcess) -> str:
    """The seed that a test drew from, when workers collected the test for the same one and the run told it."""
    (seed,) = re.findall(r"seed ([0-9]+) in test True", run.stdout)
    assert f"SHEETGRAD_SEED={seed} draws the same ones again" in run.stdout
    return seed


def test_a_run_skips_what_it_must_and_draws_what_no_other_did(tmp_path):
    run = pytest_on_some(tmp_path)
    assert run.returncode == 0 and "1 passed, 2 skipped, 1 xfailed" in run.stdout  # and not the long one
    assert drawn_by(run) != str(seed_of_this_run())


def test_where_nothing_may_be_skipped_a_missing_tool_is_a_failure(tmp_path):
    run = pytest_on_some(tmp_path, SHEETGRAD_ALL="1", SHEETGRAD_SEED="77")
    assert run.returncode == 1 and "1 failed, 1 passed, 1 xfailed, 1 error" in run.stdout
    assert "some tool is not installed" in run.stdout and "a_module_that_is_nowhere" in run.stdout
    assert drawn_by(run) == "77"


def test_a_seed_that_is_none_is_refused(tmp_path):
    run = pytest_on_some(tmp_path, SHEETGRAD_SEED="seven")
    assert run.returncode == 4 and "SHEETGRAD_SEED: found 'seven', expected a whole number" in run.stderr
