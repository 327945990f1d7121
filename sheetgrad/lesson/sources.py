"""Where templates are found."""

from __future__ import annotations

from pathlib import Path

from sheetgrad.lesson.fields import LessonError
from sheetgrad.lines.names import closest


def templates_folder() -> Path:
    """Where the lessons that come with sheetgrad are: inside the package, or beside it in a source tree."""
    package = Path(__file__).parent.parent
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def available() -> list[Path]:
    """The templates that come with sheetgrad."""
    return sorted(templates_folder().glob("*.toml"))


def find_template(path_or_name: str | Path) -> Path:
    """The template of that name, or at that path. Raises :class:`LessonError` when there is none."""
    text = str(path_or_name)
    if text.endswith(".toml"):
        path = Path(text)
        if not path.is_file():
            raise LessonError(f"{text}: no such file; expected a lesson template (.toml)")
        return path
    names = {path.stem: path for path in available()}
    if text not in names:
        raise LessonError(
            f"{text}: no lesson of that name{closest(text, names)}; expected a name from `sheetgrad list` "
            "or a path that ends in .toml"
        )
    return names[text]
