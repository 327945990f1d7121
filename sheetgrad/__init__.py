"""sheetgrad: backpropagation as a workbook of live formulas that is checked against NumPy.

>>> import sheetgrad
>>> lesson = sheetgrad.Lesson.load("mlp")
>>> report = sheetgrad.build(lesson, "mlp.xlsx")
>>> report.ok
True
"""

from sheetgrad.build import build
from sheetgrad.engines import EngineError
from sheetgrad.files import TargetError
from sheetgrad.gradcheck import GradcheckError, gradcheck
from sheetgrad.lesson.fields import LessonError
from sheetgrad.lesson.model import Lesson
from sheetgrad.plan.blocks import PlanError
from sheetgrad.verify import Mismatch, Report, TensorCheck, verify
from sheetgrad.workbook.reading import WorkbookError

__all__ = [
    "EngineError",
    "GradcheckError",
    "Lesson",
    "LessonError",
    "Mismatch",
    "PlanError",
    "Report",
    "TargetError",
    "TensorCheck",
    "WorkbookError",
    "build",
    "gradcheck",
    "verify",
]
