"""girin.task and girin's jobs, as an application uses them: in girin, whose socket is a fake's, and outside."""
from __future__ import annotations

import asyncio
import datetime
import enum
import json
import sys
import threading
import time

import master
import pytest
from fakejobs import FakeJobs

sys.path.append(str(master.SHIM))  # where the package girin is

from girin import Job, JobFailed, JobsError, current_job, jobs, task, tasks  # noqa: E402


class Colour(enum.IntEnum):
    RED = 1


@task(retries=3, backoff="2s", timeout="10m", unique="{order}-{size}", priority="low")
def render(order, size="a4"):
    """Renders."""
    return [order, size]


@task
def add(a, b=1):
    return a + b


attempts: list[int] = []


@task(retries=2)
def flaky(good):
    attempts.append(current_job().attempt)
    current_job().progress(0.5, "half")
    if len(attempts) < good:
        raise ValueError(f"not yet {len(attempts)}")
    return "at last"


@task
async def on_a_loop(n):
    await asyncio.sleep(0)
    return n, current_job() is not None


@task
def odd():
    return {1}


class Service:
    @staticmethod
    @task
    def work():
        return "worked"


@pytest.fixture(params=["path", "abstract"])
def girin(request, tmp_path, monkeypatch):
    fake = FakeJobs(str(tmp_path / "jobs") if request.param == "path" else f"@girin-test-{tmp_path}")
    monkeypatch.setenv("GIRIN_JOBS", fake.path)
    yield fake
    fake.close()


@pytest.fixture(autouse=True)
def outside(monkeypatch):
    monkeypatch.delenv("GIRIN_JOBS", raising=False)


# In girin.


def test_delay_hands_over_what_the_decorator_says(girin):
    job = render.delay(42, size="a5")
    assert (job.id, job.url) == ("J1", "/.girin/jobs/J1")
    assert girin.asked == [("POST", "/tasks", {
        "task": f"{__name__}:render", "args": [42], "kwargs": {"size": "a5"},
        "retries": 3, "backoff": 2.0, "timeout": 600.0, "priority": "low", "unique": f"{__name__}:render:42-a5",
    })]


def test_unique_knows_defaults_and_names(girin):
    render.delay(order=7)
    assert girin.asked[0][2]["unique"] == f"{__name__}:render:7-a4"


def test_what_is_not_said_is_left_out(girin):
    add.delay(1)
    assert girin.asked[0][2] == {"task": f"{__name__}:add", "args": [1], "kwargs": {}, "retries": 0, "backoff": 1.0}


@pytest.mark.parametrize("delay, seconds", [
    ("10m", 600), ("1h30m", 5400), ("500ms", 0.5), ("90", 90), (90, 90), (0.25, 0.25), ("1d 2h", 93600), (datetime.timedelta(minutes=2), 120),
])
def test_apply_waits_before_the_start(girin, delay, seconds):
    add.apply(1, b=2, delay=delay)
    asked = girin.asked[0][2]
    assert (asked["delay"], asked["args"], asked["kwargs"]) == (seconds, [1], {"b": 2})


@pytest.mark.parametrize("delay", ["", "m", "10 parsecs", "ten", "1.2.3s", -1, float("nan"), float("inf"), True])
def test_a_time_that_is_none_is_refused(girin, delay):
    with pytest.raises((ValueError, TypeError)):
        add.apply(1, delay=delay)
    assert not girin.asked


@pytest.mark.parametrize("value, why", [
    (object(), "argument 1 is a builtins.object"), ({1}, "builtins.set"), (b"x", "builtins.bytes"), (float("nan"), "is nan"), ({1: 2}, "the key 1"),
    ([1, {"a": datetime.date(2026, 1, 1)}], r"argument 1\[1\]\['a'\] is a datetime.date"),
])
def test_arguments_are_json_and_nothing_else(girin, value, why):
    with pytest.raises((TypeError, ValueError), match=why):
        add.delay(value)
    with pytest.raises((TypeError, ValueError), match=why.replace("argument 1", "argument b")):
        add.delay(1, b=value)
    assert not girin.asked


def test_what_holds_itself_is_refused(girin):
    ring: list = []
    ring.append(ring)
    with pytest.raises(ValueError, match="holds itself"):
        add.delay(ring)


def test_what_json_has_a_form_for_is_taken(girin):
    add.delay((1, Colour.RED), b={"é": None})
    assert girin.asked[0][2]["args"] == [[1, 1]]
    assert girin.asked[0][2]["kwargs"] == {"b": {"é": None}}


def test_arguments_must_fit_the_function(girin):
    for call in (lambda: add.delay(), lambda: add.delay(1, 2, 3), lambda: add.delay(1, c=2)):
        with pytest.raises(TypeError, match=f"{__name__}:add: "):
            call()
    assert not girin.asked


