"""girin.task: functions that girin runs after the answer, in the workers of the application.

    from girin import task

    @task(retries=3, backoff=2, timeout=600)
    def render(order): ...

    job = render.delay(42)
    job.status, job.url, job.get(timeout=10)

Outside of girin a task runs at once, where it is called. Arguments and results are
JSON in both cases, so that what works here works there.
"""
from __future__ import annotations

import contextvars
import functools
import importlib
import inspect
import json
import logging
import math
import re
import string
import sys
import traceback
from collections.abc import Callable
from typing import Any

from .jobs import ENDED, Job, JobFailed, Running, _current, ask, available, checked, seconds

PRIORITIES = ("high", "low")
MOST_TRACEBACK = 64 << 10  # letters, the last ones
_CRON_FIELD = re.compile(r"[0-9A-Za-z*?/,-]+\Z")

_log = logging.getLogger("girin.task")
_handlers: dict[str, Handler] = {}  # by name
_schedules: dict[str, dict[str, Any]] = {}  # by the name of their task


class Handler:
    """What runs the tasks of a name: a function that takes their arguments."""

    def __init__(self, function: Callable, is_async: bool) -> None:
        self.function = function
        self.is_async = is_async

    def run(self, args: list, kwargs: dict) -> Any:
        """Runs it to its end."""
        if not self.is_async:
            return self.function(*args, **kwargs)
        import asyncio  # which takes more memory than all else here

        if not _on_loop():
            return asyncio.run(self.function(*args, **kwargs))
        from concurrent.futures import ThreadPoolExecutor

        call = contextvars.copy_context().run  # a loop cannot run in a loop
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(call, lambda: asyncio.run(self.function(*args, **kwargs))).result()


def register(name: str, handler: Handler) -> None:
    """Makes a name known; the last one counts, as with functions of the same name."""
    _handlers[name] = handler


def task(function: Callable | None = None, *, retries: int = 0, backoff: float | str = 1.0, timeout: float | str | None = None,
         unique: str | None = None, priority: str | None = None, cron: str | None = None, tz: str = "UTC") -> Any:
    """Makes a task of a function; it can still be called as before.

    retries   how often it is run again after it raised
    backoff   before the first of them so long, before each further one four times as long, at most
              10 minutes; seconds, or text such as 1m
    timeout   how long it may run; without it the server's --timeout holds
    unique    while a job of this key has not ended there is no second one: text with arguments, as "{order}"
    priority  high or low; without it in between
    cron      when it runs by itself: second, minute, hour, day, month, weekday; five fields have no second
    tz        the time zone of cron, such as Asia/Seoul
    """
    if function is None:
        return functools.partial(task, retries=retries, backoff=backoff, timeout=timeout, unique=unique, priority=priority, cron=cron, tz=tz)
    return Task(function, retries, backoff, timeout, unique, priority, cron, tz)


class Task:
    """A function that girin can run."""

    def __init__(self, function: Callable, retries: int, backoff: float | str, timeout: float | str | None,
                 unique: str | None, priority: str | None, cron: str | None, tz: str) -> None:
        self.function = function
        self.name = name_of(function)
        self._signature = inspect.signature(function)
        self.retries = _count(retries)
        self.backoff = seconds(backoff)
        self.timeout = None if timeout is None else seconds(timeout)
        self.unique = unique
        self.priority = priority
        self._check()
        schedule = None if cron is None else self._schedule(cron, tz)
        functools.update_wrapper(self, function)
        register(self.name, Handler(function, inspect.iscoroutinefunction(function)))
        if schedule is None:
            _schedules.pop(self.name, None)
        else:
            _schedules[self.name] = schedule

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<girin.task {self.name}>"

    def _check(self) -> None:
        if self.priority not in (None, *PRIORITIES):
            raise ValueError(f"{self!r}: priority is {self.priority!r}, and may be high or low")
        if self.timeout == 0:
            raise ValueError(f"{self!r}: a timeout of 0 leaves no time")
        if self.unique is not None:
            for _, field, _, _ in string.Formatter().parse(self.unique):
                name = re.split(r"[.\[]", field)[0] if field is not None else None
                if name is not None and name not in self._signature.parameters:
                    raise ValueError(f"{self!r}: unique names {name!r}, which is none of its arguments")

    def _schedule(self, cron: str, tz: str) -> dict[str, Any]:
        fields = cron.split()
        if len(fields) == 5:
            fields.insert(0, "0")
        if len(fields) != 6 or not all(map(_CRON_FIELD.match, fields)):
            raise ValueError(f"{self!r}: cron is {cron!r}, not second minute hour day month weekday, such as '0 0 5 * * *'")
        _check_zone(tz)
        try:
            self._signature.bind()
        except TypeError as e:
            raise TypeError(f"{self!r}: what cron starts gets no arguments ({e})") from None
        return {"task": self.name, "cron": " ".join(fields), "tz": tz, **self._options()}

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"retries": self.retries, "backoff": self.backoff}
        if self.timeout is not None:
            options["timeout"] = self.timeout
        if self.priority is not None:
            options["priority"] = self.priority
        return options

    def delay(self, *args, **kwargs) -> Job:
        """Hands it over with these arguments, to run as soon as there is room."""
        return self._enqueue(args, kwargs, 0)

    def apply(self, *args, delay: float | str | None = None, **kwargs) -> Job:
        """As delay, but not before that time: seconds, a timedelta, or text such as 10m."""
        return self._enqueue(args, kwargs, 0 if delay is None else seconds(delay))

    def _enqueue(self, args: tuple, kwargs: dict, delay: float) -> Job:
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as e:
            raise TypeError(f"{self.name}: {e}") from None
        given = {
            "args": [plain(value, f"{self.name}: argument {i + 1}") for i, value in enumerate(args)],
            "kwargs": {key: plain(value, f"{self.name}: argument {key}") for key, value in kwargs.items()},
        }
        if not available():
            return run_inline(self.name, given, self.retries)
        options = self._options()
        if self.unique is not None:
            bound.apply_defaults()
            options["unique"] = f"{self.name}:{self.unique.format(**bound.arguments)}"
        if delay:
            options["delay"] = delay
        return enqueue(self.name, given, options)


