"""Nudges any workbook, whoever made it: do its gradient cells agree with the slopes of its loss?

Every input cell is nudged both ways in memory, the workbook is recalculated, and the slope of the loss is compared
with the gradient cell as it stands. What may differ, and what is a kink, is decided as on the Nudge sheet
(``agreement.toml``). The file itself is never changed.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from openpyxl.formula import Tokenizer
from openpyxl.formula.tokenizer import Token, TokenizerError
from openpyxl.utils.cell import get_column_letter

from sheetgrad.engines import AUTOMATIC, Changes, EngineError, ErrorValue, Formula, Values, get_engine, save_as_xlsx
from sheetgrad.files import whole
from sheetgrad.gradchecking.ranges import REFERENCE, GradcheckError, Range
from sheetgrad.tables.agreement import AGREE, AGREEMENT, DISAGREE, KINK
from sheetgrad.workbook.reading import WorkbookError, open_workbook, read_workbook, readable
from sheetgrad.workbook.style import VERDICTS
from sheetgrad.xlsx.contents import Contents, SheetContents

if TYPE_CHECKING:
    import pandas as pd

MOST_INPUTS = 5_000
STEP = 1e-4
SAME_FACTOR = 1e-5  # how nearly equal the ratios must be to be called one factor
COLUMNS = ("pair", "input", "gradient_cell", "value", "gradient", "slope", "left", "right", "allowed", "verdict")


@dataclass(frozen=True)
class Gradcheck:
    """What was found: a row a nudged cell, and a sentence for each pair."""

    table: pd.DataFrame
    engine: str
    loss: float
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not (self.table["verdict"] == DISAGREE).any()


def gradcheck(
    path: str | Path,
    loss: str,
    pairs: Sequence[tuple[str, str]],
    engine: str | None = None,
    step: float = STEP,
) -> pd.DataFrame:
    """The table of :func:`check`, with its engine, loss and notes in ``attrs``."""
    found = check(path, loss, pairs, engine, step)
    found.table.attrs = {"engine": found.engine, "loss": found.loss, "notes": found.notes}
    return found.table


def check(
    path: str | Path, loss: str, pairs: Sequence[tuple[str, str]], engine: str | None = None, step: float = STEP
) -> Gradcheck:
    """Compares gradient cells with nudges of input cells.

    ``loss`` is a cell, or a formula over the workbook's cells. ``pairs`` are ranges of inputs and of their
    gradients, of equal shape or one the transpose of the other. An input x is nudged by ``step`` · max(1, |x|).
    Without an ``engine`` the first of ``AUTOMATIC`` is taken that can evaluate the workbook.

    Raises :class:`GradcheckError` for ranges that do not fit, :class:`~sheetgrad.workbook.reading.WorkbookError` for a file
    that cannot be read, ``EngineError`` when no engine can evaluate it.
    """
    path = Path(path)
    ranges = [(Range.parse(given, "--input"), Range.parse(gradient, "--gradient")) for given, gradient in pairs]
    if not ranges:
        raise GradcheckError("expected at least one --input with its --gradient")
    if not 0 < step <= 0.1:
        raise GradcheckError(f"--step: found {step:g}, expected a number from 0 to 0.1")
    for given, gradient in ranges:
        if gradient.shape not in (given.shape, given.shape[::-1]):
            raise GradcheckError(
                f"{given} is {given.shape[0]}×{given.shape[1]} and {gradient} {gradient.shape[0]}×{gradient.shape[1]}: "
                "expected the same shape, or one the transpose of the other"
            )
    if sum(given.shape[0] * given.shape[1] for given, _ in ranges) > MOST_INPUTS:
        raise GradcheckError(f"--input: more than {MOST_INPUTS:,} cells; check a part of them")
    with tempfile.TemporaryDirectory(prefix="sheetgrad-") as room:
        if path.suffix.lower() not in (".xlsx", ".xlsm"):
            path = save_as_xlsx(path, Path(room))
        return _Check(path, loss, ranges, step).run(engine)


class _Check:
    def __init__(self, path: Path, loss: str, ranges: Sequence[tuple[Range, Range]], step: float):
        self.path, self.ranges, self.step = path, ranges, step
        with readable(path):
            contents = Contents(read_workbook(path))
        self._know(ranges, contents.sheets)
        with readable(path):
            sheets = {given.sheet: contents.sheet(given.sheet) for given, _ in ranges}
        self.values = [_numbers(sheets[given.sheet], given) for given, _ in ranges]
        if REFERENCE.match(loss.strip()):
            cell = Range.parse(loss, "--loss")
            if cell.shape != (1, 1) or cell.sheet not in contents.sheets:
                raise GradcheckError(
                    f"--loss: found {loss!r}, expected a single cell of one of {', '.join(contents.sheets)}"
                )
            self.loss, self.extra = (cell.sheet, cell.cells()[0]), {}
        else:
            name = ranges[0][0].sheet
            free = _free_cell(sheets[name])
            self.loss, self.extra = (name, free), {name: {free: _formula(loss)}}

    @staticmethod
    def _know(ranges: Sequence[tuple[Range, Range]], sheets: Sequence[str]) -> None:
        """Refuses a range on a sheet that is not there."""
        for area in [area for pair in ranges for area in pair]:
            if area.sheet not in sheets:
                raise GradcheckError(f"{area}: there is no sheet {area.sheet!r}; expected one of {', '.join(sheets)}")

    def run(self, engine: str | None) -> Gradcheck:
        reasons = []
        for name in [engine] if engine else AUTOMATIC:
            try:
                values = self._evaluate(name)
            except EngineError as error:
                reasons.append(str(error))
                continue
            return self._compare(name, values)
        raise EngineError("; ".join(reasons))

    def _changes(self, cell: tuple[str, str] | None = None, value: float = 0.0) -> Changes:
        changes: dict[str, dict[str, float | str]] = {sheet: dict(cells) for sheet, cells in self.extra.items()}
        if cell:
            changes.setdefault(cell[0], {})[cell[1]] = value
        return changes

    def _evaluate(self, name: str) -> list[Values]:
        """The workbook as it is, then with each input a step up and a step down."""
        scenarios = [self._changes()]
        for (given, _), numbers in zip(self.ranges, self.values, strict=True):
            for cell, number in zip(given.cells(), numbers, strict=True):
                h = self.step * max(1.0, abs(number))
                scenarios += [self._changes((given.sheet, cell), number + sign * h) for sign in (1, -1)]
        wanted: dict[str, list[str]] = {self.loss[0]: [self.loss[1]]}
        for _, gradient in self.ranges:
            wanted.setdefault(gradient.sheet, []).extend(gradient.cells())
        chosen = get_engine(name)
        values = []
        for k, found in enumerate(chosen.recalculate_each(self.path, scenarios, wanted)):
            if k == 0:
                self._complain(name, found)
            values.append(found)
        return values

    def _complain(self, name: str, found: Values) -> None:
        """An engine that cannot evaluate what is needed says so, and the next one is tried."""
        loss = found[self.loss[0]][self.loss[1]]
        if not isinstance(loss, float) or not math.isfinite(loss):
            what = "the formula of --loss" if self.extra else f"{self.loss[0]}!{self.loss[1]}"
            raise EngineError(f"{name}: {what} gives {_shown(loss)}, expected a number")
        for _, gradient in self.ranges:
            for cell in gradient.cells():
                value = found[gradient.sheet][cell]
                if not isinstance(value, float):
                    raise EngineError(f"{name}: {gradient.sheet}!{cell} gives {_shown(value)}, expected a number")

    def _compare(self, name: str, values: list[Values]) -> Gradcheck:
        def loss_of(found: Values) -> float:
            value = found[self.loss[0]][self.loss[1]]
            return value if isinstance(value, float) else math.nan

        now, at, rows, notes = loss_of(values[0]), 1, [], []
        for (given, gradient), numbers in zip(self.ranges, self.values, strict=True):
            count = len(numbers)
            moved = [loss_of(found) for found in values[at : at + 2 * count]]
            at += 2 * count
            h = self.step * np.maximum(1.0, np.abs(numbers))
            nudges = dict(loss=now, up=np.array(moved[::2]), down=np.array(moved[1::2]), h=h)
            slope = AGREEMENT.on_numbers(nudges, exact=True)["mean"].value
            shown = np.array([values[0][gradient.sheet][cell] for cell in gradient.cells()]).reshape(gradient.shape)
            names = np.array(gradient.cells(), dtype=object).reshape(gradient.shape)
            turned, note = _turned(given, gradient, shown, slope)
            if turned:
                shown, names = shown.T, names.T
            found, names = shown.ravel(), names.ravel()
            judged = AGREEMENT.on_numbers({**nudges, "value": numbers, "gradient": found}, exact=True)
            left, right, allowed = (judged[word].value for word in ("left", "right", "allowed"))
            verdict = np.where(np.isfinite(slope), judged["sign"].value, DISAGREE)
            notes += [note] if note else []
            wrong = verdict == DISAGREE
            factor = _factor(slope, found) if wrong.any() else None
            if factor is not None:
                notes.append(f"{gradient}: every slope is {factor:.3f} times the gradient{_why(factor)}")
            for k, cell in enumerate(given.cells()):
                place = f"{given.sheet}!{cell}", f"{gradient.sheet}!{names[k]}"
                numbers_of = numbers[k], found[k], slope[k], left[k], right[k], allowed[k]
                rows.append((f"{given} → {gradient}", *place, *map(float, numbers_of), str(verdict[k])))
        import pandas as pd  # slow to import, and other commands do without

        return Gradcheck(pd.DataFrame(rows, columns=COLUMNS), name, now, tuple(notes))


def _numbers(sheet: SheetContents, area: Range) -> list[float]:
    """The numbers of a range, typed in, not computed."""
    numbers = []
    for cell in area.cells():
        value = sheet.formulas.get(cell) or sheet.dates.get(cell) or sheet.values.get(cell)
        if not isinstance(value, float):
            found = "nothing" if value is None else repr(str(value)[:60])
            raise GradcheckError(f"{area.sheet}!{cell}: found {found}, expected a number that can be nudged")
        numbers.append(value)
    return numbers


def _free_cell(sheet: SheetContents) -> str:
    """A cell far from what is there, so that it stands in nobody's way."""
    rows, columns = zip(sheet.formulas.corner, sheet.values.corner, strict=True)
    return f"{get_column_letter(max(columns) + 5)}{max(rows) + 5}"


