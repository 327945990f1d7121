"""What the Gradients sheet draws is true: a reader who combines the numbers in a picture as it says gets its result.

Only what a reader sees is used: the numbers in their cells, the signs and plain numbers that are written, and where all of
it stands.
"""

import re
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import needs_libreoffice
from lessons import COURSE, lesson_named, lesson_of
from openpyxl import load_workbook

from sheetgrad import Lesson, build, verify
from sheetgrad.engines import get_engine
from sheetgrad.formulas.expressions import Ref, children
from sheetgrad.formulas.places import address
from sheetgrad.lesson.fields import LessonError
from sheetgrad.plan import lens as plan_lens
from sheetgrad.plan.blocks import Sheet
from sheetgrad.plan.drawing import GRADIENTS, Depicted, Drawing
from sheetgrad.plan.equations import draw
from sheetgrad.plan.lens import MOST_LIGHTS, Lens
from sheetgrad.plan.parts import CAPTION, columns_of
from sheetgrad.plan.pictures import Chain, Crossing, Down
from sheetgrad.plan.taken import in_words
from sheetgrad.planning import make_plan
from sheetgrad.sheets import elements
from sheetgrad.sheets.cover import settings_places
from sheetgrad.workbook.style import STYLES

COMBINE = {"+": np.add, "−": np.subtract, "×": np.multiply, "÷": np.divide}
LESSONS = [*COURSE, "layer", "wild", "everything"]


@dataclass
class Seen:
    """The sheet as it is looked at: numbers and texts by cell."""

    lesson: Lesson
    drawing: Drawing
    sheet: Sheet

    def __post_init__(self):
        self.numbers = {}
        for block in self.sheet.blocks:
            for i, j in np.ndindex(block.rows, block.columns):
                self.numbers[block.row + i, block.column + j] = block.expected[i, j]
        self.texts = {(label.row, label.column): label for label in self.sheet.labels if label.text}

    def grid(self, place) -> np.ndarray:
        """The numbers as they stand."""
        cells = [place.cell(index) for index in np.ndindex(place.shape)]
        rows, columns = sorted({row for row, _ in cells}), sorted({column for _, column in cells})
        return np.array([[self.numbers[row, column] for column in columns] for row in rows], dtype=float)


def seen(lesson: Lesson) -> Seen:
    return Seen(lesson, draw(lesson, settings_places()), make_plan(lesson).sheet(GRADIENTS))


@pytest.fixture(scope="module", params=LESSONS)
def picture_sheet(request) -> Seen:
    return seen(lesson_named(request.param))


def box(place) -> tuple[int, int, int, int]:
    cells = [place.cell(index) for index in np.ndindex(place.shape)]
    rows, columns = [row for row, _ in cells], [column for _, column in cells]
    return min(rows), min(columns), max(rows), max(columns)


def read_chain(sheet: Seen, one: Depicted) -> np.ndarray:
    """From left to right, as the signs say that are written between the blocks."""
    pieces = [(box(place)[1], sheet.grid(place)) for place in one.factors if place is not None]
    for label in one.signs:
        written = sheet.texts[label.row, label.column].text
        assert written == label.text
        pieces.append((label.column, written if written in (*COMBINE, "=") else np.array([[float(written)]])))
        assert all(top <= label.row <= bottom for top, _, bottom, _ in [box(one.result)]), "a sign beside its result"
    row = [what for _, what in sorted(pieces, key=lambda piece: piece[0])]
    assert row.pop() == "=" and box(one.result)[1] > max(at for at, _ in pieces)
    total, sign = np.zeros((1, 1)), "+"
    started = False
    for what in row:
        if isinstance(what, str):
            assert sign is None or not started
            sign = what
        else:
            total, sign, started = COMBINE[sign](total, what), None, True
    return total


