"""Training on NumPy: what every step of a lesson's training must show, and how far off rounding may make it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from sheetgrad.autodiff.program import Line, run_lines
from sheetgrad.lesson.model import Lesson
from sheetgrad.tables.updates import UPDATE_NUMBERS, Update, after

RATE_KEY = "training.lr"  # the learning rates by step, among what NumPy finds
WOBBLE, MARGIN = 2.0**-48, 4  # of a step, 16 roundings; how many times what they become is allowed


def needed_lines(lesson: Lesson) -> tuple[Line, ...]:
    """The lines of a step: the forward pass and those backward lines that the trained numbers need."""
    train = lesson.sections["training"].train
    program, wanted, needed = lesson.program, {f"{name}.g" for name in train}, []
    moved = {line.target for line in program.forward_after(train)}
    for line in reversed(program.backward):
        if line.target in wanted:
            needed.append(line)
            wanted.update(line.operands)
    backward = [line for line in reversed(needed)]
    forward = [line for line in program.forward if line.target in moved]
    return (*forward, *backward)


def state_key(state: str, name: str) -> str:
    """``m of w``: what an optimiser keeps for a tensor."""
    return f"{state} of {name}"


def run(
    lesson: Lesson, values: Mapping[str, np.ndarray], lines: tuple[Line, ...], wobble: float = 0.0
) -> dict[str, np.ndarray]:
    """Every tensor, gradient, state (``m of w``) and learning rate, a step along axis 0, the start
    first.

    What is not a finite number is NaN from there on, as an error is in a sheet. Each step starts from numbers and
    gradients that are off by ``wobble``, relative to their size.
    """
    training = lesson.sections["training"]
    numbers = {name: np.float64(number) for name, number in training.numbers.items()}
    now = dict(values)
    state = {
        state_key(one, name): np.zeros(values[name].shape)
        for one in training.optimizer.state
        for name in training.train
    }
    kept: dict[str, list] = {RATE_KEY: []}
    for step in range(training.steps + 1):
        if step:
            numbers["t"] = np.float64(step)
            rate = _finite(_rate(training.schedule, numbers))
            kept[RATE_KEY].append(rate)
            for name in training.train if wobble else ():
                now |= {key: now[key] * (1 + wobble * _signs(now[key].shape)) for key in (name, f"{name}.g")}
            for name in training.train:
                _move(training.optimizer, name, now, state, numbers | {"lr": rate})
        now = run_lines(lines, now, lesson.rules)
        for key in (*training.train, *(line.target for line in lines)):
            kept.setdefault(key, []).append(now[key])
        for key, value in state.items():
            kept.setdefault(key, []).append(value)
    return {key: np.array(runs) for key, runs in kept.items()}


def spread(
    lesson: Lesson, values: Mapping[str, np.ndarray], lines: tuple[Line, ...], found: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """How far off each number of ``found`` may be, for no other reason than rounding: steps that are too long, or divided
    by what is nearly 0, magnify it from step to step. Measured, by training once more with a wobble."""
    other = run(lesson, values, lines, WOBBLE)
    with np.errstate(all="ignore"):
        return {key: MARGIN * np.nan_to_num(np.abs(other[key] - found[key]), posinf=0.0) for key in found}


def _signs(shape: tuple[int, ...]) -> np.ndarray:
    """+1 and −1 in turn."""
    return 1.0 - 2.0 * (np.arange(math.prod(shape)) % 2).reshape(shape)


def _rate(schedule: Update, numbers: Mapping[str, np.float64]) -> np.float64:
    """The learning rate of step ``t``; NaN for an optimiser that has none."""
    start = numbers.get("lr", np.float64(np.nan))
    if not schedule.lines:
        return start
    with np.errstate(all="ignore"):
        return after(schedule.lines, {**numbers, "base_lr": start, "pi": math.pi}, UPDATE_NUMBERS)["lr"]


def _move(optimizer: Update, name: str, now: dict, state: dict, numbers: Mapping[str, np.float64]) -> None:
    """One step of a tensor: its new numbers in ``now``, its new state in ``state``."""
    arrays = {one: state[state_key(one, name)] for one in optimizer.state}
    arrays |= {**numbers, "w": now[name], "g": now[f"{name}.g"]}
    with np.errstate(all="ignore"):
        made = after(optimizer.lines, arrays, UPDATE_NUMBERS, lambda _, value: _finite(value))
    shape = now[name].shape
    now[name] = np.array(np.broadcast_to(_finite(made["w"]), shape), dtype=float)
    for one in optimizer.state:
        state[state_key(one, name)] = np.array(np.broadcast_to(_finite(made[one]), shape), dtype=float)


def _finite(value: object) -> np.ndarray:
    return np.where(np.isfinite(value), value, np.nan)[()]
