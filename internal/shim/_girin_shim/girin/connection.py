"""Connections to girin's unix socket: each thread keeps one, since to open one costs as much as a question."""
from __future__ import annotations

import http.client
import os
import socket
import threading

_kept = threading.local()  # .connection: an open one that nobody uses now


class _Connection(http.client.HTTPConnection):
    def __init__(self, place: str) -> None:
        super().__init__("girin")
        self.place = place
        self.pid = os.getpid()

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect("\0" + self.place[1:] if self.place.startswith("@") else self.place)

    def __del__(self) -> None:
        self.close()  # its thread has ended

    def exchange(self, method: str, path: str, body: bytes | None, timeout: float) -> tuple[int, bytes]:
        """Asks, returns status and body, and is kept if it can be used again."""
        try:
            self.timeout = timeout
            if self.sock is not None:
                self.sock.settimeout(timeout)
            self.request(method, path, body, {} if body is None else {"Content-Type": "application/json"})
            answer = self.getresponse()
            said = answer.status, answer.read()
        except BaseException:  # what comes late would be taken for the next answer
            self.close()
            raise
        if self.sock is not None:
            _kept.connection = self
        return said


def _take(place: str) -> _Connection | None:
    """The kept one, which no other greenlet of the thread takes meanwhile; a process that was forked leaves its parent's alone."""
    kept: _Connection | None = _kept.__dict__.pop("connection", None)
    return kept if kept is not None and (kept.place, kept.pid) == (place, os.getpid()) else None


def exchange(place: str, method: str, path: str, body: bytes | None, timeout: float) -> tuple[int, bytes]:
    """Asks girin at a place and returns status and body."""
    kept = _take(place)
    if kept is not None:
        try:
            return kept.exchange(method, path, body, timeout)
        except (BrokenPipeError, ConnectionResetError) as e:  # it was closed meanwhile
            # What was read to its end and not answered may have been done: nothing is handed over twice.
            if method == "POST" and isinstance(e, http.client.RemoteDisconnected):
                raise
    return _Connection(place).exchange(method, path, body, timeout)
