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
from sheetgrad.layout import PlanError
from sheetgrad.lesson import Lesson, LessonError
from sheetgrad.verify import Mismatch, Report, TensorCheck, WorkbookError, verify

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