def read_crossing(sheet: Seen, one: Depicted) -> np.ndarray:
    """Row by column, the factors in line with the result; with what stands between, by the sign of its heading."""
    left, right, *added = one.factors
    at = box(one.result)
    assert (box(left)[0], box(left)[2]) == (at[0], at[2]) and box(left)[3] < at[1]
    assert (box(right)[1], box(right)[3]) == (at[1], at[3]) and box(right)[2] < at[0]
    total = sheet.grid(left) @ sheet.grid(right)
    for place, label in zip(added, one.signs, strict=True):
        assert box(right)[2] < box(place)[0] and box(place)[2] < at[0] and box(place)[1] == at[1]
        assert (label.row, label.column) == (box(place)[0] - 1, at[1])
        total = COMBINE[sheet.texts[label.row, label.column].text[0]](total, sheet.grid(place))
    return total


def read_down(sheet: Seen, one: Depicted) -> np.ndarray:
    """Each column added up, or passed on, to what stands below it."""
    (factor,), (label,) = one.factors, one.signs
    assert (box(factor)[1], box(factor)[3]) == (box(one.result)[1], box(one.result)[3])
    assert box(factor)[2] < label.row < box(one.result)[0]
    written = sheet.texts[label.row, label.column].text
    assert written.startswith(("Σ↓ ", "↓ "))
    return sheet.grid(factor).sum(0, keepdims=True) if written.startswith("Σ") else sheet.grid(factor)


READ = {Chain: read_chain, Crossing: read_crossing, Down: read_down}


def test_every_picture_gives_the_numbers_that_it_shows(picture_sheet):
    for one in picture_sheet.drawing.pictures:
        found, shown = READ[type(one.picture)](picture_sheet, one), picture_sheet.grid(one.result)
        assert np.broadcast_shapes(found.shape, shown.shape) == shown.shape, one.target
        np.testing.assert_allclose(
            np.broadcast_to(found, shown.shape), shown, rtol=1e-9, atol=1e-12, err_msg=one.target
        )


def test_no_sign_stands_outside_of_a_picture(picture_sheet):
    known = {(label.row, label.column) for one in picture_sheet.drawing.pictures for label in one.signs}
    signs = {at for at, label in picture_sheet.texts.items() if label.text in (*COMBINE, "=")}
    assert signs <= known


def test_a_sign_stands_close_to_what_is_before_it(picture_sheet):
    for one in picture_sheet.drawing.pictures:
        if isinstance(one.picture, Chain):
            blocks = [box(place) for place in one.factors if place]
            begins = min([left for _, left, _, _ in blocks] + [label.column for label in one.signs])
            before = {right for *_, right in blocks} | {label.column for label in one.signs} | {begins - 1}
            assert all(label.column - 1 in before for label in one.signs)


def test_each_pass_says_where_it_starts(picture_sheet):
    captions = [label.text for label in picture_sheet.sheet.labels if label.text.startswith(("forward", "← backward"))]
    loss = picture_sheet.lesson.program.loss
    assert [text for text in captions if "starts" in text] == [
        "forward → it starts here",
        f"← backward: it starts here, with {loss}.g = 1",
    ]


def test_nothing_stands_on_anything_else(picture_sheet):
    taken: dict[tuple[int, int], str] = {}
    sheet = picture_sheet.sheet
    for block in sheet.blocks:
        for i, j in np.ndindex(block.rows, block.columns):
            at = (block.row + i, block.column + j)
            assert at not in taken, f"{address(*at)}: {block.name} on {taken[at]}"
            taken[at] = block.name or "a copy"
    for label in (one for one in sheet.labels if one.text):
        for column in range(label.column, label.column + label.span):
            assert (label.row, column) not in taken, f"{address(label.row, column)}: {label.text!r}"
            taken[label.row, column] = label.text


