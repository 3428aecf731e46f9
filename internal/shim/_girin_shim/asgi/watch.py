"""Notices when a request holds the loop up, and says which.

A thread asks the loop for a sign of life. While it waits for one it sends what is
finished, and looks at what the loop's thread runs: nobody else can tell where a handler
stands that does not return.
"""
from __future__ import annotations

import asyncio
import sys
from _thread import get_ident, get_native_id, start_new_thread
from time import monotonic_ns, sleep  # taken before anything is patched

from .. import wire
from ..stacks import app_stack
from . import threadtime

LOOK = 0.02  # s between two looks
REST = 10  # of so many looks one is enough while no request runs: other tasks hold a loop as well
HELD = 20_000_000  # ns without a sign of life that are told: what is logged the master decides
AT_LATEST = 1_000_000_000  # ns after which that is told for the log though it goes on
WINDOW = 10_000_000_000  # ns for which the longest is remembered, in the state page
COUNT_EVERY = 1_000_000_000  # ns between two counts of the tasks


class Watch:
    """Of one loop."""

    def __init__(self, runner, worker) -> None:
        self._runner = runner
        self._loop = runner.loop
        self._worker = worker
        self._thread, self._native = get_ident(), get_native_id()  # the loop's
        self._answered = 0  # when the last sign of life was given
        self._counted = 0
        self._window = 0  # when the present one began
        self._longest = [0, 0]  # ns, in the window before and in this one

    def start(self) -> None:
        start_new_thread(self._run, ())

    def _run(self) -> None:
        worker, rested = self._worker, 0
        while not worker.forked:
            sleep(LOOK)
            worker.page[wire.PAGE_THREADS] = threadtime.shared.cell()
            rested += 1
            try:
                if self._runner.busy() or rested >= REST:
                    rested = 0
                    self._look()
            except RuntimeError:
                return  # the loop is closed: the worker ends

    def _look(self) -> None:
        asked, seen, delayed, since, tells = monotonic_ns(), None, 0, 0, 0
        self._worker.page[wire.PAGE_SILENT] = asked
        self._loop.call_soon_threadsafe(self._answer)
        while self._answered < asked:
            sleep(LOOK)
            now = monotonic_ns()
            if self._answered >= asked:
                break
            self._runner.outbox.flush()  # what is finished does not wait for what holds the loop
            if now - asked >= HELD:
                self._note(now - asked)
            if seen is None:
                seen, delayed, since = self._seen(), self._delayed(), now
            elif tells == 0 and now - since - (self._delayed() - delayed) >= HELD:
                tells = 1  # so that others of its route do not come here too
                self._tell(now - asked, seen)
            if seen is not None and tells < 2 and now - asked >= AT_LATEST:
                tells = 2
                self._tell(now - asked, seen)
        lag = self._answered - asked
        self._note(lag)
        if seen is not None and tells < 2 and (tells or lag - (self._delayed() - delayed) >= HELD):
            self._tell(lag, seen)

    def _answer(self) -> None:
        """In the loop's thread."""
        now = self._answered = monotonic_ns()
        self._worker.page[wire.PAGE_SILENT] = 0
        if now - self._counted > COUNT_EVERY:
            self._counted = now
            self._worker.page[wire.PAGE_TASKS] = len(asyncio.all_tasks(self._loop))

    def _note(self, lag: int) -> None:
        now = monotonic_ns()
        if now - self._window > WINDOW:
            self._window = now
            self._longest = [self._longest[1], 0]
        self._longest[1] = max(self._longest[1], lag)
        self._worker.page[wire.PAGE_LAG] = max(self._longest)

    def _delayed(self) -> int:
        """ns that the loop's thread has waited for a core so far: nobody's fault who runs there. 0: not known."""
        try:
            with open(f"/proc/self/task/{self._native}/schedstat", "rb") as file:
                return int(file.read().split()[1])
        except (OSError, IndexError, ValueError):
            return 0

    def _seen(self) -> tuple[str, str] | None:
        """The request that the loop's thread runs a part of, and where that stands."""
        frame = sys._current_frames().get(self._thread)
        stack = app_stack(frame) if frame is not None else ""
        if not stack:
            return None  # it is none of the app's doing
        while frame is not None:
            scope = frame.f_locals.get("scope")
            if isinstance(scope, dict) and isinstance(scope.get("path"), str):
                return f"{scope.get('method', 'GET')} {scope['path']}", stack
            frame = frame.f_back
        return "", stack

    def _tell(self, lag: int, seen: tuple[str, str]) -> None:
        what, stack = seen
        self._worker.control.send(wire.HELD, lag // 1_000_000, payload=f"{what}\n{stack}".encode("utf-8", "backslashreplace")[: wire.MAX_PACKET])
