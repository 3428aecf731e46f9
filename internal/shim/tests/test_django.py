"""Django's tasks by girin: as Django's own ImmediateBackend outside of girin, and by its jobs in girin.

Django's own tests of its backends, and those of django-tasks, pass with this backend in
the place of ImmediateBackend. They are not in this repository.
"""
from __future__ import annotations

import asyncio
import importlib.util
import sys
from datetime import datetime, timedelta, timezone

import master
import pytest
from fakejobs import FakeEngine

if sys.version_info < (3, 11):
    pytest.skip("django-tasks and its django-stubs-ext need Python 3.11", allow_module_level=True)

from django.conf import settings  # noqa: E402

API = "django.tasks" if importlib.util.find_spec("django.tasks") else "django_tasks"  # Django's own since 6.0

if not settings.configured:
    settings.configure(USE_TZ=True, DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
                       INSTALLED_APPS=[] if API == "django.tasks" else [API], TASKS={"default": {"BACKEND": "girin.django.Tasks", "QUEUES": []},
                                                               "eager": {"BACKEND": "girin.django.Tasks", "QUEUES": [], "OPTIONS": {"retries": 1, "timeout": "5m"}}})
    import django

    sys.path.append(str(master.SHIM))
    django.setup()

_tasks, _exceptions, _signals = (importlib.import_module(API + part) for part in ("", ".exceptions", ".signals"))
TaskResultStatus, default_task_backend, task, task_backends = _tasks.TaskResultStatus, _tasks.default_task_backend, _tasks.task, _tasks.task_backends
InvalidTask = _exceptions.InvalidTask if API == "django.tasks" else _exceptions.InvalidTaskError
TaskResultDoesNotExist, TaskResultMismatch = _exceptions.TaskResultDoesNotExist, _exceptions.TaskResultMismatch
task_enqueued, task_finished, task_started = _signals.task_enqueued, _signals.task_finished, _signals.task_started

from django.test import override_settings  # noqa: E402
from girin.jobs import Job, JobsError  # noqa: E402


@task
def double(n):
    return 2 * n


@task
async def triple(n):
    await asyncio.sleep(0)
    return 3 * n


@task
def fail(text):
    raise ValueError(text)


@task(takes_context=True)
def attempt(context):
    return [context.attempt, context.task_result.id]


@task(takes_context=True)
def which(context):
    task = context.task_result.task
    return [context.task_result.backend, task.priority, task.queue_name, task.run_after and task.run_after.isoformat()]


@task
def numbered():
    return {1: "one"}


@task
def odd():
    return object()


@pytest.fixture
def girin(tmp_path, monkeypatch):
    fake = FakeEngine(str(tmp_path / "jobs"))
    monkeypatch.setenv("GIRIN_JOBS", fake.path)
    yield fake
    fake.close()


@pytest.fixture(autouse=True)
def outside(monkeypatch):
    monkeypatch.delenv("GIRIN_JOBS", raising=False)


@pytest.fixture
def signals():
    seen = []

    def note(signal, sender, task_result, **_):
        seen.append((names[signal], str(task_result.status), task_result.id))
    names = {task_enqueued: "enqueued", task_started: "started", task_finished: "finished"}
    for signal in names:
        signal.connect(note)
    yield seen
    for signal in names:
        signal.disconnect(note)


def test_a_task_waits_runs_and_has_a_result(girin, signals):
    for one, want in ((double, 4), (triple, 6)):
        result = one.enqueue(2)
        assert (result.status, result.args, result.kwargs, result.attempts) == (TaskResultStatus.READY, [2], {}, 0)
        assert not result.is_finished and result.enqueued_at is not None
        with pytest.raises(ValueError, match="not finished"):
            result.return_value
        girin.run(result.id)
        result.refresh()
        assert (result.status, result.return_value, result.attempts) == (TaskResultStatus.SUCCESSFUL, want, 1)
        assert result.enqueued_at <= result.started_at <= result.finished_at
        found = one.get_result(result.id)
        assert (found.id, found.task, found.return_value) == (result.id, one, want)
    id = result.id
    assert [name for name, _, of in signals if of == id] == ["enqueued", "started", "finished"]


def test_other_processes_find_a_result_by_its_id(girin):
    result = double.using(priority=10, queue_name="mail").enqueue(n=2)
    found = default_task_backend.get_result(result.id)
    assert (found.task.priority, found.task.queue_name, found.kwargs) == (10, "mail", {"n": 2})
    assert asyncio.run(default_task_backend.aget_result(result.id)).id == result.id
    with pytest.raises(TaskResultMismatch):
        fail.get_result(result.id)


def test_a_failure_has_its_class_and_traceback(girin, signals):
    result = fail.enqueue("it broke")
    girin.run(result.id)
    result.refresh()
    assert result.status == TaskResultStatus.FAILED
    (error,) = result.errors
    assert error.exception_class is ValueError and error.traceback.endswith("ValueError: it broke\n")
    with pytest.raises(ValueError, match="Task failed"):
        result.return_value
    assert signals[-1][:2] == ("finished", "FAILED")


