"""``sheetgrad new``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sheetgrad.cli.app import app
from sheetgrad.cli.console import out, refusals

STARTER = '''\
# A lesson for sheetgrad. Build it with:  sheetgrad build NAME.toml
# Lines that start with # are for you; take away what you do not need.

title = "NAME"
question = "Which one question does this lesson answer?"
answer = """
The answer in a few short paragraphs, at most 150 words.

An empty line starts a new paragraph.
"""
first = [                       # one thing to change, and what to watch for: up to three lines
    "Go to x[1,1] on Gradients and change 1 to 2.",
    "Which gradients move? Which stay, and why?",
]
first_at = "x[1,1]"             # the first line leads to this number

# The forward pass: one NumPy line each, the last one is a single number, the loss.
# What stands after # becomes the note beside the block. Known: + - * / ** @ .T .sum(axis) .mean(axis) .max(axis),
# indices, and relu, sigmoid, tanh, softmax, exp, log, sqrt, abs, mse, cross_entropy and the others of the README.
forward = """
out = x @ w + b        # every output is a weighted sum of the inputs, plus its bias
loss = mse(out, y)     # one number: the mean of the squared errors
"""

# gradients = ["w", "b"]        # default: all parameters and inputs

[notes]                         # beside a step of the sheet Gradients, by the name that its line gives
out = "Every example uses the same w, so w.g adds up what all of them say."

[tensors.x]
role = "input"                  # input | parameter | target | constant
values = [[1.0, 2.0], [0.5, -1.0], [-1.5, 0.25]]

[tensors.w]
role = "parameter"
shape = [2, 2]                  # or drawn at random: the same seed gives the same numbers
random = "kaiming"              # normal | uniform | kaiming
seed = 1
decimals = 2

[tensors.b]
role = "parameter"
values = [0.1, -0.2]

[tensors.y]
role = "target"
values = [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]
# csv = "flowers.csv"           # or from a CSV beside this file
# columns = ["length", "width"]
# rows = [1, 2, 3]              # counted from 1

[nudge]
step = 1e-4                     # h, how far each number is nudged
scheme = "central"              # or "forward"

# [training]                    # gradient descent, step by step, on a sheet of its own
# optimizer = "adam"            # or sgd, momentum, nesterov, adagrad, rmsprop, adamw
# lr = 0.05
# schedule = "cosine"           # or linear, step; without it lr stays as it is
# steps = 30

# [bug]                         # one backward line wrong on purpose, to be found and mended
# gradient = "w.g"
# slip = "sum"                  # only one example is counted; the README has the others

# An operation of your own: what it does, and its derivative (g is the gradient of the result).
# [ops.cube]
# forward = "a ** 3"
# a = "g * 3 * a ** 2"
'''


@app.command("new")
def new_template(name: Annotated[str, typer.Argument(help="The lesson's name; the file becomes NAME.toml.")]) -> None:
    """Write a commented template to start a lesson of your own from.

    [bold]sheetgrad new mine && sheetgrad build mine.toml[/]
    """
    with refusals():
        from sheetgrad.files import TargetError
        from sheetgrad.lesson.fields import LessonError

        stem = name.removesuffix(".toml")
        path = Path(f"{stem}.toml")
        if not stem.replace("-", "_").isidentifier():
            raise LessonError(f"{name}: expected a plain name of letters, digits, - and _")
        try:
            with open(path, "x", encoding="utf-8") as file:
                file.write(STARTER.replace("NAME", stem))
        except FileExistsError:
            raise TargetError(f"{path}: exists already; choose another name") from None
    out.print(f"{path} written. Now: sheetgrad build {path}", soft_wrap=True)
