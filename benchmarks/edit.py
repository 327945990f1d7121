"""How long LibreOffice takes to recalculate a workbook after one edit.

    python3 benchmarks/edit.py BOOK SHEET CELL        with a Python that has LibreOffice's uno module (python3-uno)

Opens the workbook without a window, recalculates it once, then sets the cell to eleven new values and reports the
median time until every cell is calculated again, beside the time of a full recalculation.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uno
from com.sun.star.beans import PropertyValue


def connect(pipe: str):
    """The running office; it takes some seconds to come up."""
    context = uno.getComponentContext()
    resolver = context.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", context)
    for _ in range(120):
        try:
            return resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
        except Exception:  # it is not up yet: uno has no other way to tell
            time.sleep(0.5)
    raise SystemExit("LibreOffice did not start")


def timed(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main(book: str, sheet: str, cell: str) -> None:
    with tempfile.TemporaryDirectory() as profile:
        office = subprocess.Popen(
            [
                "soffice",
                "--headless",
                "--norestore",
                "--accept=pipe,name=sheetgrad;urp;",
                f"-env:UserInstallation=file://{profile}",
            ]
        )
        try:
            context = connect("sheetgrad")
            desktop = context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)
            hidden = PropertyValue(Name="Hidden", Value=True)
            document = desktop.loadComponentFromURL(Path(book).resolve().as_uri(), "_blank", 0, (hidden,))
            full = timed(document.calculateAll)
            target = document.Sheets.getByName(sheet).getCellRangeByName(cell)
            old = target.Value

            def edit(k: int) -> None:
                target.Value = old + 0.01 * k
                document.calculate()

            times = [timed(lambda k=k: edit(k)) for k in range(1, 12)]
            print(
                f"{book}: one edit {1000 * statistics.median(times):.1f} ms (worst {1000 * max(times):.1f} ms), "
                f"everything {1000 * full:.1f} ms"
            )
            document.close(True)
            desktop.terminate()
        finally:
            office.wait(30)


if __name__ == "__main__":
    main(*sys.argv[1:4])
