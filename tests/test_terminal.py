"""girin on a terminal: it asks one nothing, for some never answer."""
from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import time

import pytest

import servers

COMMANDS = ["--version", "--help", "serve --help", "bench --help", "lab --help", "ctl --help", "top --help", "serve no_module:app --check-config"]


def on_silent_terminal(*command: str, within: float = 10) -> tuple[bytes, float]:
    """What a command writes to a terminal that answers nothing, and how long it takes."""
    began, pid, terminal = time.monotonic(), *pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, {**os.environ, "TERM": "xterm"})
    written = b""
    with contextlib.suppress(OSError):  # EIO: nobody has the terminal any more
        while time.monotonic() - began < within:
            if select.select([terminal], [], [], 0.05)[0]:
                written += os.read(terminal, 1 << 16)
    took = time.monotonic() - began
    os.close(terminal)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return written, took


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_asks_the_terminal(command):
    written, took = on_silent_terminal(str(servers.GIRIN), *command.split())
    assert written and b"\x1b" not in written
    assert took < 4  # the answer to a question is waited for for 5 s
