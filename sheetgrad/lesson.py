"""A lesson: what a template says, checked when it is read."""

from __future__ import annotations

import ast
import math
import tomllib
import unicodedata
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np

from sheetgrad.autodiff import Program, differentiate, mentioned
from sheetgrad.cells import Index
from sheetgrad.formulas import element_name
from sheetgrad.language import Assignment, LanguageError, closest, parse_lines
from sheetgrad.rules import Rules, with_own_operations

OPTIMIZERS = ("sgd", "momentum")
MOST_STEPS = 200  # of training
ROLES = ("input", "parameter", "target", "constant")
SCHEMES = ("central", "forward")
MOST_ELEMENTS = 100_000
HIGHEST_RANK = 4
MOST_NUMBERS = 1_000  # in a list to pick from
LARGEST_STEP = 1e6
MOST_PARAGRAPHS = 40
LARGEST_FILE = 5_000_000  # bytes of a template or a CSV


class LessonError(ValueError):
    """A template that cannot be used; the message names the file, the place, what was found and expected."""


@dataclass(frozen=True)
class Tensor:
    """A tensor that is given: its role, its numbers, and a note to show beside it."""

    name: str
    role: str
    values: np.ndarray
    note: str = ""


@dataclass(frozen=True)
class Nudge:
    """How numbers are nudged: by ``step``, on both sides (``central``) or one; at most ``limit`` of them."""

    step: float = 1e-4
    scheme: str = "central"
    limit: int = 200


@dataclass(frozen=True)
class Steps:
    """The Steps sheet: the tensor ``number`` (a single number) grows by ``step``, ``rows`` times."""

    number: str
    step: float = 1e-6
    rows: int = 10


@dataclass(frozen=True)
class Laboratory:
    """What the Step size, Ripple and Tangent sheets start with: the number that each has picked, such as
    ``w[1,2]``, and how far it is nudged there. Students change all of it in the workbook."""

    step_size: str = ""
    ripple: str = ""
    tangent: str = ""
    nudge: float = 0.1
    reach: float = 0.5


@dataclass(frozen=True)
class Jacobian:
    """The Jacobian sheet: for each pair (result, operand) of one forward line, in one example (counted from 1)."""

    pairs: tuple[tuple[str, str], ...]
    example: int = 1


@dataclass(frozen=True)
class Contributions:
    """The Contributions sheet: the tensors whose gradient is taken apart, example by example."""

    of: tuple[str, ...]


@dataclass(frozen=True)
class Training:
    """The Training sheet: so many steps of gradient descent on the tensors ``train``."""

    train: tuple[str, ...]
    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    steps: int = 30


@dataclass(frozen=True)
class Exercise:
    """What a handout leaves blank: gradients such as ``w.g``, one mark a number; ``text`` is the task in words, ``title``
    that of the handout where the lesson's own would not fit other numbers."""

    blank: tuple[str, ...]
    text: str = ""
    title: str = ""


