"""How often threads that wait for Python's lock look for it, under the class auto: gil.py."""
from __future__ import annotations

import pytest

import master
from master import SLOW
from test_lead import Pipe

APP = """
    import os, sys
    if os.environ.get("OWN_INTERVAL"):
        sys.setswitchinterval(float(os.environ["OWN_INTERVAL"]))
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/wait":
            open(environ["HTTP_PIPE"]).read()
        start_response("200 OK", [])
        return [str(round(1e6 * sys.getswitchinterval())).encode()]
    """
SHORT = 0.5  # ms, as the master says it


def interval(worker: master.Worker) -> int:
    """What holds when a request runs that was read by a new leader, in microseconds."""
    return int(worker.get(flags=SLOW).body)


def held(worker: master.Worker, count: int) -> list[tuple[int, Pipe]]:
    """So many requests, which wait."""
    pipes = [Pipe(worker) for _ in range(count)]
    return [(pipe.send(worker, flags=SLOW), pipe) for pipe in pipes]


def end(worker: master.Worker, requests: list[tuple[int, Pipe]]) -> None:
    for id, pipe in requests:
        pipe.open()
        assert worker.answer(id).status == "200 OK"


def test_the_interval_follows_the_threads_that_run_requests(start):
    worker = start(APP, cls="gthread", threads=100, switch_interval_ms=SHORT)
    assert interval(worker) == 500
    few = held(worker, 10)
    assert interval(worker) == 500
    some = held(worker, 20)
    assert 1000 < interval(worker) < 5000
    many = held(worker, 60)
    assert interval(worker) == 5000, "Python's own, and no longer"
    end(worker, few + some + many)
    master.until(lambda: interval(worker) == 500)


@pytest.mark.parametrize("hello, own, expected", [({}, "", 5000), ({}, "0.002", 2000), ({"switch_interval_ms": SHORT}, "0.002", 2000)])
def test_what_others_have_set_stays(start, hello, own, expected):
    """Of fixed classes Python's own interval, and of all what the application chose."""
    worker = start(APP, cls="gthread", threads=40, env={"OWN_INTERVAL": own}, **hello)
    requests = held(worker, 30)
    assert interval(worker) == expected
    end(worker, requests)
    assert interval(worker) == expected
