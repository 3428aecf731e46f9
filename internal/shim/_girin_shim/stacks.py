"""The stacks of a worker's threads as text, for who reads why a request took too long.

A stack begins where girin's own code calls the application's. Threads that stand at
the same place are told once, and those that do nothing for the application by name.
"""
from __future__ import annotations

import sys
import threading
import traceback
from _thread import get_ident  # not threading's, which gevent replaces
from time import monotonic_ns

_LIBRARY = threading.__file__[: -len("threading.py")]
_OURS = ("<girin>/", "<string>", *(_LIBRARY + name for name in ("threading.py", "asyncio/", "selectors.py")))  # what calls the application's code
_NAMES = 8  # of threads at the same place that are told


def format_stacks(worker, id: int) -> str:
    """The stack of request id first (0: of no one), then all others."""
    own = get_ident()
    names = {thread.ident: thread.name for thread in tuple(threading._active.values())}
    running = {slot.ident: slot for slot in worker.slots() if slot.ident}
    first: list[str] = []
    others: list[tuple[str, str]] = []
    idle: list[str] = []
    for ident, frame in sys._current_frames().items():
        if ident == own:
            continue
        slot = running.get(ident)
        current = worker.page[slot.cell] if slot is not None else 0
        title = f"Thread {names.get(ident, ident)}"
        if current:
            title = f"{title}, request {current}, running for {age(worker, slot):.3f} s"
        stack = app_stack(frame)
        if current and current == id:  # girin's own frames, where it has left the application's code
            first.append(f"{title}:\n{stack or ''.join(traceback.format_stack(frame))}")
        elif stack:
            others.append((title, stack))
        else:
            idle.append(names.get(ident, str(ident)))
    greenlets = worker.greenlet_stacks(id)
    texts = first + ([greenlets] if greenlets else []) + merged(others)
    if idle:
        texts.append(f"Idle: {_listed(sorted(idle))}")
    return "\n".join(texts)


def age(worker, slot) -> float:
    """For how many seconds a slot's request has run."""
    return (monotonic_ns() - worker.page[slot.cell + 1]) / 1e9


def app_stack(frame) -> str:
    """The stack from the application's first frame on; "" if it has none."""
    frames = traceback.extract_stack(frame)
    start = 0
    while start < len(frames) and frames[start].filename.startswith(_OURS):
        start += 1
    return "".join(traceback.format_list(frames[start:]))


def merged(parts: list[tuple[str, str]]) -> list[str]:
    """A text for each stack, with the titles of all that have it."""
    titles: dict[str, list[str]] = {}
    for title, stack in parts:
        titles.setdefault(stack, []).append(title)
    return [f"{_listed(sorted(of))}:\n{stack}" for stack, of in titles.items()]


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMES
    return "; ".join(names[:_NAMES]) + (f"; and {more} more" if more > 0 else "")
