"""The language of forward lines, backward lines and derivative rules: a small, closed part of NumPy.

Lines are parsed with :mod:`ast` and checked against a list of what is allowed; they are never evaluated as free
Python. :func:`evaluate` runs an expression over whatever arrays it is given: numbers (:data:`NUMBERS`), cells
(:data:`CELLS`), or another library's arrays with the same names, as the tests do with HIPS autograd.
"""

from __future__ import annotations

import ast
import difflib
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sheetgrad import cells
from sheetgrad.cells import CellArray, ShapeError, shape_text


class LanguageError(ValueError):
    """A line that is not of the language; the message says what was found and what was expected."""


OPERATORS: dict[type, tuple[str, Callable]] = {
    ast.Add: ("add", operator.add),
    ast.Sub: ("sub", operator.sub),
    ast.Mult: ("mul", operator.mul),
    ast.Div: ("div", operator.truediv),
    ast.Pow: ("pow", operator.pow),
    ast.MatMult: ("matmul", operator.matmul),
}
COMPARISONS: dict[type, Callable] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
METHODS = ("sum", "mean", "max", "reshape")
ATTRIBUTES = ("T", "mT")
RULE_METHODS = (*METHODS, "add")  # zeros(shape).at[i].add(g), JAX's way to write it, in derivative rules only
RULE_ATTRIBUTES = (*ATTRIBUTES, "size", "shape", "at")
GRADIENT = re.compile(r"g(_\d+)?$")  # w.g, and w.g_1 for a step on the way to it
DEPTH = 60  # Excel nests 64 levels; no teacher's line comes near
LENGTH = 2000


class _Zeros:
    """``zeros(shape).at[key].add(value)``; ``place(value, shape, key)`` does it for one kind of array."""

    def __init__(self, place: Callable, shape, *key):
        self.place, self.shape, self.key = place, shape, key  # no key, or one, which may be None

    @property
    def at(self):
        return self

    def __getitem__(self, key):
        return _Zeros(self.place, self.shape, key)

    def add(self, value):
        if not self.key:
            raise LanguageError("expected zeros(shape).at[i].add(g)")
        return self.place(value, self.shape, *self.key)


def _place_numbers(value, shape, key):
    result = np.zeros(shape)
    result[key] = value
    return result


def _one_hot_numbers(labels, scores):
    if np.shape(labels) == np.shape(scores):
        return labels
    return (np.asarray(labels)[..., None] == np.arange(np.shape(scores)[-1])) * 1.0


NUMBERS: dict[str, Callable] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sign": np.sign,
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf, otypes=[float]),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "where": lambda condition, a, b: np.where(np.asarray(condition) != 0, a, b),
    "concatenate": np.concatenate,
    "broadcast_to": np.broadcast_to,
    "one_hot": _one_hot_numbers,
    "zeros": lambda shape: _Zeros(_place_numbers, shape),
    "ones": np.ones,
    "flag": lambda truth: np.multiply(truth, 1.0),
}
CELLS: dict[str, Callable] = {
    "exp": cells.call("EXP"),
    "log": cells.call("LN"),
    "sqrt": cells.call("SQRT"),
    "abs": cells.call("ABS"),
    "sign": cells.call("SIGN"),
    "tanh": cells.call("TANH"),
    "erf": cells.call("ERF"),
    "maximum": cells.call("MAX"),
    "minimum": cells.call("MIN"),
    "where": cells.call("IF"),
    "concatenate": cells.concatenate,
    "broadcast_to": cells.broadcast_to,
    "one_hot": cells.one_hot,
    "zeros": lambda shape: _Zeros(cells.place, shape),
    "ones": lambda shape: cells.broadcast_to(1, shape),
    "flag": lambda truth: truth,
}
PRIMITIVES = frozenset(NUMBERS) - {"flag"}


@dataclass(frozen=True)
class Assignment:
    """One parsed line ``name = expression  # note``."""

    name: str | None
    expression: ast.expr
    note: str
    number: int


