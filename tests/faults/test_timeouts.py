"""Time limits.

Of requests (--timeout) and of clients.
"""
from __future__ import annotations

import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import client
import raw
from conftest import GUNICORN_HAS, came_of

CLASSES = {"sync": (1, 1), "gthread": (1, 4), "gevent": (1, 1), "gaiohttp": (1, 1), "auto": (1, 4)}
every_class = pytest.mark.parametrize("worker_class", CLASSES)

LIMIT = 0.5
BLOCKS, PAUSE = 20, 0.15  # of a stream that takes longer than any limit here


def timed(port, path):
    began = time.monotonic()
    answer = raw.get(port, path)
    return answer, time.monotonic() - began


@every_class
@pytest.mark.promise("A request over `--timeout` gets 504 at the deadline; its stack is logged",
                     "an app that sleeps 3600 s; `--timeout 0.5` (gunicorn 1)")
def test_stuck_request(girin, gunicorn, measured, full, worker_class):
    workers, threads = CLASSES[worker_class]
    with girin(worker_class, workers, threads, "--timeout", str(LIMIT), "--graceful-timeout", "0.5") as run:
        before = run.children
        answer, took = timed(run.port, "/stuck?s=3600")
        assert answer.status == 504
        assert LIMIT <= took < LIMIT + 1
        raw.until(lambda: "in stuck" in run.output(), what="the stack in the log")
        log = run.output()
        assert "GET /stuck ran" in log and log.index("GET /stuck ran") < log.index("in stuck")
        if worker_class == "gevent":  # a greenlet can be ended
            raw.until(lambda: "the request runs longer than --timeout allows" in run.output(), what="the greenlet's end")
            assert run.children == before
        else:
            raw.until(lambda: run.children and not set(run.children) & set(before), what="another process")
        assert client.get(run.port, "/").status == 200
        measured.girin(f"504 after {took:.2f} s, stack logged, {'ended' if worker_class == 'gevent' else 'replaced'}")
    if full and worker_class in GUNICORN_HAS:
        with gunicorn(worker_class, workers, threads, "--timeout", "1", "--graceful-timeout", "1") as run, raw.connect(run.port, 5) as s:
            s.sendall(raw.head("/stuck?s=3600", "Connection: close"))
            began = time.monotonic()
            try:
                answer = raw.read_to_end(s)
                what = f"status {answer.status}" if answer.data else "an empty answer"
                measured.gunicorn(f"{what} after {time.monotonic() - began:.1f} s")
            except TimeoutError:
                measured.gunicorn("nothing within 5 s: the limit is the worker's, not the request's")
            kill_workers(run)


def kill_workers(run):
    """Or gunicorn would wait for the request when it is to end."""
    for child in run.children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


@pytest.mark.promise("The stuck thread's process is replaced, and serves with its other threads until then",
                     "1 of 4 threads sleeps 3600 s; `--timeout 0.5 --graceful-timeout 1` (gunicorn 1 and 1); one client goes on")
def test_other_threads_serve_on(girin, gunicorn, measured, full):
    def measure(run, within):
        """While one client goes on, until the stuck request's process is replaced."""
        old, began, served, longest = run.children, time.monotonic(), 0, 0.0
        with raw.connect(run.port, within) as stuck:
            stuck.sendall(raw.head("/stuck?s=3600", "Connection: close"))
            while set(run.children) & set(old) and time.monotonic() - began < within:
                answer, took = timed(run.port, "/")
                assert answer.status == 200
                longest, served = max(longest, took), served + 1
            stuck.settimeout(0.1)  # it has its answer, or never will
            status = came_of(lambda: raw.read_to_end(stuck).status)
        text = f"{served} requests served meanwhile, the longest took {1000 * longest:.0f} ms"
        return not set(run.children) & set(old), status, longest, text

    with girin("gthread", 1, 4, "--timeout", "0.5", "--graceful-timeout", "1") as run:
        replaced, status, longest, text = measure(run, 20)
        assert replaced and status == "504" and longest < 0.5
        assert "a thread did not return" in run.output()
        measured.girin(text)
    if full:
        with gunicorn("gthread", 1, 4, "--timeout", "1", "--graceful-timeout", "1") as run:
            replaced, status, longest, text = measure(run, 6)
            measured.gunicorn(f"{text}; {'replaced' if replaced else 'not replaced within 6 s'}, the stuck one: {status}")
            kill_workers(run)


@every_class
@pytest.mark.promise("A stream that goes on sending is not cut",
                     f"{BLOCKS} blocks, {PAUSE} s apart; `--timeout {LIMIT}` (gunicorn 1)")
def test_stream_goes_on(girin, gunicorn, measured, full, worker_class):
    workers, threads = CLASSES[worker_class]
    whole = f"whole after {BLOCKS * PAUSE:.0f} s"
    with girin(worker_class, workers, threads, "--timeout", str(LIMIT)) as run:
        assert blocks_of_stream(run) == BLOCKS
        measured.girin(whole)
    if full and worker_class in GUNICORN_HAS:
        with gunicorn(worker_class, workers, threads, "--timeout", "1") as run:
            blocks = came_of(lambda: blocks_of_stream(run))
            measured.gunicorn(whole if blocks == str(BLOCKS) else f"cut ({blocks})")


def blocks_of_stream(run) -> int:
    return len(client.get(run.port, f"/stream?count={BLOCKS}&s={PAUSE}").body) // 8


