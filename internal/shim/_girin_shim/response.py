"""The response socket: whole frames, one writer at a time."""
from __future__ import annotations

import os
from _thread import allocate_lock
from select import POLLOUT, poll  # taken before gevent replaces it
from socket import SocketType
from time import sleep  # taken before gevent replaces it

from . import wire
from .shortage import SHORT_OF_MEMORY, SHORT_WAIT, patiently


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
            try:
                data = b"".join(batch[:count])
            except MemoryError:
                data = patiently(_joined, batch, count)
            del batch[:count]
            sent = 0
            try:
                while sent < len(data):
                    sent += self._send(memoryview(data)[sent:] if sent else data)
            except BaseException:  # a signal's handler raised: what is left must still follow
                batch.insert(0, data[sent:])
                raise

    def _send(self, data) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:  # an event loop that reads here has made it non-blocking (uvloop)
            self._await_room()
            return 0
        except OSError as e:
            if e.errno not in SHORT_OF_MEMORY:
                os._exit(1)  # the master is gone, and with it every client
        sleep(SHORT_WAIT)
        return 0

    @staticmethod
    def _await_room() -> None:
        room = poll()
        room.register(wire.RESPONSE_FD, POLLOUT)
        room.poll()

    def close(self) -> None:
        """Closes the descriptor, in a forked child."""
        self._socket.close()


def _joined(batch: list[bytes], count: int) -> bytes:
    return b"".join(batch[:count])
