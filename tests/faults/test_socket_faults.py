"""WebSockets and streams of ASGI applications."""
from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import threading
import time
from collections.abc import Iterator

import pytest

import client
import procs
import raw
import servers
from conftest import HERE, came_of
from crowd import FORK
from load import Load
from wsclient import CLOSE, PING, PONG, TEXT, Socket, ends, told

SOCKETS, STREAMS = 1000, 100
GIB = 1 << 30
CONNECTS = int(os.environ.get("CONNECTS") or 200_000)  # some 90 s; a million takes as many as five times


@pytest.fixture
def asgi(girin):
    return lambda workers=1, *options: girin("asgi", workers, 1, *options, app="socketapp:app")


PEERS = {
    "uvicorn": lambda workers: servers.Server("uvicorn", f"{workers}", (
        str(servers.BIN / "uvicorn"), "--host", "127.0.0.1", "--port", "{port}", "--workers", str(workers), "--no-access-log", "--log-level", "warning", "{app}")),
    "Granian": lambda workers: servers.Server("granian", f"{workers}", (
        str(servers.BIN / "granian"), "--interface", "asgi", "--http", "1", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning",
        "--workers", str(workers), "{app}")),
}


def beside(measured, workers, measure) -> None:
    """Puts the same fault to the peers."""
    def one(server):
        with servers.running(server, "socketapp:app", cwd=HERE) as run:
            time.sleep(2)  # all workers
            return measure(run)

    for name, server in PEERS.items():
        measured.peer(name, came_of(lambda: one(server(workers))))


@contextlib.contextmanager
def opened(port: int, count: int, **more) -> Iterator[dict[int, list[Socket]]]:
    """So many sockets, by the process that has them."""
    by: dict[int, list[Socket]] = {}
    try:
        for _ in range(count):
            s = Socket(port, **more)
            by.setdefault(int(s.receive()[1]), []).append(s)
        yield by
    finally:
        for s in all_of(by):
            s.close()


def all_of(by: dict[int, list[Socket]]) -> list[Socket]:
    return [s for some in by.values() for s in some]


def going_on(sockets: list[Socket], within: float = 10) -> int:
    """How many of them answer, within so many seconds together."""
    until, alive = time.monotonic() + within, 0
    for s in sockets:
        s.socket.settimeout(max(0.01, until - time.monotonic()))
        with contextlib.suppress(OSError):
            alive += s.echoes()
    return alive


@pytest.mark.promise("The sockets of a worker that is killed are closed with 1011 within 1 s, and no others",
                     f"kill -9 of one of 2 workers that have {SOCKETS:,} sockets together; an end or a reset is one without a close frame")
def test_killed_worker_with_sockets(asgi, measured, full):
    count = SOCKETS if full else 200

    def measure(run):
        with opened(run.port, count) as by:
            pid = max(by, key=lambda p: len(by[p]))
            began = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            found = ends(by[pid], began, 5)
            others = [s for p, some in by.items() if p != pid for s in some]
            return found, len(by[pid]), going_on(others), len(others)

    with asgi(2) as run:
        found, lost, alive, others = measure(run)
        slowest = max(end.at for end in found.values())
        assert len(found) == lost and {end.how for end in found.values()} == {1011} and alive == others > 0
        assert slowest < 1
        measured.girin(f"{told(found)}, the last after {slowest * 1000:.0f} ms; {alive} of {others} others went on")
    if full:
        def peer(run):
            found, lost, alive, others = measure(run)
            slowest = max((end.at for end in found.values()), default=0)
            return f"of {lost}: {told(found) or 'none ended'}, the last after {slowest * 1000:.0f} ms; {alive} of {others} others went on"
        beside(measured, 2, peer)


@pytest.mark.promise("A reload closes sockets with 1012, spread over `--ws-drain`, ends streams within `--graceful-timeout`, and fails no request",
                     f"HUP with {SOCKETS:,} sockets, {STREAMS} event streams and 8 clients that ask on; `--ws-drain 3 --graceful-timeout 8`")
