"""The lessons that tests look at: those that come with sheetgrad, and some that hold what these do not."""

import tomllib
from functools import cache

import numpy as np

from sheetgrad import Lesson
from sheetgrad.lesson.sources import available

LAYER = """
title = "A layer"
question = "How?"
text = "Words."
forward = '''
out = x @ w + b    # a layer
act = relu(out)
loss = mse(act, y)
'''
[tensors.x]
role = "input"
values = [[1.0, 2.0], [0.5, -1.0], [-1.5, 0.25]]
[tensors.w]
role = "parameter"
values = [[0.3, -0.7], [0.8, 0.4]]
[tensors.b]
role = "parameter"
values = [0.1, -0.2]
[tensors.y]
role = "target"
values = [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]
"""


def lesson_of(text: str, name: str = "layer") -> Lesson:
    """The lesson of a template given as text."""
    return Lesson.from_table(tomllib.loads(text), name, f"{name}.toml")


# many operations at once
WILD = """
title = "Many operations at once"
question = "Does it all hold together?"
forward = '''
h = x - x.mean(0)
v = (h ** 2).mean(0)
n = h / sqrt(v + 0.1) * gam + bet
m = n.max(1)
k = concatenate((m, bet), axis=0)
z = (k[1:7].reshape(2, 3) @ n.T).T
s = softmax(z)
c = cross_entropy(z @ u, lab)
q = t3 * 2 + bet
r = t3 @ p
high = (x > 0.2).sum(0)
top = x.max(0)
loss = (high * top).sum() + (s * z).sum() + c + (q ** 2).mean() + gelu(bet).sum() + where(gam > 0, gam, 0).sum() + tanh(r).sum() - mse(n, x)
'''
[tensors]
x = {role = "input", shape = [5, 3]}
gam = {role = "parameter", shape = [3], seed = 3}
bet = {role = "parameter", shape = [3], seed = 4}
u = {role = "parameter", shape = [2, 4], seed = 5}
lab = {role = "target", values = [0, 1, 2, 3, 0]}
t3 = {role = "parameter", shape = [2, 2, 3], seed = 9}
p = {role = "constant", shape = [2, 3, 2], seed = 10}
[nudge]
limit = 20
"""

# every sheet that a template can ask for
EVERYTHING = """
title = "Everything"
question = "Does it hold?"
code = true
forward = '''
z = x @ w + b
p = softmax(z)
l1 = relu(z)
q = cube(l1)
loss = cross_entropy(z, k) + mse(p, y) + q.sum() * 0.1 + ((x > 0.1) + (x == 0)).sum() * 0.01 + x[1:3].max(0).sum()
'''
jacobian.pairs = [["z", "x"], ["p", "z"], ["l1", "z"], ["z", "b"], ["q", "l1"]]
jacobian.example = 2
contributions.of = ["b"]
training = {lr = 0.05, steps = 7, optimizer = "momentum", momentum = 0.8, train = ["w", "b", "x"]}
tensors.x = {role = "input", shape = [4, 3], seed = 3}
tensors.w = {role = "parameter", shape = [3, 4], seed = 4}
tensors.b = {role = "parameter", shape = [4], seed = 5}
tensors.y = {role = "target", shape = [4, 4], seed = 6, random = "uniform"}
tensors.k = {role = "target", values = [0, 3, 2, 1]}
nudge.limit = 18
ops.cube = {forward = "a ** 3", a = "g * 3 * a ** 2"}
"""


def microgpt() -> dict:
    """The template of a GPT of 4,192 parameters at 16 positions: 27 letters, 16 wide, 4 heads, one layer, an MLP of 64."""
    chance, positions, letters, width = np.random.default_rng(0), 16, 27, 16
    text = chance.integers(0, letters, positions + 1)
    forward = "x0 = one @ wte + wpe\n"
    forward += "".join(f"x{k} = x{k - 1} / sqrt((x{k - 1} ** 2).mean(-1, keepdims=True) + 0.00001)\n" for k in (1, 2))
    forward += "q = x2 @ wq\nk = x2 @ wk\nv = x2 @ wv\n"
    for head in range(4):
        own = f"[:, {4 * head}:{4 * head + 4}]"
        forward += f"s{head} = q{own} @ k{own}.T / 2 + mask\na{head} = softmax(s{head}) @ v{own}\n"
    forward += (
        "left = concatenate((a0, a1), 1)\nright = concatenate((a2, a3), 1)\nheads = concatenate((left, right), 1)\n"
    )
    forward += "x3 = heads @ wo + x1\nx4 = x3 / sqrt((x3 ** 2).mean(-1, keepdims=True) + 0.00001)\n"
    forward += "x5 = relu(x4 @ w1) @ w2 + x3\nscores = x5 @ out\nloss = cross_entropy(scores, y)"
    shapes = {"wte": (letters, width), "wpe": (positions, width), "wq": (16, 16), "wk": (16, 16), "wv": (16, 16)}
    shapes |= {"wo": (16, 16), "w1": (16, 64), "w2": (64, 16), "out": (16, letters)}
    tensors = {
        name: {"role": "parameter", "shape": list(shape), "random": "kaiming", "seed": k}
        for k, (name, shape) in enumerate(shapes.items())
    }
    later = np.triu(np.full((positions, positions), -1000.0), 1)
    given = {"one": np.eye(letters)[text[:-1]], "mask": later}
    tensors |= {name: {"role": "constant", "values": values.tolist()} for name, values in given.items()}
    tensors["y"] = {"role": "target", "values": text[1:].tolist()}
    return {
        "title": "A microGPT",
        "question": "Is each of its gradients right?",
        "forward": forward,
        "tensors": tensors,
    }


COURSE = [path.stem for path in available()]
BUGS = [name for name in COURSE if name.startswith("bug-")]  # a line is wrong on purpose: see test_bug.py
RIGHT = [name for name in COURSE if name not in BUGS]
OTHERS = {"layer": LAYER, "wild": WILD, "everything": EVERYTHING}


@cache
def lesson_named(name: str) -> Lesson:
    """One of the course, or of those above, with the laboratory, so that whoever looks at it looks at that too."""
    lesson = lesson_of(OTHERS[name], name) if name in OTHERS else Lesson.load(name)
    return lesson.asking_for("laboratory")
