"""Tasks of an application in girin itself: handed over, run, retried, cancelled, and kept over every death."""
from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import requests

import servers
from waiting import until

WORK = """
import os, time
from girin import Job, current_job, task

HERE = os.path.dirname(os.path.abspath(__file__))

def note(text):
    with open(HERE + "/runs", "a") as f:
        f.write(text + "\\n")

@task
def add(a, b=1):
    note(f"add {a}")
    return a + b

@task(retries=3, backoff=0.05)
def flaky(good):
    note(f"flaky {current_job().attempt}")
    if current_job().attempt < good:
        raise ValueError("not yet")
    return current_job().attempt

@task
def slow(name, seconds):
    note(f"begin {name}")
    until = time.monotonic() + seconds
    while time.monotonic() < until and not current_job().cancelled():
        time.sleep(0.01)
        current_job().progress(0.5, "half")
    note(f"end {name}")
    return name

@task(timeout=60)
def patient(seconds):
    time.sleep(seconds)
    return seconds

@task(timeout=1)
def hang():
    time.sleep(600)

@task(retries=1, backoff=0.05)
def die_once():
    note("die_once")
    if current_job().attempt == 1:
        os._exit(9)
    return "lives"

@task
def die():
    note("die")
    os._exit(9)

@task(unique="{key}")
def single(key):
    note(f"single {key}")
    time.sleep(0.5)

@task
async def loops(n):
    return n * 2

def answer(path, query):
    if path == "/get":
        return Job(query).get(timeout=30)
    if path == "/info":
        return Job(query).info()
    if path == "/cancel":
        return Job(query).cancel()
    name, *args = path.strip("/").split("/")
    job = globals()[name].apply(*[float(a) if a.replace(".", "").isdigit() else a for a in args], delay=query or None)
    return job.id
"""
WSGI = WORK + """
def app(environ, start_response):
    import json
    try:
        status, said = "200 OK", answer(environ["PATH_INFO"], environ["QUERY_STRING"])
    except Exception as e:
        status, said = "500 Internal Server Error", f"{type(e).__name__}: {e}"
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(said).encode()]
"""
ASGI = WORK + """
async def app(scope, receive, send):
    import asyncio, json
    if scope["type"] != "http":
        return
    try:
        status, said = 200, await asyncio.to_thread(answer, scope["path"], scope["query_string"].decode())
    except Exception as e:
        status, said = 500, f"{type(e).__name__}: {e}"
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(said).encode()})
"""
CLASSES = {"gthread": (2, 4, WSGI), "auto": (0, 0, WSGI), "gevent": (2, 1, WSGI), "asgi": (2, 1, ASGI)}


class Served:
    """A server with tasks, and what its application answers."""

    def __init__(self, run: servers.Running, folder: Path) -> None:
        self.run = run
        self.folder = folder

    def ask(self, path: str):
        answer = requests.get(self.run.url + path, timeout=60)
        if answer.status_code != 200:
            raise AssertionError(answer.json())
        return answer.json()

    def get(self, path: str):
        """The result of the task that a path hands over."""
        return self.ask(f"/get?{self.ask(path)}")

    def runs(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "runs").read_text().splitlines()
        return []

    def jobs(self, *words: str) -> str:
        """What girin jobs prints."""
        said = subprocess.run([str(servers.GIRIN), "jobs", *words, "--pid", str(self.run.process.pid)], capture_output=True, text=True,
                              env={**os.environ, "GIRIN_RUNTIME_DIR": str(self.folder / "run")})
        assert said.returncode == 0, said.stderr
        return said.stdout

    def info(self, job: str) -> dict:
        return json.loads(self.jobs("show", job, "--json"))

    def status(self, job: str) -> str:
        return self.info(job)["status"]

    def end(self, job: str) -> dict:
        """What is known of a job that has ended."""
        until(lambda: self.status(job) not in ("queued", "running"), within=60)
        return self.info(job)


@contextlib.contextmanager
def serving(folder: Path, worker_class: str = "gthread", *more: str):
    workers, threads, code = CLASSES[worker_class]
    (folder / "work.py").write_text(code)
    options = ("--tasks", "--offload-dir", str(folder / "store"), "--log-level", "info", *more)
    server = servers.girin_auto(*options) if worker_class == "auto" else servers.girin(worker_class, workers, threads, *options)
    with servers.running(server, "work:app", cwd=folder, env={"GIRIN_RUNTIME_DIR": str(folder / "run")}) as run:
        until(lambda: "Jobs: connected" in run.output(), within=30)
        yield Served(run, folder)


@pytest.mark.parametrize("worker_class", CLASSES)
def test_tasks_are_run_retried_and_given_up(tmp_path: Path, worker_class: str) -> None:
    with serving(tmp_path, worker_class) as s:
        assert s.get("/add/41") == 42
        assert s.get("/loops/4") == 8
        assert s.get("/flaky/3") == 3
        assert s.runs() == ["add 41.0", "flaky 1", "flaky 2", "flaky 3"]
        with pytest.raises(AssertionError, match="is failed: ValueError: not yet"):
            s.get("/flaky/9")
        assert s.runs()[-4:] == ["flaky 1", "flaky 2", "flaky 3", "flaky 4"]
        with pytest.raises(AssertionError, match="none of its arguments|positional argument"):
            s.ask("/add/1/2/3")