@dataclass(frozen=True)
class Lesson:
    """What is taught.

    ``forward`` are the lines as written, ``tensors`` the given numbers by name, ``gradients`` the tensors whose
    gradient is asked for, ``ops`` the lesson's own operations as in ``[ops.NAME]``. The numbers to play with are
    known by where they stand here: ``nudge.step``, ``laboratory.ripple``. Without a ``laboratory`` the workbook has no
    Step size, Ripple and Tangent sheets.
    """

    name: str
    title: str
    question: str
    text: str
    forward: str
    tensors: Mapping[str, Tensor]
    gradients: tuple[str, ...]
    ops: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    nudge: Nudge = Nudge()
    laboratory: Laboratory | None = Laboratory()
    steps: Steps | None = None
    jacobian: Jacobian | None = None
    contributions: Contributions | None = None
    training: Training | None = None
    exercise: Exercise | None = None
    code: bool = False
    order: int = 1000
    next: str = ""

    @classmethod
    def load(cls, path_or_name: str | Path) -> Lesson:
        """The lesson of a template: a name from :func:`available` or a path to a ``.toml`` file.

        Raises :class:`LessonError` in one line that names the file, the place, what was found and expected.
        """
        path = find_template(path_or_name)
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise LessonError(f"{path.name}: larger than {LARGEST_FILE:,} bytes")
            table = tomllib.loads(path.read_bytes().decode("utf-8"))
        except LessonError:
            raise
        except (ValueError, RecursionError) as error:  # also text that is not UTF-8, and numbers of 5,000 digits
            raise LessonError(f"{path.name}: not a TOML file: {error}") from None
        except OSError as error:
            raise LessonError(f"{path}: {error.strerror}") from None
        return cls.from_table(table, path.stem, path.name, path.parent)

    @classmethod
    def from_table(cls, table: Mapping, name: str, source: str, folder: Path | None = None) -> Lesson:
        """The lesson of a parsed template. ``source`` stands in messages, ``folder`` is where its CSVs are."""
        try:
            lesson = _read(table, name, folder)
        except RecursionError:
            raise LessonError(f"{source}, forward: too many values hang on one another; make it shorter") from None
        except LanguageError as error:
            raise LessonError(f"{source}, {_place(str(error))}") from None
        except LessonError as error:
            raise LessonError(f"{source}, {error}") from None
        return lesson

    def to_table(self) -> dict:
        """The lesson as plain data, numbers included: what the workbook carries. ``from_table`` reads it back."""
        table = {
            "title": self.title,
            "question": self.question,
            "text": self.text,
            "order": self.order,
            "forward": self.forward,
            "gradients": list(self.gradients),
            "tensors": {
                tensor.name: {"role": tensor.role, "values": tensor.values.tolist(), "note": tensor.note}
                for tensor in self.tensors.values()
            },
            "nudge": {"step": self.nudge.step, "scheme": self.nudge.scheme, "limit": self.nudge.limit},
        }
        table["laboratory"] = False
        if laboratory := self.laboratory:
            table["laboratory"] = {"number": laboratory.ripple, "nudge": laboratory.nudge, "reach": laboratory.reach}
        if self.next:
            table["next"] = self.next
        if self.ops:
            table["ops"] = {name: dict(entry) for name, entry in self.ops.items()}
        if self.steps:
            table["steps"] = asdict(self.steps)
        if self.jacobian:
            pairs = [list(pair) for pair in self.jacobian.pairs]
            table["jacobian"] = {"pairs": pairs, "example": self.jacobian.example}
        if self.contributions:
            table["contributions"] = {"of": list(self.contributions.of)}
        if self.training:
            table["training"] = asdict(self.training) | {"train": list(self.training.train)}
            if self.training.optimizer == "sgd":
                del table["training"]["momentum"]
        if self.exercise:
            table["exercise"] = asdict(self.exercise) | {"blank": list(self.exercise.blank)}
        if self.code:
            table["code"] = True
        return table

    @cached_property
    def rules(self) -> Rules:
        return with_own_operations(self.ops)

    @cached_property
    def program(self) -> Program:
        """The forward and backward lines."""
        shapes = {name: tensor.values.shape for name, tensor in self.tensors.items()}
        return differentiate(self._lines, shapes, self.gradients, self.rules)

    @property
    def _lines(self) -> list[Assignment]:
        return parse_lines(self.forward)

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The given numbers by tensor."""
        return {name: tensor.values for name, tensor in self.tensors.items()}

    @cached_property
    def numbers(self) -> Mapping[str, tuple[str, Index]]:
        """The numbers that can be picked, by the name that a person reads (``w[1,2]``): tensor and index.

        They are those of the tensors with a gradient; of more than ``MOST_NUMBERS`` an even share of each tensor.
        """
        program = self.program
        sizes = {name: int(np.prod(program.shapes[name], dtype=int)) for name in program.requested}
        share = min(1.0, MOST_NUMBERS / sum(sizes.values()))
        chosen = []
        for name, size in sizes.items():
            flat = np.unique(np.linspace(0, size - 1, max(1, int(share * size))).round().astype(int))
            shape = program.shapes[name]
            chosen += [(name, tuple(map(int, np.unravel_index(k, shape))) if shape else ()) for k in flat]
        return MappingProxyType({element_name(name, index): (name, index) for name, index in chosen})

    def with_values(self, values: Mapping[str, np.ndarray]) -> Lesson:
        """The same lesson on other numbers of the same shapes."""
        tensors = {name: replace(tensor, values=values[name]) for name, tensor in self.tensors.items()}
        return self._with(tensors=MappingProxyType(tensors))

    def with_blank(self, names: Sequence[str] = ()) -> Lesson:
        """The same lesson with these gradients left blank in its handouts.

        Without names: those of ``[exercise]``, or else the gradients of all parameters that are asked for. Raises
        :class:`LessonError` for a name that is no gradient of the lesson.
        """
        if not names and self.exercise:
            return self
        default = [name for name in self.gradients if self.tensors[name].role == "parameter"] or self.gradients
        blank = list(names) or [f"{name}.g" for name in default]
        exercise = _exercise({"blank": blank}, self.program, "blank")
        if self.exercise:
            exercise = replace(self.exercise, blank=exercise.blank)
        return self._with(exercise=exercise)

    def to_hand_out(self) -> Lesson:
        """The lesson as it is handed out on drawn numbers: with the exercise's title, without notes on its own numbers,
        and with the sheets Lesson, Gradients and Nudge alone."""
        tensors = {name: replace(tensor, note="") for name, tensor in self.tensors.items()}
        extras = ("laboratory", "steps", "jacobian", "contributions", "training")
        title = self.exercise.title or self.title
        return self._with(title=title, tensors=MappingProxyType(tensors), **dict.fromkeys(extras), code=False)

    def setting(self, key: str) -> float | str:
        """A number or word to play with: ``nudge.step``."""
        section, field = key.split(".")
        return getattr(getattr(self, section), field)

    def with_setting(self, key: str, value: float | str) -> Lesson:
        """The same lesson with another such number or word; :class:`LessonError` says what is expected."""
        section, field = key.split(".")
        old = self.setting(key)
        if isinstance(old, str):
            choices = SCHEMES if key == "nudge.scheme" else self.numbers
            if value not in choices:
                raise LessonError(f"{key.replace('.', ' ')} must be {_choice(choices)}")
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            raise LessonError(f"{key.replace('.', ' ')} must be a number")
        elif key == "training.momentum" and not 0 <= value <= 1:
            raise LessonError("training momentum must be a number from 0 to 1")
        elif key != "training.momentum" and not 0 < value <= LARGEST_STEP:
            raise LessonError("a step must be a number above 0")
        return self._with(**{section: replace(getattr(self, section), **{field: value})})

    def _with(self, **changes) -> Lesson:
        """The same lines on other numbers: the program stays as it is."""
        changed = replace(self, **changes)
        changed.__dict__.update({key: self.__dict__[key] for key in ("rules", "program") if key in self.__dict__})
        return changed


def _choice(words: Collection[str]) -> str:
    listed = list(words)
    return " or ".join(listed) if len(listed) < 4 else f"one of {listed[0]}, {listed[1]}, … {listed[-1]}"


# -- finding -----------------------------------------------------------------------------------------------------


def templates_folder() -> Path:
    """Where the lessons that come with sheetgrad are: inside the package, or beside it in a source tree."""
    package = Path(__file__).parent
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def available() -> list[Path]:
    """The templates that come with sheetgrad."""
    return sorted(templates_folder().glob("*.toml"))


def find_template(path_or_name: str | Path) -> Path:
    """The template of that name, or at that path. Raises :class:`LessonError` when there is none."""
    text = str(path_or_name)
    if text.endswith(".toml"):
        path = Path(text)
        if not path.is_file():
            raise LessonError(f"{text}: no such file; expected a lesson template (.toml)")
        return path
    names = {path.stem: path for path in available()}
    if text not in names:
        raise LessonError(
            f"{text}: no lesson of that name{closest(text, names)}; expected a name from `sheetgrad list` "
            "or a path that ends in .toml"
        )
    return names[text]


# -- reading -----------------------------------------------------------------------------------------------------

KEYS = {
    "": (
        *(
            "title",
            "question",
            "text",
            "order",
            "next",
            "forward",
            "gradients",
            "tensors",
            "ops",
            "nudge",
            "laboratory",
        ),
        *("steps", "jacobian", "contributions", "training", "exercise", "code"),
    ),
    "nudge": ("step", "scheme", "limit"),
    "laboratory": ("number", "nudge", "reach"),
    "steps": ("number", "step", "rows"),
    "jacobian": ("pairs", "example"),
    "contributions": ("of",),
    "exercise": ("blank", "text", "title"),
    "training": ("optimizer", "lr", "momentum", "steps", "train"),
    "tensors": ("role", "values", "csv", "columns", "rows", "shape", "random", "seed", "decimals", "note"),
}


def _place(message: str) -> str:
    """Messages of the language start with their line; here it becomes a line of the template's forward pass."""
    return f"forward {message}" if message.startswith(("line ", "no line ")) else message


