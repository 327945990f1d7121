"""The Training sheet: gradient descent unrolled, one line a step: forward, backward, update, and again.

``sgd`` moves every number against its gradient, ``w -= lr * w.g``. With ``momentum`` the step is a running sum of
gradients, ``v = momentum * v + w.g`` and ``w -= lr * v``, which starts at the first gradient (as in PyTorch; Sutskever
et al. 2013 with the learning rate outside the sum).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sheetgrad.autodiff.program import Line, run_lines
from sheetgrad.formulas.expressions import Expr, Op, Ref
from sheetgrad.formulas.places import Placement
from sheetgrad.formulas.printing import Printer
from sheetgrad.formulas.words import element_name
from sheetgrad.lesson.fields import (
    LARGEST_SETTING,
    LessonError,
    NumberSetting,
    Section,
    choice,
    names_of,
    number_of,
    setting,
    text_of,
)
from sheetgrad.lesson.kinds import SheetKind, as_table
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import (
    COLUMN_WIDTH,
    MOST_SHEET_COLUMNS,
    Block,
    Chart,
    PlanError,
    Series,
    Sheet,
    number_format,
)
from sheetgrad.plan.drawing import Drawing
from sheetgrad.plan.passes import FIRST_LINE, LONGEST_ROW, Passes
from sheetgrad.workbook.style import GRADIENT_INK

NAME = "Training"
LR, MOMENTUM = "training.lr", "training.momentum"
FIELDS = ("step", "loss")
TOP = 23
PANEL = 5  # the column of numbers


OPTIMIZERS = ("sgd", "momentum")
MOST_STEPS = 200  # of training


@dataclass(frozen=True)
class Training(Section):
    """So many steps of gradient descent on the tensors ``train``."""

    train: tuple[str, ...]
    optimizer: str = "sgd"
    lr: float = setting(0.1)
    momentum: float = setting(0.9, NumberSetting(0, 1, above=False))
    steps: int = 30


def read(table: Mapping, lesson: Lesson, values: Mapping[str, np.ndarray]) -> Training:
    optimizer = text_of(table, "optimizer", 20, Training.optimizer, "[training] ")
    if optimizer not in OPTIMIZERS:
        raise LessonError(f"[training] optimizer: found {optimizer!r}, expected {choice(OPTIMIZERS)}")
    if "momentum" in table and optimizer != "momentum":
        raise LessonError('[training] momentum: expected only with optimizer = "momentum"')
    default = [name for name in lesson.gradients if lesson.tensors[name].role == "parameter"] or lesson.gradients
    return Training(
        train=names_of(table, "train", lesson.gradients, "[training]", default),
        optimizer=optimizer,
        lr=number_of(table, "lr", Training.lr, 1e-12, LARGEST_SETTING, "[training] "),
        momentum=number_of(table, "momentum", Training.momentum, 0, 1, "[training] "),
        steps=int(number_of(table, "steps", Training.steps, 1, MOST_STEPS, "[training] ")),
    )


def write(section: Training) -> dict:
    table = as_table(section)
    return {key: value for key, value in table.items() if key != "momentum" or section.optimizer == "momentum"}


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The sheet."""
    return _Training(lesson, drawing, values).build()


