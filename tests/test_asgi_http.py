"""ASGI's HTTP on a live server: both loops, in the clear, by TLS and HTTP/2, the shim in C and in Python."""
import itertools
import socket
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

import asgi_server
from waiting import until

sys.path.insert(0, str(Path(__file__).parent / "faults"))
import raw  # noqa: E402

C, PYTHON = "C", "Python"
COMBINATIONS = [("asyncio", "clear", C), ("asyncio", "clear", PYTHON), ("uvloop", "clear", C), ("uvloop", "tls", C), ("asyncio", "h2", PYTHON), ("uvloop", "h2", C)]
FILE = bytes(range(256)) * 1000


@pytest.fixture(scope="module", params=COMBINATIONS, ids="-".join)
def server(request, tmp_path_factory):
    loop, transport, shim = request.param
    folder = tmp_path_factory.mktemp("asgi")
    (folder / "file.bin").write_bytes(FILE)
    options = ["--asgi-loop", loop, "--asgi-disconnect-grace-period", "1", "--timeout", "3"]
    options += ["--no-accelerator"] if shim == PYTHON else []
    with asgi_server.serving(*options, transport=transport, env={"FILE": str(folder / "file.bin")}, certificate=asgi_server.make_certificate(folder)) as served:
        assert (loop == "uvloop") == ("uvloop" in served.text("/loop"))
        yield served


def new(server, before):
    """What the app has seen since."""
    return server.seen()[len(before):]


# The scope.


def test_scope(server):
    scope = server.get("/scope?a=b&c=%20", headers={"X-Case": "Kept", "Cookie": "a=1"}).json()
    assert scope["type"] == "'http'" and scope["method"] == "'GET'" and scope["path"] == "'/scope'"
    assert scope["raw_path"] == "b'/scope'" and scope["query_string"] == "b'a=b&c=%20'"
    assert scope["http_version"] == ("'2'" if server.transport == "h2" else "'1.1'")
    assert scope["scheme"] == ("'http'" if server.transport == "clear" else "'https'")
    assert scope["server"] == f"('127.0.0.1', {server.port})" and scope["client"].startswith("('127.0.0.1', ")
    assert "'spec_version': '2.3'" in scope["asgi"] and scope["root_path"] == "''"
    assert "(b'x-case', b'Kept')" in scope["headers"] and "(b'cookie', b'a=1')" in scope["headers"]
    assert f"(b'host', b'127.0.0.1:{server.port}')" in scope["headers"]
    assert "counter" in scope["state"] and "started" in scope["state"]


def test_state_is_a_copy_of_what_lifespan_has_put_there(server):
    first, names = server.get("/state").json()
    second, again = server.get("/state").json()
    assert second == first + 1 and names == again == ["counter", "own", "started"]


def test_what_an_app_changes_in_its_scope_is_its_own(server):
    server.get("/state")
    assert "own" not in server.get("/scope").json()["asgi"]


# Bodies of requests.


