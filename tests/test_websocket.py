"""WebSockets of ASGI apps: a client that others wrote, in clear text, by TLS and over HTTP/2 (by h2bridge), on both loops."""
import contextlib
import os
import re
import signal
import socket
import ssl
import threading
import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from asgi_server import LOOPS, make_certificate, serving
from h2bridge import bridged
from waiting import until


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module", params=[(t, loop) for t in ("clear", "tls", "h2") for loop in LOOPS], ids="-".join)
def served(request, certificate):
    transport, loop = request.param
    with serving("-w", "1", "--asgi-loop", loop, "--access-logfile", "-", transport=transport, app="sockets:app", certificate=certificate) as s:
        with bridged(s.port) if transport == "h2" else contextlib.nullcontext() as s.bridge:
            yield s


def open_socket(served, path, **more):
    context = None
    if served.transport == "tls":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        # The client writes on one thread and reads on another. Up to Python 3.12 that ends now and then with
        # an internal error of OpenSSL's where something comes meanwhile, as TLS 1.3's tickets do.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    scheme = "wss" if context else "ws"
    port = served.bridge.port if served.transport == "h2" else served.port
    return connect(f"{scheme}://127.0.0.1:{port}{path}", ssl=context, max_size=None, **more)


def end_of(ws):
    """The close frame that the server sends."""
    with pytest.raises(ConnectionClosed) as e:
        while True:
            ws.recv(timeout=10)
    return e.value.rcvd


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_messages(served, compression):
    with open_socket(served, "/echo", compression=compression, subprotocols=["a", "b"]) as ws:
        assert ws.subprotocol == "b" and ws.response.headers["x-app"] == "yes"
        assert ("Sec-WebSocket-Extensions" in ws.response.headers) == (compression is not None)
        for message in ["", "hello", "한국", b"", b"\0\xff", os.urandom(70_000), b"x" * 1_000_000, "é" * 3_000_000, os.urandom(5_000_000)]:
            ws.send(message)
            assert ws.recv(timeout=20) == message
        ws.send(["in ", "three ", "fragments"])
        assert ws.recv(timeout=10) == "in three fragments"


def test_many_in_flight_keep_their_order(served):
    with open_socket(served, "/echo") as ws:
        def send():
            for n in range(5_000):
                ws.send(str(n))

        sender = threading.Thread(target=send)
        sender.start()
        assert [int(ws.recv(timeout=10)) for _ in range(5_000)] == list(range(5_000))
        sender.join()


def test_codes_and_reasons(served):
    with open_socket(served, "/echo") as ws:
        ws.send("close")
        end = end_of(ws)
        assert (end.code, end.reason) == (4001, "b" * 123)
    with open_socket(served, "/raise") as ws:
        assert end_of(ws).code == 1011
    with open_socket(served, "/number") as ws, pytest.raises(ConnectionClosed) as e:
        ws.recv(timeout=10)
    assert e.value.rcvd.code == 1011
    with open_socket(served, "/return") as ws:
        assert end_of(ws).code == 1000
    with open_socket(served, "/echo") as ws:
        ws.close(4002, "enough")
    until(lambda: "(4002, 'enough')" in served.text("/"), 5)
    ws = open_socket(served, "/echo")
    ws.socket.shutdown(socket.SHUT_RDWR)  # without a close frame
    until(lambda: "(1006, '')" in served.text("/"), 5)
    until(lambda: re.search(r'"GET /echo HTTP/[12].[01]" 101 0 .*\n(.*\n)*.*"GET /echo HTTP/[12].[01]" 4002 0 ', served.log()), 5)


def test_what_an_app_does_with_a_socket_that_is_closed(served):
    worker = served.run.children
    with open_socket(served, "/echo") as ws:
        ws.send("close")  # and it receives again
        assert end_of(ws).code == 4001
    until(lambda: "(4001, " in served.text("/"), 5)
    with open_socket(served, "/tasks", compression=None, max_queue=1) as ws:
        time.sleep(0.5)
        assert end_of(ws).code == 1000
    until(lambda: "('send', 'Disconnected')" in served.text("/") and "('receive', 1000)" in served.text("/"), 5)
    assert served.run.children == worker and "is ended for" not in served.log()


