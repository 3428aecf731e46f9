#!/usr/bin/env python3
"""Speed, CPU time and memory of girin's class asgi beside its peers.

Each round starts every server anew, one after the other and in turning order;
medians of the rounds are compared. HTTP is driven by wrk from one thread,
WebSockets by wsload.c, which is compiled first. Costs are those of the whole tree
of processes. Prints a table in Markdown and whether the targets hold; ends with 1
if one does not.

The rule: of rates, the best setting of each server counts, whatever it is. What it
costs, in CPU and memory, is compared between settings of as many workers, of a peer
the one that costs least; a target must hold for each number of workers.
"""
from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import peers
import rounds
import servers
from rounds import Claim, Figures, Medians
from servers import BIN, Server, girin_auto

HERE = Path(__file__).resolve().parent
WARM_UP = 1  # seconds, also wsload's


@dataclass(frozen=True)
class Case:
    app: str
    load: tuple[str, ...] = ()  # wsload's arguments after PORT, without the seconds; none: wrk
    path: str = "/"
    connections: int = 64


CASES = {
    "hello": Case("asgi_apps:hello"),
    "fastapi": Case("asgi_apps:api"),
    "stream": Case("asgi_apps:api", path="/parts"),
    "events": Case("asgi_apps:api", path="/events"),
    "large stream": Case("asgi_apps:api", path="/large", connections=16),
    "file": Case("asgi_apps:api", path="/file", connections=16),
    "echo": Case("asgi_apps:echo", ("echo", "64", "1", "64")),
    "echo 16": Case("asgi_apps:echo", ("echo", "64", "16", "64")),
    "broadcast": Case("asgi_apps:broadcast", ("broadcast", "32", "8", "64")),
}


def girin(workers: int) -> Server:
    server = girin_auto("-k", "asgi", "-w", str(workers), "--asgi-loop", "uvloop")
    return Server("girin", str(workers), server.command)


def uvicorn(workers: int) -> Server:
    return Server("uvicorn", str(workers), (
        str(BIN / "uvicorn"), "--host", "127.0.0.1", "--port", "{port}", "--workers", str(workers), "--no-access-log",
        "--log-level", "warning", "--loop", "uvloop", "--http", "httptools", "{app}"))


def granian(workers: int, tasks: str) -> Server:
    return Server("granian", f"{workers} {tasks}", (
        str(BIN / "granian"), "--interface", "asgi", "--http", "1", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning",
        "--workers", str(workers), "--loop", "uvloop", "--task-impl", tasks, "{app}"))


def gunicorn(workers: int) -> Server:
    server = servers.gunicorn("asgi", workers)
    return Server("gunicorn", str(workers), server.command)


def hypercorn(workers: int) -> Server:
    return Server("hypercorn", str(workers), (
        str(BIN / "hypercorn"), "--bind", "127.0.0.1:{port}", "--workers", str(workers), "--worker-class", "uvloop",
        "--log-level", "warning", "{app}"))


SERVERS = [build(n) for build in (girin, uvicorn, gunicorn, hypercorn) for n in (1, 2)]
SERVERS += [granian(n, tasks) for n in (1, 2) for tasks in ("asyncio", "rust")]


@dataclass(frozen=True)
class Target:
    """girin against a peer, or against the best of all."""
    case: str
    figure: str  # of Figures
    peer: str  # "": any
    ratio: float  # at least so much of a rate, at most so much of a cost

    def verdicts(self, medians: Medians) -> list[tuple[bool, str]]:
        """Of a rate one, of a cost one for each number of workers."""
        if self.figure == "rate":
            return [self.verdict(self.case, medians)]
        numbers = sorted({workers(name) for case, name in medians if case == self.case and name.startswith("girin")})
        return [self.verdict(f"{self.case} with {n} worker{'s' if n > 1 else ''}", {key: f for key, f in medians.items() if workers(key[1]) == n})
                for n in numbers] or [self.verdict(self.case, {})]

    def verdict(self, about: str, medians: Medians) -> tuple[bool, str]:
        claim = Claim(about, self.figure, self.peer or "the best peer", self.ratio)
        return claim.verdict(best(medians, self.case, "girin", self.figure), best(medians, self.case, self.peer, self.figure))


