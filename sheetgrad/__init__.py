"""sheetgrad: backpropagation as a workbook of live formulas that is checked against NumPy.

>>> import sheetgrad
>>> lesson = sheetgrad.Lesson.load("mlp")
>>> report = sheetgrad.build(lesson, "mlp.xlsx")
>>> report.ok
True
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sheetgrad.building import build
    from sheetgrad.engines import EngineError
    from sheetgrad.errors import SheetgradError
    from sheetgrad.files import TargetError
    from sheetgrad.gradchecking.check import gradcheck
    from sheetgrad.gradchecking.ranges import GradcheckError
    from sheetgrad.lesson.fields import LessonError
    from sheetgrad.lesson.model import Lesson
    from sheetgrad.plan.blocks import PlanError
    from sheetgrad.verifying.verify import Mismatch, Report, TensorCheck, verify
    from sheetgrad.workbook.reading import WorkbookError

_HOME = {  # where each public name lives; imported when it is first used, so that the command line starts at once
    "EngineError": "sheetgrad.engines",
    "GradcheckError": "sheetgrad.gradchecking.ranges",
    "Lesson": "sheetgrad.lesson.model",
    "LessonError": "sheetgrad.lesson.fields",
    "Mismatch": "sheetgrad.verifying.verify",
    "PlanError": "sheetgrad.plan.blocks",
    "Report": "sheetgrad.verifying.verify",
    "SheetgradError": "sheetgrad.errors",
    "TargetError": "sheetgrad.files",
    "TensorCheck": "sheetgrad.verifying.verify",
    "WorkbookError": "sheetgrad.workbook.reading",
    "build": "sheetgrad.building",
    "gradcheck": "sheetgrad.gradchecking.check",
    "verify": "sheetgrad.verifying.verify",
}
__all__ = [
    "EngineError",
    "GradcheckError",
    "Lesson",
    "LessonError",
    "Mismatch",
    "PlanError",
    "Report",
    "SheetgradError",
    "TargetError",
    "TensorCheck",
    "WorkbookError",
    "build",
    "gradcheck",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
