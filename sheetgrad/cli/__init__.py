"""The command line: reads the call, shows the outcome, sets the exit status. All work is done elsewhere.

A module a command. What is slow to import is imported when a command runs, so that help is there at once.
"""

from __future__ import annotations

import gc
import os
import signal

# in the order of the help
from sheetgrad.cli import list, build, verify, new, handout, grade, gradcheck  # noqa: F401 # isort: skip
from sheetgrad.cli.app import app
from sheetgrad.cli.console import out


def main() -> None:
    """The command ``sheetgrad``."""
    out.width = None if "COLUMNS" in os.environ or out.is_terminal else 120  # None: what the terminal says
    gc.set_threshold(200_000, 20, 20)  # most objects of a build live to its end; to look for others takes long
    signal.signal(signal.SIGTERM, _stop)  # so that what is half written is taken away
    app()


def _stop(number: int, frame: object) -> None:
    raise KeyboardInterrupt
