"""Forward lines in, backward lines out: reverse accumulation over the lines themselves.

The result is a :class:`Program` of plain lines, such as ``w.g = inp.T @ out.g``. They are what the student
reads, what NumPy runs and what the cells run. Method: reverse mode as in Baydin et al., "Automatic
Differentiation in Machine Learning: a Survey" (2018), section 3.2, with one vector–Jacobian product a rule.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sheetgrad.cells import CellArray, Shape, ShapeError, broadcast_shape, checked_axis, shape_text, truth_as_number
from sheetgrad.language import (
    CELLS,
    METHODS,
    NUMBERS,
    OPERATORS,
    PRIMITIVES,
    Assignment,
    LanguageError,
    closest,
    evaluate,
    shape_of,
    substitute,
    tensor_key,
    tensor_node,
)
from sheetgrad.rules import Rule, Rules

MOST_LINES = 100  # of a forward pass
SPELLED_OUT = 4  # so many names and numbers may stand inside a product, quotient or power


@dataclass(frozen=True)
class Line:
    """``target = expression``; ``target`` is a tensor (``out``) or a gradient (``w.g``)."""

    target: str
    expression: ast.expr
    shape: Shape
    step: int

    @property
    def text(self) -> str:
        return f"{self.target} = {ast.unparse(self.expression)}"

    @property
    def operands(self) -> tuple[str, ...]:
        """The tensors that the expression names, in the order of reading, each once."""
        return tuple(dict.fromkeys(mentioned(self.expression)))


@dataclass(frozen=True)
class Step:
    """One forward line as written: its heading and the lines that compute it (more than one for a softmax).

    ``parts`` maps the operation's own names for its steps to the tensors that hold them.
    """

    number: int
    heading: str
    note: str
    lines: tuple[Line, ...]
    operands: tuple[str, ...]
    parts: Mapping[str, str]

    @property
    def result(self) -> str:
        return self.lines[-1].target


@dataclass(frozen=True)
class Program:
    """A forward pass and its backward pass.

    ``leaves``: shapes of the tensors that are given. ``steps``: the forward pass, top to bottom. ``backward``:
    the backward lines in the order in which they are computed. ``requested``: the leaves whose gradient was
    asked for. ``shapes``: of every tensor and every gradient.
    """

    leaves: Mapping[str, Shape]
    steps: tuple[Step, ...]
    backward: tuple[Line, ...]
    requested: tuple[str, ...]
    shapes: Mapping[str, Shape]
    rules: Rules = field(repr=False)

    @property
    def loss(self) -> str:
        return self.steps[-1].result

    @property
    def forward(self) -> tuple[Line, ...]:
        return tuple(line for step in self.steps for line in step.lines)

    @cached_property
    def cells(self) -> Mapping[str, CellArray]:
        """Every line read over cells, by its target."""
        arrays = {key: CellArray.named(key, shape) for key, shape in self.shapes.items()}
        lines = (*self.forward, *self.backward)
        values = {line.target: evaluate(line.expression, arrays, CELLS, self.rules) for line in lines}
        return {line.target: truth_as_number(CELLS["broadcast_to"](values[line.target], line.shape)) for line in lines}

    def run(self, numbers: Mapping[str, np.ndarray], functions=NUMBERS) -> dict[str, np.ndarray]:
        """Every tensor and every gradient by name, on numbers."""
        return run_lines((*self.forward, *self.backward), numbers, self.rules, functions)

    def forward_after(self, changed: Iterable[str]) -> tuple[Line, ...]:
        """The forward lines that depend on the given tensors."""
        moved = set(changed)
        lines = []
        for line in self.forward:
            if moved.intersection(line.operands):
                moved.add(line.target)
                lines.append(line)
        return tuple(lines)


def run_lines(lines: Sequence[Line], numbers: Mapping[str, np.ndarray], rules: Rules, functions=NUMBERS):
    """``numbers`` and the value of every line, by name; NumPy's warnings about infinities are kept silent."""
    values = dict(numbers)
    with np.errstate(all="ignore"):
        for line in lines:
            value = evaluate(line.expression, values, functions, rules)
            if functions is NUMBERS:
                value = np.array(np.broadcast_to(value, line.shape), dtype=float)
            values[line.target] = value
    return values


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


