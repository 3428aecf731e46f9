"""FastAPI, Starlette, Quart and Django's Channels, as their users start them: girin finds out what they are."""
import dataclasses
import sys
import threading
import time
from pathlib import Path

import pytest

import asgi_server
import servers
from waiting import until

sys.path.insert(0, str(Path(__file__).parent / "faults"))
import raw  # noqa: E402


@pytest.fixture(scope="module", params=["fastapi", "starlette", "quart", "channels"])
def framework(request):
    server = dataclasses.replace(servers.girin_auto("--log-level", "info"), setting="auto")
    with servers.running(server, f"frameworks:{request.param}()", asgi_server.APPS) as run:
        yield asgi_server.Served(run)


def test_it_answers(framework):
    assert framework.get("/").json() == {"hello": "world"}
    assert framework.get("/nothing").status_code == 404


@pytest.mark.parametrize("size", [0, 10, 100_000, 2_000_000])
def test_an_upload(framework, size):
    with framework.client() as client:
        assert client.post("/upload", content=b"x" * size).json() == {"total": size}
        assert client.post("/upload", content=iter([b"x" * size])).json() == {"total": size}


def test_a_stream(framework):
    assert framework.text("/stream") == "0\n1\n2\n3\n4\n"


def test_a_fault_is_a_500(framework):
    assert framework.get("/fails").status_code == 500
    assert framework.get("/").status_code == 200


# What FastAPI's users do.


@pytest.fixture(scope="module", params=asgi_server.LOOPS)
def fastapi(request):
    with asgi_server.serving("--asgi-loop", request.param, "--asgi-disconnect-grace-period", "1", app="frameworks:fastapi()") as served:
        yield served


def test_blocking_endpoints_run_beside_each_other(fastapi):
    began, threads = time.monotonic(), []
    for _ in range(10):
        threads.append(threading.Thread(target=fastapi.get, args=("/blocking",)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 2.5  # 3 s one after the other


def test_the_answer_does_not_wait_for_background_tasks(fastapi):
    with fastapi.client() as client:
        client.get("/")
        began = time.monotonic()
        assert client.get("/background").json() == {"answered": True}
        assert time.monotonic() - began < 0.4
    until(lambda: "background" in fastapi.seen())


def test_a_file(fastapi):
    assert fastapi.get("/file").content == (asgi_server.APPS / "frameworks.py").read_bytes()


def test_a_middleware_that_runs_the_app_in_a_task():
    with asgi_server.serving(app="frameworks:marked()") as served:
        answer = served.get("/stream")
        assert answer.headers["x-marked"] == "yes" and answer.text.endswith("4\n")
        s = raw.connect(served.port)
        s.sendall(raw.head("/endless"))
        s.recv(1000)
        s.close()
        until(lambda: "endless ended" in served.seen(), 5)


@pytest.mark.parametrize("path, begins, ends", [("/endless", None, "endless ended"), ("/watch", "watches", "disconnected")])
def test_a_client_that_leaves(fastapi, path, begins, ends):
    before = fastapi.seen().count(ends)
    s = raw.connect(fastapi.port)
    s.sendall(raw.head(path))
    if begins:
        until(lambda: begins in fastapi.seen())
    else:
        s.recv(1000)
    s.close()
    until(lambda: fastapi.seen().count(ends) > before, 5)
