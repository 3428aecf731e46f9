"""Slow, silent and departed clients."""
from __future__ import annotations

import contextlib
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import client
import procs
import raw
from crowd import Crowd

CLASSES = {"sync": (2, 1), "gthread": (2, 4), "gevent": (2, 1), "gaiohttp": (2, 1), "auto": (2, 4)}
every_class = pytest.mark.parametrize("worker_class", CLASSES)
COUNT = 1000
KIB, MIB = 1 << 10, 1 << 20

KINDS = {
    "head": ("head", 0), "body": ("body", 0), "read 200 KiB": ("read", 200 * KIB),
}


def p99(port, count=200):
    """Of one normal client, in ms."""
    with client.Connection(port) as connection:
        times = []
        for _ in range(count):
            began = time.monotonic()
            assert connection.get("/").status == 200
            times.append(time.monotonic() - began)
    return 1000 * statistics.quantiles(times, n=100)[98]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.promise(f"{COUNT:,} slow clients hold no Python thread and bounded memory; a normal one does not notice them",
                     f"{COUNT:,} connections that send or read a byte a second")
def test_slow_clients(girin, gunicorn, measured, full, kind):
    what, size = KINDS[kind]
    with girin("gthread", 2, 4) as run:
        p99(run.port)
        idle, before = p99(run.port), procs.resident(run.process.pid)
        with Crowd(run.port, COUNT, what, size) as crowd:
            time.sleep(2 if not full else 5)  # they trickle
            beside = p99(run.port)
            memory = (procs.resident(run.process.pid) - before) / COUNT / KIB
            assert not crowd.cut
        assert beside < 2 * idle + (5 if full else 15), (beside, idle)  # ms; make test runs beside other things
        if kind == "head":
            assert memory < 16
        raw.until(lambda: procs.descriptors(run.process.pid) < 200, what="all connections gone")
        measured.girin(f"p99 {beside:.1f} ms (idle {idle:.1f} ms), {memory:.1f} KiB of the master's for each")
    if full:
        with gunicorn("gthread", 2, 4) as run:
            idle = p99(run.port)
            with contextlib.ExitStack() as stack:
                stack.enter_context(Crowd(run.port, COUNT, what, size))
                began = time.monotonic()
                with raw.connect(run.port, 5) as s:
                    s.sendall(raw.head("/", "Connection: close"))
                    try:
                        status = raw.read_to_end(s).status
                        text = f"one answer ({status}) after {time.monotonic() - began:.1f} s"
                    except TimeoutError:
                        text = "no answer within 5 s"
                measured.gunicorn(f"{text} (idle p99 {idle:.1f} ms)")


@pytest.mark.full
@pytest.mark.promise("Readers of large responses hold threads only until the write limit",
                     "8 readers of 16 MiB, a byte a second, on 8 threads: more than the kernel and the window take; 60 s without progress end it")
def test_readers_of_large_responses(girin, record, measured):
    with girin("gthread", 2, 4) as run:
        with Crowd(run.port, 8, "read", 16 * MIB):
            raw.until(lambda: len(record.lines("B")) >= 9, 20)  # with the first look at /
            began = time.monotonic()
            assert client.get(run.port, "/", timeout=120).status == 200  # waits for a thread
            waited = time.monotonic() - began
            assert 50 < waited < 75
        measured.girin(f"8 of 8 threads held; a normal request had its answer after {waited:.0f} s")


@every_class
@pytest.mark.promise("A client's queued request is dropped when it leaves", "20 requests behind a 1 s one; their clients close, or reset")
def test_departed_clients(girin, record, measured, worker_class):
    with girin(worker_class, 1, 1, *(["--worker-connections", "1"] if worker_class == "gevent" else [])) as run, \
            ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.get, run.port, "/sleep?s=1&n=1")
        raw.until(lambda: 1 in record.begun())
        for number in range(100, 120):
            s = raw.connect(run.port)
            s.sendall(raw.head(f"/?n={number}"))
            if number % 2:
                s.close()
            else:
                raw.reset(s)
        assert first.result().status == 200
        assert client.get(run.port, "/?n=2").status == 200
        ran = [number for number in record.begun() if number >= 100]
        assert not ran
        measured.girin("0 of 20 were run")


@every_class
@pytest.mark.promise("A streamed response whose client leaves is closed exactly once", "10 streams, reset after their first blocks")
def test_departed_streams(girin, record, measured, worker_class):
    workers, threads = CLASSES[worker_class]
    with girin(worker_class, workers, threads) as run:
        for number in range(100, 110):
            s = raw.connect(run.port)
            s.sendall(raw.head(f"/stream?count=1000000&s=0.01&n={number}"))
            assert s.recv(1000)
            raw.reset(s)
        raw.until(lambda: len(record.closed()) == 10, 20, "ten calls of close()")
        assert client.get(run.port, "/?n=1").status == 200
        assert set(record.closed().values()) == {1}
        measured.girin("10 of 10, once each")


@pytest.mark.promise("Running out of descriptors neither spins nor crashes nor loses the listener",
                     "`ulimit -n 100`; 300 clients connect and wait; then they leave")
def test_no_descriptors(girin, gunicorn, measured, full):
    def measure(run):
        before = procs.cpu_seconds(run.process.pid)
        with contextlib.ExitStack() as stack:
            for _ in range(300):
                s = stack.enter_context(raw.connect(run.port))
                s.sendall(b"GET / HTTP/1.1\r\n")
            time.sleep(2)  # what it would cost to spin
            spent = procs.cpu_seconds(run.process.pid) - before
            assert run.process.poll() is None
        began = time.monotonic()
        status = client.get(run.port, "/").status
        return spent, status, time.monotonic() - began

    with girin("gthread", 1, 2, within=Descriptors(100)) as run:
        spent, status, took = measure(run)
        assert spent < 0.5 and status == 200 and took < 2
        assert run.output().count("accept") < 10
        measured.girin(f"{spent:.2f} s of CPU in 2 s; {status} after {took:.2f} s when they had left")


class Descriptors:
    """A limit on how many may be open."""

    def __init__(self, most: int):
        self._most = most

    def command(self, command):
        return "sh", "-c", f'ulimit -n {self._most} && exec "$@"', "sh", *command


@pytest.mark.promise("At the limit of connections the one that has been idle longest goes",
                     "`ulimit -n 100`, so 50 connections; 45 idle ones, then 20 new ones that ask")
def test_idle_ones_make_room(girin, measured):
    with girin("gthread", 1, 2, "--keep-alive", "60", within=Descriptors(100)) as run, contextlib.ExitStack() as stack:
        for _ in range(45):
            stack.enter_context(client.Connection(run.port)).get("/")
        longest = 0.0
        for _ in range(20):
            began = time.monotonic()
            assert stack.enter_context(client.Connection(run.port)).get("/").status == 200
            longest = max(longest, time.monotonic() - began)
        assert longest < 2
        measured.girin(f"20 of 20 answered, the slowest after {1000 * longest:.0f} ms")
