"""A lesson as programs: the same lines in NumPy, gradients spelled out, and in PyTorch, which finds them by itself."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sheetgrad.autodiff.rules import builtin_rules
from sheetgrad.lesson.model import Lesson
from sheetgrad.lesson.tensors import Tensor
from sheetgrad.lines.names import tensor_key

NUMPY = {
    name: f"np.{name}"
    for name in ("exp", "log", "sqrt", "abs", "sign", "tanh", "maximum", "minimum", "where", "concatenate")
} | {"broadcast_to": "np.broadcast_to", "ones": "np.ones"}
TORCH = {
    **{name: f"torch.{name}" for name in ("exp", "log", "sqrt", "abs", "tanh", "sigmoid", "square", "relu", "where")},
    "concatenate": "torch.cat",
    "maximum": "torch.maximum",
    "minimum": "torch.minimum",
    "softmax": "torch.softmax",
    "log_softmax": "torch.log_softmax",
    "softplus": "F.softplus",
    "gelu": "F.gelu",
    "leaky_relu": "F.leaky_relu",
    "mse": "F.mse_loss",
    "cross_entropy": "F.cross_entropy",
    "binary_cross_entropy": "F.binary_cross_entropy_with_logits",
}
KEYWORDS = {"axis": "dim", "keepdims": "keepdim", "slope": "negative_slope"}
HELPERS = {
    "erf": ["from math import erf", "erf = np.vectorize(erf, otypes=[float])"],
    "one_hot": [
        "def one_hot(labels, scores):",
        "    return labels if labels.shape == scores.shape else np.eye(scores.shape[-1])[labels.astype(int)]",
    ],
    "placed": [
        "def placed(value, shape, key):",
        "    result = np.zeros(shape)",
        "    np.add.at(result, key, value)",
        "    return result",
    ],
}
RESERVED = {"np", "torch", "F", "erf", "one_hot", "placed", "step", "lr", "momentum", "optimizer"}


@dataclass(frozen=True)
class Row:
    """One line of both programs; ``key`` is the tensor or gradient that it makes, ``part`` where it belongs:
    ``import``, ``given``, ``forward``, ``backward`` or ``training``."""

    part: str
    numpy: str = ""
    torch: str = ""
    key: str = ""


def listing(lesson: Lesson) -> list[Row]:
    """Both programs, line beside line. Running either leaves every tensor under the name that it has in the lesson;
    the gradient ``w.g`` is ``w_g`` in NumPy and ``w.grad`` in PyTorch."""
    names = _Names(lesson)
    rows = [Row("import", "import numpy as np", "import torch"), Row("import", "", "import torch.nn.functional as F")]
    rows += _helpers(lesson, names)
    for tensor in lesson.tensors.values():
        rows += _given(tensor, names.of(tensor.name), tensor.name in lesson.gradients)
    rows += _forward(lesson, names) + _backward(lesson, names)
    if "training" in lesson.sections:
        rows += _training(lesson, names)
    return rows


def program_text(rows: Iterable[Row], language: str, parts: Iterable[str] | None = None) -> str:
    """The lines of one language, as a file; ``parts`` are those wanted, all without it."""
    wanted = None if parts is None else set(parts)
    lines = [getattr(row, language) for row in rows if wanted is None or row.part in wanted]
    return "\n".join(line for line in lines if line) + "\n"


class _Names:
    """Python names for tensors and gradients, none of them taken twice."""

    def __init__(self, lesson: Lesson):
        self.known: dict[str, str] = {}
        taken = set(RESERVED) | set(lesson.rules)
        for key in dict.fromkeys((*lesson.program.shapes, *(line.target for line in lesson.program.backward))):
            name = key.replace(".", "_")
            while name in taken or keyword.iskeyword(name):
                name += "_"
            taken.add(name)
            self.known[key] = name

    def of(self, key: str) -> str:
        return self.known[key]


def _given(tensor: Tensor, name: str, grad: bool) -> list[Row]:
    """The numbers of a tensor; a row of a matrix is a line of its own."""
    starts = f"{name} = np.array(", f"{name} = torch.tensor("
    ends = ", dtype=float)", f", dtype=torch.float64{', requires_grad=True' if grad else ''})"
    if tensor.values.ndim < 2:
        lines = [(start + str(tensor.values.tolist()) + end) for start, end in zip(starts, ends, strict=True)]
        return [Row("given", *lines, tensor.name)]
    inner = [f"    {part}," for part in tensor.values.tolist()]
    first = Row("given", *(f"{start}[" for start in starts), tensor.name)
    return [first, *(Row("given", part, part) for part in inner), Row("given", *(f"]{end}" for end in ends))]


class _Translator(ast.NodeTransformer):
    """Writes an expression of the lesson in another library's names."""

    def __init__(self, names: _Names, functions: Mapping[str, str], torch: bool):
        self.names, self.functions, self.torch = names, functions, torch

    def text(self, node: ast.expr) -> str:
        tree = ast.fix_missing_locations(self.visit(ast.parse(ast.unparse(node), mode="eval").body))
        return ast.unparse(tree)

    def visit(self, node: ast.AST) -> ast.AST:
        key = tensor_key(node)
        if key is not None and key in self.names.known:
            return ast.Name(self.names.of(key), ast.Load())
        return super().visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if isinstance(node.op, (ast.Add, ast.Sub)):  # True + True is True in NumPy
            node.left, node.right = (
                ast.BinOp(part, ast.Mult(), ast.Constant(1.0)) if isinstance(part, ast.Compare) else part
                for part in (node.left, node.right)
            )
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node.func:
            case ast.Attribute(
                value=ast.Subscript(value=ast.Attribute(value=ast.Call(args=[shape])), slice=key), attr="add"
            ):
                arguments = [self.visit(node.args[0]), shape, _as_key(key)]
                return ast.Call(ast.Name("placed", ast.Load()), arguments, [])
            case ast.Attribute(value=value, attr=attr):
                name = "amax" if self.torch and attr == "max" else attr
                node.func = ast.Attribute(self.visit(value), name, ast.Load())
            case ast.Name(id="flag"):
                return self.visit(node.args[0])
            case ast.Name(id=name):
                self._named(node, name)
        node.args = [self.visit(argument) for argument in node.args]
        if self.torch:
            node.keywords = [ast.keyword(KEYWORDS.get(k.arg, k.arg), k.value) for k in node.keywords]
        return node

    def _named(self, node: ast.Call, name: str) -> None:
        if self.torch and name in ("maximum", "minimum") and isinstance(node.args[1], (ast.Constant, ast.UnaryOp)):
            bound = ast.keyword("min" if name == "maximum" else "max", node.args.pop())
            node.func, node.keywords = _function("torch.clamp"), [bound]
            return
        if self.torch and name in ("softmax", "log_softmax"):
            node.keywords = [ast.keyword("dim", ast.UnaryOp(ast.USub(), ast.Constant(1)))]
        node.func = _function(self.functions.get(name, name))