def _read(table: Mapping, name: str, folder: Path | None) -> Lesson:
    _only(table, "", "the template")
    title = _text(table, "title", 200)
    question = _text(table, "question", 500)
    text = _text(table, "text", 20_000, "")
    if text.count("\n\n") > MOST_PARAGRAPHS:
        raise LessonError(f"text: more than {MOST_PARAGRAPHS} paragraphs; a lesson's text is short")
    forward = _text(table, "forward", 20_000).strip("\n")
    ops = _table(table, "ops")
    rules = with_own_operations(ops)
    lines = parse_lines(forward)
    used = {name for line in lines for name in mentioned(line.expression)}
    entries = _table(table, "tensors")
    tensors = {key: _tensor(key, entry, folder) for key, entry in entries.items()}
    unknown = used - set(tensors) - {line.name for line in lines}
    for key in tensors:
        if key in rules:
            raise LessonError(f"[tensors.{key}]: {key} is an operation; give the tensor another name")
        if key not in used and not unknown:
            raise LessonError(f"[tensors.{key}]: no forward line uses {key}{closest(key, used - set(tensors))}")
    _twins(tensors)
    shapes = {key: tensor.values.shape for key, tensor in tensors.items()}
    gradients = _gradients(table, tensors, lines, shapes, rules)
    steps = _steps(_table(table, "steps"), tensors) if "steps" in table else None
    if steps and steps.number not in gradients:
        raise LessonError(f"[steps] number: {steps.number} has no gradient; expected one of {', '.join(gradients)}")
    training = _training(_table(table, "training"), tensors, gradients) if "training" in table else None
    code = table.get("code", False)
    if not isinstance(code, bool):
        raise LessonError(f"code: found {code!r}, expected true or false")
    lesson = Lesson(
        name=name,
        title=title,
        question=question,
        text=text.strip(),
        forward=forward,
        tensors=MappingProxyType(tensors),
        gradients=gradients,
        ops=ops,
        nudge=_nudge(_table(table, "nudge")),
        steps=steps,
        training=training,
        code=code,
        order=int(_number(table, "order", 1000, 0, 1_000_000)),
        next=_text(table, "next", 100, ""),
    )
    _class_numbers(lesson)
    values = lesson.program.run(lesson.values)
    _finite(values, lesson.program)
    more: dict[str, object] = {"laboratory": None}  # laboratory = false leaves its three sheets out
    if table.get("laboratory") is not False:
        more["laboratory"] = _laboratory(_table(table, "laboratory"), lesson, values)
    if "jacobian" in table:
        more["jacobian"] = _jacobian(_table(table, "jacobian"), lesson.program)
    if "contributions" in table:
        more["contributions"] = _contributions(_table(table, "contributions"), lesson)
    if "exercise" in table:
        more["exercise"] = _exercise(_table(table, "exercise"), lesson.program, "[exercise] blank")
    return lesson._with(**more)


