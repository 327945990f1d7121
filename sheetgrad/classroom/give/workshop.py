"""What every worker has at hand: a class's lesson, and the stencils of its handouts and of their answer keys."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from sheetgrad.autodiff.slips import Slip, slips
from sheetgrad.building import carried
from sheetgrad.classroom.give.bugs import MOST, with_slip
from sheetgrad.classroom.give.stencil import Stencil
from sheetgrad.classroom.give.variants import Variants
from sheetgrad.engines import AUTOMATIC, get_engine
from sheetgrad.errors import SheetgradError
from sheetgrad.formulas.expressions import Index
from sheetgrad.formulas.places import address
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import Plan
from sheetgrad.planning import make_handout_plan, make_plan, make_print_plan
from sheetgrad.sheets import check
from sheetgrad.tables.agreement import AGREE, DISAGREE, KINK, UNKNOWN
from sheetgrad.verifying.verify import compare, difference
from sheetgrad.workbook.values import store_values
from sheetgrad.workbook.write import FORMAT, write
from sheetgrad.xlsx.contents import Contents

MODES = ("practice", "exam")
NAME, MARK = "{{student.name}}", "{{student.id}}"
HEADING = "{{heading.name}}"  # the name at the top of a page, where & begins a code and is doubled
LOOKED_AT = 20  # draws, to see which cells a wrong line makes wrong
UNACCUSED = (AGREE, KINK, UNKNOWN, check.TABLE.constants["unknown"])  # what may stand beside a right gradient
FORMS = "0.000"  # of computed numbers: the same for every student, whatever the numbers are
Cell = tuple[str, str]  # sheet, cell
Cells = dict[Cell, tuple[str, Index]]  # and which number of which tensor or gradient stands there


class ProofError(SheetgradError, ValueError):
    """A handout whose numbers are not NumPy's, or whose right answers are not accepted: it is not given out."""


@dataclass(frozen=True)
class Course:
    """What all handouts of a class have in common.

    ``lesson`` has its exercise or its bug; where it has a bug, ``slip`` says which one these handouts have instead of the
    lesson's own (:func:`~sheetgrad.classroom.give.bugs.possible_bugs`). The numbers that students get come from the ``seed``, those that marking tries from the
    ``secret``, which nobody chooses or knows.
    """

    lesson: Lesson
    mode: str
    seed: str
    secret: str = ""
    slip: str = ""

    @cached_property
    def text(self) -> str:
        """The course as a line of JSON; :meth:`from_text` reads it back. Workers know a course by it."""
        return json.dumps({**self._given_out, "secret": self.secret, **({"slip": self.slip} if self.slip else {})})

    def with_slip(self, slip: str) -> Course:
        """The course of the students who got this slip."""
        return replace(self, slip=slip) if slip else self

    @cached_property
    def shown(self) -> Lesson:
        """The lesson as these handouts show it. Raises ``ValueError`` for a slip that it does not have."""
        lesson = self.lesson.to_hand_out()
        return with_slip(lesson, self.slip) if self.slip else lesson

    @property
    def _given_out(self) -> dict:
        return {"name": self.lesson.name, "lesson": self.lesson.to_table(), "mode": self.mode, "seed": self.seed}

    @classmethod
    def from_text(cls, text: str) -> Course:
        """Raises ``ValueError`` (``LessonError`` is one), ``KeyError`` or ``TypeError`` for what is no course."""
        table = json.loads(text)
        lesson = Lesson.from_table(table["lesson"], str(table["name"]), "the handout's lesson")
        if table["mode"] not in MODES:
            raise ValueError(f"mode: found {table['mode']!r}, expected {' or '.join(MODES)}")
        more = (str(table["seed"]), str(table["secret"]), str(table.get("slip", "")))
        return cls(lesson.with_blank(), table["mode"], *more)

    @property
    def checked(self) -> bool:
        return self.mode == "practice"

    @cached_property
    def digest(self) -> str:
        """What a handout carries to be known by: it tells nothing of the lesson."""
        return hashlib.sha256(json.dumps(self._given_out).encode()).hexdigest()[:16]


@lru_cache(maxsize=MOST + 1)
def workshop(text: str) -> Workshop:
    """The workshop of the course with this text, made once in every process."""
    return Workshop(Course.from_text(text))


