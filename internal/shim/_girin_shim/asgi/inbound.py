"""What the master sends on the response socket: sockets that this loop shall open, what comes for those that are, and credit.

A head of 20 bytes: id, length, reserved, kind, reserved, code; then length bytes.
"""
from __future__ import annotations

import os
import socket
from struct import Struct

HEAD = Struct("<QIIBBH")
OPEN, TEXT, BINARY, GONE, CREDITED = 1, 3, 4, 5, 6

_READ = 256 << 10


class Inbound:
    """Cuts the stream into frames and hands them to the loop."""

    def __init__(self, fd: int, loop) -> None:
        self._socket = socket.socket(fileno=os.dup(fd))
        self._loop = loop
        self._rest = bytearray()  # a frame that is not whole
        self._whole = 0  # how many bytes it will have, once its head is there

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
            self._rest += data
            if len(self._rest) < self._whole:
                return
            data = bytes(self._rest)
            self._rest.clear()
        self._cut(data)

    def _cut(self, data: bytes) -> None:
        at, end = 0, len(data)
        self._whole = 0
        while at + HEAD.size <= end:
            id, length, _, kind, _, code = HEAD.unpack_from(data, at)
            if at + HEAD.size + length > end:
                self._whole = HEAD.size + length
                break
            at += HEAD.size
            self._loop.incoming(kind, id, code, data[at : at + length])
            at += length
        self._rest += data[at:]
