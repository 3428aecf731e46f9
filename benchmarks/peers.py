#!/usr/bin/env python3
"""Requests per second, CPU time per request and memory of girin beside its peers.

Each round starts every server anew, one after the other and in turning order,
so that what drifts on the machine drifts for all; medians of the rounds are
compared. wrk drives one server at a time, from one thread. Prints a table in
Markdown and whether the targets hold; ends with 1 if one does not.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import client
import servers

HERE = Path(__file__).resolve().parent
WARM_UP = 1  # seconds, wrk's least
BUSY = 0.5  # load average


@dataclass(frozen=True)
class Case:
    app: str  # in apps.py
    path: str = "/"
    connections: int = 64
    post: int = 0  # bytes of body; 0 is a GET


CASES = {
    "hello": Case("hello"),
    "flask": Case("flask"),
    "json": Case("flask", "/json"),
    "page": Case("flask", "/page"),
    "10 KiB": Case("blob", "/10k"),
    "100 KiB": Case("blob", "/100k"),
    "1 MiB": Case("blob", "/1024k", 16),
    "post 10 KiB": Case("count", post=10 << 10),
    "post 1 MiB": Case("count", connections=16, post=1 << 20),
    "hello c=1": Case("hello", connections=1),
    "flask c=1": Case("flask", connections=1),
}

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
class Figures:
    rate: float  # requests per second
    cpu: float  # microseconds of the whole process tree per request
    memory: float  # MiB (Pss) of the tree after the load
    faults: str = ""  # what wrk says went wrong


@dataclass(frozen=True)
class Target:
    """girin's best setting against a peer's, both those with the best rate."""
    case: str
    figure: str  # of Figures
    peer: str  # how its name begins
    ratio: float  # at least so much of a rate, at most so much of a cost

    def verdict(self, medians: dict[tuple[str, str], Figures]) -> tuple[bool, str]:
        ours, theirs = (best(medians, self.case, who) for who in ("girin", self.peer))
        bound = "at least" if self.figure == "rate" else "at most"
        claim = f"{self.case}: {self.figure} {bound} {self.ratio:g}x {self.peer}'s"
        if not ours or not theirs:
            return False, f"{claim}: not measured"
        ratio = getattr(ours, self.figure) / getattr(theirs, self.figure)
        holds = ratio >= self.ratio if self.figure == "rate" else ratio <= self.ratio
        return holds and not ours.faults, f"{claim}: {ratio:.2f}x, {'holds' if holds else 'does not hold'}"


TARGETS = (
    Target("hello", "rate", "gunicorn", 4.5),
    Target("hello", "rate", "granian", 0.8),
    Target("hello", "cpu", "gunicorn gevent", 0.15),
    Target("flask", "rate", "gunicorn", 2.2),
    Target("flask", "rate", "granian", 1.0),
)


def best(medians: dict[tuple[str, str], Figures], case: str, who: str) -> Figures | None:
    found = [figures for (c, name), figures in medians.items() if c == case and name.startswith(who)]
    return max(found, key=lambda figures: figures.rate, default=None)


def wrk(url: str, case: Case, seconds: int) -> str:
    script = ["-s", str(HERE / "post.lua")] if case.post else []
    arguments = ["--", str(case.post)] if case.post else []
    command = ["wrk", "-t1", f"-c{case.connections}", f"-d{seconds}", *script, url + case.path, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def measure(server: servers.Server, case: Case, seconds: int) -> Figures:
    with servers.running(server, f"apps:{case.app}", cwd=HERE) as run:
        answer = client.get(run.port, case.path)
        if answer.status != 200:
            raise RuntimeError(f"{server.name} answers {case.path} with {answer.status}:\n{run.output()}")
        wrk(run.url, case, WARM_UP)
        before = run.cpu_seconds()
        report = wrk(run.url, case, seconds)
        spent = run.cpu_seconds() - before
        count = int(re.search(r"(\d+) requests in", report)[1])
        return Figures(
            rate=float(re.search(r"Requests/sec:\s+([\d.]+)", report)[1]),
            cpu=1e6 * spent / max(count, 1),
            memory=run.pss_mib(),
            faults="; ".join(re.findall(r"Socket errors:.*|Non-2xx.*", report)))


def median(rounds: list[Figures]) -> Figures:
    return Figures(*(statistics.median(getattr(r, f) for r in rounds) for f in ("rate", "cpu", "memory")),
                   faults=next((r.faults for r in rounds if r.faults), ""))


def table(medians: dict[tuple[str, str], Figures]) -> str:
    lines = ["| case | server | requests/s | of gunicorn's best | CPU us/request | MiB | |",
             "|---|---|--:|--:|--:|--:|---|"]
    for (case, name), f in medians.items():
        peer = best(medians, case, "gunicorn")
        ratio = f"{f.rate / peer.rate:.2f}x" if peer else ""
        lines.append(f"| {case} | {name} | {f.rate:,.0f} | {ratio} | {f.cpu:.1f} | {f.memory:.0f} | {f.faults} |")
    return "\n".join(lines)


def heading(options: argparse.Namespace) -> str:
    packages = [f"{name} {metadata.version(name)}" for name in ("gunicorn", "granian", "gevent", "flask")]
    return (f"{len(os.sched_getaffinity(0))} cores shared with wrk -t1, CPython {platform.python_version()}, {', '.join(packages)}; "
            f"medians of {options.rounds} rounds of {options.seconds} s; 64 connections unless said.\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    targeted = ",".join(dict.fromkeys(t.case for t in TARGETS))
    parser.add_argument("--cases", default=targeted, help=f"of {', '.join(CASES)}; or all (default: %(default)s)")
    parser.add_argument("--servers", default="", help="only those whose name contains one of these (default: every one)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load in each round, after a warm-up of 1 s")
    parser.add_argument("--json", type=Path, help="write every round's figures to this file")
    options = parser.parse_args()
    options.cases = list(CASES) if options.cases == "all" else options.cases.split(",")
    for case in options.cases:
        if case not in CASES:
            parser.error(f"--cases: there is no {case!r}; there are {', '.join(CASES)}")
    return options


def main() -> int:
    options = parse_arguments()
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed: make deb-packages")
    wanted = [s for s in SERVERS if any(part in s.name for part in options.servers.split(","))]
    compared = [s for s in wanted if s.installed]
    for absent in dict.fromkeys(s.maker for s in wanted if not s.installed):
        print(f"{absent} is not installed and is left out", file=sys.stderr)

    if os.getloadavg()[0] > BUSY:
        print(f"the load of this machine is {os.getloadavg()[0]:.1f} before any server runs: "
              "the figures will be too low, and unevenly so", file=sys.stderr)

    rounds: dict[tuple[str, str], list[Figures]] = {}
    for number in range(options.rounds):
        for case in options.cases:
            turn = number % max(len(compared), 1)
            for server in compared[turn:] + compared[:turn]:
                figures = measure(server, CASES[case], options.seconds)
                rounds.setdefault((case, server.name), []).append(figures)
                print(f"{number + 1}/{options.rounds} {case:12} {server.name:22} {figures.rate:9,.0f}/s "
                      f"{figures.cpu:7.1f} us {figures.faults}", file=sys.stderr, flush=True)

    medians = {(case, s.name): median(rounds[case, s.name]) for case in options.cases for s in compared}
    if options.json:
        options.json.write_text(json.dumps(
            [{"case": case, "server": name, "rounds": [asdict(f) for f in figures]}
             for (case, name), figures in rounds.items()], indent=1))
    verdicts = [t.verdict(medians) for t in TARGETS if t.case in options.cases]
    print(heading(options), table(medians), "", *(f"- {said}" for _, said in verdicts), sep="\n")
    return 0 if all(holds for holds, _ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
