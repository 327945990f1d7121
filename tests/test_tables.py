"""Tables of lines: what they say on numbers is what their formulas show, and where either may be right both are taken."""

import math
import tomllib
from dataclasses import replace
from importlib.resources import files

import formualizer
import numpy as np
import pytest
from conftest import lesson_of
from openpyxl import load_workbook

from sheetgrad import build
from sheetgrad.engines.formualizer import _value
from sheetgrad.formulas.places import Area, Placement, address
from sheetgrad.formulas.printing import Printer
from sheetgrad.lines.parse import LanguageError, parse_expression
from sheetgrad.lines.spreads import Choice, Range, Spread
from sheetgrad.lines.typed import Range as Cells
from sheetgrad.planning import make_plan
from sheetgrad.sheets import best_h, tangent
from sheetgrad.tables.agreement import AGREE, AGREEMENT, DISAGREE, KINK, UNKNOWN
from sheetgrad.tables.table import table
from sheetgrad.verifying.verify import difference
from sheetgrad.workbook.style import CHANGED, VERDICTS

# -- every table on numbers and on cells --------------------------------------------------------------------------


def number(chance, *more):
    """A number as lessons have them; sometimes 0, sometimes one that no cell can hold."""
    return float(chance.choice([*chance.normal(size=4) * [0.1, 1, 1, 10], 0.0, *more]))


def losses(chance, count: int) -> dict:
    """Losses around one as it is: smooth, bent, at a corner, flat, or none at all."""
    h = 10.0 ** -chance.integers(1, 9, size=count)
    slope, bend, turn = number(chance), number(chance), number(chance, 0.0, 0.0)
    loss = number(chance)
    ways = {
        way: loss + t * h * slope + bend * (t * h) ** 2 + turn * abs(t * h)
        for way, t in (("plus", 1), ("minus", -1), ("plus_half", 0.5), ("minus_half", -0.5))
    }
    gradient = chance.choice([slope, slope, slope + turn, slope * 1.001, 0.0])
    if chance.random() < 0.1:
        ways["plus"][-1] = np.nan
    known = {"loss": loss, "now": loss, "gradient": float(gradient), "carried": 3 * abs(loss) + 1}
    return {"h": h, **ways, **known}


def listed(chance) -> dict:
    """The list of numbers that can be picked."""
    names = ["w[1]", "w[2]", "b"]
    columns = {"name": names, "tensor": ["w", "w", "b"], "row": [1.0, 1.0, 1.0], "column": [1.0, 2.0, 1.0]}
    columns |= {word: [number(chance) for _ in names] for word in ("value", "gradient")}
    return {"pick": str(chance.choice(names)), **{f"numbers.{word}": column for word, column in columns.items()}}


def grid(chance, single: bool):
    return np.array([[number(chance)]]) if single else np.array([[number(chance) for _ in range(3)] for _ in range(2)])


def agreement(chance):
    found = losses(chance, 1)
    return {word: np.squeeze(value) for word, value in found.items()} | {
        "value": number(chance),
        "up": float(found["plus"][0]),
        "down": float(found["minus"][0]),
        "up_half": float(found["plus_half"][0]),
        "down_half": float(found["minus_half"][0]),
    }


def in_blocks(chance):
    single = bool(chance.integers(2))
    rows, columns = (np.ones(3), np.ones(3)) if single else (np.array([1.0, 2, 2]), np.array([1.0, 3, 2]))
    blocks = {word: grid(chance, single) for word in ("block", "gradients")}
    return {"row": rows, "column": columns, "name": ["a", "b", "c"], **blocks}


def nudge(chance):
    found = losses(chance, 3)
    blocks = in_blocks(chance)
    blocks["gradients"] = np.full(blocks["block"].shape, found.pop("gradient"))
    scheme = str(chance.choice(["central", "forward"]))
    given = chance.choice(np.array([1e-4, 0.0, -1.0, "x"], dtype=object))
    errors = [found.pop("carried") / 2] * 2
    return {**found, **blocks, "h": float(found["h"][0]), "scheme": scheme, "given": given, "errors": errors}


def check(chance):
    found = losses(chance, 3)
    gradient = found.pop("gradient")
    single = bool(chance.integers(2))
    cells = in_blocks(chance)["block"] if not single else grid(chance, True)
    blanks = np.full(cells.shape, gradient, dtype=object)
    blanks.flat[0] = chance.choice(np.array([gradient, "", "x", np.nan], dtype=object))
    size = np.ones(3) if single or cells.size == 1 else np.array([1.0, 2, 1])
    given = {"block": cells, "blanks": blanks, "row": size, "column": size, "total": 3.0}
    before = {key: value for key, value in filled(chance).items() if key != "number"} | {"waits_for": "waits for z.g"}
    signs = list(chance.choice(["✓", "✗", "…", "kink", before["waits_for"]], 3))
    return {**found, **given, **before, "h": float(found["h"][0]), "verdicts": signs}


