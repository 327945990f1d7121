"""Takes out of a line what a person would not write: factors of 1, double signs, sizes that are known numbers."""

from __future__ import annotations

import ast
from collections.abc import Callable

import numpy as np

from sheetgrad.formulas.expressions import Shape
from sheetgrad.lines.names import tensor_key
from sheetgrad.lines.shapes import checked_axis


class Simplifier(ast.NodeTransformer):
    """Takes out what a person would not write: factors of 1, double signs, sizes that are known numbers."""

    def __init__(self, shape: Callable[[ast.AST], Shape]):
        self.shape = shape

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if tensor_key(node):
            return node
        value = self.visit(node.value)
        match node.attr, value:
            case "size", _:
                return ast.Constant(int(np.prod(self.shape(value), dtype=int)))
            case "shape", _:
                return tuple_node(self.shape(value))
            case ("T" | "mT") as attr, ast.Attribute(value=inner, attr=again) if attr == again:
                return inner
            case "T", _ if len(self.shape(value)) < 2:
                return value
            case "T", ast.BinOp(left=left, op=ast.MatMult() as op, right=right) if self._matrices(left, right):
                turned = (self.visit(ast.Attribute(part, "T", ast.Load())) for part in (right, left))
                return ast.BinOp(next(turned), op, next(turned))
            case "T", ast.BinOp(left=left, op=op, right=right) if not (self.shape(left) and self.shape(right)):
                turned = (self.visit(ast.Attribute(part, "T", ast.Load())) for part in (left, right))
                return ast.BinOp(next(turned), op, next(turned))
        return ast.Attribute(value, node.attr, ast.Load())

    def _matrices(self, *parts: ast.AST) -> bool:
        return all(len(self.shape(part)) == 2 for part in parts)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        value = self.visit(node.value)
        if isinstance(value, ast.Tuple):
            return value.elts[number_of(node.slice)]
        match value:
            case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=ast.Constant() as number):
                return ast.BinOp(self.visit(ast.Subscript(left, node.slice, ast.Load())), op, number)
        return ast.Subscript(value, node.slice, ast.Load())

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        operand = self.visit(node.operand)
        return negative(operand) if isinstance(node.op, ast.USub) else operand

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        left, right = self.visit(node.left), self.visit(node.right)
        if not isinstance(node.op, ast.MatMult):
            if is_spread(left) or is_spread(right):
                return self._spread_last(left, node.op, right)
            left, right = self._flat(left, right), self._flat(right, left)
        a, b = number_of(left), number_of(right)
        if a is not None and b is not None:
            folded = _folded(node.op, a, b)
            if folded is not None:
                return folded
        match node.op:
            case ast.Mult():
                match left:  # 1 / 12 * 2 is 2 / 12, and 2 / 12 * q is 2 * q / 12
                    case ast.BinOp(left=times, op=ast.Div() as by, right=count) if None not in map(
                        number_of, (times, count)
                    ):
                        return self.visit(ast.BinOp(ast.BinOp(times, node.op, right), by, count))
                if a == 1:
                    return right
                if b == 1:
                    return left
                if 0 in (a, b):  # also times a power that runs away, as in the slope of x ** 0
                    return self._zeros(right if a == 0 else left)
            case ast.Div():
                if b == 1:
                    return left
                if a == 0:
                    return self._zeros(right)
            case ast.Pow():
                if b == 1:
                    return left
                if b == 0:
                    return ast.Constant(1)
            case ast.Add():
                match right:
                    case ast.UnaryOp(op=ast.USub(), operand=taken):
                        return ast.BinOp(left, ast.Sub(), taken)
                    case ast.BinOp(left=first, op=ast.Add() | ast.Sub() as op, right=last):
                        return ast.BinOp(self.visit(ast.BinOp(left, node.op, first)), op, last)
                if a == 0:
                    return right
            case ast.Sub():
                if isinstance(right, ast.UnaryOp) and isinstance(right.op, ast.USub):
                    return ast.BinOp(left, ast.Add(), right.operand)
        if isinstance(node.op, (ast.Mult, ast.Div, ast.MatMult)):
            signs = [side for side in (left, right) if isinstance(side, ast.UnaryOp)]
            if signs:
                left = left.operand if isinstance(left, ast.UnaryOp) else left
                right = right.operand if isinstance(right, ast.UnaryOp) else right
                inner = self.visit(ast.BinOp(left, node.op, right))
                return inner if len(signs) == 2 else negative(inner)
        return ast.BinOp(left, node.op, right)

    def _spread_last(self, left: ast.expr, op: ast.operator, right: ast.expr) -> ast.expr:
        """``left op right`` spread where need be, instead of the spreading of a side, which the operation may do itself."""
        shape = self.shape(ast.BinOp(left, op, right))
        inner = self.visit(ast.BinOp(_unspread(left), op, _unspread(right)))
        return inner if self.shape(inner) == shape else _spread_over(inner, shape)

    def _flat(self, node: ast.expr, other: ast.expr) -> ast.expr:
        """``v.sum()`` for ``v.sum(-1, keepdims=True)`` of a vector, which makes no difference beside another."""
        if self.shape(node) != (1,) or not self.shape(other):
            return node
        match node:
            case ast.Call(func=ast.Attribute(value=base) as method, keywords=[ast.keyword(arg="keepdims")]):
                return ast.Call(method, [], []) if len(self.shape(base)) == 1 else node
            case ast.Call(func=ast.Name(id="log") as function, args=[inner]):
                return ast.Call(function, [self._flat(inner, other)], [])
        return node

    def _zeros(self, like: ast.expr) -> ast.expr:
        shape = self.shape(like)
        zero = ast.Constant(0)
        return _spread_over(zero, shape) if shape else zero

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        left, right = self.visit(node.left), self.visit(node.comparators[0])
        shape = self.shape(ast.Compare(left, node.ops, [right]))
        inner = ast.Compare(_unspread(left), node.ops, [_unspread(right)])
        return inner if self.shape(inner) == shape else _spread_over(inner, shape)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        arguments = [self.visit(argument) for argument in node.args]
        words = [ast.keyword(word.arg, self.visit(word.value)) for word in node.keywords]
        if isinstance(node.func, ast.Attribute):
            return self._method(node.func, arguments, words)
        match node.func.id, arguments:
            case "spread", [g, a, axis, keepdims]:
                return self.visit(self._spread(g, self.shape(a), number_of(axis), keepdims.value))
            case "cut", [g, start, stop, axis]:
                return _cut(g, number_of(start), number_of(stop), checked_axis(number_of(axis), self.shape(g)))
            case "broadcast_to", [value, shape]:
                if self.shape(value) == tuple(size.value for size in shape.elts):
                    return value
            case "one_hot", [labels, scores]:
                if self.shape(labels) == self.shape(scores):
                    return labels
        return ast.Call(node.func, arguments, words)

    def _method(self, func: ast.Attribute, arguments: list, words: list) -> ast.AST:
        base = self.visit(func.value)
        arguments = [a for a in arguments if not (isinstance(a, ast.Constant) and a.value is None)]
        words = [w for w in words if not (isinstance(w.value, ast.Constant) and w.value.value in (False, None))]
        if func.attr == "reshape" and len(arguments) == 1 and isinstance(arguments[0], ast.Tuple) and arguments[0].elts:
            arguments = arguments[0].elts
        if func.attr == "add":
            arguments = [_unspread(arguments[0])]  # zeros(shape).at[i].add(g) does it by itself
        if func.attr == "sum" and isinstance(base, ast.UnaryOp):
            return negative(ast.Call(ast.Attribute(base.operand, "sum", ast.Load()), arguments, words))
        return ast.Call(ast.Attribute(base, func.attr, ast.Load()), arguments, words)

    def _spread(self, g: ast.expr, shape: Shape, axis, keepdims: bool) -> ast.expr:
        """The gradient ``g`` of a reduction laid back over ``shape``."""
        if axis is not None and not keepdims:
            axis = checked_axis(axis, shape)
            if axis:
                keys = [ast.Slice()] * axis + [ast.Constant(None)] + [ast.Slice()] * (len(shape) - axis - 1)
                g = ast.Subscript(g, ast.Tuple(keys, ast.Load()), ast.Load())
        return _spread_over(g, shape)