class _Training:
    def __init__(self, lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]):
        self.lesson, self.drawing, self.values = lesson, drawing, values
        self.program, self.training = lesson.program, lesson.sections["training"]
        self.trained = self.training.train
        self.sheet = Sheet(NAME)
        lines = needed_lines(lesson)
        gradients = [f"{name}.g" for name in self.trained]
        self.steps = self.training.steps
        self.velocity = self.training.optimizer == "momentum"
        shapes = self.program.shapes
        sizes = {key: int(np.prod(shapes[key], dtype=int)) for key in (*self.trained, *(x.target for x in lines))}
        across = sum(sizes.values()) <= LONGEST_ROW
        extra = sum(sizes[name] for name in self.trained) if self.velocity else 0
        self.passes = Passes(
            self.sheet,
            drawing,
            self.program,
            self.trained,
            TOP + 1,
            len(FIELDS) + extra,
            self.steps + 1,
            ("each step",),
            across,
            lines,
            gradients,
        )
        self.across = across
        if not across and self.steps + 3 > MOST_SHEET_COLUMNS:
            raise PlanError(
                f"[training] steps: {self.steps}; the forward pass is so long that a step is a column: "
                f"at most {MOST_SHEET_COLUMNS - 3}"
            )
        self.found = run(lesson, values, lines)

    def build(self) -> Sheet:
        sheet, passes = self.sheet, self.passes
        self._panel()
        sheet.label(
            TOP - 1,
            2,
            f"Step 0 is the start; each {'row' if self.across else 'column'} after it is one step",
            "section",
        )
        for k, word in enumerate(("step", self.program.loss)):
            sheet.label(*passes.cell(0, k), word, "header")
        sheet.label(*passes.cell(1, 0), "as it is", "number_muted")
        passes.headings()
        passes.as_it_is(self.values)
        passes.fixed(FIRST_LINE, 0, [float(k) for k in range(self.steps + 1)], "step", "0")
        passes.compute(0, self.found)
        self._numbers()
        if self.velocity:
            self._velocities()
        at = self.passes.passes[0][self.program.loss]
        passes.field(
            1,
            Ref("pass", ()),
            self.found[self.program.loss],
            "loss",
            "0.000000",
            lambda line: {"pass": [passes.place(line, at)]},
        )
        self._chart()
        visible = f"{self.trained[-1]}.g"  # what comes after it folds away
        shown = passes.passes[0][visible] + int(np.prod(self.program.shapes[visible], dtype=int)) - 1
        last = passes.cell(passes.last_line, passes.fields - 1)[1]
        if self.across and passes.fields - 1 > shown + 1:
            sheet.folded_columns.append((passes.cell(0, shown)[1] + 2, last))
        elif not self.across and passes.fields - 1 > shown + 1:
            sheet.folded_rows.append((passes.cell(0, shown)[0] + 2, passes.bottom))
        sheet.print_columns = max(14, passes.cell(0, shown)[1]) if self.across else None
        sheet.widths = {1: 3.5} | {k: COLUMN_WIDTH for k in range(2, last + 1)}
        sheet.widths[2] = 11.0
        return sheet

    def _panel(self) -> None:
        sheet, loss = self.sheet, self.program.loss
        sheet.label(1, 2, "Forward, backward, step, and again", "title")
        rule = "v = momentum * v + g,  then  number -= lr * v" if self.velocity else "number -= lr * gradient"
        sheet.label(
            2, 2, f"Every step runs the whole lesson once and moves {_listed(self.trained)}: {rule}", "subtitle"
        )
        sheet.label(4, 2, "lr, the learning rate", "setting_name")
        self.lr = sheet.input(4, PANEL, self.training.lr, LR)
        sheet.label(4, PANEL + 1, "yours to change", "editable_note")
        if self.velocity:
            sheet.label(5, 2, "momentum", "setting_name")
            self.momentum = sheet.input(5, PANEL, self.training.momentum, MOMENTUM)
            sheet.label(5, PANEL + 1, "between 0 and 1", "editable_note")
        sheet.label(7, 2, f"{loss} at the start", "setting_name")
        sheet.label(8, 2, f"{loss} after {self.steps} steps", "setting_name")
        losses = self.found[loss]
        for row, line, expected in ((7, FIRST_LINE, losses[0]), (8, self.passes.last_line, losses[-1])):
            book = {"loss": [self.passes.place(line, 1)]}
            sheet.formula(row, PANEL, Ref("loss", ()), book, float(expected), "loss", number_format="0.000000")
        for k, text in enumerate(NOTES):
            sheet.label(10 + k, 2, text, "text", span=5)
            sheet.heights[10 + k] = 46

    def _book(self, line: int) -> dict[str, list[Placement]]:
        """Where a step finds the numbers of the step before, and the settings."""
        passes = self.passes
        before = passes.book(passes.passes[0], line - 1)
        book = {f"before.{key}": places for key, places in before.items() if key in passes.moved}
        book |= {LR: [self.lr]}
        if self.velocity:
            book |= {MOMENTUM: [self.momentum]}
        return book

    def _numbers(self) -> None:
        """The trained numbers: as they are at step 0, then moved from step to step."""
        passes = self.passes
        for name in self.trained:
            order = passes.order(name, name in passes.turned)
            expected = np.array([[run[index] for index in order] for run in self.found[name]])
            field, style = passes.passes[0][name], "training"
            form = number_format(expected)

            def start(i: int, j: int, field=field):
                return Printer({"base": [passes.place(1, field + j)]}).tokens(Ref("base", ()))

            passes.block(FIRST_LINE, field, 1, len(order), start, expected[:1], style, form)

            def moved(i: int, j: int, name=name, order=order):
                book = self._book(FIRST_LINE + 1 + i)
                if self.velocity:
                    velocity = Ref("velocity", ())
                    book["velocity"] = [passes.place(FIRST_LINE + i, self._velocity_field(name) + j)]
                else:
                    velocity = Ref(f"before.{name}.g", order[j])
                step = Op("*", Ref(LR, ()), velocity)
                return Printer(book).tokens(Op("-", Ref(f"before.{name}", order[j]), step))

            passes.block(FIRST_LINE + 1, field, self.steps, len(order), moved, expected[1:], style, form)

    def _velocity_field(self, name: str) -> int:
        at = len(FIELDS)
        for other in self.trained:
            if other == name:
                return at
            at += int(np.prod(self.program.shapes[other], dtype=int))
        raise KeyError(name)

    def _velocities(self) -> None:
        """The running sums of gradients."""
        passes = self.passes
        for name in self.trained:
            order, field = passes.order(name, name in passes.turned), self._velocity_field(name)
            expected = np.array([[run[index] for index in order] for run in self.found[f"{name}.v"]])
            names = [f"v of {element_name(name, index)}" for index in order]
            cells = [names] if self.across else [[word] for word in names]
            row, column = passes.cell(0, field)
            self.sheet.blocks.append(Block(row, column, cells, "element_name", "fixed", np.array(cells, dtype=object)))

            def gradient(line: int, j: int, name=name, order=order) -> tuple[Expr, dict]:
                book = passes.book(passes.passes[0], line)
                return Ref(f"{name}.g", order[j]), {f"{name}.g": book[f"{name}.g"]}

            def first(i: int, j: int, gradient=gradient):
                expression, book = gradient(FIRST_LINE, j)
                return Printer(book).tokens(expression)

            def later(i: int, j: int, gradient=gradient, field=field):
                line = FIRST_LINE + 1 + i
                expression, book = gradient(line, j)
                book |= {"above": [passes.place(line - 1, field + j)], MOMENTUM: [self.momentum]}
                return Printer(book).tokens(Op("+", Op("*", Ref(MOMENTUM, ()), Ref("above", ())), expression))

            form = number_format(expected)
            passes.block(FIRST_LINE, field, 1, len(order), first, expected[:1], "gradient", form)
            passes.block(FIRST_LINE + 1, field, self.steps, len(order), later, expected[1:], "gradient", form)

    def _chart(self) -> None:
        passes, loss = self.passes, self.program.loss
        x, y = (passes.area(FIRST_LINE, passes.last_line, k) for k in (0, 1))
        series = (Series(loss, x, y, GRADIENT_INK),)
        self.sheet.charts.append(Chart(4, 8, f"{loss} after each step", "step", loss, series, 17.0, 9.0))


