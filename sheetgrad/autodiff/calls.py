"""Which rule a node of a line applies, and to what."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from sheetgrad.autodiff.rules import Rule, Rules
from sheetgrad.lines.parse import OPERATORS, LanguageError


def called_rule(node: ast.AST, rules: Rules, shape: Callable) -> tuple[Rule | None, dict[str, ast.AST]]:
    """The rule that a node applies, and the nodes of its arguments and keywords by name."""
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            name = OPERATORS[type(op)][0]
            if name == "matmul":
                name = _matrix_product(len(shape(left)), len(shape(right)))
            positional, keywords = [left, right], []
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            name, positional, keywords = "neg", [operand], []
        case ast.Attribute(value=value, attr="T"):
            name, positional, keywords = "transpose", [value], []
        case ast.Attribute(value=value, attr="mT"):
            name, positional, keywords = "stacked_transpose", [value], []
        case ast.Subscript(value=value, slice=key):
            name, positional, keywords = "index", [value, key], []
        case ast.Call(func=ast.Attribute(value=value, attr="reshape"), args=sizes):
            shape_node = sizes[0] if is_tuple(sizes) else ast.Tuple(list(sizes), ast.Load())
            name, positional, keywords = "reshape", [value, shape_node], []
        case ast.Call(func=ast.Attribute(value=value, attr=attr), args=arguments, keywords=keywords):
            name, positional = attr, [value, *arguments]
        case ast.Call(func=ast.Name(id=name), args=positional, keywords=keywords):
            if is_tuple(positional):
                positional = [*positional[0].elts, *positional[1:]]
        case _:
            return None, {}
    rule = rules[name]
    bound = rule.bind(list(positional), {word.arg: word.value for word in keywords})
    return rule, {k: v if isinstance(v, ast.AST) else ast.Constant(v) for k, v in bound.items()}


def _matrix_product(left: int, right: int) -> str:
    if left == 1 and right == 1:
        return "dot"
    if left <= 2 and right <= 2:
        return {(2, 2): "matmul", (1, 2): "vecmat", (2, 1): "matvec"}[left, right]
    if left == 1 or right == 1:
        raise LanguageError("@ of a vector with a stack of matrices is not known; reshape the vector to a matrix")
    return "stacked_matmul"


def is_tuple(arguments: Sequence[ast.expr]) -> bool:
    return bool(arguments) and isinstance(arguments[0], ast.Tuple)