def test_reload_with_sockets(asgi, measured, full):
    count, streams = (SOCKETS, STREAMS) if full else (200, 20)
    drain, grace = 3, 8

    def measure(run, within):
        with contextlib.ExitStack() as stack:
            by = stack.enter_context(opened(run.port, count))
            listening = [stack.enter_context(raw.connect(run.port, 60)) for _ in range(streams)]
            for s in listening:
                s.sendall(raw.head("/events"))
                s.recv(1)
            load = stack.enter_context(Load(run.port, 8, "/?n={}".format))
            time.sleep(0.5)
            began = time.monotonic()
            os.kill(run.process.pid, signal.SIGHUP)
            found = ends(all_of(by), began, within)
            left = max(1, began + within - time.monotonic())
            gone = came_of(lambda: raw.until(lambda: not any(map(procs.alive, by)), left, "the old workers' end"))
            over = time.monotonic() - began
            ended = how_many_end(listening)
        return found, None if gone.startswith("not ") else over, ended, load

    with asgi(2, "--ws-drain", str(drain), "--graceful-timeout", str(grace)) as run:
        found, over, ended, load = measure(run, 40)
        times = sorted(end.at for end in found.values())
        assert len(found) == count and {end.how for end in found.values()} == {1012}, told(found)
        assert not load.failed, (load.summary(), load.reasons, run.output())
        assert over is not None and over < grace + 5 and ended == streams
        assert times[-1] - times[0] > drain / 2
        measured.girin(f"{told(found)} within {times[-1]:.1f} s, the first and the last {times[-1] - times[0]:.1f} s apart; "
                       f"the old workers ended after {over:.1f} s; {load.summary()}")
    if full:
        def peer(run):
            found, over, ended, load = measure(run, 20)
            workers = "not all old workers ended within 20 s" if over is None else f"the old workers ended after {over:.1f} s"
            return (f"of {count}: {told(found) or 'none ended'} within {max((e.at for e in found.values()), default=0):.1f} s; "
                    f"{ended} of {streams} streams ended; {workers}; {load.summary()}")
        beside(measured, 2, peer)


