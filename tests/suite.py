"""A run of the tests: the seed of what it draws, and what it may not skip. These are hooks of pytest."""

import gc
import os
import secrets

import pytest


def pytest_configure(config):
    """One seed for all that a run draws. Workers inherit it from the process that starts them, with its environment."""
    gc.set_threshold(200_000, 50, 100)  # a workbook is many objects that stay: to look for garbage among them takes 8 %
    if not os.environ.setdefault("SHEETGRAD_SEED", str(secrets.randbelow(1_000_000))).isdigit():
        raise pytest.UsageError(f"SHEETGRAD_SEED: found {os.environ['SHEETGRAD_SEED']!r}, expected a whole number")


def seed_of_this_run() -> int:
    """What random lessons are drawn from."""
    return int(os.environ["SHEETGRAD_SEED"])


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"random lessons: SHEETGRAD_SEED={seed_of_this_run()} draws the same ones again")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return not_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return not_skipped((yield))


def not_skipped(report):
    """With SHEETGRAD_ALL=1, where every program that tests need must be installed, a skipped test has failed."""
    if os.environ.get("SHEETGRAD_ALL") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome, reason = "failed", report.longrepr
        report.longrepr = f"skipped where SHEETGRAD_ALL=1 says that nothing may be: {reason[-1]}"
    return report
