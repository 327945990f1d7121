"""The page of benchmarks is that of the script as it is now."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).parent.parent
AGAIN = "stale: run `python benchmarks/workbooks.py --markdown docs/benchmarks.md`"


def test_the_page_is_not_older_than_the_script():
    digest = hashlib.sha256((ROOT / "benchmarks" / "workbooks.py").read_bytes()).hexdigest()[:16]
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert page.rstrip().endswith(f"<!-- benchmarks/workbooks.py {digest} -->"), AGAIN
