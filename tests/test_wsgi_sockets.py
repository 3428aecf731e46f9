"""WebSockets of WSGI apps, by the libraries that they use, in each class that can hold them, in clear text and by TLS."""
import contextlib
import dataclasses
import os
import queue
import re
import signal
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import servers
import socketio
from websockets.exceptions import ConnectionClosed, InvalidStatus

from asgi_server import Served, by_tls, make_certificate
from h2bridge import bridged
from test_websocket import end_of, open_socket
from waiting import until

APPS = Path(__file__).parent / "apps" / "wsgi_sockets"
CLASSES = {"gthread": ["-k", "gthread", "-w", "1", "--threads", "8"], "gevent": ["-k", "gevent", "-w", "1"], "auto": []}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@contextlib.contextmanager
def serving(kind, transport="clear", certificate=None, app="sockets:app", options=(), env=None):
    command = [*CLASSES[kind], "--log-level", "info", "--access-logfile", "-", *options]
    if transport != "clear":
        command += ["--certfile", str(certificate / "cert.pem"), "--keyfile", str(certificate / "key.pem")]
    if transport == "h2":
        command += ["--http-protocols", "h2,h1"]
    server = dataclasses.replace(servers.girin_auto(*command), setting=f"{kind} {transport}")
    first = by_tls if transport != "clear" else servers.await_answer
    with servers.running(server, app, APPS, env, answers=first) as run:
        served = Served(run, transport)
        with bridged(run.port) if transport == "h2" else contextlib.nullcontext() as served.bridge:
            yield served


@pytest.fixture(scope="module", params=[(k, t) for k in CLASSES for t in ("clear", "tls", "h2")], ids="-".join)
def served(request, certificate):
    kind, transport = request.param
    with serving(kind, transport, certificate) as s:
        s.kind = kind
        yield s


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_messages(served, compression):
    with open_socket(served, "/echo", compression=compression) as ws:
        for message in ["hello", "한국", b"\0\xff", b"x" * 300_000, "é" * 100_000]:
            ws.send(message)
            assert ws.recv(timeout=20) == message
        ws.send(["in ", "three ", "fragments"])
        assert ws.recv(timeout=10) == "in three fragments"


def test_codes(served):
    for word, code in [("close", 4001), ("return", 1000), ("raise", 1011)]:
        with open_socket(served, "/echo") as ws:
            ws.send(word)
            assert end_of(ws).code == code
    with open_socket(served, "/echo") as ws:
        ws.close(4002, "enough")
        assert ws.close_code == 4002
    until(lambda: re.search(r'"GET /echo HTTP/[12].[01]" 101 0 .*\n(.*\n)*.*"GET /echo HTTP/[12].[01]" 4001 ', served.log()), 5)


def test_an_app_that_answers_otherwise(served):
    with pytest.raises(InvalidStatus) as e:
        open_socket(served, "/plain")
    assert e.value.response.status_code == 403 and bytes(e.value.response.body) == b"not here"
    with served.client() as client:
        asking = {"Connection": "Upgrade", "Upgrade": "websocket"} if served.transport != "h2" else {}
        for _ in range(3):  # on one connection
            assert client.get("/plain", headers=asking).status_code == (403 if asking else 400)
        assert client.get("/").text == "hello\n"


def test_gunicorns_way(served):
    with open_socket(served, "/gunicorn", subprotocols=["a", "b"]) as ws:
        assert ws.subprotocol == "b"
        ws.send("hello")
        assert ws.recv(timeout=10) == "hello"
        assert end_of(ws).code == 1000
    assert "StopIteration" not in served.log()


def test_the_app_sees_its_client_leave(served):
    def ends():
        return served.log().count("/echo ended")

    before = ends()
    ws = open_socket(served, "/echo")
    ws.send("hello")
    ws.recv(timeout=10)
    ws.socket.shutdown(socket.SHUT_RDWR)
    until(lambda: ends() == before + 1, 10)
    ws = open_socket(served, "/echo")
    ws.close()
    until(lambda: ends() == before + 2, 10)


def test_neither_end_is_read_faster_than_the_other(served):
    with open_socket(served, "/flood", compression=None, max_queue=1) as ws:
        time.sleep(0.5)
        for _ in range(64):
            assert len(ws.recv(timeout=20)) == 1 << 20
        assert end_of(ws).code == 1000
    with open_socket(served, "/deaf", compression=None) as ws:
        for _ in range(400):
            ws.send(b"x" * 65536)
        assert ws.recv(timeout=30) == "all came"


def test_many_at_once_and_pages_beside_them(served):
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(served.client())
        count = 6 if served.kind == "gthread" else 40
        open_ones = [stack.enter_context(open_socket(served, "/echo")) for _ in range(count)]
        for i, ws in enumerate(open_ones):
            ws.send(str(i))
        for i, ws in enumerate(open_ones):
            assert ws.recv(timeout=20) == str(i)
            assert client.get("/").text == "hello\n"


