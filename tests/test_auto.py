"""The class auto, which is what runs without -w, --threads and -k."""
import contextlib
import json
import os
import signal
import subprocess
import threading
import time

import pytest

import client
import servers
from waiting import until

LATE = 0.5  # a second or more is a fault, less may be other work on the machine


@pytest.fixture
def auto():
    with servers.running(servers.girin_auto("--log-level", "info"), "blocking_flask:app") as run:
        servers.settle(run)
        yield run


def status(run):
    command = [str(servers.GIRIN), "ctl", "status", "--json", "--pid", str(run.process.pid)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def kinds(run):
    return {route["name"]: route["kind"] for route in status(run)["sched"]["routes"]}


@contextlib.contextmanager
def clients(run, count, path):
    """So many clients that ask again and again, until the block ends."""
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            assert client.get(run.port, path).status == 200

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_it_is_the_default_and_learns_what_routes_need(auto):
    assert status(auto)["class"] == "auto"
    for _ in range(20):
        client.get(auto.port, "/")
        client.get(auto.port, "/sleep/0.01")
        client.get(auto.port, "/compute/500000")
    assert kinds(auto) == {"GET /": "light", "GET /sleep/*": "waiting", "GET /compute/*": "computing"}


def test_a_hundred_requests_wait_at_once(auto):
    began = time.monotonic()
    with clients(auto, 100, "/sleep/1"):
        pass
    assert time.monotonic() - began < 2 + LATE  # 64 at first, the others after those


def test_light_requests_are_answered_beside_all_others(auto):
    client.get(auto.port, "/")
    with clients(auto, 6, "/compute/1000000"), clients(auto, 30, "/sleep/0.3"):
        until(lambda: kinds(auto).get("GET /compute/*") == "computing", within=20)
        for _ in range(30):
            began = time.monotonic()
            assert client.get(auto.port, "/").status == 200
            assert time.monotonic() - began < LATE


def test_signals_for_more_and_fewer_workers_are_answered_with_why_not(auto):
    os.kill(auto.process.pid, signal.SIGTTIN)
    until(lambda: "the load decides how many workers there are" in auto.output(), within=20)


def test_a_reload_does_not_change_to_another_class(tmp_path):
    config = tmp_path / "gunicorn.conf.py"
    config.write_text("")
    server = servers.girin_auto("--log-level", "info", "-c", str(config))
    with servers.running(server, "blocking_flask:app") as run:
        config.write_text("worker_class = 'gthread'\nthreads = 2\n")
        os.kill(run.process.pid, signal.SIGHUP)
        until(lambda: "The class stays auto: to change worker_class" in run.output(), within=20)
        assert client.get(run.port, "/").status == 200
