#!/usr/bin/env python3
"""Does `girin tune` find a setting that holds nearly what the best of all does, in a quarter of the time?

Four loads on examples/blocking_flask.py: light, sleeping, computing, mixed. For each:

1. a coarse sweep measures every setting once, and so finds those that may be best;
2. `girin tune` searches, once for each seed, and knows nothing of the sweep;
3. what it chose and the sweep's best are measured together, thoroughly and in blocks, on fresh servers.

What was chosen must hold 95 % of what the best does, by the figures of step 3 alone: the highest of forty noisy
figures is too high by chance, so the sweep's own are no measure. A thorough sweep, of three blocks, is not made: its
time is that of the measurements of step 3 times as many as it would have. Ends with 1 if a choice falls short, with
3 if step 3 cannot tell. --page docs/TUNE.md puts the table between that page's marks <!-- proof --> and <!-- /proof -->.
"""
from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import servers

LOADS = {
    "light": ["/"],
    "sleeping": ["/sleep/0.05"],
    "computing": ["/compute/100000"],
    "mixed": ["8=/", "1=/sleep/0.05", "1=/compute/100000"],
}
ENOUGH = 0.95
THOROUGH = 3  # blocks of a thorough sweep


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
            sys.exit(f"girin tune ended with {run.returncode}: {' '.join(command)}")
        return json.loads(result.read_text())


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
    """How long a measurement takes."""
    took = [run["took_ns"] / 1e9 for c in result["candidates"] for run in c["runs"]]
    return sum(took) / len(took)


def keep(options: argparse.Namespace, load: str, **results) -> None:
    """Writes what is known so far."""
    if options.json:
        Path(options.json, f"tune-{load}.json").write_text(json.dumps(results))


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
        made = (f"Measured on {datetime.date.today()}, {len(os.sched_getaffinity(0))} cores, with {slo}: {verdict}", "", *self.rows)
        page.write_text(self.MARKS.sub(lambda m: m[1] + "\n".join(made) + "\n" + m[2], page.read_text()))


def judge(load: str, options: argparse.Namespace, table: Table) -> bool | None:
    """Whether all choices are good enough; None if that cannot be told."""
    slo = ("--slo", options.slo, *(word for n in options.settings for word in ("--only", n)))
    swept = tune(load, "--exhaustive", "--blocks", "1", "--budget", "60s", *slo)
    if not swept.get("answer"):
        keep(options, load, sweep=swept)
        table.add(load, "", f"no setting holds {options.slo}: {swept.get('nothing', '')}", "", "")
        return False
    rates = {name(c["setting"]): rate(c["rates"]) for c in swept["candidates"]}
    shortlist = sorted(rates, key=lambda n: -rates[n])[:options.shortlist]
    found = [tune(load, "--budget", options.budget, "--seed", str(seed), *slo) for seed in options.seeds]
    keep(options, load, sweep=swept, found=found)
    if not all(f.get("answer") for f in found):
        table.add(load, "", f"girin tune found nothing that holds {options.slo}", "", "")
        return False
    chosen = [name(f["answer"]["best"]["setting"]) for f in found]
    compared = list(dict.fromkeys([*shortlist, *chosen]))
    last = tune(load, "--exhaustive", "--blocks", str(options.blocks), "--budget", "60s", *slo[:2], *(word for n in compared for word in ("--only", n)))
    keep(options, load, sweep=swept, found=found, last=last)
    if not last.get("answer"):
        table.add(load, "", f"none of {', '.join(compared)} holds {options.slo} when measured again", "", "")
        return None
    held = {name(c["setting"]): c["rates"] for c in last["candidates"]}
    best = max(held, key=lambda n: rate(held[n]))
    thorough = THOROUGH * len(rates) * mean_seconds(last)
    table.add(f"**{load}**: the best of {len(rates)}", f"{thorough:.0f} s for a thorough sweep", best, f"{rate(held[best]):,.1f}", "")
    theirs = last["answer"]["best"]["setting"]  # tune's own: it may be one that is cheaper and nearly as good
    verdicts = []
    for seed, f, setting in zip(options.seeds, found, chosen):
        share, took = rate(held[setting]) / rate(held[best]), f["took_ns"] / 1e9
        high = next((a["high"] for a in last["answer"].get("others", ()) if name(a["setting"]) == setting), 0.0)
        verdicts.append(took <= thorough / 4 and (True if share >= ENOUGH else None if (1 + high) * rate(held[name(theirs)]) / rate(held[best]) >= ENOUGH else False))
        table.add(f"found, seed {seed}", f"{took:.0f} s, {100 * took / thorough:.0f} %", setting, f"{rate(held[setting]):,.1f}", f"{100 * share:.0f} %")
    table.add("auto", "", "auto", f"{rate(held['auto']):,.1f}", f"{100 * rate(held['auto']) / rate(held[best]):.0f} %")
    return False if False in verdicts else None if None in verdicts else True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=LOADS, action="append")
    parser.add_argument("--budget", default="75s", help="of girin tune (default: %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--shortlist", type=int, default=3, help="how many of the sweep's best are measured again (default: %(default)s)")
    parser.add_argument("--blocks", type=int, default=3, help="of the last step (default: %(default)s)")
    parser.add_argument("--slo", default="p99<200ms,errors<0.1%")
    parser.add_argument("--settings", nargs="+", default=[], metavar="OPTIONS", help="choose among these only, such as '-w 3 --threads 8': for a trial")
    parser.add_argument("--json", metavar="DIR", help="write all results into this folder")
    parser.add_argument("--page", metavar="FILE", type=Path, help="put the table into this page")
    options = parser.parse_args()
    if options.page and len(Table.MARKS.findall(options.page.read_text())) != 1:
        sys.exit(f"{options.page} has no marks <!-- proof -->")
    if options.json:
        Path(options.json).mkdir(parents=True, exist_ok=True)  # now, and not after minutes of measuring
    table = Table()
    table.add("load", "time", "setting", "holds, requests/s", "of the best")
    table.add("---", "---", "---", "--:", "--:")
    results = [judge(load, options, table) for load in options.only or LOADS]
    status = 1 if False in results else 3 if None in results else 0
    if options.page:
        within = f"each found setting holds {100 * ENOUGH:.0f} % of the best's rate or more, in at most a quarter of a thorough sweep's time."
        table.write(options.page, options.slo, {0: within, 1: "not " + within, 3: "these runs cannot tell whether " + within}[status])
    return status


if __name__ == "__main__":
    sys.exit(main())
