"""What is marked is noted at once in a journal beside the report; an interrupted run goes on from there."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from sheetgrad.classroom.give.handout import Record
from sheetgrad.classroom.mark.marking import digest
from sheetgrad.files import TargetError


def journal_path(report: Path) -> Path:
    """Where the journal of a report stands while it is not finished."""
    return report.with_name(f".{report.stem}.journal")


class Journal:
    """What is marked already: a line of JSON each, written at once. A line that was cut off is done again."""

    def __init__(self, path: Path, record: Record):
        self.path = path
        self.done: dict[tuple[str, str], dict] = {}
        self.record = record
        self.made_by = f"{version('sheetgrad')} {hashlib.sha256(record.course.text.encode()).hexdigest()[:16]}"
        try:
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            for line in lines:
                try:
                    entry = json.loads(line)
                    if entry["by"] == self.made_by and entry["given"] == self._given(entry["student"]):
                        self.done[entry["student"], entry["sha256"]] = entry
                except (ValueError, KeyError, TypeError):
                    continue
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (closed by close)
            self.file.write("\n")  # after a line that was cut off
        except OSError as error:
            raise TargetError(f"{path}: cannot be written: {error.strerror or error}") from None

    def _given(self, mark: str) -> str:
        given = self.record.given[mark]
        return digest(given.numbers) + given.slip

    def add(self, mark: str, sha256: str, marked: dict, feedback: bool) -> None:
        """``feedback`` says whether what there is to give back was written."""
        entry = {"by": self.made_by, "student": mark, "given": self._given(mark), "sha256": sha256}
        self.file.write(json.dumps({**entry, "feedback": feedback, "marked": marked}) + "\n")
        self.file.flush()

    def close(self, finished: bool) -> None:
        self.file.close()
        if finished:
            self.path.unlink(missing_ok=True)
