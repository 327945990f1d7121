"""The wall of mistakes: hand-made workbooks of our own, each with one slip that stands in many a real one.

A workbook is written as somebody would write it: blocks with their labels, in one of the usual layouts. ``SLIPS`` are
what stands there instead of what belongs there. The page docs/mistakes.md is made from these (docs/mistakes.py), and
tests/test_mistakes.py runs every one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from openpyxl import Workbook
from openpyxl.utils.cell import coordinate_to_tuple, get_column_letter

Rows = list[list[object]]
SCHOOL = dict(
    i1=0.05, i2=0.10, w1=0.15, w2=0.20, w3=0.25, w4=0.30, w5=0.40, w6=0.45, w7=0.50, w8=0.55, t1=0.01, t2=0.99
)


@dataclass(frozen=True)
class Mistake:
    """A slip: ``sheets`` are the right workbook (by sheet, by first cell, rows of contents; None leaves a cell empty),
    ``slips`` the wrong formulas by cell, as ``Sheet!B9``; ``named`` words of gradcheck that name it, ``pairs`` how many
    blocks of numbers have gradients. What ``passes`` is right cell by cell, and gradcheck says what else there is to say.
    ``lesson`` has the same slip, to be found and mended."""

    name: str
    title: str
    network: str
    why: str
    sheets: Mapping[str, Mapping[str, Rows]]
    slips: Mapping[str, str]
    named: str = ""
    pairs: int = 1
    merged: tuple[str, ...] = ()
    passes: bool = False
    lesson: str = ""

    def contents(self) -> dict[str, object]:
        """What belongs in every cell, by ``Sheet!B9``."""
        return contents_of(self.sheets)

    def write(self, path: Path, mended: bool = False) -> Path:
        """The workbook with its slip, or ``mended``."""
        right = self.contents()
        assert set(self.slips) <= set(right), "a slip stands where nothing belongs"
        return write(path, list(self.sheets), right if mended else right | dict(self.slips), self.merged)


def contents_of(sheets: Mapping[str, Mapping[str, Rows]]) -> dict[str, object]:
    """Blocks of rows by sheet and first cell, as contents by ``Sheet!B9``; None leaves a cell as it is."""
    found = {}
    for sheet, blocks in sheets.items():
        for first, rows in blocks.items():
            row, column = coordinate_to_tuple(first)
            for i, line in enumerate(rows):
                for j, content in enumerate(line):
                    if content is not None:
                        found[f"{sheet}!{_cell(row + i, column + j)}"] = content
    return found


def write(path: Path, sheets: list[str], contents: Mapping[str, object], merged: Iterable[str] = ()) -> Path:
    """A workbook with these contents, by ``Sheet!B9``."""
    book = Workbook()
    book.remove(book.active)
    for sheet in sheets:
        book.create_sheet(sheet)
    for place, content in contents.items():
        sheet, _, cell = place.rpartition("!")
        book[sheet][cell] = content
    for place in merged:
        sheet, _, area = place.rpartition("!")
        book[sheet].merge_cells(area)
    book.save(path)
    return path


def _cell(row: int, column: int) -> str:
    return f"{get_column_letter(column)}{row}"


def _steps() -> dict[str, Rows]:
    """A 2-2-2 network of sigmoids as a table with a row a step: the weights are typed in the first and then updated."""
    names = [f"w{k}" for k in range(1, 9)]
    headings = [
        "i1",
        "i2",
        "t1",
        "t2",
        *names,
        "h1",
        "h2",
        "a_h1",
        "a_h2",
        "o1",
        "o2",
        "a_o1",
        "a_o2",
        "E1",
        "E2",
        "E_total",
    ]
    column = {name: _cell(1, k)[:-1] for k, name in enumerate([*headings, *(f"∂E/∂{name}" for name in names)], 1)}
    assert column["∂E/∂w8"] == "AE"

    def line(row: int) -> list[object]:
        at = {name: f"{letters}{row}" for name, letters in column.items()}
        given = [SCHOOL[name] if row == 4 else f"={column[name]}{row - 1}" for name in ("i1", "i2", "t1", "t2")]
        weights = [
            SCHOOL[name] if row == 4 else f"={column[name]}{row - 1}-$B$1*{column[f'∂E/∂{name}']}{row - 1}"
            for name in names
        ]
        f = lambda text: "=" + text.format(**at)  # noqa: E731
        forward = ["{w1}*{i1}+{w2}*{i2}", "{w3}*{i1}+{w4}*{i2}", "1/(1+EXP(-{h1}))", "1/(1+EXP(-{h2}))"]
        forward += ["{w5}*{a_h1}+{w6}*{a_h2}", "{w7}*{a_h1}+{w8}*{a_h2}", "1/(1+EXP(-{o1}))", "1/(1+EXP(-{o2}))"]
        forward += ["0.5*({t1}-{a_o1})^2", "0.5*({t2}-{a_o2})^2", "{E1}+{E2}"]
        out = {k: f"({{a_o{k}}}-{{t{k}}})*{{a_o{k}}}*(1-{{a_o{k}}})" for k in (1, 2)}
        back = {1: f"({out[1]}*{{w5}}+{out[2]}*{{w7}})", 2: f"({out[1]}*{{w6}}+{out[2]}*{{w8}})"}
        gradients = [f"{back[k]}*{{a_h{k}}}*(1-{{a_h{k}}})*{{i{j}}}" for k in (1, 2) for j in (1, 2)]
        gradients += [f"{out[k]}*{{a_h{j}}}" for k in (1, 2) for j in (1, 2)]
        return [*given, *weights, *map(f, forward), *map(f, gradients)]

    return {"A1": [["η", 0.5]], "A3": [list(column), *(line(row) for row in (4, 5, 6))]}


def _wrong_steps(old: str, new: str, *headings: str) -> dict[str, str]:
    """The slips of these columns in all rows of the table of steps: ``new`` where ``old`` belongs, once."""
    blocks = _steps()["A3"]
    slips = {}
    for heading in headings:
        k = blocks[0].index(heading)
        for row, line in enumerate(blocks[1:], 4):
            wrong = str(line[k]).replace(old.format(row), new.format(row))
            assert wrong != line[k]
            slips[f"Backprop!{_cell(row, k + 1)}"] = wrong
    return slips


NETWORK = "2-2-2 network of sigmoids, half the squared error"


def _listed() -> dict[str, dict[str, Rows]]:
    """The same network with one number a row, forward and backward on two sheets."""
    forward = [[name, number] for name, number in SCHOOL.items()]
    row = {name: k for k, (name, _) in enumerate(forward, 1)}
    for name, formula in {
        "h1": "{w1}*{i1}+{w2}*{i2}",
        "h2": "{w3}*{i1}+{w4}*{i2}",
        "a_h1": "1/(1+EXP(-{h1}))",
        "a_h2": "1/(1+EXP(-{h2}))",
        "o1": "{w5}*{a_h1}+{w6}*{a_h2}",
        "o2": "{w7}*{a_h1}+{w8}*{a_h2}",
        "a_o1": "1/(1+EXP(-{o1}))",
        "a_o2": "1/(1+EXP(-{o2}))",
        "E": "(({t1}-{a_o1})^2+({t2}-{a_o2})^2)/2",
    }.items():
        forward.append([name, "=" + formula.format(**{known: f"B{k}" for known, k in row.items()})])
        row[name] = len(forward)
    at = {name: f"Forward!B{k}" for name, k in row.items()}
    backward: Rows = [["", "gradient"]]
    for k in (1, 2):
        backward.append([f"dE/do{k}", f"=({at[f'a_o{k}']}-{at[f't{k}']})*{at[f'a_o{k}']}*(1-{at[f'a_o{k}']})"])
    for k, (first, second) in enumerate((("w5", "w7"), ("w6", "w8")), 1):
        slope = f"{at[f'a_h{k}']}*(1-{at[f'a_h{k}']})"
        backward.append([f"dE/dh{k}", f"=(B2*{at[first]}+B3*{at[second]})*{slope}"])
    backward += [[f"dE/dw{2 * k + j - 2}", f"=B{3 + k}*{at[f'i{j}']}"] for k in (1, 2) for j in (1, 2)]
    backward += [[f"dE/dw{2 * k + j + 2}", f"=B{1 + k}*{at[f'a_h{j}']}"] for k in (1, 2) for j in (1, 2)]
    return {"Forward": {"A1": forward}, "Backward": {"A1": backward}}


MISTAKES = (
    Mistake(
        "neighbour",
        "The neighbour's activation in a sigmoid's derivative",
        NETWORK + ", one row a step",
        "The two hidden neurons get nearly the same activation (0.505 and 0.511), so that a(1 − a) is 0.2500 and "
        "0.2499: the gradient is off by less than a thousandth, and the error falls all the same.",
        {"Backprop": _steps()},
        _wrong_steps("P{0}*(1-P{0})", "O{0}*(1-O{0})", "∂E/∂w3", "∂E/∂w4"),
        "neighbour",
        8,
        lesson="bug-neighbour",
    ),
    Mistake(
        "activation-input",
        "h where a_h belongs",
        NETWORK + ", one number a row, on two sheets",
        "The gradient of an output weight is what flows in times what the neuron before sends out. The sum before the "
        "sigmoid stands two lines higher and has nearly the same name. Here it has the same sign too, so that the "
        "error falls, only more slowly.",
        _listed(),
        {"Backward!B11": "=B2*Forward!B14", "Backward!B13": "=B3*Forward!B14"},
        "activation",
        8,
        lesson="bug-before",
    ),
    Mistake(
        "mask-missing",
        "The mask of a ReLU is missing",
        "three layers, ReLU after the first two, three examples side by side, half the squared errors",
        "Layer 1 has its mask, so the rule was known; layer 2 was written without. A dead neuron is passed a gradient "
        "all the same: its weights move, though moving them changes nothing yet. The loss falls all the while.",
        {
            "Net": {
                "A1": [["X"], [1, -2, 0.5], [2, 0.5, -0.7]],
                "E1": [["T"], [1.1, 0.4, -0.6]],
                "A5": [["W1"], [0.5, 0.25], [-1, 1.25]],
                "E5": [["Z1"], *([f"=$A{i}*{c}$2+$B{i}*{c}$3" for c in "ABC"] for i in (6, 7))],
                "I5": [["H1"], *([f"=MAX({c}{i},0)" for c in "EFG"] for i in (6, 7))],
                "A9": [["W2"], [-1.4, 0.7]],
                "E9": [["Z2"], [f"=$A10*{c}$6+$B10*{c}$7" for c in "IJK"]],
                "I9": [["H2"], [f"=MAX({c}10,0)" for c in "EFG"]],
                "A13": [["W3"], [-1]],
                "E13": [["Y"], [f"=$A14*{c}10" for c in "IJK"]],
                "I13": [["loss"], ["=SUMXMY2(E14:G14,E2:G2)/2"]],
                "M13": [["dY"], [f"={c}14-{c}2" for c in "EFG"]],
                "M9": [["dZ2"], [f"=$A$14*{c}$14*({z}10>0)" for c, z in zip("MNO", "EFG", strict=True)]],
                "M5": [
                    ["dZ1"],
                    *(
                        [f"=${w}$10*{c}$10*({z}{i}>0)" for c, z in zip("MNO", "EFG", strict=True)]
                        for w, i in ("A6", "B7")
                    ),
                ],
                "Q13": [["dW3"], ["=SUMPRODUCT(M14:O14,I10:K10)"]],
                "Q9": [["dW2"], [f"=SUMPRODUCT($M10:$O10,$I{k}:$K{k})" for k in (6, 7)]],
                "Q5": [["dW1"], *([f"=SUMPRODUCT($M{i}:$O{i},$A${k}:$C${k})" for k in (2, 3)] for i in (6, 7))],
            }
        },
        {f"Net!{c}10": f"=$A$14*{c}$14" for c in "MNO"},
        "mask",
        3,
        lesson="bug-mask",
    ),
    Mistake(
        "slope-forgotten",
        "The slope of the activation is forgotten",
        "one tanh neuron and an output weight, one row a number",
        "Near 0 tanh is nearly a straight line of slope 1, and without its slope the gradient has the right sign "
        "everywhere. Training works; only the neurons that are saturated get far too much.",
        {
            "Neuron": {
                "A1": [
                    ["weight", "value", "gradient"],
                    ["w", 0.8, "=(B8-B9)*B4*(1-B7^2)*B5"],
                    ["b", 0.15, "=(B8-B9)*B4*(1-B7^2)"],
                    ["v", 1.5, "=(B8-B9)*B7"],
                    ["x", 0.7],
                    ["z", "=B2*B5+B3"],
                    ["h", "=TANH(B6)"],
                    ["y", "=B4*B7"],
                    ["t", 0.25],
                    ["cost", "=(B8-B9)^2/2"],
                ]
            }
        },
        {"Neuron!C2": "=(B8-B9)*B4*B5", "Neuron!C3": "=(B8-B9)*B4"},
        "lacks the slope of the activation",
        1,
    ),
    Mistake(
        "factor-two",
        "The 2 of the square is forgotten",
        "a straight line through four points, one row an example, sums below",
        "Half the gradient points the same way, and a learning rate twice as large makes up for it. Many books put ½ "
        "before the square, where the 2 goes away; here it was not put, and the 2 was left out all the same.",
        {
            "Line": {
                "A1": [["m", 0.5, None, "c", 1]],
                "A3": [
                    ["x", "t", "y", "squared error", "dL/dm", "dL/dc"],
                    *(
                        [x, t, f"=$B$1*A{k}+$E$1", f"=(C{k}-B{k})^2", f"=2*(C{k}-B{k})*A{k}", f"=2*(C{k}-B{k})"]
                        for k, (x, t) in enumerate(((0, 1.5), (1, 1), (2, 2.5), (3, 4)), 4)
                    ),
                    ["sum", None, None, "=SUM(D4:D7)", "=SUM(E4:E7)", "=SUM(F4:F7)"],
                ],
            }
        },
        {f"Line!{c}{k}": f"=(C{k}-B{k})" + (f"*A{k}" if c == "E" else "") for c in "EF" for k in (4, 5, 6, 7)},
        "2",
        2,
    ),
    Mistake(
        "mean-or-sum",
        "Summed where it should be averaged",
        "a linear layer, three examples, mean of the squared errors",
        "The loss is a mean over the examples, the gradient adds them up: three times too long, in the right "
        "direction. It looks like a large learning rate, and with more examples it gets worse.",
        {
            "Batch": {
                "A1": [["x", "x1", "x2"], ["a", 1.07, 2.2], ["b", 3, -1], ["c", 0.5, 1]],
                "E1": [["Weights W", "y1", "y2"], ["x1", 0.5, -1.1], ["x2", 0.917, 0.3]],
                "I1": [["target"], [1, 0], [0, 1], [1, 1]],
                "E6": [
                    ["y", "y1", "y2"],
                    *(["abc"[i], *(f"=$B{i + 2}*{c}$2+$C{i + 2}*{c}$3" for c in "FG")] for i in range(3)),
                ],
                "I6": [["error"], *([f"={a}{i + 7}-{b}{i + 2}" for a, b in ("FI", "GJ")] for i in range(3))],
                "A6": [["Loss (MSE)", "=SUMSQ(I7:J9)/3"]],
                "E12": [
                    ["∂L/∂W"],
                    [None, "y1", "y2"],
                    *(
                        [f"x{i + 1}", *(f"=2*SUMPRODUCT(${'BC'[i]}$2:${'BC'[i]}$4,{c}$7:{c}$9)/3" for c in "IJ")]
                        for i in (0, 1)
                    ),
                ],
            }
        },
        {
            f"Batch!{a}{14 + i}": f"=2*SUMPRODUCT(${'BC'[i]}$2:${'BC'[i]}$4,{b}$7:{b}$9)"
            for a, b in ("FI", "GJ")
            for i in (0, 1)
        },
        "summed",
        1,
        ("Batch!E12:G12",),
    ),
    Mistake(
        "sign",
        "The sign is the other way round",
        "a logistic neuron with cross-entropy",
        "Whoever writes the error as target minus prediction adds the update instead of subtracting it, and learns "
        "correctly; the column is a gradient by its heading only. It shows when somebody else uses it.",
        {
            "Logistic": {
                "A1": [["x1", "x2", "t", "w1", "w2", "b", "z", "p", "J", "∇w1", "∇w2", "∇b"]],
                "A2": [
                    [1.5, -0.5, 1, 0.4, 0.8, -0.3, "=D2*A2+E2*B2+F2", "=1/(1+EXP(-G2))", "=-C2*LN(H2)-(1-C2)*LN(1-H2)"]
                    + ["=(H2-C2)*A2", "=(H2-C2)*B2", "=H2-C2"]
                ],
            }
        },
        {"Logistic!J2": "=(C2-H2)*A2", "Logistic!K2": "=(C2-H2)*B2", "Logistic!L2": "=C2-H2"},
        "sign",
        3,
    ),
    Mistake(
        "inflow",
        "Not multiplied by what flows in",
        "two linear neurons in a row, one column a number",
        "The local slope is right, and was checked: ∂h/∂w₁ is x. That it must be multiplied by what comes back from "
        "the loss was done one cell further on and forgotten here.",
        {
            "Chain": {
                "A1": [
                    [None, "w1", "w2", "b2"],
                    ["value", 0.5, 2, 0.1],
                    ["gradient", "=B9*B6", "=B8*B7", "=B8"],
                ],
                "A5": [
                    ["t", 0.5],
                    ["x", 1.5],
                    ["h", "=B2*B6"],
                    ["dL/dy", "=2*(B10-B5)"],
                    ["dL/dh", "=B8*C2"],
                    ["y", "=C2*B7+D2"],
                    ["loss", "=(B10-B5)^2"],
                ],
            }
        },
        {"Chain!B3": "=B6"},
        "not multiplied",
        1,
    ),
    Mistake(
        "transpose-forgotten",
        "Rows and columns exchanged in a square weight matrix",
        "two layers of 2×2 weights with tanh between, gradients on a sheet of their own",
        "Going back, the weights are read by columns where they were read by rows going forth. With as many neurons "
        "before as after, the shapes fit either way and no spreadsheet complains.",
        {
            "Forward": {
                "A1": [["x", 1, -0.5], ["t", 0.5, 0.25]],
                "A4": [["W1", 0.3, -0.6], [None, 0.9, 0.4]],
                "A7": [["h", *(f"=TANH($B$1*{c}4+$C$1*{c}5)" for c in "BC")]],
                "A9": [["W2", 0.7, 1.2], [None, -0.8, 0.5]],
                "A12": [["y", *(f"=$B$7*{c}9+$C$7*{c}10" for c in "BC")]],
                "A14": [["Loss", "=SUMXMY2(B12:C12,B2:C2)"]],
            },
            "Gradients": {
                "A1": [["y", *(f"=2*(Forward!{c}12-Forward!{c}2)" for c in "BC")]],
                "A3": [
                    ["W2", *(f"=Forward!$B$7*{c}$1" for c in "BC")],
                    [None, *(f"=Forward!$C$7*{c}$1" for c in "BC")],
                ],
                "A6": [
                    ["h", "=B1*Forward!B9+C1*Forward!C9", "=B1*Forward!B10+C1*Forward!C10"],
                    ["z", *(f"={c}6*(1-Forward!{c}7^2)" for c in "BC")],
                ],
                "A9": [
                    ["W1", *(f"=Forward!$B$1*{c}$7" for c in "BC")],
                    [None, *(f"=Forward!$C$1*{c}$7" for c in "BC")],
                ],
            },
        },
        {"Gradients!B6": "=B1*Forward!B9+C1*Forward!B10", "Gradients!C6": "=B1*Forward!C9+C1*Forward!C10"},
        "",
        2,
        lesson="bug-transpose",
    ),
    Mistake(
        "turned",
        "A square gradient that stands turned",
        "a linear layer of 2×2 weights, two examples",
        "Every number is right, at the place of another: the gradient was written as outputs by inputs where the "
        "weights are inputs by outputs. An update that takes the two blocks cell by cell moves the wrong weights, and "
        "the loss falls more slowly or not at all.",
        {
            "Layer": {
                "A1": [["X"], [1, 2], [3, -1]],
                "D1": [["W"], [0.5, -1], [1, 0.25]],
                "G1": [["T"], [1, 0], [0, 1]],
                "A5": [["Y"], *([f"=$A{i}*{c}$2+$B{i}*{c}$3" for c in "DE"] for i in (2, 3))],
                "D5": [["grad Y"], *([f"=2*({y}{i + 4}-{t}{i})" for y, t in ("AG", "BH")] for i in (2, 3))],
                "G5": [["grad W"], *([f"={x}2*{d}6+{x}3*{d}7" for d in "DE"] for x in "AB")],
                "A9": [["Loss", "=SUMXMY2(A6:B7,G2:H3)"]],
            }
        },
        {"Layer!H6": "=B2*D6+B3*D7", "Layer!G7": "=A2*E6+A3*E7"},
        "stands turned",
        passes=True,
    ),
    Mistake(
        "one-example",
        "The bias gradient of one example only",
        "a linear layer, three examples, half the squared errors",
        "The bias is one row, so its gradient was taken from one row: that of the first example. For a batch of one "
        "it is right, and with examples that are alike it points the right way.",
        {
            "Layer": {
                "A1": [["X"], [1, 2], [3, -1], [0.5, 1]],
                "D1": [["W"], [0.5, -1], [1, 0.25]],
                "G1": [["b"], [0.1, -0.2]],
                "J1": [["T"], [1, 0], [0, 1], [1, 1]],
                "A7": [["Y"], *([f"=$A{i}*{w}$2+$B{i}*{w}$3+{b}$2" for w, b in ("DG", "EH")] for i in (2, 3, 4))],
                "D7": [["dY"], *([f"={y}{i + 6}-{t}{i}" for y, t in ("AJ", "BK")] for i in (2, 3, 4))],
                "G7": [["dW"], *([f"=SUMPRODUCT(${x}$2:${x}$4,{d}$8:{d}$10)" for d in "DE"] for x in "AB")],
                "J7": [["db"], ["=SUM(D8:D10)", "=SUM(E8:E10)"]],
                "A12": [["L", "=SUMSQ(D8:E10)/2"]],
            }
        },
        {"Layer!J8": "=D8", "Layer!K8": "=E8"},
        "",
        2,
        lesson="bug-sum",
    ),
    Mistake(
        "softmax-sum",
        "The softmax rule without its sum",
        "softmax of three scores, squared errors",
        "Other activations pass back one product an element, and p · p.g looks like one. Raising one score lowers all "
        "other p: that is what the sum says, and a formula that looks complete is not missed a term.",
        {
            "Softmax": {
                "A1": [
                    ["z", "exp z", "p", "t", "p.g", "z.g"],
                    *(
                        [
                            z,
                            f"=EXP(A{k})",
                            f"=B{k}/SUM(B$2:B$4)",
                            t,
                            f"=2*(C{k}-D{k})",
                            f"=C{k}*(E{k}-SUMPRODUCT(C$2:C$4,E$2:E$4))",
                        ]
                        for k, (z, t) in enumerate(((0.5, 0), (1.5, 1), (-0.25, 0)), 2)
                    ),
                ],
                "A7": [["Error", "=SUMXMY2(C2:C4,D2:D4)"]],
            }
        },
        {f"Softmax!F{k}": f"=C{k}*E{k}" for k in (2, 3, 4)},
        "",
        1,
    ),
    Mistake(
        "updated-too-early",
        "The weight is updated before it is used to go back",
        "two neurons in a row, one sigmoid, the new weights beside the gradients",
        "The new weight stands beside the formulas that need the old one, and has nearly its value: the gradient of "
        "w1 is three percent off. The larger the learning rate, the worse.",
        {
            "Update": {
                "A1": [["learning rate", 0.02]],
                "A3": [["x", 1.2], ["w1", 0.6], ["w2", -0.9], ["t", 0.3]],
                "A8": [["h", "=1/(1+EXP(-B4*B3))"], ["y", "=B5*B8"], ["loss", "=(B9-B6)^2"]],
                "D3": [
                    ["d_y", "=2*(B9-B6)"],
                    ["d_w2", "=E3*B8"],
                    ["new w2", "=B5-B1*E4"],
                    ["d_h", "=E3*B5"],
                    ["d_w1", "=E6*B8*(1-B8)*B3"],
                    ["new w1", "=B4-B1*E7"],
                ],
            }
        },
        {"Update!E6": "=E3*E5"},
        "",
        2,
    ),
    Mistake(
        "slid-range",
        "The range slid when the formula was dragged",
        "a linear neuron, one column an example, mean of the squares",
        "The first formula is right. Dragged down without $ signs, its ranges move on by a row, and the errors become "
        "the squared errors below them. The number that comes out looks like any other.",
        {
            "Fit": {
                "A1": [
                    ["x1", 1, 2.1, -1.3, 0.5],
                    ["x2", 0.5, -1, 1.5, 0.8],
                    ["t", 1.13, 0.5, 2, 1.4],
                    ["y", *(f"=$B$8*{c}1+$B$9*{c}2" for c in "BCDE")],
                    ["error", *(f"={c}4-{c}3" for c in "BCDE")],
                    ["error²", *(f"={c}5^2" for c in "BCDE")],
                ],
                "A8": [["w", 0.4], [None, -0.3]],
                "D8": [["w gradient"], [None]],
                "E8": [["=2*SUMPRODUCT(B1:E1,B$5:E$5)/4"], ["=2*SUMPRODUCT(B2:E2,B$5:E$5)/4"]],
                "A11": [["cost", "=AVERAGE(B6:E6)"]],
            }
        },
        {"Fit!E9": "=2*SUMPRODUCT(B2:E2,B6:E6)/4"},
        "",
        1,
    ),
    Mistake(
        "decay-forgotten",
        "The penalty is in the loss and not in the gradient",
        "a linear neuron with weight decay",
        "λ was added to the loss later. It is small, so that nearly all of the gradient is still right, and training "
        "still ends near the same weights; only the penalty does nothing.",
        {
            "Ridge": {
                "A1": [["λ", 0.02], ["x", 1.5], ["t", 2], ["w", 0.7], ["b", 0.2]],
                "A7": [
                    ["y", "=B4*B2+B5"],
                    ["E", "=(B7-B3)^2/2+B1/2*B4^2"],
                    ["δE/δw", "=(B7-B3)*B2+B1*B4"],
                    ["δE/δb", "=B7-B3"],
                ],
            }
        },
        {"Ridge!B9": "=(B7-B3)*B2"},
        "",
        2,
    ),
)
