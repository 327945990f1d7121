"""The language of forward lines, backward lines and derivative rules: a small, closed part of NumPy.

Lines are parsed with :mod:`ast` and checked against a list of what is allowed; they are never evaluated as free Python."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass

from sheetgrad.lines.names import tensor_key


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
DEPTH = 60  # Excel nests 64 levels; no teacher's line comes near
LENGTH = 2000


@dataclass(frozen=True)
class Assignment:
    """One parsed line ``name = expression  # note``."""

    name: str | None
    expression: ast.expr
    note: str
    number: int

    @property
    def text(self) -> str:
        """The line without its note."""
        return f"{f'{self.name} = ' if self.name else ''}{ast.unparse(self.expression)}"


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


def parse_backward_line(code: str) -> tuple[str, ast.expr]:
    """A line of a backward pass, ``w.g = x.T @ out.g``: its gradient and its expression. Raises ``LanguageError``."""
    try:
        (statement,) = ast.parse(code.strip()).body
        target = tensor_key(statement.targets[0])
        if len(statement.targets) > 1 or not target.endswith(".g"):
            raise LanguageError(f"found {shortened(code)}, expected a line such as  w.g = x.T @ out.g")
    except (SyntaxError, ValueError, AttributeError, RecursionError, MemoryError):
        raise LanguageError(f"found {shortened(code)}, expected a line such as  w.g = x.T @ out.g") from None
    _check(_Plain().visit(ast.parse(ast.unparse(statement.value), mode="eval").body), True, 0)
    return target, statement.value


class _Plain(ast.NodeTransformer):
    """Gradients become plain names, which the language knows."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        key = tensor_key(node)
        return ast.Name(key.replace(".", "_"), ast.Load()) if key else self.generic_visit(node)


def parse_expression(text: str) -> ast.expr:
    """One line of a table (:mod:`sheetgrad.tables`), which may also say ``a if test else b``, ``and``, ``or``, ``in``,
    texts, ``f"{n} of {m}"`` and names with a dot. Raises ``LanguageError``."""
    try:
        node = ast.parse(f"({text})", mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise LanguageError(f"{shortened(text)} is not a line of a table: {_reason(error)}") from None
    _check(node, False, 0, tables=True)
    return node


def _parse_line(code: str, rules: bool, may_be_bare: bool) -> tuple[str | None, ast.expr]:
    if len(code) > LENGTH:
        raise LanguageError(f"{len(code)} characters; at most {LENGTH} are read")
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise LanguageError(f"{shortened(code)} is not a line of NumPy: {_reason(error)}") from None
    statement = body[0]
    if may_be_bare and len(body) == 1 and isinstance(statement, ast.Expr):
        _check(statement.value, rules, 0)
        return None, statement.value
    if len(body) != 1 or not isinstance(statement, ast.Assign):
        raise LanguageError(f"found {shortened(code)}, expected  name = expression")
    target = statement.targets[0]
    if len(statement.targets) != 1 or not isinstance(target, ast.Name):
        raise LanguageError(f"found {shortened(code)}, expected one plain name before the =")
    _check(statement.value, rules, 0)
    return target.id, statement.value


def shortened(code: str) -> str:
    return repr(code if len(code) <= 60 else code[:57] + "…")


def _reason(error: Exception) -> str:
    return error.msg if isinstance(error, SyntaxError) and error.msg else "too long or too deep"


def _check(node: ast.AST, rules: bool, depth: int, tables: bool = False) -> None:
    """Refuse everything that the language does not name."""
    if depth > DEPTH:
        raise LanguageError(f"nested more than {DEPTH} deep; give the inner part a line of its own")
    children = _of_tables(node) if tables else None
    if children is None:
        children = _of_lessons(node, rules)
    for child in children:
        _check(child, rules, depth + 1, tables)


def _of_tables(node: ast.AST) -> list[ast.expr] | None:
    """The parts of what only the lines of tables may say; None for the rest of the language."""
    match node:
        case ast.Constant(value=str()) | ast.Attribute(value=ast.Name()):
            return []
        case ast.BoolOp(values=values):
            return values
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            return [test, body, otherwise]
        case ast.Compare(left=left, ops=[ast.In()], comparators=[right]):
            return [left, right]
        case ast.JoinedStr(values=values):
            return [part.value if isinstance(part, ast.FormattedValue) else part for part in values]
    return None


def _of_lessons(node: ast.AST, rules: bool) -> list[ast.expr]:
    """The parts of what lessons and derivative rules may say."""
    match node:
        case ast.Name():
            children = []
        case ast.Constant(value=value):
            if isinstance(value, bool) or value is None or isinstance(value, (int, float)):
                if not isinstance(value, (bool, type(None))) and not abs(value) <= 1e300:
                    raise LanguageError(f"the number {shortened(ast.unparse(node))} is too large")
                children = []
            else:
                raise LanguageError(f"found {shortened(ast.unparse(node))}, expected a number")
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
                raise LanguageError(f"{shortened(ast.unparse(node))}: expected .{attr}(axis, keepdims=True)")
            children = [value, *arguments]
        case ast.Tuple(elts=children):
            pass
        case _:
            raise LanguageError(
                f"{shortened(ast.unparse(node))} is not part of the language; expected names, numbers, "
                "+ - * / ** @, comparisons, .T, .sum(), .mean(), .max(), indices and the operations of the table"
            )
    return children


def _check_keywords(node: ast.Call, keywords: list[ast.keyword], rules: bool) -> None:
    for keyword in keywords:
        plain = (ast.Constant, ast.UnaryOp, ast.Tuple, *((ast.Name,) if rules else ()))
        if keyword.arg is None or not isinstance(keyword.value, plain):
            raise LanguageError(f"{shortened(ast.unparse(node))}: expected plain values after =, such as axis=0")
        _check(keyword.value, False, 0)


def _check_index(key: ast.expr, rules: bool) -> None:
    for part in key.elts if isinstance(key, ast.Tuple) else [key]:
        bounds = [part.lower, part.upper, part.step] if isinstance(part, ast.Slice) else [part]
        for bound in bounds:
            if bound is None or isinstance(bound, ast.Constant) and bound.value in (None, Ellipsis):
                continue
            try:
                if isinstance(constant(bound), int):
                    continue
            except LanguageError:
                if rules:
                    continue  # a rule's own `i` stands for the index that the lesson wrote
            raise LanguageError(f"the index {shortened(ast.unparse(key))}: expected whole numbers and slices")


def constant(node: ast.AST):
    """The value of a literal (also negative, also a tuple)."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -constant(operand)
        case ast.Tuple(elts=elements):
            return tuple(constant(element) for element in elements)
        case ast.Slice(lower=lower, upper=upper, step=step):
            return slice(*(None if part is None else constant(part) for part in (lower, upper, step)))
    raise LanguageError(f"found {ast.unparse(node)}, expected a plain number")


def _listed(words) -> str:
    return ", ".join(words)
