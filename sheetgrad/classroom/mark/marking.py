"""Marks one submission by what it does: its inputs are changed, it is recalculated, and every blank is compared with NumPy.

Only what was handed out is trusted: the lesson, the numbers and the places of the blanks come from ``handout.json``, never
from the submission. A typed number is right once and wrong after; a correct formula in any form is right each time.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache, partial
from pathlib import Path
from time import monotonic

import numpy as np
from openpyxl.formula import Tokenizer
from openpyxl.formula.tokenizer import Token, TokenizerError

from sheetgrad.autodiff.program import run_lines
from sheetgrad.classroom.give.workshop import Workshop, by_sheet, changes_to, workshop
from sheetgrad.classroom.mark.slips import HINTS, usual_slips
from sheetgrad.classroom.workers import time_limit
from sheetgrad.engines import Changes, EngineError, ErrorValue, Value, Values, Wanted, get_engine, guard
from sheetgrad.engines.formualizer import OpenWorkbook
from sheetgrad.engines.libreoffice import LibreOffice, to_xlsx
from sheetgrad.formulas.places import address
from sheetgrad.formulas.words import element_name
from sheetgrad.sheets import check
from sheetgrad.workbook.package import FormulaTexts, UnsafeFileError, check_package, formula_texts, without_formulas
from sheetgrad.workbook.reading import same_formula
from sheetgrad.workbook.write import CARRIER

TRIALS, DRAWS = 3, 40  # changed numbers that every submission is tried on, and from how many more are chosen
RELATIVE, ABSOLUTE = 1e-6, 1e-9  # how close a cell must come: a student's formula may round in another order
SECONDS = 60.0  # for one submission
SECOND_SECONDS = 25.0  # of these for LibreOffice, which must have ended before the process is
OWN_CELLS = re.compile(  # formulas that cannot but read the sheet that they stand on; never tries a second way to match
    r"(?:\$?[A-Z]{1,3}+\$?[0-9]{1,7}+|[0-9.]++(?:E[-+]?[0-9]++)?+|[-+*/^(),:<>= {}]"
    r"|(?:SUM|SUMPRODUCT|AVERAGE|IF|MAX|MIN|ABS|SIGN|MMULT|TRANSPOSE|SUMIF|COUNT|EXP|LN|SQRT|TANH|SUMSQ)\()*+",
    re.I,
)
SECOND_OPINIONS = ("libreoffice", "ironcalc")  # asked, where installed, when the engine does not know a function
UNKNOWN_FUNCTION = ("#NAME?", "#N/IMPL!", "#CALC!", "#ERROR!")
UNKNOWN = ("#NAME?", "#SPILL!", "#CALC!", "#VALUE!", "#N/A", "#NULL!", "#N/IMPL!", "#ERROR!")

RIGHT, FOLLOWED, WRONG = "right", "follow-through", "wrong"
TYPED, EMPTY, TEXT, ERROR, UNSURE, NUDGED = "typed", "empty", "text", "error", "unsure", "nudged"
SHORT = {  # the hints in the report
    "sum": "only one example",
    "transposed": "rows and columns exchanged",
    "mean": "the mean's 1/n",
    "averaged": "averaged, not summed",
    "two": "a factor of 2",
    "sign": "the sign",
    "mask": "no mask",
    "slope": "no slope of the function",
    "dollar": "dragged wrongly?",
    "still": "does not move",
}
WORDS = {
    **HINTS,
    TYPED: "A number is typed in here. Write a formula: it is tried on other numbers as well.",
    EMPTY: "Nothing is filled in.",
    TEXT: "This is a text, not a number. A decimal point, or a comma?",
    ERROR: "The cell shows an error.",
    UNSURE: "No program here could compute this formula. Your teacher will have a look.",
    NUDGED: "This takes its number from the nudges of the sheet Check. Write the rule instead.",
    "still": "This gives the same number whatever the other cells say.",
    "dollar": "The first cell of this block is right. Do the references of this formula move, or stay ($), as they should?",
    WRONG: "Not right yet. Nudge the number by a little and watch the loss: how fast does it move?",
}


@dataclass
class Answer:
    """What became of one blank: ``verdict`` is one of the words above, ``hint`` a key of :data:`WORDS`.

    ``strict``: right by NumPy, whatever the student's other cells say; a mark is also earned by ``follow-through``.
    """

    verdict: str
    strict: bool
    hint: str = ""
    formula: str = ""

    @property
    def mark(self) -> int:
        return int(self.verdict in (RIGHT, FOLLOWED))


@dataclass
class Marked:
    """What one submission came to. ``problem`` says why it could not be marked; ``answers`` go by ``w.g[1,2]``.

    ``carried`` and ``course`` are the id and the course that the file says it is of, ``numbers`` a digest of the numbers
    in its input cells, ``changed`` the formulas that are no longer those that were handed out.
    """

    problem: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    carried: str = ""
    course: str = ""
    numbers: str = ""
    changed: list[str] = field(default_factory=list)
    engine: str = ""

    def as_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, table: Mapping) -> Marked:
        answers = {name: Answer(**answer) for name, answer in table["answers"].items()}
        return cls(**{**table, "answers": answers})


def mark_one(course: str, numbers: Sequence[float] | None, data: bytes) -> dict:
    """Marks the workbook in ``data`` for a student who was given ``numbers``; without numbers, only says whose it is.

    This is what a worker does: it takes and gives plain data, and never raises for what is in the file.
    """
    with time_limit(SECONDS):
        return examiner(course).mark(numbers, data).as_dict()


@lru_cache(maxsize=2)
def examiner(course: str) -> Examiner:
    """The examiner of the course with this text, made once in every process."""
    return Examiner(workshop(course))


def digest(numbers: Sequence[float]) -> str:
    """A short name for a list of numbers."""
    return hashlib.sha256(repr([float(number) for number in numbers]).encode()).hexdigest()[:16]


class Examiner:
    """Knows what the handout looked like, which numbers to try, and what NumPy says on them."""

    def __init__(self, shop: Workshop):
        self.shop, self.program = shop, shop.lesson.program
        self.blank = shop.lesson.exercise.blank  # in the order of the backward pass
        self.texts = formula_texts(io.BytesIO(shop.handouts.first))
        self.wanted = by_sheet(shop.blanks)

    @cached_property
    def trials(self) -> list[dict[str, np.ndarray]]:
        """Everything that NumPy makes of numbers that no student was given. There are more than ``TRIALS`` where fewer
        would let a slip, or a number that does not move, pass for right."""
        draw = self.shop.variants.draw_with_gradients
        drawn = [draw(self.shop.course.secret, str(k))[1] for k in range(DRAWS)]
        told = [self._told(right, drawn[0]) for right in drawn]
        chosen = list(range(TRIALS))
        hidden = {slip: ~np.logical_or.reduce([one[slip] for one in told[:TRIALS] if slip in one]) for slip in told[0]}
        while True:  # the draw that tells most of what is still hidden, until none tells more
            news = [
                sum(int((cells & one[slip]).sum()) for slip, cells in hidden.items() if slip in one) for one in told
            ]
            best = int(np.argmax(news))
            if not news[best]:
                return [drawn[k] for k in chosen]
            chosen.append(best)
            hidden = {slip: cells & ~told[best].get(slip, False) for slip, cells in hidden.items()}

    def _told(self, right: Mapping[str, np.ndarray], first: Mapping[str, np.ndarray]) -> dict[tuple, np.ndarray]:
        """For every slip, and for typing in the number of the ``first`` trial: the cells that give it away here."""
        told = {}
        for key in self.blank:
            for slip in usual_slips(self.program, key, right):
                told[key, slip.name, slip.which] = ~close(slip.values, right[key])
            told[key, TYPED, 0] = ~close(first[key], right[key])
        return told

    # -- one submission ---------------------------------------------------------------------------------------------

    def mark(self, numbers: Sequence[float] | None, data: bytes, first: bool = True) -> Marked:
        """See :func:`mark_one`. A file that breaks the engine is tried once more as LibreOffice saves it."""
        begun = monotonic()
        with tempfile.TemporaryDirectory(prefix="sheetgrad-") as room:
            path = Path(room) / "submission.xlsx"
            path.write_bytes(data)
            try:
                with guard("formualizer", path):
                    texts = defaultdict(FormulaTexts, formula_texts(io.BytesIO(data)))
                    light = self.shop.course.checked and check.NAME in texts and not self._may_read_checks(texts)
                    book = OpenWorkbook(without_formulas(data, check.NAME) if light else data)
                    for sheet, formulas in texts.items():
                        book.clear(sheet, formulas.filled)
                    marked = self._whose(book, texts)
                    if numbers is None or marked.problem:
                        return marked
                    own = self.program.run(self.shop.tensors(numbers))
                    tried = [own, *self.trials]
                    scenarios = self._scenarios(tried)
                    run = partial(_in_memory, book)
                    found = run(scenarios, self.wanted)
                    formulas = {
                        (sheet, cell): texts[sheet].texts.get(cell) or book.formula(sheet, cell) or ""
                        for sheet, cell in self.shop.blanks
                    }
                    marked.engine = "formualizer"
                    unsure = [found[0][sheet][cell] for (sheet, cell), formula in formulas.items() if formula]
                    if any(isinstance(value, ErrorValue) and value in UNKNOWN for value in unsure):
                        for name in SECOND_OPINIONS:
                            try:
                                other = partial(_with_engine, name, path, begun)
                                found, run, marked.engine = other(scenarios, self.wanted), other, name
                                break
                            except EngineError:  # not installed, or it cannot either
                                continue
                    marked.answers = self._judge(tried, found, formulas, run)
            except EngineError as error:
                if first and _is_package(path):
                    with suppress(EngineError):
                        saved = to_xlsx(path, Path(room), SECOND_SECONDS).read_bytes()
                        return self.mark(numbers, saved, first=False)
                reason = str(error).replace(str(path), "the file").removeprefix("formualizer: ")
                return Marked(problem=f"cannot be read: {reason.removeprefix('the file: ')}")
        return marked

    def _may_read_checks(self, texts: Mapping[str, FormulaTexts]) -> bool:
        """Whether a formula of the student's could take something from the Check sheet, which has most of the formulas:
        where none can, it need not be computed. Plain cells of its own sheet and well-known functions cannot."""
        for sheet, formulas in texts.items():
            given = self.texts.get(sheet, FormulaTexts()).texts
            if sheet != check.NAME and any(
                text != given.get(cell) and not OWN_CELLS.fullmatch(text) for cell, text in formulas.texts.items()
            ):
                return True
        return False

    def _whose(self, book: OpenWorkbook, texts: Mapping[str, FormulaTexts]) -> Marked:
        """What the file says of itself, the numbers in it, and which of its formulas were changed."""
        marked = Marked()
        carried = book.values_of_few({CARRIER: ["A1"]})[CARRIER]["A1"] if CARRIER in book.sheets else None
        try:
            table = json.loads(carried) if isinstance(carried, str) else {}
            said = table.get("handout", {})
            marked.course, marked.carried = str(said.get("class", ""))[:40], str(said.get("student", ""))[:200]
        except (ValueError, AttributeError, RecursionError):
            table = {}
        if "lesson" in table:
            marked.problem = "not a handout but a complete workbook of a lesson, such as an answer key"
            return marked
        if marked.course and marked.course != self.shop.course.digest:
            marked.problem = "file of another lesson or class"
            return marked
        missing = [sheet.name for sheet in self.shop.handout_plan.sheets if sheet.name not in book.sheets]
        if missing:
            marked.problem = f"file of another lesson: it has no sheet {missing[0]}"
            return marked
        given = book.values_of_few(by_sheet(self.shop.inputs))
        stand: dict[str, np.ndarray] = {name: np.zeros(shape) for name, shape in self.shop.shapes.items()}
        for (sheet, cell), (name, index) in self.shop.inputs.items():
            value = given[sheet][cell]
            stand[name][index] = value if isinstance(value, float) else np.nan
        marked.numbers = digest(self.shop.flat(stand))
        for sheet, formulas in self.texts.items():
            now = texts[sheet].texts
            for cell, text in formulas.texts.items():
                if now.get(cell) == text:
                    continue
                # another application may write the same formula in another way
                written = now.get(cell) or (book.formula(sheet, cell) or "" if sheet in book.sheets else "")
                if not same_formula(f"={written.lstrip('=')}", f"={text}"):
                    marked.changed.append(f"{sheet}!{cell}")
        return marked

    # -- judging ----------------------------------------------------------------------------------------------------

    def _judge(
        self,
        tried: Sequence[Arrays],
        found: Sequence[Values],
        formulas: Mapping[tuple[str, str], str],
        run: Run,
    ) -> dict[str, Answer]:
        """The answers, tensor by tensor in the order of the backward pass.

        A cell earns a follow-through mark when its formula is right given any numbers in the student's other blanks:
        then it is so given their own, and a typed number never is.
        """
        nudged = self._nudged(found)
        found = found[: len(tried)]
        shown = [self._arrays(values) for values in found]
        answers: dict[str, Answer] = {}
        for key in self.blank:
            places = {index: place for place, (name, index) in self.shop.blanks.items() if name == key}
            strict = np.logical_and.reduce(
                [close(own[key], right[key]) for own, right in zip(shown, tried, strict=True)]
            )
            follows = np.zeros_like(strict)
            if not strict.all():
                follows = self._probe(key, tried, run) & ~strict
            slips = None
            for index, (sheet, cell) in places.items():
                value, formula = found[0][sheet][cell], formulas[sheet, cell]
                answer = Answer(WRONG, bool(strict[index]), WRONG, formula[:500])
                answers[element_name(key, index)] = answer
                if (sheet, cell) in nudged:
                    answer.verdict = answer.hint = NUDGED
                    answer.strict = False
                elif strict[index] or follows[index]:
                    answer.verdict, answer.hint = RIGHT if strict[index] else FOLLOWED, ""
                elif (value is None or value == "") and not formula:
                    answer.verdict = answer.hint = EMPTY
                elif isinstance(value, ErrorValue):
                    answer.verdict = answer.hint = UNSURE if value in UNKNOWN_FUNCTION else ERROR
                elif not isinstance(value, float):
                    answer.verdict = answer.hint = TEXT
                elif not _reads(formula):
                    answer.verdict = answer.hint = TYPED
                elif all(own[key][index] == value for own in shown):
                    answer.hint = "still"
                else:
                    if slips is None:
                        slips = self._slips(key, tried, shown)
                    answer.hint = _recognised(slips, index, [own[key] for own in shown]) or WRONG
            _compare_neighbours([answers[element_name(key, index)] for index in places])
        return answers

    def _scenarios(self, tried: Sequence[Arrays]) -> list[Changes]:
        """What to set for every trial; where there are checks, the last trial once more with a nudge of 0."""
        scenarios: list[Changes] = [changes_to(self.shop.inputs, values) for values in tried]
        if self.shop.course.checked:
            h = address(*check.STEP)
            step = self.shop.lesson.nudge.step
            scenarios = [{**changes, check.NAME: {h: step}} for changes in scenarios]
            scenarios.append({**scenarios[-1], check.NAME: {h: 0.0}})
        return scenarios

    def _nudged(self, found: Sequence[Values]) -> set[tuple[str, str]]:
        """The blanks that take their numbers from the nudges of the Check sheet: those that change when its h is 0."""
        if not self.shop.course.checked:
            return set()
        before, now = found[-2:]
        return {
            (sheet, cell)
            for sheet, cell in self.shop.blanks
            if isinstance(before[sheet][cell], float) and now[sheet][cell] != before[sheet][cell]
        }

    def _probe(self, key: str, tried: Sequence[Arrays], run: Run) -> np.ndarray:
        """Which cells of ``key`` are right when any other numbers stand in all other blanks."""
        good = np.ones(self.program.shapes[key], dtype=bool)
        places = {place: at for place, at in self.shop.blanks.items() if at[0] == key}
        rest = {place: at for place, at in self.shop.blanks.items() if at[0] != key}
        for number, right in enumerate(tried):
            generator = np.random.default_rng(number)
            others = {name: np.round(generator.uniform(0.5, 2, right[name].shape), 2) for name in self.blank}
            changes = {sheet: dict(cells) for sheet, cells in changes_to(self.shop.inputs, right).items()}
            for sheet, cells in changes_to(rest, others).items():
                changes.setdefault(sheet, {}).update(cells)
            values = run([changes], by_sheet(places))[0]
            shown = np.full(right[key].shape, np.nan)
            for (sheet, cell), (_, index) in places.items():
                if isinstance(values[sheet][cell], float):
                    shown[index] = values[sheet][cell]
            good &= close(shown, self._given(right, {name: others[name] for name in self.blank if name != key})[key])
        return good

    def _arrays(self, values) -> dict[str, np.ndarray]:
        """What stands in the blanks, as arrays; NaN where there is no number."""
        arrays = {key: np.full(self.program.shapes[key], np.nan) for key in self.blank}
        for (sheet, cell), (key, index) in self.shop.blanks.items():
            value: Value = values[sheet][cell]
            if isinstance(value, float):
                arrays[key][index] = value
        return arrays

    def _given(self, right: Arrays, own: Arrays) -> dict[str, np.ndarray]:
        """Everything that NumPy computes when ``own`` stands in some of the blanks, as far as it is numbers."""
        values = dict(right)
        last = {line.target: number for number, line in enumerate(self.program.backward)}
        for number, line in enumerate(self.program.backward):
            values = run_lines([line], values, self.program.rules)
            if line.target in own and last[line.target] == number:
                values[line.target] = np.where(np.isnan(own[line.target]), values[line.target], own[line.target])
        return values

    def _slips(self, key: str, tried: Sequence[Arrays], shown: Sequence[Arrays]) -> list[Tried]:
        """Each slip on all numbers, given the student's other blanks and given the right ones."""
        own = [
            self._given(right, {name: arrays[name] for name in self.blank if name != key})
            for right, arrays in zip(tried, shown, strict=True)
        ]
        found = []
        for bases in (own, tried):
            by_trial = [
                {(slip.name, slip.which): slip.values for slip in usual_slips(self.program, key, base)}
                for base in bases
            ]
            right = [base[key] for base in bases]
            for name, which in by_trial[0]:
                if all((name, which) in slips for slips in by_trial):
                    found.append((name, [slips[name, which] for slips in by_trial], right))
        return found


