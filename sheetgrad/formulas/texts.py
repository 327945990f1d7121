"""The text of formulas: of one cell, and of a whole fill at once; and what Excel still reads."""

from __future__ import annotations

from collections.abc import Sequence

from sheetgrad.formulas.places import Area, letter, prefix
from sheetgrad.formulas.printing import Token
from sheetgrad.formulas.sums import FormulaError

LONGEST = 8192  # characters of a formula that Excel reads
DEEPEST = 64  # levels of nesting that Excel reads
Moves = tuple[int, int, int, int]  # of top, left, bottom and right, with each step of a fill
Template = list[str | tuple[Area, Moves]]


def cell_text(template: Template, sheet: str) -> str:
    """The text of a single cell, with nothing held fast but what its fill holds."""
    pieces = ["="]
    for part in template:
        if isinstance(part, str):
            pieces.append(part)
            continue
        area, (top, left, bottom, right) = part
        if area.sheet != sheet:
            pieces.append(prefix(area.sheet))
        pieces.append(f"{'' if left else '$'}{letter(area.left)}{'' if top else '$'}{area.top}")
        if (area.top, area.left) != (area.bottom, area.right):
            pieces.append(f":{'' if right else '$'}{letter(area.right)}{'' if bottom else '$'}{area.bottom}")
    text = "".join(pieces)
    check_limits(text)
    return text


def single_text(tokens: Sequence[Token], sheet: str) -> str:
    """The text of a cell that is filled nowhere."""
    return cell_text([token if isinstance(token, str) else (token, (1, 1, 1, 1)) for token in tokens], sheet)


def fill_texts(template: Template, rows: int, columns: int, sheet: str) -> list[list[str]]:
    """The text of every cell of a fill. Columns are put in once a column, rows once a row: one `%` a cell."""
    pieces: list[str] = ["="]
    marks: list[tuple[str, int, int]] = []  # kind, start, move
    for part in template:
        if isinstance(part, str):
            pieces.append(part.replace("%", "%%"))
            continue
        area, (top, left, bottom, right) = part
        if area.sheet != sheet:
            pieces.append(prefix(area.sheet).replace("%", "%%"))
        single = (area.top, area.left) == (area.bottom, area.right) and (top, left) == (bottom, right)
        corners = [(area.left, left, area.top, top)]
        if not single:
            corners.append((area.right, right, area.bottom, bottom))
        for k, (column, column_move, row, row_move) in enumerate(corners):
            pieces.append((":" if k else "") + ("" if column_move else "$") + "%s" + ("" if row_move else "$") + "%s")
            marks += [("column", column, column_move), ("row", row, row_move)]
    pattern = "".join(pieces)
    check_limits(pattern % tuple(letter(s) if kind == "column" else str(s) for kind, s, _ in marks))
    by_column = [
        [letter(start + j * move) if kind == "column" else None for kind, start, move in marks] for j in range(columns)
    ]
    row_marks = [(k, start, move) for k, (kind, start, move) in enumerate(marks) if kind == "row"]
    texts = []
    for i in range(rows):
        numbers = [(k, str(start + i * move)) for k, start, move in row_marks]
        row = []
        for values in by_column:
            for k, number in numbers:
                values[k] = number
            row.append(pattern % tuple(values))
        texts.append(row)
    return texts


def check_limits(text: str) -> None:
    if len(text) > LONGEST:
        raise FormulaError(f"its formula has {len(text)} characters, Excel reads {LONGEST}; split the line in two")
    if text.count("(") <= DEEPEST:
        return
    depth = deepest = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise FormulaError(f"its formula nests {deepest} levels, Excel reads {DEEPEST}; split the line in two")
