"""The forward pass: gives every value that the backward pass or a range formula needs a line of its own."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence

from sheetgrad.autodiff.calls import called_rule, is_tuple
from sheetgrad.autodiff.given_names import GivenNames, calling
from sheetgrad.autodiff.program import Line, Step
from sheetgrad.autodiff.rules import Rules
from sheetgrad.autodiff.simplify import Simplifier, sign_first
from sheetgrad.formulas.expressions import Shape
from sheetgrad.lines.evaluate import shape_of
from sheetgrad.lines.names import closest, mentioned, substitute, tensor_key, tensor_node
from sheetgrad.lines.parse import METHODS, Assignment, LanguageError
from sheetgrad.lines.readings import PRIMITIVES

MOST_LINES = 100  # of a forward pass
SPELLED_OUT = 4  # so many names and numbers may stand inside a product, quotient or power


def settled(forward: Sequence[Assignment], leaves: Mapping[str, Shape], rules: Rules) -> tuple[Step, ...]:
    """The steps of a forward pass: every value that the backward pass needs by name has a line of its own."""
    lesson = {*leaves, *(line.name for line in forward), *rules, *PRIMITIVES}
    names = GivenNames(lesson)
    steps = _Forward(leaves, rules, names).read(forward)
    if names.clashing:  # what several lines would call by the same name is called by theirs: the same for all of them
        steps = _Forward(leaves, rules, GivenNames(lesson, names.clashing)).read(forward)
    return steps


class _Forward:
    """Reads the lines one after the other."""

    def __init__(self, leaves: Mapping[str, Shape], rules: Rules, names: GivenNames):
        self.rules = rules
        self.names = names
        self.shapes: dict[str, Shape] = dict(leaves)
        self.steps: list[Step] = []
        self.known: dict[str, Line] = {}  # by the text of what it computes

    def read(self, forward: Sequence[Assignment]) -> tuple[Step, ...]:
        for line in forward:
            try:
                self._read_line(line)
            except LanguageError as error:
                raise LanguageError(f"line {line.number}: {error}") from None
        return tuple(self.steps)

    def _read_line(self, line: Assignment) -> None:
        name = line.name
        if name in self.shapes:
            raise LanguageError(f"{name} is defined already; give every value a name of its own")
        if name in self.rules or name in PRIMITIVES:
            raise LanguageError(f"{name} is an operation; give the value another name")
        twin = next((known for known in self.shapes if known.lower() == name.lower()), None)
        if twin:
            raise LanguageError(f"{name} and {twin} differ only in case, which names in Excel do not tell apart")
        self._shape(line.expression)  # unknown names and shapes that do not fit are found on the line as written
        self._add(name, line.expression, line.note, line)

    def _shape(self, node: ast.AST) -> Shape:
        return shape_of(node, self.shapes, self.rules)

    def _give(self, part: ast.expr, line: Assignment) -> str:
        return self.names.give(calling(part, self.rules, self._shape), line.name)

    def _add(self, name: str, expression: ast.expr, note: str, written: Assignment) -> str:
        """A step for ``name = expression``, without a name for one that it gives and returns; parts that need a name of
        their own become steps before it."""

        def hoist(part: ast.expr) -> ast.expr:
            return tensor_node(self._add("", part, "", written))

        expression = _Settling(self.rules, self._shape, hoist).settle(expression, root=True)
        name = name or self._give(expression, written)
        number = len(self.steps) + 1
        lines: list[Line] = []

        def define(target: str, node: ast.expr) -> ast.expr:
            node = contracted(node, self._shape, lambda part: define(self._give(part, written), part))
            lines.append(Line(target, sign_first(node), self._shape(node), number))
            self.shapes[target] = lines[-1].shape
            self.known.setdefault(ast.unparse(node), lines[-1])
            return tensor_node(target)

        parts, shared = self._parts(expression, written, define)
        rule, arguments = called_rule(expression, self.rules, self._shape)
        if parts is None:
            define(name, expression)
        else:
            names = arguments | {part: tensor_node(target) for part, target in parts.items()}
            define(name, self._fold(rule.forward[-1].expression, names))
        operands = tuple(dict.fromkeys(mentioned(expression)))
        own = ast.parse(ast.unparse(expression), mode="eval").body  # whose positions are those of its own text
        text = f"{written.name} = {ast.unparse(written.expression)}"
        self.steps.append(Step(number, own, note, text, tuple(lines), operands, parts or {}, shared))
        return name

    def _parts(self, expression: ast.expr, written: Assignment, define: Callable):
        """The steps of the operation that an expression calls, by its own names for them, defined where the lesson has
        not computed the same already; these are the lines that are shared. None where it calls none."""
        rule, arguments = called_rule(expression, self.rules, self._shape)
        if rule is None or rule.name in PRIMITIVES or not isinstance(expression, ast.Call):
            return None, ()
        names, parts, shared = dict(arguments), {}, []
        for part in rule.steps:
            body = self._fold(part.expression, names)
            line = self.known.get(ast.unparse(body))
            if line:
                shared.append(line)
                names[part.name] = tensor_node(line.target)
            elif tensor_key(body):
                names[part.name] = body
            else:
                names[part.name] = define(self.names.give(part.name, written.name), body)
            parts[part.name] = tensor_key(names[part.name])
        return parts, tuple(shared)

    def _fold(self, node: ast.expr, names: Mapping[str, ast.AST]) -> ast.expr:
        return Simplifier(self._shape).visit(substitute(node, names))


class _Settling:
    """Which parts of a forward line get a step of their own (DESIGN, section 3)."""

    def __init__(self, rules: Rules, shape: Callable[[ast.AST], Shape], hoist: Callable[[ast.expr], ast.expr]):
        self.rules = rules
        self.shape = shape
        self.hoist = hoist

    def settle(self, node: ast.expr, root: bool = False) -> ast.expr:
        """``node`` with every part that needs it replaced by the name of a step of its own."""
        match node:
            case ast.Name() | ast.Constant():
                return node
            case ast.UnaryOp(op=op, operand=operand):
                return ast.UnaryOp(op, self._light(operand))
            case ast.BinOp(left=left, op=ast.MatMult() as op, right=right):
                return ast.BinOp(self._plain(left), op, self._plain(right))
            case ast.BinOp(left=left, op=(ast.Add() | ast.Sub()) as op, right=right):
                return ast.BinOp(self.settle(left), op, self.settle(right))
            case ast.BinOp(left=left, op=op, right=right):
                return ast.BinOp(self._light(left), op, self._light(right))
            case ast.Compare(left=left, ops=ops, comparators=[right]):
                return ast.Compare(self._light(left), ops, [self._light(right)])
            case ast.Attribute(value=value, attr=attr):
                return ast.Attribute(self._plain(value), attr, ast.Load())
            case ast.Subscript(value=value, slice=key):
                return ast.Subscript(self._plain(value), key, ast.Load())
            case ast.Call(func=ast.Attribute(value=value, attr=attr), args=arguments, keywords=keywords):
                base = self.settle(value) if attr in ("sum", "mean") else self._plain(value)
                if attr in ("sum", "mean") and not summable(base, self.shape, not arguments):
                    base = self.hoist(base)
                settled = ast.Call(ast.Attribute(base, attr, ast.Load()), arguments, keywords)
                return settled if root or attr != "max" else self.hoist(settled)
            case ast.Call(func=ast.Name(id=name) as func, args=arguments, keywords=keywords):
                if name not in self.rules:
                    raise LanguageError(f"there is no operation {name}{closest(name, self.rules)}")
                if name == "concatenate":
                    return self._concatenated(node, root)
                arguments = [argument if _is_number(argument) else self._named(argument) for argument in arguments]
                settled = ast.Call(func, arguments, keywords)
                return settled if root else self.hoist(settled)
        raise LanguageError(f"{ast.unparse(node)} cannot stand here; give it a line of its own")

    def _concatenated(self, node: ast.Call, root: bool) -> ast.expr:
        """``concatenate((a, b, c), axis)`` two at a time, as its rule is written."""
        if not is_tuple(node.args) or len(node.args[0].elts) < 2:
            raise LanguageError(f"{ast.unparse(node)}: expected concatenate((a, b), axis=0)")
        result, *others = map(self._named, node.args[0].elts)
        for k, part in enumerate(others, 1):
            pair = ast.Tuple([result, part], ast.Load())
            result = ast.Call(node.func, [pair, *node.args[1:]], node.keywords)
            if k < len(others):
                result = self.hoist(result)
        return result if root else self.hoist(result)

    def _named(self, node: ast.expr) -> ast.expr:
        return node if tensor_key(node) else self.hoist(node)

    def _plain(self, node: ast.expr) -> ast.expr:
        node = self.settle(node)
        return node if is_plain(node) else self.hoist(node)

    def _light(self, node: ast.expr) -> ast.expr:
        node = self.settle(node)
        heavy = len(mentioned(node)) > SPELLED_OUT or any(_is_matmul(part) for part in ast.walk(node))
        return self.hoist(node) if heavy else node


def _is_matmul(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, (ast.Constant, ast.Tuple)) or (isinstance(node, ast.UnaryOp) and _is_number(node.operand))


def is_plain(node: ast.AST) -> bool:
    """A tensor as it stands, turned or cut: its cells can be named by a range."""
    match node:
        case ast.Attribute(value=value, attr="T" | "mT"):
            return is_plain(value)
        case ast.Subscript(value=value, slice=key):
            parts = key.elts if isinstance(key, ast.Tuple) else [key]
            runs = (p for p in parts if isinstance(p, ast.Slice))
            turned = any(p.step is not None for p in runs) or any(
                isinstance(p, ast.Constant) and p.value is None for p in parts
            )
            return is_plain(value) and not turned
    return tensor_key(node) is not None


def summable(node: ast.AST, shape: Callable[[ast.AST], Shape], over_all: bool = False) -> bool:
    """Whether a spreadsheet sums it in one plain call: ``SUM``, ``SUMPRODUCT``, ``SUMSQ`` or ``SUMXMY2``."""
    match node:
        case ast.UnaryOp(operand=operand):
            return summable(operand, shape, over_all)
        case ast.BinOp(left=ast.Constant(), op=ast.Mult(), right=rest):
            return summable(rest, shape, over_all)
        case ast.BinOp(left=rest, op=ast.Mult() | ast.Div(), right=ast.Constant()):
            return summable(rest, shape, over_all)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return is_plain(left) and is_plain(right) and (not over_all or shape(left) == shape(right))
        case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=2)):
            match base:
                case ast.BinOp(left=left, op=ast.Sub(), right=right):
                    return is_plain(left) and is_plain(right) and shape(left) == shape(right)
            return is_plain(base)
    return is_plain(node)


class _Contractions(ast.NodeTransformer):
    """Gives whatever is summed, compared for its maximum or multiplied by ``@`` a place of its own."""

    def __init__(self, shape: Callable[[ast.AST], Shape], hoist: Callable[[ast.expr], ast.expr]):
        self.shape = shape
        self.hoist = hoist

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.args = [self.visit(argument) for argument in node.args]
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            base = self.visit(node.func.value)
            whole = node.func.attr in ("sum", "mean") and summable(base, self.shape, not node.args)
            node.func.value = base if whole or is_plain(base) else self.hoist(base)
        elif isinstance(node.func, ast.Attribute):
            node.func.value = self.visit(node.func.value)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        node.left, node.right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, ast.MatMult):
            node.left = node.left if is_plain(node.left) else self.hoist(node.left)
            node.right = node.right if is_plain(node.right) else self.hoist(node.right)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if tensor_key(node):
            return node
        node.value = self.visit(node.value)
        return node


def contracted(node: ast.expr, shape: Callable, hoist: Callable[[ast.expr], ast.expr]) -> ast.expr:
    return _Contractions(shape, hoist).visit(substitute(node, {}))