def differentiate(
    forward: Sequence[Assignment], leaves: Mapping[str, Shape], requested: Sequence[str], rules: Rules
) -> Program:
    """The program of a lesson.

    ``leaves`` gives the shape of each given tensor, ``requested`` those whose gradient is wanted. Raises
    ``LanguageError`` naming the forward line for unknown names, shapes that do not fit, a name given twice, a
    last line that is not a single number, and a gradient that nothing leads to.
    """
    if len(forward) > MOST_LINES:
        raise LanguageError(f"line {forward[MOST_LINES].number}: more than {MOST_LINES} lines; make two lessons of it")
    steps = _Forward(leaves, rules).read(forward)
    loss = steps[-1].lines[-1]
    if np.prod(loss.shape, dtype=int) != 1 or loss.shape:
        raise LanguageError(
            f"line {forward[-1].number}: the last line is the loss and must be a single number; "
            f"{loss.target} is {shape_text(loss.shape)}: take its .sum() or .mean()"
        )
    shapes = dict(leaves) | {line.target: line.shape for step in steps for line in step.lines}
    return _Backward(leaves, steps, shapes, requested, rules).program()


# -- the forward pass --------------------------------------------------------------------------------------------


class _Forward:
    """Gives every value that the backward pass needs by name a line of its own."""

    def __init__(self, leaves: Mapping[str, Shape], rules: Rules):
        self.leaves = leaves
        self.rules = rules
        self.shapes: dict[str, Shape] = dict(leaves)
        self.steps: list[Step] = []
        self.taken: set[str] = set(leaves)

    def read(self, forward: Sequence[Assignment]) -> tuple[Step, ...]:
        self.taken |= {line.name for line in forward}
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
        self._add(name, line.expression, line.note)

    def _shape(self, node: ast.AST) -> Shape:
        return shape_of(node, self.shapes, self.rules)

    def _add(self, name: str, expression: ast.expr, note: str) -> None:
        """A step for ``name = expression``; parts that need a name of their own become steps before it."""

        def hoist(part: ast.expr) -> ast.expr:
            part_name = _free_name(name, self.taken)
            self._add(part_name, part, "")
            return tensor_node(part_name)

        expression = _Settling(self.rules, self._shape, hoist).settle(expression, root=True)
        heading = f"{name} = {ast.unparse(expression)}"
        number = len(self.steps) + 1
        lines: list[Line] = []

        def define(target: str, node: ast.expr) -> ast.expr:
            node = _contracted(node, self._shape, lambda part: define(_free_name(name, self.taken), part))
            lines.append(Line(target, node, self._shape(node), number))
            self.shapes[target] = lines[-1].shape
            return tensor_node(target)

        rule, arguments = called_rule(expression, self.rules, self._shape)
        parts: dict[str, str] = {}
        if rule is not None and rule.name not in PRIMITIVES and isinstance(expression, ast.Call):
            names = dict(arguments)
            for part in rule.steps:
                body = self._fold(part.expression, names)
                parts[part.name] = _free_name(name, self.taken, part.name)
                names[part.name] = define(parts[part.name], body)
            define(name, self._fold(rule.forward[-1].expression, names))
        else:
            define(name, expression)
        operands = tuple(dict.fromkeys(mentioned(expression)))
        self.steps.append(Step(number, heading, note, tuple(lines), operands, parts))

    def _fold(self, node: ast.expr, names: Mapping[str, ast.AST]) -> ast.expr:
        return _Simplifier(self._shape).visit(substitute(node, names))


def _free_name(base: str, taken: set[str], suffix: str | None = None) -> str:
    """``base_suffix``, or ``base_1``, ``base_2``, …: the first that is free, which is taken from now on."""
    candidates = [f"{base}_{suffix}"] if suffix else []
    k = 1
    lower = {name.lower() for name in taken}
    while True:
        for candidate in candidates or [f"{base}_{k}"]:
            if candidate.lower() not in lower:
                taken.add(candidate)
                return candidate
        candidates = []
        k += 1


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
        if not _is_tuple(node.args) or len(node.args[0].elts) < 2:
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


def _is_tuple(arguments: Sequence[ast.expr]) -> bool:
    return bool(arguments) and isinstance(arguments[0], ast.Tuple)


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


