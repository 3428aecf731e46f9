"""Jobs and tasks in a worker: requests that no client can make."""
from __future__ import annotations

import json

import master
import pytest
from fakejobs import FakeJobs

APP = """
    import time
    from girin import current_job, task

    def app(environ, start_response):
        job = environ.get("girin.job")
        left = sorted(key for key in environ if key.startswith("girin."))
        text = f"{left} {job and (job.id, job.attempt)} {current_job()}"
        while environ["PATH_INFO"] == "/until" and not job.cancelled():
            time.sleep(0.001)
        start_response("200 OK", [])
        return [text.encode()]

    @task
    def add(a, b=1):
        job = current_job()
        return {"sum": a + b, "job": job.id, "attempt": job.attempt}

    @task
    def fail(what):
        raise ValueError(what)

    @task
    def leave():
        raise SystemExit(3)

    @task
    def unserializable():
        return {1, 2}

    @task
    async def slowly(n):
        import asyncio
        await asyncio.sleep(0.001)
        return n * 2

    @task
    def until_cancelled():
        job = current_job()
        job.progress(0.5, "half")
        while not job.cancelled():
            time.sleep(0.001)
        return "stopped"

    @task(cron="0 5 * * *", tz="UTC")
    def nightly():
        pass
"""
ASGI_APP = APP[: APP.index("def app")] + """
    async def app(scope, receive, send):
        job = scope.get("girin.job")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"{job and (job.id, job.attempt)} {current_job()}".encode()})
""" + APP[APP.index("\n    @task\n") :]


@pytest.fixture
def jobs(tmp_path):
    fake = FakeJobs(str(tmp_path / "jobs"))
    yield fake
    fake.close()


@pytest.fixture(params=[*master.variants(*master.CLASSES), ("asgi", "python")], ids="-".join)
def worker(request, jobs):
    cls, implementation = request.param
    one = master.Worker("wsgi_app:app", ASGI_APP if cls == "asgi" else APP, cls=cls, implementation=implementation,
                        threads=4 if cls == "gthread" else 1, env={"GIRIN_JOBS": jobs.path})
    one.cls = cls
    yield one
    print(one.stderr())
    one.close()


def run(worker, name: str, *args, id="J7", attempt="2", form=1, **kwargs) -> master.Answer:
    return worker.answer(send(worker, name, *args, id=id, attempt=attempt, form=form, **kwargs))


def send(worker, name: str, *args, id="J7", attempt="2", form=1, **kwargs) -> int:
    environ = {"girin.job.id": id, "girin.job.attempt": attempt, "girin.task": f"wsgi_app:{name}"}
    body = json.dumps({"args": args, "kwargs": kwargs}).encode()
    return worker.send(f"/wsgi_app:{name}", "TASK", body, environ=environ, form=form)


def test_a_task_runs_in_place_of_the_app(worker):
    for form in (1, 2):
        answer = run(worker, "add", 2, b=3, form=form)
        assert answer.status == "200 OK"
        assert answer.header("content-type") == "application/json"
        assert json.loads(answer.body) == {"sum": 5, "job": "J7", "attempt": 2}
    assert json.loads(run(worker, "slowly", 4).body) == 8


def test_a_request_that_is_a_job_knows_it(worker):
    answer = worker.get(environ={"girin.job.id": "J8", "girin.job.attempt": "3"})
    assert "('J8', 3) None" in answer.body.decode()
    if worker.cls != "asgi":
        assert answer.body.decode().startswith("['girin.job'] ")
    assert "None None" in worker.get().body.decode(), "what is no job has none"


def test_what_a_task_raises_is_its_answer(worker):
    answer = run(worker, "fail", "it broke")
    said = json.loads(answer.body)
    assert answer.status == "500 Internal Server Error"
    assert (said["error"], said["exception"]) == ("ValueError: it broke", "builtins.ValueError")
    assert "raise ValueError(what)" in said["traceback"]
    assert "girin/tasks.py" not in said["traceback"], "only what is the application's"
    level, text = worker.log()
    while "Task wsgi_app:fail" not in text:
        level, text = worker.log()
    assert level == 40 and "job J7, attempt 2" in text and "ValueError: it broke" in text
    assert json.loads(run(worker, "leave").body)["exception"] == "builtins.SystemExit"
    assert json.loads(run(worker, "add", 1).body)["sum"] == 2, "the worker goes on"


def test_what_no_attempt_can_mend_is_no_failure_of_the_server(worker):
    answer = run(worker, "gone")
    assert answer.status == "404 Not Found" and "no task gone" in json.loads(answer.body)["error"]
    answer = run(worker, "unserializable")
    assert answer.status.startswith("422 ") and "JSON only" in json.loads(answer.body)["error"]
    assert run(worker, "app").status == "404 Not Found", "a function that is no task is none"
    answer = run(worker, "add")
    assert answer.status.startswith("500 ") and "missing 1 required" in json.loads(answer.body)["error"]


def test_a_task_is_told_that_it_is_cancelled(worker, jobs):
    id = send(worker, "until_cancelled", id="J9")
    assert jobs.wait("PUT", "/jobs/J9/progress") == {"progress": 0.5, "text": "half"}
    worker.arena.cancel(id)
    worker.tell(master.CREDIT, master.CANCELLED, id)
    answer = worker.answer(id)
    if not answer.dropped:
        assert answer.body in (b'"stopped"', b"")


def test_a_request_that_is_a_job_is_told_that_it_is_cancelled(worker):
    if worker.cls == "asgi":
        return  # the application hears http.disconnect, as of any client
    id = worker.send("/until", environ={"girin.job.id": "J9", "girin.job.attempt": "1"})
    master.until(lambda: id in worker.running())
    worker.arena.cancel(id)
    worker.tell(master.CREDIT, master.CANCELLED, id)
    worker.answer(id)
    assert worker.get().status == "200 OK"


def test_what_runs_by_itself_is_told_once_the_app_is_imported(worker, jobs):
    assert jobs.wait("PUT", "/schedules") == {"schedules": [{"task": "wsgi_app:nightly", "cron": "0 0 5 * * *", "tz": "UTC", "retries": 0, "backoff": 1.0}]}


def test_a_worker_is_not_held_up_where_nobody_takes_jobs(start, tmp_path):
    worker = start(APP, env={"GIRIN_JOBS": str(tmp_path / "none")})
    assert worker.get().status == "200 OK"


def test_without_jobs_the_variables_are_none_of_the_shims(start):
    worker = start(APP)
    assert worker.get().status == "200 OK"
    level, text = worker.log()
    assert level == 30 and "jobs are not on: wsgi_app:nightly" in text
