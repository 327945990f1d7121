"""How long workbooks take: a dense two-layer network with about 1,000, 10,000 and 100,000 formula cells.

    python benchmarks/workbooks.py [--sizes 1000 10000 100000] [--markdown docs/benchmarks.md]

The network is ``l1 = x @ w1 + b1``, ``l2 = relu(l1)``, ``out = l2 @ w2 + b2``, ``loss = mse(out, y)`` with the
gradients of its four parameters. NETWORKS says which batch and widths give which size; both passes on the
Gradients sheet and the Nudge sheet count, and ``[nudge] limit`` is 4, one number a parameter (a Nudge sheet of
its own limit may nudge fewer). No sheet is wider than 256 columns, none has been made smaller than it is.

A size is measured in a process of its own, three times; each figure is the median of the three. The steps are
those of ``sheetgrad build``, one by one:

plan        ``make_plan`` on a lesson that was read afresh
write       ``write``, the plan as an .xlsx file
store       ``store_values``: Formualizer recalculates the file and stores the values in it
read back   ``open_workbook`` (openpyxl) and a second recalculation, for verification
compare     every formula cell with the plan, its text and its value

(``verify`` also plans anew, from the lesson in the workbook: a build as a whole takes ``plan`` once more.)

Peak memory is that of the process after the first run, the baseline not included.

``ratio`` is plan + write over ``plain openpyxl``: a function that gets every cell of the same workbook as ready
lists of (row, column, value, style key), makes each with ``ws.cell``, gives it its value and a ready style record,
sets the same column widths, and saves. The lists are read from our file beforehand, outside the time. Runs of the
two alternate, so that a busy machine slows both.

At the end ``sheetgrad build mlp`` is timed as a whole process, from an empty folder: the median of five.
Nothing is written but temporary files, and the table where ``--markdown`` says.
"""

from __future__ import annotations

import argparse
import gc
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
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median

from openpyxl import Workbook, load_workbook
from rich.console import Console
from rich.table import Table

from sheetgrad.build import carried
from sheetgrad.engines import get_engine
from sheetgrad.engines.formualizer import store_values
from sheetgrad.lesson.model import Lesson
from sheetgrad.planning import make_plan
from sheetgrad.verify import Checker
from sheetgrad.workbook.reading import open_workbook
from sheetgrad.workbook.write import write

RUNS, PROCESSES = 3, 5
WIDEST = 256  # columns of a sheet
RATIO_AIM, PROCESS_AIM = 1.5, 2.0  # ratio at 100,000 formula cells; seconds for `sheetgrad build mlp`
STEPS = ("plan", "write", "store", "read back", "compare")
LIBRARIES = ("sheetgrad", "numpy", "openpyxl", "lxml", "formualizer")


@dataclass(frozen=True)
class Network:
    """Examples in the batch, numbers of an example, hidden numbers, results."""

    batch: int
    inputs: int
    hidden: int
    outputs: int


NETWORKS = {  # about so many formula cells in all; found by trying
    1_000: Network(6, 4, 5, 2),
    10_000: Network(22, 12, 16, 4),
    100_000: Network(155, 48, 64, 10),  # a workbook holds 100,000 at most
}