def tally(chance):
    signs = [AGREE, AGREE, KINK, *([DISAGREE] * chance.integers(2)), *([UNKNOWN] * chance.integers(2))]
    shown = [str(x) for x in chance.choice(signs, 5)]
    remarks = [str(AGREEMENT.constants[x]) for x in ("too_small", "too_large", "off_limits", "faint")]
    shown += [str(chance.choice(remarks)) for sign in shown if sign == UNKNOWN]
    return {"verdicts": shown, "total": 5.0, "h": float(chance.choice([1e-6, 1e-4, 1e-2]))}


def small_steps(chance):
    found = {**losses(chance, 15), **listed(chance), "h": np.array(best_h.STEPS)}
    slope, bend = number(chance), number(chance)
    for word, sign in (("plus", 1), ("minus", -1), ("plus_half", 0.5), ("minus_half", -0.5)):
        found[word] = found["now"] + sign * found["h"] * slope + bend * (sign * found["h"]) ** 2
    if chance.random() < 0.7:
        found["numbers.gradient"] = [slope] * 3
    return {word: value for word, value in found.items() if word not in ("loss", "gradient")}


def curve(chance):
    points = tangent.LINES
    step = np.where(np.arange(points) < points - len(tangent.SIDES), 0.5, 1e-4)
    away = np.array(tangent.TIMES) * step
    slope, loss = number(chance), number(chance)
    found = {"plus": loss + slope * away + number(chance) * away**2, "now": loss, "times": np.array(tangent.TIMES)}
    found |= {**listed(chance), "step": step, "reach": 0.5, "h": 1e-4, "carried": abs(loss) + 1}
    found["numbers.gradient"] = [slope * float(chance.choice([1.0, 1.0, 1.1]))] * 3
    return found


def chain(chance):
    change = grid(chance, bool(chance.integers(2))) * chance.integers(2)
    if chance.random() < 0.1:
        change[0, 0] = np.nan
    before = [grid(chance, True), grid(chance, True) * 0]
    known = {"ways": tuple(chance.choice(["w", "b"], chance.integers(3), replace=False)), "always": False}
    return {
        **listed(chance),
        **known,
        "nudge": 0.1,
        "now": 1.0,
        "then": 1.25,
        "start": 0.5,
        "at_row": 1.0,
        "at_column": float(chance.integers(1, 3)),
        "change": change,
        "product": grid(chance, False),
        "changes_before": Range(*before),
        "counts_before": Range([1.0], [0.0]),
        "no_change": 1e-12,
        "here": "w",
        "largest": 3.0,
    }


def grown(chance):
    found = [number(chance), number(chance)]
    more = {"largest": max(map(abs, found)), "longest": 3.0}
    return {"loss": found[0], "before": found[1], "size": 1e-3, "number_before": number(chance), "start": 0.5, **more}


def matrices(chance):
    rule = grid(chance, bool(chance.integers(2)))
    nudged = rule + float(chance.choice([0.0, 1e-8, 1e-3]))
    gaps = np.full(rule.shape, float(chance.choice([1e-4, 0.5])))
    made = {"nudged": nudged, "halved": nudged + 1e-9, "gaps": gaps, "gaps_half": gaps / chance.choice([1, 2])}
    return {
        "rule": rule,
        **made,
        "outputs": [[1.0], [2.0]],
        "inputs": [0.5, 3.0],
        "h": 1e-4,
        "entries": float(rule.size),
    }


def filled(chance):
    cells = grid(chance, bool(chance.integers(2))).astype(object)
    cells.flat[0] = chance.choice(np.array([1.5, "", "x"], dtype=object))
    return {"needed": Range(cells), "number": number(chance), "every": float(cells.size)}


def shifted(chance):
    return {"start": number(chance), "label": "w[1]", "number": str(chance.choice(["w[1]", "w[2]"])), "amount": 1e-4}


def said(generator) -> dict:
    """A number of any size, as a sentence says it."""
    return {"number": generator.normal() * 10.0 ** generator.integers(-3, 3)}


