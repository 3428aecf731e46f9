"""A backend for Django's tasks (django.tasks since Django 6.0, the package django-tasks before):

    TASKS = {"default": {"BACKEND": "girin.django.Tasks"}}

Tasks run in girin's workers. Outside of girin, in tests or under runserver, they run at
once, exactly as with Django's own ImmediateBackend. OPTIONS may have retries, backoff
and timeout, with the meaning that they have for girin.task.
"""
from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.module_loading import import_string

from . import jobs, tasks

OPTIONS = {"retries": 0, "backoff": 1.0, "timeout": None}


def _package() -> str:
    """Which of the two the project uses: the one that looks for its backend now is loaded."""
    if "django_tasks" in sys.modules and ("django.tasks" not in sys.modules or "django_tasks" in settings.INSTALLED_APPS):
        return "django_tasks"
    return "django.tasks"


_api = _package()
_base = importlib.import_module(_api + ".base")
_exceptions = importlib.import_module(_api + ".exceptions")
_signals = importlib.import_module(_api + ".signals")
_utils = importlib.import_module("django.utils.json" if _api == "django.tasks" else "django_tasks.utils")
_Immediate = importlib.import_module(_api + ".backends.immediate").ImmediateBackend
Status = _base.TaskResultStatus


class Tasks(_Immediate):
    """See the module."""

    supports_async_task = True
    supports_priority = True

    def __init__(self, alias: str, params: dict) -> None:
        super().__init__(alias, params)
        unknown = set(self.options) - set(OPTIONS)
        if unknown:
            raise ValueError(f"TASKS[{alias!r}]: OPTIONS has {', '.join(sorted(map(repr, unknown)))}, and may have {', '.join(OPTIONS)}")
        given = {**OPTIONS, **self.options}
        self._options: dict[str, Any] = {"retries": int(given["retries"]), "backoff": jobs.seconds(given["backoff"])}
        if given["timeout"] is not None:
            self._options["timeout"] = jobs.seconds(given["timeout"])

    @property
    def supports_defer(self) -> bool:
        return jobs.available()

    @property
    def supports_get_result(self) -> bool:
        return jobs.available()

    def validate_task(self, task) -> None:
        """Makes the task known to the workers as well: each imports the module that defines it."""
        super().validate_task(task)
        tasks.register(tasks.name_of(task.func), tasks.Handler(_Runner(task), False))

    def enqueue(self, task, args, kwargs):
        if not jobs.available():
            tasks.say_inline(tasks.name_of(task.func))
            return super().enqueue(task, args, kwargs)
        self.validate_task(task)
        result = self._result(task, "", Status.READY, timezone.now(), args, kwargs)
        meta = self._meta(result)
        using = {key: meta[key] for key in ("backend", "priority", "queue_name", "run_after")}
        given = {"args": result.args, "kwargs": result.kwargs, "enqueued_at": result.enqueued_at.isoformat(), "using": using}
        options = {**self._options, "meta": meta}
        if task.priority:
            options["priority"] = "high" if task.priority > 0 else "low"
        if task.run_after is not None:
            options["delay"] = max((task.run_after - _now(task.run_after)).total_seconds(), 0)
        job = tasks.enqueue(tasks.name_of(task.func), {"args": [], "kwargs": given}, options)
        object.__setattr__(result, "id", job.id)
        object.__setattr__(result, "enqueued_at", _moment(job.created) or result.enqueued_at)
        _signals.task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str):
        if not jobs.available():
            if tasks.in_girin():
                raise NotImplementedError("No results are kept: this server was started without --tasks, and runs each task where it is enqueued.")
            return super().get_result(result_id)
        job = jobs.Job(str(result_id))
        try:
            known = job.info()
        except jobs.JobsError as e:
            if e.status in (404, 410):
                raise _exceptions.TaskResultDoesNotExist(result_id) from None
            raise
        meta = known.get("meta")
        if not isinstance(meta, dict) or meta.get("backend") != self.alias:
            raise _exceptions.TaskResultDoesNotExist(result_id)  # a job, but no task of this backend's
        return self._known(job, known, meta)

    def _result(self, task, id: str, status, enqueued_at, args, kwargs):
        return _base.TaskResult(
            task=task, id=id, status=status, enqueued_at=enqueued_at, started_at=None, last_attempted_at=None, finished_at=None,
            args=list(args), kwargs=dict(kwargs), backend=self.alias, errors=[], worker_ids=[],
        )

    def _meta(self, result) -> dict[str, Any]:
        """What a result has that only Django knows."""
        task = result.task
        return {
            "backend": self.alias, "task": task.module_path, "args": result.args, "kwargs": result.kwargs,
            "priority": task.priority, "queue_name": task.queue_name,
            "run_after": task.run_after.isoformat() if task.run_after is not None else None,
        }

    def _known(self, job: jobs.Job, known: dict[str, Any], meta: dict[str, Any]):
        run_after = meta.get("run_after")
        task = import_string(meta["task"]).using(
            priority=meta["priority"], queue_name=meta["queue_name"], run_after=parse_datetime(run_after) if run_after else None, backend=self.alias)
        result = self._result(task, job.id, _status(known), _moment(known.get("created")), meta["args"], meta["kwargs"])
        began = _moment(known.get("began"))
        for name, value in {"started_at": began, "last_attempted_at": began, "finished_at": _moment(known.get("ended"))}.items():
            object.__setattr__(result, name, value)
        result.worker_ids.extend([known.get("node") or "girin"] * int(known.get("attempt") or 0))
        if known["status"] in jobs.ENDED:
            self._add_end(job, known, result)
        return result

    def _add_end(self, job: jobs.Job, known: dict[str, Any], result) -> None:
        status, body = jobs.ask("GET", job._path + "/result")
        if result.status == Status.SUCCESSFUL and status in (404, 410):
            raise _exceptions.TaskResultDoesNotExist(job.id)  # it is known how it ended, and its value no more
        if result.status == Status.SUCCESSFUL:
            jobs.checked((status, body))
        try:
            said = json.loads(body)
        except ValueError:
            said = None
        if result.status == Status.SUCCESSFUL:
            object.__setattr__(result, "_return_value", said)
            return
        said = said if isinstance(said, dict) else {}
        why = said.get("traceback") or said.get("error") or known.get("reason") or f"{known['status']}, with status {status}"
        result.errors.append(_base.TaskError(exception_class_path=said.get("exception") or "girin.jobs.JobFailed", traceback=why))