def enqueue(name: str, given: dict[str, Any], options: dict[str, Any]) -> Job:
    """Hands a job over to girin. Raises JobsError if it is not taken."""
    known = checked(ask("POST", "/tasks", {"task": name, **given, **options}))
    return Job(known["id"], known)


def name_of(function: Callable) -> str:
    """By what a worker finds a function: module and name."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not inspect.isroutine(function) or not module or not name:
        raise TypeError(f"a task is a function, not {function!r}")
    if module == "__main__" and available():
        raise TypeError(f"{name} cannot be a task of a script: workers import it by the name of its module, and __main__ is another module "
                        "there. Put it into a module that the application imports, and import it from there")
    if not all(part.isidentifier() for part in name.split(".")):  # <locals>, <lambda>
        raise TypeError(f"{module}.{name} cannot be a task: a worker finds a task by its name in its module, so it is defined at the top of one")
    return f"{module}:{name}"


def plain(value: Any, where: str) -> Any:
    """The value as JSON has it; raises TypeError or ValueError, with where, for any other."""
    try:
        return _plain(value, where)
    except RecursionError:
        raise ValueError(f"{where} is nested too deeply, or holds itself") from None


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where} is {value}, which JSON does not have")
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(one, f"{where}[{i}]") for i, one in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{where} has the key {key!r}: JSON's are text")
        return {key: _plain(one, f"{where}[{key!r}]") for key, one in value.items()}
    kind = type(value)
    raise TypeError(f"{where} is a {kind.__module__}.{kind.__qualname__}: tasks take and return JSON only. Pass what identifies it, such as a key or a path")


def _count(retries: int) -> int:
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise ValueError(f"retries is {retries!r}, not a number from 0 on")
    return retries


def _check_zone(tz: str) -> None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError, PermissionError) as e:
        if tz != "UTC":  # which a system without time zones knows as well
            raise ValueError(f"there is no time zone {tz!r} here ({e})") from None


def schedules() -> list[dict[str, Any]]:
    """What is to run by itself, of all modules imported so far."""
    return list(_schedules.values())


# What a worker does.


class Refused(Exception):
    """No attempt can succeed: the status is final."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def _prepare(name: str, payload: bytes) -> tuple[Handler, list, dict]:
    module = name.partition(":")[0]
    importlib.import_module(module)
    handler = _handlers.get(name)
    if handler is None:
        raise Refused(404, f"{module} has no task {name.partition(':')[2]}: was it renamed while the job waited?")
    try:
        given = json.loads(payload)
        return handler, given.get("args") or [], given.get("kwargs") or {}
    except (ValueError, AttributeError) as e:
        raise Refused(400, f"the arguments are no JSON: {e}") from None


