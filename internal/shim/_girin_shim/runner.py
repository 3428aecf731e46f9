"""What every class of WSGI workers has in common."""
from __future__ import annotations

import io
import os
import stat

from . import descriptors, wire
from .shortage import NoFile


class Runner:
    """Runs requests. The control thread calls check, credit and body_came, and of the
    classes themselves promote, drain and select."""

    _worker = None
    interruptible = True  # is it the main thread, and nothing else in it, that runs a request?
    abandons = False  # run has returned though requests run

    def init_process(self) -> None:
        """What the class does to the process after post_fork, as gunicorn's does."""

    def check(self) -> None:
        """Raises descriptors.Closed if the app has closed what requests come by."""
        descriptors.check()

    def quit(self, hastens: bool) -> None:
        """Called in the main thread after drain: INT or QUIT came."""

    def startup(self, app) -> None:
        """What an app wants done before its first request: WSGI knows no such thing."""

    def credit(self, id: int, n: int) -> None:
        """Request id may send n more bytes; or, by CANCELLED, nobody waits for it."""
        exchange = self._worker.exchanges.get(id)
        if exchange is not None:
            exchange.wake() if n == wire.CANCELLED else exchange.grant(n)

    def body_came(self, id: int, fd: int) -> None:
        """The body that request id has fetched: a file with all of it, or a pipe by which it comes."""
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.lseek(fd, 0, os.SEEK_SET)
        file = io.FileIO(fd, "rb")
        self._give_body(id, file)

    def body_left_out(self, id: int) -> None:
        """The body that request id has fetched could not be received: the app learns it when it reads."""
        self._give_body(id, NoFile())

    def _give_body(self, id: int, file: io.RawIOBase) -> None:
        exchange = self._worker.exchanges.get(id)
        if exchange is not None:
            exchange.spool = file
            exchange.wake()
