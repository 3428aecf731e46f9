#!/usr/bin/env python3
"""Does `girin tune` find a setting that holds nearly what the best of all does, in a quarter of the time?

Four loads on examples/blocking_flask.py: light, sleeping, computing, mixed. Each is first swept: every setting
in three blocks, as thoroughly as the search measures its last ones. Then `girin tune` gets a quarter of the time
that this took, once for each seed and once more for the first. What it chooses must hold 95 % of what the
sweep's best does, by the sweep's own figures. Ends with 1 if one does not.

A sweep takes a quarter of an hour and more; --only takes one load, --sweep FILE the JSON of one that was made before.
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


def tune(load: str, *arguments: str) -> dict:
    """One run of girin tune: its result.json."""
    with tempfile.TemporaryDirectory() as place:
        urls = Path(place, "urls")
        urls.write_text("\n".join(LOADS[load]) + "\n")
        subprocess.run([str(servers.GIRIN), "tune", "--chdir", str(servers.ROOT / "examples"), "--urls", str(urls), "-o", place, *arguments,
                        "blocking_flask:app"], check=True, stdout=subprocess.DEVNULL)
        return json.loads(Path(place, "result.json").read_text())


def name(setting: dict) -> str:
    """A setting, without preload, which changes memory and no rate."""
    return " ".join(f"{key} {value}" for key, value in setting.items() if key != "preload")


def rate(rates: list[float]) -> float:
    return math.exp(sum(map(math.log, rates)) / len(rates)) if rates and min(rates) > 0 else 0.0


def judge(load: str, options: argparse.Namespace) -> bool:
    if options.sweep:
        swept = json.loads(Path(options.sweep).read_text())
    else:
        swept = tune(load, "--exhaustive", "--budget", options.budget, *options.slo)
        Path(f"sweep-{load}.json").write_text(json.dumps(swept))
    rates = {name(c["setting"]): rate(c["rates"]) for c in swept["candidates"]}
    best, seconds = max(rates, key=lambda n: rates[n]), swept["took_ns"] / 1e9
    print(f"| {load} | {len(rates)} settings in {seconds:.0f} s | {best} | {rates[best]:.0f} | |", flush=True)
    good = True
    for seed in [*options.seeds, options.seeds[0]]:
        found = tune(load, "--budget", f"{seconds / 4 * 0.95:.0f}s", "--seed", str(seed), *options.slo)
        chosen = name(found["answer"]["best"]["setting"])
        share, took = rates[chosen] / rates[best], found["took_ns"] / 1e9 / seconds
        good = good and share >= ENOUGH
        print(f"| {load}, seed {seed} | {found['took_ns'] / 1e9:.0f} s, {100 * took:.0f} % | {chosen} | {rates[chosen]:.0f} | {100 * share:.0f} % |", flush=True)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=LOADS, action="append")
    parser.add_argument("--budget", default="5m", help="of the sweep: it sets how long a rate is tried")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--slo", type=lambda text: ["--slo", text], default=["--slo", "p99<200ms,errors<0.1%"])
    parser.add_argument("--sweep", help="with --only: a sweep-LOAD.json")
    options = parser.parse_args()
    print("| load | time | setting | holds, requests/s, by the sweep | of the best |\n|---|---|---|--:|--:|")
    results = [judge(load, options) for load in options.only or LOADS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
