#!/usr/bin/env python3
"""Does `girin tune` find a setting that holds nearly what the best of all does, in a quarter of the time?

Four loads on examples/blocking_flask.py: light, sleeping, computing, mixed. For each:

1. a coarse sweep measures every setting once, and so finds those that may be best; what does not hold half of the best
   so far is given up at once;
2. `girin tune` searches, once for each seed, and knows nothing of the sweep;
3. what it chose and the sweep's best are measured together, thoroughly and in blocks, on fresh servers.

What was chosen must hold 95 % of what the best does, by the figures of step 3 alone: the highest of forty noisy
figures is too high by chance, so the sweep's own are no measure. Where that is not certain, step 3 is made again, up to
three times in all and as far as --limit allows. A thorough sweep, of three blocks, is not made: its time is that of the
measurements of step 3 times as many as it would have. Ends with 1 if a choice falls short, with 3 if one does not, but
that is not certain.
Each step is kept as soon as it is known: with --json DIR a call that was cut is gone on with by making it again.
--page docs/TUNE.md puts the table between that page's marks <!-- proof --> and <!-- /proof -->; with --stored it takes
what several calls with --json have measured.
"""
from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import servers

LOADS = {
    "light": ["/"],
    "sleeping": ["/sleep/0.05"],
    "computing": ["/compute/100000"],
    "mixed": ["8=/", "1=/sleep/0.05", "1=/compute/100000"],
}
ENOUGH = 0.95
LEVEL = 0.05  # of error
THOROUGH = 3  # blocks of a thorough sweep
BUDGET = 0.2  # of a thorough sweep's time
TURNS = 3  # of the last step at most


def tune(load: str, *arguments: str) -> dict:
    """One run of girin tune: its result.json."""
    with tempfile.TemporaryDirectory() as place:
        urls = Path(place, "urls")
        urls.write_text("\n".join(LOADS[load]) + "\n")
        command = [str(servers.GIRIN), "tune", "--python", sys.executable, "--chdir", str(servers.ROOT / "examples"),
                   "--urls", str(urls), "-o", place, *arguments, "blocking_flask:app"]
        run = subprocess.run(command, stdout=subprocess.DEVNULL)
        result = Path(place, "result.json")
        # 1: nothing holds; 3: its last run held less. What it found is in the file.
        if run.returncode not in (0, 1, 3) or not result.exists():
            raise Failed(f"girin tune ended with {run.returncode}: {' '.join(command)}")
        return json.loads(result.read_text())


class Failed(Exception):
    """Of one load there is nothing to tell, or not all."""


def name(setting: dict) -> str:
    """A setting as options of girin, without preload, which changes memory and no rate."""
    if setting["class"] == "auto":
        return "auto"
    words = [] if setting["class"] in ("sync", "gthread") else ["-k", setting["class"]]
    words += ["-w", str(setting["workers"])]
    return " ".join(words + (["--threads", str(setting["threads"])] if setting.get("threads", 1) > 1 else []))


def rate(rates: list[float]) -> float:
    return math.exp(sum(map(math.log, rates)) / len(rates)) if rates and min(rates) > 0 else 0.0


def mean_seconds(result: dict) -> float:
    """How long a measurement takes of what was not given up."""
    took = [run["took_ns"] / 1e9 for c in result["candidates"] for run in c["runs"] if run["rate"] > 0]
    return sum(took) / max(len(took), 1)


def spent(known: dict) -> float:
    """How many seconds have been spent on a load, in this call and those that were cut."""
    return sum(r["took_ns"] / 1e9 for r in (known.get("sweep"), *known.get("found", ()), *known.get("last", ())) if r)


def keep(options: argparse.Namespace, load: str, known: dict) -> None:
    """Writes what is known so far."""
    if options.json:
        path = Path(options.json, f"tune-{load}.json")
        path.with_suffix(".new").write_text(json.dumps(known))
        path.with_suffix(".new").replace(path)  # whole or not at all


class Table:
    """Rows for people, printed as they come and kept for a page."""

    MARKS = re.compile(r"(<!-- proof -->\n).*?(<!-- /proof -->)", flags=re.S)

    def __init__(self) -> None:
        self.rows: list[str] = []

    def add(self, *cells: str) -> None:
        self.rows.append("| " + " | ".join(cells) + " |")
        print(self.rows[-1], flush=True)

    def write(self, page: Path, slo: str, verdict: str) -> None:
        """Puts the table between the marks of a page."""
        made = (*textwrap.wrap(f"Measured on {datetime.date.today()}, {len(os.sched_getaffinity(0))} cores, with {slo}: {verdict}", 100), "", *self.rows)
        page.write_text(self.MARKS.sub(lambda m: m[1] + "\n".join(made) + "\n" + m[2], page.read_text()))


