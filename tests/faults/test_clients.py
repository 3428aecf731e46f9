"""Slow, silent and departed clients."""
from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import client
import procs
import raw
from conftest import GUNICORN_HAS, came_of
from crowd import Crowd, nobody
from load import p99
from waiting import readable

CLASSES = {"sync": (2, 1), "gthread": (2, 4), "gevent": (2, 1), "gaiohttp": (2, 1), "auto": (2, 4)}
every_class = pytest.mark.parametrize("worker_class", CLASSES)
COUNT = 1000
KIB, MIB = 1 << 10, 1 << 20

KINDS = {
    "head": ("head", 0), "body": ("body", 0), "read 200 KiB": ("read", 200 * KIB),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.promise(f"{COUNT:,} slow clients hold no Python thread and bounded memory; a normal one does not notice them",
                     f"{COUNT:,} connections that send or read a byte a second; idle: the same clients ask nobody")
def test_slow_clients(girin, gunicorn, measured, full, kind):
    what, size = KINDS[kind]
    with girin("gthread", 2, 4) as run:
        p99(run.port)
        with nobody() as port, Crowd(port, COUNT, what, size):
            idle, before = p99(run.port), procs.resident(run.process.pid)
        with Crowd(run.port, COUNT, what, size) as crowd:
            spent, seconds = procs.cpu_seconds(run.process.pid), 5 if full else 2
            time.sleep(seconds)  # they trickle
            spent = procs.cpu_seconds(run.process.pid) - spent
            beside = p99(run.port)
            memory = (procs.resident(run.process.pid) - before) / COUNT / KIB
            assert not crowd.cut
        assert beside < 2 * idle + (1 if full else 15), (beside, idle)  # ms; make test runs beside other things
        if kind == "head":
            assert memory < 16
        raw.until(lambda: procs.descriptors(run.process.pid) < 200, what="all connections gone")
        measured.girin(f"p99 {beside:.1f} ms (idle {idle:.1f} ms), {memory:.1f} KiB of the master's for each, "
                       f"{100 * spent / seconds:.1f} % of a core")
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


LARGE_HEAD = raw.head("/", *(f"X-{i}: {'x' * 8000}" for i in range(75)))
LARGE = {"heads": LARGE_HEAD[:-2], "bodies": raw.head("/body", "Content-Length: 60000", method="POST") + b"x" * 59_999}


@pytest.mark.parametrize("kind", LARGE)
@pytest.mark.promise("Unfinished requests of many clients take bounded memory together",
                     "2,000 clients that stop a byte before the end of a head of 600 kB or of a body of 60 kB")
def test_large_unfinished_requests(girin, gunicorn, measured, full, kind):
    def measure(run):
        resident = lambda: sum(map(procs.resident, run.tree))
        before, began = resident(), time.monotonic()
        with contextlib.ExitStack() as stack:
            for sent in range(1, 1 + (2 * COUNT if full else COUNT // 4)):
                s = stack.enter_context(raw.connect(run.port, 1))
                with contextlib.suppress(ConnectionError, TimeoutError):  # it may be refused, or not read
                    s.sendall(LARGE[kind])
                if time.monotonic() - began > 15:
                    break
            memory = (resident() - before) / MIB
            return sent, memory, came_of(lambda: client.get(run.port, "/", timeout=5).status)

    with girin("gthread", 1, 2) as run:
        sent, memory, status = measure(run)
        assert memory < 200 and status == "200"
        measured.girin(f"{memory:.0f} MiB; a normal request: {status}")
    if full:
        with gunicorn("gthread", 1, 2) as run:
            sent, memory, status = measure(run)
            measured.gunicorn(f"{memory:.0f} MiB for {sent:,}; a normal request: {status}")


@pytest.mark.full
@pytest.mark.promise("Readers of large responses leave their threads to others",
                     "8 readers of 16 MiB, a byte a second, on 8 threads: more than the kernel and the window take")
def test_readers_of_large_responses(girin, gunicorn, record, measured):
    def measure(run):
        began = time.monotonic()
        status = came_of(lambda: client.get(run.port, "/", timeout=80).status)  # waits for a thread
        return status, time.monotonic() - began

    readers = lambda run: Crowd(run.port, 8, "read", 16 * MIB)
    with girin("gthread", 2, 4) as ours, gunicorn("gthread", 2, 4) as theirs, readers(ours), readers(theirs), ThreadPoolExecutor(1) as pool:
        raw.until(lambda: len(record.lines("B")) >= 9, 20)  # with the first look at /
        came_of(lambda: raw.until(lambda: len(gunicorn.record.lines("B")) >= 9, 5))
        beside = pool.submit(measure, theirs)
        status, waited = measure(ours)
        assert status == "200" and waited < 1
        measured.girin(f"a normal request had its answer after {1000 * waited:.0f} ms")
        status, waited = beside.result()
        measured.gunicorn(f"a normal request: {status} after {waited:.0f} s")


@every_class
@pytest.mark.promise("Readers of a byte a second hold no thread", "100 readers of 6 MiB, and eight that read nothing; meanwhile one client asks again and again")
def test_readers_hold_no_thread(girin, measured, worker_class):
    workers, threads = CLASSES[worker_class]
    with girin(worker_class, workers, threads) as run, contextlib.ExitStack() as stack:
        readers = [stack.enter_context(raw.connect(run.port, receive_buffer=8192)) for _ in range(108)]
        for s in readers:
            s.sendall(raw.head(f"/bytes?count={6 * MIB}"))
        raw.until(lambda: client.get(run.port, "/").status == 200, 20)
        for _ in range(3):  # seconds
            for s in readers[8:]:
                assert len(s.recv(1)) == 1
            time.sleep(1)
        slowest = p99(run.port, 1000)
        assert slowest < 50
        measured.girin(f"p99 {slowest:.1f} ms")


@every_class
@pytest.mark.promise("A client's queued request is dropped when it leaves", "20 requests behind a 1 s one; their clients close, or reset")
def test_departed_clients(girin, gunicorn, record, measured, full, worker_class):
    options = ["--worker-connections", "1"] if worker_class == "gevent" else []
    with girin(worker_class, 1, 1, *options) as run:
        ran = run_for_the_departed(run, record)
        assert not ran
        measured.girin(f"{ran} of 20 were run")
    if full and worker_class in GUNICORN_HAS:
        with gunicorn(worker_class, 1, 1, *options) as run:
            measured.gunicorn(f"{run_for_the_departed(run, gunicorn.record)} of 20 were run")


def run_for_the_departed(run, record) -> int:
    with ThreadPoolExecutor(1) as pool:
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
    return sum(number >= 100 for number in record.begun())


@every_class
@pytest.mark.promise("A streamed response whose client leaves is closed exactly once", "10 streams, reset after their first blocks")
def test_departed_streams(girin, gunicorn, record, measured, full, worker_class):
    workers, threads = CLASSES[worker_class]
    with girin(worker_class, workers, threads) as run:
        leave_streams(run)
        raw.until(lambda: len(record.closed()) == 10, 20, "ten calls of close()")
        assert client.get(run.port, "/?n=1").status == 200
        assert set(record.closed().values()) == {1}
        measured.girin("10 of 10, once each")
    if full and worker_class in GUNICORN_HAS:
        with gunicorn(worker_class, workers, threads) as run:
            leave_streams(run)
            came_of(lambda: raw.until(lambda: len(gunicorn.record.closed()) == 10, 20))
            measured.gunicorn(f"{len(gunicorn.record.closed())} of 10")


def leave_streams(run) -> None:
    for number in range(100, 110):
        s = raw.connect(run.port)
        s.sendall(raw.head(f"/stream?count=1000000&s=0.01&n={number}"))
        assert s.recv(1000)
        raw.reset(s)


RESETS = 5000
UPLOAD = raw.head("/body", "Transfer-Encoding: chunked", method="POST") + b"13880\r\n%b\r\n0\r\n\r\n" % (b"x" * 80_000)


@pytest.mark.promise("Clients that reset at any moment leave no thread, file or descriptor behind",
                     f"{RESETS:,} uploads of 80 KB in chunks, reset somewhere in head, body, queue, run or answer; then 8 requests of 1 s at once for the 8 threads")
def test_resets(girin, gunicorn, measured, full):
    randomness = random.Random(5)

    def measure(run):
        descriptors = lambda: sum(map(procs.descriptors, run.tree))
        fresh, before = all_threads(run), descriptors()
        for _ in range(RESETS if full else 300):
            s = raw.connect(run.port)
            with contextlib.suppress(ConnectionError):
                s.sendall(UPLOAD[:randomness.choice([randomness.randrange(len(UPLOAD)), len(UPLOAD)])])
                time.sleep(randomness.choice([0, 0.001, 0.003]))
            raw.reset(s)
        raw.until(lambda: descriptors() <= before, 20, "descriptors given back")
        return all_threads(run), fresh

    with girin("gthread", 2, 4) as run:
        took, fresh = measure(run)
        assert took < 1.9
        assert run.output().count("Booting worker") == 2
        measured.girin(f"all 8 answered after {took:.1f} s (before: {fresh:.1f} s); no descriptor left")
    if full:
        with gunicorn("gthread", 2, 4) as run:
            measured.gunicorn(came_of(lambda: "all 8 answered after {:.1f} s (before: {:.1f} s)".format(*measure(run))))


def all_threads(run) -> float:
    """How long eight requests of a second take on eight threads: two, if one thread is gone."""
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        statuses = [call.result().status for call in [pool.submit(client.get, run.port, "/sleep?s=1") for _ in range(8)]]
    assert statuses == [200] * 8
    return time.monotonic() - began


@pytest.mark.promise("Only who waits has a place in the queue", "`--queue-size 10`; behind a 2 s request ten clients fill it, and reset; then another one asks")
def test_the_departed_leave_the_queue(girin, record, measured):
    with girin("gthread", 1, 1, "--queue-size", "10") as run, ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.get, run.port, "/sleep?s=2&n=1")
        raw.until(lambda: 1 in record.begun())
        queued = [raw.connect(run.port) for _ in range(10)]
        for s in queued:
            s.sendall(raw.head("/?n=100"))
        time.sleep(0.3)
        assert client.get(run.port, "/?n=101").status == 503
        for s in queued:
            raw.reset(s)
        time.sleep(0.3)
        assert client.get(run.port, "/?n=2").status == 200
        assert first.result().status == 200
        assert not {100, 101} & set(record.begun())
    measured.girin("503 while they wait, 200 when they have left")


@pytest.mark.promise("A file that the application keeps open goes whole to two clients at once", "8 MiB by `wsgi.file_wrapper`, one open file for both; they read in turns")
def test_kept_file(girin, gunicorn, measured, full):
    def measure(run):
        """How many of two got the right bytes."""
        whole = client.get(run.port, "/kept").body
        assert whole == b"".join(b"%07d\n" % i for i in range(1 << 20))
        with contextlib.ExitStack() as stack:
            readers = [stack.enter_context(raw.connect(run.port)) for _ in range(2)]
            for s in readers:
                s.sendall(raw.head("/kept", "Connection: close"))
            came = [bytearray(), bytearray()]
            for _ in range(50):
                for s, data in zip(readers, came):
                    data += s.recv(1 << 16)
            return sum((bytes(data) + raw.read_to_end(s).data).partition(b"\r\n\r\n")[2] == whole for s, data in zip(readers, came))

    with girin("gthread", 1, 2) as run:
        assert measure(run) == 2
        measured.girin("2 of 2 got all of it")
    if full:
        with gunicorn("gthread", 1, 2) as run:
            measured.gunicorn(came_of(lambda: f"{measure(run)} of 2 got all of it"))


@pytest.mark.promise("Running out of descriptors neither spins nor crashes nor loses the listener",
                     "`ulimit -n 100`; 300 clients connect and wait; then they leave")
def test_no_descriptors(girin, gunicorn, measured, full):
    def measure(run):
        before = run.cpu_seconds()
        with contextlib.ExitStack() as stack:
            for _ in range(300):
                s = stack.enter_context(raw.connect(run.port))
                s.sendall(b"GET / HTTP/1.1\r\n")
            time.sleep(2)  # what it would cost to spin
            spent = run.cpu_seconds() - before
        began = time.monotonic()
        status = came_of(lambda: client.get(run.port, "/", timeout=20).status)
        return spent, status, time.monotonic() - began

    with girin("gthread", 1, 2, within=Descriptors(100)) as run:
        spent, status, took = measure(run)
        assert spent < 0.5 and status == "200" and took < 2
        assert run.process.poll() is None
        assert run.output().count("accept") < 10
        measured.girin(f"{spent:.2f} s of CPU in 2 s; {status} after {took:.2f} s when they had left")
    if full:
        with gunicorn("gthread", 1, 2, within=Descriptors(100)) as run:
            spent, status, took = measure(run)
            measured.gunicorn(f"{spent:.2f} s of CPU in 2 s; {status} after {took:.2f} s when they had left")


class Descriptors:
    """A limit on how many may be open."""

    def __init__(self, most: int):
        self._most = most

    def command(self, command):
        return "sh", "-c", f'ulimit -n {self._most} && exec "$@"', "sh", *command


HALF_A_BODY = raw.head("/body", "Content-Length: 200000", method="POST") + b"x" * 100_000
UNREAD_FILE = raw.head(f"/file?count={64 * MIB}")


@pytest.mark.parametrize("kind, sent", {"bodies": HALF_A_BODY, "files": UNREAD_FILE}.items(), ids=["bodies", "files"])
@pytest.mark.promise("Bodies on disk and files that are sent leave descriptors for workers",
                     "`ulimit -n 100`; 60 bodies stop half-way, or 60 clients read nothing of a file; kill -9 of the only worker")
def test_descriptors_for_workers(girin, gunicorn, measured, full, kind, sent):
    def measure(run):
        descriptors = lambda: sum(map(procs.descriptors, run.tree))  # gunicorn's workers hold the connections
        before = descriptors()
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                s = stack.enter_context(raw.connect(run.port, receive_buffer=4096))
                s.setblocking(False)  # some wait to be accepted
                with contextlib.suppress(BlockingIOError):
                    s.send(sent)
                readable(s.fileno(), 0.02)  # its file has come: all at once would get 503 for want of room
            came_of(lambda: raw.until(lambda: descriptors() >= before + 40))
            taken, killed = descriptors() - before, run.children
            os.kill(killed[0], signal.SIGKILL)
            text = came_of(lambda: f"replaced after {1000 * raw.until(lambda: run.children and run.children != killed):.0f} ms")
        return taken, text, came_of(lambda: client.get(run.port, "/", timeout=5).status)

    with girin("gthread", 1, 2, within=Descriptors(100)) as run:
        taken, text, status = measure(run)
        assert taken >= 40, "connections and their files"
        assert text.startswith("replaced") and status == "200"
        assert "cannot be started" not in run.output()
        measured.girin(text)
    if full:
        with gunicorn("gthread", 1, 2, within=Descriptors(100)) as run:
            taken, text, status = measure(run)
            measured.gunicorn(f"{taken} taken; {text}; then {status}")


@pytest.mark.promise("A file for which there is no descriptor: 503, and the worker lives",
                     "`ulimit -n 100`; 45 kept connections ask for a file each and read nothing")
def test_files_beyond_the_descriptors(girin, measured):
    with girin("gthread", 1, 2, "--keep-alive", "60", within=Descriptors(100)) as run, contextlib.ExitStack() as stack:
        workers = run.children
        kept = [stack.enter_context(client.Connection(run.port)) for _ in range(45)]
        for connection in kept:
            assert connection.get("/").status == 200
        statuses = []
        for connection in kept:
            with contextlib.suppress(ConnectionError):  # an idle one may have gone to make room
                connection.socket.sendall(UNREAD_FILE)
                if answer := connection.socket.recv(100):
                    statuses.append(int(answer.split()[1]))
        assert set(statuses) == {200, 503}
        assert run.children == workers
        assert "no file descriptor is left" in run.output()
        for connection in kept:
            connection.close()
        assert client.get(run.port, "/").status == 200
        measured.girin(f"{statuses.count(200)} were sent, {statuses.count(503)} got 503")


@pytest.mark.promise("At the limit of connections the one that has been idle longest goes",
                     "`ulimit -n 100`, so 50 connections; 45 idle ones, then 20 new ones that ask")
def test_idle_ones_make_room(girin, gunicorn, measured, full):
    def measure(run):
        with contextlib.ExitStack() as stack:
            for _ in range(45):
                stack.enter_context(client.Connection(run.port)).get("/")
            began, longest, answered = time.monotonic(), 0.0, 0
            for _ in range(20):
                asked = time.monotonic()
                answered += came_of(lambda: stack.enter_context(client.Connection(run.port, 5)).get("/").status) == "200"
                longest = max(longest, time.monotonic() - asked)
                if time.monotonic() - began > 20:
                    break
            return answered, longest

    options = ("gthread", 1, 2, "--keep-alive", "60")
    with girin(*options, within=Descriptors(100)) as run:
        answered, longest = measure(run)
        assert answered == 20 and longest < 2
        measured.girin(f"{answered} of 20 answered, the slowest after {1000 * longest:.0f} ms")
    if full:
        with gunicorn(*options, within=Descriptors(100)) as run:
            answered, longest = measure(run)
            measured.gunicorn(f"{answered} of 20 answered, the slowest after {1000 * longest:.0f} ms")
