"""wsgi.input of a request whose body is not in its packet: it lies in a file, or comes while the app runs."""
from __future__ import annotations

import io
import os


class ClientDisconnected(ConnectionError):
    """The client left before the whole body had come."""


class Input(io.BufferedReader):
    """Takes any negative size for all there is, as the BytesIO of small bodies does."""

    def read(self, size=-1) -> bytes:
        return super().read(-1 if size is None or size < 0 else size)


class StreamedBody(io.RawIOBase):
    """Reads from a pipe, which is asked for with the first read.

    The master ends the body by closing the pipe, when all of it has come; or
    when it never will, and then the flag table says so.
    """

    def __init__(self, exchange) -> None:
        self._exchange = exchange
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        """Raises ClientDisconnected if the client has left."""
        if self._ended or not len(buffer):
            return 0
        exchange = self._exchange
        if exchange.spool is None and exchange.ended():
            raise ClientDisconnected("the request has been answered: its body is not read any more")
        if exchange.spool is None and not exchange.fetch():
            raise ClientDisconnected("the client left before its request was complete")
        count = exchange.slot.read_pipe(exchange.spool, buffer)
        if count == 0:
            if exchange.cancelled():
                raise ClientDisconnected("the client left before its request was complete")
            self._ended = True
        return count

    def close(self) -> None:
        spool = self._exchange.spool
        if spool is not None:
            spool.close()
        super().close()