def test_a_socket_outlives_the_timeout(certificate):
    for kind in CLASSES:
        with serving(kind, options=["--timeout", "1"]) as s, open_socket(s, "/echo") as ws:
            ws.send("hello")
            ws.recv(timeout=5)
            time.sleep(2.5)
            ws.send("again")
            assert ws.recv(timeout=5) == "again"


@pytest.mark.parametrize("kind", CLASSES)
def test_reload_and_stop_tell_the_client_to_come_again(kind, certificate):
    with serving(kind, "tls", certificate, options=["--ws-drain", "0.5", "--graceful-timeout", "10"]) as s:
        quiet, moving = open_socket(s, "/echo"), open_socket(s, "/clock")
        moving.recv(timeout=5)
        s.run.process.send_signal(signal.SIGHUP)
        assert end_of(quiet).code == 1012
        assert end_of(moving).code == 1012
        quiet, moving = open_socket(s, "/echo"), open_socket(s, "/clock")
        moving.recv(timeout=5)
        began = time.monotonic()
        s.run.process.send_signal(signal.SIGTERM)
        assert end_of(quiet).code == 1012
        assert end_of(moving).code == 1012
        assert s.run.process.wait(10) == 0
        assert time.monotonic() - began < 8


@pytest.mark.parametrize("kind", CLASSES)
def test_a_dead_worker(kind):
    with serving(kind) as s:
        with open_socket(s, "/echo") as ws:
            ws.send("hello")
            ws.recv(timeout=5)
            for pid in s.run.children:
                os.kill(pid, signal.SIGKILL)
            began = time.monotonic()
            assert end_of(ws).code == 1011
            assert time.monotonic() - began < 1


def test_nothing_is_left(certificate):
    """Clients that leave at every step leave no descriptor, no thread that is held and no call."""
    for kind in ("gthread", "gevent"):
        with serving(kind, "tls", certificate) as s:
            def some(count):
                for _ in range(count):
                    threads = [threading.Thread(target=leave_at_each_step, args=(s,)) for _ in range(4)]
                    for t in threads:
                        t.start()
                    for t in threads:
                        t.join()

            some(1)
            until(lambda: s.log().count("/echo ended") >= 1, 10)
            s.text("/")
            held = descriptors(s)
            some(3)
            until(lambda: s.text("/") and descriptors(s) <= held + 5, 20, "descriptors are left")


def descriptors(s) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in [s.run.process.pid, *s.run.children])


def leave_at_each_step(s) -> None:
    for step in range(4):
        with contextlib.suppress(ConnectionClosed, OSError):
            ws = open_socket(s, "/clock" if step == 3 else "/echo", compression=None)
            if step > 0:
                ws.send("hello")
            if step > 1:
                ws.recv(timeout=5)
            ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            ws.socket.close()


def test_the_websocket_of_gevent_websocket(certificate):
    for transport in ("clear", "tls", "h2"):
        with serving("gevent", transport, certificate, app="geventsockets:app") as s:
            for compression in (None, "deflate"):  # which it does not know
                with open_socket(s, "/echo", compression=compression) as ws:
                    for message in ["hello", "한국", b"x" * 200_000]:
                        ws.send(message)
                        assert ws.recv(timeout=10) == message
            with open_socket(s, "/echo") as ws:
                ws.send("raise")
                assert end_of(ws).code == 1011
            with pytest.raises(InvalidStatus):  # which did not look at the object
                open_socket(s, "/other")
            assert s.text("/") == "hello\n"


@pytest.mark.parametrize(("kind", "mode"), [("gthread", "threading"), ("gevent", "gevent")])
def test_socket_io(kind, mode):
    """By polling and by a WebSocket; what one client says all hear."""
    options = ["--threads", "32"] if kind == "gthread" else ["-w", "1"]
    with serving(kind, app="chat:app", options=options, env={"SOCKETIO_MODE": mode}) as s:
        with contextlib.ExitStack() as stack:
            heard = [joined(stack, s, ["websocket"]) for _ in range(4)] + [joined(stack, s, ["polling", "websocket"])]
            heard[0].client.emit("shout", "hello")
            for one in heard:
                assert one.queue.get(timeout=10) == "HELLO"
                assert one.client.transport() == "websocket"
        until(lambda: s.seen().count("disconnect") == 5, 10, "the app was not told of each end")
        assert "Traceback" not in s.log()


def joined(stack, s, transports):
    one = SimpleNamespace(client=socketio.Client(), queue=queue.Queue())
    one.client.on("heard", one.queue.put)
    one.client.connect(s.run.url, transports=transports, wait_timeout=10)
    stack.callback(one.client.disconnect)
    return one