def _twins(tensors: Mapping[str, Tensor]) -> None:
    seen: dict[str, str] = {}
    for name in tensors:
        twin = seen.setdefault(name.lower(), name)
        if twin != name:
            raise LessonError(
                f"[tensors.{name}]: {name} and {twin} differ only in case, which names in Excel do not tell apart"
            )


def class_targets(lesson: Lesson) -> dict[str, int]:
    """The targets of cross-entropies that are class numbers, each with how many classes there are."""
    found = {}
    for step in lesson.program.steps:
        call = ast.parse(step.heading.split(" = ", 1)[1], mode="eval").body
        match call:
            case ast.Call(func=ast.Name(id="cross_entropy"), args=[ast.Name(id=scores), ast.Name(id=target)]):
                shape = lesson.program.shapes[scores]
            case _:
                continue
        if target in lesson.tensors and lesson.tensors[target].values.shape != shape:
            found[target] = shape[-1]
    return found


def _class_numbers(lesson: Lesson) -> None:
    """Targets of a cross-entropy that are not one-hot rows are whole numbers from 0."""
    for target, classes in class_targets(lesson).items():
        values = lesson.tensors[target].values
        wrong = values[(values != np.round(values)) | (values < 0) | (values >= classes)]
        if wrong.size:
            raise LessonError(f"[tensors.{target}]: found {wrong[0]:g}, expected class numbers 0 to {classes - 1}")