Arrays = Mapping[str, np.ndarray]  # by tensor or gradient
Tried = tuple[str, list[np.ndarray], list[np.ndarray]]  # a slip, its numbers in every trial, and the right ones
Run = Callable[[Sequence[Changes], Wanted], list[Values]]  # the values of some cells after each of some changes


def _in_memory(book: OpenWorkbook, scenarios: Sequence[Changes], wanted: Wanted) -> list[Values]:
    """All scenarios set the same cells: these are put back at the end."""
    found, before = [], []
    for changes in scenarios:
        replaced = book.change(changes)
        before = before or replaced
        found.append(book.values_of_few(wanted))
    book.restore(before)
    return found


def _with_engine(name: str, path: Path, begun: float, scenarios: Sequence[Changes], wanted: Wanted) -> list[Values]:
    """LibreOffice is a process of its own: it must end before this one runs out of time, or it would go on alone."""
    engine = get_engine(name)
    if name == LibreOffice.name:
        left = min(SECOND_SECONDS, SECONDS - SECOND_SECONDS / 5 - (monotonic() - begun))
        if left <= 0:
            raise EngineError(f"{name}: no time is left for it")
        engine = LibreOffice(left / len(scenarios))
    return list(engine.recalculate_each(path, scenarios, wanted))


def _is_package(path: Path) -> bool:
    try:
        check_package(path)
    except UnsafeFileError:
        return False
    return True