def test_denials(served):
    for path, status, body in [("/refuse", 403, b""), ("/deny", 429, b"too many"), ("/raise_early", 500, None)]:
        with pytest.raises(InvalidStatus) as e:
            open_socket(served, path)
        assert e.value.response.status_code == status
        if body is not None:
            assert bytes(e.value.response.body) == body


def test_a_client_that_leaves_before_it_is_accepted_is_told(served):
    with contextlib.suppress(TimeoutError):
        open_socket(served, "/think", open_timeout=0.3, close_timeout=0.1)
    until(lambda: "1006" in served.text("/"), 5)


@pytest.mark.parametrize("loop", LOOPS)
def test_an_app_that_does_not_know_that_its_client_has_left_is_ended(loop):
    with serving("-w", "1", "--asgi-loop", loop, "--timeout", "0", "--asgi-disconnect-grace-period", "1", app="sockets:app") as served:
        for path in "/unaware", "/aware":
            open_socket(served, path).close()
        with open_socket(served, "/busy") as ws:
            for n in range(6):
                ws.send(str(n))
        for line in "unaware, cancelled", "aware, to its end", "busy, 6 messages":
            until(lambda: line in served.text("/"), 20, line)


def test_a_loop_that_computes_answers_pings(served):
    with open_socket(served, "/echo", ping_interval=None) as ws:
        ws.send("block")
        began = time.monotonic()
        assert ws.ping().wait(1)
        assert time.monotonic() - began < 1
        assert ws.recv(timeout=10) == "blocked"


def test_what_is_not_received_makes_the_client_wait(served):
    """64 KiB, not the whole: TCP holds the rest back, and nothing is lost."""
    with open_socket(served, "/deaf", compression=None) as ws:
        total, sent = 400, 0
        def send():
            nonlocal sent
            for _ in range(total):
                ws.send(b"x" * 65536)
                sent += 1

        sender = threading.Thread(target=send)
        sender.start()
        time.sleep(1.5)
        assert sent < total
        for n in range(total):
            assert ws.recv(timeout=20) == str(n + 1)
        sender.join()


def test_a_client_that_does_not_read_makes_the_app_wait(served):
    with open_socket(served, "/flood", compression=None, max_queue=1) as ws:
        time.sleep(1)
        assert served.text("/").count(", 63") == 0 or served.transport != "clear"
        for _ in range(64):
            assert len(ws.recv(timeout=20)) == 1 << 20
        assert end_of(ws).code == 1000


HANDSHAKE = "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n%s\r\n"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


@pytest.mark.parametrize("fields, status", [
    (KEY + "Sec-WebSocket-Version: 13\r\n", 101), (KEY, 426), (KEY + "Sec-WebSocket-Version: 8\r\n", 426),
    ("Sec-WebSocket-Version: 13\r\n", 400), ("Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n", 400),
    (KEY + KEY + "Sec-WebSocket-Version: 13\r\n", 400), (KEY + "Content-Length: 1\r\nSec-WebSocket-Version: 13\r\n", 400),
])
def test_handshakes(plain, fields, status):
    with raw(plain, fields) as s:
        head = s.recv(4096).decode()
        assert head.startswith(f"HTTP/1.1 {status} ")
        assert ("Sec-WebSocket-Version: 13" in head) == (status == 426)
        assert ("Upgrade: websocket\r\nConnection: Upgrade\r\n" in head) == (status in (101, 426))


@pytest.fixture(scope="module")
def plain():
    with serving("-w", "1", "--ws-ping-interval", "1", "--ws-ping-timeout", "1", "--websocket-max-message-size", "100000",
                 app="sockets:app") as s:
        yield s


