"""Workbooks as people make them by hand, with a slip or without: for the tests and for what tells of them."""

from collections.abc import Mapping
from pathlib import Path

from openpyxl import Workbook
from openpyxl.utils.cell import get_column_letter
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.formula import ArrayFormula

HOMEWORK_LOSS, HOMEWORK_WEIGHTS, HOMEWORK_GRADIENTS = "Net!E12", "Net!B5:B12", "Net!H5:H12"


def homework(path: Path, changes: Mapping[str, object] = {}) -> Path:
    """The network of a much used exercise: 2 inputs, 2 sigmoids, 2 sigmoids, half the squared errors; school numbers.

    B5:B12 are w1 … w8, H5:H12 their gradients, H2:H3 those of the hidden activations.
    """
    book = Workbook()
    sheet = book.active
    sheet.title = "Net"
    left = {"i1": 0.05, "i2": 0.1} | {f"w{k}": 0.1 + 0.05 * k for k in range(1, 9)} | {"t1": 0.5, "t2": 0.5}
    rows = [2, 3, *range(5, 13), 14, 15]
    for row, (label, number) in zip(rows, left.items(), strict=True):
        sheet[f"A{row}"], sheet[f"B{row}"] = label, round(number, 2)
    forward = {
        "h1": "=B5*B2+B6*B3",
        "a_h1": "=1/(1+EXP(-E2))",
        "h2": "=B7*B2+B8*B3",
        "a_h2": "=1/(1+EXP(-E4))",
        "o1": "=B9*E3+B10*E5",
        "a_o1": "=1/(1+EXP(-E6))",
        "o2": "=B11*E3+B12*E5",
        "a_o2": "=1/(1+EXP(-E8))",
        "E1": "=0.5*(B14-E7)^2",
        "E2": "=0.5*(B15-E9)^2",
        "E_total": "=E10+E11",
    }
    first, second = "(E7-B14)*E7*(1-E7)", "(E9-B15)*E9*(1-E9)"
    backward = {
        "∂E/∂a_h1": f"={first}*B9+{second}*B11",
        "∂E/∂a_h2": f"={first}*B10+{second}*B12",
        "": None,
        "∂E/∂w1": "=H2*E3*(1-E3)*B2",
        "∂E/∂w2": "=H2*E3*(1-E3)*B3",
        "∂E/∂w3": "=H3*E5*(1-E5)*B2",
        "∂E/∂w4": "=H3*E5*(1-E5)*B3",
        "∂E/∂w5": f"={first}*E3",
        "∂E/∂w6": f"={first}*E5",
        "∂E/∂w7": f"={second}*E3",
        "∂E/∂w8": f"={second}*E5",
    }
    for column, cells in (("DE", forward), ("GH", backward)):
        for row, (label, formula) in enumerate(cells.items(), 2):
            sheet[f"{column[0]}{row}"], sheet[f"{column[1]}{row}"] = label or None, formula
    for cell, value in changes.items():
        sheet[cell] = value
    book.save(path)
    return path


MLP_LOSS = "MLP!B40"
MLP_PAIRS = [  # weights and biases of the three layers, and their gradients
    ("MLP!B8:C10", "MLP!B24:C26"),
    ("MLP!D8:D10", "MLP!D24:D26"),
    ("MLP!G8:I10", "MLP!G24:I26"),
    ("MLP!J8:J10", "MLP!J24:J26"),
    ("MLP!L8:N9", "MLP!L24:N25"),
    ("MLP!O8:O9", "MLP!O24:O25"),
]


def mlp(path: Path, masked: tuple[bool, bool] = (True, True), mean: int = 4, negative: bool = False) -> Path:
    """Three layers with ReLU between, two examples side by side, half-spelled as people do; the mean of squared errors.

    All numbers are positive, so that every ReLU is open, unless ``negative``. ``masked``: whether the backward pass of
    layers 1 and 2 has its masks; ``mean`` is what it divides by (4 is right).
    """
    book = Workbook()
    sheet = book.active
    sheet.title = "MLP"
    for (row, column), label in {
        (2, 1): "x",
        (8, 1): "W1, b1",
        (8, 6): "W2, b2",
        (8, 11): "W3, b3",
        (2, 12): "y",
    }.items():
        sheet.cell(row, column, label)
    sizes, tops = [2, 3, 3, 2], [2, 7, 12]  # columns before the weights of each layer
    x, y = [[0.6, 1.1], [0.9, 0.4]], [[0.5, 1.5], [1.0, 0.25]]
    _block(sheet, 2, 2, x)
    _block(sheet, 2, 13, y)
    flowing, activations = (2, 2), []
    for layer, left in enumerate(tops):
        inside, outside = sizes[layer], sizes[layer + 1]
        weights = [
            [round(0.12 + 0.09 * ((3 * i + 2 * j + layer) % 7), 2) for j in range(inside)] for i in range(outside)
        ]
        if negative:
            weights = [[-w if (i + j) % 3 == 1 else w for j, w in enumerate(row)] for i, row in enumerate(weights)]
        _block(sheet, 8, left, weights)
        _block(sheet, 8, left + inside, [[0.1 + 0.05 * i] for i in range(outside)])
        activations.append(flowing)
        for i in range(outside):
            for b in range(2):
                terms = (f"{_at(8 + i, left + j)}*{_at(flowing[0] + j, flowing[1] + b)}" for j in range(inside))
                sheet.cell(12 + i, left + b, f"={'+'.join(terms)}+{_at(8 + i, left + inside)}")
                sheet.cell(16 + i, left + b, f"=MAX({_at(12 + i, left + b)},0)")
        flowing = (16, left) if layer < 2 else (12, left)
    sheet["A40"], sheet["B40"] = "loss", "=SUMXMY2(L12:M13,M2:N3)/4"
    for layer in (2, 1, 0):
        _backward(sheet, layer, sizes, tops, activations, (*masked, True)[layer], mean)
    book.save(path)
    return path


