"""The stacks of a worker's threads as text."""
from __future__ import annotations

import sys
import threading
import traceback
from _thread import get_ident  # not threading's, which gevent replaces
from time import monotonic_ns


def format_stacks(worker, id: int) -> str:
    """The stack of request id first (0: of no one), then all others."""
    own = get_ident()
    names = {thread.ident: thread.name for thread in tuple(threading._active.values())}
    running = {slot.ident: slot for slot in worker.slots() if slot.ident}
    parts: list[tuple[bool, str]] = []
    for ident, frame in sys._current_frames().items():
        if ident == own:
            continue
        slot = running.get(ident)
        current = worker.page[slot.cell] if slot is not None else 0
        title = f"Thread {names.get(ident, ident)}"
        if current:
            age = (monotonic_ns() - worker.page[slot.cell + 1]) / 1e9
            title += f", running request {current} for {age:.3f} s"
        stack = "".join(traceback.format_stack(frame))
        parts.append((current != id or not id, f"{title}:\n{stack}"))
    parts.sort(key=lambda part: part[0])
    texts = [text for _, text in parts]
    greenlets = worker.greenlet_stacks(id)
    if greenlets:
        texts.insert(0, greenlets)
    return "\n".join(texts)
