"""Sockets that do what no decent client does, and what came back on them."""
from __future__ import annotations

import contextlib
import re
import socket
import struct
from dataclasses import dataclass

from waiting import until  # noqa: F401 - tests call it raw.until


def connect(port: int, timeout: float = 30, receive_buffer: int = 0) -> socket.socket:
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(timeout)
    s.connect(("127.0.0.1", port))
    return s


def reset(s: socket.socket) -> None:
    """Closes with RST, as a client does that was killed with data unread."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def head(path: str, *fields: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *fields, "", ""]).encode("latin-1")


@dataclass
class Answer:
    """Everything that came until the server closed."""
    data: bytes
    reset: bool  # it ended with an error, not with a plain end

    @property
    def status(self) -> int:
        """0 if there is none."""
        found = re.match(rb"HTTP/1\.[01] (\d{3})\b", self.data)
        return int(found[1]) if found else 0

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0].lower()

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]


def read_to_end(s: socket.socket) -> Answer:
    data = bytearray()
    try:
        while piece := s.recv(1 << 16):
            data += piece
    except ConnectionError:
        return Answer(bytes(data), True)
    return Answer(bytes(data), False)


def ask(port: int, data: bytes, timeout: float = 30) -> Answer:
    """Sends data and reads all that comes. A server may answer and close before it has read all."""
    with connect(port, timeout) as s:
        with contextlib.suppress(ConnectionError):
            s.sendall(data)
        return read_to_end(s)


def get(port: int, path: str, *fields: str) -> Answer:
    return ask(port, head(path, "Connection: close", *fields))


