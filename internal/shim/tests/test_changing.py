"""Apps whose other threads change an answer, or let go of it, while it is sent."""
from __future__ import annotations

import master
import pytest

# The page is one letter throughout, always another one; a thread replaces it as
# fast as it can, so that its memory is used anew at once.
CHANGING = """
    import threading
    SIZE = {size}
    page = [b"a" * SIZE]
    stopped = threading.Event()
    def change():
        n = 0
        while not stopped.is_set():
            n += 1
            page[0] = bytes([97 + n % 26]) * SIZE
    threading.Thread(target=change, daemon=True).start()
    def app(environ, start_response):
        kind = environ["PATH_INFO"]
        if kind == "/stop":
            stopped.set()
        if kind == "/iterable":
            start_response("200 OK", [("Content-Length", str(SIZE))])
            return iter(page)
        start_response("200 OK", [])
        return page
    """


@pytest.mark.parametrize("size, units", [(300_000, 0), (300_000, 64), (100_000, 0), (20_000, 64), (4 << 20, 0)])
@pytest.mark.parametrize("kind", ["/list", "/iterable"])
def test_an_answer_that_changes_while_it_is_sent(start, size, units, kind):
    worker = start(CHANGING.format(size=size), cls="gthread", threads=3, units=units)
    for _ in range(max(4, min(60, (24 << 20) // size))):
        ids = [worker.send(kind, window=16 << 20) for _ in range(3)]
        for id in ids:
            answer = worker.answer(id)
            assert not answer.failed and len(answer.body) == size
            assert answer.body == answer.body[:1] * size, "bytes of another object were sent"
            for frame in answer.frames:
                if frame.place is not None:
                    worker.page[worker.states + frame.place] = 0
    worker.get("/stop", window=16 << 20)
    assert worker.drain() == 0


def test_an_answer_let_go_of_while_the_socket_is_full(start):
    """The sender waits without the GIL until the master reads; by then the body has no other owner."""
    worker = start(
        """
        import sys, threading
        SIZE = 8 << 20
        page, others = [b"x" * SIZE], []
        def change():
            page[0] = b"y" * SIZE
            others.append(b"z" * SIZE)
            print("changed", file=sys.stderr, flush=True)
        def app(environ, start_response):
            threading.Timer(0.2, change).start()
            start_response("200 OK", [])
            return page
        """,
        cls="gthread",
        threads=2,
    )
    id = worker.send("/", window=16 << 20)
    master.until(lambda: "changed" in worker.stderr())
    assert worker.answer(id).body == b"x" * (8 << 20)