def _contracted(node: ast.expr, shape: Callable, hoist: Callable[[ast.expr], ast.expr]) -> ast.expr:
    return _Contractions(shape, hoist).visit(substitute(node, {}))


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
            shape_node = sizes[0] if _is_tuple(sizes) else ast.Tuple(list(sizes), ast.Load())
            name, positional, keywords = "reshape", [value, shape_node], []
        case ast.Call(func=ast.Attribute(value=value, attr=attr), args=arguments, keywords=keywords):
            name, positional = attr, [value, *arguments]
        case ast.Call(func=ast.Name(id=name), args=positional, keywords=keywords):
            if _is_tuple(positional):
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


# -- the backward pass -------------------------------------------------------------------------------------------


class _Backward:
    """Reverse accumulation: from the last line to the first, adding up what each use contributes."""

    def __init__(self, leaves, steps: Sequence[Step], shapes: dict[str, Shape], requested, rules: Rules):
        self.leaves = leaves
        self.steps = steps
        self.shapes = shapes
        self.requested = tuple(requested)
        self.rules = rules
        self.lines: list[Line] = []
        self.contributions: dict[str, list[ast.expr]] = {}
        self.parts: dict[str, ast.expr] = {}  # hoisted parts by their text: the same part is computed once
        self.wanted = set(requested)
        for step in steps:
            if self.wanted.intersection(step.operands):
                self.wanted.add(step.result)

    def program(self) -> Program:
        loss = self.steps[-1].result
        first_use = {}
        for step in reversed(self.steps):
            first_use.update(dict.fromkeys(step.operands, step.number))
        self.contributions[loss] = [ast.Constant(1)]
        for step in reversed(self.steps):
            if step.result in self.wanted and step.result in self.contributions:
                if step.result == loss:
                    gradient: ast.expr = ast.Constant(1)
                else:
                    self._emit(step.result, step.number)
                    gradient = tensor_node(f"{step.result}.g")
                self._through(step, gradient)
            for name in step.operands:
                given = name in self.requested and name in self.leaves
                if given and first_use[name] == step.number and name in self.contributions:
                    self._emit(name, step.number)
        missing = [name for name in self.requested if name != loss and f"{name}.g" not in self.shapes]
        if missing:
            raise LanguageError(f"gradients: nothing leads from {missing[0]} to {loss}; take it off the list")
        return Program(dict(self.leaves), tuple(self.steps), tuple(self.lines), self.requested, self.shapes, self.rules)

    def _shape(self, node: ast.AST) -> Shape:
        return shape_of(node, self.shapes, self.rules)

    def _simplify(self, node: ast.AST) -> ast.expr:
        return _Simplifier(self._shape).visit(node)

    def _emit(self, name: str, step: int) -> None:
        """``name.g`` is complete: the sum of what every use contributed."""
        first, *others = self.contributions[name]
        total = first
        for other in others:
            total = ast.BinOp(total, ast.Add(), other)
        self._define(f"{name}.g", self._simplify(total), step, self.shapes[name])

    def _define(self, key: str, expression: ast.expr, step: int, shape: Shape | None = None) -> ast.expr:
        count = 0

        def hoist(part: ast.expr) -> ast.expr:
            nonlocal count
            text = ast.unparse(part)
            if text not in self.parts:
                count += 1
                self.parts[text] = self._define(f"{key}_{count}", part, step)
            return self.parts[text]

        expression = _contracted(expression, self._shape, hoist)
        expression = _Ones().visit(_Reuse(self.parts).visit(expression))
        found = self._shape(expression)
        if shape is not None and found != shape and _spreads(found, shape):
            expression = ast.Call(ast.Name("broadcast_to", ast.Load()), [expression, _tuple(shape)], [])
            found = shape
        if shape is not None and found != shape:
            raise LanguageError(f"the rule gives {key} as {shape_text(found)}, expected {shape_text(shape)}")
        self.lines.append(Line(key, expression, found, step))
        self.shapes[key] = found
        return tensor_node(key)

    def _through(self, step: Step, gradient: ast.expr) -> None:
        """Carries ``gradient``, that of the step's result, back to the operands of its expression."""
        expression = ast.parse(step.heading.split(" = ", 1)[1], mode="eval").body
        local = {part: tensor_node(target) for part, target in step.parts.items()}
        self._back(expression, gradient, {**local, "out": tensor_node(step.result)})

    def _back(self, node: ast.AST, gradient: ast.expr, known: Mapping[str, ast.AST]) -> None:
        key = tensor_key(node)
        if key is not None:
            if key in self.wanted:
                self.contributions.setdefault(key, []).append(gradient)
            return
        if not self.wanted.intersection(mentioned(node)):
            return
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd):
            return self._back(node.operand, gradient, known)
        rule, arguments = called_rule(node, self.rules, self._shape)
        if rule is None:
            return  # a comparison: its gradient is 0 wherever it has one
        names = {**known, **arguments, "g": gradient}
        for argument, lines in rule.gradients.items():
            operand = arguments[argument]
            if not self.wanted.intersection(mentioned(operand)):
                continue
            inner = dict(names)
            try:
                for line in lines:
                    result = self._simplify(substitute(line.expression, inner))
                    inner[line.name] = result
                result = self._unbroadcast(result, self._shape(operand))
            except (LanguageError, ShapeError, AttributeError, TypeError, IndexError) as error:
                raise LanguageError(f"the rule of {rule.name} does not fit, gradient of {argument}: {error}") from None
            self._back(operand, result, {})

    def _unbroadcast(self, gradient: ast.expr, shape: Shape) -> ast.expr:
        """The gradient summed over the axes along which the operand was broadcast."""
        found = self._shape(gradient)
        if found == shape:
            return gradient
        full = broadcast_shape(found, shape)
        if full != found:  # a rule may leave out an axis along which its gradient is the same
            gradient, found = ast.Call(_name("broadcast_to"), [gradient, _tuple(full)], []), full
        if not shape:
            return self._simplify(_method(gradient, "sum"))
        for _ in range(len(found) - len(shape)):
            gradient = _method(gradient, "sum", ast.Constant(0))
        found = found[len(found) - len(shape) :]
        for axis, (have, want) in enumerate(zip(found, shape, strict=True)):
            if have != want and want == 1:
                gradient = _method(gradient, "sum", ast.Constant(axis), keepdims=True)
        return self._simplify(gradient)


