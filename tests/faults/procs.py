"""What processes hold, from /proc."""
from __future__ import annotations

import contextlib
import os
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
