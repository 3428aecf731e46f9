"""How long a thread waits for Python's lock (the GIL) before it asks for it.

Each thread that waits for the lock looks again after sys.getswitchinterval(),
and a switch that it forces costs whoever has the lock its turn. The class auto
wants that to be short: a light request is to get the lock soon from one that
computes and was not known to. But a hundred threads whose sleep is over would
then look 200,000 times a second, and do little else.
"""
from __future__ import annotations

import sys

FEW = 8  # threads that run requests: so many may wait for the shortest time
LONGEST = 10  # times that, with many


class SwitchInterval:
    """Grows with the threads that run requests, so that these look about as often all together."""

    def __init__(self, shortest: float) -> None:
        """shortest is in seconds and has been set; 0: Python's own is left alone."""
        self._shortest = self._set = shortest

    def suit(self, busy: int) -> None:
        """Sets it for so many threads, unless the application has set one of its own."""
        wanted = self._shortest * min(max(busy // FEW, 1), LONGEST)
        if wanted == self._set:
            return
        if abs(sys.getswitchinterval() - self._set) > 1e-6:  # Python keeps microseconds
            self._shortest = self._set = 0
            return
        self._set = wanted
        sys.setswitchinterval(wanted)
