#!/usr/bin/env python3
"""Does `-w W --threads T` run W*T requests at once?

For every pair of workers and threads, W*T clients together make 2*W*T
requests to a route that sleeps one second: 2 s if W*T really run at once.
girin and gunicorn take turns; ends with 1 if girin is over 2 s by more than
3 % in any run, or its median over gunicorn's by more than 10 ms.
"""
from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import threading
import time

import client
import servers

SIZES = (1, 2, 4)
IDEAL = 2.0
ALLOWED = 1.03 * IDEAL
TIE = 0.010  # seconds between medians that do not count


def total_time(port: int, clients: int) -> float:
    """Seconds from the first of 2*clients requests to the last answer."""
    begin = threading.Barrier(clients + 1)
    wrong: list[object] = []

    def work() -> None:
        begin.wait()
        for _ in range(2):
            try:
                status = client.get(port, "/sleep/1").status
            except (OSError, client.BadResponse) as error:
                status = error
            if status != 200:
                wrong.append(status)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    begin.wait()
    started = time.monotonic()
    for thread in threads:
        thread.join()
    if wrong:
        raise RuntimeError(f"answers were {wrong}")
    return time.monotonic() - started


def measure(server: servers.Server, clients: int) -> float:
    with servers.running(server, "blocking_flask:app") as run:
        servers.settle(run)
        return total_time(run.port, clients)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()

    print("| workers x threads | girin: median, worst | gunicorn: median, worst | |\n|---|--:|--:|---|")
    all_hold = True
    for workers, threads in itertools.product(SIZES, SIZES):
        ours, theirs = [], []
        for _ in range(options.repeats):
            for make, times in ((servers.girin, ours), (servers.gunicorn, theirs)):
                times.append(measure(make("gthread", workers, threads), workers * threads))
        holds = max(ours) <= ALLOWED and statistics.median(ours) <= statistics.median(theirs) + TIE
        all_hold &= holds
        cells = [f"{statistics.median(times):.2f} s, {max(times):.2f} s |" for times in (ours, theirs)]
        print(f"| {workers}x{threads} |", *cells, "holds |" if holds else "does not hold |", flush=True)
    print(f"\n2*W*T requests of 1 s from W*T clients: ideally {IDEAL:.2f} s; allowed in each of "
          f"{options.repeats} runs: {ALLOWED:.2f} s.")
    return 0 if all_hold else 1


if __name__ == "__main__":
    sys.exit(main())
