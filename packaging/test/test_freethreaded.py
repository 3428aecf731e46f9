"""A CPython without a GIL: its threads compute at once, in a fixed class and under auto."""
from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from user import ROOT, Served, User

APP = """\
import json, time

def app(environ, start_response):
    runs, began = [], time.thread_time()
    while environ["PATH_INFO"] == "/compute" and time.thread_time() - began < 0.1:
        wall, cpu = time.monotonic_ns(), time.thread_time_ns()
        sum(range(10_000))
        cpu, end = time.thread_time_ns() - cpu, time.monotonic_ns()
        if end - wall < 1.1 * cpu:  # the thread had a core, and the GIL if there is one, all the while
            runs.append([wall, end])
    body = json.dumps(runs).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
TRIES = 50  # a busy machine may hardly ever give both threads a core


@pytest.fixture(scope="session", params=["3.13t", "3.14t"])
def python(request: pytest.FixtureRequest) -> Path:
    folder = ROOT / "build" / f"python{request.param}"
    subprocess.run([ROOT / "packaging" / "cpython", request.param, folder], check=True)
    return folder / "bin" / f"python{request.param}"


@pytest.fixture
def env(environment: Callable[..., Path], python: Path) -> Path:
    return environment(str(python), "girin")


def asked(girin: Path, user: User, served: Served) -> dict:
    return json.loads(user.run(girin, "ctl", "status", "--json", "--pid", str(served.process.pid)))


def together(served: Served) -> float:
    """For how many seconds two requests computed at the same time, each on its core: with a GIL for none."""
    with ThreadPoolExecutor(2) as pool:
        one, two = [json.loads(answer) for answer in pool.map(lambda _: served.get("compute"), range(2))]
    overlap = i = j = 0
    while i < len(one) and j < len(two):
        overlap += max(0, min(one[i][1], two[j][1]) - max(one[i][0], two[j][0]))
        if one[i][1] < two[j][1]:
            i += 1
        else:
            j += 1
    return overlap / 1e9


def test_two_threads_compute_at_once(user: User, env: Path) -> None:
    served = user.serve(env / "bin" / "girin", "app:app", "-b", "{bind}", "-w", "1", "--threads", "2", cwd=user.app(source=APP))
    assert served.python()[1].startswith("Python: the faster one in C is off, because there is none for free-threaded builds")
    assert any(together(served) > 0.001 for _ in range(TRIES))
    assert "This Python has no GIL: the threads of a worker compute at once" in served.said()


def test_auto_computes_several_requests_in_one_process_and_status_says_so(user: User, env: Path) -> None:
    served = user.serve(env / "bin" / "girin", "app:app", "-b", "{bind}", cwd=user.app(source=APP))
    girin = env / "bin" / "girin"
    stop, faults = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            try:
                served.get("compute")
            except OSError as e:
                faults.append(e)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for c in clients:
        c.start()
    try:
        end = time.monotonic() + 60
        while True:
            scheduler = asked(girin, user, served)["sched"]
            computing = [w for w in scheduler["workers"] if w["lane"] == "compute"]
            if len(computing) == 1 and len(computing[0]["running"]) >= 2:
                break
            assert time.monotonic() < end, scheduler["workers"]
        told = user.run(girin, "ctl", "status", "--pid", str(served.process.pid))
    finally:
        stop.set()
        for c in clients:
            c.join()
    assert not faults
    assert "free-threaded Python: the threads of a worker compute at once\n" in told


OLD = """\
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "old", .m_size = -1};
PyMODINIT_FUNC PyInit_old(void) { return PyModule_Create(&module); }
"""
TURNS = APP + """
plain = app
def app(environ, start_response):
    if environ["PATH_INFO"] == "/turn":
        import old
    return plain(environ, start_response)
"""


@pytest.mark.parametrize("when", ["imported", "later"])
def test_a_module_that_turns_the_gil_on_is_noticed(user: User, python: Path, env: Path, when: str) -> None:
    """One that does not say that it needs none."""
    folder = user.app(source=TURNS + ("import old\n" if when == "imported" else ""))
    (folder / "old.c").write_text(OLD)
    include = python.parent.parent / "include" / python.name
    user.run("cc", "-shared", "-fPIC", f"-I{include}", "old.c", "-o", "old.so", cwd=folder)
    served = user.serve(env / "bin" / "girin", "app:app", "-b", "{bind}", "-k", "auto", "-w", "1", cwd=folder)

    def parallel() -> bool:
        return any(w["parallel"] for w in asked(env / "bin" / "girin", user, served)["sched"]["workers"])

    assert served.python()
    if when == "imported":
        assert not parallel()
        assert "This Python is free-threaded, but its GIL is on" in served.said()
        return
    assert parallel()
    served.get("turn")
    end = time.monotonic() + 60
    while parallel():
        served.get("compute")
        assert time.monotonic() < end