def _formula(text: str) -> Formula:
    """The formula of a loss; what is no formula is refused here, since an engine may pass it over."""
    formula = "=" + text.strip().lstrip("=")
    try:
        tokens = Tokenizer(formula).items
    except (TokenizerError, IndexError, ValueError):
        tokens = []
    opened = sum((token.subtype == Token.OPEN) - (token.subtype == Token.CLOSE) for token in tokens)
    if not tokens or opened or len(formula) > 8192:
        raise GradcheckError(f"--loss: found {text[:60]!r}, expected a cell such as Sheet1!B9, or a formula")
    return Formula(formula)


def _turned(given: Range, gradient: Range, shown: np.ndarray, slope: np.ndarray) -> tuple[bool, str]:
    """Whether the gradients stand with rows and columns exchanged, and the sentence that says so."""
    if given.shape != gradient.shape:
        return True, f"{gradient} stands as the transpose of {given}; it is compared so"
    if given.shape[0] != given.shape[1] or given.shape == (1, 1):
        return False, ""
    size = np.abs(slope).max()
    as_it_is, exchanged = (np.abs(part.ravel() - slope).max() for part in (shown, shown.T))
    if exchanged <= 1e-5 * size < as_it_is:
        return False, f"{gradient} matches the transpose of the slopes: rows and columns are exchanged"
    return False, ""


