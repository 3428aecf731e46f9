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
class Figures:
    rate: float  # requests per second
    cpu: float  # microseconds of the whole process tree per request
    memory: float  # MiB (Pss) of the tree after the load
    p50: float  # milliseconds
    p99: float
    faults: str = ""  # what went wrong


@dataclass(frozen=True)
class Target:
    """girin's best setting against a peer's: those with the best rate, of
    latencies those with the best latency."""
    case: str
    figure: str  # of Figures
    peer: str  # how its name begins
    ratio: float  # at least so much of a rate, at most so much of a cost

    def verdict(self, medians: dict[tuple[str, str], Figures]) -> tuple[bool, str]:
        by = self.figure if self.figure in ("p50", "p99") else "rate"
        ours, theirs = (best(medians, self.case, who, by) for who in ("girin", self.peer))
        bound = "at least" if self.figure == "rate" else "at most"
        claim = f"{self.case}: {self.figure} {bound} {self.ratio:g}x {self.peer}'s"
        if not ours or not theirs:
            return False, f"{claim}: not measured"
        ratio = getattr(ours, self.figure) / getattr(theirs, self.figure)
        holds = ratio >= self.ratio if self.figure == "rate" else ratio <= self.ratio
        return holds and not ours.faults, f"{claim}: {ratio:.2f}x, {'holds' if holds else 'does not hold'}"


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


def best(medians: dict[tuple[str, str], Figures], case: str, who: str, by: str = "rate") -> Figures | None:
    found = [figures for (c, name), figures in medians.items() if c == case and name.startswith(who)]
    found.sort(key=lambda figures: getattr(figures, by))
    return found[-1 if by == "rate" else 0] if found else None


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


def median(rounds: list[Figures]) -> Figures:
    return Figures(*(statistics.median(getattr(r, f) for r in rounds) for f in ("rate", "cpu", "memory", "p50", "p99")),
                   faults=next((r.faults for r in rounds if r.faults), ""))


def table(medians: dict[tuple[str, str], Figures]) -> str:
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(USUAL), help=f"of {', '.join(CASES).replace('%', '%%')}; or all (default: %(default)s)")
    parser.add_argument("--servers", default="", help="only those whose name contains one of these (default: every one)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load in each round, after a warm-up of 1 s")
    parser.add_argument("--json", type=Path, help="write every round's figures to this file")
    options = parser.parse_args()
    options.cases = list(CASES) if options.cases == "all" else options.cases.split(",")
    for case in options.cases:
        if case not in CASES:
            parser.error(f"--cases: there is no {case!r}; there are {', '.join(CASES)}")
        base = CASES[case].half_of
        if base and base not in options.cases[: options.cases.index(case)]:
            parser.error(f"--cases: {case!r} needs {base!r} before it")
    return options


Rounds = dict[tuple[str, str], list[Figures]]  # by case and server


def half_rate(rounds: Rounds, case: str) -> float:
    """Half of what Granian's best setting has reached in the case."""
    rates = [statistics.median(f.rate for f in figures) for (c, name), figures in rounds.items()
             if c == case and name.startswith("granian")]
    return max(rates) / 2


def measure_all(options: argparse.Namespace, compared: list[servers.Server]) -> Rounds:
    rounds: Rounds = {}
    for number in range(options.rounds):
        for name in options.cases:
            case = CASES[name]
            offered = half_rate(rounds, case.half_of) if case.half_of else 0
            turn = number % max(len(compared), 1)
            for server in compared[turn:] + compared[:turn]:
                f = measure(server, case, options.seconds, offered)
                rounds.setdefault((name, server.name), []).append(f)
                print(f"{number + 1}/{options.rounds} {name:12} {server.name:22} {f.rate:9,.0f}/s {f.cpu:7.1f} us "
                      f"{f.p50:8.2f} {f.p99:8.2f} ms {f.faults}", file=sys.stderr, flush=True)
    return rounds


def warn_if_busy() -> None:
    if os.getloadavg()[0] > BUSY:
        print(f"the load of this machine is {os.getloadavg()[0]:.1f} before any server runs: "
              "the figures will be too low, and unevenly so", file=sys.stderr)


def main() -> int:
    options = parse_arguments()
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed: make deb-packages")
    wanted = [s for s in SERVERS if any(part in s.name for part in options.servers.split(","))]
    compared = [s for s in wanted if s.installed]
    for absent in dict.fromkeys(s.maker for s in wanted if not s.installed):
        print(f"{absent} is not installed and is left out", file=sys.stderr)

    warn_if_busy()
    rounds = measure_all(options, compared)
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
