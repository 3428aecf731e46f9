#!/usr/bin/env python3
"""How soon does the class auto settle when the load changes?

    sleepers     200 clients come at once and sleep 0.5 s each: from 2 s on all
                 of them sleep at once
    connections  64 and then 200 clients of a route that needs one of ten
                 connections for 50 ms, and fails after 1 s without: no failures
    computing    8 computing clients join 50 light requests/s: settled in 5 s,
                 and at most one resize in 10 s from then on

Each on a server of its own. Ends with 1 if one does not hold.
"""
from __future__ import annotations

import csv
import re
import subprocess
import sys
import tempfile
from _multiprocessing import sem_unlink
from datetime import datetime
from pathlib import Path

import servers

AUTO = servers.girin_auto("--log-level", "debug")


class Load:
    """A `girin bench` that runs."""

    def __init__(self, run: servers.Running, path: str, *arguments: str):
        self.file = Path(tempfile.mkstemp(suffix=".csv")[1])
        self.process = subprocess.Popen(
            [str(servers.GIRIN), "bench", "-q", *arguments, f"--csv={self.file}", run.url + path],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def rows(self) -> list[tuple[float, float, str]]:
        """When each request was due, in seconds, its latency in seconds (what failed: for ever), its status or error; waits for the end."""
        self.process.wait()
        with self.file.open() as f:
            rows = [(float(r["scheduled_ms"]) / 1e3, float(r["latency_ms"] or "inf") / 1e3, r["status"] or r["error"]) for r in csv.DictReader(f)]
        self.file.unlink()
        return rows


def p99(values: list[float]) -> float:
    return sorted(values)[len(values) * 99 // 100]


def sleepers() -> tuple[str, bool]:
    with servers.running(AUTO, "apps:flask", cwd=servers.ROOT / "benchmarks") as run:
        servers.settle(run)
        rows = Load(run, "/sleep/0.5", "-c", "200", "-d", "8s").rows()
    late = [latency for due, latency, _ in rows if due >= 2]
    served = len(late) / 6
    return f"200 sleepers from 2 s on: {served:.0f} of 400/s, p99 {1e3 * p99(late):.0f} ms of 500", p99(late) < 0.6


def connections() -> tuple[str, bool]:
    with servers.running(AUTO, "apps:flask", cwd=servers.ROOT / "benchmarks") as run:
        servers.settle(run)
        rows = Load(run, "/query", "-c", "64", "-d", "10s").rows() + Load(run, "/query", "-c", "200", "-d", "10s").rows()
        sem_unlink(f"/girin-pool-{run.process.pid}")
    failed = [(round(due, 2), status) for due, _, status in rows if status != "200"]
    return f"a pool of 10: {len(rows) / 20:.0f} of 200/s, {len(failed)} failed {failed[:3] or ''}", not failed


def computing() -> tuple[str, bool]:
    with servers.running(AUTO, "apps:flask", cwd=servers.ROOT / "benchmarks") as run:
        servers.settle(run)
        light = Load(run, "/", "--rate", "50", "-d", "50s")
        Load(run, "/", "-c", "1", "-d", "5s").rows()
        step = datetime.now()
        heavy = Load(run, "/compute/1000000", "-c", "8", "-d", "45s").rows()
        settled = [latency for due, latency, _ in light.rows() if due >= 10]
        text = run.output()
    resizes = [(datetime.strptime(at, "%Y-%m-%d %H:%M:%S") - step).total_seconds()
               for at in re.findall(r"^\[([-0-9]+ [:0-9]+) .*workers instead of", text, re.MULTILINE)]
    late = [r for r in resizes if r > 5]
    first, then = (sum(a <= due + latency < b for due, latency, _ in heavy) / (b - a) for a, b in ((5, 10), (10, 45)))
    holds = p99(settled) < 0.01 and first > 0.95 * then and len(late) <= 4
    return (f"light, then computing: {first:.1f}/s from 5 s to 10 s, {then:.1f}/s later; light p99 {1e3 * p99(settled):.1f} ms from 5 s on; "
            f"resizes {len(resizes)}, of them {len(late)} later than 5 s"), holds


def main() -> int:
    all_hold = True
    for step in (sleepers, connections, computing):
        said, holds = step()
        all_hold &= holds
        print(f"- {said}: {'holds' if holds else 'does not hold'}", flush=True)
    return 0 if all_hold else 1


if __name__ == "__main__":
    sys.exit(main())
