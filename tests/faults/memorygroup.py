"""A cgroup, version 1 or 2, made for one test: of memory, or of how many threads there may be. It needs root."""
from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
COUNT = itertools.count()


class Group:
    def __init__(self, path: Path):
        self.path = path

    def command(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """The command, run within the group."""
        return "sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh", *command


    @property
    def tasks(self) -> int:
        """How many threads and processes are in it."""
        return int((self.path / "pids.current").read_text())

    def limit_tasks(self, most: int) -> None:
        (self.path / "pids.max").write_text(str(most))


@contextlib.contextmanager
def limited(most: int):
    """A group whose processes may take so many bytes together."""
    with group("memory") as made:
        v1 = (ROOT / "memory").is_dir()
        (made.path / ("memory.limit_in_bytes" if v1 else "memory.max")).write_text(str(most))
        yield made


@contextlib.contextmanager
def group(controller: str):
    v1 = ROOT / controller
    parent = v1 if v1.is_dir() else ROOT
    if parent == ROOT:
        with contextlib.suppress(OSError):
            (ROOT / "cgroup.subtree_control").write_text(f"+{controller}")
    path = parent / f"girin-faults-{os.getpid()}-{next(COUNT)}"
    path.mkdir()
    try:
        yield Group(path)
    finally:
        for pid in (path / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (parent / "cgroup.procs").write_text(pid)
        path.rmdir()
