#!/usr/bin/env python3
"""What other machines add: /compute of examples/blocking_flask.py on one node, and on three.

A node is a girin that serves nobody and runs the jobs of another (--offload-connect), with a
share of a core that a control group gives it: three whole cores are more than many machines
have. The server that clients ask runs no job itself (--offload-slots 0); meanwhile they ask it
for a light route at a steady rate. Prints both rates, their ratio and the light route's p99,
and whether the targets hold; ends with 1 if one does not. Linux and root only.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import servers
from servers import EXAMPLES, GIRIN, Server

APP = "blocking_flask:app"
RATIO, LIGHT = 2.8, 10.0  # at least; ms at most


class Share:
    """A control group whose processes get a share of a core."""

    PERIOD = 10_000  # us: short, so that a request does not wait for the next period for long

    def __init__(self, name: str, share: float) -> None:
        v1 = Path("/sys/fs/cgroup/cpu")
        self.path = (v1 if v1.is_dir() else Path("/sys/fs/cgroup")) / f"girin-{os.getpid()}-{name}"
        self.path.mkdir()
        quota = int(share * self.PERIOD)
        if v1.is_dir():
            (self.path / "cpu.cfs_period_us").write_text(str(self.PERIOD))
            (self.path / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (self.path / "cpu.max").write_text(f"{quota} {self.PERIOD}")

    def take(self, pids: list[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                (self.path / "cgroup.procs").write_text(str(pid))

    def close(self) -> None:
        for _ in range(100):
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.05)


def wait_for(run: servers.Running, text: str, times: int = 1) -> None:
    late = time.monotonic() + 30
    while run.output().count(text) < times:
        if time.monotonic() > late:
            raise RuntimeError(f"it does not say {text!r} {times} times:\n{run.output()}")
        time.sleep(0.05)


@contextlib.contextmanager
def node(queue: str, key: Path, share: float, name: str):
    """One that runs a job at a time."""
    command = (str(GIRIN), "serve", "--python", sys.executable, "--name", "nodes", "--no-bind", "-w", "1", "--threads", "1",
               "--offload-connect", f"nats://{queue}", "--offload-key", str(key), "--offload-slots", "1", APP)
    group = Share(name, share)
    try:
        server = Server("girin", "node", command)
        with servers.running(server, APP, EXAMPLES, {}, 60, lambda run, within: wait_for(run, "Jobs: connected")) as run:
            group.take(run.tree)
            yield run
    finally:
        group.close()


def load(url: str, seconds: float, *more: str) -> subprocess.Popen:
    return subprocess.Popen([str(GIRIN), "bench", "--quiet", "--json", "-d", f"{seconds:g}s", *more, url], stdout=subprocess.PIPE, text=True)


def measure(origin: servers.Running, count: int, clients: int, seconds: float, rate: float) -> tuple[float, float]:
    """Computing requests per second, and the light ones' p99 in ms."""
    load(f"{origin.url}/compute/{count}", 1, "-c", str(clients)).communicate()
    heavy = load(f"{origin.url}/compute/{count}", seconds, "-c", str(clients))
    light = load(f"{origin.url}/", seconds, "--rate", f"{rate:g}")
    said = [json.loads(run.communicate()[0]) for run in (heavy, light)]
    p99 = next((p["ms"] for p in said[1]["latency"]["percentiles"] if p["p"] == 99), math.inf)
    failed = said[1]["requests"]["failed"]
    return said[0]["rate"]["ok"], p99 if 100 * failed < said[1]["requests"]["done"] else math.inf  # percentiles are of successes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--share", type=float, default=0.4, help="of a core, that each node has")
    parser.add_argument("--count", type=int, default=100_000, help="of /compute/COUNT")
    parser.add_argument("--seconds", type=float, default=8, help="of each load")
    parser.add_argument("--clients", type=int, default=8, help="that ask for /compute at once")
    parser.add_argument("--rate", type=float, default=50, help="of light requests")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jobnodes-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        key, queue = folder / "key", f"127.0.0.1:{servers.free_port()}"
        subprocess.run([str(GIRIN), "offload", "keygen", str(key)], check=True, stdout=subprocess.DEVNULL)
        front = Server("girin", "", (
            str(GIRIN), "serve", "--python", sys.executable, "--name", "nodes", "-b", "127.0.0.1:{port}", "-w", "1", "--threads", "4",
            "--offload", "/compute/*", "--offload-slots", "0", "--offload-listen", queue, "--offload-key", str(key),
            "--offload-dir", str(folder / "store"), APP))
        origin = stack.enter_context(servers.running(front, APP, EXAMPLES))
        wait_for(origin, "Jobs: connected")
        found = []
        for nodes in (1, 3):
            for i in range(len(found) and 1, nodes):
                stack.enter_context(node(queue, key, options.share, str(i)))
            wait_for(origin, " is there, with 1 slots", nodes)
            found.append(measure(origin, options.count, options.clients, options.seconds, options.rate))
        ratio, light = found[1][0] / found[0][0], max(p99 for _, p99 in found)
    print(f"| nodes of {options.share:g} core | /compute/{options.count} per s | light p99 ms |\n|--:|--:|--:|")
    for nodes, (rate, p99) in zip((1, 3), found):
        print(f"| {nodes} | {rate:.1f} | {p99:.1f} |")
    for good, text in ((ratio >= RATIO, f"{ratio:.2f} times one node's rate (at least {RATIO})"), (light < LIGHT, f"light p99 {light:.1f} ms (below {LIGHT:g})")):
        print(("holds: " if good else "DOES NOT HOLD: ") + text)
    return 0 if ratio >= RATIO and light < LIGHT else 1


if __name__ == "__main__":
    sys.exit(main())
