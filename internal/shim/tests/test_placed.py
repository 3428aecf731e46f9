"""Bodies of 8 KiB and more go to the master in the state page; only the shim in C
puts them there, and only where the master offers room."""
from __future__ import annotations

import json

import pytest
from master import ACCELERATED, FINAL, IN_PAGE, PAGE_UNIT, READY, WHOLE, implementations

APP = """
    def app(environ, start_response):
        size = int(environ["PATH_INFO"][1:])
        start_response("200 OK", [("Content-Length", str(size))])
        if environ["QUERY_STRING"] == "parts":
            return [b"<", b"x" * (size // 2 - 1), b"", b"y" * (size - size // 2 - 1), b">"]
        body = b"<" + b"x" * (size - 2) + b">"
        return [body] if environ["QUERY_STRING"] == "list" else iter([body])
    """
UNITS = 10

pytestmark = pytest.mark.skipif("native" not in implementations(), reason="no accelerator was built")


@pytest.fixture(params=ACCELERATED)
def worker(request, start):
    return start(APP, cls=request.param, threads=2, units=UNITS, implementation="native")


@pytest.fixture
def implementation():
    return "native"


def get(worker, size: int, kind: str = "list"):
    frame = worker.frame(worker.send(f"/{size}?{kind}", window=4 << 20))
    assert (frame.status, len(frame.body), frame.body[:1], frame.body[-1:]) == ("200 OK", size, b"<", b">")
    assert frame.flags & 3 == FINAL | WHOLE
    return frame


def states(worker) -> list[int]:
    return worker.page[worker.states : worker.states + UNITS].tolist()


@pytest.mark.parametrize("kind", ["list", "iterator", "parts"])
def test_a_body_takes_the_first_free_units_that_hold_it(worker, kind):
    worker.page[worker.states] = 1  # taken
    assert get(worker, 70_000, kind).place == 1
    assert get(worker, 2 * PAGE_UNIT, kind).place == 6
    assert get(worker, 10_000, kind).place == 8
    assert states(worker) == [1, 5, 0, 0, 0, 0, 2, 0, 1, 0]
    worker.page[worker.states + 1] = 0
    assert get(worker, 10_000, kind).place == 1
    assert get(worker, 4 * PAGE_UNIT, kind).place == 2
    assert states(worker) == [1, 1, 4, 0, 0, 0, 2, 0, 1, 0]


@pytest.mark.parametrize("kind", ["list", "iterator", "parts"])
def test_it_goes_over_the_socket_if_not_enough_units_are_free(worker, kind):
    assert get(worker, UNITS * PAGE_UNIT + 1, kind).flags == FINAL | WHOLE
    assert get(worker, UNITS * PAGE_UNIT, kind).flags == FINAL | WHOLE | IN_PAGE
    assert get(worker, 10_000, kind).flags == FINAL | WHOLE
    worker.page[worker.states] = 0
    worker.page[worker.states + 4] = 3
    assert get(worker, 4 * PAGE_UNIT + 1, kind).flags == FINAL | WHOLE
    assert get(worker, 4 * PAGE_UNIT, kind).place == 0


def test_small_bodies_use_no_unit(worker):
    assert get(worker, (8 << 10) - 1).flags == FINAL | WHOLE
    assert states(worker) == [0] * UNITS
    assert get(worker, 8 << 10).flags == FINAL | WHOLE | IN_PAGE


def test_a_page_with_too_many_units_is_refused(start):
    worker = start(APP, implementation="native", ready=False, units=1, missing_units=1)
    facts = json.loads(worker.message(READY)[3])
    assert facts["accelerator"] == "" and "units lie outside" in facts["no_accelerator"]