def close(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where the numbers are the same, but for rounding."""
    with np.errstate(invalid="ignore"):
        return np.abs(one - other) <= RELATIVE * np.abs(other) + ABSOLUTE


def _recognised(slips, index, shown: Sequence[np.ndarray]) -> str:
    """The first slip that shows these numbers in this cell, and somewhere differs from what is right there."""
    for name, wrong, right in slips:
        same = all(close(own[index], bad[index]) for own, bad in zip(shown, wrong, strict=True))
        if same and not all(close(bad[index], good[index]) for bad, good in zip(wrong, right, strict=True)):
            return name
    return ""


def _reads(formula: str) -> bool:
    """Whether a formula names a cell, and is not only a number with an = before it."""
    try:
        tokens = Tokenizer(f"={formula.lstrip('=')}").items if formula else []
    except (TokenizerError, IndexError, ValueError):
        return True
    return any(token.type == Token.OPERAND and token.subtype == Token.RANGE for token in tokens)


def _compare_neighbours(answers: Sequence[Answer]) -> None:
    """Where the first cell of a block is right, a wrong one that nothing else explains was probably dragged wrongly."""
    if answers[0].mark and answers[0].formula:
        for answer in answers:
            if answer.hint == WRONG and answer.formula:
                answer.hint = "dollar"
