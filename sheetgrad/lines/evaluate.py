"""Reads an expression over whatever arrays it is given."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

from sheetgrad.formulas.expressions import Shape
from sheetgrad.lines.cells import CellArray
from sheetgrad.lines.names import closest, tensor_key
from sheetgrad.lines.parse import COMPARISONS, OPERATORS, LanguageError, constant
from sheetgrad.lines.readings import CELLS, PRIMITIVES, Zeros
from sheetgrad.lines.shapes import ShapeError, shape_text


def evaluate(node: ast.AST, arrays: Mapping[str, object], functions: Mapping[str, Callable], rules=None):
    """The value of an expression.

    ``arrays`` gives the tensors by name (gradients as ``w.g``), ``functions`` the primitives of the kind of
    array in use, ``rules`` the table whose operations may be called; their forward lines are run in place.
    Raises ``LanguageError`` that names the operands when shapes do not fit.
    """

    def value(child: ast.AST):
        return evaluate(child, arrays, functions, rules)

    key = tensor_key(node)
    if key is not None:
        if key not in arrays:
            raise LanguageError(f"{key} is not defined before it is used{closest(key, arrays)}")
        return arrays[key]
    try:
        match node:
            case ast.Constant(value=str()) | ast.BoolOp() | ast.IfExp() | ast.JoinedStr() | ast.Compare(ops=[ast.In()]):
                return _of_tables(node, value, functions)
            case ast.Constant(value=constant):
                return constant
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -value(operand)
            case ast.UnaryOp(operand=operand):
                return value(operand)
            case ast.BinOp(left=left, op=op, right=right):
                return functions.get(type(op), OPERATORS[type(op)][1])(_real(value(left)), _real(value(right)))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return functions["flag"](functions.get(type(op), COMPARISONS[type(op)])(value(left), value(right)))
            case ast.Tuple(elts=elements):
                return tuple(value(element) for element in elements)
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if f"{name}.{attr}" in arrays:
                return arrays[f"{name}.{attr}"]
            case ast.Attribute(value=base, attr=attr):
                return getattr(value(base), attr)
            case ast.Subscript(value=base, slice=index):
                owner = value(base)
                return owner[value(index)] if isinstance(owner, tuple) else owner[_index(index)]
            case ast.Call(func=ast.Attribute(value=base, attr=attr), args=arguments, keywords=keywords):
                named = {word.arg: value(word.value) for word in keywords}
                return _method(value(base), attr, functions)(*map(value, arguments), **named)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
                named = {word.arg: value(word.value) for word in keywords}
                if name in functions:
                    return functions[name](*map(value, arguments), **named)
                if rules and name in rules:
                    bound = rules[name].bind(list(map(value, arguments)), named)
                    return _run(rules[name].forward, bound, functions, rules)
                known = sorted({*PRIMITIVES, *(rules or ())})
                raise LanguageError(f"there is no operation {name}{closest(name, known)}")
    except ShapeError as error:
        raise LanguageError(_fit(node, value, error)) from None
    except LanguageError:
        raise
    except (TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        raise LanguageError(f"{ast.unparse(node)}: {error}") from None
    raise LanguageError(f"{ast.unparse(node)} is not part of the language")


def _of_tables(node: ast.AST, value: Callable, functions: Mapping[str, Callable]):
    """What only the lines of tables say; see :func:`sheetgrad.lines.parse.parse_expression`."""
    match node:
        case ast.Constant(value=text):
            return functions["text"](text)
        case ast.BoolOp(op=op, values=values):
            return functions["and" if isinstance(op, ast.And) else "or"](*map(value, values))
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            return functions["where"](value(test), value(body), value(otherwise))
        case ast.Compare(left=left, comparators=[right]):
            return functions["among"](value(left), value(right))
        case ast.JoinedStr(values=values):
            parts = [part.value if isinstance(part, ast.FormattedValue) else part for part in values]
            return functions["joined"](*map(value, parts))


def _method(owner, attr: str, functions: Mapping[str, Callable]) -> Callable:
    """A method of an array, or what a reading has in its place."""
    return partial(functions[f".{attr}"], owner) if f".{attr}" in functions else getattr(owner, attr)


def _real(value):
    """Whole numbers as floats: 9 ** 9 ** 9 then overflows at once instead of filling the memory."""
    return float(value) if isinstance(value, int) else value


def _run(lines, arrays: dict, functions, rules):
    """A rule's forward lines, the last of which is the result."""
    result = None
    for line in lines:
        result = evaluate(line.expression, arrays, functions, rules)
        arrays = {**arrays, line.name: result}
    return result


def _index(node: ast.AST):
    if isinstance(node, ast.Tuple):
        return tuple(constant(part) for part in node.elts)
    return constant(node)


def _fit(node: ast.AST, value, error: ShapeError) -> str:
    """Says which operands do not fit: ``w2 is 4×1 and l2 is 6×3: 3 ≠ 4``."""
    match node:
        case ast.BinOp(left=left, right=right) | ast.Compare(left=left, comparators=[right]):
            operands = [left, right]
        case ast.Call(func=ast.Name(), args=arguments):
            operands = arguments
        case _:
            return f"{ast.unparse(node)}: {error}"
    parts = [f"{ast.unparse(o)} is {shape_text(np.shape(value(o)))}" for o in operands]
    return f"{ast.unparse(node)}: {' and '.join(parts)}: {error}"


def shape_of(node: ast.AST, shapes: Mapping[str, Shape], rules=None) -> Shape:
    """The shape of an expression, found by reading it over cells: nothing is computed."""
    value = evaluate(node, _Named(shapes), CELLS, rules)
    if isinstance(value, Zeros):
        raise LanguageError("found zeros(…) alone, expected zeros(shape).at[i].add(g)")
    return np.shape(value)


class _Named(Mapping):
    """The cells of tensors of these shapes, made when a line names them."""

    def __init__(self, shapes: Mapping[str, Shape]):
        self.shapes = shapes

    def __getitem__(self, name: str) -> CellArray:
        return CellArray.named(name, self.shapes[name])

    def __contains__(self, name: object) -> bool:
        return name in self.shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)