def test_a_configuration_file_leaves_tasks_of_an_asgi_application_as_they_are(tmp_path: Path) -> None:
    """Its process loads the event loop's modules before anybody knows of jobs."""
    (tmp_path / "gunicorn.conf.py").write_text("backlog = 512\n")
    with serving(tmp_path, "asgi") as s:
        assert s.get("/add/41") == 42


def test_the_configuration_file_and_preload_leave_tasks_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("tasks = True\npreload_app = True\n")
    with serving(tmp_path, "gthread") as s:
        assert s.get("/add/41") == 42


def test_a_task_is_cancelled_and_progress_is_seen(tmp_path: Path) -> None:
    with serving(tmp_path) as s:
        job = s.ask("/slow/x/60")
        until(lambda: s.ask(f"/info?{job}").get("text") == "half", within=30)
        assert s.ask(f"/cancel?{job}") is True
        until(lambda: s.status(job) == "cancelled", within=30)
        assert s.ask(f"/cancel?{job}") is False
        with pytest.raises(AssertionError, match="is cancelled"):
            s.ask(f"/get?{job}")
        later = s.ask("/add/1?1h")
        assert s.status(later) == "queued"
        assert s.ask(f"/cancel?{later}") is True
        assert s.status(later) == "cancelled" and s.runs() == ["begin x", "end x"]


def test_a_task_that_takes_too_long_is_given_up_and_its_thread_replaced(tmp_path: Path) -> None:
    with serving(tmp_path, "gthread") as s:
        with pytest.raises(AssertionError, match="is failed: .*it ran longer than it may"):
            s.get("/hang")
        assert "Stacks follow" in s.run.output()
        assert s.get("/add/41") == 42


def test_a_limit_longer_than_the_servers_holds(tmp_path: Path) -> None:
    with serving(tmp_path, "gthread", "--timeout", "1") as s:
        job = s.ask("/patient/2.5")
        known = s.end(job)
        assert known["status"] == "done", known
        assert s.jobs("result", job) == "2.5"


def test_the_death_of_a_worker_counts_as_an_attempt(tmp_path: Path) -> None:
    with serving(tmp_path) as s:
        assert s.end(s.ask("/die_once"))["status"] == "done"
        known = s.end(s.ask("/die"))
        assert known["status"] == "dead" and "the worker died" in known["reason"]
        assert known["id"] in s.jobs("dead")
        assert s.runs() == ["die_once", "die_once", "die"], "what may not run twice does not"


def test_one_key_is_one_task(tmp_path: Path) -> None:
    with serving(tmp_path) as s:
        first, second, other = s.ask("/single/a"), s.ask("/single/a"), s.ask("/single/b")
        assert first == second != other
        s.ask(f"/get?{first}"), s.ask(f"/get?{other}")
        assert sorted(s.runs()) == ["single a", "single b"]
        assert s.ask("/single/a") != first


def test_a_delay_is_kept(tmp_path: Path) -> None:
    with serving(tmp_path) as s:
        began = time.monotonic()
        assert s.get("/add/1?1.5s") == 2
        assert 1.5 <= time.monotonic() - began < 20


def test_tasks_outlive_the_server_and_its_version(tmp_path: Path) -> None:
    with serving(tmp_path, "gthread", "--offload-slots", "1") as s:
        s.ask("/slow/first/600")
        until(lambda: s.runs() == ["begin first"], within=30)
        jobs = [s.ask(f"/add/{i}") for i in range(20)]
        os.kill(s.run.process.pid, signal.SIGKILL)
        s.run.process.wait(30)
    # A new version knows more tasks than the old one, and runs what that has taken.
    with serving(tmp_path, "gthread", "--offload-version", "2") as s:
        until(lambda: all(s.status(job) == "done" for job in jobs), within=60)
        assert sorted(s.runs()[1:]) == sorted(f"add {float(i)}" for i in range(20))


def test_what_runs_is_finished_before_the_server_ends(tmp_path: Path) -> None:
    with serving(tmp_path) as s:
        s.ask("/slow/x/1.5")
        until(lambda: s.runs() == ["begin x"], within=30)
        s.run.process.terminate()
        assert s.run.process.wait(60) == 0
        assert s.runs() == ["begin x", "end x"]


def test_a_task_that_this_version_does_not_know_waits_for_one_that_does(tmp_path: Path) -> None:
    with serving(tmp_path) as s:
        (tmp_path / "work.py").write_text(WSGI.replace("def add(", "def plus(").replace("    note(f\"add", "    note(f\"plus"))
        job = s.ask("/add/1?3s")
        os.kill(s.run.process.pid, signal.SIGHUP)
        until(lambda: "generation 2 serves" in s.run.output(), within=30)
        until(lambda: s.ask(f"/info?{job}").get("reason", "").startswith("no server knows"), within=30)
        (tmp_path / "work.py").write_text(WSGI)
        os.kill(s.run.process.pid, signal.SIGHUP)
        assert s.ask(f"/get?{job}") == 2
