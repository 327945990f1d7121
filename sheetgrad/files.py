"""Files that are whole, or not there at all: written beside their target and renamed."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sheetgrad.errors import SheetgradError


class TargetError(SheetgradError, ValueError):
    """A place where no file can or may be written; the message says why and what to do."""


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write, beside ``path``; it takes the place of ``path`` when the block ends well, and is taken away
    when it does not. Folders on the way are made. Raises :class:`TargetError` when the target cannot be written."""
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")  # known before it is there
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        open(temporary, "xb").close()
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise TargetError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """The file at ``path`` with these bytes, or :class:`TargetError` and the file that was there before."""
    with whole(path) as temporary:
        temporary.write_bytes(data)


def write_first(path: Path, data: bytes) -> bool:
    """Writes a whole file where there is none; False, and nothing written, where somebody was faster."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.stem}-", dir=path.parent) as room:
            beside = Path(room) / path.name
            beside.write_bytes(data)
            try:
                os.link(beside, path)
            except FileExistsError:
                return False
            except OSError:  # a file system without links: not whole at once, but first
                with open(path, "xb") as file:
                    file.write(data)
        return True
    except FileExistsError:
        return False
    except OSError as error:
        raise TargetError(f"{path}: cannot be written: {error.strerror or error}") from None
