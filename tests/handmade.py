"""Workbooks as people make them by hand, with a slip or without: for the tests and for what tells of them."""

from collections.abc import Mapping
from pathlib import Path

from openpyxl import Workbook

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
