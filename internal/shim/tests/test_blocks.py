"""Large bodies go to the master in blocks of the state page; only the shim in C
uses them, and only where the master offers some."""
from __future__ import annotations

import json

import pytest
from master import ACCELERATED, FINAL, IN_BLOCK, PAGE_BLOCK, READY, WHOLE, implementations

APP = """
    def app(environ, start_response):
        size = int(environ["PATH_INFO"][1:])
        body = b"<" + b"x" * (size - 2) + b">"
        start_response("200 OK", [("Content-Length", str(size))])
        return [body] if environ["QUERY_STRING"] == "list" else iter([body])
    """
BLOCKS = 3

pytestmark = pytest.mark.skipif("native" not in implementations(), reason="no accelerator was built")


@pytest.fixture(params=ACCELERATED)
def worker(request, start):
    return start(APP, cls=request.param, threads=2, blocks=BLOCKS, implementation="native")


@pytest.fixture
def implementation():
    return "native"


def get(worker, size: int, kind: str = "list"):
    frame = worker.frame(worker.send(f"/{size}?{kind}", window=4 << 20))
    assert (frame.status, len(frame.body), frame.body[:1], frame.body[-1:]) == ("200 OK", size, b"<", b">")
    assert frame.flags & 3 == FINAL | WHOLE
    return frame


@pytest.mark.parametrize("kind", ["list", "iterator"])
def test_a_large_body_is_put_into_the_first_free_block(worker, kind):
    worker.page[worker.states] = 1  # taken
    assert get(worker, 70_000, kind).flags >> 4 == 1
    assert get(worker, PAGE_BLOCK, kind).flags >> 4 == 2
    worker.page[worker.states] = worker.page[worker.states + 2] = 0
    assert get(worker, 70_000, kind).flags == FINAL | WHOLE | IN_BLOCK


def test_it_goes_over_the_socket_if_no_block_is_free_or_large_enough(worker):
    assert get(worker, PAGE_BLOCK + 1).flags == FINAL | WHOLE
    for place in range(BLOCKS):
        assert get(worker, 70_000).flags >> 4 == place
    assert get(worker, 70_000).flags == FINAL | WHOLE
    assert worker.page[worker.states : worker.states + BLOCKS].tolist() == [1] * BLOCKS


def test_small_bodies_use_no_block(worker):
    assert get(worker, 64 << 10).flags == FINAL | WHOLE
    assert worker.page[worker.states] == 0


def test_a_page_with_too_many_blocks_is_refused(start):
    worker = start(APP, implementation="native", ready=False, blocks=17)
    facts = json.loads(worker.message(READY)[3])
    assert facts["accelerator"] == "" and "blocks lie outside" in facts["no_accelerator"]
