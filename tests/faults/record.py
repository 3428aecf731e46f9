"""What an app noted of the requests that it ran; see faultapp."""
from __future__ import annotations

from collections import Counter
from pathlib import Path


class Record:
    def __init__(self, path: Path):
        self.path = path
        path.touch()

    @property
    def env(self) -> dict[str, str]:
        return {"RECORD": str(self.path)}

    def lines(self, what: str) -> list[tuple[int, int]]:
        """(number, pid) of each line of a kind, in the order they were noted."""
        found = []
        whole = self.path.read_text().rpartition("\n")[0]  # the last line may be being written
        for line in whole.splitlines():
            kind, number, pid = line.split()
            if kind == what:
                found.append((int(number), int(pid)))
        return found

    def begun(self) -> Counter[int]:
        """How often each number was begun."""
        return Counter(number for number, _ in self.lines("B"))

    def ended(self) -> set[int]:
        return {number for number, _ in self.lines("E")}

    def closed(self) -> Counter[int]:
        return Counter(number for number, _ in self.lines("C"))
