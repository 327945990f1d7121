"""Writes the page docs/mistakes.md from the workbooks of tests/mistakes.py: what stands in them, and what gradcheck says.

    python docs/wall.py            writes the page
    python docs/wall.py FOLDER     writes the workbooks there, to look at and to try

tests/test_mistakes.py makes the page again, mistake by mistake, and compares.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from commands import sheetgrad  # noqa: E402 (the folder of the tests must be known first)
from mistakes import MISTAKES, Mistake  # noqa: E402

PAGE = HERE / "mistakes.md"
MOST_SLIPS = 2  # formulas that are shown of a slip
HEAD = """# The wall of mistakes

Slips that stand in hand-made backpropagation sheets, {count} of them, each in a small workbook of our own making. For each:
the formula that stands there and the one that belongs there, what `gradcheck` says, and why nobody noticed. Most of them
train: a gradient that is somewhat wrong still leads somewhat down, and a falling loss convinces everybody.

Nothing but the name of the file is given: `--find` looks for the loss, the numbers and their gradients by their labels.
`python docs/wall.py FOLDER` writes the workbooks, to try them; the tests run each of them with its slip and mended.
"""


def section(mistake: Mistake, said: str) -> str:
    """A mistake as the page shows it, with what gradcheck said."""
    right = mistake.contents()
    lines = [f"## {mistake.title}", "", f"In `{mistake.name}.xlsx`: {mistake.network}.", ""]
    lines += ["| cell | what stands there | what belongs there |", "| --- | --- | --- |"]
    slips = list(mistake.slips.items())
    lines += [f"| {place} | `{wrong}` | `{right[place]}` |" for place, wrong in slips[:MOST_SLIPS]]
    if len(slips) > MOST_SLIPS:
        lines += ["", f"… and so in {len(slips) - MOST_SLIPS} more."]
    output = [line.rstrip() for line in said.rstrip().splitlines()]
    lines += ["", "```", f"$ sheetgrad gradcheck {mistake.name}.xlsx --find", *output, "```", ""]
    lines += [f"**Why nobody noticed.** {mistake.why}", ""]
    return "\n".join(lines)


def page(folder: Path) -> str:
    """The whole page; the workbooks are written to ``folder``."""
    sections = []
    for mistake in MISTAKES:
        mistake.write(folder / f"{mistake.name}.xlsx")
        sections.append(section(mistake, sheetgrad("gradcheck", f"{mistake.name}.xlsx", "--find", cwd=folder).stdout))
    return "\n".join([HEAD.format(count=len(MISTAKES)), *sections])


def main() -> None:
    if sys.argv[1:]:
        folder = Path(sys.argv[1])
        folder.mkdir(parents=True, exist_ok=True)
        for mistake in MISTAKES:
            mistake.write(folder / f"{mistake.name}.xlsx")
        return
    with tempfile.TemporaryDirectory() as room:
        PAGE.write_text(page(Path(room)), encoding="utf-8")


if __name__ == "__main__":
    main()