def looked(chance) -> dict:
    """A list of elements to pick from, and one of the numbers of the sheet."""
    names = ["z[1]", "z[2]", "loss"]
    words = np.array([[f"{name} = a·b"] for name in names], dtype=object)
    listed = {"elements.name": names, "elements.words": words, "elements.data": np.arange(9.0).reshape(3, 3)}
    at = {"place": float(chance.integers(1, 4)), "at": 2.0, "row": float(chance.choice([0, 3, 4])), "above": 2.0}
    sentence = {"before": "= 2·", "after": " + ", "told": "= 2·3 + 1 ", "brackets": float(chance.integers(2))}
    sheet = {"sheet": grid(chance, False), "column": float(chance.integers(1, 4))}
    return {"pick": str(chance.choice(names))} | listed | at | sentence | sheet


SCENES = {
    "passes": shifted,
    "agreement": agreement,
    "picked": listed,
    "numbers": in_blocks,
    "nudge": nudge,
    "check": check,
    "tally": tally,
    "best_h": small_steps,
    "tangent": curve,
    "ripple": chain,
    "row_by_row": grown,
    "jacobian": matrices,
    "waiting": filled,
    "spoken": said,
    "lens": looked,
}
KNOWN = ("ways", "always", "no_change", "here", "largest", "longest", "entries", "every", "total")  # in the formula


class Laid:
    """A table with given values on a sheet of Formualizer: a column for each name, a row for each line."""

    def __init__(self, name: str, values: dict):
        self.table, self.values = table(name), values
        self.count = max((len(v) for v in values.values() if isinstance(v, np.ndarray) and v.ndim == 1), default=1)
        self.book, self.column = formualizer.Workbook(), 1
        self.book.add_sheet("T")
        self.places: dict[str, Placement] = {}
        self.ranges: dict[str, Cells] = {}
        self.read = self.table.on_numbers(values)
        for word, value in values.items():
            if word not in KNOWN:
                self._given(word, value)
        lines = self.table.lines
        self.computed = [word for word in lines if word not in values and self._can(word)]
        for word in self.computed:
            self.places[word] = self._place(word, self.count if word in self.table.fields else self.read[word].off.size)
        self._everywhere()
        formulas = self.table.on_cells(self.ranges, {word: values[word] for word in KNOWN if word in values})
        for word in self.computed:
            for line in range(self.places[word].shape[0]):
                tokens = Printer(self._book(line)).tokens(formulas[word])
                text = "".join(t if isinstance(t, str) else self._text(t) for t in tokens)
                row, column = self.places[word].cell((line,))
                self.book.set_formulas_batch("T", row, column, [[f"={text}"]])
        self.book.evaluate_all()

    def _can(self, word: str) -> bool:
        """Whether what a line needs is given, and it has a value to show: an empty cell seen through another is 0."""
        if word == "typed":
            return False
        try:
            return isinstance(self.read[word], (Spread, Choice))
        except (LanguageError, KeyError):
            return False

    def _place(self, word: str, *shape: int) -> Placement:
        steps = ((1, 0),) if len(shape) == 1 else ((1, 0), (0, 1))
        place = Placement("T", 1, self.column, shape, steps)
        self.column += shape[1] if len(shape) > 1 else 1
        return place

    def _given(self, word: str, value) -> None:
        parts = value.parts if isinstance(value, Range) else [value]
        names = [word] if len(parts) == 1 else [f"{word} {k}" for k in range(len(parts))]
        sizes = set()
        for name, part in zip(names, parts, strict=True):
            part = part.value if isinstance(part, (Spread, Choice)) else part
            cells = np.asarray(part, dtype=object)
            sizes.add(cells.size)
            shown = np.atleast_2d(cells) if cells.ndim == 2 else cells.reshape(-1, 1)
            self.places[name] = self._place(name, *(shown.shape if cells.ndim == 2 else (shown.shape[0],)))
            for (row, column), one in np.ndenumerate(shown):
                self._put(1 + row, self.places[name].column + column, one)
        if word in self.table.ranges:
            self.ranges[word] = Cells(tuple(names), sizes == {1})

    def _put(self, row: int, column: int, value) -> None:
        if isinstance(value, str):
            if value:
                self.book.set_values_batch("T", row, column, [[value]])
        elif math.isfinite(value):
            self.book.set_values_batch("T", row, column, [[float(value)]])
        else:
            self.book.set_formulas_batch("T", row, column, [["=1/0"]])

    def _everywhere(self) -> None:
        for word in self.table.fields:
            if word in self.places:
                self.places[f"all.{word}"] = self.places[word]
                for point, line in self.table.points.items():
                    if line < self.count:
                        self.places[f"{point}.{word}"] = Placement("T", *self.places[word].cell((line,)), (), ())

    def _book(self, line: int) -> dict[str, list[Placement]]:
        """Where names stand for one line: a name with a number a line is the one of that line."""
        book = {}
        for word, place in self.places.items():
            whole = word in self.table.ranges or word.split(" ")[0] in self.table.ranges or word.startswith("all.")
            if not whole and len(place.shape) == 1:
                book[word] = [Placement("T", *place.cell((min(line, place.shape[0] - 1),)), (), ())]
            else:
                book[word] = [place]
        return book

    @staticmethod
    def _text(area: Area) -> str:
        first, last = address(area.top, area.left), address(area.bottom, area.right)
        return first if first == last else f"{first}:{last}"

    def wrong(self) -> list:
        """The cells that show what the numbers do not allow."""
        found = []
        for word in self.computed:
            place, reading = self.places[word], self.read[word]
            area = formualizer.RangeAddress("T", 1, place.column, place.shape[0], place.column)
            expected = np.broadcast_to(reading.expected, place.shape)
            off = np.broadcast_to(reading.off, place.shape)
            for line, (raw,) in enumerate(self.book.sheet("T").get_values(area)):
                if not difference(_value(raw), expected[line], off[line], 1e-12)[2]:
                    found.append((word, line, expected[line], off[line], _value(raw)))
        return found


