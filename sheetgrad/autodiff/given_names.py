"""Names for what a line computes on the way, as a person would give them: ``z = x @ w + b``, ``diff = out - y``."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable

from sheetgrad.autodiff.calls import called_rule
from sheetgrad.autodiff.rules import Rules

PRODUCT, COMPARISON, OTHER = "z", "mask", "part"


class GivenNames:
    """Gives each name once. A calling such as ``z`` is the name itself, and ``out_z`` where it is taken by the lesson
    or in ``shared``, the callings that more than one of the lesson's lines has a use for; in one line ``z``, ``z_2``."""

    def __init__(self, lesson: Iterable[str], shared: Collection[str] = ()):
        self.lesson = {name.lower() for name in lesson}
        self.taken = set(self.lesson)
        self.shared = shared
        self._lines: dict[str, set[str]] = {}

    def give(self, calling: str, line: str) -> str:
        """A name for what ``line``, by its target, has on the way."""
        self._lines.setdefault(calling, set()).add(line)
        plain = calling not in self.shared and calling.lower() not in self.lesson
        of_line = f"{line}_{calling}" if calling != line else f"before_{line}"
        name = first = calling if plain else of_line
        count = 1
        while name.lower() in self.taken:
            count += 1
            name = f"{first}_{count}"
        self.taken.add(name.lower())
        return name

    @property
    def clashing(self) -> set[str]:
        """Callings that several lines had a use for."""
        return {calling for calling, lines in self._lines.items() if len(lines) > 1}


def calling(node: ast.expr, rules: Rules, shape: Callable) -> str:
    """What a person calls the result of an expression, by its operation (``called`` in ``derivatives.toml``)."""
    match node:
        case ast.BinOp(op=ast.Add(), left=left, right=right) if any(map(_is_product, (left, right))):
            return PRODUCT
        case ast.Compare():
            return COMPARISON
    rule, arguments = called_rule(node, rules, shape)
    if rule is None:
        return OTHER
    first = next(iter(arguments.values()), None)
    return rule.called or (f"{rule.name}_{first.id}" if isinstance(first, ast.Name) else OTHER)


def part_of_gradient(node: ast.expr) -> str:
    """What a person calls a step on the way to a gradient: what each example adds to it, a mask, a sum."""
    match node:
        case ast.Compare():
            return COMPARISON
        case ast.Call(func=ast.Attribute(attr=attr)):
            return attr
    return "each"


def _is_product(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)
