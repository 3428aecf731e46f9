#!/usr/bin/env python3
"""How long after its start does a server give its first answer?

Beside it the time that Python alone takes to start and import the app.
Servers take turns; medians are compared. Ends with 1 if girin's first answer
comes more than 100 ms after that.
"""
from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

import servers

ALLOWED = 0.100
APP = "blocking_flask"
SETTINGS = (servers.girin("sync", 1), servers.girin("gthread", 2, 4), servers.girin("gevent", 2),
            servers.gunicorn("sync", 1), servers.gunicorn("gthread", 2, 4))


def import_time() -> float:
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", f"import {APP}"], cwd=servers.EXAMPLES, check=True)
    return time.monotonic() - started


def first_answer(server: servers.Server) -> float:
    started = time.monotonic()
    with servers.running(server, f"{APP}:app"):
        return time.monotonic() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()

    import_time()  # compiles the modules, and brings them into the page cache
    imports, answers = [], {server.name: [] for server in SETTINGS}
    for _ in range(options.repeats):
        imports.append(import_time())
        for server in SETTINGS:
            answers[server.name].append(first_answer(server))

    alone = statistics.median(imports)
    print(f"Python's start and the import of {APP}: {1000 * alone:.0f} ms\n")
    print("| server | first answer after | beyond the import |\n|---|--:|--:|")
    all_hold = True
    for name, times in answers.items():
        beyond = statistics.median(times) - alone
        all_hold &= beyond <= ALLOWED or not name.startswith("girin")
        print(f"| {name} | {1000 * (alone + beyond):.0f} ms | {1000 * beyond:+.0f} ms |")
    print(f"\nAt most {1000 * ALLOWED:.0f} ms beyond the import, for girin: {'holds' if all_hold else 'does not hold'}.")
    return 0 if all_hold else 1


if __name__ == "__main__":
    sys.exit(main())