def how_many_end(streams, within: float = 3) -> int:
    """Of those whose server has gone, or has not."""
    until, ended = time.monotonic() + within, 0
    with selectors.DefaultSelector() as selector:
        for s in streams:
            selector.register(s, selectors.EVENT_READ)
        while ended < len(streams) and (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                with contextlib.suppress(ConnectionError):
                    if key.fileobj.recv(1 << 16):
                        continue
                ended += 1
                selector.unregister(key.fileobj)
    return ended


class Watch:
    """The most memory that processes had while it was entered, beyond what they had before."""

    def __init__(self, *pids: int):
        self._pids, self._stop = pids, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.most = dict.fromkeys(pids, 0)

    def __enter__(self) -> Watch:
        self._before = {pid: procs.resident(pid) for pid in self._pids}
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            for pid in self._pids:
                self.most[pid] = max(self.most[pid], procs.resident(pid) - self._before[pid])

    @property
    def mib(self) -> list[float]:
        return [self.most[pid] / (1 << 20) for pid in self._pids]


@pytest.mark.promise("A slow reader of a socket costs its window only", "20 clients that read nothing of 256 MiB each, for 3 s; another socket goes on")
def test_slow_socket_readers(asgi, measured, full):
    readers = 20

    def measure(run):
        with contextlib.ExitStack() as stack:
            other = Socket(run.port)
            other.receive()
            watch = stack.enter_context(Watch(*run.tree))
            for _ in range(readers):
                stack.callback(Socket(run.port, "/flood", receive_buffer=4096).close)
            slowest, until = 0.0, time.monotonic() + (3 if full else 1)
            while time.monotonic() < until:
                began = time.monotonic()
                assert other.echoes()
                slowest = max(slowest, time.monotonic() - began)
                time.sleep(0.01)
            other.close()
        return sum(watch.mib), slowest

    with asgi() as run:
        memory, slowest = measure(run)
        assert memory < readers * 1.5 + 32, f"{memory:.0f} MiB"
        measured.girin(f"{memory:.0f} MiB for {readers}; the other's slowest message took {slowest * 1000:.0f} ms")
    if full:
        beside(measured, 1, lambda run: "{:.0f} MiB; {:.3f} s".format(*measure(run)))


@pytest.mark.promise("Bodies of any length pass with flat memory, up and down", "1 GiB up, then 1 GiB down, through an application that streams both")
def test_a_gibibyte_each_way(asgi, measured, full):
    size = GIB if full else GIB >> 4

    def measure(run):
        worker = run.tree[-1]
        with Watch(run.process.pid, worker) as watch:
            began = time.monotonic()
            with raw.connect(run.port, 120) as s:
                s.sendall(raw.head("/up", f"Content-Length: {size}", "Connection: close", method="POST"))
                step = bytes(1 << 20)
                for _ in range(size >> 20):
                    s.sendall(step)
                assert str(size).encode() in raw.read_to_end(s).body  # in chunks, or not
            took_up = time.monotonic() - began
            began = time.monotonic()
            with raw.connect(run.port, 120) as s:
                s.sendall(raw.head(f"/down?{size}", "Connection: close"))
                came, room = 0, bytearray(1 << 20)
                while n := s.recv_into(room):
                    came += n
                assert came > size
            return watch.mib, took_up, time.monotonic() - began

    with asgi() as run:
        (master, worker), up, down = measure(run)
        assert master < 48 and worker < 48, (master, worker)
        measured.girin(f"{size >> 20} MiB up in {up:.1f} s, down in {down:.1f} s: the master took {master:.0f} MiB more, the worker {worker:.0f}")
    if full:
        def peer(run):
            mib, up, down = measure(run)
            return f"up in {up:.1f} s, down in {down:.1f} s; {max(mib):.0f} MiB more"
        beside(measured, 1, peer)


@pytest.mark.promise("A loop that is held loses no socket: the front answers pings", "a handler that holds the only loop for 30 s, `--timeout 60`; 100 clients ping each second and leave after 5 s without an answer")
def test_held_loop_with_sockets(asgi, measured, full):
    seconds, patience = (30, 5) if full else (4, 2)

    def measure(run):
        with opened(run.port, 100) as by:
            sockets = all_of(by)
            holder = threading.Thread(target=lambda: came_of(lambda: raw.ask(run.port, raw.head(f"/hold?{seconds}", "Connection: close"), 60)), daemon=True)
            holder.start()
            time.sleep(0.3)
            slowest, left = 0.0, 0
            until = time.monotonic() + seconds - 1
            while sockets and time.monotonic() < until:
                began = time.monotonic()
                for s in sockets:
                    with contextlib.suppress(OSError):  # which its answer will show
                        s.send(b"p", PING)
                for s in list(sockets):
                    s.socket.settimeout(max(0.01, began + patience - time.monotonic()))
                    try:
                        while s.receive() != (PONG, b"p"):
                            pass
                    except (OSError, ConnectionError):
                        sockets.remove(s)
                        left += 1
                slowest = max(slowest, time.monotonic() - began)
                time.sleep(max(0, began + 1 - time.monotonic()))
            holder.join(60)
            return left, slowest, going_on(sockets)

    with asgi(1, "--timeout", "60") as run:
        left, slowest, alive = measure(run)
        assert left == 0 and alive == 100
        measured.girin(f"held for {seconds} s: 0 of 100 lost; all answered within {slowest * 1000:.0f} ms; all went on")
    if full:
        beside(measured, 1, lambda run: "{} of 100 left; slowest answer {:.1f} s; {} went on".format(*measure(run)))


def come_and_go(port: int, count: int, opened) -> None:
    """Sockets that are opened, used and closed in turn, each in one of three ways."""
    os.nice(10)
    for n in range(count):
        s = Socket(port)
        if n % 3 > 0:
            assert s.receive()[0] == TEXT
        if n % 3 > 1:
            s.send(b"\x03\xe8", CLOSE)
            while s.receive()[0] != CLOSE:
                pass
        raw.reset(s.socket)  # or its port would wait for a minute
        if n % 100 == 99:
            with opened.get_lock():
                opened.value += 100


@pytest.mark.promise("Sockets that come and go leave nothing behind", f"{CONNECTS:,} connects and disconnects by 2 clients at once (CONNECTS=), each in one of three ways")
def test_sockets_that_come_and_go(asgi, measured, full):
    count = CONNECTS if full else 3000
    metrics = servers.free_port()
    with asgi(1, "--metrics", f"127.0.0.1:{metrics}") as run:
        def spell(count):
            done = FORK.Value("i", 0)
            clients = [FORK.Process(target=come_and_go, args=(run.port, count // 2, done)) for _ in range(2)]
            for one in clients:
                one.start()
            for one in clients:
                one.join()
            assert [one.exitcode for one in clients] == [0, 0]

        spell(2000)
        before = held(run, metrics)
        began = time.monotonic()
        spell(count)
        rate = count / (time.monotonic() - began)
        after = held(run, metrics)
        assert after["tasks"] <= before["tasks"], (before, after)
        assert after["descriptors"] <= before["descriptors"] + 3 and after["goroutines"] <= before["goroutines"] + 5, (before, after)
        assert after["memory"] <= before["memory"] + (24 << 20), (before, after)
        measured.girin(f"{count:,} at {rate:,.0f}/s: no socket, task or request is left; descriptors {before['descriptors']} to {after['descriptors']}, "
                       f"goroutines {before['goroutines']} to {after['goroutines']}, memory of master and worker {before['memory'] >> 20} to {after['memory'] >> 20} MiB")


def held(run, port) -> dict[str, int]:
    """What is held when nobody is there any more."""
    def figures():
        text = client.get(port, "/metrics").body.decode()
        return {name: int(float(re.search(rf"^{name} (\S+)", text, re.MULTILINE)[1])) for name in (
            "girin_websockets", "girin_requests_in_flight", "girin_connections", "go_goroutines", "girin_refused_transitions_total")}

    idle = {"girin_websockets": 0, "girin_requests_in_flight": 0, "girin_connections": 0, "girin_refused_transitions_total": 0}
    raw.until(lambda: idle.items() <= figures().items(), 60, "all have gone")
    time.sleep(1)
    pids = [run.process.pid, *run.children]
    return {"descriptors": sum(map(procs.descriptors, pids)), "tasks": int(raw.get(run.port, "/tasks").body), "goroutines": figures()["go_goroutines"], "memory": sum(map(procs.resident, pids))}
