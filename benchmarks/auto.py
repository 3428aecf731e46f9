#!/usr/bin/env python3
"""Is the class auto as good as the best fixed setting, on loads of one kind and of several?

    auto.py uniform   light, sleeping, calling and computing requests, each alone:
                      a first sweep finds the best of all fixed settings, a second
                      run compares it with auto in pairs
    auto.py mixed     three kinds at once, beside the best settings of the peers
    auto.py phases    the load changes; also `girin lab phases`. A phase of several
                      streams is judged by the geometric mean of their rates' ratios

All measure with `girin lab`, in random order within each block. Prints a table
in Markdown and ends with 1 if a target does not hold.
"""
from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import servers

CORES = len(os.sched_getaffinity(0))
AUTO = {"subject": "girin", "class": "auto"}


def fixed(subject: str, workers: int, threads: int, worker_class: str = "") -> dict:
    setting = {"subject": subject, "workers": workers, "threads": threads}
    return {**setting, "class": worker_class} if worker_class else setting


FIXED = (
    fixed("girin", 2, 1, "sync"), fixed("girin", 2, 8, "gthread"), fixed("girin", 5, 16, "gthread"),
    fixed("girin", 2, 1, "gevent"),
    fixed("gunicorn", 2, 1, "sync"), fixed("gunicorn", 5, 16, "gthread"), fixed("gunicorn", 2, 1, "gevent"),
    fixed("granian", 1, 1), fixed("granian", 2, 4), fixed("granian", 2, 64), fixed("granian", 5, 16),
)
PEERS = (fixed("girin", 5, 16, "gthread"), fixed("gunicorn", 5, 16, "gthread"), fixed("granian", 5, 16), fixed("uwsgi", 5, 16))

LOADS = {
    "light": ({"path": "/", "kind": "light"}, 16),
    "sleep": ({"path": "/sleep/0.2", "kind": "waiting", "takes": "0.2s"}, 64),
    "request": ({"path": "/request", "kind": "waiting", "takes": "0.2s"}, 64),
    "compute": ({"path": "/compute/1000000", "kind": "computing"}, 8),
}
STREAMS = {
    "light": {"path": "/", "kind": "light", "load": {"rate": 50}, "ideal": 50},
    "sleeping": {"path": "/sleep/0.2", "kind": "waiting", "takes": "0.2s", "load": {"clients": 64}, "ideal": 320},
    "computing": {"path": "/compute/1000000", "kind": "computing", "load": {"clients": 8}},
}


def lab(what: str, plan: dict | list[str]) -> list[dict]:
    """Runs a plan, or what `girin lab` is told, and returns the rows of its results.csv."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = plan
        if isinstance(plan, dict):
            file = Path(folder, "plan.yaml")
            common = {"app": "blocking_flask:app", "chdir": str(servers.EXAMPLES), "upstream": {"path": "/delay/0.2"}}
            whole = {"name": "auto", "about": what, "seed": 1, **common, **plan}
            file.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in whole.items()))
            arguments = ["run", str(file)]
        out = Path(folder, "out")
        subprocess.run([str(servers.GIRIN), "lab", *arguments, "--python", sys.executable, "-o", str(out)],
                       check=True, cwd=servers.ROOT, stdout=sys.stderr)
        with (out / "results.csv").open() as f:
            return list(csv.DictReader(f))


def median(rows: list[dict], column: str, **where: str) -> float:
    """Over the runs in which each column of where holds; not a number if there is none."""
    found = [float(r[column]) for r in rows if r[column] and all(r[k] == v for k, v in where.items())]
    return statistics.median(found) if found else float("nan")


class Verdicts:
    """Prints what was asked, and remembers whether all of it holds."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.hold = True

    def claim(self, text: str, holds: bool) -> None:
        self.hold &= holds
        self.lines.append(f"- {text}: {'holds' if holds else 'does not hold'}")


def uniform(repeats: int, verdicts: Verdicts) -> None:
    print("| load | best fixed setting | requests/s | auto | auto/best: median of pairs |\n|---|---|--:|--:|--:|")
    for name, (endpoint, clients) in LOADS.items():
        plan = {"subjects": ["girin", "gunicorn", "granian"], "endpoints": [{"name": name, **endpoint}], "fresh": "cell",
                "loads": [{"duration": "2s", "clients": clients, "keepalive": True}]}
        sweep = lab(f"sweep of {name}", {**plan, "settings": list(FIXED), "repeats": 1})
        best = max(sweep, key=lambda r: float(r["requests_per_s"] or 0))
        setting = next(s for s in FIXED if (s["subject"], s["workers"], s["threads"], s.get("class", "")) ==
                       (best["subject"], int(best["workers"]), int(best["threads"]), best["worker_class"]))
        rows = lab(f"pairs of {name}", {**plan, "settings": [AUTO, setting], "repeats": repeats})
        rate = {(r["setting"], r["block"]): float(r["requests_per_s"]) for r in rows}
        pairs = [rate["girin auto", block] / theirs for (s, block), theirs in rate.items() if s != "girin auto"]
        ratio = statistics.median(pairs)
        ours, theirs = (median(rows, "requests_per_s", setting=s) for s in ("girin auto", best["setting"]))
        print(f"| {name} | {best['setting']} | {theirs:,.1f} | {ours:,.1f} | {ratio:.3f} ({min(pairs):.3f} to {max(pairs):.3f}) |", flush=True)
        verdicts.claim(f"{name}: at least 0.95x of {best['setting']}, {ratio:.3f}x", ratio >= 0.95)