def raw(served, fields=KEY + "Sec-WebSocket-Version: 13\r\n"):
    s = socket.create_connection(("127.0.0.1", served.port))
    s.settimeout(10)
    s.sendall((HANDSHAKE % fields).encode())
    return s


def masked(first: int, payload: bytes) -> bytes:
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else bytes([0xFE]) + len(payload).to_bytes(2, "big")
    return bytes([first]) + size + bytes(4) + payload


def all_of(s) -> bytes:
    got = b""
    while part := s.recv(65536):
        got += part
    return got.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("frame, code", [
    (masked(0x81, b"\xff"), 1007), (masked(0xC1, b"x"), 1002), (b"\x81\x01x", 1002), (masked(0x83, b""), 1002),
    (b"\x82\xff" + (200_000).to_bytes(8, "big") + bytes(4), 1009), (masked(0x88, b"\x03\xe8bye"), 1000), (masked(0x88, b""), None),
])
def test_the_close_frame_of_the_server(plain, frame, code):
    with raw(plain) as s:
        s.sendall(frame)
        got = all_of(s)
        assert got[0] == 0x88 and (int.from_bytes(got[2:4], "big") if got[1] else None) == code


def test_a_client_that_answers_no_ping_is_closed(plain):
    with raw(plain) as s:
        began = time.monotonic()
        got = all_of(s)  # which ends when the server ends it
        assert got.startswith(b"\x89\x00") and b"\x03\xf3" in got and 1.5 < time.monotonic() - began < 12


def test_requests_go_on_after_a_denial(plain):
    with raw(plain) as s:
        s.close()
    with socket.create_connection(("127.0.0.1", plain.port)) as s:
        s.settimeout(10)
        request = (HANDSHAKE % (KEY + "Sec-WebSocket-Version: 13\r\n")).replace("/echo", "/deny")
        for _ in range(3):
            s.sendall(request.encode())
            got = b""
            while not got.endswith(b"0\r\n\r\n"):
                got += s.recv(4096)
            assert got.startswith(b"HTTP/1.1 429")


def opened(served, count):
    sockets = [open_socket(served, "/echo", compression=None, ping_interval=None) for _ in range(count)]
    sockets[-1].send("x")
    assert sockets[-1].recv(timeout=10) == "x"
    return sockets


def test_a_worker_that_is_killed():
    with serving("-w", "1", app="sockets:app") as served:
        sockets = opened(served, 300)
        worker = served.run.children[0]
        began = time.monotonic()
        os.kill(worker, signal.SIGKILL)
        assert {end_of(ws).code for ws in sockets} == {1011}
        assert time.monotonic() - began < 5
        assert opened(served, 1)


@pytest.mark.parametrize("how", ["HUP", "TERM"])
def test_reload_and_stop_tell_1012(how):
    with serving("-w", "1", "--ws-drain", "1", app="sockets:app") as served:
        sockets = opened(served, 200)
        served.run.process.send_signal(getattr(signal, "SIG" + how))
        began = time.monotonic()
        assert {end_of(ws).code for ws in sockets} == {1012}
        assert time.monotonic() - began < 10
        if how == "HUP":
            assert opened(served, 1)
        else:
            assert served.run.process.wait(15) == 0


def test_max_requests_counts_sockets():
    with serving("-w", "1", "--max-requests", "5", app="sockets:app") as served:
        first = opened(served, 1)[0]
        for _ in range(8):
            with contextlib.suppress(ConnectionClosed):  # the worker's last ones are told at once
                opened(served, 1)[0].close()
        assert end_of(first).code == 1012


def test_nothing_is_left_of_sockets_that_come_and_go():
    with serving("-w", "1", app="sockets:app") as served:
        for _ in range(3):
            for ws in opened(served, 100):
                ws.socket.close()
        worker = served.run.children[0]
        until(lambda: len(os.listdir(f"/proc/{served.run.process.pid}/fd")) < 40, 10)
        assert len(os.listdir(f"/proc/{worker}/fd")) < 40