def test_a_refusal_says_why(girin):
    girin.answers["POST", "/tasks"] = 503, {"error": "the engine is not there"}
    with pytest.raises(JobsError, match="503: the engine is not there") as refused:
        add.delay(1)
    assert refused.value.status == 503
    girin.answers["POST", "/tasks"] = 500, b"<html>"
    with pytest.raises(JobsError, match="500: <html>"):
        add.delay(1)


def test_nobody_there_is_an_error_and_never_a_run(monkeypatch, tmp_path):
    monkeypatch.setenv("GIRIN_JOBS", str(tmp_path / "none"))
    with pytest.raises(JobsError, match="cannot be reached") as refused:
        flaky.delay(1)
    assert refused.value.status == 0 and not attempts


def test_get_waits_for_the_end(girin):
    girin.answers["GET", "/jobs/J1"] = [(200, {"status": "queued"}), (200, {"status": "running"}), (200, {"status": "done", "code": 200})]
    girin.answers["GET", "/jobs/J1/result"] = 200, {"sum": 3}
    assert add.delay(1).get(timeout=20) == {"sum": 3}
    assert "wait=" in girin.asked[1][1]


def test_get_gives_up_in_time(girin):
    girin.answers["GET", "/jobs/J1"] = 200, {"status": "running"}
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="J1 is running"):
        add.delay(1).get(timeout=0.2)
    assert 0.2 <= time.monotonic() - began < 10


@pytest.mark.parametrize("status, code, result, why", [
    ("failed", 500, {"error": "ValueError: no", "traceback": "Trace", "exception": "builtins.ValueError"}, "J1 is failed: ValueError: no"),
    ("dead", 502, b"", "J1 is dead: it killed its worker"),
    ("done", 422, {"error": "it is no JSON"}, "J1 failed: it is no JSON"),
    ("failed", 504, b"", "J1 is failed: it killed its worker"),
])
def test_get_raises_what_went_wrong(girin, status, code, result, why):
    girin.answers["GET", "/jobs/J1"] = 200, {"status": status, "code": code, "reason": "it killed its worker"}
    girin.answers["GET", "/jobs/J1/result"] = code, result
    with pytest.raises(JobFailed) as failed:
        Job("J1").get()
    assert str(failed.value) == f"job {why}" and failed.value.status == status
    if isinstance(result, dict):
        assert failed.value.traceback == result.get("traceback", "")


def test_a_script_has_no_tasks_in_girin(monkeypatch):
    def hello():
        """In a script."""

    hello.__module__, hello.__qualname__ = "__main__", "hello"
    monkeypatch.delenv("GIRIN_JOBS", raising=False)
    assert task(hello).delay()._known["status"] == "done"  # outside it is a function like any other
    monkeypatch.setenv("GIRIN_JOBS", "/nowhere")
    with pytest.raises(TypeError, match="hello cannot be a task of a script.*module that the application imports"):
        task(hello)


@pytest.mark.parametrize("status", ["cancelled", "lost"])
def test_get_of_a_job_that_never_ended_well(girin, status):
    girin.answers["GET", "/jobs/J1"] = 200, {"status": status}
    with pytest.raises(JobFailed, match=f"is {status}"):
        Job("J1").get()


def test_cancel_tells_whether_it_came_in_time(girin):
    girin.answers["DELETE", "/jobs/J1"] = [(204, b""), (202, {}), (409, {"error": "ended"}), (404, {"error": "there is none"})]
    assert [Job("J1").cancel() for _ in range(3)] == [True, True, False]
    with pytest.raises(JobsError, match="there is none"):
        Job("J1").cancel()


def test_status_and_url_are_asked_for(girin):
    girin.answers["GET", "/jobs/J7"] = 200, {"status": "running", "url": "/.girin/jobs/x"}
    job = Job("J7")
    assert (job.status, job.url, job) == ("running", "/.girin/jobs/x", Job("J7"))


@pytest.mark.parametrize("id", ["a/b", "..", "", "events", "J7?wait=9"])
def test_what_is_no_id_is_not_asked_for(girin, id):
    with pytest.raises(JobsError, match="there is no job") as e:
        Job(id).get()
    assert e.value.status == 404 and girin.asked == []


def test_progress_is_passed_on_now_and_then(girin):
    running = jobs.Running("J1", 1, lambda: False)
    for i in range(1000):
        running.progress(i / 1000, "on its way")
    running.progress(1, "all of it")
    told = [body for _, _, body in girin.asked]
    assert told[0] == {"progress": 0.0, "text": "on its way"} and told[-1] == {"progress": 1.0, "text": "all of it"} and len(told) < 100
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError):
            running.progress(wrong)


def test_progress_that_nobody_hears_stops_no_work(monkeypatch, tmp_path):
    monkeypatch.setenv("GIRIN_JOBS", str(tmp_path / "none"))
    jobs.Running("J1", 1, lambda: False).progress(0.5)


# What a worker runs.


