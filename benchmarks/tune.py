#!/usr/bin/env python3
"""Does `girin tune` find a setting that holds nearly what the best of all does, in a quarter of the time?

Four loads on examples/blocking_flask.py: light, sleeping, computing, mixed. For each:

1. a coarse sweep measures every setting once, and so finds those that may be best;
2. `girin tune` searches, once for each seed, and knows nothing of the sweep;
3. what it chose and the sweep's best are measured together, thoroughly and in blocks, on fresh servers.

What was chosen must hold 95 % of what the best does, by the figures of step 3 alone: the highest of forty noisy
figures is too high by chance, so the sweep's own are no measure. A thorough sweep, of three blocks, is not made: its
time is that of the measurements of step 3 times as many as it would have. Ends with 1 if a choice falls short, with
3 if step 3 cannot tell.
"""
from __future__ import annotations

import argparse
import json
import math
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


def judge(load: str, options: argparse.Namespace) -> bool | None:
    """Whether all choices are good enough; None if that cannot be told."""
    slo = ("--slo", options.slo, *(word for n in options.settings for word in ("--only", n)))
    swept = tune(load, "--exhaustive", "--blocks", "1", "--budget", "60s", *slo)
    if not swept.get("answer"):
        keep(options, load, sweep=swept)
        print(f"| {load} | | no setting holds {options.slo}: {swept.get('nothing', '')} | | |", flush=True)
        return False
    rates = {name(c["setting"]): rate(c["rates"]) for c in swept["candidates"]}
    shortlist = sorted(rates, key=lambda n: -rates[n])[:options.shortlist]
    found = [tune(load, "--budget", options.budget, "--seed", str(seed), *slo) for seed in options.seeds]
    keep(options, load, sweep=swept, found=found)
    if not all(f.get("answer") for f in found):
        print(f"| {load} | | girin tune found nothing that holds {options.slo} | | |", flush=True)
        return False
    chosen = [name(f["answer"]["best"]["setting"]) for f in found]
    compared = list(dict.fromkeys([*shortlist, *chosen]))
    last = tune(load, "--exhaustive", "--blocks", str(options.blocks), "--budget", "60s", *slo[:2], *(word for n in compared for word in ("--only", n)))
    keep(options, load, sweep=swept, found=found, last=last)
    if not last.get("answer"):
        print(f"| {load} | | none of {', '.join(compared)} holds {options.slo} when measured again | | |", flush=True)
        return None
    held = {name(c["setting"]): c["rates"] for c in last["candidates"]}
    best = max(held, key=lambda n: rate(held[n]))
    thorough = THOROUGH * len(rates) * mean_seconds(last)
    print(f"| **{load}**: {len(rates)} settings, a thorough sweep takes {thorough:.0f} s | | {best} | {rate(held[best]):.1f} | |", flush=True)
    verdicts = []
    for seed, f, setting in zip(options.seeds, found, chosen):
        share, took = rate(held[setting]) / rate(held[best]), f["took_ns"] / 1e9
        high = next((a["high"] for a in last["answer"].get("others", ()) if name(a["setting"]) == setting), 0.0)
        verdicts.append(took <= thorough / 4 and (True if share >= ENOUGH else None if 1 + high >= ENOUGH else False))
        print(f"| seed {seed} | {took:.0f} s, {100 * took / thorough:.0f} % | {setting} | {rate(held[setting]):.1f} | {100 * share:.0f} % |", flush=True)
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
    options = parser.parse_args()
    if options.json:
        Path(options.json).mkdir(parents=True, exist_ok=True)  # now, and not after minutes of measuring
    print("| load | time | setting | holds, requests/s | of the best |\n|---|---|---|--:|--:|")
    results = [judge(load, options) for load in options.only or LOADS]
    return 1 if False in results else 3 if None in results else 0


if __name__ == "__main__":
    sys.exit(main())
