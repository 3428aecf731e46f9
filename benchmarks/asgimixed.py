#!/usr/bin/env python3
"""How late light requests are while others hold event loops: FastAPI on girin's class auto and its peers.

examples/phases_fastapi.py is asked for 100 light requests a second. Beside them, in a case each:

    mixed    64 clients wait as coroutines, 16 in threads; 2 block their loop for 0.2 s; 4 compute in
             threads and 4 in their loop
    cold     the same from a server's first request on: what it must learn first counts
    blocked  one handler in two blocks its loop for 0.2 s, twice a second

The load of "mixed" runs for 3 s before it is measured; nothing else is warmed up. Each round starts
every server anew, in turning order; medians of the rounds count. Clients run at a higher priority
than the servers where that is permitted, as in girin lab: a client that is late itself on a machine
which computes would be measured in place of the server. Prints a table in Markdown and whether
girin's targets hold; ends with 1 if one does not.
"""
from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from dataclasses import dataclass

import rounds
import servers
from asgi import gunicorn, granian, uvicorn
from servers import Server, girin_auto

APP = "phases_fastapi:app"
WAITS = ("/sleep/0.2", "-c", "64")
THREADS = ("/sleep/blocking/0.2", "-c", "16")
BLOCKS = ("/sleep/wrong/0.2", "-c", "2")
COMPUTES = ("/compute/1000000", "-c", "4")
COMPUTES_IN_LOOP = ("/compute/wrong/1000000", "-c", "4")
MIXED = (("/", "--rate", "100", "-c", "8"), (WAITS, THREADS, BLOCKS, COMPUTES, COMPUTES_IN_LOOP))
CASES = {
    "mixed": MIXED,
    "cold": MIXED,
    "blocked": (("/", "--rate", "400", "-c", "8"), (("/sleep/wrong/0.2", "--rate", "2", "-c", "2"),)),
}
LATE = 50  # ms
LEARNS = 3  # s
FIRST = ("nice", "-n", "-10")  # where that is refused it warns, and runs the command all the same
TARGETS = {"mixed": ("p99", 10.0, "ms"), "cold": ("p99", 10.0, "ms"), "blocked": ("late", 0.1, "% over 50 ms")}

SERVERS = [girin_auto(), *(build(2) for build in (uvicorn, gunicorn)), granian(2, "asyncio")]


@dataclass(frozen=True)
class Figures:
    p50: float  # ms, of the light requests
    p99: float
    late: float  # percent of them over LATE
    rates: tuple[float, ...]  # of the others, per second


def start(url: str, stream: tuple[str, ...], seconds: int) -> subprocess.Popen:
    path, *load = stream
    command = [*FIRST, str(servers.GIRIN), "bench", "--quiet", "--json", *load, "-d", f"{seconds}s", url + path]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def result(load: subprocess.Popen) -> dict:
    return json.loads(load.communicate()[0])


def put(url: str, case: str, seconds: int) -> list[dict]:
    light, others = CASES[case]
    return [result(load) for load in [start(url, stream, seconds) for stream in (light, *others)]]


def measure(server: Server, case: str, seconds: int) -> Figures:
    with servers.running(server, APP) as run:
        servers.settle(run)
        if case == "mixed":
            put(run.url, case, LEARNS)
        said, *rest = put(run.url, case, seconds)
    quantiles = {p["p"]: p["ms"] for p in said["latency"]["percentiles"]}
    done, failed = said["requests"]["done"], said["requests"]["failed"]
    late = sum(b["count"] for b in said["histogram"] if b["from_ms"] >= LATE) + failed
    p99 = quantiles.get(99, math.inf) if 100 * failed < done else math.inf  # the percentiles are of successes
    return Figures(said["latency"]["median_ms"], p99, 100 * late / max(done, 1), tuple(r["rate"]["ok"] for r in rest))


def median(measured: list[Figures]) -> Figures:
    p50, p99, late = (statistics.median(getattr(f, name) for f in measured) for name in ("p50", "p99", "late"))
    return Figures(p50, p99, late, tuple(statistics.median(rates) for rates in zip(*(f.rates for f in measured))))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES), help="(default: %(default)s)")
    parser.add_argument("--servers", default="", help="only those whose name contains one of these (default: every one)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    compared = [s for s in SERVERS if s.installed and any(part in s.name for part in options.servers.split(","))]
    rounds.warn_if_busy()
    measured: dict[tuple[str, Server], list[Figures]] = {}
    for number in range(options.rounds):
        for case in options.cases.split(","):
            turn = number % max(len(compared), 1)
            for server in compared[turn:] + compared[:turn]:
                f = measure(server, case, options.seconds)
                measured.setdefault((case, server), []).append(f)
                print(f"{number + 1}/{options.rounds} {case} {server.name}: p99 {f.p99:.1f} ms, {f.late:.2f} % late", file=sys.stderr, flush=True)
    holds, verdicts = True, []
    print("| case | server | light p50 ms | p99 ms | % over 50 ms | others/s |\n|---|---|--:|--:|--:|---|")
    for case in options.cases.split(","):
        name, bound, unit = TARGETS[case]
        held, told = False, "not measured"
        for server in compared:
            f = median(measured[case, server])
            rates = ", ".join(f"{stream[0]} {rate:.1f}" for stream, rate in zip(CASES[case][1], f.rates))
            print(f"| {case} | {server.name} | {f.p50:.1f} | {f.p99:.1f} | {f.late:.2f} | {rates} |", flush=True)
            if server.maker == "girin":
                held = getattr(f, name) <= bound
                told = f"{getattr(f, name):.2f}, {'holds' if held else 'does not hold'}"
        holds = holds and held
        verdicts.append(f"- {case}: {name} at most {bound:g} {unit}: {told}")
    print("", *verdicts, sep="\n")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