def parse_lines(text: str, *, rules: bool = False, last_unnamed: bool = False) -> list[Assignment]:
    """The lines ``name = expression`` of ``text``, each checked against the language.

    ``rules`` allows what only derivative rules may use; ``last_unnamed`` lets the last line be a bare
    expression, the result. Raises ``LanguageError`` with the line's number in front.
    """
    found = []
    rows = [(k, row) for k, row in enumerate(text.splitlines(), 1) if row.split("#")[0].strip()]
    for k, row in rows:
        code, _, note = row.partition("#")
        try:
            is_result = last_unnamed and k == rows[-1][0]
            found.append(Assignment(*_parse_line(code.strip(), rules, is_result), note.strip(), k))
        except LanguageError as error:
            raise LanguageError(f"line {k}: {error}") from None
    if not found:
        raise LanguageError("no line found; expected at least one line such as  loss = mse(x @ w + b, y)")
    return found


def _parse_line(code: str, rules: bool, may_be_bare: bool) -> tuple[str | None, ast.expr]:
    if len(code) > LENGTH:
        raise LanguageError(f"{len(code)} characters; at most {LENGTH} are read")
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise LanguageError(f"{_short(code)} is not a line of NumPy: {_reason(error)}") from None
    statement = body[0]
    if may_be_bare and len(body) == 1 and isinstance(statement, ast.Expr):
        _check(statement.value, rules, 0)
        return None, statement.value
    if len(body) != 1 or not isinstance(statement, ast.Assign):
        raise LanguageError(f"found {_short(code)}, expected  name = expression")
    target = statement.targets[0]
    if len(statement.targets) != 1 or not isinstance(target, ast.Name):
        raise LanguageError(f"found {_short(code)}, expected one plain name before the =")
    _check(statement.value, rules, 0)
    return target.id, statement.value


def _short(code: str) -> str:
    return repr(code if len(code) <= 60 else code[:57] + "…")


def _reason(error: Exception) -> str:
    return error.msg if isinstance(error, SyntaxError) and error.msg else "too long or too deep"


def _check(node: ast.AST, rules: bool, depth: int) -> None:
    """Refuse everything that the language does not name."""
    if depth > DEPTH:
        raise LanguageError(f"nested more than {DEPTH} deep; give the inner part a line of its own")
    match node:
        case ast.Name():
            children = []
        case ast.Constant(value=value):
            if isinstance(value, bool) or value is None or isinstance(value, (int, float)):
                if not isinstance(value, (bool, type(None))) and not abs(value) <= 1e300:
                    raise LanguageError(f"the number {_short(ast.unparse(node))} is too large")
                children = []
            else:
                raise LanguageError(f"found {_short(ast.unparse(node))}, expected a number")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            children = [left, right]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            children = [operand]
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
            children = [left, right]
        case ast.Attribute(value=value, attr=attr):
            allowed = RULE_ATTRIBUTES if rules else ATTRIBUTES
            if attr not in allowed:
                raise LanguageError(f"found .{attr}, expected one of {_listed('.' + a for a in allowed)}")
            children = [value]
        case ast.Subscript(value=value, slice=key):
            _check_index(key, rules)
            children = [value]
        case ast.Call(func=ast.Name(), args=arguments, keywords=keywords):
            _check_keywords(node, keywords, rules)
            children = arguments
        case ast.Call(func=ast.Attribute(value=value, attr=attr), args=arguments, keywords=keywords):
            allowed = RULE_METHODS if rules else METHODS
            if attr not in allowed:
                raise LanguageError(f"found .{attr}(…), expected one of {_listed(f'.{a}()' for a in allowed)}")
            _check_keywords(node, keywords, rules)
            if attr in ("sum", "mean", "max") and len(arguments) > 1:
                raise LanguageError(f"{_short(ast.unparse(node))}: expected .{attr}(axis, keepdims=True)")
            children = [value, *arguments]
        case ast.Tuple(elts=children):
            pass
        case _:
            raise LanguageError(
                f"{_short(ast.unparse(node))} is not part of the language; expected names, numbers, "
                "+ - * / ** @, comparisons, .T, .sum(), .mean(), .max(), indices and the operations of the table"
            )
    for child in children:
        _check(child, rules, depth + 1)


