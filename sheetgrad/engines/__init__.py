"""Programs that recalculate a workbook: one small interface, whichever program does the work.

Each is a module here that declares itself with a class ``ENGINE``; nothing else names it. The program itself is imported
only when it is asked for, so that a missing one troubles nobody who does not use it.
"""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from sheetgrad.recalculation import (
    Change,
    Changes,
    Engine,
    EngineError,
    ErrorValue,
    Formula,
    Grid,
    Grids,
    Session,
    Value,
    Values,
    Wanted,
    guard,
)

_MODULES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
_DECLARED: tuple[type[Engine], ...] = tuple(
    sorted((module.ENGINE for module in _MODULES if hasattr(module, "ENGINE")), key=lambda engine: engine.order)
)
ENGINES = tuple(engine.name for engine in _DECLARED)
AUTOMATIC = tuple(engine.name for engine in _DECLARED if engine.automatic)  # in this order, the first that can


def get_engine(name: str) -> Engine:
    """The engine called ``name``, one of ``ENGINES``; raises `EngineError` when unknown or not installed."""
    for engine in _DECLARED:
        if engine.name == name:
            try:
                return engine()
            except ImportError as error:
                raise EngineError(f"{name} is not installed: {engine.install}") from error
    raise EngineError(f"no engine is called {name!r}: use one of {', '.join(ENGINES)}")


def save_as_xlsx(path: Path, folder: Path, seconds: float | None = None) -> Path:
    """A file of another kind, such as .ods, as .xlsx in ``folder``, by the first engine that converts such.

    Raises `EngineError` when it is not installed, cannot read the file, or not in so many ``seconds``.
    """
    name = next(engine.name for engine in _DECLARED if engine.converts)
    return get_engine(name).save_as_xlsx(path, folder, seconds)


__all__ = [
    "AUTOMATIC",
    "ENGINES",
    "Change",
    "Changes",
    "Engine",
    "EngineError",
    "ErrorValue",
    "Formula",
    "Grid",
    "Grids",
    "Session",
    "Value",
    "Values",
    "Wanted",
    "get_engine",
    "guard",
    "save_as_xlsx",
]
