#!/usr/bin/env python3
"""Speed, CPU time, latency and memory of girin beside its peers.

Each round starts every server anew, one after the other and in turning order,
so that what drifts on the machine drifts for all; medians of the rounds are
compared. wrk drives one server at a time, from one thread, as fast as it
answers; in a case named "50%" girin bench sends half the rate that Granian
reached in the case before. Prints a table in Markdown and whether the targets
hold; ends with 1 if one does not.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import client
import rounds
import servers
from rounds import Claim, Figures, Medians, Rounds

HERE = Path(__file__).resolve().parent
WARM_UP = 1  # seconds, wrk's least


@dataclass(frozen=True)
class Case:
    app: str  # module:object
    path: str = "/"
    connections: int = 64
    post: int = 0  # bytes of body; 0 is a GET
    half_of: str = ""  # the case of whose best rate with Granian half is offered


CASES = {
    "hello": Case("apps:hello"),
    "flask": Case("apps:flask"),
    "json": Case("apps:flask", "/json"),
    "page": Case("apps:flask", "/page"),
    "django": Case("django_app:app"),
    "falcon": Case("falcon_app:app"),
    "10 KiB": Case("apps:blob", "/10k"),
    "100 KiB": Case("apps:blob", "/100k"),
    "1 MiB": Case("apps:blob", "/1024k", 16),
    "post 10 KiB": Case("apps:count", post=10 << 10),
    "post 1 MiB": Case("apps:count", connections=16, post=1 << 20),
    "hello c=1": Case("apps:hello", connections=1),
    "flask c=1": Case("apps:flask", connections=1),
    "hello 50%": Case("apps:hello", half_of="hello"),
    "flask 50%": Case("apps:flask", half_of="flask"),
}
USUAL = ("hello", "flask")

SERVERS = (
    servers.girin("sync", 1),
    servers.girin("sync", 2),
    servers.girin("gthread", 2, 4),
    servers.gunicorn("sync", 2),
    servers.gunicorn("gthread", 2, 4),
    servers.gunicorn("gevent", 2),
    servers.granian(1),
    servers.granian(2, 4),
    servers.uwsgi(2),
)


@dataclass(frozen=True)
class Target:
    """girin's best setting against a peer's: those with the best rate, of
    latencies those with the best latency."""
    case: str
    figure: str  # of Figures
    peer: str  # how its name begins
    ratio: float  # at least so much of a rate, at most so much of a cost

    def verdict(self, medians: Medians) -> tuple[bool, str]:
        by = self.figure if self.figure in ("p50", "p99") else "rate"
        claim = Claim(self.case, self.figure, self.peer, self.ratio)
        return claim.verdict(best(medians, self.case, "girin", by), best(medians, self.case, self.peer, by))


FRAMEWORKS = ("flask", "json", "page", "django", "falcon")
LARGE = ("10 KiB", "100 KiB", "1 MiB", "post 10 KiB", "post 1 MiB")
TARGETS = (
    Target("hello", "rate", "granian", 1.15),
    Target("hello", "rate", "gunicorn", 6.5),
    Target("hello", "cpu", "granian", 0.9),
    *(Target(case, *rest) for case in FRAMEWORKS for rest in (
        ("rate", "granian", 1.25), ("rate", "gunicorn", 2.6), ("cpu", "granian", 0.8), ("memory", "granian", 0.75))),
    *(Target(case, "rate", "granian", 1.0) for case in LARGE),
    *(Target(case, "p50", "granian", 1.1) for case in ("hello c=1", "flask c=1")),
    *(Target(case, "p99", "granian", 1.0) for case in ("hello 50%", "flask 50%")),
)


def best(medians: Medians, case: str, who: str, by: str = "rate") -> Figures | None:
    return rounds.best([figures for (c, name), figures in medians.items() if c == case and name.startswith(who)], by)


@dataclass(frozen=True)
class Report:
    """What a load generator says."""
    count: int
    rate: float
    p50: float
    p99: float
    faults: str = ""


def wrk(url: str, case: Case, seconds: int, *options: str) -> Report:
    script = ["-s", str(HERE / "post.lua")] if case.post else []
    arguments = ["--", str(case.post)] if case.post else []
    command = ["wrk", "-t1", f"-c{case.connections}", f"-d{seconds}", "--latency", *options, *script, url + case.path, *arguments]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Report(
        count=int(re.search(r"(\d+) requests in", text)[1]),
        rate=float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        p50=milliseconds(re.search(r"50%\s+([\d.]+[a-z]+)", text)[1]),
        p99=milliseconds(re.search(r"99%\s+([\d.]+[a-z]+)", text)[1]),
        faults="; ".join(re.findall(r"Socket errors:.*|Non-2xx.*", text)))


def milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[unit]


def open_loop(url: str, case: Case, seconds: int, rate: float, *options: str) -> Report:
    command = [str(servers.GIRIN), "bench", "--quiet", "--json", "--rate", f"{rate:.0f}", "-c", str(case.connections),
               "-d", f"{seconds}s", "--cpus", "1", *options, url + case.path]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    quantiles = {p["p"]: p["ms"] for p in result["latency"]["percentiles"]}
    doubts = {d["code"] for d in result["doubts"]} & {"errors", "rate-missed", "client-cpu", "partial"}
    return Report(result["requests"]["done"], result["rate"]["ok"], result["latency"]["median_ms"], quantiles[99],
                  faults=", ".join(sorted(doubts)))


def measure(server: servers.Server, case: Case, seconds: int, offered: float) -> Figures:
    """Offered is a rate; 0: as fast as the server answers."""
    def load(seconds: int) -> Report:
        return open_loop(run.url, case, seconds, offered) if offered else wrk(run.url, case, seconds)

    with servers.running(server, case.app, cwd=HERE) as run:
        answer = client.get(run.port, case.path)
        if answer.status != 200:
            raise RuntimeError(f"{server.name} answers {case.path} with {answer.status}:\n{run.output()}")
        load(WARM_UP)
        before = run.cpu_seconds()
        report = load(seconds)
        spent = run.cpu_seconds() - before
        return Figures(report.rate, 1e6 * spent / max(report.count, 1), run.pss_mib(), report.p50, report.p99, report.faults)


def table(medians: Medians) -> str:
    lines = ["| case | server | requests/s | of gunicorn's best | CPU us/request | MiB | p50 ms | p99 ms | |",
             "|---|---|--:|--:|--:|--:|--:|--:|---|"]
    for (case, name), f in medians.items():
        peer = best(medians, case, "gunicorn")
        ratio = f"{f.rate / peer.rate:.2f}x" if peer else ""
        lines.append(f"| {case} | {name} | {f.rate:,.0f} | {ratio} | {f.cpu:.1f} | {f.memory:.0f} | {f.p50:.2f} | {f.p99:.2f} "
                     f"| {f.faults} |")
    return "\n".join(lines)


def heading(options: argparse.Namespace) -> str:
    packages = [f"{name} {metadata.version(name)}" for name in ("gunicorn", "granian", "gevent", "flask", "django", "falcon")]
    return (f"{len(os.sched_getaffinity(0))} cores shared with wrk -t1, CPython {platform.python_version()}, {', '.join(packages)}; "
            f"medians of {options.rounds} rounds of {options.seconds} s; 64 connections unless said.\n")


def parse_arguments() -> argparse.Namespace:
    parser = rounds.arguments(__doc__, ",".join(USUAL), f"of {', '.join(CASES)}; or all")
    options = parser.parse_args()
    options.cases = list(CASES) if options.cases == "all" else options.cases.split(",")
    for case in options.cases:
        if case not in CASES:
            parser.error(f"--cases: there is no {case!r}; there are {', '.join(CASES)}")
        base = CASES[case].half_of
        if base and base not in options.cases[: options.cases.index(case)]:
            parser.error(f"--cases: {case!r} needs {base!r} before it")
    return options


def half_rate(measured: Rounds, case: str) -> float:
    """Half of what Granian's best setting has reached in the case."""
    rates = [statistics.median(f.rate for f in figures) for (c, name), figures in measured.items()
             if c == case and name.startswith("granian")]
    return max(rates) / 2


def main() -> int:
    options = parse_arguments()

    def measured_once(server: servers.Server, name: str, measured: Rounds) -> Figures:
        case = CASES[name]
        return measure(server, case, options.seconds, half_rate(measured, case.half_of) if case.half_of else 0)

    medians = rounds.medians(rounds.measure_all(options, rounds.compared(list(SERVERS), options.servers), measured_once))
    verdicts = [t.verdict(medians) for t in TARGETS if t.case in options.cases]
    print(heading(options), table(medians), "", *(f"- {said}" for _, said in verdicts), sep="\n")
    return 0 if all(holds for holds, _ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