NOTES = (
    "One step: run the forward pass, run the backward pass, then move every number a little against its gradient.",
    "Try a learning rate ten times larger, then ten times smaller: too large and the loss jumps about or explodes, too "
    "small and hardly anything happens.",
)


def needed_lines(lesson: Lesson) -> tuple[Line, ...]:
    """The lines of a step: the forward pass and those backward lines that the trained numbers need."""
    program, wanted, needed = lesson.program, {f"{name}.g" for name in lesson.sections["training"].train}, []
    moved = {line.target for line in program.forward_after(lesson.sections["training"].train)}
    for line in reversed(program.backward):
        if line.target in wanted:
            needed.append(line)
            wanted.update(line.operands)
    backward = [line for line in reversed(needed)]
    forward = [line for line in program.forward if line.target in moved]
    return (*forward, *backward)


def run(lesson: Lesson, values: Mapping[str, np.ndarray], lines: tuple[Line, ...]) -> dict[str, np.ndarray]:
    """The same on NumPy: every tensor, gradient and velocity (``w.v``), a step along axis 0, the start first.

    What is not a finite number is NaN from there on, as an error is in a sheet.
    """
    training, kept = lesson.sections["training"], {}
    now = dict(values)
    momentum = training.momentum if training.optimizer == "momentum" else 0.0
    velocity: dict[str, np.ndarray] = {}
    for step in range(training.steps + 1):
        now = run_lines(lines, now, lesson.rules)
        if step == 0:
            velocity = {name: now[f"{name}.g"] for name in training.train}
        else:
            velocity = {name: momentum * velocity[name] + now[f"{name}.g"] for name in training.train}
        for key in (*training.train, *(line.target for line in lines)):
            kept.setdefault(key, []).append(now[key])
        for name in training.train:
            kept.setdefault(f"{name}.v", []).append(velocity[name])
            with np.errstate(all="ignore"):
                moved = now[name] - training.lr * velocity[name]
            now[name] = np.where(np.isfinite(moved), moved, np.nan)
    return {key: np.array(runs) for key, runs in kept.items()}


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


SHEET = SheetKind(
    name=NAME,
    about="forward, backward, step, and again: watch the loss fall",
    order=60,
    build=build,
    key="training",
    fields=("optimizer", "lr", "momentum", "steps", "train"),
    read=read,
    write=write,
)
