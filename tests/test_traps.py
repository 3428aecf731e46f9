"""Traps, each with a name, in every worker class."""
import ast
import socket
import time
from pathlib import Path

import pytest

import servers

APP = Path(__file__).parent / "apps" / "traps"


@pytest.fixture(scope="module")
def server(girin):
    with servers.running(girin, "main:application", APP) as running:
        yield running


def connect(port):
    return socket.create_connection(("127.0.0.1", port), 20)


def ask(path, *fields):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: test", *fields, "", ""]).encode("latin-1")


class Reader:
    """Reads answers with a Content-Length, one after the other."""

    def __init__(self, sock):
        self.file = sock.makefile("rb")

    def answer(self):
        status = int(self.file.readline().split()[1])
        length = 0
        while (line := self.file.readline().strip()):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, self.file.read(length)


def get(port, path, *fields):
    with connect(port) as sock:
        sock.sendall(ask(path, *fields))
        return Reader(sock).answer()


def test_a_nul_in_the_path_injects_no_key(server):
    _, body = get(server.port, "/environ/x%00REMOTE_USER%00admin")
    environ = ast.literal_eval(body.decode())
    assert "REMOTE_USER" not in environ
    assert environ["PATH_INFO"] == "/environ/x\0REMOTE_USER\0admin"


def test_a_quick_answer_is_not_held_for_a_slow_one(server):
    """Both requests are unread when a worker reads: the first one's answer must
    not wait for the second's in its batch, although the route is known to be
    quick."""
    for _ in range(50):
        get(server.port, "/quick")
    waits = []
    for _ in range(5):
        with connect(server.port) as quick, connect(server.port) as slow:
            began = time.monotonic()
            quick.sendall(ask("/quick"))
            slow.sendall(ask("/sleep/0.3"))
            Reader(quick).answer()
            waits.append(time.monotonic() - began)
            Reader(slow).answer()
    assert sorted(waits)[2] < 0.010, waits


def test_clients_that_read_nothing_slow_nobody(server):
    """Each asks for 200 KiB and reads none of it: the front takes that much."""
    idle = [connect(server.port) for _ in range(100)]
    try:
        for sock in idle:
            sock.sendall(ask("/large"))
        began = time.monotonic()
        for _ in range(20):
            assert get(server.port, "/quick")[0] == 200
        assert time.monotonic() - began < 2
    finally:
        for sock in idle:
            sock.close()


def test_pipelined_requests_are_answered_in_order(server):
    with connect(server.port) as sock:
        sock.sendall(ask("/sleep/0.2") + ask("/quick") + ask("/sleep/0.1") + ask("/quick"))
        reader = Reader(sock)
        assert [reader.answer()[1] for _ in range(4)] == [b"slept", b"quick", b"slept", b"quick"]


def test_a_fork_answers_once(server):
    with connect(server.port) as sock:
        sock.sendall(ask("/fork"))
        reader = Reader(sock)
        assert reader.answer() == (200, b"parent")
        sock.sendall(ask("/quick"))
        assert reader.answer() == (200, b"quick")


def test_modules_named_like_the_servers_are_the_apps(server):
    assert get(server.port, "/names")[1] == b"app,app,app,app,app"


def test_a_client_that_has_said_all_still_gets_its_answer(server):
    with connect(server.port) as sock:
        sock.sendall(ask("/sleep/0.2"))
        sock.shutdown(socket.SHUT_WR)
        assert Reader(sock).answer() == (200, b"slept")
