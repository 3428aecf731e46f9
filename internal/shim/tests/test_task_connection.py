"""How girin.task reaches girin: one connection for each thread, which is opened anew where it must be."""
from __future__ import annotations

import base64
import gc
import json
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest
from fakejobs import FakeJobs

SHIM = Path(__file__).resolve().parent.parent / "_girin_shim"
sys.path.insert(0, str(SHIM))

from girin.jobs import Job, JobFailed, JobsError, ask  # noqa: E402


class Echo(FakeJobs):
    """Says which job was asked for, a moment later."""

    def answer(self, method: str, path: str):
        if (method, path) in self.answers:
            return super().answer(method, path)
        time.sleep(0.005)
        return 200, {"id": path.rpartition("/")[2], "status": "running"}


@pytest.fixture
def girin(tmp_path, monkeypatch):
    fake = Echo(str(tmp_path / "jobs"))
    monkeypatch.setenv("GIRIN_JOBS", fake.path)
    yield fake
    fake.close()


def python(script: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error::ResourceWarning", "-c", script], env={**os.environ, "PYTHONPATH": str(SHIM)},
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_thread_keeps_one_connection_and_closes_it_with_its_end(girin):
    def three() -> None:
        for id in ("A", "B", "C"):
            assert Job(id).info()["id"] == id

    three()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        thread = threading.Thread(target=three)
        thread.start()
        thread.join()
        gc.collect()
    with girin.came:
        assert girin.came.wait_for(lambda: girin.closed == 1, 20)
    three()
    assert (girin.connections, len(girin.asked)) == (2, 9)


def test_a_closed_connection_is_opened_again_and_nothing_is_handed_over_twice(girin):
    girin.closes = True
    for n in range(1, 4):
        assert ask("POST", "/tasks", {"n": n})[0] == 200
        with girin.came:
            assert girin.came.wait_for(lambda: girin.closed == n, 20)
    assert (girin.connections, [body["n"] for _, _, body in girin.asked]) == (3, [1, 2, 3])


def test_what_was_read_and_not_answered_is_only_asked_again_if_it_hands_nothing_over(girin):
    Job("A").info()
    girin.answers["POST", "/tasks"] = 0, b""
    with pytest.raises(JobsError, match="cannot be reached"):
        ask("POST", "/tasks", {})
    assert [method for method, _, _ in girin.asked] == ["GET", "POST"]
    Job("A").info()
    girin.answers["GET", "/jobs/B"] = [(0, b""), (200, {"status": "done"})]
    assert Job("B").status == "done" and girin.connections == 3


def test_another_place_is_another_connection(girin, tmp_path, monkeypatch):
    Job("A").info()
    other = Echo(str(tmp_path / "other"))
    try:
        monkeypatch.setenv("GIRIN_JOBS", other.path)
        Job("A").info()
        assert (girin.connections, other.connections) == (1, 1)
    finally:
        other.close()


def test_a_forked_process_has_its_own(girin):
    python("""
import os
from girin.jobs import Job
assert Job("A").info()["id"] == "A"
child = os.fork()
assert [Job("BC"[child > 0]).info()["id"] for _ in range(20)] == ["BC"[child > 0]] * 20
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
""")
    assert girin.connections == 2


@pytest.mark.parametrize("patched", ["first", "later"])
def test_greenlets_get_their_own_answers(girin, patched):
    pytest.importorskip("gevent")
    lines = ["from gevent import monkey; monkey.patch_all()", "from girin.jobs import Job"]
    said = python("\n".join(lines if patched == "first" else lines[::-1]) + """
import gevent
ask = lambda i: [Job(f"J{i}").info()["id"] for _ in range(5)]
for _ in range(2):
    all = [gevent.spawn(ask, i) for i in range(20)]
    gevent.joinall(all, raise_error=True)
    assert [one.value for one in all] == [[f"J{i}"] * 5 for i in range(20)]
print("right")
""")
    assert said == "right\n"


def test_a_small_result_needs_no_second_question(girin):
    def ended(status: str, code: int, value: object) -> None:
        girin.answers["GET", "/jobs/A"] = 200, {"status": status, "code": code, "body": base64.b64encode(json.dumps(value).encode()).decode()}

    ended("done", 200, [3])
    assert Job("A").get() == [3]
    ended("failed", 500, {"error": "ValueError: no", "exception": "builtins.ValueError"})
    with pytest.raises(JobFailed, match="ValueError: no") as e:
        Job("A").get()
    assert e.value.exception == "builtins.ValueError"
    assert all(path.startswith("/jobs/A?wait=25.000&result") for _, path, _ in girin.asked) and len(girin.asked) == 2


@pytest.mark.parametrize("answer, said", [
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n", b"abcde"),
    (b"HTTP/1.1 200 OK\r\ncontent-LENGTH:5\r\n\r\nabcde", b"abcde"),
    (b"HTTP/1.0 200 OK\r\n\r\nto its end", b"to its end"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", None),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ncut", None),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n", None),
    (b"HTTP/1.1 200 OK\r\nContent-Len", None),
    (b"220 mail.example.com\r\n", None),
])
def test_answers_of_every_form_are_read_and_others_are_said(tmp_path, monkeypatch, answer, said):
    path = str(tmp_path / "jobs")
    monkeypatch.setenv("GIRIN_JOBS", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked = b""
                while not asked.endswith(b"\r\n\r\n"):
                    asked += connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            if said is None:
                with pytest.raises(JobsError, match="cannot be reached"):
                    ask("GET", "/jobs/A")
            else:
                assert ask("GET", "/jobs/A")[1] == said
        finally:
            thread.join()


def test_a_path_holds_no_other_question(girin):
    with pytest.raises(ValueError, match="no path"):
        ask("GET", "/jobs/A HTTP/1.1\r\nHost: x\r\n\r\n")
    assert girin.asked == []


def test_tasks_bring_nothing_large_into_a_worker():
    assert python("import sys, girin; girin.task; print(*{'asyncio', 'email', 'http.client', 'ssl'} & set(sys.modules))") == "\n"
