"""Jobs, seen from Python: where girin takes them, what becomes of one, and the one that runs.

girin listens on a unix socket that $GIRIN_JOBS names, in HTTP and JSON. Where the
variable is not set there is no girin, or one without jobs.
"""
from __future__ import annotations

import base64
import contextvars
import json
import os
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from .connection import exchange

ENDED = frozenset(("done", "failed", "lost", "cancelled", "dead"))
LONGEST_WAIT = 25.0  # s, of one question
PATIENCE = 30.0  # s, for an answer beyond the wait
PROGRESS_EVERY = 0.25  # s
_ID = re.compile(r"[0-9A-Za-z]+\Z")


class JobsError(RuntimeError):
    """girin does not take the job, or knows it no more; status is HTTP's, 0 if girin was not reached."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class JobFailed(RuntimeError):
    """The job has ended without a result. status is the job's, traceback that of its last attempt, if there is one."""

    def __init__(self, text: str, status: str, traceback: str = "", exception: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.traceback = traceback
        self.exception = exception  # the class, as module.Name


def available() -> bool:
    """Whether there is a girin that takes jobs."""
    return bool(os.environ.get("GIRIN_JOBS"))


def ask(method: str, path: str, body: Any = None, wait: float = 0) -> tuple[int, bytes]:
    """Asks girin and returns status and body. Raises JobsError if it is not reached."""
    place = os.environ.get("GIRIN_JOBS")
    if not place:
        raise JobsError("there is no girin with jobs here ($GIRIN_JOBS is not set)")
    try:
        return exchange(place, method, path, None if body is None else json.dumps(body).encode(), wait + PATIENCE)
    except OSError as e:
        raise JobsError(f"girin's jobs cannot be reached at {place}: {e or type(e).__name__}") from e


def checked(answer: tuple[int, bytes]) -> dict[str, Any]:
    """The JSON of an answer; raises JobsError for a refusal."""
    status, body = answer
    try:
        said = json.loads(body) if body else {}
    except ValueError:
        said = {}
    if status >= 300:
        why = said.get("error") if isinstance(said, dict) else None
        raise JobsError(f"girin's answer is {status}: {why or body[:200].decode('utf-8', 'replace').strip() or 'no reason is given'}", status)
    return said


class Job:
    """A job that girin has taken, or any by its id."""

    def __init__(self, id: str, known: dict[str, Any] | None = None) -> None:
        self.id = id
        self._url = (known or {}).get("url")
        self.created = (known or {}).get("created")  # RFC 3339; None: it was not told

    def __repr__(self) -> str:
        return f"<girin.Job {self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def _path(self) -> str:
        if not _ID.match(self.id) or self.id == "events":  # which is the path of something else
            raise JobsError(f"there is no job {self.id!r}", 404)
        return "/jobs/" + self.id

    def info(self, wait: float = 0) -> dict[str, Any]:
        """All that girin knows of it; waits so many seconds for its end."""
        return self._ask(wait)

    def _ask(self, wait: float, more: str = "") -> dict[str, Any]:
        return checked(ask("GET", f"{self._path}?wait={wait:.3f}{more}", wait=wait))

    @property
    def status(self) -> str:
        """queued, running, done, failed, lost, cancelled or dead."""
        return self.info()["status"]

    @property
    def url(self) -> str:
        """Its place on this server: clients follow there what their own requests have become, and whoever is given a task's sees what it has."""
        if self._url is None:
            self._url = self.info().get("url") or "/.girin" + self._path
        return self._url

    def get(self, timeout: float | str | timedelta | None = None) -> Any:
        """Waits for the end and returns the result.

        Raises TimeoutError after that time, and JobFailed if there is no result.
        In a request it keeps its thread, which the task itself may need.
        """
        return self._result(self._wait(timeout))

    def _wait(self, timeout: float | str | timedelta | None) -> dict[str, Any]:
        deadline = None if timeout is None else time.monotonic() + seconds(timeout)
        while True:
            left = LONGEST_WAIT if deadline is None else min(LONGEST_WAIT, max(deadline - time.monotonic(), 0))
            asked = time.monotonic()
            known = self._ask(left, "&result")  # a small one comes with it
            if known["status"] in ENDED:
                return known
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"job {self.id} is {known['status']} after {timeout}")
            if time.monotonic() - asked < left / 2:  # it was not waited for
                time.sleep(0.05)

    def _result(self, known: dict[str, Any]) -> Any:
        ended = known["status"]
        if ended in ("cancelled", "lost"):
            raise JobFailed(f"job {self.id} is {ended}{_because(known)}", ended)
        status, body = self._answer(known)
        if ended == "done" and status != (known.get("code") or status):  # it is kept no longer, or cannot be read now
            checked((status, body))
        try:
            result = json.loads(body) if body else None
        except ValueError:
            result = body.decode("utf-8", "replace")  # of a route of the application's
        if ended == "done" and status < 400:
            return result
        said = result if isinstance(result, dict) else {}
        why = said.get("error") or _because(known) or f" with status {status}"
        raise JobFailed(f"job {self.id} {'failed' if ended == 'done' else 'is ' + ended}: {why}".replace(": :", ":"), ended,
                        said.get("traceback", ""), said.get("exception", ""))

    def _answer(self, known: dict[str, Any]) -> tuple[int, bytes]:
        if known.get("body"):
            return known["code"], base64.b64decode(known["body"])
        return ask("GET", self._path + "/result")

    def cancel(self) -> bool:
        """Withdraws it, or tells it to end if it runs; False: it had ended before."""
        status, body = ask("DELETE", self._path)
        if status == 409:
            return False
        checked((status, body))
        return True