def sign_first(node: ast.expr) -> ast.expr:
    """``-a * b / 6`` for ``-(a * b / 6)``."""
    match node:
        case ast.UnaryOp(
            op=ast.USub() as sign, operand=ast.BinOp(left=left, op=(ast.Mult() | ast.Div()) as op, right=right)
        ):
            return ast.BinOp(sign_first(ast.UnaryOp(sign, left)), op, right)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            return ast.BinOp(sign_first(left), op, right)
    return node


def name_node(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def tuple_node(values: Shape) -> ast.Tuple:
    return ast.Tuple([ast.Constant(value) for value in values], ast.Load())


def method_node(base: ast.expr, name: str, *arguments: ast.expr, keepdims: bool = False) -> ast.Call:
    words = [ast.keyword("keepdims", ast.Constant(True))] if keepdims else []
    return ast.Call(ast.Attribute(base, name, ast.Load()), list(arguments), words)


def number_of(node: ast.AST) -> float | None:
    match node:
        case ast.Constant(value=value) if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)) if isinstance(value, (int, float)):
            return -value
    return None


def _cut(g: ast.expr, start: int, stop: int, axis: int) -> ast.expr:
    """``g[start:stop]`` along one axis."""
    lower = ast.Constant(start) if start else None
    run: ast.expr = ast.Slice(lower, ast.Constant(stop))
    key = ast.Tuple([*[ast.Slice()] * axis, run], ast.Load()) if axis else run
    return ast.Subscript(g, key, ast.Load())


def _folded(op: ast.operator, a: float, b: float) -> ast.expr | None:
    """The result when it is as exact as the two numbers: no third of anything is written out."""
    match op:
        case ast.Add():
            value = a + b
        case ast.Sub():
            value = a - b
        case ast.Mult():
            value = a * b
        case ast.Div() if b and a % b == 0:
            value = a / b
        case _:
            return None
    if abs(value) >= 1e15 or round(value, 12) != value:
        return None
    number = int(value) if value == int(value) else value
    return ast.Constant(number) if number >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-number))


def _spread_over(node: ast.expr, shape: Shape) -> ast.Call:
    return ast.Call(name_node("broadcast_to"), [node, tuple_node(shape)], [])


def _unspread(node: ast.expr) -> ast.expr:
    return node.args[0] if is_spread(node) else node


def is_spread(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "broadcast_to"


def negative(node: ast.expr) -> ast.expr:
    if is_spread(node):
        return ast.Call(node.func, [negative(node.args[0]), *node.args[1:]], [])
    return node.operand if isinstance(node, ast.UnaryOp) else ast.UnaryOp(ast.USub(), node)