class _Runner:
    """Runs the attempts of a task in a worker."""

    def __init__(self, task) -> None:
        self._task = task

    def __call__(self, args: list, kwargs: dict, enqueued_at: str, using: dict[str, Any] | None = None):
        task, job = self._task, jobs.current_job()
        if using is not None:  # the one that was enqueued, not the last one that this process has seen
            run_after = using["run_after"]
            task = replace(task, **{**using, "run_after": parse_datetime(run_after) if run_after else None})
        backend = task.get_backend()
        result = backend._result(task, job.id, Status.RUNNING, _moment(enqueued_at), args, kwargs)
        now = timezone.now()
        for name in ("started_at", "last_attempted_at"):
            object.__setattr__(result, name, now)
        result.worker_ids.extend([backend.worker_id] * job.attempt)
        sender = type(backend)
        close_old_connections()
        try:
            _signals.task_started.send(sender, task_result=result)
            context = [_base.TaskContext(task_result=result)] if task.takes_context else []
            value = json.loads(json.dumps(_utils.normalize_json(task.call(*context, *args, **kwargs))))  # JSON's keys are text
        except BaseException as e:
            _end(result, Status.FAILED)
            result.errors.append(_base.TaskError(exception_class_path=f"{type(e).__module__}.{type(e).__qualname__}", traceback=_traceback(e)))
            _signals.task_finished.send(sender, task_result=result)
            raise
        else:
            _end(result, Status.SUCCESSFUL)
            object.__setattr__(result, "_return_value", value)
            _signals.task_finished.send(sender, task_result=result)
            return value
        finally:
            close_old_connections()


def _end(result, status) -> None:
    object.__setattr__(result, "finished_at", timezone.now())
    object.__setattr__(result, "status", status)


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def _status(known: dict[str, Any]):
    status = known["status"]
    if status == "done":
        return Status.SUCCESSFUL if int(known.get("code") or 200) < 400 else Status.FAILED
    return {"queued": Status.READY, "running": Status.RUNNING}.get(status, Status.FAILED)


def _moment(text: str | None) -> datetime | None:
    """A time of girin's as the project has times: aware, or naive in its time zone."""
    moment = parse_datetime(text) if text else None
    if moment is None or settings.USE_TZ == timezone.is_aware(moment):
        return moment
    return timezone.make_aware(moment) if settings.USE_TZ else timezone.make_naive(moment)


def _now(like: datetime) -> datetime:
    return datetime.now(like.tzinfo)