def workers(name: str) -> int:
    """How many a server of SERVERS has."""
    return int(name.split()[1])


TARGETS = (
    Target("hello", "cpu", "granian", 0.85),
    Target("hello", "rate", "granian", 1.0),
    Target("fastapi", "cpu", "granian", 0.8),
    Target("fastapi", "rate", "granian", 1.2),
    *(Target(case, *rest) for case in ("stream", "events", "large stream", "file")
      for rest in (("rate", "uvicorn", 1.0), ("rate", "granian", 1.0), ("cpu", "uvicorn", 1.0))),
    Target("echo", "cpu", "", 0.65),
    Target("echo", "rate", "", 1.3),
    Target("echo 16", "rate", "", 5.0),
    Target("broadcast", "rate", "", 1.1),
    *(Target(case, "memory", "granian", 1.0) for case in ("hello", "fastapi")),
)


def best(medians: Medians, case: str, who: str, figure: str) -> Figures | None:
    """The best of whose name begins so, of peers if it is empty."""
    return rounds.best([f for (c, name), f in medians.items() if c == case and (name.startswith(who) if who else not name.startswith("girin"))], figure)


def measure(server: Server, case: Case, seconds: int, wsload: Path) -> Figures:
    with servers.running(server, case.app, cwd=HERE) as run:
        servers.settle(run)
        if case.load:
            return messages(run, case, seconds, wsload)
        wrk = peers.Case(case.app, case.path, case.connections)
        peers.wrk(run.url, wrk, WARM_UP)
        before = run.cpu_seconds()
        report = peers.wrk(run.url, wrk, seconds)
        spent = run.cpu_seconds() - before
        return Figures(report.rate, 1e6 * spent / max(report.count, 1), run.pss_mib(), report.p50, report.p99, report.faults)


def messages(run: servers.Running, case: Case, seconds: int, wsload: Path) -> Figures:
    command = [str(wsload), str(run.port), *case.load, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as load:
        load.stdout.readline()  # "begin"
        before = run.cpu_seconds()
        last = load.stdout.readline().split()
        spent = run.cpu_seconds() - before
        memory = run.pss_mib()
        if not last:
            return Figures(0, 0, memory, 0, 0, load.stderr.read().strip())
    rate, count, p50, p99 = map(float, last)
    return Figures(rate, 1e6 * spent / max(count, 1), memory, p50, p99)


def parse_arguments() -> argparse.Namespace:
    parser = rounds.arguments(__doc__, ",".join(CASES), "which of them")
    options = parser.parse_args()
    options.cases = options.cases.split(",")
    for case in options.cases:
        if case not in CASES:
            parser.error(f"--cases: there is no {case!r}; there are {', '.join(CASES)}")
    return options


def table(medians: Medians) -> str:
    lines = ["| case | server | requests or messages/s | CPU us each | MiB | p50 ms | p99 ms | |", "|---|---|--:|--:|--:|--:|--:|---|"]
    for (case, name), f in medians.items():
        lines.append(f"| {case} | {name} | {f.rate:,.0f} | {f.cpu:.2f} | {f.memory:.0f} | {f.p50:.2f} | {f.p99:.2f} | {f.faults} |")
    return "\n".join(lines)


def main() -> int:
    options = parse_arguments()
    compared = rounds.compared(SERVERS, options.servers)
    with tempfile.TemporaryDirectory() as folder:
        wsload = Path(folder, "wsload")
        subprocess.run(["cc", "-O2", "-std=gnu11", "-o", wsload, HERE / "wsload.c"], check=True)
        measured = rounds.measure_all(options, compared, lambda server, case, _: measure(server, CASES[case], options.seconds, wsload))
    medians = rounds.medians(measured)
    verdicts = [verdict for t in TARGETS if t.case in options.cases for verdict in t.verdicts(medians)]
    print(table(medians), "", *(f"- {said}" for _, said in verdicts), sep="\n")
    return 0 if all(holds for holds, _ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
