"""What all commands share: where they print, how they refuse, how they show progress."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

from sheetgrad.errors import SheetgradError

MOST_SHOWN = 20  # mismatches named before the rest is only counted
out, err = Console(highlight=False), Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def refusals() -> Iterator[None]:
    """What is wrong with the call or an input is said in one line, with exit status 2."""
    try:
        yield
    except SheetgradError as error:
        refuse(" ".join(str(error).split()))
    except OSError as error:
        refuse(f"{error.filename or 'file'}: {error.strerror or error}")
    except KeyboardInterrupt:
        refuse("stopped; nothing is half written")


def refuse(message: str) -> None:
    err.print(f"sheetgrad: {message}", markup=False)
    raise typer.Exit(2)


def engine_names() -> str:
    """The engines that there are, for help texts: nothing is imported for them."""
    folder = Path(__file__).parent.parent / "engines"
    return ", ".join(module.name for module in pkgutil.iter_modules([str(folder)]))


def progress(items: list, word: str) -> Iterator:
    """The items, with a progress bar on a terminal when there are several."""
    if len(items) < 2:
        yield from items
    else:
        yield from steady(items, len(items), word)


def steady(items: Iterable, total: int, word: str) -> Iterator:
    """The items as they are done, with a progress bar that shows the rate and the time left on a terminal."""
    if not err.is_terminal:
        yield from items
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from sheetgrad.cli.rate import RateColumn

    columns = (TextColumn(word), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        yield from bar.track(items, total=total)
