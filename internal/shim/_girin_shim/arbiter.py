"""The process in which the master's hooks run: those that gunicorn calls in its
arbiter. It is started only if the configuration file defines one of them.

The master sends lines of JSON on the control socket, each a hook to run, and
each is answered, in their order. The first line is the settings.

    {"hook": "pre_fork", "age": 3}           -> {"done": true}
    {"hook": "child_exit", "age": 3, "pid": 42}
    {"hook": "nworkers_changed", "now": 4, "before": 2}
                                             -> {"failed": "Traceback ..."}
                     at any time, of the log -> {"log": "text", "level": 20}
"""
from __future__ import annotations

import json
import os
from _thread import allocate_lock
from collections.abc import Callable

from . import signals, wire
from .configfile import ConfigFile
from .errors import describe
from .importing import set_paths
from .logger import error_logger
from .objects import Arbiter, Cfg, GunicornWorker
from .settings import Settings


class Channel:
    """Lines of JSON from and to the master."""

    def __init__(self) -> None:
        os.set_inheritable(wire.CONTROL_FD, False)
        self._lines = os.fdopen(wire.CONTROL_FD, "r", encoding="utf-8", closefd=False)
        self._lock = allocate_lock()  # the hooks' own threads may log

    def receive(self) -> dict | None:
        line = self._lines.readline()
        return json.loads(line) if line else None

    def send(self, **message) -> None:
        data = json.dumps(message).encode() + b"\n"
        with self._lock:
            while data:
                try:
                    data = data[os.write(wire.CONTROL_FD, data) :]
                except OSError:
                    os._exit(1)  # the master is gone

    def log(self, level: int, text: str) -> None:
        self.send(log=text, level=level)


class HookRunner:
    """The hooks, and gunicorn's arbiter as they see it."""

    def __init__(self, settings: Settings, file: ConfigFile, log) -> None:
        cfg = Cfg(settings.cfg)
        self._functions = file.apply()
        self._arbiter = Arbiter(os.getppid(), cfg, log)
        self._workers: dict[int, GunicornWorker] = {}  # by age

    def run(self, hook: str, age: int = 0, pid: int = 0, now: int = 0, before: int | None = None) -> None:
        """Runs a hook; raises what it raises. An event may have no hook."""
        arguments: tuple = (self._arbiter,)
        if hook == "nworkers_changed":
            self._arbiter.num_workers = now
            arguments += (now, before)
        elif age:
            arguments += (self._follow(hook, age, pid),)
        function = self._functions.get(hook)
        if function is not None:
            function(*arguments)

    def _follow(self, hook: str, age: int, pid: int) -> GunicornWorker:
        """The same object for all of a worker's life: hooks keep things on it."""
        worker = self._workers.get(age)
        if worker is None:
            arbiter = self._arbiter
            worker = self._workers[age] = GunicornWorker(age, arbiter.pid, arbiter.cfg, arbiter.log)
        if pid:
            worker.pid = pid
            self._arbiter.WORKERS[pid] = worker
        if hook == "child_exit":
            del self._workers[age]
            self._arbiter.WORKERS.pop(pid, None)
        return worker


def main(loaded: Callable[[], None]) -> None:
    """Runs hooks until the master closes the socket; then the interpreter ends as any program does."""
    signals.ignore(signals.TELL + signals.END)  # the master closes the socket when it has told its last hook
    channel = Channel()
    settings = Settings(channel.receive() or {})
    file = ConfigFile(settings)
    loaded()
    try:
        set_paths(settings)
        runner = HookRunner(settings, file, error_logger(channel.log, settings.loglevel))
    except BaseException as e:
        channel.send(failed=describe(e))
        return
    channel.send(done=True)
    while True:
        event = channel.receive()
        if event is None:
            return
        try:
            runner.run(**event)
        except BaseException as e:
            channel.send(failed=describe(e))
        else:
            channel.send(done=True)