def scenario(name: str, streams: tuple[str, ...]) -> dict:
    phase = {"name": name, "duration": "10s", "streams": [{"name": s, **STREAMS[s]} for s in streams]}
    return {"name": name, "phases": [phase]}


def mixed(repeats: int, verdicts: Verdicts) -> None:
    alone = lab("each stream alone", {
        "subjects": ["girin"], "settings": [AUTO], "repeats": 3, "fresh": "cell",
        "scenarios": [scenario(f"{s} alone", (s,)) for s in STREAMS]})
    rows = lab("all streams at once", {
        "subjects": ["girin", "gunicorn", "granian", "uwsgi"], "settings": [AUTO, *PEERS], "repeats": repeats, "fresh": "cell",
        "scenarios": [scenario("mixed", tuple(STREAMS))]})
    print("| server | light p50, p99 ms | sleeping/s, p99 ms | computing/s, p99 ms |\n|---|--:|--:|--:|")
    for s in dict.fromkeys(r["setting"] for r in rows):
        cells = [f"{median(rows, a, setting=s, stream=stream):.1f}, {median(rows, 'latency_p99_ms', setting=s, stream=stream):.1f}"
                 for stream, a in (("light", "latency_p50_ms"), ("sleeping", "requests_per_s"), ("computing", "requests_per_s"))]
        print(f"| {s} | {' | '.join(cells)} |")

    def auto(stream: str, column: str) -> float:
        return median(rows, column, setting="girin auto", stream=stream)

    def cores_of(stream: str) -> float:
        """What a stream takes alone of the cores, with its load generator."""
        return (median(alone, "server_cpu_s", stream=stream) / median(alone, "duration_s", stream=stream)
                + CORES * median(alone, "client_cpu_share", stream=stream))

    possible = median(alone, "requests_per_s", stream="computing") * (CORES - cores_of("light") - cores_of("sleeping")) / cores_of("computing")
    p99 = median(alone, "latency_p99_ms", stream="computing")
    for what, stream, column, bound, least in (
            ("light p50 in ms, under", "light", "latency_p50_ms", 3, False),
            ("light p99 in ms, under", "light", "latency_p99_ms", 10, False),
            ("sleeping/s, at least", "sleeping", "requests_per_s", 0.95 * 320, True),
            ("sleeping p99 in ms, under", "sleeping", "latency_p99_ms", 300, False),
            (f"computing/s, of {possible:.1f} that are left at least", "computing", "requests_per_s", 0.95 * possible, True),
            ("computing p99 in ms, 1.2x of alone at most", "computing", "latency_p99_ms", 1.2 * p99, False)):
        value = auto(stream, column)
        verdicts.claim(f"{what} {bound:.1f}: {value:.1f}", value >= bound if least else value <= bound)


def phases(repeats: int, verdicts: Verdicts) -> None:
    rows = [r for r in lab("phases", ["phases", "--repeats", str(repeats)]) if r["control_again"] != "true"]
    names = list(dict.fromkeys(r["setting"] for r in rows))
    keys = list(dict.fromkeys((r["phase"], r["stream"]) for r in rows))

    def figure(column: str, key: tuple[str, str], name: str) -> float:
        return median(rows, column, setting=name, phase=key[0], stream=key[1])

    print("| phase, stream: requests/s, p99 ms |", " | ".join(names), "|\n|---|" + "--:|" * len(names))
    for key in keys:
        cells = (f"{figure('requests_per_s', key, n):.1f}, {figure('latency_p99_ms', key, n):.0f}" for n in names)
        print(f"| {', '.join(key)} |", " | ".join(cells), "|")
    for name in names:
        if name == "girin auto":
            continue
        ratios: dict[str, list[float]] = {}  # of a phase's streams
        for key in keys:
            ratios.setdefault(key[0], []).append(figure("requests_per_s", key, "girin auto") / figure("requests_per_s", key, name))
        phase = {p: statistics.geometric_mean(of_streams) for p, of_streams in ratios.items()}
        worst, best = min(phase, key=phase.get), max(phase, key=phase.get)
        verdicts.claim(f"auto against {name}: {phase[worst]:.2f}x in '{worst}', where it is worst, at least 0.95x", phase[worst] >= 0.95)
        verdicts.claim(f"auto against {name}: {phase[best]:.2f}x in '{best}', where it is best, at least 1.2x", phase[best] >= 1.2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("uniform", "mixed", "phases"))
    parser.add_argument("--repeats", type=int, help="7 pairs, 5 mixed runs, 1 of all phases unless said")
    options = parser.parse_args()
    run, repeats = {"uniform": (uniform, 7), "mixed": (mixed, 5), "phases": (phases, 1)}[options.what]
    verdicts = Verdicts()
    run(options.repeats or repeats, verdicts)
    print("", *verdicts.lines, sep="\n")
    return 0 if verdicts.hold else 1


if __name__ == "__main__":
    sys.exit(main())