def _function(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _as_key(key: ast.expr) -> ast.expr:
    """An index as an object: ``1:3`` becomes ``np.s_[1:3]``."""
    return ast.Subscript(_function("np.s_"), key, ast.Load())


def _helpers(lesson: Lesson, names: _Names) -> list[Row]:
    """What the programs need beside their library: the lesson's own operations, and a few small functions."""
    program = lesson.program
    text = " ".join(ast.unparse(line.expression) for line in (*program.forward, *program.backward))
    rows = []
    for word, lines in HELPERS.items():
        used = ".at[" in text if word == "placed" else f"{word}(" in text
        if used:
            rows += [Row("import", line) for line in lines]
    for name, rule in lesson.rules.items():
        if name in builtin_rules() or f"{name}(" not in " ".join(step.heading for step in program.steps):
            continue
        translate = _Translator(names, TORCH, torch=True)
        rows.append(Row("import", "", f"def {rule.signature}:"))
        for line in rule.forward[:-1]:
            rows.append(Row("import", "", f"    {line.name} = {translate.text(line.expression)}"))
        rows.append(Row("import", "", f"    return {translate.text(rule.forward[-1].expression)}"))
    return rows


def _forward(lesson: Lesson, names: _Names) -> list[Row]:
    rows = []
    numpy, torch = _Translator(names, NUMPY, torch=False), _Translator(names, TORCH, torch=True)
    for step in lesson.program.steps:
        for line in step.lines[:-1]:
            rows.append(Row("forward", f"{names.of(line.target)} = {numpy.text(line.expression)}", "", line.target))
        line = step.lines[-1]
        whole = ast.parse(step.heading.split(" = ", 1)[1], mode="eval").body
        text = torch.text(whole)
        match whole:
            case ast.Call(func=ast.Name(id="cross_entropy"), args=[ast.Name(id=scores), ast.Name(id=target)]):
                if lesson.program.shapes[scores] != lesson.program.shapes[target]:
                    text = f"F.cross_entropy({names.of(scores)}, {names.of(target)}.long())"
        left = names.of(line.target)
        rows.append(Row("forward", f"{left} = {numpy.text(line.expression)}", f"{left} = {text}", line.target))
    return rows


def _backward(lesson: Lesson, names: _Names) -> list[Row]:
    numpy = _Translator(names, NUMPY, torch=False)
    wanted = {f"{name}.g": name for name in lesson.gradients}
    rows = [Row("backward", f"{names.of(lesson.program.loss)}_g = 1.0", f"{names.of(lesson.program.loss)}.backward()")]
    for line in lesson.program.backward:
        torch = f"{names.of(wanted[line.target])}.grad" if line.target in wanted else ""
        rows.append(Row("backward", f"{names.of(line.target)} = {numpy.text(line.expression)}", torch, line.target))
    return rows


def _training(lesson: Lesson, names: _Names) -> list[Row]:
    """The loop: the same forward and backward lines again, and the update."""
    training = lesson.sections["training"]
    trained = [names.of(name) for name in training.train]
    momentum = training.momentum if training.optimizer == "momentum" else 0.0
    extra = f", momentum={momentum!r}" if momentum else ""
    rows = [
        Row("training", f"lr = {training.lr!r}", f"lr = {training.lr!r}"),
        Row("training", "", f"optimizer = torch.optim.SGD([{', '.join(trained)}], lr=lr{extra})"),
    ]
    if momentum:
        rows.append(Row("training", f"momentum = {momentum!r}"))
        rows += [Row("training", f"{name}_v = 0.0") for name in trained]
    rows.append(Row("training", f"for step in range({training.steps}):", f"for step in range({training.steps}):"))
    rows += [Row("training", _indented(r.numpy), _indented(r.torch), r.key) for r in _forward(lesson, names)]
    rows.append(Row("training", "", "    optimizer.zero_grad()"))
    for row in _backward(lesson, names):
        rows.append(Row("training", _indented(row.numpy), _indented(row.torch) if row.key == "" else "", row.key))
    for k, name in enumerate(trained):
        gradient = names.of(f"{training.train[k]}.g")
        if momentum:
            rows.append(Row("training", f"    {name}_v = momentum * {name}_v + {gradient}"))
            gradient = f"{name}_v"
        rows.append(Row("training", f"    {name} = {name} - lr * {gradient}", "    optimizer.step()" if k == 0 else ""))
    return rows


def _indented(text: str) -> str:
    return f"    {text}" if text else ""
