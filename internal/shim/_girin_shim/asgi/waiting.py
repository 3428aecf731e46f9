"""Heads of answers whose body has not begun."""
from __future__ import annotations

import asyncio

TURN = 0.02  # s; a head goes out alone after one to two turns


class WaitingHeads:
    """Holds the exchanges that have a head and no body, of this turn and of the one before.

    One timer for all of them: nearly every head is followed by its body at once,
    and costs no more than its place in a list.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._new: list = []
        self._old: list = []
        self._ticks = False

    def add(self, exchange) -> None:
        self._new.append(exchange)
        if not self._ticks:
            self._ticks = True
            self._loop.call_later(TURN, self._turn)

    def _turn(self) -> None:
        for exchange in self._old:
            exchange.release_head()
        self._old, self._new = self._new, []
        self._ticks = bool(self._old)
        if self._ticks:
            self._loop.call_later(TURN, self._turn)
