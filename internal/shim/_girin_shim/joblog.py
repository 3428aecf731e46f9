"""What a job says, for whoever asks why it failed: while it runs, its log and what it
writes to standard error go to the master with the name of its request.

What its threads write says nothing of it, unless they run in a copy of its context.
"""
from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextvars import ContextVar

from . import wire

MOST = 8 << 10  # letters of one write: the last ones

# The request that runs here, if it is a job, as the master names it; 0: none.
request: ContextVar[int] = ContextVar("girin_request", default=0)


class Stderr(io.TextIOWrapper):
    """Standard error as it was before, over the same buffer."""

    tell_master: Callable[[int, str], None] | None = None
    kept = None  # its end would close the buffer, which sys.__stderr__ has too

    def write(self, text: str) -> int:
        count = super().write(text)
        id = request.get()
        if id and Stderr.tell_master is not None:
            Stderr.tell_master(id, text)
        return count


def replace_stderr() -> None:
    """To be called before the app is imported, whose handlers keep what they find."""
    was = sys.stderr
    if type(was) is io.TextIOWrapper:
        sys.stderr = Stderr.kept = Stderr(was.buffer, was.encoding, was.errors, line_buffering=was.line_buffering, write_through=was.write_through)


def tell(control) -> None:
    """Begins to tell the master what jobs say."""
    replace_stderr()
    control.about = request.get

    def tell_master(id: int, text: str) -> None:
        control.send(wire.LOG, wire.COPY, id, text[-MOST:].encode("utf-8", "backslashreplace"))

    Stderr.tell_master = tell_master