@every_class
@pytest.mark.promise("A stream that stops sending is cut at `--timeout`", "two blocks, then 3600 s; `--timeout 0.5` (gunicorn 1)")
def test_stream_stops(girin, gunicorn, measured, full, worker_class):
    workers, threads = CLASSES[worker_class]
    with girin(worker_class, workers, threads, "--timeout", str(LIMIT), "--graceful-timeout", "0.5") as run:
        answer, took = timed(run.port, "/stream?count=2&s=3600")
        assert answer.status == 200 and not answer.body.endswith(b"0\r\n\r\n")
        assert LIMIT <= took < LIMIT + 1
        raw.until(lambda: "its response was cut" in run.output())
        measured.girin(f"cut after {took:.2f} s")
    if full and worker_class in GUNICORN_HAS:
        with gunicorn(worker_class, workers, threads, "--timeout", "1", "--graceful-timeout", "1") as run:
            with raw.connect(run.port, 5) as s:
                s.sendall(raw.head("/stream?count=2&s=3600", "Connection: close"))
                began = time.monotonic()
                how = came_of(lambda: raw.read_to_end(s).status)
                measured.gunicorn("open after 5 s" if how == "TimeoutError" else f"cut after {time.monotonic() - began:.1f} s")
            kill_workers(run)


def test_no_timeout(girin):
    with girin("gthread", 1, 1, "--timeout", "0") as run:
        assert client.get(run.port, "/sleep?s=1").status == 200


HEAD, BODY = 20, 20  # seconds; see front


@pytest.mark.full
@pytest.mark.promise("A client that does not send its head or body in time gets 408; one that keeps to the rate may go on",
                     "half a head; a head at 4 bytes/s; half a body; a body at 1,000 bytes/s for 24 s")
def test_deadlines_of_clients(girin, gunicorn, measured):
    with girin("sync", 1) as run, gunicorn("sync", 2) as beside, ThreadPoolExecutor(8) as pool:
        head = raw.head("/body", "Content-Length: 24000", "Connection: close", f"X-Long: {'x' * 400}", method="POST")
        half_head = pool.submit(sent_slowly, run.port, head[:20], b"", 1)
        slow_head = pool.submit(sent_slowly, run.port, head[:20], head[20:], 0.25)
        half_body = pool.submit(sent_slowly, run.port, head + b"x", b"", 1)
        good_body = pool.submit(sent_slowly, run.port, head, b"x" * 24000, 0.05, 50)
        theirs = {name: pool.submit(answer_to_half, beside.port, half) for name, half in (("head", head[:20]), ("body", head + b"x"))}
        for waiting, limit in ((half_head, HEAD), (slow_head, HEAD), (half_body, BODY)):
            answer, took = waiting.result()
            assert answer.status == 408
            assert limit <= took < limit + 2
        answer, took = good_body.result()
        assert (answer.status, answer.body) == (200, b"24000")
        measured.girin(f"head 408 after {half_head.result()[1]:.1f} s, body 408 after {half_body.result()[1]:.1f} s; "
                       f"200 after {took:.0f} s at {24000 / took:,.0f} bytes/s")
        measured.gunicorn("; ".join(f"half a {name}: {waiting.result()}" for name, waiting in theirs.items()))


def answer_to_half(port, half) -> str:
    """What becomes of a client that stops there, and when."""
    with raw.connect(port, 40) as s:
        s.sendall(half)
        began = time.monotonic()
        how = came_of(lambda: raw.read_to_end(s).status or "closed without an answer")
        return f"{how} after {time.monotonic() - began:.0f} s"


def sent_slowly(port, first, rest, pause, step=1):
    """Sends rest piece by piece until an answer is there; (answer, seconds from the first byte)."""
    with raw.connect(port) as s:
        began = time.monotonic()
        s.sendall(first)
        turn = 0
        while rest:
            turn += 1
            s.settimeout(max(0.001, began + turn * pause - time.monotonic()))
            try:
                data = s.recv(1 << 16)
                s.settimeout(30)
                return raw.Answer(data + raw.read_to_end(s).data, False), time.monotonic() - began
            except TimeoutError:
                s.sendall(rest[:step])
                rest = rest[step:]
        s.settimeout(30)
        return raw.read_to_end(s), time.monotonic() - began


@pytest.mark.promise("An idle keep-alive connection is closed after `--keep-alive`", "a client that asks nothing more; `--keep-alive 1`")
def test_idle(girin, gunicorn, measured, full):
    def measure(run):
        with client.Connection(run.port, 10) as connection:
            assert connection.get("/").status == 200
            began = time.monotonic()
            assert connection.socket.recv(1) == b""
            return time.monotonic() - began

    options = ("gthread", 1, 2, "--keep-alive", "1")
    with girin(*options) as run:
        took = measure(run)
        assert 0.9 < took < 2
        measured.girin(f"closed after {took:.2f} s")
    if full:
        with gunicorn(*options) as run:
            measured.gunicorn(came_of(lambda: f"closed after {measure(run):.2f} s"))


@pytest.mark.promise("Requests that take too long together do not flood the log", "100 of them at once in a worker of 100 threads, `--timeout 1`")
def test_many_timeouts_at_once(girin, record, measured):
    with girin("gthread", 1, 100, "--timeout", "1") as run:
        with ThreadPoolExecutor(100) as pool:
            statuses = [call.result().status for call in [pool.submit(raw.get, run.port, "/sleep?s=3") for _ in range(100)]]
        assert statuses == [504] * 100
        raw.until(lambda: run.output().count("Request timeout: ") == 100)
        raw.until(lambda: "faultapp.py" in run.output(), what="stacks")
        size = len(run.output())
        assert size < 300_000
        measured.girin(f"{size >> 10} KiB of log")
