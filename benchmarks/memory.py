#!/usr/bin/env python3
"""Memory of girin's master and workers beside gunicorn's sync workers.

Pss (of shared pages a process's share) after a thousand requests to the
Flask example; the master's also with a thousand idle keep-alive connections.
Ends with 1 if the master is at 40 MiB or more then, or a worker is over
gunicorn's by more than 5 MiB.

With --load: all of girin, with and without preload_app, beside Granian while
wrk loads Flask; medians of 3 rounds. Ends with 1 if two workers are over 0.75x
of Granian's, or over 0.6x with preload_app.
"""
from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from dataclasses import dataclass

import client
import peers
import servers

REQUESTS = 1000
IDLE = 1000
MASTER_BELOW = 40
WORKER_ABOVE = 5

SETTINGS = (servers.girin("sync", 2), servers.girin("gthread", 2, 4), servers.girin("gevent", 2),
            servers.gunicorn("sync", 2), servers.gunicorn("gthread", 2, 4), servers.gunicorn("gevent", 2))


@dataclass(frozen=True)
class Memory:
    """In MiB."""
    master: float
    worker: float
    total: float
    master_with_idle: float | None


def measure(server: servers.Server, idle: int) -> Memory:
    with servers.running(server, "blocking_flask:app") as run:
        for _ in range(REQUESTS):
            client.get(run.port, "/")
        master, total = servers.pss_mib(run.process.pid), run.pss_mib()
        workers = [servers.pss_mib(pid) for pid in run.children]
        with contextlib.ExitStack() as stack:
            for _ in range(idle):
                stack.enter_context(client.Connection(run.port)).get("/")
            with_idle = servers.pss_mib(run.process.pid) if idle else None
        return Memory(master, statistics.median(workers), total, with_idle)


LOADED = peers.Case("apps:flask")
TWO, FOUR = "2 workers", "4 workers"
UNDER_LOAD = {
    TWO: (servers.girin("sync", 2), servers.girin("sync", 2, 1, "--preload"), servers.granian(2, 4)),
    FOUR: (servers.girin("sync", 4), servers.girin("sync", 4, 1, "--preload"), servers.granian(4, 4)),
}
ROUNDS, SECONDS = 3, 2
OF_GRANIAN, OF_GRANIAN_PRELOADED = 0.75, 0.6


def under_load(server: servers.Server) -> float:
    with servers.running(server, LOADED.app, cwd=peers.HERE) as run:
        servers.settle(run)
        peers.wrk(run.url, LOADED, SECONDS)
        return run.pss_mib()


def compare_under_load() -> int:
    print("| | girin | girin, preload_app | Granian | of Granian | with preload_app |\n|---|--:|--:|--:|--:|--:|")
    ratios = {}
    for count, trio in UNDER_LOAD.items():
        rounds = [[under_load(server) for server in trio] for _ in range(ROUNDS)]
        plain, preloaded, granian = (statistics.median(column) for column in zip(*rounds))
        ratios[count] = plain / granian, preloaded / granian
        print(f"| {count} | {plain:.1f} | {preloaded:.1f} | {granian:.1f} | {plain / granian:.2f}x | {preloaded / granian:.2f}x |", flush=True)
    holds = ratios[TWO][0] <= OF_GRANIAN, ratios[TWO][1] <= OF_GRANIAN_PRELOADED
    print(f"\n- two workers at most {OF_GRANIAN}x of Granian's: {yes(holds[0])}"
          f"\n- with preload_app at most {OF_GRANIAN_PRELOADED}x: {yes(holds[1])}")
    return 0 if all(holds) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", action="store_true", help="beside Granian under load, with and without preload_app")
    return compare_under_load() if parser.parse_args().load else compare_idle()


def compare_idle() -> int:
    print(f"| server | master | with {IDLE:,} idle connections | worker | all |\n|---|--:|--:|--:|--:|")
    found = {}
    for server in SETTINGS:
        # Only girin's master holds connections; gunicorn's workers do, or close them.
        found[server.name] = m = measure(server, IDLE if server.maker == "girin" else 0)
        idle = f"{m.master_with_idle:.1f}" if m.master_with_idle is not None else ""
        print(f"| {server.name} | {m.master:.1f} | {idle} | {m.worker:.1f} | {m.total:.1f} |", flush=True)

    ours, theirs = found["girin sync 2"], found["gunicorn sync 2"]
    holds = ours.master_with_idle < MASTER_BELOW, ours.worker - theirs.worker <= WORKER_ABOVE
    print(f"\n- master with {IDLE:,} idle connections: {ours.master_with_idle:.1f} MiB, below {MASTER_BELOW}: {yes(holds[0])}"
          f"\n- sync worker over gunicorn's: {ours.worker - theirs.worker:+.1f} MiB, at most +{WORKER_ABOVE}: {yes(holds[1])}")
    return 0 if all(holds) else 1


def yes(holds: bool) -> str:
    return "holds" if holds else "does not hold"


if __name__ == "__main__":
    sys.exit(main())