def _finite(values: Mapping[str, np.ndarray], program: Program) -> None:
    for line in (*program.forward, *program.backward):
        if not np.isfinite(values[line.target]).all():
            raise LessonError(f"{line.text}: the result is not a finite number; choose other numbers")


def _gradients(table, tensors, lines, shapes, rules) -> tuple[str, ...]:
    if "gradients" not in table:
        wanted = [name for name, tensor in tensors.items() if tensor.role in ("parameter", "input")]
        return tuple(wanted) if wanted else _none_to_learn()
    names = table["gradients"]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise LessonError(f"gradients: found {names!r}, expected a list of tensor names")
    for name in names:
        if name not in tensors:
            raise LessonError(f"gradients: {name} is not one of the tensors{closest(name, tensors)}")
    if len(set(names)) < len(names):
        raise LessonError("gradients: a name stands there twice")
    return tuple(names)


def _none_to_learn():
    raise LessonError("tensors: none is an input or a parameter; name what to differentiate under gradients")


def _tensor(name: str, entry: object, folder: Path | None) -> Tensor:
    where = f"[tensors.{name}]"
    if not name.isidentifier() or len(name) > 30 or name.startswith("_"):
        raise LessonError(f"{where}: expected a plain name of letters, digits and _")
    if not isinstance(entry, Mapping):
        raise LessonError(f"{where}: found {entry!r}, expected a table with role and values")
    try:
        _only(entry, "tensors", where)
        role = _text(entry, "role", 20)
        if role not in ROLES:
            raise LessonError(f"role: found {role!r}, expected one of {', '.join(ROLES)}")
        sources = [key for key in ("values", "csv", "shape") if key in entry]
        if len(sources) != 1:
            found = " and ".join(sources) or "none"
            raise LessonError(f"found {found} of values, csv and shape, expected exactly one")
        read = {"values": _given, "csv": _from_csv, "shape": _drawn}[sources[0]]
        values = read(entry, folder)
        if values.ndim > HIGHEST_RANK or values.size > MOST_ELEMENTS or values.size == 0:
            raise LessonError(
                f"found shape {list(values.shape)}, expected 1 to {MOST_ELEMENTS:,} numbers on at most {HIGHEST_RANK} axes"
            )
        if not np.isfinite(values).all() or np.abs(values).max() > 1e12:
            raise LessonError("expected finite numbers below 1e12")
        return Tensor(name, role, values, _text(entry, "note", 300, ""))
    except LessonError as error:
        raise LessonError(f"{where} {error}" if not str(error).startswith("[") else str(error)) from None


