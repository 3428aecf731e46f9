"""What hooks are given: gunicorn's arbiter, worker and settings, as far as
configuration files use them."""
from __future__ import annotations


class Cfg:
    """The settings as they took effect, each an attribute of gunicorn's name."""

    def __init__(self, values: dict) -> None:
        vars(self).update(values)


class Arbiter:
    """The master as hooks see it: server. It is a record; nothing in it acts."""

    def __init__(self, pid: int, cfg: Cfg, log) -> None:
        self.pid = pid
        self.cfg = cfg
        self.log = log
        self.num_workers: int = getattr(cfg, "workers", 1)
        self.WORKERS: dict[int, GunicornWorker] = {}  # by pid; of the hooks' process only


class GunicornWorker:
    """A worker as hooks see it. Hooks may put attributes of their own on it."""

    def __init__(self, age: int, ppid: int, cfg: Cfg, log) -> None:
        self.age = age
        self.pid = 0  # before it is started
        self.ppid = ppid
        self.cfg = cfg
        self.log = log
        self._alive = True
        self.booted = False
        self.nr = 0  # requests, counted where a hook of requests is set
        self.wsgi = None  # the app, once it is imported

    @property
    def alive(self) -> bool:
        return self._alive

    @alive.setter
    def alive(self, value: bool) -> None:
        """A hook that clears it wants the worker to be replaced."""
        self._alive = value
        if not value:
            self.retire()

    def retire(self) -> None:
        """Set in the worker's own process."""

    def __str__(self) -> str:
        return f"<Worker {self.pid}>"
