"""A small HTTP/1.1 client on plain sockets: what is measured is the server.

It knows just what the compared servers send: a head, then a body with a
Content-Length, in chunks, or up to the end of the connection.
"""
from __future__ import annotations

import socket
from dataclasses import dataclass


class BadResponse(Exception):
    pass


@dataclass
class Response:
    status: int
    headers: list[tuple[str, str]]  # names in lower case, in the order they came
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


class Connection:
    """One connection to 127.0.0.1, kept until it is closed."""

    def __init__(self, port: int, timeout: float = 60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def send(self, path: str, keep_alive: bool = True) -> None:
        self.socket.sendall(request(path, keep_alive))

    def receive(self) -> Response:
        status = self._line().split(" ", 2)
        if len(status) < 2 or not status[0].startswith("HTTP/1."):
            raise BadResponse(f"no status line: {' '.join(status)!r}")
        headers = []
        for line in iter(self._line, ""):
            name, _, value = line.partition(":")
            headers.append((name.lower(), value.strip()))
        response = Response(int(status[1]), headers, b"")
        response.body = self._body(response)
        return response

    def get(self, path: str, keep_alive: bool = True) -> Response:
        self.send(path, keep_alive)
        return self.receive()

    def _body(self, response: Response) -> bytes:
        length = response.header("content-length")
        if response.header("transfer-encoding") == "chunked":
            chunks = []
            while size := int(self._line(), 16):
                chunks.append(self._exactly(size))
                self._line()
            self._line()
            return b"".join(chunks)
        return self.file.read() if length is None else self._exactly(int(length))

    def _line(self) -> str:
        line = self.file.readline(65537)
        if not line.endswith(b"\r\n"):
            raise BadResponse(f"the connection ended in {line!r}")
        return line[:-2].decode("latin-1")

    def _exactly(self, count: int) -> bytes:
        data = self.file.read(count)
        if len(data) < count:
            raise BadResponse(f"the connection ended after {len(data)} of {count} bytes")
        return data


def request(path: str, keep_alive: bool = True) -> bytes:
    connection = "" if keep_alive else "Connection: close\r\n"
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{connection}\r\n".encode()


def get(port: int, path: str, timeout: float = 60) -> Response:
    """One request on a connection of its own, as ab makes them."""
    with Connection(port, timeout) as connection:
        return connection.get(path, keep_alive=False)