def thorough_seconds(settings: int, result: dict) -> float:
    """How long it would take to measure so many settings as thoroughly, by how long these measurements took."""
    return THOROUGH * settings * mean_seconds(result)


def begun(load: str, options: argparse.Namespace) -> dict:
    """What a call that was cut has kept of a load, if it measured the same."""
    fresh = {"asked": [options.seeds, options.slo, options.settings, options.budget, options.shortlist, options.blocks], "seeds": options.seeds}
    kept = Path(options.json, f"tune-{load}.json") if options.json else None
    if kept and kept.exists():
        known = json.loads(kept.read_text())
        if known.get("asked") == fresh["asked"]:
            print(f"{load}: {spent(known):.0f} s of it are known already", file=sys.stderr)
            return known
    return fresh


def measure(load: str, options: argparse.Namespace) -> dict:
    """All that is measured for a load. Each step is kept as soon as it is known."""
    known = begun(load, options)
    try:
        steps(load, options, known)
    except Failed as e:
        known["failed"] = str(e)
        print(e, file=sys.stderr)
    return known


def steps(load: str, options: argparse.Namespace, known: dict) -> None:
    """Those that are not known yet."""
    slo = ("--slo", options.slo, *(word for n in options.settings for word in ("--only", n)))
    if "sweep" not in known:
        known["sweep"] = tune(load, "--exhaustive", "--blocks", "1", "--budget", "60s", *slo)
        keep(options, load, known)
    if not known["sweep"].get("answer"):
        return
    rates = {name(c["setting"]): rate(c["rates"]) for c in known["sweep"]["candidates"]}
    budget = options.budget or f"{max(60, BUDGET * thorough_seconds(len(rates), known['sweep'])):.0f}s"
    found = known.setdefault("found", [])
    for seed in options.seeds[len(found):]:
        found.append(tune(load, "--budget", budget, "--seed", str(seed), *slo))
        keep(options, load, known)
    if not all(f.get("answer") for f in found):
        return
    chosen = [name(f["answer"]["best"]["setting"]) for f in found]
    compared = dict.fromkeys([*sorted(rates, key=lambda n: -rates[n])[:options.shortlist], *chosen])
    only = [word for n in compared for word in ("--only", n)]
    last = known.setdefault("last", [])
    while len(last) < TURNS and (not last or None in (enough(held_by(known), n) for n in chosen) and spent(known) + last[-1]["took_ns"] / 1e9 <= options.limit):
        last.append(tune(load, "--exhaustive", "--blocks", str(options.blocks), "--budget", "60s", "--seed", str(len(last)), *slo[:2], *only))
        keep(options, load, known)


def held_by(known: dict) -> dict[str, list[float]]:
    """What each setting of the last step has held, block by block."""
    held: dict[str, list[float]] = {}
    for turn in known["last"]:
        for c in turn["candidates"]:
            held.setdefault(name(c["setting"]), []).extend(c["rates"])
    return held


def best_of(held: dict[str, list[float]]) -> str:
    return max(held, key=lambda n: rate(held[n]))


