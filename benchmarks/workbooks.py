"""How long workbooks take: a dense two-layer network with about 10,000, 100,000 and 1,000,000 formula cells.

    python benchmarks/workbooks.py [--sizes 10000 100000 1000000] [--markdown docs/benchmarks.md]

The network is ``l1 = x @ w1 + b1``, ``l2 = relu(l1)``, ``out = l2 @ w2 + b2``, ``loss = mse(out, y)`` with the
gradients of its four parameters, on all sheets that sheetgrad makes of it. NETWORKS says which batch and widths give
which size; the Nudge sheet nudges as many numbers as it does where a template says nothing of them.

A size is measured in a process of its own, three times (the largest once); each figure is the median. The steps are
those of ``sheetgrad build``, one by one:

plan        ``make_plan`` on a lesson that was read afresh
write       ``write``, the plan as an .xlsx file
evaluate    the engine reads the file and computes every formula in memory
store       the values are put into the file
verify      the finished file is read once, every gradient is proven, and every formula cell is
            compared, its text and the value that was stored

``verify`` of the command line evaluates the file instead of trusting what is stored: that is the last row.

Peak memory is that of the process after the first run, the baseline not included.

``plain openpyxl`` is a function that gets every cell of the same workbook as ready lists of (row, column, value, style
key), makes each with ``ws.cell``, gives it its value and a ready style record, sets the same column widths, and saves.
The lists are read from our file beforehand, outside the time. Runs of the two alternate, so that a busy machine slows
both. It is left out for the largest size.

At the end ``sheetgrad build mlp`` and ``sheetgrad --help`` are timed as whole processes, from an empty folder: the
median of five. Nothing is written but temporary files, and the page where ``--markdown`` says.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median

from openpyxl import Workbook, load_workbook
from rich.console import Console
from rich.table import Table

from sheetgrad.building import carried
from sheetgrad.engines import AUTOMATIC, Grids
from sheetgrad.lesson.model import Lesson
from sheetgrad.planning import make_plan
from sheetgrad.verifying.verify import verify, verify_stored
from sheetgrad.workbook.values import evaluated
from sheetgrad.workbook.write import write
from sheetgrad.xlsx.stored import with_values

RUNS, PROCESSES = 3, 5
LARGEST = 1_000_000  # formula cells: measured once, and without the baseline
WRITE_AIM, BUILD_AIM, GROWTH_AIM = 1.3, 3.0, 12.0  # ratios: at 100,000 over plain openpyxl; a million over 100,000
MEMORY_AIM = 1.5  # GB
AIMS = {"build mlp": 1.0, "--help": 0.25}  # seconds of a whole process
STEPS = ("plan", "write", "evaluate", "store", "verify")
LIBRARIES = ("sheetgrad", "numpy", "openpyxl", "lxml", "formualizer")


@dataclass(frozen=True)
class Network:
    """Examples in the batch, numbers of an example, hidden numbers, results."""

    batch: int
    inputs: int
    hidden: int
    outputs: int


NETWORKS = {  # about so many formula cells in all; found by trying
    10_000: Network(6, 4, 5, 2),
    100_000: Network(184, 48, 64, 10),
    LARGEST: Network(1_500, 48, 100, 10),
}


def network_lesson(network: Network) -> Lesson:
    """The lesson of the network, read afresh: nothing that an earlier run has made is kept."""
    n, i, h, o = network.batch, network.inputs, network.hidden, network.outputs
    fine = {"decimals": 6}  # of coarse numbers some sum is 0 but for rounding, and relu is at its corner there
    given = {
        "x": {"role": "input", "shape": [n, i], "seed": 1, **fine},
        "w1": {"role": "parameter", "shape": [i, h], "random": "kaiming", "seed": 2, **fine},
        "b1": {"role": "parameter", "shape": [h], "seed": 3},
        "w2": {"role": "parameter", "shape": [h, o], "random": "kaiming", "seed": 4},
        "b2": {"role": "parameter", "shape": [o], "seed": 5},
        "y": {"role": "target", "shape": [n, o], "seed": 6},
    }
    table = {
        "title": "Two layers",
        "question": "How long does it take?",
        "forward": "l1 = x @ w1 + b1\nl2 = relu(l1)\nout = l2 @ w2 + b2\nloss = mse(out, y)",
        "gradients": ["w1", "b1", "w2", "b2"],
        "tensors": given,
    }
    return Lesson.from_table(table, "benchmark", "benchmark")


# -- one size, in a process of its own ---------------------------------------------------------------------------


def timed(work: Callable, *arguments):
    """What the work gives, and the seconds that it took."""
    gc.collect()
    start = time.perf_counter()
    result = work(*arguments)
    return result, time.perf_counter() - start


def measure(size: int) -> dict:
    """The figures of one size, as plain data."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ours.xlsx"
        seconds: dict[str, list[float]] = {}
        facts: dict = {}
        ready = None
        for _ in range(RUNS if size < LARGEST else 1):
            _run(network_lesson(NETWORKS[size]), path, seconds, facts)
            if "memory" not in facts:
                facts["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            if size < LARGEST:
                ready = ready or ready_lists(path)
                _, took = timed(plain_openpyxl, ready, Path(folder) / "plain.xlsx")
                seconds.setdefault("plain openpyxl", []).append(took)
        return {"size": size, **facts, "seconds": {step: median(runs) for step, runs in seconds.items()}}


def _run(lesson: Lesson, path: Path, seconds: dict[str, list[float]], facts: dict) -> None:
    """Every step once. What a step leaves is freed as soon as the next ones do without, as in ``build``."""
    plan, planned = timed(make_plan, lesson)
    table = carried(lesson)
    _, written = timed(write, plan, table, path)
    facts["formulas"] = {sheet.name: sheet.formula_count for sheet in plan.sheets}
    facts["columns"] = max(sheet.last_column for sheet in plan.sheets)
    (data, values), computed = timed(evaluated, path, AUTOMATIC[0])
    _, stored = timed(_store, path, data, values)
    del data, values
    report, verified = timed(verify_stored, path, AUTOMATIC[0], lesson, plan)
    del plan
    again, recalculated = timed(verify, path)
    for one in (report, again):
        if not one.ok or one.checked_cells != one.formula_cells:
            raise SystemExit(f"the workbook of {lesson.name} does not verify: {[*map(str, one.mismatches[:3])]}")
    took = (planned, written, computed, stored, verified, recalculated)
    for step, spent in zip((*STEPS, "sheetgrad verify"), took, strict=True):
        seconds.setdefault(step, []).append(spent)
    facts["cells"], facts["nudged"] = report.formula_cells, sum(report.nudges.values())
    facts["file"] = path.stat().st_size


def _store(path: Path, data: bytes, values: Grids) -> None:
    path.write_bytes(with_values(data, values))


def ready_lists(path: Path) -> tuple[dict, list]:
    """Every cell of a workbook as (row, column, value, style key), with the column widths, by sheet; and the styles.

    A cell's style is its font, fill, border, alignment and number format; its key is the place in the list.
    """
    book = load_workbook(path)
    keys: dict[object, int] = {}
    styles, sheets = [], {}
    for sheet in book:
        cells = []
        for row in sheet.iter_rows():
            for cell in row:
                if cell.value is None and not cell.has_style:
                    continue
                record = cell._style.tobytes()
                if record not in keys:
                    keys[record] = len(styles)
                    looks = (cell.font, cell.fill, cell.border, cell.alignment)
                    styles.append((*map(copy, looks), cell.number_format))
                cells.append((cell.row, cell.column, cell.value, keys[record]))
        sheets[sheet.title] = cells, {letter: column.width for letter, column in sheet.column_dimensions.items()}
    return sheets, styles


def plain_openpyxl(ready: tuple[dict, list], path: Path) -> None:
    """The baseline: the cells in ready lists written with openpyxl and nothing else."""
    sheets, styles = ready
    book = Workbook()
    scratch = book.active
    records = []
    for k, (font, fill, border, alignment, number_format) in enumerate(styles, 1):
        cell = scratch.cell(k, 1)
        cell.font, cell.fill, cell.border, cell.alignment = font, fill, border, alignment
        cell.number_format = number_format
        records.append(cell._style)
    book.remove(scratch)
    for name, (cells, widths) in sheets.items():
        sheet = book.create_sheet(name)
        for row, column, value, style in cells:
            cell = sheet.cell(row, column)
            cell.value = value
            cell._style = records[style]
        for letter, width in widths.items():
            sheet.column_dimensions[letter].width = width
    book.save(path)


# -- the command as a whole --------------------------------------------------------------------------------------


def measure_commands() -> dict[str, float]:
    """Seconds of whole processes."""
    command = str(Path(sysconfig.get_path("scripts")) / "sheetgrad")
    found = {}
    for arguments in AIMS:
        seconds = []
        for _ in range(PROCESSES):
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                subprocess.run([command, *arguments.split()], check=True, capture_output=True, cwd=folder)
                seconds.append(time.perf_counter() - start)
        found[arguments] = median(seconds)
    return found


# -- the report --------------------------------------------------------------------------------------------------


def build_of(result: dict) -> float:
    """Seconds of a whole build."""
    return sum(result["seconds"][step] for step in STEPS)


def rows(results: list[dict]) -> list[list[str]]:
    """The table: what is measured, and the figure for each size."""

    def row(word: str, figure: Callable[[dict], str]) -> list[str]:
        return [word, *(figure(result) for result in results)]

    def over_plain(result: dict, seconds: float) -> str:
        plain = result["seconds"].get("plain openpyxl")
        return f"{seconds / plain:.2f}" if plain else "–"

    def network(result: dict) -> str:
        it = NETWORKS[result["size"]]
        return f"{it.batch}: {it.inputs}→{it.hidden}→{it.outputs}"

    def first_two(result: dict) -> float:
        return result["seconds"]["plan"] + result["seconds"]["write"]

    return [
        row("batch: widths", network),
        row("formula cells", lambda r: f"{r['cells']:,}"),
        row("… on Gradients", lambda r: f"{r['formulas']['Gradients']:,}"),
        row("… on Nudge", lambda r: f"{r['formulas']['Nudge']:,}"),
        row("numbers nudged", lambda r: str(r["nudged"])),
        row("widest sheet, columns", lambda r: str(r["columns"])),
        row("file, kB", lambda r: f"{r['file'] / 1e3:,.0f}"),
        *(row(f"{step}, s", lambda r, step=step: f"{r['seconds'][step]:.2f}") for step in STEPS),
        row("whole build, s", lambda r: f"{build_of(r):.2f}"),
        row("peak memory, MB", lambda r: f"{r['memory'] / 1e6:,.0f}"),
        row("plain openpyxl, s", lambda r: f"{r['seconds'].get('plain openpyxl', 0):.2f}".replace("0.00", "–")),
        row("plan + write over plain", lambda r: over_plain(r, first_two(r))),
        row("whole build over plain", lambda r: over_plain(r, build_of(r))),
        row("`sheetgrad verify`, s", lambda r: f"{r['seconds']['sheetgrad verify']:.2f}"),
    ]


def sentences(results: list[dict], commands: dict[str, float]) -> list[str]:
    """What the aims say, and what was measured."""
    said = [
        f"`sheetgrad {words}` as a whole process: {seconds:.2f} s (aim: {AIMS[words]:g} s or less)."
        for words, seconds in commands.items()
    ]
    by_size = {result["size"]: build_of(result) for result in results}
    if {100_000, LARGEST} <= by_size.keys():
        growth = by_size[LARGEST] / by_size[100_000]
        said.append(f"A million cells take {growth:.1f} times the seconds of 100,000 (aim: {GROWTH_AIM:g} or less).")
    return said


def digest() -> str:
    """By which a page tells which version of this script made it; ``tests/test_benchmarks.py`` compares."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]


def machine() -> list[str]:
    """Processor, memory and versions; no names and no paths."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return [
        f"{cpu}, {os.cpu_count()} cores, {memory / 2**30:.0f} GiB of memory, {platform.system()}",
        f"{platform.python_implementation()} {platform.python_version()}",
        ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    ]