class Workshop:
    """Makes the handout and the key of any student of the course.

    Its first workbooks are verified cell by cell as ``sheetgrad build`` does. After that every student's numbers are
    recalculated by the engine, and all tensors and gradients, the verdicts of the nudges and (to practise) those of the
    checks with the right answers filled in are compared with NumPy: :class:`ProofError` when one is not right.

    ``lesson`` is what the handouts show, ``right`` the same without a bug, ``asked`` the gradients that earn marks.
    """

    def __init__(self, course: Course):
        self.course = course
        self.lesson = course.shown
        self.right = self.lesson.mended
        self.asked = (self.lesson.bug.gradient,) if self.lesson.bug else self.lesson.exercise.blank
        self.variants = Variants(self.right.with_blank())
        self.handout_plan = make_handout_plan(self.lesson, course.checked, NAME, MARK, FORMS)
        for sheet in self.handout_plan.sheets:
            sheet.heading = HEADING, MARK
        self.inputs = _cells(self.handout_plan, "input", self.lesson)
        self.blanks = _cells(self.handout_plan, "blank", self.lesson)
        self.beside: Cells = {}  # the numbers of a wrong line that are right as they are
        if self.lesson.bug:
            self.blanks, self.beside = self._to_mend()
        self._printed: dict[tuple[bool, bool], tuple[Stencil, Cells]] = {}
        self.shapes = {name: tensor.values.shape for name, tensor in self.lesson.tensors.items()}

    @cached_property
    def slips(self) -> Mapping[str, Sequence[Slip]]:
        """The usual slips by blank gradient."""
        return {key: slips(self.right.program, key) for key in self.asked}

    def _to_mend(self) -> tuple[Cells, Cells]:
        """The cells of the wrong line that it makes wrong, on some numbers at least; and its others."""
        (key,) = self.asked
        apart = np.zeros(self.lesson.program.shapes[key], dtype=bool)
        for number in range(LOOKED_AT):
            numbers, right = self.variants.draw_with_gradients(self.course.seed, "to mend", str(number))
            apart |= ~np.isclose(self.lesson.program.run(numbers)[key], right[key], rtol=1e-9, atol=0.0)
        cells = _cells(self.handout_plan, "formula", self.lesson).items()
        own = {place: (name, index) for place, (name, index) in cells if name == key}
        wrong = {place: (name, index) for place, (name, index) in own.items() if apart[index]}
        return wrong, {place: at for place, at in own.items() if place not in wrong}

    # -- numbers ----------------------------------------------------------------------------------------------------

    def flat(self, numbers: Mapping[str, np.ndarray]) -> list[float]:
        """The numbers of all tensors in one list, as ``handout.json`` keeps them."""
        return [float(value) for name in self.shapes for value in np.ravel(numbers[name])]

    def tensors(self, flat: Sequence[float]) -> dict[str, np.ndarray]:
        """The other way round. Raises ``ValueError`` when there are too few or too many."""
        found, start = {}, 0
        for name, shape in self.shapes.items():
            size = int(np.prod(shape, dtype=int))
            found[name] = np.array(flat[start : start + size], dtype=float).reshape(shape)
            start += size
        if start != len(flat):
            raise ValueError(f"found {len(flat)} numbers, expected {start}")
        return found

    # -- workbooks --------------------------------------------------------------------------------------------------

    @cached_property
    def handouts(self) -> Stencil:
        table = {
            "format": FORMAT,
            "handout": {"lesson": self.lesson.name, "class": self.course.digest, "student": MARK},
        }
        return _stencil(self.handout_plan, table, self.inputs)

    @cached_property
    def keys(self) -> Stencil:
        return _stencil(self._key_plan, carried(self.right), self._key_inputs)

    @cached_property
    def _key_inputs(self) -> Cells:
        return _cells(self._key_plan, "input", self.lesson)

    @cached_property
    def _key_plan(self) -> Plan:
        words = f"The answers of {NAME} ({MARK}): the lesson on the numbers of this handout, with nothing left blank."
        if self.lesson.bug:
            (key,) = self.asked
            line = next(line for line in reversed(self.right.program.backward) if line.target == key)
            words = f"The answers of {NAME} ({MARK}), mended. Wrong was {self.lesson.bug.line}; right is {line.text}."
        lesson = replace(self.right, title=f"Answers: {self.lesson.title}", text=words, next="")
        plan = make_plan(lesson, FORMS)
        for sheet in plan.sheets:
            sheet.heading = (f"Answers: {HEADING}", MARK)
        return plan

    def make(self, mark: str, name: str, flat: Sequence[float]) -> tuple[bytes, bytes]:
        """The handout and the key of the student with the id ``mark``, on these numbers."""
        numbers = self.tensors(flat)
        right = self.right.program.run(numbers)
        words = _words(mark, name)
        try:
            return self._handout(numbers, right, words), self._key(numbers, right, words)
        except ProofError as error:
            raise ProofError(f"{mark}: {error}") from None

    def _handout(self, numbers, right, words) -> bytes:
        given = changes_to(self.inputs, numbers)
        values = self.handouts.values(given)
        if self.course.checked:
            if self.lesson.bug and DISAGREE not in (values[check.NAME][cell] for cell in self._checks):
                raise ProofError(f"{check.NAME} shows nothing wrong, but {self.lesson.bug.line} is")
            answers = changes_to(self.blanks, right)
            before = self.handouts.engine.change(answers)
            judged = self.handouts.engine.values({check.NAME: self._checks})
            self.handouts.engine.restore(before)
            for cell, sign in judged[check.NAME].items():
                if sign not in UNACCUSED:
                    raise ProofError(f"{check.NAME}!{cell} shows {sign} for the right answer")
        return self.handouts.fill(given, values, words)

    @cached_property
    def _checks(self) -> list[str]:
        areas = self.handout_plan.sheet(check.NAME).verdicts
        return [
            address(row, column)
            for area in areas
            for row in range(area.top, area.bottom + 1)
            for column in range(area.left, area.right + 1)
        ]

    def _key(self, numbers, right, words) -> bytes:
        given = changes_to(self._key_inputs, numbers)
        values = self.keys.values(given)
        for (sheet, cell), (key, index) in self._proven.items():
            found, expected = values[sheet][cell], float(right[key][index])
            if not difference(found, expected, 0.0, 1e-12)[2]:
                raise ProofError(f"{sheet}!{cell}: {key} is {found}, expected {expected:.12g}")
        for sheet, cell in self._verdicts:
            if values[sheet][cell] not in UNACCUSED:
                raise ProofError(f"{sheet}!{cell}: the gradient does not agree with its nudge")
        return self.keys.fill(given, values, words)

    def printed(self, mark: str, name: str, flat: Sequence[float], large: bool, answered: bool) -> bytes:
        """The workbook that is printed for one student: with empty boxes, or ``answered``."""
        if (large, answered) not in self._printed:
            plan = make_print_plan(self.lesson, HEADING, MARK, large, answered, FORMS)
            inputs = _cells(plan, "input", self.lesson)
            self._printed[large, answered] = _stencil(plan, {"format": FORMAT}, inputs), inputs
        stencil, inputs = self._printed[large, answered]
        given = changes_to(inputs, self.tensors(flat))
        return stencil.fill(given, stencil.values(given), _words(mark, name))

    @cached_property
    def _proven(self) -> Cells:
        """The cells of every tensor and gradient that the key computes."""
        return _cells(self._key_plan, "formula", self.lesson)

    @cached_property
    def _verdicts(self) -> list[Cell]:
        return [
            (sheet.name, address(block.row + i, block.column + j))
            for sheet in self._key_plan.sheets
            for block in sheet.blocks
            if block.items
            for i, j in np.ndindex(block.rows, block.columns)
        ]


