"""What the task of a request runs: the app's coroutine, step by step."""
from __future__ import annotations

from time import monotonic_ns

from .. import wire

try:
    from resource import RUSAGE_THREAD, getrusage
except ImportError:  # no Linux
    getrusage = None

LONG = 5_000_000  # ns: the time of shorter steps is not looked at more closely


class Steps:
    """Knows how long the steps have held the loop: nothing else runs there meanwhile.

    By that auto judges a route, whether its requests compute or wait where they should
    not. The state page says since when a step lasts.
    """

    def __init__(self, coro, exchange, page) -> None:
        self._coro = coro
        self._exchange = exchange
        self._page = page

    def send(self, value):
        return self._step(self._coro.send, value)

    def throw(self, *error):
        return self._step(self._coro.throw, *error)

    def close(self) -> None:
        self._coro.close()

    def __await__(self):
        return self._coro.__await__()

    def __getattr__(self, name: str):
        """cr_frame and the like, for who shows stacks."""
        return getattr(self._coro, name)

    def _step(self, go, *args):
        exchange = self._exchange
        exchange.stepping = self._page[wire.PAGE_STEP] = monotonic_ns()
        if exchange.measured:
            exchange.usage = usage()
        try:
            return go(*args)
        finally:
            if exchange.measured:
                exchange.held += cost(exchange.stepping, exchange.usage, monotonic_ns())
            exchange.stepping = self._page[wire.PAGE_STEP] = 0


def usage() -> tuple[int, int]:
    """The CPU time of this thread in ns, and how often it gave its core up by itself."""
    if getrusage is None:
        return 0, 0
    used = getrusage(RUSAGE_THREAD)
    return round((used.ru_utime + used.ru_stime) * 1e6) * 1000, used.ru_nvcsw  # whole microseconds, as in held.c


def cost(began: int, before: tuple[int, int], now: int) -> int:
    """How long a step has held the loop. Of one that never waited it is its CPU time: where
    others need the cores any may seem to take long."""
    took = now - began
    if took < LONG or getrusage is None:
        return took
    cpu, waits = usage()
    return min(took, max(cpu - before[0], 0)) if waits == before[1] else took
