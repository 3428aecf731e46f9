"""Rounds of a comparison: each starts every server anew, in turning order, and medians of the rounds are compared.

What is measured, and how, the caller says.
"""
from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from servers import Server

BUSY = 0.5  # load average


@dataclass(frozen=True)
class Figures:
    rate: float  # requests or messages per second
    cpu: float  # microseconds of the whole process tree for each of them
    memory: float  # MiB (Pss) of the tree after the load
    p50: float  # milliseconds
    p99: float
    faults: str = ""  # what went wrong


Rounds = dict[tuple[str, str], list[Figures]]  # by case and server
Medians = dict[tuple[str, str], Figures]


def arguments(doc: str, cases: str, about: str) -> argparse.ArgumentParser:
    """The flags that all comparisons have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=cases, help=about.replace("%", "%%") + " (default: %(default)s)")
    parser.add_argument("--servers", default="", help="only those whose name contains one of these (default: every one)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load in each round, after a warm-up of 1 s")
    parser.add_argument("--json", type=Path, help="write every round's figures to this file")
    return parser


def warn_if_busy() -> None:
    if os.getloadavg()[0] > BUSY:
        print(f"the load of this machine is {os.getloadavg()[0]:.1f} before any server runs: the figures will be too low, and unevenly so",
              file=sys.stderr)


def compared(servers: list[Server], wanted: str) -> list[Server]:
    """Those whose names are wanted and that are installed; what is left out is said, and whether the machine is busy."""
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed: make deb-packages")
    wished = [s for s in servers if any(part in s.name for part in wanted.split(","))]
    for absent in dict.fromkeys(s.maker for s in wished if not s.installed):
        print(f"{absent} is not installed and is left out", file=sys.stderr)
    warn_if_busy()
    return [s for s in wished if s.installed]


def measure_all(options: argparse.Namespace, servers: list[Server], measure: Callable[[Server, str, Rounds], Figures]) -> Rounds:
    rounds: Rounds = {}
    for number in range(options.rounds):
        for case in options.cases:
            turn = number % max(len(servers), 1)
            for server in servers[turn:] + servers[:turn]:
                f = measure(server, case, rounds)
                rounds.setdefault((case, server.name), []).append(f)
                print(f"{number + 1}/{options.rounds} {case:12} {server.name:22} {f.rate:9,.0f}/s {f.cpu:7.2f} us {f.memory:5.0f} MiB "
                      f"{f.p50:8.2f} {f.p99:8.2f} ms {f.faults}", file=sys.stderr, flush=True)
    if options.json:
        options.json.write_text(json.dumps(
            [{"case": case, "server": name, "rounds": [asdict(f) for f in figures]} for (case, name), figures in rounds.items()], indent=1))
    return rounds


def median(rounds: list[Figures]) -> Figures:
    return Figures(*(statistics.median(getattr(r, f) for r in rounds) for f in ("rate", "cpu", "memory", "p50", "p99")),
                   faults=next((r.faults for r in rounds if r.faults), ""))


def medians(rounds: Rounds) -> Medians:
    return {key: median(figures) for key, figures in rounds.items()}


def best(found: list[Figures], by: str) -> Figures | None:
    """The one with the highest rate, or the least of anything else; None of none."""
    found = sorted(found, key=lambda f: getattr(f, by))
    return found[-1 if by == "rate" else 0] if found else None


@dataclass(frozen=True)
class Claim:
    """That girin's figure is at least so many times a peer's, if it is a rate, and at most so many times if it is a cost."""
    case: str
    figure: str  # of Figures
    peer: str  # for people
    ratio: float

    def verdict(self, ours: Figures | None, theirs: Figures | None) -> tuple[bool, str]:
        bound = "at least" if self.figure == "rate" else "at most"
        claim = f"{self.case}: {self.figure} {bound} {self.ratio:g}x {self.peer}'s"
        if not ours or not theirs or not getattr(theirs, self.figure):
            return False, f"{claim}: not measured"
        ratio = getattr(ours, self.figure) / getattr(theirs, self.figure)
        holds = ratio >= self.ratio if self.figure == "rate" else ratio <= self.ratio
        return holds and not ours.faults, f"{claim}: {ratio:.2f}x, {'holds' if holds else 'does not hold'}"
