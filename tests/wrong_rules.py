"""Derivative rules with one slip: a factor, a sign, a transpose, a sum or a mask that is forgotten, one element off."""

import ast
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from sheetgrad import Lesson, LessonError
from sheetgrad.autodiff.calls import called_rule
from sheetgrad.autodiff.rules import Rule, builtin_rules, read_rule
from sheetgrad.lines.evaluate import shape_of
from sheetgrad.lines.parse import LanguageError
from sheetgrad.lines.shapes import ShapeError

SLIPS = ("factor", "sign", "transpose", "sum", "mask", "element")
Change = Callable[[ast.AST], ast.AST | None]


def used_rules(lesson: Lesson) -> list[Rule]:
    """The rules that the forward lines of a lesson apply."""
    program = lesson.program
    nodes = (node for step in program.steps for node in ast.walk(step.expression))
    kinds = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Subscript, ast.Attribute)
    found = (
        called_rule(node, program.rules, lambda part: shape_of(part, program.shapes, program.rules))[0]
        for node in nodes
        if isinstance(node, kinds)
    )
    return list({rule.name: rule for rule in found if rule is not None}.values())


def changed(text: str, slip: str, chance: random.Random) -> str | None:
    """A rule's last line with such a slip at one of the places where it can be; None where there is none."""
    *before, last = text.strip().splitlines()
    tree = ast.parse(last, mode="eval").body
    if slip == "factor":
        wrong = f"{chance.choice(['2', '0.5', '1.001', '-3'])} * ({last})"
    elif slip == "element":
        at = chance.choice(["0", "-1", "0, 0", "-1, 0"])
        wrong = f"{last} + zeros(a.shape).at[{at}].add({chance.choice(['0.01', '-1'])})"
    else:
        places = list(_places(tree, slip))
        if not places:
            return f"-({last})" if slip == "sign" else None
        node, other = chance.choice(places)
        wrong = ast.unparse(_put(tree, node, other))
    return "\n".join([*before, wrong])


def _places(tree: ast.expr, slip: str) -> Iterator[tuple[ast.AST, ast.AST]]:
    for node in ast.walk(tree):
        match slip, node:
            case "sign", ast.UnaryOp(op=ast.USub(), operand=operand):
                yield node, operand
            case "sign", ast.BinOp(left=left, op=ast.Sub(), right=right):
                yield node, ast.BinOp(left, ast.Add(), right)
            case "sign", ast.BinOp(left=left, op=ast.Add(), right=right):
                yield node, ast.BinOp(left, ast.Sub(), right)
            case "transpose", ast.Attribute(value=value, attr="T" | "mT"):
                yield node, value
            case "sum", ast.Call(func=ast.Attribute(value=value, attr="sum")):
                yield node, value
            case "sum", ast.BinOp(left=left, op=ast.Sub(), right=right) if ".sum(" in ast.unparse(right):
                yield node, left
            case "mask", ast.Compare() | ast.Call(func=ast.Name(id="sign")):
                yield node, ast.Constant(1)
            case "mask", ast.Call(func=ast.Name(id="where"), args=[_, b, c]):
                yield node, c if ast.unparse(b) == "0" else b


def _put(tree: ast.expr, node: ast.AST, other: ast.AST) -> ast.expr:
    class Put(ast.NodeTransformer):
        def visit(self, found):
            return other if found is node else super().generic_visit(found)

    return Put().visit(tree)


def with_a_slip(lesson: Lesson, chance: random.Random) -> tuple[Lesson, str, np.ndarray] | None:
    """The lesson with one slip in one line of one rule that it uses, what to blame (``[ops.relu] a``), and which of its
    gradients are wrong by more than rounding; None where this draw makes none that anybody could see."""
    rule = chance.choice(used_rules(lesson))
    return slipped(lesson, rule, chance.choice(list(rule.gradients)), chance.choice(SLIPS), chance)


def slipped(
    lesson: Lesson, rule: Rule, argument: str, slip: str, chance: random.Random
) -> tuple[Lesson, str, np.ndarray] | None:
    """The same for one line of one rule and a kind of slip."""
    entry = {"forward": _text(rule.forward), **{key: _text(lines) for key, lines in rule.gradients.items()}}
    entry |= {key: value for key, value in rule.keywords.items() if key not in ("axis", "keepdims", "shape", "i")}
    wrong = changed(entry[argument], slip, chance)
    if wrong is None:
        return None
    try:
        changed_lesson = replace(lesson, ops={rule.name: entry | {argument: wrong}})
        rules = {**builtin_rules(), rule.name: read_rule(rule.name, changed_lesson.ops[rule.name], builtin_rules())}
        changed_lesson.__dict__["rules"] = rules  # as a lesson's own, also for those that cannot be replaced
        off = _off(gradients(lesson), gradients(changed_lesson))
    except (LanguageError, ShapeError, LessonError, ValueError, IndexError):
        return None  # nobody could build it
    return (changed_lesson, f"[ops.{rule.name}] {argument}", off) if off is not None and off.any() else None


def gradients(lesson: Lesson) -> np.ndarray:
    """All requested gradients, one after the other."""
    values = lesson.program.run(lesson.values)
    return np.concatenate([values[f"{name}.g"].ravel() for name in lesson.program.requested])


def _off(right: np.ndarray, wrong: np.ndarray) -> np.ndarray | None:
    """Which are wrong by more than rounding; None where some run away, which no lesson may."""
    if not np.isfinite(wrong).all():
        return None
    apart = np.abs(right - wrong)
    return (apart > 1e-8 * np.maximum(abs(right), abs(wrong))) & (apart > 1e-11 * max(1.0, np.abs(right).max()))


def _text(lines) -> str:
    return "\n".join(line.text for line in lines)
