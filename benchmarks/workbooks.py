"""How long a workbook takes to make and to verify, against plain openpyxl writing the same cells.

    python benchmarks/workbooks.py [--markdown docs/benchmarks.md]

A dense two-layer network at three sizes; each size runs in a process of its own, three times, and the median
counts. The yardstick, ``plain``, is openpyxl given ready lists of (row, column, value, style record): it makes
the cells, sets value and style, the same widths and folded rows, and saves. The ratio is (plan + write) / plain.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from openpyxl import Workbook
from rich.console import Console
from rich.table import Table

from sheetgrad.build import carried
from sheetgrad.engines import get_engine
from sheetgrad.engines.formualizer import store_values
from sheetgrad.formulas import letter
from sheetgrad.lesson import Lesson
from sheetgrad.plan import make_plan
from sheetgrad.verify import compare, open_workbook
from sheetgrad.write import Styles, write

SIZES = {  # formula cells, about: batch, inputs, hidden, outputs, numbers nudged
    1_000: (6, 3, 4, 2, 6),
    10_000: (16, 8, 12, 4, 9),
    100_000: (110, 68, 76, 12, 5),
}
RUNS = 3
COLUMNS = ("cells", "plan", "write", "recalculate", "read back", "compare", "peak MB", "plain", "ratio")


def network(batch: int, inputs: int, hidden: int, outputs: int, limit: int) -> Lesson:
    """A dense two-layer network of that size on random numbers."""
    shapes = {
        "x": ("input", [batch, inputs]),
        "w1": ("parameter", [inputs, hidden]),
        "b1": ("parameter", [hidden]),
        "w2": ("parameter", [hidden, outputs]),
        "b2": ("parameter", [outputs]),
        "y": ("target", [batch, outputs]),
    }
    table = {
        "title": "Two dense layers",
        "question": "How long does it take?",
        "forward": "l1 = x @ w1 + b1\nl2 = relu(l1)\nout = l2 @ w2 + b2\nloss = mse(out, y)",
        "nudge": {"limit": limit},
        "tensors": {n: {"role": r, "shape": s, "seed": k} for k, (n, (r, s)) in enumerate(shapes.items())},
    }
    return Lesson.from_table(table, "dense", "dense")


def once(lesson: Lesson, folder: Path) -> dict[str, float]:
    """Seconds of each stage, once."""
    path, clock = folder / "dense.xlsx", Clock()
    plan = make_plan(lesson)
    clock.stop("plan")
    write(plan, carried(lesson), path)
    clock.stop("write")
    store_values(path)
    clock.stop("recalculate")
    book = open_workbook(path)
    found = get_engine("formualizer").recalculate(path)
    clock.stop("read back")
    report = compare(plan, book, found, str(path), lesson.name, "formualizer")
    clock.stop("compare")
    assert report.ok and report.checked_cells == report.formula_cells
    ready = ready_lists(plan)
    clock.restart()
    plain(plan, ready, folder / "plain.xlsx")
    clock.stop("plain")
    return clock.seconds | {"cells": report.formula_cells}


class Clock:
    """Seconds between stops."""

    def __init__(self):
        self.seconds: dict[str, float] = {}
        self.restart()

    def restart(self) -> None:
        self.last = time.perf_counter()

    def stop(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage], self.last = now - self.last, now


def ready_lists(plan) -> dict[str, list]:
    """Every cell that the product writes, as (row, column, value, (role, number format))."""
    ready = {}
    for sheet in plan.sheets:
        cells = ready[sheet.name] = []
        for block in sheet.blocks:
            style = block.style, block.number_format
            for i, row in enumerate(block.cells, block.row):
                cells += [(i, j, value, style) for j, value in enumerate(row, block.column)]
        cells += [(label.row, label.column, label.text, (label.style, "General")) for label in sheet.labels]
    return ready


def plain(plan, ready: dict[str, list], path: Path) -> None:
    """The same cells with the same styles by plain openpyxl."""
    book = Workbook()
    book.remove(book.active)
    styles = Styles(book)
    for sheet in plan.sheets:
        target = book.create_sheet(sheet.name)
        for row, column, value, style in ready[sheet.name]:
            cell = target.cell(row, column)
            cell.value = value
            cell._style = styles.record(*style)
        for column, width in sheet.widths.items():
            target.column_dimensions[letter(column)].width = width
        for first, last in sheet.folded_rows:
            target.row_dimensions.group(first, last, hidden=True)
    book.save(path)


def measure(size: int) -> dict[str, float]:
    """The medians for one size, and the peak memory of this process before the yardstick ran."""
    lesson = network(*SIZES[size])
    with tempfile.TemporaryDirectory() as folder:
        runs = [once(lesson, Path(folder)) for _ in range(RUNS)]
    row = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    row["ratio"] = (row["plan"] + row["write"]) / row["plain"]
    row["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return row


def whole_process() -> tuple[float, float]:
    """Seconds of ``sheetgrad build mlp`` as a process of its own (median of five), and the workbook's kB."""
    with tempfile.TemporaryDirectory() as folder:
        call = [sys.executable, "-c", "from sheetgrad.cli import main; main()", "build", "mlp", "-o", folder]
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            subprocess.run(call, check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds), (Path(folder) / "mlp.xlsx").stat().st_size / 1000


def machine() -> str:
    """The machine and the libraries, without names of hosts or folders."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "openpyxl", "formualizer", "lxml"))
    return f"{cpu}, {len(os.sched_getaffinity(0))} cores; Python {platform.python_version()}; {packages}"


def shown(key: str, value: float) -> str:
    return f"{value:,.0f}" if key in ("cells", "peak MB") else f"{value:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", type=int, choices=SIZES, help="measure one size and print it as JSON")
    parser.add_argument("--markdown", type=Path, help="write the table here as well")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    rows = []
    for size in SIZES:
        call = [sys.executable, __file__, "--one", str(size)]
        rows.append(json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout))
    seconds, kilobytes = whole_process()
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*(shown(key, row[key]) for key in COLUMNS))
    whole = f"`sheetgrad build mlp` as a whole process: {seconds:.2f} s; its workbook has {kilobytes:.0f} kB."
    Console().print(table, whole)
    if arguments.markdown:
        lines = ["| " + " | ".join(COLUMNS) + " |", "| " + " | ".join(["---:"] * len(COLUMNS)) + " |"]
        lines += ["| " + " | ".join(shown(key, row[key]) for key in COLUMNS) + " |" for row in rows]
        arguments.markdown.write_text(PAGE.format(table="\n".join(lines), whole=whole, machine=machine(), runs=RUNS))


PAGE = """# Benchmarks

A dense two-layer network (`benchmarks/workbooks.py`), seconds, medians of {runs} runs. `cells` counts formula cells;
`plain` is openpyxl writing the same cells with the same styles from ready lists, and `ratio` is (plan + write) / plain.
Peak memory is that of the whole process, the yardstick included.

{table}

{whole}

Machine: {machine}.

Made by `python benchmarks/workbooks.py --markdown docs/benchmarks.md`.
"""

if __name__ == "__main__":
    main()