def _given(entry: Mapping, folder: Path | None) -> np.ndarray:
    try:
        values = np.array(entry["values"], dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise LessonError("values: expected a number, or rows of equally many numbers") from None
    return values


def _drawn(entry: Mapping, folder: Path | None) -> np.ndarray:
    """Random numbers, rounded to friendly decimals; the same seed gives the same numbers.

    ``kaiming`` has standard deviation √(2 / inputs), for a weight of shape inputs × outputs (He et al. 2015).
    """
    shape = entry["shape"]
    if not isinstance(shape, list) or not all(_is_count(n) for n in shape):
        raise LessonError(f"shape: found {shape!r}, expected a list of whole numbers such as [2, 4]")
    if math.prod(shape) > MOST_ELEMENTS or len(shape) > HIGHEST_RANK:
        raise LessonError(f"shape: found {shape}, expected at most {MOST_ELEMENTS:,} numbers on {HIGHEST_RANK} axes")
    kind = _text(entry, "random", 20, "normal")
    generator = np.random.default_rng(int(_number(entry, "seed", 0, 0, 2**32)))
    decimals = int(_number(entry, "decimals", 2, 0, 12))
    match kind:
        case "normal":
            values = generator.normal(size=shape)
        case "uniform":
            values = generator.uniform(-1, 1, size=shape)
        case "kaiming":
            values = generator.normal(size=shape) * math.sqrt(2 / (shape[0] if shape else 1))
        case _:
            raise LessonError(f"random: found {kind!r}, expected normal, uniform or kaiming")
    return np.round(values, decimals) + 0.0


def _from_csv(entry: Mapping, folder: Path | None) -> np.ndarray:
    """Columns of a CSV beside the template; rows are counted from 1, ``rows = n`` takes the first n."""
    import pandas as pd

    file = _text(entry, "csv", 200)
    if folder is None:
        raise LessonError(f"csv: {file} cannot be read here")
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()) or path.suffix.lower() != ".csv":
        raise LessonError(f"csv: found {file!r}, expected a .csv file in the template's own folder")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise LessonError(f"csv: {file} is larger than {LARGEST_FILE:,} bytes")
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(path, skipinitialspace=True, index_col=False)
    except pd.errors.ParserWarning:
        raise LessonError(f"csv: {file}: a row has more values than there are headings") from None
    except FileNotFoundError:
        raise LessonError(f"csv: {file} is not in the template's folder") from None
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise LessonError(f"csv: {file}: {str(error).splitlines()[0]}") from None
    columns = entry.get("columns", list(frame.columns))
    columns = [columns] if isinstance(columns, str) else columns
    if not isinstance(columns, list) or not columns or not all(isinstance(name, str) for name in columns):
        raise LessonError(f"columns: found {columns!r}, expected a list of column names")
    for column in columns:
        if column not in frame.columns:
            known = [str(name) for name in frame.columns]
            raise LessonError(f"columns: {file} has no {column!r}{closest(str(column), known)}")
    rows = entry.get("rows", len(frame))
    wanted = list(range(1, rows + 1)) if _is_count(rows) and rows <= len(frame) else rows
    if not isinstance(wanted, list) or not all(_is_count(n) and n <= len(frame) for n in wanted):
        raise LessonError(f"rows: found {rows!r}, expected row numbers from 1 to {len(frame)}")
    chosen = frame.iloc[[n - 1 for n in wanted]][columns]
    numbers = chosen.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    if numbers.size and not np.isfinite(numbers).all():
        row, column = np.argwhere(~np.isfinite(numbers))[0]
        found = chosen.iloc[row, column]
        raise LessonError(f"csv: {file}, row {wanted[row]}, {columns[column]}: found {found!r}, expected a number")
    return numbers


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _nudge(table: Mapping) -> Nudge:
    _only(table, "nudge", "[nudge]")
    scheme = _text(table, "scheme", 20, Nudge.scheme, "[nudge] ")
    if scheme not in SCHEMES:
        raise LessonError(f"[nudge] scheme: found {scheme!r}, expected {' or '.join(SCHEMES)}")
    return Nudge(
        step=_number(table, "step", Nudge.step, 1e-15, 1, "[nudge] "),
        scheme=scheme,
        limit=int(_number(table, "limit", Nudge.limit, 1, 5000, "[nudge] ")),
    )


