"""Messages between the arbiter and the master: a length of four bytes, then JSON.

Descriptors may come with a message; they belong to its first byte.
"""
from __future__ import annotations

import array
import json
import os
import socket
from _socket import socket as Socket  # gevent, which a configuration file may apply, leaves this one alone
from _thread import allocate_lock

_RIGHTS = (socket.SOL_SOCKET, socket.SCM_RIGHTS)
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_MAX_FDS = 64
_HEAD = 4


class Channel:
    """One thread receives; any may send."""

    def __init__(self, fd: int) -> None:
        self._socket = Socket(fileno=fd)
        self._socket.setblocking(True)
        self._lock = allocate_lock()

    def receive(self) -> tuple[dict, list[int]] | None:
        """The next message and its descriptors; None: the master has closed its end."""
        head, ancillary, _, _ = self._socket.recvmsg(_HEAD, socket.CMSG_SPACE(4 * _MAX_FDS), _CLOEXEC)
        fds = array.array("i")
        for level, kind, rights in ancillary:
            if (level, kind) == _RIGHTS:
                fds.frombytes(rights[: len(rights) & ~3])
        if not head:
            return None
        head += self._exactly(_HEAD - len(head))
        return json.loads(self._exactly(int.from_bytes(head, "little"))), fds.tolist()

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            part = self._socket.recv(min(size, 1 << 20))
            if not part:
                raise EOFError("the master has closed the channel within a message")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def send(self, **message) -> None:
        data = json.dumps(message).encode()
        with self._lock:
            try:
                self._socket.sendall(len(data).to_bytes(_HEAD, "little") + data)
            except OSError:
                os._exit(1)  # the master is gone

    def fileno(self) -> int:
        return self._socket.fileno()

    def log(self, level: int, text: str) -> None:
        self.send(log=text, level=level, pid=os.getpid())

    def close(self) -> None:
        """In a child, which is not to hold the channel open."""
        self._socket.close()