def test_links_lead_to_the_block_in_the_step_that_they_name(picture_sheet):
    drawing = picture_sheet.drawing
    own = {item.key: item for item in drawing.drawn if item.purpose in ("line", "start")}
    links = [label for label in picture_sheet.sheet.labels if label.style == "link_note"]
    for label in links:
        key, word, step = re.match(r"(\S+): (written|read) in step (\d+) [↑↓]$", label.text).groups()
        item = own[key] if word == "written" else None
        there = [one for one in own.values() if address(*one.place.cell((0,) * len(one.place.shape))) == label.cell]
        assert [one.step for one in there] == [int(step)] and label.link == GRADIENTS
        assert there == [item] if item else key in there[0].line.operands
        assert label.text.endswith("↓") == (there[0].place.row > label.row)
        stands = [one.place for one in drawing.drawn if one.key == key and one.step == _section_of(drawing, label.row)]
        assert len(links) > 1 or label.column in {place.area.left for place in stands}
    for item in own.values():  # and every gradient that is read elsewhere says where it comes from
        for key in item.line.operands if item.line and "." in item.key else ():
            if "." in key and own[key].step != item.step:
                assert any(label.text.startswith(f"{key}: written in step {own[key].step} ") for label in links)


def _section_of(drawing: Drawing, row: int) -> int:
    """The step in whose section a row lies."""
    return sum(top <= row for top in drawing.sections)


def test_every_gradient_stands_where_it_is_written(picture_sheet):
    """In the section of the first step that reads its tensor on the way to the loss."""
    program = picture_sheet.lesson.program
    for item in picture_sheet.drawing.drawn:
        if item.purpose != "line" or "." not in item.key:
            continue
        name = item.key.split(".")[0]
        leading = [s for s in program.steps if s.result == program.loss or f"{s.result}.g" in program.shapes]
        assert item.step == next(step.number for step in leading if name in step.operands)


# -- what is drawn as what -------------------------------------------------------------------------------------------


def pictures_of(forward: str, **shapes: list[int]) -> tuple[Seen, dict[str, Depicted]]:
    tensors = {name: {"role": "parameter", "shape": shape, "seed": k} for k, (name, shape) in enumerate(shapes.items())}
    table = {"title": "t", "question": "q", "forward": forward, "tensors": tensors, "laboratory": False}
    sheet = seen(Lesson.from_table(table, "t", "t.toml"))
    return sheet, {one.target: one for one in sheet.drawing.pictures}