def _steps(table: Mapping, tensors: Mapping[str, Tensor]) -> Steps:
    _only(table, "steps", "[steps]")
    number = _text(table, "number", 30, where="[steps] ")
    if number not in tensors or tensors[number].values.ndim:
        single = [name for name, tensor in tensors.items() if not tensor.values.ndim]
        raise LessonError(
            f"[steps] number: found {number!r}, expected a tensor that is a single number: {', '.join(single) or 'none'}"
        )
    return Steps(
        number=number,
        step=_number(table, "step", Steps.step, 1e-15, 1e6, "[steps] "),
        rows=int(_number(table, "rows", Steps.rows, 1, 1000, "[steps] ")),
    )


def _laboratory(table: Mapping, lesson: Lesson, values: Mapping[str, np.ndarray]) -> Laboratory:
    """What the template picks; otherwise the first number that moves the loss, parameters before inputs."""
    _only(table, "laboratory", "[laboratory]")
    names = list(lesson.numbers)

    def rank(name: str) -> tuple[bool, bool]:
        tensor, index = lesson.numbers[name]
        return values[f"{tensor}.g"][index] == 0, lesson.tensors[tensor].role != "parameter"

    number = _text(table, "number", 60, min(names, key=rank), "[laboratory] ")
    if number not in names:
        raise LessonError(f"[laboratory] number: found {number!r}, expected {_choice(names)}{closest(number, names)}")
    nudge = _number(table, "nudge", Laboratory.nudge, 1e-12, 1e6, "[laboratory] ")
    reach = _number(table, "reach", Laboratory.reach, 1e-12, 1e6, "[laboratory] ")
    return Laboratory(number, number, number, nudge, reach)


def _jacobian(table: Mapping, program: Program) -> Jacobian:
    """Pairs of a forward line's result and one of its operands, each a vector or a matrix of one row an example."""
    _only(table, "jacobian", "[jacobian]")
    where = "[jacobian] pairs"
    pairs = table.get("pairs")
    if not isinstance(pairs, list) or not pairs or not all(_is_pair(pair) for pair in pairs):
        raise LessonError(f'{where}: found {pairs!r}, expected a list such as [["out", "x"]]')
    examples = MOST_ELEMENTS
    for output, given in pairs:
        step = next((step for step in program.steps if step.result == output), None)
        if step is None or given not in step.operands:
            results = ", ".join(step.result for step in program.steps)
            raise LessonError(
                f"{where}: found {[output, given]}, expected a result ({results}) and an operand of its line"
            )
        shapes = program.shapes[output], program.shapes[given]
        if any(len(shape) not in (1, 2) for shape in shapes):
            raise LessonError(f"{where}: {output} and {given} must be vectors, or matrices of one row an example")
        if len(shapes[1]) == 2 and (len(shapes[0]) != 2 or shapes[0][0] != shapes[1][0]):
            raise LessonError(
                f"{where}: {given} has not one row an example, as {output} has; pair it with data or a bias"
            )
        if len(shapes[0]) == 2:
            examples = min(examples, shapes[0][0])
    example = int(_number(table, "example", 1, 1, examples, "[jacobian] "))
    return Jacobian(tuple((output, given) for output, given in pairs), example)


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(name, str) for name in value)


