"""The table of operations and their derivatives: ``derivatives.toml`` and a lesson's own ``[ops.NAME]``.

A rule is data: parsed lines. Nothing in the code knows a single operation's derivative."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from sheetgrad.lines.parse import Assignment, LanguageError, parse_lines
from sheetgrad.lines.readings import PRIMITIVES

ARGUMENTS = ("a", "b", "c")
MOST_PARTS = 2_000  # of an operation with all that it calls


@dataclass(frozen=True)
class Rule:
    """One operation: its forward lines and, by argument, the lines of the gradient.

    ``keywords`` maps each keyword to its default. ``called`` is the name of its result where the lesson gives it none.
    """

    name: str
    arguments: tuple[str, ...]
    keywords: Mapping[str, object]
    forward: tuple[Assignment, ...]
    gradients: Mapping[str, tuple[Assignment, ...]]
    called: str = ""

    @property
    def steps(self) -> tuple[Assignment, ...]:
        """The forward lines before the last, which have a place of their own on the sheet."""
        return self.forward[:-1]

    def bind(self, positional: list, named: Mapping[str, object]) -> dict[str, object]:
        """Arguments and keywords by name, as Python binds a call; ``LanguageError`` when they do not fit."""
        order = [*self.arguments, *self.keywords]
        if len(positional) > len(order):
            raise LanguageError(f"{self.name}: found {len(positional)} arguments, expected {self.signature}")
        bound = dict(zip(order, positional, strict=False))
        for word, value in named.items():
            if word not in self.keywords or word in bound:
                raise LanguageError(f"{self.name}: found {word}=, expected {self.signature}")
            bound[word] = value
        missing = [a for a in self.arguments if a not in bound]
        if missing:
            raise LanguageError(f"{self.name}: {', '.join(missing)} missing, expected {self.signature}")
        return {**self.keywords, **bound}

    @property
    def signature(self) -> str:
        return f"{self.name}({', '.join([*self.arguments, *(f'{k}={v}' for k, v in self.keywords.items())])})"


Rules = Mapping[str, Rule]


@cache
def builtin_rules() -> Rules:
    """The operations of ``derivatives.toml``, in its order."""
    table = tomllib.loads(files("sheetgrad.autodiff").joinpath("derivatives.toml").read_text("utf-8"))
    return MappingProxyType({name: read_rule(name, entry, table) for name, entry in table.items()})


def with_own_operations(entries: Mapping[str, object]) -> Rules:
    """The table with a lesson's ``[ops.NAME]`` entries added; an entry may also replace one of the table's."""
    for name in entries:
        if name in PRIMITIVES:
            raise LanguageError(f"[ops.{name}]: {name} is built in and cannot be replaced; choose another name")
    known = builtin_rules()
    names = {*known, *entries}
    own = {name: read_rule(name, entry, names) for name, entry in entries.items()}
    _refuse_cycles(own)
    return MappingProxyType({**known, **own})


def read_rule(name: str, entry: object, operations) -> Rule:
    """One entry of a table. Raises ``LanguageError`` naming the operation and what is wrong with it."""
    try:
        return _read_rule(name, entry, operations)
    except LanguageError as error:
        raise LanguageError(f"[ops.{name}]: {error}") from None


def _read_rule(name: str, entry: object, operations) -> Rule:
    if not name.isidentifier():
        raise LanguageError("expected a plain name of letters, digits and _")
    if not isinstance(entry, Mapping) or not isinstance(entry.get("forward"), str):
        raise LanguageError('expected forward = "…" and a gradient for each argument, such as a = "g * b"')
    forward = tuple(parse_lines(entry["forward"], rules=True, last_unnamed=True))
    if forward[-1].name is not None:
        raise LanguageError("the last forward line is the result: expected an expression without a name")
    steps = {line.name for line in forward[:-1]}
    free = _names(forward) - steps
    called = entry.get("called", "")
    if called and not str(called).isidentifier():
        raise LanguageError(f"found called = {called!r}, expected a plain name of letters, digits and _")
    arguments = tuple(a for a in ARGUMENTS if a in free)
    if not arguments or arguments != ARGUMENTS[: len(arguments)]:
        raise LanguageError(f"found arguments {', '.join(arguments) or 'none'}, expected a, then b, then c")
    defaults = {key: value for key, value in entry.items() if isinstance(value, (int, float))}
    keywords = {key: None for key in ("axis", "keepdims", "shape", "i") if key in free} | defaults
    if "keepdims" in keywords:
        keywords["keepdims"] = False
    unknown = free - {*arguments, *keywords}
    if unknown:
        raise LanguageError(f"forward uses {', '.join(sorted(unknown))}, expected only {', '.join(ARGUMENTS)}")
    gradients = {}
    for key, text in entry.items():
        if key in ("forward", "called") or key in defaults:
            continue
        if key not in arguments or not isinstance(text, str):
            raise LanguageError(f"found {key} = {text!r}, expected a gradient for one of {', '.join(arguments)}")
        lines = tuple(parse_lines(text, rules=True, last_unnamed=True))
        own = {line.name for line in lines}
        strange = _names(lines) - own - steps - {*arguments, *keywords, "g", "out"}
        if strange:
            raise LanguageError(f"the gradient of {key} uses {', '.join(sorted(strange))}, which is not defined")
        gradients[key] = lines
    if not gradients:
        raise LanguageError('expected a gradient for at least one argument, such as a = "g * b"')
    for lines in (forward, *gradients.values()):
        for call in _calls(lines) - PRIMITIVES - {"spread", "cut"} - {*operations}:
            raise LanguageError(f"there is no operation {call}")
    return Rule(name, arguments, MappingProxyType(keywords), forward, MappingProxyType(gradients), called)


def _names(lines) -> set[str]:
    called = {id(n.func) for line in lines for n in ast.walk(line.expression) if isinstance(n, ast.Call)}
    walked = (n for line in lines for n in ast.walk(line.expression))
    return {n.id for n in walked if isinstance(n, ast.Name) and id(n) not in called}


def _calls(lines) -> set[str]:
    walked = (n for line in lines for n in ast.walk(line.expression))
    return {n.func.id for n in walked if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}


def _refuse_cycles(own: Rules) -> None:
    """An operation that calls itself, at once or through others, has no end; one that calls others may be huge."""

    @cache
    def size(name: str) -> int:
        walked = [n for line in own[name].forward for n in ast.walk(line.expression)]
        called = [n.func.id for n in walked if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
        return len(walked) + sum(size(other) for other in called if other in own)

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise LanguageError(f"[ops.{name}]: calls itself: {' → '.join([*path, name])}")
        if name in own:
            for called in _calls(own[name].forward) - PRIMITIVES:
                visit(called, (*path, name))

    for name in own:
        visit(name, ())
        if size(name) > MOST_PARTS:
            raise LanguageError(f"[ops.{name}]: {size(name):,} parts with what it calls, at most {MOST_PARTS:,}")