SHAPES = dict(x=[4, 3], w=[3, 2], b=[2], v=[3], u=[3], c=[4, 1], y=[4, 2], s=[], m=[4, 3])
LINES = {
    "z = x @ w": Crossing,
    "z = x @ w + b": Crossing,
    "z = b + x @ w": Crossing,
    "z = x @ w - y": Crossing,
    "z = x @ m.T": Crossing,
    "z = x @ v": Crossing,
    "z = v @ w": Crossing,
    "z = v @ u": Crossing,
    "z = v[:, None] * b": Crossing,
    "z = x.sum(0)": Down,
    "z = x * m": Chain,
    "z = x * v": Chain,
    "z = x - c": Chain,
    "z = x / s": Chain,
    "z = -x": Chain,
    "z = x * m + v": Chain,
    "z = x + m * v": Chain,
    "z = (x + m) * v": Chain,
    "z = 2 * (x - m) / 8": Chain,
    "z = x - m - v": Chain,
    "z = x - (m - v)": Chain,
    "z = x + c": Chain,
    "z = v * u": Chain,
    "z = x[1:3] @ w": Crossing,
    "z = x[:, 0:2] @ m[:, 1:3].T": Crossing,
    "z = x[1:3] * v": Chain,
    "z = x[0] + v": Chain,
    "z = exp(x)": None,
    "z = (x - m) ** 2": None,
    "z = (x * m).sum()": None,
    "z = x.sum()": None,
    "z = x @ w + c": None,
    "z = x.sum(1)": None,
    "z = softmax(x)": None,
    "z = x @ w * 2": Chain,
    "z = v + u + v + u + v + u + v + u": Chain,
    "z = v + u + v + u + v + u + v + u + v": None,
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_drawn_as_what_it_is_and_truly(line):
    used = {name: shape for name, shape in SHAPES.items() if re.search(rf"\b{name}\b", line.split("=", 1)[1])}
    sheet, pictures = pictures_of(f"{line}\nloss = (z * z).sum() / 7", **used)
    assert type(pictures["z"].picture) is LINES[line] if LINES[line] else "z" not in pictures
    for one in pictures.values():
        found, shown = READ[type(one.picture)](sheet, one), sheet.grid(one.result)
        np.testing.assert_allclose(np.broadcast_to(found, shown.shape), shown, rtol=1e-9, atol=1e-12)


def test_what_is_taken_of_a_tensor_is_drawn_and_said():
    sheet, pictures = pictures_of("z = x[1:3] @ w[:, 1:]\nloss = z.sum()", x=[4, 3], w=[3, 2])
    texts = {label.text for label in sheet.sheet.labels}
    assert {"x[1:3]", "x[1:3]: rows 2 and 3", "w[:, 1:]: column 2"} <= texts
    left, _ = pictures["z"].factors
    np.testing.assert_array_equal(sheet.grid(left), sheet.lesson.values["x"][1:3])


def framed_numbers(sheet: Seen, key: str) -> list[tuple[int, list[float]]]:
    """By step, the numbers that stand in frames in the blocks of a tensor, row by row."""
    steps = [(item.step, item.place) for item in sheet.drawing.drawn if item.key == key and item.purpose != "check"]
    found = []
    for block in (one for one in sheet.sheet.blocks if one.framed):
        assert f"{block.style}_framed" in STYLES
        for step, place in steps:
            if (block.row, block.column) == (place.row, place.column) or len(place.shape) > 2:
                inside = {place.cell(index) for index in np.ndindex(place.shape)}
                numbers = [float(sheet.numbers[at]) for at in sorted(block.framed) if at in inside]
                found += [(step, numbers)] if numbers else []
    return found


# The line, and by tensor what is framed in which step: all of it as NumPy takes it.
TAKEN = {
    "z = x[1:3] @ w": {"x": [(1, "x[1:3]")], "x.g": [(1, "x.g[1:3]")]},
    "z = x[:, -1] * c[:, 0]": {"x": [(1, "x[:, 2]")], "x.g": [(1, "x.g[:, 2]")]},
    "z = x[:, 0:2] @ m[:, 1:3].T": {"x": [(1, "x[:, :2]")], "m": [(1, "m[:, 1:]")], "m.g": [(1, "m.g[:, 1:]")]},
    "z = x[0] * v": {"x": [(1, "x[0]")], "x.g": [(1, "x.g[0]")]},
    "z = x[-2]": {"x": [(1, "x[2]")], "x.g": [(1, "x.g[2]")]},
    "z = x[::2]": {"x": [(1, "x[::2]")], "x.g": [(1, "x.g[::2]")]},
    "z = x[1, 2] * v": {"x": [(1, "x[1, 2:]")], "x.g": [(1, "x.g[1, 2:]")]},
    "z = v[1:] * b": {"v": [(1, "v[1:]")], "v.g": [(1, "v.g[1:]")]},
    "z = t[1] @ w": {"t": [(1, "t[1]")], "t.g": [(1, "t.g[1]")]},
    "z = t[:, 1, 1:] * b": {"t": [(1, "t[0, 1, 1:]"), (1, "t[1, 1, 1:]")]},
    "h = x * m\nz = h[:2] @ w": {"x": [], "h": [(2, "h[:2]")], "h.g": [(2, "h.g[:2]")], "x.g": []},
    "z = x[1:] - x[:-1]": {"x": [(1, "x[1:]"), (1, "x[:-1]")], "x.g": []},
    "h = x[0] * v\nz = h * x[3]": {"x": [(1, "x[0]"), (2, "x[3]")]},
    "z = x.T[1] * y[:, 0]": {"x": [(1, "x[:, 1]")], "x.g": [(1, "x.g[:, 1]")]},
    "z = x[1:3] @ x.T": {"x": [(1, "x[1:3]")]},
    "z = x[:] * v[None, :]": {"x": [], "v": []},
}


@pytest.mark.parametrize("lines", TAKEN)
def test_what_a_line_takes_is_framed_where_it_stands(lines):
    used = {name: shape for name, shape in {**SHAPES, "t": [2, 3, 3]}.items() if re.search(rf"\b{name}\b", lines)}
    sheet, _ = pictures_of(f"{lines}\nloss = (z * z).sum() / 7", **used)
    values = sheet.lesson.program.run(sheet.lesson.values)
    for key, parts in TAKEN[lines].items():
        known = {"of": values[key]}
        expected = [(step, np.ravel(eval(text.replace(key, "of", 1), known)).tolist()) for step, text in parts]
        assert framed_numbers(sheet, key) == expected, key


@pytest.mark.parametrize("lines", [*TAKEN, "z = x[1:, 0] * x.T[0, :3] + x[0] - x[3, ::-1]"])
def test_what_is_said_of_a_gradient_is_so(lines):
    """Carried out one by one, its parts give the gradient; what they add to, or leave out, is 0."""
    used = {name: shape for name, shape in {**SHAPES, "t": [2, 3, 3]}.items() if re.search(rf"\b{name}\b", lines)}
    sheet, _ = pictures_of(f"{lines}\nloss = (z * z).sum() / 7", **used)
    values = sheet.lesson.program.run(sheet.lesson.values)
    known = {key.replace(".", "_"): value for key, value in values.items()}
    for line in sheet.lesson.program.backward:
        own, said = line.target.replace(".", "_"), in_words(line)
        from_zero = "0 elsewhere" in said or any(f" {sign}= " in part for part in said for sign in "+-")
        here = {**known, own: np.full(line.shape, 0.0 if from_zero else np.nan)}
        for part in said:
            if part != "0 elsewhere":
                exec(re.sub(r"\b(\w+)\.(g\w*)", r"\1_\2", part), here)
        np.testing.assert_allclose(np.broadcast_to(here[own], line.shape), values[line.target], atol=1e-12)
        assert "0 elsewhere" not in said or (here[own] == 0).any()


def test_what_is_added_to_a_part_is_said_as_one_would():
    lines = "h = x @ w\nz = h[0]\nu = h[1:3] * 2\nq = h[1:] * 3\nloss = (z * z).sum() + u.sum() + q.sum()"
    sheet, _ = pictures_of(lines, x=[4, 3], w=[3, 2])
    said = " ".join(label.text for label in sheet.sheet.labels if label.style == "gradient_line")
    assert "zeros" not in said
    assert {"h.g[1:3]", "+=", "h.g[0]"} <= set(said.split()) and "elsewhere" not in said
    sheet, _ = pictures_of("z = x[1:] - x[:-1]\nloss = z.sum()", x=[4, 3])
    assert "x.g[1:] = z.g, x.g[:-1] -= z.g" in {label.text for label in sheet.sheet.labels}
    sheet, _ = pictures_of("z = x[:, 1:] * b\nloss = z.sum()", x=[4, 3], b=[2])
    said = [label.text for label in sheet.sheet.labels]
    assert {"x.g[:, 1:] = z.g * b", "0 elsewhere"} <= set(said) or "x.g[:, 1:] = z.g * b, 0 elsewhere" in said
    assert sum(line.text == "x.g = zeros((4, 3)).at[:, 1:].add(z.g * b)" for line in sheet.lesson.program.backward) == 1


def test_what_is_large_is_not_shown_again_for_a_part_of_it():
    lines = "h = x * 2\nz = h[1:3] @ w\nloss = z.sum()"
    for rows, again in ((100, True), (300, False)):
        sheet, _ = pictures_of(lines, x=[rows, 3], w=[3, 2])
        texts = {label.text for label in sheet.sheet.labels}
        assert bool(framed_numbers(sheet, "h")) is again and ("h[1:3]: rows 2 and 3" in texts) is again
        assert ("h[1:3]: rows 2 and 3 of h" in " ".join(texts)) is not again


def test_the_lens_finds_what_was_taken_in_its_tensor():
    lines = "h = x @ w\nz = h[1:3] * b\nloss = (z * z).sum()"
    sheet, _ = pictures_of(lines, x=[4, 3], w=[3, 2], b=[2])
    elements_of = {one.name: one for one in Lens(sheet.lesson, sheet.drawing).all()}
    (copy,) = [item.place for item in sheet.drawing.drawn if item.key == "h" and item.purpose == "again"]
    for name, index in {"z[1,1]": (1, 0), "z[2,2]": (2, 1)}.items():
        cells = lit([list(corner) for corner in elements_of[name].lights])
        assert cells & {copy.cell(at) for at in np.ndindex(copy.shape)} == {copy.cell(index)}
        assert len(cells) == 4  # with the part, b and the result


@pytest.mark.parametrize("engine", ["formualizer", "ironcalc", pytest.param("libreoffice", marks=needs_libreoffice)])
def test_parts_and_where_they_are_taken_hold_in_every_engine(engine, tmp_path):
    forward = "h = x @ w\na = h[:, -1] * v\nb = h[0] @ t[1, :, 1:] + h[-2]\nc = exp(h[1:3])\n"
    forward += "loss = (a * a).sum() + b.sum() + c.sum()"
    shapes = dict(x=[4, 3], w=[3, 2], v=[4], t=[2, 2, 3])
    sheet, _ = pictures_of(forward, **shapes)
    path = tmp_path / "parts.xlsx"
    assert build(sheet.lesson, path).ok and verify(path, engine).ok
    styles = {cell.style for row in load_workbook(path)[GRADIENTS].iter_rows() for cell in row}
    assert any("_framed" in style for style in styles)


def test_a_sum_of_the_right_factor_stands_inside_its_crossing():
    _, pictures = pictures_of("z = x @ w + b\nloss = mse(z, y)", x=[4, 3], w=[3, 2], b=[2], y=[4, 2])
    assert pictures["b.g"].factors == (pictures["w.g"].factors[1],)
    assert box(pictures["b.g"].result)[1] == box(pictures["w.g"].result)[1]


def test_panels_are_labelled_and_drawn_one_by_one():
    sheet, pictures = pictures_of("z = t * r\nloss = z.sum()", t=[2, 2, 3], r=[2, 2, 3])
    assert isinstance(pictures["z"].picture, Chain)
    assert {"t[1]", "t[2]", "r[1]", "z[2]"} <= {label.text for label in sheet.sheet.labels}


def test_what_a_heading_says_has_room_beside_narrow_pictures():
    sheet, _ = pictures_of("z = x @ w\nloss = z.sum()", x=[1, 1], w=[1, 1])
    headings = [label for label in sheet.sheet.labels if label.text.startswith(("forward", "← backward"))]
    beside = [(one, other) for one, other in zip(headings, headings[1:], strict=False) if one.row == other.row]
    assert beside
    for forward, backward in beside:
        assert backward.column >= forward.column + columns_of(forward.text, CAPTION)


def test_what_is_large_is_not_drawn_twice():
    sheet, pictures = pictures_of("z = x @ w\nloss = mse(z, y)", x=[100, 40], w=[40, 30], y=[100, 30])
    assert not pictures or all(one.target not in ("z", "w.g", "x.g") for one in pictures.values())
    assert sheet.sheet.formula_count < 100 * 30 * 4 + 40 * 30 + 100 * 40 + 10


def test_a_picture_that_is_not_true_is_found():
    """The lies of the old sheet: a power left out, a transpose left out, a sum left out."""
    lesson = lesson_of(LESSON_WITH_A_LIE)
    sheet = seen(lesson)
    (one,) = [one for one in sheet.drawing.pictures if one.target == "z"]
    sheet.numbers[box(one.result)[:2]] += 0.01
    with pytest.raises(AssertionError):
        test_every_picture_gives_the_numbers_that_it_shows(sheet)


LESSON_WITH_A_LIE = """
title = "t"
question = "q"
forward = "z = x - y\\nloss = z.sum()"
tensors.x = {role = "parameter", values = [1.0, 2.0]}
tensors.y = {role = "target", values = [0.5, 0.25]}
"""


# -- the lens --------------------------------------------------------------------------------------------------------


def lit(corners: list[list[float]]) -> set[tuple[int, int]]:
    """The cells within any of the rectangles that a sheet gives."""
    found = set()
    for top, left, bottom, right in corners:
        found |= {
            (row, column) for row in range(int(top), int(bottom) + 1) for column in range(int(left), int(right) + 1)
        }
    return found - {(0, 0)}


def corners_of(grid) -> list[list[float]]:
    """As the Elements sheet has them in its first rows."""
    rows = []
    for row in range(elements.FIRST, elements.FIRST + MOST_LIGHTS):
        edges = [grid.at(row, column) for column in range(elements.LEFT, elements.LEFT + 4)]
        if not all(isinstance(edge, (int, float)) for edge in edges):
            break
        rows.append(edges)
    return rows


def should_light(lesson: Lesson, drawing: Drawing, key: str, index) -> set[tuple[int, int]]:
    """The result, and every cell that its formula or its picture reads, by their own blocks or the copies beside it."""
    refs = set(references(lesson.program.cells[key].element(index)))
    own = drawing.places[key][0].cell(index)
    line = next(item for item in drawing.drawn if item.key == key and item.purpose == "line")
    book = drawing.book(line.step, key)
    return {own} | {book[ref.tensor][0].cell(ref.index) for ref in refs}


def references(expression):
    if isinstance(expression, Ref):
        yield expression
    for child in children(expression):
        yield from references(child)


@pytest.mark.parametrize("name", ["mini-batch", "neuron", "weight-storage"])
def test_the_lens_lights_what_an_element_is_made_of(name):
    lesson = Lesson.load(name)
    drawing = draw(lesson, settings_places())
    for element in Lens(lesson, drawing).all():
        cells, needed = (
            lit([list(corner) for corner in element.lights]),
            should_light(lesson, drawing, element.key, element.index),
        )
        pictured = next((d for d in drawing.pictures if d.target == element.key), None)
        parts = pictured and any(not factor.key for factor in pictured.picture.factors)
        assert element.cell in cells
        assert cells == needed if not parts else element.cell in cells and len(cells) > 1


PICKS = {"mini-batch": ["out[4,2]", "w.g[3,1]", "b.g[2]", "loss", "out.g[1,2]"], "mlp": ["l2[2,2]", "l1.g[6,3]"]}


@pytest.mark.parametrize("engine", ["formualizer", "ironcalc", pytest.param("libreoffice", marks=needs_libreoffice)])
def test_an_element_that_is_picked_is_looked_at_live(engine, tmp_path):
    for name, picks in PICKS.items() if engine != "libreoffice" else [("mini-batch", ["w.g[3,1]"])]:
        lesson = Lesson.load(name)
        path = tmp_path / f"{name}.xlsx"
        assert build(lesson, path).ok
        known = {one.name: one for one in Lens(lesson, draw(lesson, settings_places())).all()}
        values = lesson.program.run(lesson.values)
        for pick in picks:
            book = load_workbook(path)
            book[GRADIENTS].cell(*elements.PICK).value = pick
            book.save(tmp_path / "picked.xlsx")
            found = get_engine(engine).recalculate(tmp_path / "picked.xlsx")
            element = known[pick]
            assert lit(corners_of(found[elements.NAME])) == lit([list(corner) for corner in element.lights])
            words, numbers = (found[GRADIENTS].at(elements.PICK[0] + k, 2) for k in (1, 2))
            assert words == element.words and words.startswith(f"{pick} = ")
            whole = float(values[element.key][element.index])
            said = numbers.removeprefix("= ").rpartition(" = ")
            assert float(said[2]) == pytest.approx(whole, abs=0.006)
            if "…" not in numbers and "log" not in numbers:
                assert arithmetic(said[0]) == pytest.approx(whole, abs=0.05 * max(1, abs(whole)) + 0.02)
    assert verify(tmp_path / "picked.xlsx", engine).ok


@pytest.mark.parametrize(
    ("name", "numbers"), [("nudge-x", "= -4"), ("linear-layer", "= -1.3·0.5 + (-1.9)·(-1) = 1.25")]
)
def test_an_element_that_is_another_number_as_it_is_is_said_once(name, numbers):
    _, (_, expected) = elements.said(make_plan(Lesson.load(name)).sheet(elements.NAME))
    assert numbers in (expected if isinstance(expected, tuple) else (expected,))


def arithmetic(words: str) -> float:
    """A sum as it is said, by whoever computes it by hand."""
    for word, sign in (("·", "*"), ("−", "-"), ("²", "**2"), ("^", "**")):
        words = words.replace(word, sign)
    return float(eval(words, {"max": max, "__builtins__": {}}))


def test_the_rule_of_the_lens_reads_the_corners_by_name(tmp_path):
    lesson = Lesson.load("mini-batch")
    build(lesson, tmp_path / "b.xlsx")
    book = load_workbook(tmp_path / "b.xlsx")
    rules = [r.formula[0] for rules in book[GRADIENTS].conditional_formatting for r in rules.rules]
    large, rule = [rule for rule in rules if "INDEX(lens" in rule]
    corners = book.defined_names["lens"].attr_text
    assert large.startswith(f"AND({rule},")  # which says how large numbers are written
    assert corners.startswith(f"'{elements.NAME}'!") and rule.count("AND(") == rule.count("INDEX(lens,") // 4
    assert "!" not in rule
    (choices,) = [v for v in book[GRADIENTS].data_validations.dataValidation if v.type == "list"]
    assert choices.formula1.startswith(f"'{elements.NAME}'!")


def test_a_template_picks_an_element_and_says_what_it_can_pick():
    table = {"title": "t", "question": "q", "forward": "z = x * 2\nloss = z.sum()", "lens": {"element": "z[2]"}}
    table["tensors"] = {"x": {"role": "input", "values": [1.0, 2.0]}}
    assert Lesson.from_table(table, "t", "t.toml").setting("lens.element") == "z[2]"
    table["lens"] = {"element": "y[2]"}
    with pytest.raises(LessonError, match=r"\[lens\] element: found 'y\[2\]', expected one of z\[1\]"):
        Lesson.from_table(table, "t", "t.toml")


def test_a_large_lesson_has_a_lens_over_some_of_its_elements():
    table = {"title": "t", "question": "q", "forward": "z = x @ w\nloss = mse(z, y)"}
    shapes = {"x": [60, 50], "w": [50, 40], "y": [60, 40]}
    table["tensors"] = {name: {"role": "parameter", "shape": shape} for name, shape in shapes.items()}
    names = plan_lens.elements(Lesson.from_table(table, "t", "t.toml"))
    assert 10 < len(names) <= plan_lens.MOST_ELEMENTS + 10 and "z[1,1]" in names and "w.g[50,40]" in names
