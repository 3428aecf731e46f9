"""The terminal is the master's.

A process in the background that reads its terminal is stopped by the kernel, and
its requests with it. One without a terminal is told at once that there is none. A
session of its own would do as well, but the kernel may give each session an equal
share of the processor (sched_autogroup): who is woken for a packet then interrupts
who writes the next one (measured with hello: 0.5 switches for each request in place
of 0.1, and 11.0 us of CPU in place of 8.5).
"""
from __future__ import annotations

import os

_STDIN = 0


def leave() -> None:
    """Leaves this process, and what it will fork, without a terminal, unless it was given it to read."""
    if os.isatty(_STDIN):
        return
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return  # there is none
    try:
        from fcntl import ioctl
        from termios import TIOCNOTTY

        ioctl(terminal, TIOCNOTTY)
    except (ImportError, OSError):
        pass  # a sandbox may refuse it; then only who reads the terminal is stopped
    finally:
        os.close(terminal)