def test_what_is_no_json_is_a_failure(girin):
    result = odd.enqueue()
    girin.run(result.id)
    result.refresh()
    assert result.status == TaskResultStatus.FAILED and "Unsupported type" in result.errors[0].traceback
    with pytest.raises(TypeError, match="Unsupported type"):
        double.enqueue(datetime.now())


def test_options_of_the_backend_are_those_of_tasks(girin):
    result = fail.using(backend="eager").enqueue("x")
    body = girin.jobs[result.id]["body"]
    assert (body["retries"], body["timeout"]) == (1, 300.0)
    girin.run(result.id)
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.READY, 1)
    girin.run(result.id)
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.FAILED, 2)


def test_a_context_knows_the_attempt(girin):
    result = attempt.enqueue()
    girin.run(result.id)
    result.refresh()
    assert result.return_value == [1, result.id]


def test_run_after_and_priority_are_passed_on(girin):
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    ids = [double.using(run_after=later).enqueue(1).id, double.using(priority=-5).enqueue(1).id, double.using(priority=5).enqueue(1).id,
           double.using(run_after=later - timedelta(days=1)).enqueue(1).id]
    bodies = [girin.jobs[id]["body"] for id in ids]
    assert 3590 < bodies[0]["delay"] <= 3600 and bodies[3]["delay"] == 0
    assert [body.get("priority") for body in bodies] == [None, "low", "high", None]
    assert default_task_backend.get_result(ids[0]).task.run_after == later


def test_what_is_no_task_of_this_backend_is_not_found(girin):
    for id in ("J99", "../x"):
        with pytest.raises(TaskResultDoesNotExist):
            default_task_backend.get_result(id)
    result = double.using(backend="eager").enqueue(1)
    with pytest.raises(TaskResultDoesNotExist):
        default_task_backend.get_result(result.id)
    assert task_backends["eager"].get_result(result.id).id == result.id


def test_an_id_that_is_the_path_of_something_else_is_not_asked_for(girin):
    for id in ("events", "", "..", "J1/result", "J1?wait=9"):
        with pytest.raises(TaskResultDoesNotExist):
            default_task_backend.get_result(id)
    assert girin.asked == []


def test_the_task_that_runs_is_the_one_that_was_enqueued(girin):
    plain = which.enqueue()
    later = datetime.now(timezone.utc)
    other = which.using(priority=7, queue_name="mail", backend="eager", run_after=later).enqueue()  # the last one that is known here
    for result, want in ((plain, ["default", 0, "default", None]), (other, ["eager", 7, "mail", later.isoformat()])):
        girin.run(result.id)
        result.refresh()
        assert result.return_value == want


def test_keys_of_a_result_become_text_as_in_any_json(girin):
    result = numbered.enqueue()
    girin.run(result.id)
    result.refresh()
    assert result.return_value == {"1": "one"}


def test_a_value_that_is_not_kept_any_longer_is_no_none(girin):
    result = double.enqueue(2)
    girin.run(result.id)
    girin.results[result.id] = (410, b"the job has ended, and its result is not kept any longer\n")
    with pytest.raises(TaskResultDoesNotExist):
        result.refresh()
    with pytest.raises(JobsError, match="not kept"):
        Job(result.id).get()
    girin.results[result.id] = (503, b"the engine does not answer\n")
    for ask in (result.refresh, Job(result.id).get):
        with pytest.raises(JobsError, match="503"):
            ask()


def test_run_after_may_be_aware_where_the_project_is_not(girin):
    with override_settings(USE_TZ=False):
        for run_after, least in ((datetime.now(timezone.utc) + timedelta(hours=1), 3590), (datetime.now() + timedelta(hours=2), 7190)):
            id = double.using(run_after=run_after).enqueue(1).id
            assert least < girin.jobs[id]["body"]["delay"] <= least + 10


def test_it_is_enqueued_from_a_coroutine(girin):
    result = asyncio.run(double.aenqueue(4))
    girin.run(result.id)
    asyncio.run(result.arefresh())
    assert result.return_value == 8


def test_a_server_without_jobs_says_so(monkeypatch, caplog):
    from girin import tasks

    monkeypatch.delenv("GIRIN_JOBS", raising=False)
    monkeypatch.setitem(sys.modules, "_girin_shim", sys)
    tasks._say_inline.cache_clear()
    result = double.enqueue(4)
    assert result.return_value == 8 and caplog.text.count("started without --tasks") == 1
    with pytest.raises(NotImplementedError, match="started without --tasks"):
        result.refresh()


def test_outside_of_girin_it_is_djangos_own(signals):
    result = triple.enqueue(2)
    assert (result.status, result.return_value) == (TaskResultStatus.SUCCESSFUL, 6)
    assert [name for name, _, _ in signals] == ["enqueued", "started", "finished"]
    with pytest.raises(NotImplementedError):
        default_task_backend.get_result(result.id)
    with pytest.raises(InvalidTask, match="run_after"):
        double.using(run_after=datetime.now(timezone.utc))


def test_options_that_are_none_are_refused():
    from girin.django import Tasks

    with pytest.raises(ValueError, match="OPTIONS has 'retry', and may have retries"):
        Tasks("x", {"OPTIONS": {"retry": 1}})
