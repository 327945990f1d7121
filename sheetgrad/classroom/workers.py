"""Much work of one kind, done side by side: on the cores of this machine, or on a Dask cluster.

Both are executors of :mod:`concurrent.futures`. A task is a function at the top of a module and its arguments, so
that any process can do it; what all tasks share is made once in each process, by the function itself.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TypeVar

from sheetgrad.errors import SheetgradError

AHEAD = 4  # tasks a worker handed out before their turn; what waits for more would only take memory
MEMORY = 6 << 30  # bytes of address space of a worker

Task = TypeVar("Task")
Result = TypeVar("Result")


class SchedulerError(SheetgradError, ValueError):
    """No workers: the message says what was found and what to install or do."""


class WorkerLost(SheetgradError):  # noqa: N818 (it says what happened to a worker, not what the caller did)
    """The process that did this task was killed: it ran out of time or of memory, or the engine broke down."""


def each(
    function: Callable[..., Result], tasks: Iterable[tuple], jobs: int | None = None, scheduler: str | None = None
) -> Iterator[tuple[tuple, Result | Exception]]:
    """``function(*task)`` for every task, in the order in which they are done: the task, and its result or exception.

    ``jobs`` processes of this machine (all cores unless given), or the Dask cluster at the address ``scheduler``.
    Tasks are taken as they are needed, so that thousands of them need no more memory than a few. A task that kills
    its process is done once more alone, and then given up as :class:`WorkerLost`. Raises :class:`SchedulerError`
    when there is no such cluster.
    """
    if scheduler:
        with _cluster(scheduler) as (executor, workers):
            yield from _through(executor, function, iter(tasks), AHEAD * workers)
        return
    jobs = jobs or os.cpu_count() or 1
    waiting = iter(tasks)
    while True:
        lost: list[tuple] = []
        with _pool(jobs) as executor:
            yield from _through(executor, function, waiting, AHEAD * jobs, lost)
        if not lost:
            return
        with ThreadPoolExecutor(jobs) as side:
            yield from zip(lost, side.map(lambda task: _alone(function, task), lost), strict=True)


def _through(executor: Executor, function, tasks: Iterator[tuple], ahead: int, lost: list[tuple] | None = None):
    """Keeps the executor busy; stops early when its processes are lost, with the tasks that it held in ``lost``."""
    running: dict[Future, tuple] = {}
    broken = False
    while True:
        while not broken and len(running) < ahead:
            task = next(tasks, None)
            if task is None:
                break
            try:
                running[executor.submit(function, *task)] = task
            except BrokenProcessPool:
                lost.append(task)
                broken = True
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            task, error = running.pop(future), future.exception()
            if isinstance(error, BrokenProcessPool) and lost is not None:
                lost.append(task)
                broken = True
            else:
                yield task, future.result() if error is None else _plain(error)


def _alone(function, task: tuple):
    with _pool(1) as executor:
        error = (future := executor.submit(function, *task)).exception()
    if isinstance(error, BrokenProcessPool):
        return WorkerLost("it ran out of time or memory, or broke the engine")
    return future.result() if error is None else _plain(error)


def _plain(error: BaseException) -> Exception:
    """What a Dask worker says when it was lost, in our words."""
    if type(error).__name__ == "KilledWorker":
        return WorkerLost("it ran out of time or memory, or broke the engine")
    return error if isinstance(error, Exception) else WorkerLost(str(error))


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes started afresh: what a fork copies of an engine's threads would be in pieces. Their temporary files are
    in a folder of ours, and go with it, also those of a process that was killed."""
    with TemporaryDirectory(prefix="sheetgrad-", ignore_cleanup_errors=True) as room:
        executor = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin, initargs=(room,))
        try:
            yield executor
        except BaseException:  # also when the one who asked goes away
            executor.shutdown(wait=False, cancel_futures=True)
            for process in list((executor._processes or {}).values()):
                process.kill()
            raise
        executor.shutdown()


def _begin(room: str) -> None:
    """In each process: leave Ctrl-C to the one who asked, end when that one does, keep what an engine prints as it breaks
    down to itself (the exception says it), and do not take all memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tempfile.tempdir = room
    Thread(target=_end_with_parent, daemon=True).start()
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError, OSError):  # not on Windows, and not above a limit that is there already
        pass


def _end_with_parent() -> None:
    parent_process().join()
    os._exit(1)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Ends the process when a task takes longer; nothing gentler stops an engine that does not listen.

    Only on systems with interval timers, and only in a process of :func:`each`, whose tasks come one at a time: on a
    Dask cluster the limits are the cluster's own.
    """
    own = hasattr(signal, "setitimer") and _is_a_pool_process()
    if own:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if own:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _is_a_pool_process() -> bool:
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@contextmanager
def _cluster(address: str) -> Iterator[tuple[Executor, int]]:
    try:
        from distributed import Client
    except ImportError:
        raise SchedulerError("--scheduler: Dask is not installed: pip install distributed") from None
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SchedulerError(f"--scheduler: no Dask scheduler answers at {address} ({reason})") from None
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise SchedulerError(f"--scheduler: the cluster at {address} has no workers")
        yield client.get_executor(), threads
