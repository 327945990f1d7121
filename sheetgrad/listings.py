"""A lesson as programs: the same lines in NumPy, gradients spelled out, and in PyTorch, which finds them by itself."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from sheetgrad.autodiff.rules import builtin_rules
from sheetgrad.lesson.model import Lesson
from sheetgrad.lesson.tensors import Tensor
from sheetgrad.lines.names import tensor_key
from sheetgrad.tables.updates import Update, warmup_texts

NUMPY = {
    name: f"np.{name}"
    for name in (
        *("exp", "log", "sqrt", "abs", "sign", "tanh", "cos", "floor"),
        *("maximum", "minimum", "where", "concatenate"),
    )
} | {"broadcast_to": "np.broadcast_to", "ones": "np.ones"}
TORCH = {
    **{name: f"torch.{name}" for name in ("exp", "log", "sqrt", "abs", "sign", "tanh", "cos", "floor", "where")},
    **{name: f"torch.{name}" for name in ("sigmoid", "square", "relu")},
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
RESERVED = {"np", "torch", "F", "erf", "one_hot", "placed"}
RESERVED_TO_TRAIN = {"t", "lr", "base_lr", "optimizer", "scheduler", "warming_up", "afterwards"}


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
        self._taken = set(RESERVED) | set(lesson.rules)
        training = lesson.sections.get("training")
        if training:
            self._taken |= {*RESERVED_TO_TRAIN, *training.numbers, *(line.name for line in training.schedule.lines)}
        for key in dict.fromkeys((*lesson.program.shapes, *(line.target for line in lesson.program.backward))):
            self._add(key, key.replace(".", "_"))
        if training:
            for tensor in training.train:
                for one in _made(training.optimizer):
                    self._add(f"{one} of {tensor}", f"{self.of(tensor)}_{one}")

    def _add(self, key: str, name: str) -> None:
        while name in self._taken or keyword.iskeyword(name):
            name += "_"
        self._taken.add(name)
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

    def __init__(self, names: Mapping[str, str], functions: Mapping[str, str], torch: bool):
        self.names, self.functions, self.torch = names, functions, torch

    def text(self, node: ast.expr) -> str:
        tree = ast.fix_missing_locations(self.visit(ast.parse(ast.unparse(node), mode="eval").body))
        return ast.unparse(tree)

    def visit(self, node: ast.AST) -> ast.AST:
        key = tensor_key(node)
        if key is not None and key in self.names:
            return _function(self.names[key])
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
        if self.torch and name in ("maximum", "minimum") and isinstance(node.args[0], (ast.Constant, ast.UnaryOp)):
            node.args.reverse()
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
        translate = _Translator(names.known, TORCH, torch=True)
        rows.append(Row("import", "", f"def {rule.signature}:"))
        for line in rule.forward[:-1]:
            rows.append(Row("import", "", f"    {line.name} = {translate.text(line.expression)}"))
        rows.append(Row("import", "", f"    return {translate.text(rule.forward[-1].expression)}"))
    return rows


def _forward(lesson: Lesson, names: _Names) -> list[Row]:
    rows = []
    numpy, torch = _Translator(names.known, NUMPY, torch=False), _Translator(names.known, TORCH, torch=True)
    for step in lesson.program.steps:
        for line in step.lines[:-1]:
            rows.append(Row("forward", f"{names.of(line.target)} = {numpy.text(line.expression)}", "", line.target))
        line = step.lines[-1]
        whole = step.expression
        text = torch.text(whole)
        match whole:
            case ast.Call(func=ast.Name(id="cross_entropy"), args=[ast.Name(id=scores), ast.Name(id=target)]):
                if lesson.program.shapes[scores] != lesson.program.shapes[target]:
                    text = f"F.cross_entropy({names.of(scores)}, {names.of(target)}.long())"
        left = names.of(line.target)
        rows.append(Row("forward", f"{left} = {numpy.text(line.expression)}", f"{left} = {text}", line.target))
    return rows


def _backward(lesson: Lesson, names: _Names) -> list[Row]:
    numpy = _Translator(names.known, NUMPY, torch=False)
    wanted = {f"{name}.g": name for name in lesson.gradients}
    rows = [Row("backward", f"{names.of(lesson.program.loss)}_g = 1.0", f"{names.of(lesson.program.loss)}.backward()")]
    for line in lesson.program.backward:
        torch = f"{names.of(wanted[line.target])}.grad" if line.target in wanted else ""
        text = numpy.text(line.expression)
        if lesson.program.spreads(line):
            text = f"np.full({line.shape}, {text})"
        rows.append(Row("backward", f"{names.of(line.target)} = {text}", torch, line.target))
    return rows


# -- training ---------------------------------------------------------------------------------------------------------


def _training(lesson: Lesson, names: _Names) -> list[Row]:
    """The loop: the same forward and backward lines again, and the update.

    Where PyTorch has the optimiser it is called; a lesson's own is written out, on settings that are tensors.
    """
    training = lesson.sections["training"]
    own, last = not training.optimizer.torch, training.steps + 1
    starts = _states(training, names, "np")
    torch_starts = _states(training, names, "torch") if own else _pytorch_optimizer(training, names)
    rows = [*_settings(training, own), *_side_by_side(starts, torch_starts)]
    counted = f"torch.arange(1, {last}, dtype=torch.float64)" if own else f"range(1, {last})"
    rows.append(Row("training", f"for t in range(1, {last}):", f"for t in {counted}:"))
    rows += [Row("training", _indented(r.numpy), _indented(r.torch), r.key) for r in _forward(lesson, names)]
    cleared = [f"    {names.of(name)}.grad = None" for name in training.train] if own else ["    optimizer.zero_grad()"]
    rows += [Row("training", "", line) for line in cleared]
    for row in _backward(lesson, names):
        rows.append(Row("training", _indented(row.numpy), _indented(row.torch) if row.key == "" else "", row.key))
    numpy = _schedule(training, {"pi": "np.pi"}, False) + _updates(training, names, False)
    if own:
        torch = [
            *_schedule(training, {"pi": "torch.pi"}, True),
            "    with torch.no_grad():",
            *_updates(training, names, True),
        ]
    else:
        torch = ["    optimizer.step()", *(["    scheduler.step()"] if training.scheduled else [])]
    return rows + _side_by_side(numpy, torch)


def _side_by_side(numpy: list[str], torch: list[str]) -> list[Row]:
    return [Row("training", a, b) for a, b in zip_longest(numpy, torch, fillvalue="")]


def _settings(training, own: bool) -> list[Row]:
    """The settings of both programs; where PyTorch has the optimiser it is told them, and lr alone needs a line."""
    rows = []
    for setting in training.settings:
        number = _number(training.numbers[setting.name])
        name = "base_lr" if setting.name == "lr" and training.scheduled else setting.name
        torch = f"lr = {number!r}" if setting.name == "lr" else ""
        if own:
            torch = f"{name} = torch.tensor({float(number)!r}, dtype=torch.float64)"
        rows.append(Row("training", f"{name} = {number!r}", torch))
    return rows


def _states(training, names: _Names, library: str) -> list[str]:
    """The state before the first step."""
    kept = [
        (names.of(f"{one} of {name}"), names.of(name)) for one in training.optimizer.state for name in training.train
    ]
    return [f"{state} = {library}.zeros_like({name})" for state, name in kept]


def _pytorch_optimizer(training, names: _Names) -> list[str]:
    """``optimizer = torch.optim.…``, and its scheduler where the learning rate changes."""
    trained = ", ".join(names.of(name) for name in training.train)
    keywords = {"lr": "lr"} | _keywords(training.optimizer, training.numbers)
    lines = [f"optimizer = {_called(f'torch.optim.{training.optimizer.torch}', f'[{trained}]', keywords)}"]
    if not training.scheduled:
        return lines
    keywords = _keywords(training.schedule, training.numbers)
    warmup = keywords.pop("warmup", "")
    schedule = _called(f"torch.optim.lr_scheduler.{training.schedule.torch}", "optimizer", keywords)
    if not warmup:
        return [*lines, f"scheduler = {schedule}"]
    return [*lines, *warmup_texts()["torch"].format(warmup=warmup, schedule=schedule).splitlines()]


def _keywords(update: Update, numbers: Mapping[str, float]) -> dict[str, str]:
    """The settings of an optimiser or a schedule as PyTorch takes them, but for lr."""
    keywords = {}
    for key, settings in update.keys.items():
        values = tuple(_number(numbers[setting.name]) for setting in settings)
        keywords[key] = repr(values[0] if settings[0].name == key else values)
    return {key: value for key, value in keywords.items() if key != "lr"}


def _called(call: str, argument: str, keywords: Mapping[str, str]) -> str:
    """A call with an argument put first and keywords put before its own."""
    node = ast.parse(call, mode="eval").body
    node.args = [_function(argument)]
    node.keywords = [*(ast.keyword(word, _function(text)) for word, text in keywords.items()), *node.keywords]
    return ast.unparse(node)


def _number(value: float) -> float:
    return int(value) if float(value).is_integer() else value


def _schedule(training, known: Mapping[str, str], torch: bool) -> list[str]:
    """The learning rate of the step."""
    translate = _Translator(known, TORCH if torch else NUMPY, torch)
    return [f"    {line.name} = {translate.text(line.expression)}" for line in training.schedule.lines]


def _updates(training, names: _Names, torch: bool) -> list[str]:
    """The update lines, for every trained tensor in turn; in PyTorch a tensor is changed in place."""
    lines, indent = [], "        " if torch else "    "
    for tensor in training.train:
        known = {"w": names.of(tensor), "g": names.of(f"{tensor}.g")}
        known |= {one: names.known[f"{one} of {tensor}"] for one in _made(training.optimizer)}
        translate = _Translator(known, TORCH if torch else NUMPY, torch)
        lines += [f"{indent}{known['g']} = {known['w']}.grad"] if torch else []
        for line in training.optimizer.lines:
            text = translate.text(line.expression)
            in_place = torch and line.name == "w"
            lines.append(f"{indent}{known['w']}.copy_({text})" if in_place else f"{indent}{known[line.name]} = {text}")
    return lines


def _made(optimizer: Update) -> list[str]:
    """What an optimiser's lines give a value besides w and g: its state, and names on the way."""
    made = dict.fromkeys((*optimizer.state, *(line.name for line in optimizer.lines)))
    return [name for name in made if name not in ("w", "g")]


def _indented(text: str) -> str:
    return f"    {text}" if text else ""
