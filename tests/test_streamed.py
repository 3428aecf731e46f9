"""--stream-requests: the app reads a body while it comes, in every worker class."""
import dataclasses
import hashlib
import random
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

import servers

sys.path.insert(0, str(Path(__file__).parent / "faults"))
import raw  # noqa: E402

APP = Path(__file__).parent / "apps" / "streamed"
BODY = random.Random(1).randbytes(3_000_000)
WANT = f"{len(BODY)} {hashlib.sha256(BODY).hexdigest()}".encode()


@pytest.fixture(scope="module")
def server(girin):
    command = (*girin.command[:-1], "--stream-requests", "*", "--timeout", "5", girin.command[-1])
    with servers.running(dataclasses.replace(girin, command=command), "main:application", APP) as running:
        yield running


def chunked(body, size):
    for at in range(0, len(body), size):
        piece = body[at:at + size]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def read_answer(s, file=None):
    """One answer with a Content-Length: its head and its body."""
    file = file or s.makefile("rb")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = file.readline()
        assert line, head
        head += line
    length = int(head.lower().split(b"content-length:")[1].split()[0])
    return head, file.read(length)


@pytest.mark.parametrize("fields", [("Content-Length: 3000000",), ("Transfer-Encoding: chunked",)], ids=["length", "chunks"])
def test_the_body_is_whole_and_the_connection_goes_on(server, fields):
    with raw.connect(server.port) as s:
        for _ in range(3):
            s.sendall(raw.head("/", *fields, method="POST"))
            for piece in chunked(BODY, 50_000) if "chunked" in fields[0] else [BODY]:
                s.sendall(piece)
            head, body = read_answer(s)
            assert body == WANT and b"connection: close" not in head.lower()


def test_two_requests_in_one_packet(server):
    body = b"x" * 100_000
    with raw.connect(server.port) as s:
        request = raw.head("/", "Transfer-Encoding: chunked", method="POST") + b"".join(chunked(body, 70_000))
        s.sendall(request + raw.head("/left"))
        file = s.makefile("rb")  # which may read both at once
        assert read_answer(s, file)[1].startswith(b"100000 ")
        assert read_answer(s, file)[0].startswith(b"HTTP/1.1 200")


def test_100_continue_comes_with_the_first_read(server):
    with raw.connect(server.port) as s:
        s.sendall(raw.head("/", "Content-Length: 3000000", "Expect: 100-continue", method="PUT"))
        assert s.recv(100).startswith(b"HTTP/1.1 100 ")
        s.sendall(BODY)
        assert read_answer(s)[1] == WANT


def test_who_is_refused_sends_no_body(server):
    with raw.connect(server.port) as s:
        s.sendall(raw.head("/refuse", "Content-Length: 3000000", "Expect: 100-continue", method="PUT"))
        answer = raw.read_to_end(s)
    assert answer.status == 401 and b"connection: close" in answer.head and b"100 continue" not in answer.head


def test_an_answer_before_the_end_of_the_body_arrives(server):
    """The client goes on sending for a while, and still sees the answer."""
    with raw.connect(server.port) as s:
        s.sendall(raw.head("/some", "Content-Length: 3000000", method="POST") + BODY[:150_000])
        head, body = read_answer(s)
    assert body.startswith(b"1000 ") and b"connection: close" in head.lower()


def test_the_app_reads_while_the_client_sends(server):
    """A body that takes longer than --timeout is no fault while it moves."""
    with raw.connect(server.port) as s:
        s.sendall(raw.head("/", "Content-Length: 140000", method="POST"))
        for _ in range(14):
            s.sendall(b"x" * 10_000)
            time.sleep(0.45)
        assert read_answer(s)[1].startswith(b"140000 ")


def test_a_client_that_leaves_is_told_to_the_app(server):
    before, began = left(server), begun(server)
    s = raw.connect(server.port)
    s.sendall(raw.head("/", "Content-Length: 3000000", method="POST") + BODY[:200_000])
    raw.until(lambda: begun(server) > began, 10, "the app reads")
    raw.reset(s)
    raw.until(lambda: left(server) > before, 10, "the app was told")


def left(server):
    """How many clients left, as far as the app knows."""
    return server.output().count("a client left in its body")


def begun(server):
    """Of how many bodies the app has read something."""
    return server.output().count("a body has begun")


def test_a_body_that_ends_too_early_is_refused(server):
    began = begun(server)
    with raw.connect(server.port) as s:
        s.sendall(raw.head("/", "Content-Length: 3000000", method="POST") + BODY[:200_000])
        raw.until(lambda: begun(server) > began, 10, "the app reads")
        s.shutdown(socket.SHUT_WR)
        assert raw.read_to_end(s).status == 400


def test_chunks_that_are_none_are_refused(server):
    with raw.connect(server.port) as s:
        s.sendall(raw.head("/", "Transfer-Encoding: chunked", method="POST") + b"10000\r\n" + b"x" * 65536 + b"\r\nzz\r\n")
        assert raw.read_to_end(s).status == 400


def test_many_leave_at_any_moment_and_nothing_hangs(server):
    randomness = random.Random(2)

    def leave():
        for _ in range(25):
            s = raw.connect(server.port)
            s.sendall(raw.head("/", "Transfer-Encoding: chunked", method="POST"))
            if sent := randomness.randrange(120_000):
                s.sendall(b"%x\r\n" % 200_000 + BODY[:sent])
            time.sleep(randomness.random() * 0.01)
            raw.reset(s)

    threads = [threading.Thread(target=leave) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    test_the_body_is_whole_and_the_connection_goes_on(server, ("Content-Length: 3000000",))


def test_a_body_that_is_read_after_the_answer(server):
    """Nobody brings it any more; the worker stays."""
    with raw.connect(server.port) as s:
        s.sendall(raw.head("/late", "Content-Length: 3000000", method="POST"))
        assert read_answer(s)[1] == b"none"
    time.sleep(0.5)
    assert "is ended for" not in server.output()