def _because(known: dict[str, Any]) -> str:
    return f": {known['reason']}" if known.get("reason") else ""


class Running:
    """The job that runs: environ["girin.job"] in a request, girin.current_job() in a task."""

    def __init__(self, id: str, attempt: int, left: Callable[[], bool]) -> None:
        self.id = id
        self.attempt = attempt  # 1 for the first
        self._left = left
        self._over = False
        self._told = 0.0

    def cancelled(self) -> bool:
        """Whether nobody waits for it any more: then it may return as soon as it likes."""
        return self._over or self._left()

    def progress(self, part: float, text: str = "") -> None:
        """Says how far it has come, from 0 to 1. It may be called often: four times a second it is passed on.

        It never raises but for values that are none: that nobody can be told does not stop the work.
        """
        part = float(part)
        if not 0 <= part <= 1:
            raise ValueError(f"progress goes from 0 to 1: {part}")
        now = time.monotonic()
        if part < 1 and now - self._told < PROGRESS_EVERY:
            return
        self._told = now
        try:
            ask("PUT", f"/jobs/{quote(self.id, safe='')}/progress", {"progress": part, "text": str(text)})
        except JobsError:
            pass

    def end(self) -> None:
        """It has ended: what still runs of it is told that it is cancelled."""
        self._over = True


_current: contextvars.ContextVar[Running | None] = contextvars.ContextVar("girin_job", default=None)


def current_job() -> Running | None:
    """The job that this code runs in; None outside of one."""
    return _current.get()


_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(value: float | str | timedelta) -> float:
    """A time as seconds: of a number, a timedelta, or text such as 10m, 1h30m or 500ms."""
    if isinstance(value, timedelta):
        total = value.total_seconds()
    elif isinstance(value, bool):
        raise TypeError(f"{value!r} is no time")
    elif isinstance(value, (int, float)):
        total = float(value)
    else:
        total = _spelled(str(value))
    if not 0 <= total < float("inf"):
        raise ValueError(f"{value!r} is no time to wait")
    return total


def _spelled(text: str) -> float:
    total, number, rest = 0.0, "", text.strip().lower()
    if not rest:
        raise ValueError("the time is empty")
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789."))
        number, rest = rest[:digits], rest[digits:]
        letters = len(rest) - len(rest.lstrip("abcdefghijklmnopqrstuvwxyz"))
        unit, rest = rest[:letters] or "s", rest[letters:].lstrip()
        if unit not in _UNITS or not number:
            raise ValueError(f"{text!r} is no time such as 10m, 1h30m, 500ms or 90")
        total += float(number) * _UNITS[unit]
    return total
