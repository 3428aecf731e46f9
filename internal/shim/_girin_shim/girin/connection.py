"""Connections to girin's unix socket: each thread keeps one, since to open one costs as much as a question.

http.client would bring OpenSSL and the parsers of mail into each worker, five times the
memory of all else here, and take longer for a question than girin does.
"""
from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

MOST_LINE = 64 << 10
_kept = threading.local()  # .connection: an open one that nobody uses now


class Unanswered(ConnectionResetError):
    """It was closed in place of an answer."""


class _Connection:
    def __init__(self, place: str) -> None:
        self.place = place
        self.pid = os.getpid()
        self._socket: socket.socket | None = None
        self._file = None

    def _open(self, timeout: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._socket.connect("\0" + self.place[1:] if self.place.startswith("@") else self.place)
        self._file = self._socket.makefile("rb")

    def close(self) -> None:
        for held in (self._file, self._socket):
            if held is not None:
                held.close()
        self._file = self._socket = None

    def __del__(self) -> None:
        self.close()  # its thread has ended

    def exchange(self, method: str, path: str, body: bytes | None, timeout: float) -> tuple[int, bytes]:
        """Asks, returns status and body, and is kept if it can be used again."""
        if not path.isascii() or not path.isprintable() or " " in path:
            raise ValueError(f"{path!r} is no path")
        head = f"{method} {path} HTTP/1.1\r\nHost: girin\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        try:
            if self._socket is None:
                self._open(timeout)
            self._socket.settimeout(timeout)
            self._socket.sendall(f"{head}\r\n".encode() + (body or b""))
            status, said, stays = self._answer()
        except BaseException as e:  # what comes late would be taken for the next answer
            self.close()
            if isinstance(e, (ValueError, IndexError)):
                raise ConnectionError(f"what came is no answer: {e}") from None
            raise
        if stays:
            _kept.connection = self
        else:
            self.close()
        return status, said

    def _answer(self) -> tuple[int, bytes, bool]:
        """The status, the body, and whether the connection stays."""
        first = self._file.readline(MOST_LINE)
        if not first:
            raise Unanswered("it was closed without an answer")
        status, fields = int(first.split(None, 2)[1]), {}
        while line := self._line():
            name, _, value = line.partition(b":")
            fields[name.strip().lower()] = value.strip().lower()
        stays = fields.get(b"connection") != b"close"
        if status in (204, 304):
            return status, b"", stays
        if fields.get(b"transfer-encoding") == b"chunked":
            return status, b"".join(self._chunks()), stays
        if b"content-length" in fields:
            return status, self._read(int(fields[b"content-length"])), stays
        return status, self._file.read(), False

    def _line(self) -> bytes:
        line = self._file.readline(MOST_LINE)
        if not line.endswith(b"\n"):
            raise ConnectionError("the answer was cut")
        return line.rstrip(b"\r\n")

    def _read(self, n: int) -> bytes:
        said = self._file.read(n)
        if len(said) < n:
            raise ConnectionError("the answer was cut")
        return said

    def _chunks(self) -> Iterator[bytes]:
        while n := int(self._line().partition(b";")[0], 16):
            yield self._read(n)
            self._line()
        while self._line():
            pass  # of trailers nothing is wanted


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
            if method == "POST" and isinstance(e, Unanswered):
                raise
    return _Connection(place).exchange(method, path, body, timeout)