@pytest.mark.parametrize("name", SCENES)
def test_every_line_says_on_numbers_what_its_formula_shows(name):
    lines = set()
    for seed in range(25):
        values = SCENES[name](np.random.default_rng(seed))
        laid = Laid(name, values)
        assert not laid.wrong(), (seed, laid.wrong()[:3])
        lines |= set(laid.computed)
    missing = set(table(name).lines) - lines - set(values)
    assert not {word for word in missing if word in table(name).fields or word in table(name).panel}
    assert lines


def test_every_table_is_tried():
    paths = [path for path in files("sheetgrad.tables").iterdir() if path.name.endswith(".toml")]
    read = {path.name.removesuffix(".toml"): tomllib.loads(path.read_text("utf-8")) for path in paths}
    assert {name for name, parts in read.items() if {"lines", "fields", "panel"} & set(parts)} == set(SCENES)


# -- what may come out either way ---------------------------------------------------------------------------------


def test_a_comparison_that_rounding_decides_accepts_both_verdicts_and_only_then():
    h, loss = 2.0**-13, 1.0
    known = {"loss": loss, "value": 0.0, "h": h, "carried": loss}
    ways = {"up": loss + h, "down": loss - h, "up_half": loss + h / 2, "down_half": loss - h / 2}
    doubt = float(AGREEMENT.on_numbers({**known, **ways, "gradient": 1.0}, exact=True)["doubt"].value)
    noise = 1e-3 * doubt

    def said(apart: float):
        sides = {word: Spread(value, noise * h / 20) for word, value in ways.items()}
        return AGREEMENT.on_numbers({**known, **sides, "gradient": 1.0 + doubt + apart})["sign"].expected[()]

    assert said(-noise) == AGREE and said(noise) == DISAGREE
    assert {AGREE, DISAGREE} <= set(said(0.0))


def test_numbers_carry_what_they_may_be_off_by_through_every_operation():
    generator = np.random.default_rng(3)
    for text in ("a * b", "a / b", "a - b", "max(a, b, 1)", "min(a, b)", "abs(a - b) / (2 * b ** 2)", "round(a, 2)"):
        made = replace(table("agreement"), lines={"found": parse_expression(text)})
        a, b = generator.normal(size=2) + [0, 4]
        found = made.on_numbers({"a": Spread(a, 1e-3), "b": Spread(b, 2e-3)})["found"]
        for _ in range(200):
            moved = generator.uniform(-1, 1, 2) * [1e-3, 2e-3] + [a, b]
            other = made.on_numbers(dict(zip("ab", moved, strict=True)))["found"].value
            assert abs(other - found.value) <= found.off * (1 + 1e-12), text


def test_what_is_open_stays_open_where_a_number_jumps():
    made = replace(table("agreement"), lines={"cut": parse_expression('"hidden" if round(a, 2) == 0 else ""')})
    for a, shown in ((0.004, "hidden"), (0.006, ""), (0.005 + 1e-16, ("", "hidden")), (0.005 - 1e-16, ("hidden", ""))):
        assert made.on_numbers({"a": Spread(a, 1e-14)})["cut"].expected[()] == shown
    counted = replace(made, lines={"one": parse_expression('"one" if count(verdicts, "✓") == 1 else "none"')})
    shown = np.empty(2, dtype=object)
    shown[:] = [(AGREE, DISAGREE), (DISAGREE,)]
    assert set(counted.on_numbers({"verdicts": Range(Choice(shown))})["one"].expected[()]) == {"one", "none"}