def _check_keywords(node: ast.Call, keywords: list[ast.keyword], rules: bool) -> None:
    for keyword in keywords:
        plain = (ast.Constant, ast.UnaryOp, ast.Tuple, *((ast.Name,) if rules else ()))
        if keyword.arg is None or not isinstance(keyword.value, plain):
            raise LanguageError(f"{_short(ast.unparse(node))}: expected plain values after =, such as axis=0")
        _check(keyword.value, False, 0)


def _check_index(key: ast.expr, rules: bool) -> None:
    for part in key.elts if isinstance(key, ast.Tuple) else [key]:
        bounds = [part.lower, part.upper, part.step] if isinstance(part, ast.Slice) else [part]
        for bound in bounds:
            if bound is None or isinstance(bound, ast.Constant) and bound.value in (None, Ellipsis):
                continue
            try:
                if isinstance(_constant(bound), int):
                    continue
            except LanguageError:
                if rules:
                    continue  # a rule's own `i` stands for the index that the lesson wrote
            raise LanguageError(f"the index {_short(ast.unparse(key))}: expected whole numbers and slices")


def _constant(node: ast.AST):
    """The value of a literal (also negative, also a tuple)."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_constant(operand)
        case ast.Tuple(elts=elements):
            return tuple(_constant(element) for element in elements)
        case ast.Slice(lower=lower, upper=upper, step=step):
            return slice(*(None if part is None else _constant(part) for part in (lower, upper, step)))
    raise LanguageError(f"found {ast.unparse(node)}, expected a plain number")


def _listed(words) -> str:
    return ", ".join(words)


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
            case ast.Constant(value=constant):
                return constant
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -value(operand)
            case ast.UnaryOp(operand=operand):
                return value(operand)
            case ast.BinOp(left=left, op=op, right=right):
                return OPERATORS[type(op)][1](_real(value(left)), _real(value(right)))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return functions["flag"](COMPARISONS[type(op)](value(left), value(right)))
            case ast.Tuple(elts=elements):
                return tuple(value(element) for element in elements)
            case ast.Attribute(value=base, attr=attr):
                return getattr(value(base), attr)
            case ast.Subscript(value=base, slice=index):
                owner = value(base)
                return owner[value(index)] if isinstance(owner, tuple) else owner[_index(index)]
            case ast.Call(func=ast.Attribute(value=base, attr=attr), args=arguments, keywords=keywords):
                named = {word.arg: value(word.value) for word in keywords}
                return getattr(value(base), attr)(*map(value, arguments), **named)
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
        return tuple(_constant(part) for part in node.elts)
    return _constant(node)


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


class _Substitution(ast.NodeTransformer):
    def __init__(self, replacements: Mapping[str, ast.AST]):
        self.replacements = replacements

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self.replacements.get(node.id, node)


def substitute(node: ast.AST, replacements: Mapping[str, ast.AST]) -> ast.expr:
    """A copy of ``node`` with names replaced by expressions."""
    copy = ast.parse(ast.unparse(node), mode="eval").body
    return _Substitution(replacements).visit(copy)


def shape_of(node: ast.AST, shapes: Mapping[str, cells.Shape], rules=None) -> cells.Shape:
    """The shape of an expression, found by reading it over cells: nothing is computed."""
    arrays = {name: CellArray.named(name, shape) for name, shape in shapes.items()}
    value = evaluate(node, arrays, CELLS, rules)
    if isinstance(value, _Zeros):
        raise LanguageError("found zeros(…) alone, expected zeros(shape).at[i].add(g)")
    return np.shape(value)
