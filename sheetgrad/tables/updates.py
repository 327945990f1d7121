"""Update lines: what an optimiser does in a step, and how a schedule finds the learning rate of a step.

They are data, as derivatives are: ``optimizers.toml``, ``schedules.toml`` and a lesson's own ``[optimizers.NAME]``;
``settings.toml`` says what their numbers are. The same lines are read by students, on NumPy arrays and on cells.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np

from sheetgrad.formulas.expressions import Shape
from sheetgrad.lines.cells import CellArray, broadcast_to, call, raised, truth_as_number
from sheetgrad.lines.evaluate import evaluate
from sheetgrad.lines.names import closest, mentioned
from sheetgrad.lines.parse import Assignment, LanguageError, parse_lines
from sheetgrad.lines.readings import CELLS, NUMBERS

FUNCTIONS = ("abs", "cos", "exp", "floor", "log", "maximum", "minimum", "sign", "sqrt", "tanh", "where")
UPDATE_NUMBERS = NUMBERS | {"cos": np.cos, "floor": np.floor}
UPDATE_CELLS = CELLS | {"cos": call("COS"), "floor": call("INT"), ast.Pow: raised}  # t and gamma are above 0
GIVEN = ("w", "g", "t", "lr")  # what the lines of an optimiser may read besides its state and settings
GIVEN_TO_SCHEDULE = ("base_lr", "t", "pi")
KEYS = ("optimizer", "schedule", "warmup", "steps", "train")  # of [training], whatever the optimiser
LARGEST = 1e6  # of a setting
LONGEST_WORDS = 300


@dataclass(frozen=True)
class Setting:
    """A number to play with. ``key`` is its name in a template, where several may share one (``betas``); ``default`` a
    number, None when it is off, or a text that depends on ``steps`` and ``warmup``. ``words`` stand beside its name and
    ``note`` beside its cell; it may be from ``least``, or ``above`` a number, to ``most``."""

    name: str
    key: str
    default: float | str | None
    words: str = ""
    note: str = "yours to change"
    least: float = -LARGEST
    most: float = LARGEST
    above: float | None = None


@dataclass(frozen=True)
class Update:
    """The lines of an optimiser or a schedule.

    ``state`` are the names kept from step to step, ``settings`` the numbers that the lines read, ``torch`` the call that
    makes the same in PyTorch (empty for a lesson's own), ``words`` a sentence for students.
    """

    name: str
    words: str
    lines: tuple[Assignment, ...]
    settings: tuple[Setting, ...]
    state: tuple[str, ...] = ()
    torch: str = ""

    @property
    def keys(self) -> dict[str, list[Setting]]:
        """The keys of a template, each with the settings that it sets."""
        keys: dict[str, list[Setting]] = {}
        for setting in self.settings:
            keys.setdefault(setting.key, []).append(setting)
        return keys

    def reads(self, name: str) -> bool:
        return any(name in mentioned(line.expression) for line in self.lines)

    def with_on(self, keys: Collection[str]) -> Update:
        """The same without the settings that are off, unless they are among ``keys``, and without their lines."""
        off = {setting.name for setting in self.settings if setting.default is None and setting.key not in keys}
        lines = tuple(line for line in self.lines if not off.intersection(mentioned(line.expression)))
        return replace(self, lines=lines, settings=tuple(x for x in self.settings if x.name not in off))

    def for_result(self, result: str) -> Update:
        """The same with those lines alone that ``result`` depends on."""
        wanted, kept = {result}, []
        for line in reversed(self.lines):
            if line.name in wanted:
                kept.insert(0, line)
                wanted = (wanted - {line.name}) | set(mentioned(line.expression))
        return replace(self, lines=tuple(kept))


def after(
    lines: Sequence[Assignment],
    arrays: Mapping[str, object],
    functions: Mapping[str, Callable],
    stored: Callable[[str, object], object] = lambda name, value: value,
) -> dict[str, object]:
    """What update lines make of ``arrays``: the last value of every name that they give one.

    ``functions`` is ``UPDATE_NUMBERS`` or ``UPDATE_CELLS``; ``stored(name, value)`` is how the lines that follow see
    the last value of a name: on cells, as the cell that shows it. Raises ``LanguageError`` with the line's number.
    """
    arrays, made = dict(arrays), {}
    for k, line in enumerate(lines):
        try:
            value = evaluate(line.expression, arrays, functions)
        except LanguageError as error:
            raise LanguageError(f"line {line.number}: {error}") from None
        last = all(other.name != line.name for other in lines[k + 1 :])
        made[line.name] = value
        arrays[line.name] = stored(line.name, value) if last else value
    return made


def update_cells(optimizer: Update, shape: Shape) -> dict[str, CellArray]:
    """An optimiser's lines read over cells, for a tensor of ``shape``: the new ``w`` and the new state.

    They name the cells of the step before as the lines do, and what the step has made already as ``new m``.
    """
    kept = ("w", *optimizer.state)
    arrays = {name: CellArray.named(name, shape) for name in (*kept, "g")}
    arrays |= {name: CellArray.named(name, ()) for name in ("t", "lr", *(x.name for x in optimizer.settings))}

    def stored(name: str, value: object) -> object:
        return CellArray.named(f"new {name}", shape) if name in kept else value

    made = after(optimizer.lines, arrays, UPDATE_CELLS, stored)
    return {name: truth_as_number(broadcast_to(made[name], shape)) for name in kept}


# -- the tables -------------------------------------------------------------------------------------------------------


def _table(name: str) -> dict:
    return tomllib.loads(files("sheetgrad.tables").joinpath(name).read_text("utf-8"))


@cache
def builtin_optimizers() -> Mapping[str, Update]:
    """The optimisers of ``optimizers.toml``, in its order."""
    return MappingProxyType({name: _optimizer(name, entry) for name, entry in _table("optimizers.toml").items()})


@cache
def schedules() -> Mapping[str, Update]:
    """The schedules of ``schedules.toml`` with the lines of a warm-up around them, in its order."""
    table = _table("schedules.toml")
    around = table.pop("warmup")
    found = {}
    for name, entry in table.items():
        lines = parse_lines("\n".join((around["first"], entry["lines"], around["last"])))
        settings = (*_settings(entry), *_settings(around))
        found[name] = Update(name, entry["words"], tuple(lines), settings, torch=entry["torch"])
    return MappingProxyType(found)


@cache
def warmup_texts() -> Mapping[str, str]:
    """The words of a warm-up, and its lines of PyTorch (``torch``)."""
    around = _table("schedules.toml")["warmup"]
    return MappingProxyType({key: around[key].strip() for key in ("words", "torch")})


def with_own_optimizers(entries: Mapping[str, object]) -> Mapping[str, Update]:
    """The table with a lesson's ``[optimizers.NAME]`` entries added.

    Raises ``LanguageError`` in one line that names the entry, its line, what was found and what was expected.
    """
    known = builtin_optimizers()
    own = {}
    for name, entry in entries.items():
        where = f"[optimizers.{name}]"
        if name in known:
            raise LanguageError(f"{where}: {name} is built in; choose another name")
        try:
            own[name] = _optimizer(name, _checked_entry(name, entry))
            for lines_of in (own[name], own[name].with_on(())):
                _check_lines(lines_of)
        except LanguageError as error:
            raise LanguageError(f"{where}{'' if str(error).startswith('line ') else ':'} {error}") from None
    return MappingProxyType({**known, **own})


def _optimizer(name: str, entry: Mapping) -> Update:
    lines = tuple(parse_lines(entry["lines"]))
    update = Update(name, entry.get("words", ""), lines, (), tuple(entry.get("state", ())), entry.get("torch", ""))
    return replace(update, settings=_settings({"lr": 0.1} | entry if update.reads("lr") else entry))


def _settings(entry: Mapping) -> tuple[Setting, ...]:
    """The settings of an entry: what is a number, a table of numbers, or off."""
    known, found = _table("settings.toml"), []
    for key, value in entry.items():
        if key in ("words", "torch", "lines", "state", "first", "last"):
            continue
        for name, default in (value if isinstance(value, Mapping) else {key: value}).items():
            found.append(Setting(name, key, None if default is False else default, **known.get(name, {})))
    return tuple(found)


# -- a lesson's own ---------------------------------------------------------------------------------------------------


def _checked_entry(name: str, entry: object) -> Mapping:
    """An author's entry, its keys checked: ``state``, ``lines`` and ``words`` have their kind, the others are numbers."""
    if not name.isidentifier():
        raise LanguageError("expected a plain name of letters, digits and _")
    if not isinstance(entry, Mapping):
        raise LanguageError(f"found {entry!r}, expected a table with lines")
    lines, words, state = (entry.get(key, default) for key, default in (("lines", ""), ("words", ""), ("state", [])))
    if not isinstance(lines, str) or not lines.strip():
        raise LanguageError("lines is missing, expected update lines such as  w = w - lr * g")
    if not isinstance(words, str) or len(words) > LONGEST_WORDS or "\n" in words:
        raise LanguageError(f"words: expected a sentence of at most {LONGEST_WORDS} characters")
    if not isinstance(state, list) or not all(isinstance(one, str) and one.isidentifier() for one in state):
        raise LanguageError(f'state: found {state!r}, expected a list of names such as ["m", "v"]')
    settings = {key: value for key, value in entry.items() if key not in ("state", "lines", "words")}
    flat = [
        (one, number)
        for key, value in settings.items()
        for one, number in (value.items() if isinstance(value, Mapping) else [(key, value)])
    ]
    for one, number in flat:
        if not isinstance(number, (int, float)) or number is True or not abs(number) <= LARGEST:
            raise LanguageError(f"{one}: found {number!r}, expected a number")
    names = [*state, *(one for one, _ in flat)]
    _refuse_taken([name for name in names if name != "lr"], [key for key in settings if key not in names])
    return entry


def _refuse_taken(names: Sequence[str], keys: Sequence[str]) -> None:
    """Refuses names and further keys that mean something already, and a name that is there twice."""
    scheduled = {key for schedule in schedules().values() for key in schedule.keys}
    taken = {*GIVEN, *GIVEN_TO_SCHEDULE, *FUNCTIONS, *KEYS, *scheduled, "done", "torch"}
    for name in (*names, *keys):
        if name in taken:
            raise LanguageError(f"{name} has a meaning already; choose another name")
        if not name.isidentifier():
            raise LanguageError(f"found {name!r}, expected a plain name of letters, digits and _")
        if names.count(name) > 1:
            raise LanguageError(f"{name} is there twice, expected each state and setting once")


def _check_lines(update: Update) -> None:
    """Every name is known where it is read, every state and ``w`` get a value, every setting is used."""
    settings = [setting.name for setting in update.settings]
    known = dict.fromkeys([*GIVEN, *update.state, *settings])
    for line in update.lines:
        _check_names(line, known)
        if line.name in ("t", "lr", *settings):
            raise LanguageError(
                f"line {line.number}: {line.name} cannot be given a value, it is the same for all numbers"
            )
        known[line.name] = None
    for name, place in [("w", "lines"), *((one, "state") for one in update.state)]:
        if all(line.name != name for line in update.lines):
            raise LanguageError(f"{place}: no line gives {name} a new value, expected one such as  {name} = {name} - …")
    for name in settings:
        if not update.reads(name):
            raise LanguageError(f"{name}: no line reads it")


def _check_names(line: Assignment, known: Collection[str]) -> None:
    for name in mentioned(line.expression):
        if name not in known:
            raise LanguageError(
                f"line {line.number}: {name} is not known here{closest(name, known)}; expected {', '.join(known)} "
                "or a name that a line above gives a value"
            )
    for node in ast.walk(line.expression):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in FUNCTIONS:
            name = node.func.id
            raise LanguageError(
                f"line {line.number}: there is no function {name}{closest(name, FUNCTIONS)}; "
                f"expected one of {', '.join(FUNCTIONS)}"
            )
