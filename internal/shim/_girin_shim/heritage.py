"""What a worker has from the process that it was forked from."""
from __future__ import annotations

import os
from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .objects import Arbiter, GunicornWorker


class Heritage:
    """The configuration file's hooks and objects, and the app if it is imported."""

    def __init__(self, hooks: dict[str, Callable] | None = None, server: Arbiter | None = None,
                 worker: GunicornWorker | None = None, logs=None, variables: dict | None = None) -> None:
        self.hooks = hooks or {}
        self.server = server
        self.worker = worker
        self.logs = logs
        self.variables = variables or {}
        self.app = None

    def receive(self, carried: dict) -> None:
        """Takes what a pre_fork hook has done elsewhere, in a process forked for one worker."""
        if self.server is None:
            return
        from .carrying import unpack
        from .objects import GunicornWorker

        self.worker = GunicornWorker(carried["age"], self.server)
        for name, value in carried["environ"].items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for name, text in carried["worker"].items():
            vars(self.worker)[name] = unpack(text, self.variables)


def carry(worker: GunicornWorker, environ: dict[str, str], variables: dict) -> tuple[dict, list[str]]:
    """What pre_fork has changed, for a process that was forked before: with preload_app
    workers come from the one that has imported the app. Returns the names that cannot go along too."""
    from .carrying import pack

    now = dict(os.environ)
    changed = {name: value for name, value in now.items() if environ.get(name) != value}
    changed.update((name, None) for name in environ if name not in now)
    attributes, left = {}, []
    for name in vars(worker).keys() - _GIVEN:
        try:
            attributes[name] = pack(vars(worker)[name], variables)
        except Exception:
            left.append(name)
    return {"age": worker.age, "environ": changed, "worker": attributes}, left


_GIVEN = {"pid", "ppid", "sockets", "app", "cfg", "log", "tmp", "wsgi", "age"}
