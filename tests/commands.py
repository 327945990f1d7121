"""The command ``sheetgrad`` as the tests call it."""

import os
import signal
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from unittest.mock import patch

TERMINAL = {"NO_COLOR": "1", "COLUMNS": "200"}
with patch.dict(os.environ, TERMINAL):  # read when the console is made
    from sheetgrad.cli import main

PROGRAM = [sys.executable, "-c", "from sheetgrad.cli import main; main()"]


def sheetgrad(*arguments, cwd) -> subprocess.CompletedProcess:
    """Runs the command in this process, which has imported already what a new one must; see :func:`as_process`."""
    call = ["sheetgrad", *map(str, arguments)]
    handler, out, err, status = signal.getsignal(signal.SIGTERM), StringIO(), StringIO(), 0
    terminal = patch.dict(os.environ, TERMINAL), patch.object(sys, "argv", call)
    with terminal[0], terminal[1], chdir(cwd), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        finally:
            signal.signal(signal.SIGTERM, handler)
    return subprocess.CompletedProcess(call, status, out.getvalue(), err.getvalue())


def as_process(*arguments, cwd) -> subprocess.CompletedProcess:
    """Runs the command as a user does, in a process of its own."""
    call, environment = [*PROGRAM, *map(str, arguments)], os.environ | TERMINAL
    return subprocess.run(call, cwd=cwd, capture_output=True, text=True, timeout=120, env=environment)


def start(*arguments, cwd, **more) -> subprocess.Popen:
    """Starts the command and does not wait for it."""
    call = [*PROGRAM, *map(str, arguments)]
    return subprocess.Popen(call, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def assert_refused(done: subprocess.CompletedProcess, *words: str) -> None:
    """The call ended with status 2 and one line that has these words."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