def _backward(sheet, layer: int, sizes: list, tops: list, activations: list, masked: bool, mean: int) -> None:
    """The gradient of a layer before its activation in row 20, of its weights and biases in row 24."""
    left, inside, outside = tops[layer], sizes[layer], sizes[layer + 1]
    for i in range(outside):
        for b in range(2):
            if layer == 2:
                formula = f"=2*({_at(12 + i, left + b)}-{_at(2 + i, 13 + b)})/{mean}"
            else:
                above = tops[layer + 1]
                terms = (f"{_at(8 + k, above + i)}*{_at(20 + k, above + b)}" for k in range(sizes[layer + 2]))
                formula = f"={'+'.join(terms)}"
                formula = f"=({formula[1:]})*({_at(12 + i, left + b)}>0)" if masked else formula
            sheet.cell(20 + i, left + b, formula)
        for j in range(inside):
            row, column = activations[layer]
            flow = f"{_at(20 + i, left)}:{_at(20 + i, left + 1)}"
            sheet.cell(24 + i, left + j, f"=SUMPRODUCT({flow},{_at(row + j, column)}:{_at(row + j, column + 1)})")
        sheet.cell(24 + i, left + inside, f"=SUM({flow})")


def _block(sheet, top: int, left: int, rows: list[list[float]]) -> None:
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            sheet.cell(top + i, left + j, value)


def _at(row: int, column: int) -> str:
    return f"{get_column_letter(column)}{row}"


MATRIX_LOSS, MATRIX_PAIRS = "Layer!H9", [("Layer!D2:E3", "Back!A2:B3"), ("Layer!D5:E5", "Back!A6:B6")]


def matrices(path: Path, changes: Mapping[str, object] = {}) -> Path:
    """A sigmoid layer as who knows matrices makes it: array formulas that spill, names, two sheets, percent, merged cells.

    ``changes`` are texts of array formulas by their range, or values by their cell, on the sheet Back.
    """
    book = Workbook()
    layer = book.active
    layer.title = "Layer"
    back = book.create_sheet("Back")
    layer["A1"], layer["D1"], layer["D4"], layer["G1"] = "x (inputs)", "w", "b", "out"
    layer.merge_cells("A1:B1")
    _block(layer, 2, 1, [[1, 2], [3, -1], [0.5, 1]])
    _block(layer, 2, 4, [[0.5, -1], [1, 0.25]])
    _block(layer, 5, 4, [[0.1, 0.2]])
    _block(layer, 6, 1, [[0.25, 0.75], [0.5, 0.1], [1, 0.3]])
    for row in layer["A6:B8"]:
        for cell in row:
            cell.number_format = "0%"
    for name, area in {"x": "A$2:$B$4", "w": "D$2:$E$3", "b": "D$5:$E$5", "y": "A$6:$B$8", "out": "G$6:$H$8"}.items():
        book.defined_names[f"{name}_"] = DefinedName(f"{name}_", attr_text=f"Layer!${area}")
    arrays = {
        (layer, "G2:H4"): "=MMULT(x_,w_)+b_",
        (layer, "G6:H8"): "=1/(1+EXP(-G2:H4))",
        (layer, "H9"): "=SUM((out_-y_)^2)/6",
        (back, "D2:E4"): "=(out_-y_)*2/6*out_*(1-out_)",
        (back, "A2:B3"): "=MMULT(TRANSPOSE(x_),D2:E4)",
        (back, "A6:B6"): "=MMULT({1,1,1},D2:E4)",
    }
    layer["G9"] = "loss"
    for area, text in changes.items():
        arrays[back, area] = text
    for (sheet, area), text in arrays.items():
        sheet[area.split(":")[0]] = ArrayFormula(area, text)
    book.save(path)
    return path
