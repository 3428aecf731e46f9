#!/usr/bin/env python3
"""How long after its start does a server give its first answer?

Beside it the time that Python alone takes to start and import the app, and what a
configuration file costs. Servers take turns; medians are compared. Ends with 1 if
girin's first answer comes more than 100 ms after the import, or with a file more than
60 ms later than without (or, with --before, than that binary with a file).
"""
from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import servers

ALLOWED = 0.100
ALLOWED_FOR_A_FILE = 0.060
APP = "blocking_flask"
SETTINGS = (servers.girin("sync", 1), servers.girin("gthread", 2, 4), servers.girin("gevent", 2),
            servers.gunicorn("sync", 1), servers.gunicorn("gthread", 2, 4))
PLAIN = servers.girin("sync", 2)
FILE = """
import os

os.environ.setdefault("SITE", "production")


def post_fork(server, worker):
    worker.log.debug("forked")
"""


def import_time() -> float:
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", f"import {APP}"], cwd=servers.EXAMPLES, check=True)
    return time.monotonic() - started


def first_answer(server: servers.Server) -> float:
    started = time.monotonic()
    with servers.running(server, f"{APP}:app"):
        return time.monotonic() - started


def with_file(file: Path) -> servers.Server:
    return replace(servers.girin("sync", 2, 1, "-c", str(file)), setting="sync 2, with a file")


def of_binary(server: servers.Server, binary: str) -> servers.Server:
    return replace(server, maker="before", command=(binary, *server.command[1:]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--before", help="another girin, to compare the starts with and without a file")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "gunicorn.conf.py")
        file.write_text(FILE)
        pair = (PLAIN, with_file(file))
        before = tuple(of_binary(server, options.before) for server in pair) if options.before else ()
        imports, answers = measure((*SETTINGS, *pair, *before), options.repeats)

    alone = statistics.median(imports)
    print(f"Python's start and the import of {APP}: {1000 * alone:.0f} ms\n")
    print("| server | first answer after | beyond the import |\n|---|--:|--:|")
    medians = {name: statistics.median(times) for name, times in answers.items()}
    for name, median in medians.items():
        print(f"| {name} | {1000 * median:.0f} ms | {1000 * (median - alone):+.0f} ms |")
    soon = all(medians[server.name] - alone <= ALLOWED for server in SETTINGS if server.maker == "girin")
    print(f"\nAt most {1000 * ALLOWED:.0f} ms beyond the import, for girin: {verdict(soon)}.")
    later = medians[pair[1].name] - (medians[before[1].name] if before else medians[pair[0].name])
    cheap = later <= ALLOWED_FOR_A_FILE
    print(f"With a file {1000 * later:+.0f} ms, at most {1000 * ALLOWED_FOR_A_FILE:.0f}: {verdict(cheap)}.")
    return 0 if soon and cheap else 1


def measure(compared: tuple[servers.Server, ...], repeats: int) -> tuple[list[float], dict[str, list[float]]]:
    import_time()  # compiles the modules, and brings them into the page cache
    imports: list[float] = []
    answers: dict[str, list[float]] = {server.name: [] for server in compared}
    for _ in range(repeats):
        imports.append(import_time())
        for server in compared:
            answers[server.name].append(first_answer(server))
    return imports, answers


def verdict(holds: bool) -> str:
    return "holds" if holds else "does not hold"


if __name__ == "__main__":
    sys.exit(main())
