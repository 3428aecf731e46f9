"""Jobs and tasks as they come to a worker: as requests with variables that no client can send.

    girin.job.id       the job that this request is, and
    girin.job.attempt  its attempt; the app gets both as environ["girin.job"], of class girin.jobs.Running
    girin.task         module:name of the task to run in place of the app

The package girin, which is the app's own copy where one is installed, runs tasks.
"""
from __future__ import annotations

import os
import sys
import time
from _thread import get_ident  # not threading's, which gevent replaces
from collections.abc import Callable
from http import HTTPStatus

from . import joblog, wire
from .errors import ERROR, WARNING

JOB, TASK, ID, ATTEMPT = "girin.job", "girin.task", "girin.job.id", "girin.job.attempt"
SCHEDULES_WITHIN = 60.0  # s, for what takes jobs to be there
SCHEDULES_AGAIN = 0.5  # s


class JobApp:
    """The app with jobs told to it, and tasks run in its place."""

    def __init__(self, app, worker) -> None:
        self._app = app
        self._worker = worker

    def __call__(self, environ: dict, start_response):
        id = environ.pop(ID, None)
        if id is None:
            joblog.request.set(0)
            return self._app(environ, start_response)
        request, left = self._request(start_response)
        joblog.request.set(request)  # until the thread's next one: its answer is to be produced yet
        running = new_running(id, environ.pop(ATTEMPT, "1"), left)
        name = environ.pop(TASK, None)
        if name is None:
            environ[JOB] = running
            return self._app(environ, start_response)
        from girin import tasks

        status, body, failure = tasks.run(name, environ["wsgi.input"].read(), running)
        if failure:
            self._worker.control.log(ERROR, failed(name, running, failure))
        start_response(status_line(status), fields(body))
        return [body]

    def _request(self, start_response) -> tuple[int, Callable[[], bool]]:
        """The id of the request that runs now, and what tells whether it is cancelled, or has ended."""
        worker = self._worker
        flags = worker.flags
        exchange = start_response.__self__
        id = getattr(exchange, "id", None)
        if id is not None:
            return id, lambda: flags[id & wire.FLAG_MASK] != 0 or exchange.state == ENDED
        ident = get_ident()  # the exchange is one of the accelerator's
        cell = next(slot.cell for slot in worker.slots() if slot.ident == ident)
        id, page = worker.page[cell], worker.page
        return id, lambda: page[cell] != id or flags[id & wire.FLAG_MASK] != 0


ENDED = 2  # of an exchange's states


def new_running(id: str, attempt: str, left: Callable[[], bool]):
    from girin.jobs import Running

    return Running(id, int(attempt), left)


def failed(name: str, running, failure: str) -> str:
    return f"Task {name} failed (job {running.id}, attempt {running.attempt})\n{failure}"


def status_line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


def fields(body: bytes) -> list[tuple[str, str]]:
    return [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]


def tell_schedules(log: Callable[[int, str], None]) -> None:
    """Tells girin what is to run by itself, if the app has such tasks; does not wait for that."""
    tasks = sys.modules.get("girin.tasks")
    if tasks is None:
        return
    wanted = tasks.schedules()  # none as well: there may have been some before
    if not os.environ.get(wire.JOBS):
        if not wanted:
            return
        names = ", ".join(one["task"] for one in wanted)
        log(WARNING, f"Nothing starts these tasks at their times, since jobs are not on: {names}")
        return
    import threading  # when gevent has patched it

    threading.Thread(target=_tell, args=(tasks, wanted, log), name="girin-schedules", daemon=True).start()


def _tell(tasks, wanted: list, log: Callable[[int, str], None]) -> None:
    from girin.jobs import JobsError

    late = time.monotonic() + SCHEDULES_WITHIN
    while True:
        try:
            tasks.checked(tasks.ask("PUT", "/schedules", {"schedules": wanted}))
            return
        except JobsError as e:
            if e.status not in (0, 503) or time.monotonic() > late:
                log(WARNING, f"Tasks are not started at their times: {e}")
                return
        time.sleep(SCHEDULES_AGAIN)
