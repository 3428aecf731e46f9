"""Frames that go out together, in one write for each turn of the loop."""
from __future__ import annotations


class Outbox:
    """Used on the loop's thread; flush by any."""

    def __init__(self, loop, response) -> None:
        self._call_soon = loop.call_soon
        self._response = response
        self._frames: list[bytes] = []
        self._due = False  # somebody will flush

    def put(self, *frame: bytes) -> None:
        """Adds a frame's head, head block and body."""
        self._frames += frame
        if not self._due:
            self.flush_soon()

    def hold(self) -> None:
        """The caller flushes itself, soon."""
        self._due = True

    def flush_soon(self) -> None:
        """Flushes after what is already due to run."""
        if not self._due:
            self._due = True
            self._call_soon(self._flush_due)

    def _flush_due(self) -> None:
        self._due = False
        self.flush()

    def flush(self) -> None:
        if self._frames:
            self._response.flush(self._frames)

    def release(self) -> None:
        """The end of what hold has begun."""
        self._due = False
        self.flush()
