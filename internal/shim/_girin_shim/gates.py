"""Where a request waits for the control thread: one waiter, one opener."""
from __future__ import annotations

from _thread import allocate_lock


class ThreadGate:
    """A binary semaphore. Opening twice lets the waiter through once or twice:
    it looks again at what it waits for."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._lock.acquire()

    def wait(self) -> None:
        self._lock.acquire()

    def open(self) -> None:
        """Called by the control thread alone, so nobody else releases the lock."""
        if self._lock.locked():
            self._lock.release()
