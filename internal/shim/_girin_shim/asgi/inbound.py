"""What the master sends on the response socket: frames to sockets that are open.

A head of 20 bytes: id, length, n, kind, flags, code; then length bytes.
"""
from __future__ import annotations

import os
import socket
from struct import Struct

HEAD = Struct("<QIIBBH")
TEXT, BINARY, GONE, CREDIT = 3, 4, 5, 6

_READ = 256 << 10


class Inbound:
    """Cuts the stream into frames and hands them to the loop."""

    def __init__(self, fd: int, loop) -> None:
        self._socket = socket.socket(fileno=os.dup(fd))
        self._loop = loop
        self._rest = b""

    def read(self) -> None:
        try:
            data = self._socket.recv(_READ, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            os._exit(1)  # the master is gone, and with it every client
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while at + HEAD.size <= end:
            id, length, n, kind, flags, code = HEAD.unpack_from(data, at)
            if at + HEAD.size + length > end:
                break
            at += HEAD.size
            self._loop.incoming(kind, id, flags, code, n, data[at : at + length])
            at += length
        self._rest = data[at:]
