"""Everything at once."""
from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import threading
import time

import pytest

import client
import procs
import raw
import servers
from conftest import free
from load import Load

CLIENTS = 24
SECONDS = float(os.environ.get("CHAOS", 60))
SHORT = 4  # of make test


@pytest.mark.promise("Mixed load with random faults loses and doubles no request, and leaves nothing behind",
                     f"kill -9 of workers, HUP, stalled and departed clients, bodies that do not fit on a full disk, at random, {CLIENTS} clients, {SECONDS:g} s (CHAOS=)")
def test_chaos(girin, record, measured, full, small_disk):
    seconds = SECONDS if full else SHORT
    randomness = random.Random(4)
    metrics = servers.free_port()
    with girin("gthread", 3, 4, "--graceful-timeout", "5", "--keep-alive", "1", "--metrics", f"127.0.0.1:{metrics}",
               env={"TMPDIR": str(small_disk)}) as run:
        room = free(small_disk)
        faults = Faults(run, randomness)
        spell(run, faults, 1)  # so that what is made once is made
        before = settled(run, room, small_disk, metrics)
        load = spell(run, faults, seconds, first=1_000_000)
        after = settled(run, room, small_disk, metrics)
        begun, ended = record.begun(), record.ended()
    mine = [number for number in load.outcomes if number >= 1_000_000]
    doubled = [number for number in mine if begun[number] > 1]
    # 200 means that it was run; what failed was running in a killed worker.
    lost = [number for number in mine if load.outcomes[number] == 200 and number not in ended]
    assert not doubled and not lost
    # A response that a killed worker had begun is cut; the small ones go as one frame.
    cut = {number for number, outcome in load.failed.items() if outcome != 502}
    assert all(load.outcomes[number] == "BadResponse" and path(number).startswith("/bytes") for number in cut), load.summary()
    assert len(load.failed) <= 4 * faults.count["kill"], load.summary()
    assert after.descriptors <= before.descriptors + 5, (before, after)
    assert after.goroutines <= before.goroutines + 5, (before, after)
    assert after.spooled == 0, after
    assert after.threads <= before.threads + 8, (before, after)
    assert after.memory <= before.memory + (24 << 20), (before, after)
    kinds = ", ".join(f"{count} {name}" for name, count in faults.count.items())
    measured.girin(f"{seconds:g} s, {kinds}: {load.summary()}, 0 lost, 0 doubled; descriptors {before.descriptors} to "
                   f"{after.descriptors}, goroutines {before.goroutines} to {after.goroutines}, "
                   f"memory {before.memory >> 20} to {after.memory >> 20} MiB, no spool file left")


def spell(run, faults, seconds, first=1):
    """Load and faults for so long."""
    with Load(run.port, CLIENTS, path, first) as load:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            faults.one()
            time.sleep(0.1)
    faults.end()
    return load


def path(number):
    return (f"/?n={number}", f"/sleep?s=0.02&n={number}", f"/bytes?count=300000&n={number}", f"/spin?s=0.005&n={number}")[number % 4]


class Faults:
    def __init__(self, run, randomness):
        self._run, self._random = run, randomness
        self._stalled = []
        self._threads = []
        self.count = dict.fromkeys(("kill", "HUP", "stall", "disconnect", "full disk"), 0)

    def one(self):
        """One fault; the mild ones more often."""
        name = self._random.choices(list(self.count), (1, 1, 4, 8, 4))[0]
        self.count[name] += 1
        with contextlib.suppress(OSError):
            getattr(self, name.replace(" ", "_"))()

    def kill(self):
        os.kill(self._random.choice(self._run.children), signal.SIGKILL)

    def HUP(self):
        os.kill(self._run.process.pid, signal.SIGHUP)

    def stall(self):
        s = raw.connect(self._run.port)
        s.sendall(self._random.choice([b"GET", raw.head("/body", "Content-Length: 100000", method="POST") + b"x" * 70000,
                                       raw.head("/bytes?count=1000000")]))
        self._stalled.append(s)
        if len(self._stalled) > 20:
            self._stalled.pop(0).close()

    def disconnect(self):
        s = raw.connect(self._run.port)
        s.sendall(raw.head(self._random.choice(["/sleep?s=0.05", "/stream?count=50&s=0.01", "/bytes?count=1000000"])))
        time.sleep(self._random.choice([0, 0.02]))
        raw.reset(s)

    def full_disk(self):
        thread = threading.Thread(target=self._fill)
        thread.start()
        self._threads.append(thread)

    def _fill(self):
        body = raw.head("/body", "Content-Length: 6000000", "Connection: close", method="POST") + b"x" * 6_000_000
        with contextlib.suppress(OSError):
            raw.ask(self._run.port, body)

    def end(self):
        for s in self._stalled:
            s.close()
        self._stalled.clear()
        for thread in self._threads:
            thread.join()
        self._threads.clear()


class Held:
    """What the master holds."""

    def __init__(self, pid, disk, metrics):
        self.descriptors, self.threads, self.memory = procs.descriptors(pid), procs.threads(pid), procs.resident(pid)
        self.spooled = sum(target.startswith(f"{disk}/") for target in procs.open_files(pid))
        text = client.get(metrics, "/metrics").body.decode()
        self.goroutines = int(re.search(r"^go_goroutines (\d+)", text, re.MULTILINE)[1])

    def __repr__(self):
        return (f"{self.descriptors} descriptors, {self.spooled} spool files, {self.threads} threads, "
                f"{self.goroutines} goroutines, {self.memory >> 20} MiB")


def settled(run, room, disk, metrics):
    """What is held when all clients have gone and three workers are there."""
    raw.until(lambda: len(run.children) == 3, 30, "three workers")
    raw.until(lambda: free(disk) == room, 30, "room given back")
    raw.until(lambda: client.get(run.port, "/").status == 200)
    time.sleep(2)  # idle connections go within --keep-alive
    return Held(run.process.pid, disk, metrics)
