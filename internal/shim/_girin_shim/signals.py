"""Signals that are for the master and may come to every process of a service, as `systemctl kill` sends them."""
from __future__ import annotations

import signal

TELL = ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTTIN", "SIGTTOU")
END = ("SIGTERM", "SIGINT", "SIGQUIT")


def ignore(names: tuple[str, ...]) -> None:
    """By a handler in Python: a program that the app starts does not inherit it."""
    for name in names:
        signal.signal(getattr(signal, name), _nothing)


def restore(names: tuple[str, ...]) -> None:
    for name in names:
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def _nothing(number: int, frame) -> None:
    pass
