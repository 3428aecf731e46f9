"""A thousand clients that are slow, each in one of these ways, in one process of
their own, of the lowest priority, and one after the other at even distances, so
that they do not slow down whoever measures beside them.

    head   sends a byte of a head each second
    body   sends a byte of a body each second
    read   asks for a large response and reads a byte of it each second
"""
from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import time
from collections.abc import Iterator

import raw

HEAD = raw.head("/", "X-Long: " + "x" * 200)
BODY = raw.head("/body", "Content-Length: 100000", method="POST")
FORK = multiprocessing.get_context("fork")


class Crowd:
    """Slow clients while it is entered."""

    def __init__(self, port: int, count: int, kind: str, size: int = 0):
        self._cut = FORK.Value("i", 0)
        self._stop, self._ready = FORK.Event(), FORK.Event()
        self._process = FORK.Process(target=self._run, args=(port, count, kind, size), daemon=True)

    @property
    def cut(self) -> int:
        """How many connections the server has ended."""
        return self._cut.value

    def __enter__(self) -> Crowd:
        self._process.start()
        assert self._ready.wait(30), "the slow clients cannot connect"
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._process.join(10)
        self._process.kill()

    def _run(self, port: int, count: int, kind: str, size: int) -> None:
        sockets = []
        for _ in range(count):
            s = raw.connect(port, 30, receive_buffer=4096 if kind == "read" else 0)
            s.sendall({"head": HEAD[:10], "body": BODY, "read": raw.head(f"/bytes?count={size}")}[kind])
            s.setblocking(False)
            sockets.append(s)
        self._ready.set()
        os.nice(19)
        began, turn = time.monotonic(), 0
        while not self._stop.is_set():
            s, at = sockets[turn % count], 10 + turn // count
            if s.fileno() >= 0 and ended(s, kind, HEAD[at:at + 1]):
                self._cut.value += 1
                s.close()
            turn += 1
            time.sleep(max(0, began + turn / count - time.monotonic()))


def ended(s, kind: str, byte: bytes) -> bool:
    """Moves one byte; whether the server has ended the connection."""
    with contextlib.suppress(BlockingIOError):
        try:
            if kind == "read":
                return not s.recv(1)
            s.send(byte if kind == "head" else b"x")
        except ConnectionError:
            return True
    return False


@contextlib.contextmanager
def nobody() -> Iterator[int]:
    """A port that takes connections and what they send, and has no server: what a crowd itself costs."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        yield listener.getsockname()[1]