def _factor(slope: np.ndarray, gradient: np.ndarray) -> float | None:
    """The factor between all slopes and gradients, when there is one."""
    size = np.abs(gradient).max(initial=0.0)
    large = np.abs(gradient) > 1e-6 * size
    if size == 0 or not np.isfinite(slope).all() or large.sum() < 2:
        return None
    ratios = slope[large] / gradient[large]
    middle = float(np.median(ratios))
    same = np.abs(ratios - middle) <= SAME_FACTOR * abs(middle)
    rest = np.abs(slope[~large]) <= SAME_FACTOR * np.abs(slope).max()
    return middle if middle and same.all() and rest.all() else None


def _why(factor: float) -> str:
    """The usual slip behind a factor."""
    if abs(factor + 1) < 1e-3:
        return ": the sign is the other way round"
    whole = factor > 1 and abs(factor - round(factor)) < 1e-3
    part = 0 < factor < 1 and abs(1 / factor - round(1 / factor)) < 1e-3
    return ": summed where you meant averaged?" if whole else ": averaged where you meant summed?" if part else ""


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value) if isinstance(value, ErrorValue) else repr(value)


def write_report(found: Gradcheck, path: Path, target: Path) -> None:
    """A copy of the workbook with each gradient cell coloured by its verdict, and the table on a sheet of its own."""
    from openpyxl.styles import Font, PatternFill

    if target.exists():
        raise GradcheckError(f"{target}: exists; choose another name for the report")
    book = open_workbook(path)
    fills = {sign: PatternFill("solid", fgColor=colour) for sign, (colour, _) in VERDICTS.items()}
    for row in found.table.itertuples():
        sheet, _, cell = row.gradient_cell.rpartition("!")
        book[sheet][cell].fill = fills[row.verdict]
    title = "gradcheck"
    while title in book.sheetnames:
        title += " 1"
    sheet = book.create_sheet(title)
    for line in (f"loss {found.loss:.12g}, recalculated by {found.engine}", *found.notes):
        sheet.append([line])
    sheet.append([])
    sheet.append(list(found.table.columns))
    for cell in sheet[sheet.max_row]:
        cell.font = Font(bold=True)
    for row in found.table.itertuples(index=False):
        sheet.append([value if not isinstance(value, float) or math.isfinite(value) else str(value) for value in row])
        sheet.cell(sheet.max_row, len(COLUMNS)).fill = fills[row.verdict]
    for column in range(1, len(COLUMNS) + 1):
        sheet.column_dimensions[get_column_letter(column)].width = 18
    with whole(target) as temporary:
        book.save(temporary)


def counts(table: pd.DataFrame) -> Mapping[str, int]:
    """How many agree, stand at a kink, disagree."""
    found = table["verdict"].value_counts()
    return {word: int(found.get(sign, 0)) for word, sign in (("agree", AGREE), ("kink", KINK), ("disagree", DISAGREE))}


__all__ = ["Gradcheck", "WorkbookError", "check", "gradcheck", "write_report"]
