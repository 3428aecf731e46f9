"""Waiting for what gives no event of its own."""
from __future__ import annotations

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
