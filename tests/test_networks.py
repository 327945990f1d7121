"""Networks as they are taught elsewhere: each builds with training, and every cell of it is verified."""

import pytest
from conftest import lesson_of

from sheetgrad import build

TWO_LAYERS = """
title = "Five examples, two layers"
question = "Does it learn?"
gradients = ["w1", "b1", "w2", "b2"]
forward = '''
l1 = x @ w1 + b1
l2 = relu(l1)
out = l2 @ w2 + b2
loss = mse(out, y)
'''
[tensors.x]
role = "input"
shape = [5, 4]
seed = 1
[tensors.w1]
role = "parameter"
shape = [4, 3]
random = "kaiming"
seed = 2
[tensors.b1]
role = "parameter"
shape = [3]
seed = 3
[tensors.w2]
role = "parameter"
shape = [3, 2]
random = "kaiming"
seed = 4
[tensors.b2]
role = "parameter"
shape = [2]
seed = 5
[tensors.y]
role = "target"
shape = [5, 2]
seed = 6
[training]
optimizer = "momentum"
lr = 0.05
momentum = 0.9
steps = 6
"""
AUTOENCODER = """
title = "An autoencoder"
question = "What is left of six numbers in two?"
forward = '''
code = tanh(x @ w1 + b1)
back = code @ w2 + b2
loss = mse(back, x)
'''
[tensors.x]
role = "constant"
shape = [7, 6]
seed = 1
[tensors.w1]
role = "parameter"
shape = [6, 2]
seed = 2
[tensors.b1]
role = "parameter"
shape = [2]
seed = 3
[tensors.w2]
role = "parameter"
shape = [2, 6]
seed = 4
[tensors.b2]
role = "parameter"
shape = [6]
seed = 5
[training]
lr = 0.1
steps = 5
"""
TIED = """
title = "An autoencoder with one matrix"
question = "What does a matrix do that is used twice?"
forward = '''
code = x @ w
back = code @ w.T
loss = mse(back, x)
'''
[tensors.x]
role = "input"
shape = [6, 5]
seed = 1
[tensors.w]
role = "parameter"
shape = [5, 5]
seed = 2
[training]
lr = 0.02
steps = 4
"""
MAKEMORE = """
title = "makemore"
question = "Which letter comes next?"
forward = '''
emb = one @ C
flat = emb.reshape(6, 6)
h = tanh(flat @ w1 + b1)
scores = h @ w2 + b2
loss = cross_entropy(scores, y)
'''
[tensors.one]
role = "constant"
values = [
  [1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0],
  [1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0],
  [1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0],
  [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0],
  [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1],
  [0, 0, 0, 1, 0], [0, 0, 0, 0, 1], [0, 1, 0, 0, 0],
]
[tensors.C]
role = "parameter"
shape = [5, 2]
seed = 1
[tensors.w1]
role = "parameter"
shape = [6, 7]
random = "kaiming"
seed = 2
[tensors.b1]
role = "parameter"
shape = [7]
seed = 3
[tensors.w2]
role = "parameter"
shape = [7, 5]
random = "kaiming"
seed = 4
[tensors.b2]
role = "parameter"
shape = [5]
seed = 5
[tensors.y]
role = "target"
values = [1, 2, 3, 4, 1, 0]
[nudge]
limit = 10
[training]
lr = 0.2
steps = 2
"""
MICROGPT = """
title = "A microGPT"
question = "How does attention learn?"
forward = '''
x0 = one @ wte + wpe
m0 = x0.mean(-1, keepdims=True)
c0 = x0 - m0
v0 = (c0 ** 2).mean(-1, keepdims=True)
x1 = c0 / sqrt(v0 + 0.00001) * gain
q = x1 @ wq
k = x1 @ wk
v = x1 @ wv
s1 = q[:, :3] @ k[:, :3].T / 1.7320508 + mask
s2 = q[:, 3:] @ k[:, 3:].T / 1.7320508 + mask
a1 = softmax(s1) @ v[:, :3]
a2 = softmax(s2) @ v[:, 3:]
heads = concatenate((a1, a2), 1)
x2 = heads @ wo + x0
h = relu(x2 @ wf)
x3 = h @ wp + x2
scores = x3 @ wte.T
loss = cross_entropy(scores, y)
'''
[tensors.one]
role = "constant"
values = [
  [1, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0],
]
[tensors.wte]
role = "parameter"
shape = [7, 6]
seed = 1
[tensors.wpe]
role = "parameter"
shape = [5, 6]
seed = 2
[tensors.gain]
role = "parameter"
values = [1, 1, 1, 1, 1, 1]
[tensors.wq]
role = "parameter"
shape = [6, 6]
seed = 3
[tensors.wk]
role = "parameter"
shape = [6, 6]
seed = 4
[tensors.wv]
role = "parameter"
shape = [6, 6]
seed = 5
[tensors.wo]
role = "parameter"
shape = [6, 6]
seed = 6
[tensors.mask]
role = "constant"
values = [
  [0, -1000, -1000, -1000, -1000], [0, 0, -1000, -1000, -1000], [0, 0, 0, -1000, -1000], [0, 0, 0, 0, -1000],
  [0, 0, 0, 0, 0],
]
[tensors.wf]
role = "parameter"
shape = [6, 8]
random = "kaiming"
seed = 7
[tensors.wp]
role = "parameter"
shape = [8, 6]
random = "kaiming"
seed = 8
[tensors.y]
role = "target"
values = [1, 2, 3, 4, 5]
[nudge]
limit = 9
[training]
lr = 0.05
steps = 1
"""
GRAM = """
title = "A matrix with itself"
question = "What is the gradient of a.T @ a?"
forward = '''
inner = a.T @ a
outer = a @ a.T
both = inner.sum() + (outer * outer.T).sum() + (inner * c.T).sum()
loss = both / 100
'''
[tensors.a]
role = "parameter"
shape = [6, 7]
seed = 1
[tensors.c]
role = "input"
shape = [7, 7]
seed = 2
[nudge]
limit = 20
[training]
lr = 0.01
steps = 3
train = ["a"]
"""
PARTS = """
title = "Sums over parts"
question = "Where do the cells of a part stand?"
forward = '''
part = a[1:7, 1:8]
whole = (part * b).sum() + a[2:8, 2:9].max() + a[1:8, :6].sum() + (a[:5, :5] ** 2).mean()
rows = a.reshape(4, 8, 3)
over = rows[1:3, 2:7].sum(1) + rows[:2].sum(1)
joined = concatenate((a, b[:, :1].reshape(1, 6)[:, :6].T @ ones9), 0)
high = joined.max(0)
loss = whole + over.sum() + (high * high).sum() + log_softmax(joined)[2:9, 1:7].mean()
'''
[tensors.a]
role = "parameter"
shape = [8, 12]
seed = 1
[tensors.b]
role = "input"
shape = [6, 7]
seed = 2
[tensors.ones9]
role = "constant"
values = [[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]]
[nudge]
limit = 10
[training]
lr = 0.01
steps = 1
train = ["a"]
"""
WIDE = """
title = "784 inputs"
question = "How wide may a lesson be?"
gradients = ["w1", "w2"]
forward = '''
h = relu(x @ w1)
scores = h @ w2
loss = cross_entropy(scores, y)
'''
[tensors.x]
role = "input"
shape = [2, 784]
random = "uniform"
seed = 1
[tensors.w1]
role = "parameter"
shape = [784, 5]
random = "kaiming"
decimals = 4
seed = 2
[tensors.w2]
role = "parameter"
shape = [5, 6]
random = "kaiming"
seed = 3
[tensors.y]
role = "target"
values = [3, 1]
[nudge]
limit = 2
"""
NETWORKS = {
    "5-3-2": TWO_LAYERS,
    "autoencoder": AUTOENCODER,
    "tied": TIED,
    "makemore": MAKEMORE,
    "microgpt": MICROGPT,
    "gram": GRAM,
    "parts": PARTS,
    "784": WIDE,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_builds_with_training_and_every_cell_is_verified(name, tmp_path):
    report = build(lesson_of(NETWORKS[name], name), tmp_path / "network.xlsx")
    assert report.ok, [str(mismatch) for mismatch in report.mismatches[:5]]
    assert report.checked_cells == report.formula_cells
