"""The names in a line: tensors (``w``), gradients (``w.g``), and expressions put in their place."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Iterable, Mapping

GRADIENT = re.compile(r"g(_\w+)?$")  # w.g, and w.g_each for a step on the way to it


def closest(word: str, known) -> str:
    """`` (did you mean …?)`` when a known word is near, else nothing."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def tensor_key(node: ast.AST) -> str | None:
    """The tensor that a node names (``w``, ``w.g``), or None."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=name), attr=attr) if GRADIENT.match(attr):
            return f"{name}.{attr}"
    return None


def tensor_node(key: str) -> ast.expr:
    """The node that names a tensor: the inverse of :func:`tensor_key`."""
    name, _, attr = key.partition(".")
    node: ast.expr = ast.Name(name, ast.Load())
    return ast.Attribute(node, attr, ast.Load()) if attr else node


class _Substitution(ast.NodeTransformer):
    def __init__(self, replacements: Mapping[str, ast.AST]):
        self.replacements = replacements

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self.replacements.get(node.id, node)


def substitute(node: ast.AST, replacements: Mapping[str, ast.AST]) -> ast.expr:
    """A copy of ``node`` with names replaced by expressions."""
    copy = ast.parse(ast.unparse(node), mode="eval").body
    return _Substitution(replacements).visit(copy)


def rebuilt(node: ast.AST, replaced: Callable[[ast.AST], ast.AST | None]) -> ast.AST:
    """A copy of ``node`` with the parts for which ``replaced`` gives something else; it is asked about this very tree."""

    def again(part):
        if isinstance(part, list):
            return [again(one) for one in part]
        if not isinstance(part, ast.AST):
            return part
        return replaced(part) or type(part)(**{word: again(value) for word, value in ast.iter_fields(part)})

    return again(node)


def mentioned(node: ast.AST) -> list[str]:
    """The tensors that an expression names, in the order of reading."""
    key = tensor_key(node)
    if key is not None:
        return [key]
    children: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.Call):
        base = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        children = [*base, *node.args]
    elif isinstance(node, ast.Subscript):
        children = [node.value]
    return [key for child in children for key in mentioned(child)]
