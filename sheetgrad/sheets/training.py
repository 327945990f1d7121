"""The Training sheet: gradient descent unrolled, one line a step: forward, backward, update, and again.

Line t of the table is the lesson after t steps. What a step does stands in ``tables/optimizers.toml``, and how its
learning rate is found in ``tables/schedules.toml``: those lines are what the sheet shows, what its cells compute and
what NumPy runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sheetgrad.formulas.expressions import Ref
from sheetgrad.formulas.places import Placement
from sheetgrad.formulas.printing import FormulaError, Printer, Token
from sheetgrad.lesson.fields import LessonError, NumberSetting, Section, names_of, number_of, text_of
from sheetgrad.lesson.kinds import SheetKind
from sheetgrad.lesson.model import Lesson
from sheetgrad.lines.cells import CellArray
from sheetgrad.lines.evaluate import evaluate
from sheetgrad.lines.names import closest, mentioned
from sheetgrad.lines.parse import LanguageError, parse_lines
from sheetgrad.lines.readings import NUMBERS
from sheetgrad.lines.shapes import ShapeError
from sheetgrad.plan.blocks import COLUMN_WIDTH, Block, Chart, PlanError, Series, Sheet, number_format
from sheetgrad.plan.descent import RATE_KEY, needed_lines, run, spread, state_key
from sheetgrad.plan.drawing import Drawing
from sheetgrad.plan.pages import CENTIMETRE, CHARACTER
from sheetgrad.plan.passes import FIRST_LINE, LONGEST_ROW, Passes
from sheetgrad.tables.updates import (
    KEYS,
    UPDATE_CELLS,
    Setting,
    Update,
    after,
    schedules,
    update_cells,
    warmup_texts,
    with_own_optimizers,
)

NAME = "Training"
MOST_STEPS = 200
STEP, LOSS, RATE = range(3)  # the fields that come first; the learning rate only where it changes
PANEL = 5  # the column of numbers
LINES = 8  # the column of the update lines and the chart
FIRST = 4  # the row of the first setting
NOTE_HEIGHT, ROW_HEIGHT = 46, 15.0  # points
CHART_WIDTH = 14.8  # centimetres: it ends on the first page across
CODE = 1.2  # units of column widths that a letter of a line takes
LOSS_FORMAT = "[<10]0.000000;[<1000]0.000;0.00E+00"  # fits its column while a student makes the loss explode
TRY = (
    "Try a learning rate ten times larger, then ten times smaller: too large and the loss jumps about or explodes, too "
    "small and hardly anything happens."
)


# -- the section of a template ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Training(Section):
    """So many steps on the tensors ``train``. The lines of ``optimizer`` and ``schedule`` are those in use: what is off
    is gone, and where the learning rate stays the same there is no line of a schedule. ``numbers`` are their settings by
    name, each of which can be changed in the workbook."""

    train: tuple[str, ...]
    optimizer: Update
    schedule: Update
    numbers: Mapping[str, float]
    steps: int = 30

    @property
    def settings(self) -> tuple[Setting, ...]:
        return (*self.optimizer.settings, *self.schedule.settings)

    @property
    def scheduled(self) -> bool:
        """Whether the learning rate changes from step to step."""
        return bool(self.schedule.lines)

    def setting(self, name: str) -> float:
        return self.numbers[name]

    def with_setting(self, name: str, value: float | str, lesson: Lesson) -> Training:
        setting = next(setting for setting in self.settings if setting.name == name)
        expected = _range(setting).refuse(value, lesson)
        if expected:
            raise ValueError(expected)
        return replace(self, numbers={**self.numbers, name: value})


def read(table: Mapping, lesson: Lesson, values: Mapping[str, np.ndarray]) -> Training:
    """The section of a template; refuses what the chosen optimiser and schedule do not have."""
    optimizer = _chosen(table, "optimizer", "sgd", with_own_optimizers(lesson.optimizers))
    schedule = _chosen(table, "schedule", "constant", schedules())
    known = list(dict.fromkeys((*optimizer.keys, *KEYS, *schedule.keys)))
    for key in table:
        if key not in known:
            raise LessonError(
                f"[training]: {key} is not a known key of {optimizer.name}{closest(key, known)}; expected {', '.join(known)}"
            )
    steps = int(number_of(table, "steps", Training.steps, 1, MOST_STEPS, "[training] "))
    optimizer, schedule = optimizer.with_on(table), schedule.with_on(table).for_result("lr")
    if not any("t" in mentioned(line.expression) for line in schedule.lines):
        schedule = replace(schedule, lines=())
    elif not optimizer.reads("lr"):
        raise LessonError(f"[training] schedule: no line of {optimizer.name} reads lr, so there is nothing to change")
    default = [name for name in lesson.gradients if lesson.tensors[name].role == "parameter"] or lesson.gradients
    train = names_of(table, "train", lesson.gradients, "[training]", default)
    for name in train:
        _check_shapes(optimizer, name, lesson.program.shapes[name])
    numbers = _numbers(optimizer, table, steps) | _numbers(schedule, table, steps)
    if numbers.get("warmup", 0) >= steps:
        raise LessonError(f"[training] warmup: found {numbers['warmup']:g}, expected fewer than the {steps} steps")
    return Training(train, optimizer, schedule, numbers, steps)


def write(section: Training) -> dict:
    """The table that reads as the same section."""
    table = {"train": list(section.train), "optimizer": section.optimizer.name, "steps": section.steps}
    if section.schedule.name != "constant":
        table["schedule"] = section.schedule.name
    for key, settings in (section.optimizer.keys | section.schedule.keys).items():
        numbers = [section.numbers[setting.name] for setting in settings]
        table[key] = numbers[0] if settings[0].name == key else numbers
    return table


def _chosen(table: Mapping, key: str, default: str, known: Mapping[str, Update]) -> Update:
    name = text_of(table, key, 30, default, "[training] ")
    if name not in known:
        raise LessonError(f"[training] {key}: found {name!r}{closest(name, known)}, expected one of {', '.join(known)}")
    return known[name]


def _range(setting: Setting) -> NumberSetting:
    above = setting.above is not None
    return NumberSetting(setting.above if above else setting.least, setting.most, above)


def _numbers(update: Update, table: Mapping, steps: int) -> dict[str, float]:
    """The settings of an optimiser or a schedule by name: what the template gives, or else the default."""
    numbers = {}
    for key, settings in update.keys.items():
        values = found = table.get(key, [_default(setting, table, steps) for setting in settings])
        if settings[0].name == key:
            values = [found] if key in table else found
        elif not isinstance(found, list) or len(found) != len(settings):
            example = [setting.default for setting in settings]
            raise LessonError(f"[training] {key}: found {found!r}, expected {len(settings)} numbers such as {example}")
        for setting, value in zip(settings, values, strict=True):
            expected = _range(setting).refuse(value, None)
            if expected:
                raise LessonError(f"[training] {key}: found {found!r}, expected {expected}")
            numbers[setting.name] = value
    return numbers


def _default(setting: Setting, table: Mapping, steps: int) -> float:
    """A default; one that is a text depends on the number of steps, of which some warm up."""
    if not isinstance(setting.default, str):
        return setting.default
    (line,) = parse_lines(setting.default, last_unnamed=True)
    known = {"steps": float(steps), "warmup": float(table.get("warmup", 0))}
    return max(1, int(evaluate(line.expression, known, NUMBERS)))


def _check_shapes(optimizer: Update, name: str, shape: tuple[int, ...]) -> None:
    try:
        update_cells(optimizer, shape)
    except (LanguageError, ShapeError) as error:
        raise LessonError(f"[optimizers.{optimizer.name}] {error}, for w = {name}") from None


# -- the sheet --------------------------------------------------------------------------------------------------------


def build(lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]) -> Sheet:
    """The sheet."""
    return _Training(lesson, drawing, values).build()


class _Training:
    def __init__(self, lesson: Lesson, drawing: Drawing, values: Mapping[str, np.ndarray]):
        self.lesson, self.values = lesson, values
        self.program, self.training = lesson.program, lesson.sections["training"]
        self.optimizer, self.trained, self.steps = self.training.optimizer, self.training.train, self.training.steps
        self.sheet = Sheet(NAME)
        self.shown = (*self.training.schedule.lines, *self.optimizer.lines)
        self.losses = FIRST + max(3, len(self.training.settings) + 1)  # the row of the first loss
        self.chart = FIRST + len(self.shown) + 1
        self.notes = max(self.losses + 3, self.chart)
        self.texts = self._texts()
        self.passes = self._passes(drawing)
        self.places: dict[str, Placement] = {}  # of the settings
        self.found = run(lesson, values, self.passes.lines)
        self.spread = spread(lesson, values, self.passes.lines, self.found)

    def _passes(self, drawing: Drawing) -> Passes:
        """What every step shows: the trained numbers, their gradients and state, and then the passes."""
        lines = needed_lines(self.lesson)
        states = {
            state_key(one, name): self.program.shapes[name] for one in self.optimizer.state for name in self.trained
        }
        program = replace(self.program, shapes={**self.program.shapes, **states})
        gradients = [f"{name}.g" for name in self.trained]
        keys = (*self.trained, *states, *(line.target for line in lines))
        self.across = sum(math.prod(program.shapes[key]) for key in keys) <= LONGEST_ROW
        self.states = [*states]
        self.last_shown = [*gradients, *states][-1]  # what comes after it folds away
        fields, top = (3 if self.training.scheduled else 2), self._top()
        first = [*gradients, *states]
        more = (("",), self.across, lines, first)
        return Passes(self.sheet, drawing, program, self.trained, top, fields, self.steps + 1, *more, style="value")

    def _top(self) -> int:
        """The row of the names: below the chart and the notes."""
        row, left = self.chart, self._chart_height() / 2.54 * 72 + 2 * ROW_HEIGHT
        while left > 0:
            left -= NOTE_HEIGHT if self.notes <= row < self.notes + len(self.texts) else ROW_HEIGHT
            row += 1
        return max(24, row + 2, self.notes + len(self.texts) + 3)

    def _chart_height(self) -> float:
        """Centimetres: the first screen shows it whole below the lines."""
        return 9.0 if len(self.shown) < 5 else 7.5

    def build(self) -> Sheet:
        sheet, passes = self.sheet, self.passes
        self._panel()
        passes.headings()
        self._lines()
        what = "row" if self.across else "column"
        sheet.label(passes.top - 2, 2, f"Step 0 is the start; each {what} after it is one step", "section")
        for k, word in enumerate(("step", self.program.loss, "lr")[: passes.summary]):
            sheet.label(*passes.cell(0, k), word, "header")
        passes.as_it_is(self.values)
        passes.fixed(FIRST_LINE, STEP, [float(k) for k in range(self.steps + 1)], "step", "0")
        passes.compute(0, self.found, self.spread)
        if self.training.scheduled:
            self._rates()
        for name in self.trained:
            self._numbers(name)
        self._losses()
        self._fold()
        return sheet

    def _panel(self) -> None:
        """The settings, the losses at both ends, and what is to be known about it."""
        sheet, loss = self.sheet, self.program.loss
        sheet.label(1, 2, "Forward, backward, step, and again", "title")
        meant = "w is one of their numbers, g its gradient"
        meant += ", t the step" if any("t" in mentioned(line.expression) for line in self.shown) else ""
        moves = f"Every step runs the whole lesson once and moves {_listed(self.trained)}. Below, {meant}."
        sheet.label(2, 2, moves, "subtitle")
        for k, setting in enumerate(self.training.settings):
            name = "base_lr" if setting.name == "lr" and self.training.scheduled else setting.name
            words = f", {setting.words}" if setting.words else ""
            sheet.label(FIRST + k, 2, f"{name}{words}", "setting_name")
            number, key = self.training.numbers[setting.name], f"training.{setting.name}"
            self.places[setting.name] = sheet.input(FIRST + k, PANEL, number, key, limits=_range(setting))
            sheet.label(FIRST + k, PANEL + 1, setting.note, "editable_note")
        losses, ends = self.found[loss], ("at the start", f"after {self.steps} steps")
        for k, line in enumerate((FIRST_LINE, self.passes.last_line)):
            sheet.label(self.losses + k, 2, f"{loss} {ends[k]}", "setting_name")
            book, expected = {"loss": [self.passes.place(line, LOSS)]}, float(losses[-k])
            more = dict(number_format=LOSS_FORMAT, tolerance=float(self.spread[loss][-k]))
            sheet.formula(self.losses + k, PANEL, Ref("loss", ()), book, expected, "loss", **more)
        for k, text in enumerate(self.texts):
            sheet.label(self.notes + k, 2, text, "text", span=5)
            sheet.heights[self.notes + k] = NOTE_HEIGHT

    def _texts(self) -> list[str]:
        schedule = self.training.schedule
        warming = warmup_texts()["words"] if "warmup" in self.training.numbers else ""
        scheduled = f"{schedule.words} {warming}".strip() if self.training.scheduled else ""
        return [text for text in (self.optimizer.words, scheduled, TRY if self.optimizer.reads("lr") else "") if text]

    def _lines(self) -> None:
        """The update lines, each with what it does, and below them the chart."""
        sheet, passes, loss = self.sheet, self.passes, self.program.loss
        texts = [line.text for line in self.shown]
        notes = self._column_after(LINES, CODE * max(map(len, texts)))
        for k, (text, line) in enumerate(zip(texts, self.shown, strict=True)):
            sheet.label(FIRST + k, LINES, text, "code")
            if line.note:
                sheet.label(FIRST + k, notes, line.note, "note")
        under_chart = self._column_after(LINES, CHART_WIDTH * CENTIMETRE / CHARACTER) - 1
        self.widest = max(notes + max(len(line.note) for line in self.shown) // 11, under_chart)
        x, y = (passes.area(FIRST_LINE, passes.last_line, k) for k in (STEP, LOSS))
        series = (Series(loss, x, y, "gradient"),)
        height = self._chart_height()
        sheet.charts.append(
            Chart(
                self.chart, LINES, f"{loss} after each step", "step", loss, series, CHART_WIDTH, height, (0, self.steps)
            )
        )
        sheet.names["training_loss"] = y

    def _column_after(self, column: int, wide: float) -> int:
        """The first column that begins so much right of the beginning of another, in units of column widths."""
        while wide > 0:
            wide -= self.sheet.widths.get(column, COLUMN_WIDTH)
            column += 1
        return column

    def _losses(self) -> None:
        passes, loss = self.passes, self.program.loss
        at = passes.passes[0][loss]

        def book(line: int) -> dict[str, list[Placement]]:
            return {"pass": [passes.place(line, at)]}

        passes.field(LOSS, Ref("pass", ()), self.found[loss], "loss", LOSS_FORMAT, book, tolerance=self.spread[loss])

    def _rates(self) -> None:
        """The learning rate of each step."""
        names = [*(setting.name for setting in self.training.schedule.settings), "base_lr", "t"]
        arrays = {name: CellArray.named(name, ()) for name in names} | {"pi": math.pi}
        rate = after(self.training.schedule.lines, arrays, UPDATE_CELLS)["lr"]
        places = {name: [place] for name, place in self.places.items()} | {"base_lr": [self.places["lr"]]}

        def book(line: int) -> dict[str, list[Placement]]:
            return places | {"t": [self.passes.place(line, STEP)]}

        expected = self.found[RATE_KEY]
        form = number_format(expected)
        self.passes.field(RATE, rate.element(()), expected, "value", form, book, FIRST_LINE + 1)

    def _numbers(self, name: str) -> None:
        """A trained tensor and its state: as they are at step 0, then moved from step to step."""
        passes = self.passes
        cells = update_cells(self.optimizer, self.program.shapes[name])
        book = self._books(name)
        for one in ("w", *self.optimizer.state):
            key = name if one == "w" else state_key(one, name)
            order = passes.order(key)
            expected, off = (
                np.array([[x[at] for at in order] for x in part[key]]) for part in (self.found, self.spread)
            )
            field, form, style = (
                passes.passes[0][key],
                number_format(expected),
                "training" if one == "w" else "gradient",
            )

            def start(i: int, j: int, field=field) -> list[Token]:
                return Printer({"base": [passes.place(1, field + j)]}).tokens(Ref("base", ()))

            def moved(i: int, j: int, array=cells[one], order=order) -> list[Token]:
                return Printer(book(FIRST_LINE + 1 + i)).tokens(array.element(order[j]))

            if one == "w":
                passes.block(FIRST_LINE, field, 1, len(order), start, expected[:1], style, form)
            else:
                self._zeros(field, len(order), style)
            try:
                more = dict(tolerance=off[1:])
                passes.block(FIRST_LINE + 1, field, self.steps, len(order), moved, expected[1:], style, form, **more)
            except FormulaError as error:
                raise PlanError(f"[optimizers.{self.optimizer.name}] {one}, for w = {name}: {error}") from None

    def _zeros(self, field: int, count: int, style: str) -> None:
        """The state before the first step."""
        shape = (1, count) if self.across else (count, 1)
        zeros = np.zeros(shape)
        at = self.passes.cell(FIRST_LINE, field)
        self.sheet.blocks.append(Block(*at, zeros.tolist(), style, "fixed", zeros, number_format="0"))

    def _books(self, name: str) -> Callable[[int], dict[str, list[Placement]]]:
        """Where each step finds the numbers of the step before, the state, and the settings."""
        passes, made = self.passes, {}
        settings = {setting: [place] for setting, place in self.places.items()}
        keys = {"w": name} | {one: state_key(one, name) for one in self.optimizer.state}

        def book(line: int) -> dict[str, list[Placement]]:
            if line not in made:
                before, now = (passes.book(passes.passes[0], at) for at in (line - 1, line))
                made[line] = settings | {"t": [passes.place(line, STEP)], "g": before[f"{name}.g"]}
                if self.training.scheduled:
                    made[line]["lr"] = [passes.place(line, RATE)]
                for one, key in keys.items():
                    made[line] |= {one: before[key], f"new {one}": now[key]}
            return made[line]

        return book

    def _fold(self) -> None:
        """The passes fold away, as far as no line or note stands above them; what is printed goes to the last gradient."""
        sheet, passes = self.sheet, self.passes
        ends = {
            key: passes.passes[0][key] + math.prod(passes.program.shapes[key]) - 1
            for key in (self.last_shown, f"{self.trained[-1]}.g")
        }
        shown, last = ends[self.last_shown], passes.cell(passes.last_line, passes.fields - 1)[1]
        folded = max(passes.cell(0, shown + 1)[1], self.widest + 1)
        if self.across and folded <= last:
            sheet.folded_columns.append((folded, last))
        elif not self.across and passes.fields - 1 > shown:
            sheet.folded_rows.append((passes.cell(0, shown + 1)[0], passes.bottom))
        if self.across:
            sheet.print_columns = max(14, self.widest, passes.cell(0, ends[f"{self.trained[-1]}.g"])[1])
        sheet.widths = {1: 3.5} | {k: COLUMN_WIDTH for k in range(2, last + 1)} | sheet.widths
        for column in (2, 2 + LOSS, PANEL):
            sheet.widths[column] = max(sheet.widths[column], 11.0)


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


SHEET = SheetKind(
    name=NAME,
    about="forward, backward, step, and again: watch the loss fall",
    order=60,
    build=build,
    key="training",
    fields=KEYS,
    more_fields=True,
    read=read,
    write=write,
)
