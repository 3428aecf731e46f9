"""The response socket: whole frames, one writer at a time."""
from __future__ import annotations

import os
from _thread import allocate_lock
from socket import SocketType

from . import wire


class ResponseSocket:
    """Sends frames. A batch is a list of the bytes of finished frames."""

    def __init__(self) -> None:
        self._socket = SocketType(fileno=wire.RESPONSE_FD)
        self._socket.setblocking(True)
        self._lock = allocate_lock()  # frames must not interleave

    def flush(self, batch: list[bytes]) -> None:
        """Sends what the batch holds and empties it.

        Its owner appends without the lock; another thread (the control thread,
        when it promotes a follower) may flush meanwhile. So only what was
        counted under the lock is taken out, and nothing is sent twice.
        """
        with self._lock:
            count = len(batch)
            data = b"".join(batch[:count])
            del batch[:count]
            try:
                self._socket.sendall(data)
            except OSError:
                os._exit(1)  # the master is gone, and with it every client

    def close(self) -> None:
        """Closes the descriptor, in a forked child."""
        self._socket.close()
