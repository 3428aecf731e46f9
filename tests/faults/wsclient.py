"""WebSockets by the thousand, as plain sockets, and how and when each of them ends."""
from __future__ import annotations

import contextlib
import selectors
import time
from dataclasses import dataclass

import raw

HANDSHAKE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Socket:
    """One that was accepted."""

    def __init__(self, port: int, path: str = "/echo", receive_buffer: int = 0):
        self.socket = raw.connect(port, 30, receive_buffer)
        self.socket.sendall(raw.head(path, *HANDSHAKE))
        self._came = b""
        while b"\r\n\r\n" not in self._came:
            self._more()
        head, _, self._came = self._came.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head

    def _more(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the server has closed")
        self._came += data

    def send(self, payload: bytes, opcode: int = TEXT) -> None:
        assert len(payload) < 126
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload)

    def come(self) -> tuple[int, bytes] | None:
        """The next frame, if all of it has come. A ping is answered by the way."""
        while (frame := self._frame()) is not None and frame[0] == PING:
            self.send(frame[1], PONG)
        return frame

    def _frame(self) -> tuple[int, bytes] | None:
        b = self._came
        if len(b) < 2:
            return None
        size, at = b[1] & 127, 2
        if size >= 126:
            at = 4 if size == 126 else 10
            if len(b) < at:
                return None
            size = int.from_bytes(b[2:at], "big")
        if len(b) < at + size:
            return None
        self._came = b[at + size:]
        return b[0] & 15, b[at:at + size]

    def receive(self) -> tuple[int, bytes]:
        """The next frame; waits for it."""
        while (frame := self.come()) is None:
            self._more()
        return frame

    def echoes(self, payload: bytes = b"are you there") -> bool:
        self.send(payload)
        return self.receive() == (TEXT, payload)

    def read(self) -> None:
        """Reads what there is."""
        self._more()

    def close(self) -> None:
        self.socket.close()


@dataclass
class End:
    """How one ended: the code of its close frame, "end" or "reset" without one; and when."""
    how: int | str
    at: float


def ends(sockets: list[Socket], began: float, within: float) -> dict[Socket, End]:
    """Reads all until they have ended, or the time is over: then those that have are told."""
    found: dict[Socket, End] = {}
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for s in sockets:
            selector.register(s.socket, selectors.EVENT_READ, s)
        while len(found) < len(sockets) and (left := began + within - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if (how := end_of(key.data)) is not None:
                    found[key.data] = End(how, time.monotonic() - began)
                    selector.unregister(key.fileobj)
    return found


def end_of(s: Socket) -> int | str | None:
    try:
        s.read()
    except ConnectionResetError:
        return "reset"
    except ConnectionError:
        return "end"
    while (frame := s.come()) is not None:
        if frame[0] == CLOSE:
            with contextlib.suppress(OSError):
                s.send(frame[1][:2], CLOSE)
            return int.from_bytes(frame[1][:2], "big")
    return None


def told(found: dict[Socket, End]) -> str:
    """How they ended, each with how many."""
    kinds: dict[int | str, int] = {}
    for end in found.values():
        kinds[end.how] = kinds.get(end.how, 0) + 1
    return ", ".join(f"{count} {how}" for how, count in sorted(kinds.items(), key=str))