def run(name: str, payload: bytes, running: Running) -> tuple[int, bytes, str]:
    """Runs a job in this thread. Returns the answer's status and body, and what to log if it failed."""
    token = _current.set(running)
    try:
        handler, args, kwargs = _prepare(name, payload)
        return _answer(name, handler.run(args, kwargs))
    except (Exception, SystemExit) as e:
        return _failure(e)
    finally:
        _current.reset(token)
        running.end()


async def run_on_loop(name: str, payload: bytes, running: Running) -> tuple[int, bytes, str]:
    """As run, on an event loop: functions run in a thread of its executor."""
    import asyncio

    _current.set(running)
    try:
        handler, args, kwargs = _prepare(name, payload)
        if handler.is_async:
            return _answer(name, await handler.function(*args, **kwargs))
        call = functools.partial(contextvars.copy_context().run, handler.run, args, kwargs)
        return _answer(name, await asyncio.get_running_loop().run_in_executor(None, call))
    except (Exception, SystemExit) as e:
        return _failure(e)
    finally:
        running.end()


def _answer(name: str, value: Any) -> tuple[int, bytes, str]:
    try:
        return 200, json.dumps(plain(value, f"what {name} has returned")).encode(), ""
    except (TypeError, ValueError) as e:
        # The work is done: to run it again would be wrong.
        return 422, json.dumps({"error": str(e)}).encode(), str(e)


def _failure(error: BaseException) -> tuple[int, bytes, str]:
    if isinstance(error, Refused):
        return error.status, json.dumps({"error": str(error)}).encode(), str(error)
    kind = type(error)
    said = "".join(traceback.format_exception(kind, error, _own(error)))[-MOST_TRACEBACK:]
    body = {"error": _line(error), "exception": f"{kind.__module__}.{kind.__qualname__}", "traceback": said}
    return 500, json.dumps(body).encode(), said.rstrip()


def _line(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(type(error), error)).strip()


def _own(error: BaseException):
    """The traceback from the task's own code on."""
    first = frame = error.__traceback__
    while frame is not None and str(frame.tb_frame.f_globals.get("__name__")).startswith((__name__, "asyncio.", "concurrent.futures.", "importlib")):
        frame = frame.tb_next
    return frame or first


# Outside of girin.


class InlineJob(Job):
    """A job that has run already, where it was handed over."""

    def __init__(self, id: str, status: int, body: bytes) -> None:
        super().__init__(id, {"url": ""})
        self._known = {"id": id, "status": "done" if status < 500 else "failed", "code": status, "attempt": 1, "url": ""}
        self._body = body

    def _ask(self, wait: float, more: str = "") -> dict[str, Any]:
        return dict(self._known)

    def _result(self, known: dict[str, Any]) -> Any:
        said = json.loads(self._body)
        if known["code"] == 200:
            return said
        raise JobFailed(f"job {self.id} failed: {said['error']}", known["status"], said.get("traceback", ""), said.get("exception", ""))

    def cancel(self) -> bool:
        return False


_inline = iter(range(1, sys.maxsize))


class _RunningHere(Running):
    def progress(self, part: float, text: str = "") -> None:
        """Nobody looks."""


def in_girin() -> bool:
    """Whether this is a worker of girin, be it with jobs or without."""
    return "_girin_shim" in sys.modules


def say_inline(name: str) -> None:
    """Says, in a worker of girin, that a task runs where it is handed over."""
    if in_girin():
        _say_inline(name)


@functools.cache  # it is said once
def _say_inline(name: str) -> None:
    _log.warning("%s runs in the request that has handed it over, which waits for it: this server was started without --tasks", name)


def run_inline(name: str, given: dict[str, Any], retries: int) -> InlineJob:
    """Runs a task at once, and again as often as it may be, without a pause."""
    say_inline(name)
    id = f"inline-{next(_inline)}"
    payload = json.dumps(given).encode()
    for attempt in range(1, retries + 2):
        handler = _handlers[name]
        status, body, text = _run_here(handler, name, payload, _RunningHere(id, attempt, lambda: False))
        if status < 500:
            break
        _log.error("Task %s failed, attempt %d of %d\n%s", name, attempt, retries + 1, text)
    job = InlineJob(id, status, body)
    job._known["attempt"] = attempt
    return job


def _run_here(handler: Handler, name: str, payload: bytes, running: Running) -> tuple[int, bytes, str]:
    given = json.loads(payload)
    token = _current.set(running)
    try:
        return _answer(name, handler.run(given["args"], given["kwargs"]))
    except Exception as e:
        return _failure(e)
    finally:
        _current.reset(token)


def _on_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


__all__ = ["ENDED", "Handler", "Task", "enqueue", "name_of", "plain", "register", "run", "run_on_loop", "schedules", "task"]
