"""Hands over one task after the other in so many threads and waits for each result.

Prints as JSON the round trips per second, their latencies, and the CPU time that it took itself.
"""
from __future__ import annotations

import json
import sys
import threading
import time


def main(round_trip) -> None:
    threads, seconds = int(sys.argv[1]), float(sys.argv[2])
    for _ in range(20):  # connections are made, pools are warm
        assert round_trip() == 3
    took: list[float] = []
    faults: list[str] = []
    end = time.monotonic() + seconds

    def run() -> None:
        mine = []
        try:
            while (began := time.monotonic()) < end:
                assert round_trip() == 3
                mine.append(time.monotonic() - began)
        except Exception as e:
            faults.append(repr(e))
        took.extend(mine)

    print("warm", flush=True)
    sys.stdin.readline()
    end, cpu = time.monotonic() + seconds, time.process_time()
    all_threads = [threading.Thread(target=run) for _ in range(threads)]
    for thread in all_threads:
        thread.start()
    for thread in all_threads:
        thread.join()
    took.sort()
    print(json.dumps({
        "count": len(took), "cpu": time.process_time() - cpu, "p50_ms": 1000 * took[len(took) // 2] if took else 0,
        "p99_ms": 1000 * took[len(took) * 99 // 100] if took else 0, "faults": faults[:3]}), flush=True)
