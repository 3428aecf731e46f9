"""What a step has cost is never less than nothing: it goes into a frame."""
from __future__ import annotations

import sys
from pathlib import Path
from time import monotonic_ns

sys.path.insert(0, str(Path(__file__).parents[1]))

from _girin_shim.asgi import steps  # noqa: E402


def test_a_step_that_used_no_cpu_has_cost_nothing(monkeypatch):
    monkeypatch.setattr(steps, "usage", lambda: (1_234_566_999, 7))
    began = monotonic_ns() - 2 * steps.LONG
    assert steps.cost(began, (1_234_567_000, 7), monotonic_ns()) == 0


def test_cpu_time_is_in_whole_microseconds_as_in_c(monkeypatch):
    class Used:
        ru_utime, ru_stime, ru_nvcsw = 0.0, 0.3, 0

    monkeypatch.setattr(steps, "getrusage", lambda who: Used)
    for micro in range(0, 400_000, 997):
        Used.ru_utime = micro / 1e6
        assert steps.usage()[0] == 300_000_000 + micro * 1000