def _words(mark: str, name: str) -> dict[str, str]:
    """What stands for the student in a stencil; who has no name is called by the id."""
    return {NAME: name or mark, MARK: mark, HEADING: (name or mark).replace("&", "&&")}


def _cells(plan: Plan, kind: str, lesson: Lesson) -> Cells:
    """The blocks of one kind that tensors and gradients stand in, cell by cell: their own, not the copies."""
    shapes, seen, found = lesson.program.shapes, set(), {}
    for sheet in plan.sheets:
        for block in sheet.blocks:
            if block.name not in shapes or (block.name, block.panel) in seen:
                continue
            seen.add((block.name, block.panel))
            if block.kind != kind:
                continue
            places = [(block.row + i, block.column + j) for i, j in np.ndindex(block.rows, block.columns)]
            for place, index in zip(places, block.indices(shapes[block.name]), strict=True):
                found[sheet.name, address(*place)] = block.name, index
    return found


def changes_to(cells: Cells, values: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """What to set so that these cells hold these numbers."""
    changes: dict[str, dict[str, float]] = {}
    for (sheet, cell), (name, index) in cells.items():
        changes.setdefault(sheet, {})[cell] = float(values[name][index])
    return changes


def by_sheet(cells: Collection[Cell]) -> dict[str, list[str]]:
    """The cells sheet by sheet, as engines ask for them."""
    found: dict[str, list[str]] = {}
    for sheet, cell in cells:
        found.setdefault(sheet, []).append(cell)
    return found


def _stencil(plan: Plan, table: dict, inputs: Cells) -> Stencil:
    """Writes the plan's workbook, verifies every cell of it, and makes a stencil of it."""
    with tempfile.TemporaryDirectory(prefix="sheetgrad-") as room:
        path = Path(room) / "first.xlsx"
        write(plan, table, path)
        store_values(path)
        data = path.read_bytes()
    session = get_engine(AUTOMATIC[0]).open(data)
    report = compare(plan, Contents(data).all(), session.grids(), path.name, plan.title, AUTOMATIC[0])
    if not report.ok:
        wrong = [*map(str, report.mismatches), *report.disagreeing]
        raise ProofError(f"{plan.title}: {wrong[0]}")
    return Stencil(data, session, by_sheet(inputs), (NAME, MARK, HEADING))
