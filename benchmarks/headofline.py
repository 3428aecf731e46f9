#!/usr/bin/env python3
"""Does a quick request wait behind slow ones while a thread is free?

All threads but some sleep 5 s; a hundred quick requests come meanwhile: 25 in
one burst just before the sleepers, 25 in one just after, 50 spread out. Ends
with 1 if one of them takes girin 50 ms or more.
"""
from __future__ import annotations

import selectors
import sys
import time
from dataclasses import dataclass

import client
import servers

SLEEP = 5.0
BURST = 25
SPREAD = 50
ALLOWED = 0.050


@dataclass(frozen=True)
class Scene:
    worker_class: str
    workers: int
    threads: int
    sleepers: int


SCENES = (Scene("gthread", 2, 2, 2), Scene("sync", 2, 1, 1), Scene("gevent", 2, 1, 2))


class Burst:
    """Requests that are sent together, one connection each, and timed from
    one thread, so that the client's own threads do not wait for each other."""

    def __init__(self, port: int, count: int):
        self.selector = selectors.DefaultSelector()
        for _ in range(count):
            connection = client.Connection(port)
            sent = time.monotonic()
            connection.send("/", keep_alive=False)
            self.selector.register(connection.socket, selectors.EVENT_READ, (connection, sent))

    def latencies(self) -> list[float]:
        """Of all that were sent, once all are answered."""
        found = []
        while self.selector.get_map():
            for key, _ in self.selector.select():
                connection, sent = key.data
                found.append(time.monotonic() - sent)
                if connection.receive().status != 200:
                    raise RuntimeError("a quick request was not answered with 200")
                self.selector.unregister(connection.socket)
                connection.close()
        self.selector.close()
        return found


def quick_latencies(port: int, sleepers: int) -> list[float]:
    """Seconds that each of the hundred quick requests took."""
    before = Burst(port, BURST)
    asleep = [client.Connection(port) for _ in range(sleepers)]
    for connection in asleep:
        connection.send(f"/sleep/{SLEEP}", keep_alive=False)
    ends = time.monotonic() + SLEEP
    after = Burst(port, BURST)
    found = before.latencies() + after.latencies()
    for left in range(SPREAD, 0, -1):
        found += Burst(port, 1).latencies()
        time.sleep(max(0, ends - time.monotonic() - 0.5) / left)
    for connection in asleep:
        if connection.receive().status != 200:
            raise RuntimeError("a sleeper was not answered with 200")
        connection.close()
    return found


def measure(server: servers.Server, sleepers: int) -> list[float]:
    with servers.running(server, "blocking_flask:app") as run:
        servers.settle(run)
        return quick_latencies(run.port, sleepers)


def main() -> int:
    print(f"| server | sleepers of {SLEEP:g} s | slowest of 100 quick | over {1000 * ALLOWED:.0f} ms |\n|---|--:|--:|--:|")
    all_hold = True
    for scene in SCENES:
        for make in (servers.girin, servers.gunicorn):
            server = make(scene.worker_class, scene.workers, scene.threads)
            found = measure(server, scene.sleepers)
            late = sum(latency >= ALLOWED for latency in found)
            all_hold &= late == 0 or server.maker != "girin"
            print(f"| {server.name} | {scene.sleepers} | {1000 * max(found):.1f} ms | {late} |", flush=True)
    return 0 if all_hold else 1


if __name__ == "__main__":
    sys.exit(main())