def markdown(results: list[dict], commands: dict[str, float]) -> str:
    """The report as a page."""
    head, *body = [["about", *(f"{result['size']:,}" for result in results)], *rows(results)]
    table = [head, ["---", *("---:" for _ in results)], *body]
    lines = [
        "# Benchmarks",
        "",
        f"Written by `python benchmarks/workbooks.py --markdown docs/benchmarks.md` on {date.today():%d %B %Y}; "
        "the script says in full what is measured.",
        "",
        *(f"- {line}" for line in machine()),
        "",
        "A dense two-layer network: `x @ w1 + b1`, `relu`, `@ w2 + b2`, `mse`, with the gradients of the four "
        f"parameters and nudges of some of their numbers. Each figure is the median of {RUNS} runs in one process; a "
        "million cells are built once.",
        "",
        *(f"| {' | '.join(row)} |" for row in table),
        "",
        "- plan: from the lesson to every formula and what NumPy says it must show. write: the .xlsx file. evaluate: "
        "Formualizer reads it and computes it in memory. store: the values are put into the file. verify: the file is "
        "read, every formula cell compared, text and value, and every gradient proven. "
        "`sheetgrad verify` evaluates it once more.",
        "- plain openpyxl: the same cells with the same styles and column widths from ready lists, one `ws.cell` each, "
        f"and save. Aims at 100,000: plan + write {WRITE_AIM:g} times that or less, the whole build {BUILD_AIM:g}.",
        f"- peak memory: of the process after one build (aim for a million: {MEMORY_AIM:g} GB or less).",
        "",
        *(f"- {sentence}" for sentence in sentences(results, commands)),
        "",
        f"<!-- benchmarks/workbooks.py {digest()} -->",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", choices=[*NETWORKS], default=[*NETWORKS], metavar="SIZE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the report there")
    parser.add_argument("--one", type=int, choices=[*NETWORKS], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    console, results = Console(), []
    for size in sorted(set(arguments.sizes)):
        with console.status(f"about {size:,} formula cells"):
            command = [sys.executable, __file__, "--one", str(size)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        results.append(json.loads(done.stdout))
    with console.status("whole processes"):
        commands = measure_commands()
    table = Table("about", *(f"{result['size']:,}" for result in results), title="Two-layer network")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows(results):
        table.add_row(*row)
    console.print(table)
    console.print(*(line.replace("`", "") for line in sentences(results, commands)), *machine(), sep="\n")
    if arguments.markdown:
        arguments.markdown.parent.mkdir(parents=True, exist_ok=True)
        arguments.markdown.write_text(markdown(results, commands), encoding="utf-8")


if __name__ == "__main__":
    main()