def _names(table: Mapping, key: str, known: Collection[str], where: str, default: Sequence[str]) -> tuple[str, ...]:
    names = table.get(key, list(default))
    if not isinstance(names, list) or not names or len(set(map(str, names))) < len(names):
        raise LessonError(f"{where} {key}: found {names!r}, expected a list of names")
    for name in names:
        if name not in known:
            raise LessonError(
                f"{where} {key}: {name!r} has no gradient here{closest(str(name), known)}; expected {_choice(known)}"
            )
    return tuple(names)


def _contributions(table: Mapping, lesson: Lesson) -> Contributions:
    _only(table, "contributions", "[contributions]")
    default = [name for name in lesson.gradients if lesson.tensors[name].role == "parameter"] or lesson.gradients
    return Contributions(_names(table, "of", lesson.gradients, "[contributions]", default))


def _exercise(table: Mapping, program: Program, where: str) -> Exercise:
    """Gradients of tensors that have one; that of the loss is always 1."""
    _only(table, "exercise", "[exercise]")
    known = [key for key in dict.fromkeys(line.target for line in program.backward) if key.endswith(".g")]
    known = [key for key in known if key != f"{program.loss}.g"]
    names = table.get("blank")
    if not isinstance(names, list) or not names or len(set(map(str, names))) < len(names):
        raise LessonError(f'{where}: found {names!r}, expected a list of gradients such as ["{known[-1]}"]')
    for name in names:
        if name not in known:
            raise LessonError(
                f"{where}: {name!r} is no gradient of this lesson{closest(str(name), known)}; expected {_choice(known)}"
            )
    text = _text(table, "text", 5_000, "", "[exercise] ")
    title = _text(table, "title", 200, "", "[exercise] ")
    return Exercise(tuple(name for name in known if name in names), text.strip(), title)


def _training(table: Mapping, tensors: Mapping[str, Tensor], gradients: Sequence[str]) -> Training:
    _only(table, "training", "[training]")
    optimizer = _text(table, "optimizer", 20, Training.optimizer, "[training] ")
    if optimizer not in OPTIMIZERS:
        raise LessonError(f"[training] optimizer: found {optimizer!r}, expected {_choice(OPTIMIZERS)}")
    if "momentum" in table and optimizer != "momentum":
        raise LessonError('[training] momentum: expected only with optimizer = "momentum"')
    default = [name for name in gradients if tensors[name].role == "parameter"] or gradients
    return Training(
        train=_names(table, "train", gradients, "[training]", default),
        optimizer=optimizer,
        lr=_number(table, "lr", Training.lr, 1e-12, LARGEST_STEP, "[training] "),
        momentum=_number(table, "momentum", Training.momentum, 0, 1, "[training] "),
        steps=int(_number(table, "steps", Training.steps, 1, MOST_STEPS, "[training] ")),
    )


def _only(table: Mapping, kind: str, where: str) -> None:
    for key in table:
        if key not in KEYS[kind]:
            raise LessonError(f"{where}: {key} is not a known key{closest(key, KEYS[kind])}")


def _table(table: Mapping, key: str) -> Mapping:
    value = table.get(key, {})
    if not isinstance(value, Mapping):
        raise LessonError(f"{key}: found {value!r}, expected a table [{key}]")
    return value


def _text(table: Mapping, key: str, longest: int, default: str | None = None, where: str = "") -> str:
    value = table.get(key, default)
    if value is None:
        raise LessonError(f"{where}{key} is missing, expected a text")
    if not isinstance(value, str) or len(value) > longest:
        raise LessonError(f"{where}{key}: expected a text of at most {longest:,} characters")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Cn") and c not in "\n\t" for c in value):
        raise LessonError(f"{where}{key}: holds a character that a workbook cannot hold")
    return value


def _number(table: Mapping, key: str, default: float, least: float, most: float, where: str = "") -> float:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise LessonError(f"{where}{key}: found {value!r}, expected a number from {least:g} to {most:g}")
    return value