class _Ones(ast.NodeTransformer):
    """``ones(shape)`` for a spread 1, once everything else is settled."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _is_spread(node) and _number(node.args[0]) == 1:
            return ast.Call(_name("ones"), [node.args[1]], [])
        return node


class _Reuse(ast.NodeTransformer):
    """Names a part that has a place of its own already, instead of computing it again."""

    def __init__(self, parts: Mapping[str, ast.expr]):
        self.parts = parts

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, (ast.BinOp, ast.Compare)) and ast.unparse(node) in self.parts:
            return self.parts[ast.unparse(node)]
        return self.generic_visit(node)


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _tuple(values: Shape) -> ast.Tuple:
    return ast.Tuple([ast.Constant(value) for value in values], ast.Load())


def _method(base: ast.expr, name: str, *arguments: ast.expr, keepdims: bool = False) -> ast.Call:
    words = [ast.keyword("keepdims", ast.Constant(True))] if keepdims else []
    return ast.Call(ast.Attribute(base, name, ast.Load()), list(arguments), words)


def _number(node: ast.AST) -> float | None:
    match node:
        case ast.Constant(value=value) if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)) if isinstance(value, (int, float)):
            return -value
    return None


def _spreads(found: Shape, shape: Shape) -> bool:
    """Whether an array of one shape can be laid over another."""
    try:
        return broadcast_shape(found, shape) == shape
    except ShapeError:
        return False


class _Simplifier(ast.NodeTransformer):
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
                return _tuple(self.shape(value))
            case ("T" | "mT") as attr, ast.Attribute(value=inner, attr=again) if attr == again:
                return inner
            case "T", _ if len(self.shape(value)) < 2:
                return value
            case "T", ast.BinOp(left=left, op=ast.MatMult() as op, right=right) if self._matrices(left, right):
                turned = (self.visit(ast.Attribute(part, "T", ast.Load())) for part in (right, left))
                return ast.BinOp(next(turned), op, next(turned))
        return ast.Attribute(value, node.attr, ast.Load())

    def _matrices(self, *parts: ast.AST) -> bool:
        return all(len(self.shape(part)) == 2 for part in parts)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        value = self.visit(node.value)
        if isinstance(value, ast.Tuple):
            return value.elts[_number(node.slice)]
        return ast.Subscript(value, node.slice, ast.Load())

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        operand = self.visit(node.operand)
        return _negative(operand) if isinstance(node.op, ast.USub) else operand

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        left, right = self.visit(node.left), self.visit(node.right)
        a, b = _number(left), _number(right)
        if _is_spread(left) and b is not None:
            inner = self.visit(ast.BinOp(left.args[0], node.op, right))
            return ast.Call(left.func, [inner, *left.args[1:]], [])
        if not isinstance(node.op, ast.MatMult):
            left, right = self._unspread(left, right), self._unspread(right, left)
            a, b = _number(left), _number(right)
        if a is not None and b is not None:
            folded = _folded(node.op, a, b)
            if folded is not None:
                return folded
        match node.op:
            case ast.Mult():
                if _number(left) == 1:
                    return right
                if _number(right) == 1:
                    return left
            case ast.Div():
                if b == 1:
                    return left
            case ast.Pow():
                if b == 1:
                    return left
                if b == 0:
                    return ast.Constant(1)
            case ast.Add():
                if isinstance(right, ast.UnaryOp) and isinstance(right.op, ast.USub):
                    return ast.BinOp(left, ast.Sub(), right.operand)
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
                return inner if len(signs) == 2 else _negative(inner)
        return ast.BinOp(left, node.op, right)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        left, right = self.visit(node.left), self.visit(node.comparators[0])
        return ast.Compare(self._unspread(left, right), node.ops, [self._unspread(right, left)])

    def visit_Call(self, node: ast.Call) -> ast.AST:
        arguments = [self.visit(argument) for argument in node.args]
        words = [ast.keyword(word.arg, self.visit(word.value)) for word in node.keywords]
        if isinstance(node.func, ast.Attribute):
            return self._method(node.func, arguments, words)
        match node.func.id, arguments:
            case "spread", [g, a, axis, keepdims]:
                return self.visit(self._spread(g, self.shape(a), _number(axis), keepdims.value))
            case "cut", [g, start, stop, axis]:
                return _cut(g, _number(start), _number(stop), checked_axis(_number(axis), self.shape(g)))
            case "broadcast_to", [value, shape]:
                if self.shape(value) == tuple(size.value for size in shape.elts):
                    return value
        return ast.Call(node.func, arguments, words)

    def _method(self, func: ast.Attribute, arguments: list, words: list) -> ast.AST:
        base = self.visit(func.value)
        arguments = [a for a in arguments if not (isinstance(a, ast.Constant) and a.value is None)]
        words = [w for w in words if not (isinstance(w.value, ast.Constant) and w.value.value in (False, None))]
        if func.attr == "sum" and isinstance(base, ast.UnaryOp):
            return _negative(ast.Call(ast.Attribute(base.operand, "sum", ast.Load()), arguments, words))
        return ast.Call(ast.Attribute(base, func.attr, ast.Load()), arguments, words)

    def _spread(self, g: ast.expr, shape: Shape, axis, keepdims: bool) -> ast.expr:
        """The gradient ``g`` of a reduction laid back over ``shape``."""
        if axis is not None and not keepdims:
            axis = checked_axis(axis, shape)
            if axis:
                keys = [ast.Slice()] * axis + [ast.Constant(None)] + [ast.Slice()] * (len(shape) - axis - 1)
                g = ast.Subscript(g, ast.Tuple(keys, ast.Load()), ast.Load())
        return ast.Call(_name("broadcast_to"), [g, _tuple(shape)], [])

    def _unspread(self, node: ast.expr, other: ast.expr) -> ast.expr:
        """``node`` without a spreading that the product with ``other`` does by itself."""
        match node:
            case ast.Call(func=ast.Name(id="broadcast_to"), args=[value, shape]):
                if self.shape(other) == tuple(size.value for size in shape.elts):
                    return value
        return node


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


def _is_spread(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "broadcast_to"


def _negative(node: ast.expr) -> ast.expr:
    if _is_spread(node):
        return ast.Call(node.func, [_negative(node.args[0]), *node.args[1:]], [])
    return node.operand if isinstance(node, ast.UnaryOp) else ast.UnaryOp(ast.USub(), node)