def test_run_answers_as_an_app_would():
    def run(name, *args, **kwargs):
        status, body, _ = tasks.run(f"{__name__}:{name}", json.dumps({"args": args, "kwargs": kwargs}).encode(), jobs.Running("J", 1, lambda: False))
        return status, json.loads(body)

    assert run("add", 1, b=2) == (200, 3)
    assert run("on_a_loop", 1) == (200, [1, True])
    assert run("Service.work") == (200, "worked")
    assert run("odd")[0] == 422
    assert run("no_such")[0] == 404
    assert run("add")[0] == 500
    assert tasks.run("no_such_module:x", b"{}", jobs.Running("J", 1, lambda: False))[0] == 500
    assert tasks.run(f"{__name__}:add", b"no json", jobs.Running("J", 1, lambda: False))[0] == 400
    assert current_job() is None


def test_what_still_runs_of_a_job_that_has_ended_is_told():
    running = jobs.Running("J", 1, lambda: False)
    tasks.run(f"{__name__}:add", b'{"args": [1]}', running)
    assert running.cancelled()


# Outside of girin.


def test_a_task_runs_at_once():
    job = add.delay(1, 2)
    assert (job.status, job.get(), job.cancel(), job.url) == ("done", 3, False, "")
    assert add.apply(1, delay="10m").get() == 2
    assert add(1, 2) == 3 and render.__doc__ == "Renders."


def test_arguments_and_results_are_json_there_too():
    assert render.delay((1, 2)).get() == [[1, 2], "a4"]
    with pytest.raises(TypeError, match="JSON only"):
        add.delay({1})
    with pytest.raises(JobFailed, match="JSON only"):
        odd.delay().get()


def test_a_failure_is_raised_by_get_alone(caplog):
    attempts.clear()
    job = flaky.delay(9)
    assert job.status == "failed" and attempts == [1, 2, 3]
    with pytest.raises(JobFailed, match="ValueError: not yet 3") as failed:
        job.get()
    assert failed.value.exception == "builtins.ValueError" and "raise ValueError" in failed.value.traceback
    assert "attempt 1 of 3" in caplog.text
    attempts.clear()
    assert flaky.delay(2).get() == "at last" and attempts == [1, 2]


def test_a_coroutine_runs_on_a_loop_and_beside_one():
    assert on_a_loop.delay(1).get() == [1, True]

    async def inside():
        return on_a_loop.delay(2).get()

    assert asyncio.run(inside()) == [2, True]


def test_jobs_of_several_threads_do_not_mix():
    seen = {}

    def work(i):
        seen[i] = add.delay(i).get()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {i: i + 1 for i in range(20)}


# The decorator.


def test_a_task_must_be_found_by_its_name():
    with pytest.raises(TypeError, match="defined at the top"):
        @task
        def inner():
            """Nowhere."""
    with pytest.raises(TypeError, match="defined at the top"):
        task(lambda: None)
    with pytest.raises(TypeError, match="a task is a function"):
        task(3)


@pytest.mark.parametrize("options, why", [
    ({"retries": -1}, "retries is -1"), ({"retries": 1.5}, "retries"), ({"priority": "urgent"}, "high or low"), ({"timeout": 0}, "no time"),
    ({"backoff": "soon"}, "no time such as"), ({"unique": "{nobody}"}, "none of its arguments"),
    ({"cron": "every day"}, "not second minute"), ({"cron": "* * * *"}, "not second minute"), ({"cron": "0 5 * * *", "tz": "Asia/Nowhere"}, "no time zone"),
    ({"cron": "0 5 * * *"}, "no arguments"),
])
def test_options_that_cannot_be_are_refused_at_once(options, why):
    def function(order):
        """Is registered by nobody."""
    function.__qualname__ = "function"
    with pytest.raises((ValueError, TypeError), match=why):
        task(**options)(function)
    assert f"{__name__}:function" not in {one["task"] for one in tasks.schedules()}


def test_schedules_have_six_fields():
    def nightly(hour=3):
        """Runs by itself."""
    nightly.__qualname__ = "nightly"
    task(cron="30 5 * * MON-FRI", tz="Asia/Seoul", retries=2, timeout="1m", priority="low")(nightly)
    assert {
        "task": f"{__name__}:nightly", "cron": "0 30 5 * * MON-FRI", "tz": "Asia/Seoul", "retries": 2, "backoff": 1.0, "timeout": 60.0, "priority": "low",
    } in tasks.schedules()


def test_a_server_without_tasks_says_that_they_run_in_the_request(monkeypatch, caplog):
    monkeypatch.delenv("GIRIN_JOBS", raising=False)
    monkeypatch.delitem(sys.modules, "_girin_shim", raising=False)  # tests beside this one import it
    tasks._say_inline.cache_clear()
    add.delay(1)
    assert "--tasks" not in caplog.text  # outside of girin that is as it should be
    monkeypatch.setitem(sys.modules, "_girin_shim", sys)
    add.delay(1)
    add.delay(1)
    assert caplog.text.count("started without --tasks") == 1
