"""The page of benchmarks is that of the script as it is now."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_page_is_not_older_than_the_script():
    spec = importlib.util.spec_from_file_location("workbooks", ROOT / "benchmarks" / "workbooks.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    again = "python benchmarks/workbooks.py --markdown docs/benchmarks.md"
    assert page.rstrip().endswith(f"<!-- benchmarks/workbooks.py {script.digest()} -->"), f"stale: run `{again}`"
