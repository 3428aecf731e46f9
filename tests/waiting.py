"""Waiting for what gives no event of its own."""
from __future__ import annotations

import select
import time
from collections.abc import Callable


def until(condition: Callable[[], object], within: float = 10, what: str = "") -> float:
    """Waits for a condition that gives no event of its own; the seconds that took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > within:
            raise AssertionError(f"not within {within} s: {what or condition}")
        time.sleep(0.005)
    return time.monotonic() - began


def readable(fd: int, within: float) -> bool:
    """Is there something to read, or does it come within so many seconds? (select knows numbers below 1024 only.)"""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(within * 1000))