def beside(held: dict[str, list[float]], chosen: str) -> tuple[float, float]:
    """The interval of the share of the best's rate that a setting holds: paired by block, by Student's t, and so wide that it
    may be looked at after each turn."""
    best = held[best_of(held)]
    if held[chosen] is best:
        return 1, 1
    if min(held[chosen] + best) <= 0 or len(best) < 2:
        return 0, math.inf
    logs = [math.log(ours / theirs) for ours, theirs in zip(held[chosen], best, strict=True)]
    half = t_quantile(1 - LEVEL / TURNS / 2, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    mean = statistics.fmean(logs)
    return math.exp(mean - half), math.exp(mean + half)


def t_quantile(p: float, freedom: int) -> float:
    """Of Student's t, for p above a half, by its density and bisection."""
    scale = math.gamma((freedom + 1) / 2) / (math.sqrt(freedom * math.pi) * math.gamma(freedom / 2))

    def below(x: float, steps: int = 2000) -> float:  # Simpson's rule
        h = x / steps
        ends = [scale * (1 + (i * h) ** 2 / freedom) ** (-(freedom + 1) / 2) for i in range(steps + 1)]
        return 0.5 + h / 3 * (ends[0] + 4 * sum(ends[1:-1:2]) + 2 * sum(ends[2:-1:2]) + ends[-1])

    low, high = 0.0, 200.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < p else (low, middle)
    return low


def enough(held: dict[str, list[float]], chosen: str) -> bool | None:
    """Whether a setting holds enough of the best's rate; None if that is not certain."""
    low, high = beside(held, chosen)
    return True if low >= ENOUGH else False if high < ENOUGH else None


def judge(load: str, known: dict, table: Table) -> list[str]:
    """Adds a load's rows and returns a word for each choice: certain, likely, short or late."""
    if not known.get("last") or not rate(held_by(known)[best_of(held_by(known))]):
        unheld = [r for r in (known.get("sweep"), *known.get("found", ()), *known.get("last", ())) if r and not r.get("answer")]
        table.add(load, "", "nothing holds the SLO" if unheld else "not measured to the end", "", "")
        return ["short" if unheld else "cut"]
    settings, held = len(known["sweep"]["candidates"]), held_by(known)
    best, thorough = best_of(held), thorough_seconds(settings, known["last"][0])
    table.add(f"**{load}**: the best of {settings}", f"{thorough:.0f} s for a thorough sweep", best, f"{rate(held[best]):,.1f}", "")
    words = []
    for seed, f in zip(known["seeds"], known["found"], strict=True):
        setting, took = name(f["answer"]["best"]["setting"]), f["took_ns"] / 1e9
        share, (low, high) = rate(held[setting]) / rate(held[best]), beside(held, setting)
        between = f" ({100 * low:.0f} to {100 * min(high, 9.99):.0f} %)" if setting != best else ""
        table.add(f"found, seed {seed}", f"{took:.0f} s, {100 * took / thorough:.0f} %", setting, f"{rate(held[setting]):,.1f}", f"{100 * share:.0f} %{between}")
        sure = enough(held, setting)
        words.append("late" if took > thorough / 4 else "certain" if sure else "short" if sure is False or share < ENOUGH else "likely")
    table.add("auto", "", "auto", f"{rate(held['auto']):,.1f}", f"{100 * rate(held['auto']) / rate(held[best]):.0f} %")
    return words


def sentence(words: list[str]) -> str:
    """What the choices of all loads show together."""
    n = len(words) - words.count("cut")
    return (f"of {n} choices {words.count('certain') + words.count('likely')} hold {100 * ENOUGH:.0f} % of the best's rate or more, "
            f"found in at most a quarter of a thorough sweep's time; for {words.count('certain')} of them that is certain to {100 * (1 - LEVEL):.0f} %. "
            f"{words.count('short')} hold less, and {words.count('late')} took longer."
            + (f" {words.count('cut')} of the loads were not measured to the end." if "cut" in words else ""))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=LOADS, action="append")
    parser.add_argument("--budget", help="of girin tune (default: a fifth of a thorough sweep's time)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--shortlist", type=int, default=3, help="how many of the sweep's best are measured again (default: %(default)s)")
    parser.add_argument("--blocks", type=int, default=3, help="of the last step, which is repeated while it is undecided (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=720, metavar="SECONDS", help="of a load: the last step is not made again beyond it (default: %(default)s)")
    parser.add_argument("--slo", default="p99<200ms,errors<0.1%")
    parser.add_argument("--settings", nargs="+", default=[], metavar="OPTIONS", help="choose among these only, such as '-w 3 --threads 8': for a trial")
    parser.add_argument("--json", metavar="DIR", help="write all results into this folder")
    parser.add_argument("--stored", nargs="+", metavar="DIR", help="measure nothing: what --json has written into these folders")
    parser.add_argument("--page", metavar="FILE", type=Path, help="put the table into this page")
    options = parser.parse_args()
    if options.page and len(Table.MARKS.findall(options.page.read_text())) != 1:
        sys.exit(f"{options.page} has no marks <!-- proof -->")
    if options.json:
        Path(options.json).mkdir(parents=True, exist_ok=True)  # now, and not after minutes of measuring
    table = Table()
    table.add("load", "time", "setting", "holds, requests/s", "of the best")
    table.add("---", "---", "---", "--:", "--:")
    words = []
    for load in options.only or LOADS:
        known = stored(load, options) if options.stored else measure(load, options)
        words += judge(load, known, table)
    if options.page:
        table.write(options.page, options.slo, sentence(words))
    print(sentence(words))
    return 1 if {"short", "late", "cut"} & set(words) else 3 if "likely" in words else 0


def stored(load: str, options: argparse.Namespace) -> dict:
    """What an earlier call has kept of a load."""
    for folder in options.stored:
        if (kept := Path(folder, f"tune-{load}.json")).exists():
            return json.loads(kept.read_text())
    return {}


if __name__ == "__main__":
    sys.exit(main())
