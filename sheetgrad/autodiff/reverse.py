"""Forward lines in, backward lines out: reverse accumulation over the lines themselves.

Method: reverse mode as in Baydin et al., "Automatic Differentiation in Machine Learning: a Survey" (2018), section 3.2,
with one vector–Jacobian product a rule."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from sheetgrad.autodiff.calls import called_rule
from sheetgrad.autodiff.given_names import part_of_gradient
from sheetgrad.autodiff.program import Line, Program, Step
from sheetgrad.autodiff.rules import Rules
from sheetgrad.autodiff.settle import MOST_LINES, contracted, settled
from sheetgrad.autodiff.simplify import Simplifier, is_spread, method_node, name_node, sign_first, tuple_node
from sheetgrad.formulas.expressions import Shape
from sheetgrad.lines.evaluate import shape_of
from sheetgrad.lines.names import mentioned, substitute, tensor_key, tensor_node
from sheetgrad.lines.parse import Assignment, LanguageError
from sheetgrad.lines.shapes import ShapeError, broadcast_shape, shape_text


def differentiate(
    forward: Sequence[Assignment],
    leaves: Mapping[str, Shape],
    requested: Sequence[str],
    rules: Rules,
    instead: Mapping[str, ast.expr] = MappingProxyType({}),
) -> Program:
    """The program of a lesson.

    ``leaves`` gives the shape of each given tensor, ``requested`` those whose gradient is wanted; ``instead`` are
    expressions by gradient (``w.g``) that take the place of the derived ones, wrong on purpose. Raises
    ``LanguageError`` naming the forward line for unknown names, shapes that do not fit, a name given twice, a
    last line that is not a single number, and a gradient that nothing leads to.
    """
    if len(forward) > MOST_LINES:
        raise LanguageError(f"line {forward[MOST_LINES].number}: more than {MOST_LINES} lines; make two lessons of it")
    steps = settled(forward, leaves, rules)
    loss = steps[-1].lines[-1]
    if np.prod(loss.shape, dtype=int) != 1 or loss.shape:
        raise LanguageError(
            f"line {forward[-1].number}: the last line is the loss and must be a single number; "
            f"{loss.target} is {shape_text(loss.shape)}: take its .sum() or .mean()"
        )
    shapes = dict(leaves) | {line.target: line.shape for step in steps for line in step.lines}
    return _Backward(leaves, steps, shapes, requested, rules, instead).program()


class _Backward:
    """Reverse accumulation: from the last line to the first, adding up what each use contributes."""

    def __init__(self, leaves, steps: Sequence[Step], shapes: dict[str, Shape], requested, rules: Rules, instead):
        self.leaves = leaves
        self.steps = steps
        self.shapes = shapes
        self.requested = tuple(requested)
        self.rules = rules
        self.instead = instead
        self.lines: list[Line] = []
        self.contributions: dict[str, list[ast.expr]] = {}
        self.parts: dict[str, ast.expr] = {}  # hoisted parts by their text: the same part is computed once
        self.wanted = set(requested)
        for step in steps:
            if self.wanted.intersection(self._passed(step.expression)):
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
        return Simplifier(self._shape).visit(node)

    def _emit(self, name: str, step: int) -> None:
        """``name.g`` is complete: the sum of what every use contributed."""
        first, *others = self.contributions[name]
        total = first
        for other in others:
            total = ast.BinOp(total, ast.Add(), other)
        key = f"{name}.g"
        self._define(key, self._simplify(self.instead.get(key, total)), step, self.shapes[name])

    def _define(self, key: str, expression: ast.expr, step: int, shape: Shape | None = None) -> ast.expr:
        def hoist(part: ast.expr) -> ast.expr:
            text = ast.unparse(part)
            if text not in self.parts:
                self.parts[text] = self._define(self._free(f"{key}_{part_of_gradient(part)}"), part, step)
            return self.parts[text]

        expression = contracted(expression, self._shape, hoist)
        expression = sign_first(_Reuse(self.parts).visit(expression))
        if is_spread(expression):
            expression = expression.args[0]  # what a line gives counts for every element of its target
        found = self._shape(expression)
        if shape is None:
            shape = found
        elif not _spreads(found, shape):
            raise LanguageError(f"the rule gives {key} as {shape_text(found)}, expected {shape_text(shape)}")
        self.lines.append(Line(key, expression, shape, step))
        self.shapes[key] = shape
        return tensor_node(key)

    def _free(self, key: str) -> str:
        count = 1
        while (found := key if count == 1 else f"{key}_{count}") in self.shapes:
            count += 1
        return found

    def _through(self, step: Step, gradient: ast.expr) -> None:
        """Carries ``gradient``, that of the step's result, back to the operands of its expression."""
        local = {part: tensor_node(target) for part, target in step.parts.items()}
        self._back(step.expression, gradient, {**local, "out": tensor_node(step.result)})

    def _passed(self, node: ast.AST) -> set[str]:
        """The tensors of an expression that a gradient can reach: not those that are only compared."""
        key = tensor_key(node)
        if key is not None:
            return {key}
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd):
            return self._passed(node.operand)
        rule, arguments = called_rule(node, self.rules, self._shape)
        return set().union(*(self._passed(arguments[name]) for name in rule.gradients)) if rule else set()

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
            gradient, found = ast.Call(name_node("broadcast_to"), [gradient, tuple_node(full)], []), full
        if not shape:
            return self._simplify(method_node(gradient, "sum"))
        for _ in range(len(found) - len(shape)):
            gradient = method_node(gradient, "sum", ast.Constant(0))
        found = found[len(found) - len(shape) :]
        for axis, (have, want) in enumerate(zip(found, shape, strict=True)):
            if have != want and want == 1:
                gradient = method_node(gradient, "sum", ast.Constant(axis), keepdims=True)
        return self._simplify(gradient)


class _Reuse(ast.NodeTransformer):
    """Names a part that has a place of its own already, instead of computing it again."""

    def __init__(self, parts: Mapping[str, ast.expr]):
        self.parts = parts

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, (ast.BinOp, ast.Compare)) and ast.unparse(node) in self.parts:
            return self.parts[ast.unparse(node)]
        return self.generic_visit(node)


def _spreads(found: Shape, shape: Shape) -> bool:
    """Whether an array of one shape can be laid over another."""
    try:
        return broadcast_shape(found, shape) == shape
    except ShapeError:
        return False