def test_counts_and_sentences_allow_for_verdicts_that_may_be_either():
    shown = np.empty(3, dtype=object)
    shown[:] = [(AGREE,), (AGREE, DISAGREE), (KINK,)]
    found = table("tally").on_numbers({"verdicts": Choice(shown), "total": 3.0, "h": 1e-4})
    assert (found["agree"].value, found["agree"].off) == (2, 1)
    accepted = found["sentence"].expected[()]
    assert accepted[0] == f"2 of 3 gradients agree with their nudges {AGREE} (1 at a kink)"
    assert f"1 of 3 gradients disagree with their nudges {DISAGREE} (1 at a kink)" in accepted


@pytest.mark.parametrize(
    "text", ["x if", "(lambda: 1)()", "[x for x in y]", "x.__class__.y", "f'{x!r:>3}' + import", "b'x'"]
)
def test_a_table_knows_no_more_than_its_own_language(text):
    with pytest.raises(LanguageError):
        parse_expression(text)


# -- colours ------------------------------------------------------------------------------------------------------


def formats(path, sheet: str) -> dict[str, list]:
    """The conditional formats of a sheet that colour its cells, by range: formula, fill and ink."""
    found = {}
    for area in load_workbook(path)[sheet].conditional_formatting:
        for rule in (rule for rule in area.rules if rule.dxf.font):
            fill = rule.dxf.fill.bgColor.rgb[-6:] if rule.dxf.fill else None
            found.setdefault(str(area.sqref), []).append((rule.formula[0], fill, rule.dxf.font.color.rgb[-6:]))
    return found


def covered(formats: dict[str, list], cell: str) -> list:
    """The formats of one cell, their formulas moved to it."""
    from openpyxl.formula.translate import Translator
    from openpyxl.worksheet.cell_range import CellRange

    found = []
    for area, rules in formats.items():
        first = area.split(":")[0]
        if CellRange(area).issuperset(CellRange(cell)):
            found += [(Translator(f"={rule[0]}", first).translate_formula(cell)[1:], *rule[1:]) for rule in rules]
    return found


KINKS = """
title = "t"
question = "q"
laboratory = true
forward = "loss = (relu(x) * w).sum()"
ops.relu = {forward = "maximum(a, 0)", a = "g * (a > 0) * 1.01"}
tensors.x = {role = "input", values = [0.0, 1.0, -1.0]}
tensors.w = {role = "parameter", values = [0.5, 1.0, 2.0]}
"""


def test_verdicts_and_changes_take_the_colours_of_what_they_say(tmp_path):
    lesson, path = lesson_of(KINKS), tmp_path / "kinks.xlsx"
    build(lesson, path)
    plan, values = make_plan(lesson), load_workbook(path, data_only=True)
    seen = set()
    for name, sentence in (("Nudge", False), ("Best h", False), ("Lesson", True)):
        rules = formats(path, name)
        areas = plan.sheet(name).sentences if sentence else plan.sheet(name).verdicts
        assert areas
        for area in areas:
            for row in range(area.top, area.bottom + 1):
                cell = address(row, area.left)
                said = str(values[name][cell].value)
                found = {formula: (fill, ink) for formula, fill, ink in covered(rules, cell)}
                for sign, (fill, ink) in VERDICTS.items():
                    assert found[f'ISNUMBER(SEARCH("{sign}",{cell}))'] == (None if sentence else fill[-6:], ink[-6:])
                seen |= {sign for sign in VERDICTS if sign in said}
    assert seen == set(VERDICTS) == {AGREE, KINK, DISAGREE, UNKNOWN}


def test_cells_that_a_nudge_moves_are_marked(tmp_path):
    lesson, path = lesson_of(KINKS), tmp_path / "kinks.xlsx"
    build(lesson, path)
    rules, plan = formats(path, "Ripple"), make_plan(lesson)
    assert plan.sheet("Ripple").changes
    for area, other in plan.sheet("Ripple").changes:
        cell = address(area.top, area.left)
        change = f"{cell}-{address(other.top, other.left)}" if other else cell
        marked, colours = f"AND(ISNUMBER({cell}),ABS({change})>1E-12)", tuple(color[-6:] for color in CHANGED)
        large, usual = covered(rules, cell)
        assert large == (f"AND({marked},IF(ISNUMBER({cell}),ABS({cell})>=100000))", *colours)
        assert usual == (marked, *colours)
