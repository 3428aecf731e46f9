"""What processes hold, from /proc."""
from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import servers


def alive(pid: int) -> bool:
    stat = servers.process_stat(pid)
    return bool(stat) and stat[0] != "Z"


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def open_files(pid: int) -> list[str]:
    """What the descriptors stand for; files without a name end in (deleted)."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed by now
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def resident(pid: int) -> int:
    """Bytes of memory that are the process's own."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10
    return 0


def cpu_seconds(pid: int) -> float:
    return sum(map(int, servers.process_stat(pid)[11:13])) / servers.TICKS


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def stop(pid: int) -> None:
    """Stops a process; when it returns all its threads stand still, which a signal alone does not wait for."""
    os.kill(pid, signal.SIGSTOP)
    until = time.monotonic() + 10
    while any(_state(pid, thread) != "T" for thread in os.listdir(f"/proc/{pid}/task")):
        if time.monotonic() > until:
            raise TimeoutError(f"process {pid} does not stop")
        time.sleep(0.001)


def _state(pid: int, thread: str) -> str:
    return Path(f"/proc/{pid}/task/{thread}/stat").read_text().rsplit(")", 1)[1].split()[0]
