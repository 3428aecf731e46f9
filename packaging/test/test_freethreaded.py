"""A CPython without a GIL: its threads compute at once, in a fixed class and under auto."""
from __future__ import annotations

import json
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from user import ROOT, Served, User

APP = """\
import json, time

def app(environ, start_response):
    began, cpu = time.monotonic(), time.thread_time()
    n = 0
    while environ["PATH_INFO"] == "/compute" and time.thread_time() - cpu < 0.1:
        n = sum(range(1000))
    body = json.dumps([began, time.monotonic(), time.thread_time() - cpu]).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
TRIES = 50  # a busy machine may give both threads one core for long


@pytest.fixture(scope="session")
def python() -> Path:
    folder = ROOT / "build" / "python3.13t"
    subprocess.run([ROOT / "packaging" / "freethreaded", folder], check=True)
    return folder / "bin" / "python3.13t"


@pytest.fixture
def env(user: User, python: Path) -> Path:
    folder = user.venv(str(python))
    user.pip(folder / "bin" / "python", "girin")
    return folder


def asked(girin: Path, user: User, served: Served) -> dict:
    return json.loads(user.run(girin, "ctl", "status", "--json", "--pid", str(served.process.pid)))


def gain(served: Served, clients: int) -> float:
    """How much CPU time requests that ran together had in a second. With a GIL it cannot be
    more than 1 second, however they take turns."""
    with ThreadPoolExecutor(clients) as pool:
        told = [json.loads(answer) for answer in pool.map(lambda _: served.get("compute"), range(clients))]
    return sum(cpu for _, _, cpu in told) / (max(end for _, end, _ in told) - min(began for began, _, _ in told))


def best_gain(served: Served) -> float:
    best = 0.0
    for _ in range(TRIES):
        if (best := max(best, gain(served, 2))) > 1.5:
            break
    return best


def test_two_threads_compute_nearly_twice_as_much_as_one(user: User, env: Path) -> None:
    served = user.serve(env / "bin" / "girin", "app:app", "-b", "{bind}", "-w", "1", "--threads", "2", cwd=user.app(source=APP))
    assert served.python()[1].startswith("Python: the faster one in C is off, because there is none for free-threaded builds")
    assert best_gain(served) > 1.5
    assert "This Python has no GIL: the threads of a worker compute at once" in served.said()


def test_auto_computes_several_requests_in_one_process_and_status_says_so(user: User, env: Path) -> None:
    served = user.serve(env / "bin" / "girin", "app:app", "-b", "{bind}", cwd=user.app(source=APP))
    girin, told = env / "bin" / "girin", ""
    stop, faults = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            try:
                served.get("compute")
            except OSError as e:
                faults.append(e)

    cores = asked(girin, user, served)["cores"]
    clients = [threading.Thread(target=ask) for _ in range(2 * cores)]
    for c in clients:
        c.start()
    try:
        end = time.monotonic() + 60
        while True:
            scheduler = asked(girin, user, served)["sched"]
            computing = [w for w in scheduler["workers"] if w["lane"] == "compute"]
            if len(computing) == 1 and len(computing[0]["running"]) == scheduler["slots"] == cores:
                break
            assert time.monotonic() < end, scheduler["workers"]
        told = user.run(girin, "ctl", "status", "--pid", str(served.process.pid))
    finally:
        stop.set()
        for c in clients:
            c.join()
    assert not faults
    assert "free-threaded Python: the threads of a worker compute at once\n" in told and f"computing {cores} of {cores} at once" in told


@pytest.mark.parametrize("when", ["imported", "later"])
def test_a_module_that_turns_the_gil_on_is_noticed(user: User, env: Path, when: str) -> None:
    """CPython's own module without the slot that says that it needs no GIL."""
    source = APP + "\n" + ("import _testsinglephase\n" if when == "imported" else "") + (
        "\nplain = app\ndef app(environ, start_response):\n    if environ['PATH_INFO'] == '/turn':\n        import _testsinglephase\n    return plain(environ, start_response)\n")
    served = user.serve(env / "bin" / "girin", "app:app", "-b", "{bind}", "-k", "auto", "-w", "1", cwd=user.app(source=source))

    def parallel() -> bool:
        return any(w["parallel"] for w in asked(env / "bin" / "girin", user, served)["sched"]["workers"])

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