@pytest.mark.parametrize("size", [0, 1, 1000, 70_000, 3_000_000])
def test_an_upload(server, size):
    with server.client() as client:
        for _ in range(3):
            assert client.post("/count", content=b"x" * size).json()["total"] == size
        pieces = itertools.repeat(b"x" * 1000, size // 1000)
        told = client.post("/count", content=pieces).json()
        assert told["total"] == size // 1000 * 1000 and told["largest"] <= 1 << 20


def test_two_tasks_that_receive(server):
    def pieces():
        for _ in range(10):
            yield b"x" * 1000
            time.sleep(0.02)

    with server.client(timeout=3) as client:
        assert client.post("/two_readers", content=pieces()).json()["total"] == 10_000


def test_an_echo_of_parts(server):
    body = bytes(range(250)) * 4000
    with server.client() as client:
        assert client.post("/echo", content=body).content == body


def test_back_pressure_on_an_upload(server):
    """50 MB to an app that reads slowly: most of it stays with the client."""
    if server.transport == "clear":
        with raw.connect(server.port) as s:
            s.sendall(raw.head("/count?slowly=1", "Content-Length: 50000000", method="POST"))
            s.settimeout(0.5)
            sent = 0
            began = time.monotonic()
            while time.monotonic() - began < 1.5:
                try:
                    sent += s.send(b"x" * 100_000)
                except TimeoutError:
                    break
            assert sent < 40_000_000
            raw.reset(s)
    with server.client() as client:
        assert client.post("/count?slowly=1", content=b"x" * 2_000_000).json()["total"] == 2_000_000


def test_an_answer_without_reading_the_body(server):
    with server.client() as client:
        answer = client.post("/refuse", content=b"x" * 100)
        assert answer.status_code == 413
    if server.transport == "clear":
        with raw.connect(server.port) as s:
            s.sendall(raw.head("/refuse", "Content-Length: 3000000", "Expect: 100-continue", method="POST"))
            assert raw.read_to_end(s).status == 413  # and no 100 before it


def test_a_body_that_is_asked_for_after_the_answer(server):
    before, pid = server.seen(), server.text("/pid")
    with server.client() as client:
        assert client.post("/refuse?then=1", content=b"x" * 1_000_000).status_code == 413
    until(lambda: new(server, before), 5)
    assert new(server, before) == ["after the answer http.disconnect"]
    assert server.text("/pid") == pid and "is ended for" not in server.log()


def test_a_body_that_is_read_when_its_answer_has_begun(server):
    before = server.text("/pid")
    with server.client() as client:
        assert client.post("/answers_first", content=b"x" * 3_000_000).content == b"early 3000000"
    if server.transport == "clear":
        with raw.connect(server.port) as s:
            s.sendall(raw.head("/answers_first", "Content-Length: 10", "Expect: 100-continue", method="POST"))
            came = b""
            while b"early" not in came:
                came += s.recv(1000)
            time.sleep(0.1)
            s.sendall(b"x" * 10)
            while piece := s.recv(1000):
                came += piece
            assert came.startswith(b"HTTP/1.1 200 ") and b" 10\r\n" in came and b"100 Continue" not in came
    assert server.text("/pid") == before


def test_100_continue_comes_with_the_first_receive(server):
    if server.transport == "h2":
        return
    with connect(server) as s:
        s.sendall(raw.head("/count", "Content-Length: 10", "Expect: 100-continue", "Connection: close", method="POST"))
        assert s.recv(100).startswith(b"HTTP/1.1 100 ")
        s.sendall(b"x" * 10)
        assert b'"total": 10' in raw.read_to_end(s).body


def connect(server):
    s = raw.connect(server.port)
    if server.transport == "clear":
        return s
    import ssl

    context = ssl._create_unverified_context()
    return context.wrap_socket(s)


# Answers.


def test_an_answer_of_many_parts(server):
    with server.client() as client, client.stream("GET", "/large?size=5000000") as answer:
        assert sum(map(len, answer.iter_raw())) == 5_000_000


def test_a_download_waits_for_its_reader(server):
    """An app cannot send 100 MB to a client that does not read."""
    with server.client() as client:
        with client.stream("GET", "/large?size=200000000") as answer:
            next(answer.iter_raw(1000))
            time.sleep(0.7)
            at = server.seen()[0]
            time.sleep(0.3)
            assert server.seen()[0] - at < 1000  # of 2000


def test_a_head_without_a_body_goes_out_alone(server):
    with server.client() as client:
        began = time.monotonic()
        with client.stream("GET", "/late?t=1") as answer:
            took = time.monotonic() - began
            assert answer.headers["x-late"] == "yes" and took < 0.8
            assert answer.read() == b"body"


@pytest.mark.parametrize("code", [204, 304])
def test_statuses_without_a_body(server, code):
    with server.client() as client:
        for _ in range(2):
            answer = client.get(f"/status?code={code}")
            assert answer.status_code == code and answer.content == b""


def test_head(server):
    with server.client() as client:
        for _ in range(2):
            answer = client.head("/status?code=200&length=1")
            assert answer.status_code == 200 and answer.content == b"" and answer.headers["content-length"] == "5"


def test_an_unusual_status(server):
    assert server.get("/status?code=299").status_code == 299


def test_early_hints(server):
    if server.transport == "h2":
        assert server.text("/early") == "late"  # that client takes them and does not show them
        return
    with connect(server) as s:
        s.sendall(raw.head("/early", "Connection: close"))
        answer = raw.read_to_end(s).data
    assert answer.startswith(b"HTTP/1.1 103 ") and answer.lower().count(b"link: <") == 2 and answer.endswith(b"late")


def test_pathsend(server):
    with server.client() as client:
        for _ in range(3):
            assert client.get("/path").content == FILE


def test_zerocopysend(server):
    with server.client() as client:
        for _ in range(3):
            assert client.get("/zero").content == FILE[10:30] + b"|" + FILE[:10] + FILE[100:]


# Apps that are wrong.


WRONG = {"unknown": 500, "body first": 500, "twice": 500, "status": 500, "low": 500, "header": 500, "split": 500, "text": 500, "str": 500, "pipe": 500}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_against_the_specification_raises(server, kind):
    before = server.seen()
    assert server.get(f"/wrong?kind={kind}").status_code == 500
    said, = new(server, before)
    assert said.startswith(f"{kind}: ") and said != f"{kind}: nothing was raised"


@pytest.mark.parametrize("sends", [5, 15])
def test_a_content_length_that_is_a_lie(server, sends):
    with server.client() as client:
        assert client.get(f"/lies?sends={sends}").status_code == 500
        assert client.get("/lies?sends=10").content == b"x" * 10


def test_an_exception_before_the_head_is_a_500(server):
    with server.client() as client:
        assert client.get("/fails?when=before").status_code == 500
        assert client.get("/").text == "hello"
    assert "RuntimeError: the app fails" in server.log()


def test_an_exception_after_the_head_cuts_the_answer(server):
    with pytest.raises(httpx.RemoteProtocolError), server.client() as client:
        client.get("/fails?when=after")


def test_an_app_that_answers_nothing(server):
    assert server.get("/nothing").status_code == 500
    until(lambda: "the app returned without an answer" in server.log())


@pytest.mark.parametrize("waits", [0, 0.2])
@pytest.mark.parametrize("method, query", [("GET", "code=204"), ("GET", "code=304"), ("GET", "code=200&length=0"), ("HEAD", "code=200&length=7")])
def test_a_head_that_is_the_whole_answer_is_one_without_a_body_message(server, method, query, waits):
    """As other servers answer. The log says what is missing."""
    with server.client() as client:
        for _ in range(2):
            answer = client.request(method, f"/only_a_head?{query}&waits={waits}")
            assert answer.status_code == int(query[5:8]) and answer.content == b""
            assert method == "GET" or answer.headers["content-length"] == "7"
    until(lambda: "the app returned before its answer was complete" in server.log())


@pytest.mark.parametrize("query", ["code=200", "code=200&length=7"])
def test_a_head_to_which_a_body_belongs_is_none(server, query):
    assert server.get(f"/only_a_head?{query}").status_code == 500


def test_a_body_that_is_none_is_empty(server):
    answer = server.get("/no_body")
    assert answer.status_code == 200 and answer.content == b""


def test_an_app_may_close_the_connection(server):
    if server.transport == "h2":
        assert server.text("/closes") == "bye"  # of one stream it says nothing
        return
    with connect(server) as s:
        s.sendall(raw.head("/closes"))
        answer = raw.read_to_end(s).data
    assert b"\r\nConnection: close\r\n" in answer and answer.endswith(b"bye")


# Tasks.


def test_the_answer_is_out_before_a_background_task_ends(server):
    before = server.seen()
    with server.client() as client:
        for _ in range(2):
            assert client.get("/background").text == "answered"
        assert new(server, before) == []
        client.get("/let_go")
    until(lambda: new(server, before) == ["background task"] * 2)


def test_each_request_has_its_own_context(server):
    answers = {}

    def ask(value):
        answers[value] = server.get(f"/context?value={value}").json()

    threads = [threading.Thread(target=ask, args=(str(i),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {str(i): ["", str(i)] for i in range(8)}


# Clients that leave.


def leave(server, path):
    """Asks, waits until the app has begun, and leaves."""
    before = server.seen()
    client = server.client()
    stop = threading.Event()

    def ask():
        try:
            with client.stream("GET", path) as answer:
                for _ in answer.iter_raw(1000):
                    if stop.is_set():
                        break
        except Exception:
            pass  # closed under its feet

    if server.transport == "h2":
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        until(lambda: new(server, before))
        stop.set()
        for connection in client._transport._pool.connections:
            connection._connection._network_stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        thread.join(5)
        return
    s = connect(server)
    s.sendall(raw.head(path))
    until(lambda: new(server, before))
    s.close()


def test_a_client_that_leaves_is_told_to_who_waits_for_it(server):
    before = server.seen()
    leave(server, "/wait")
    until(lambda: new(server, before)[-1:] == ["ended by itself"])
    assert new(server, before) == ["waits", "disconnect", "ended by itself"]


def test_who_goes_on_after_its_client_has_left_is_cancelled(server):
    before, logged = server.seen(), len(server.log())
    leave(server, "/wait?on=30")
    took = until(lambda: new(server, before)[-1:] == ["cancelled"], 10)
    assert 0.5 < took < 8 and "Traceback" not in server.log()[logged:]


def test_an_endless_stream_ends_with_its_client(server):
    before = server.seen()
    leave(server, "/endless")
    began = time.monotonic()
    assert server.get("/").text == "hello" and time.monotonic() - began < 1
    until(lambda: new(server, before)[-1:] == ["endless was cancelled"], 10)


def test_many_leave_at_any_moment(server):
    for i in range(40):
        s = connect(server)
        s.sendall(raw.head(["/ticks", "/large?size=1000000", "/sleep?t=0.01", "/wait"][i % 4]) if server.transport != "h2" else b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        time.sleep(0.002 * (i % 7))
        s.close()
    assert server.get("/").text == "hello"


# Time.


def test_who_takes_too_long_gets_a_504_and_its_task_is_cancelled(server):
    before = server.seen()
    pid = server.text("/pid")
    assert server.get("/sleep?t=60").status_code == 504
    until(lambda: "sleep was cancelled" in new(server, before), 10)
    assert server.text("/pid") == pid  # the worker lives on