def network_lesson(network: Network) -> Lesson:
    """The lesson of the network, read afresh: nothing that an earlier run has made is kept."""
    n, i, h, o = network.batch, network.inputs, network.hidden, network.outputs
    given = {
        "x": {"role": "input", "shape": [n, i], "seed": 1},
        "w1": {"role": "parameter", "shape": [i, h], "random": "kaiming", "seed": 2},
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
        "nudge": {"limit": 4},
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
        for _ in range(RUNS):
            _run(network_lesson(NETWORKS[size]), path, seconds, facts)
            if ready is None:
                facts["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
                ready = ready_lists(path)
            _, took = timed(plain_openpyxl, ready, Path(folder) / "plain.xlsx")
            seconds.setdefault("plain openpyxl", []).append(took)
        facts["cells"] = sum(len(cells) for cells, _ in ready[0].values())
        return {"size": size, **facts, "seconds": {step: median(runs) for step, runs in seconds.items()}}


def _run(lesson: Lesson, path: Path, seconds: dict[str, list[float]], facts: dict) -> None:
    """Every step once. What a step leaves is freed with this function, before the next run."""
    plan, planned = timed(make_plan, lesson)
    table = carried(lesson)
    _, written = timed(write, plan, table, path)
    _, stored = timed(store_values, path)
    (book, found), read = timed(lambda: (open_workbook(path), get_engine("formualizer").recalculate(path)))

    def compare():
        checker = Checker(plan, book, found)
        checker.run()
        return checker.report("", lesson.name, "formualizer")

    report, compared = timed(compare)
    if not report.ok or report.checked_cells != report.formula_cells:
        raise SystemExit(f"the workbook of {lesson.name} does not verify: {[*map(str, report.mismatches[:3])]}")
    for step, took in zip(STEPS, (planned, written, stored, read, compared), strict=True):
        seconds.setdefault(step, []).append(took)
    facts["formulas"] = {sheet.name: sheet.formula_count for sheet in plan.sheets}
    facts["columns"] = max(sheet.last_column for sheet in plan.sheets)
    facts["nudged"] = sum(report.nudges.values())
    facts["file"] = path.stat().st_size
    if facts["columns"] > WIDEST:
        raise SystemExit(f"a sheet has {facts['columns']} columns, more than {WIDEST}")


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
                    styles.append((*(look.copy() for look in looks), cell.number_format))
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


def measure_command(lesson: str = "mlp") -> dict:
    """Seconds of ``sheetgrad build`` as a whole process, and the size of the workbook."""
    command = [str(Path(sysconfig.get_path("scripts")) / "sheetgrad"), "build", lesson, "-o"]
    seconds = []
    for _ in range(PROCESSES):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            subprocess.run([*command, folder], check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
            file = (Path(folder) / f"{lesson}.xlsx").stat().st_size
    return {"lesson": lesson, "seconds": median(seconds), "file": file}


# -- the report --------------------------------------------------------------------------------------------------


def rows(results: list[dict]) -> list[list[str]]:
    """The table: what is measured, and the figure for each size."""

    def row(word: str, figure: Callable[[dict], str]) -> list[str]:
        return [word, *(figure(result) for result in results)]

    def ours(result: dict) -> float:
        return result["seconds"]["plan"] + result["seconds"]["write"]

    def network(result: dict) -> str:
        it = NETWORKS[result["size"]]
        return f"{it.batch}: {it.inputs}→{it.hidden}→{it.outputs}"

    sheets = ("Gradients", "Nudge")
    return [
        row("batch: widths", network),
        row("formula cells", lambda r: f"{sum(r['formulas'].values()):,}"),
        *(row(f"… on {name}", lambda r, name=name: f"{r['formulas'][name]:,}") for name in sheets),
        row("all cells", lambda r: f"{r['cells']:,}"),
        row("numbers nudged", lambda r: str(r["nudged"])),
        row("widest sheet, columns", lambda r: str(r["columns"])),
        row("file, kB", lambda r: f"{r['file'] / 1e3:,.0f}"),
        *(row(f"{step}, s", lambda r, step=step: f"{r['seconds'][step]:.3f}") for step in STEPS),
        row("all five, s", lambda r: f"{sum(r['seconds'][step] for step in STEPS):.3f}"),
        row("peak memory, MB", lambda r: f"{r['memory'] / 1e6:,.0f}"),
        row("plan + write, s", lambda r: f"{ours(r):.3f}"),
        row("plain openpyxl, s", lambda r: f"{r['seconds']['plain openpyxl']:.3f}"),
        row("ratio", lambda r: f"{ours(r) / r['seconds']['plain openpyxl']:.2f}"),
    ]


def command_line(command: dict) -> str:
    return (
        f"`sheetgrad build {command['lesson']}` as a whole process: {command['seconds']:.2f} s "
        f"(aim: under {PROCESS_AIM:g} s); the workbook has {command['file'] / 1e3:,.0f} kB."
    )


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


def markdown(results: list[dict], command: dict) -> str:
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
        "parameters and a nudge of one number of each (of fewer where a whole forward pass a number would make the "
        f"Nudge sheet too heavy). Each figure is the median of {RUNS} runs in one process.",
        "",
        *(f"| {' | '.join(row)} |" for row in table),
        "",
        "- plan: from the lesson to every formula and what NumPy says it must show. write: the .xlsx file. store: "
        "Formualizer recalculates it and stores the values. read back: openpyxl reads it and Formualizer recalculates "
        "it in memory. compare: every formula cell, text and value.",
        "- plain openpyxl: the same cells with the same styles and column widths from ready lists, one `ws.cell` each, "
        f"and save. ratio: plan + write over that (aim: {RATIO_AIM:g} or less at 100,000).",
        "- peak memory: of the process after one run of all five steps.",
        "",
        f"{command_line(command)} Median of {PROCESSES}.",
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
    with console.status("sheetgrad build mlp"):
        command = measure_command()
    table = Table("about", *(f"{result['size']:,}" for result in results), title="Two-layer network")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows(results):
        table.add_row(*row)
    console.print(table)
    console.print(command_line(command).replace("`", ""), *machine(), sep="\n")
    if arguments.markdown:
        arguments.markdown.parent.mkdir(parents=True, exist_ok=True)
        arguments.markdown.write_text(markdown(results, command), encoding="utf-8")


if __name__ == "__main__":
    main()
