"""What hooks are given: gunicorn's arbiter, worker, application and listeners, as
far as configuration files use them."""
from __future__ import annotations

import os
import sys
import time

from .cfg import Cfg
from .importing import import_app


OLD_MASTER = "GUNICORN_PID"  # the server that USR2 found, until it has ended


class Application:
    """The application as the arbiter and the workers have it: server.app, worker.app."""

    def __init__(self, uri: str, cfg: Cfg) -> None:
        self.app_uri = uri
        self.cfg = cfg
        self.callable = None
        self.usage = self.prog = self.logger = None

    def load(self):
        return import_app(self.app_uri, None, self.cfg.raw_paste_global_conf)

    def wsgi(self):
        """Imports the application where it is called, if that was not done before."""
        if self.callable is None:
            self.callable = self.load()
        return self.callable


class Listener:
    """A socket that the server listens on; the master has the descriptor."""

    def __init__(self, address, url: str) -> None:
        self.cfg_addr = address
        self._url = url

    def getsockname(self):
        return self.cfg_addr

    @property
    def sock(self) -> Listener:
        return self

    def __str__(self) -> str:
        return self._url


class Heartbeat:
    """worker.tmp: under girin the master asks a worker for its signs of life."""

    def notify(self) -> None:
        """Nobody looks at it."""

    def last_update(self) -> float:
        return time.monotonic()

    def close(self) -> None:
        """There is no file."""


class Arbiter:
    """The master as hooks see it: server. Only num_workers acts."""

    SIG_NAMES: dict[int, str] = {}
    WORKER_BOOT_ERROR = 3
    APP_LOAD_ERROR = 4

    def __init__(self, pid: int, scale=lambda n: None) -> None:
        self.pid = pid
        self.master_pid = int(os.environ.get(OLD_MASTER, 0))
        self.master_name = "Master.2" if self.master_pid else "Master"
        self.reexec_pid = 0
        self.pidfile = None
        self.systemd = "LISTEN_FDS" in os.environ
        self.worker_age = 0
        self.START_CTX = {"args": [sys.executable, *sys.argv], "cwd": os.getcwd(), 0: sys.executable}
        self.LISTENERS: list[Listener] = []
        self.WORKERS: dict[int, GunicornWorker] = {}  # by pid
        self._scale = scale
        self._num_workers = 0

    def see_promotion(self) -> None:
        """The server that started this one, by USR2, may have ended."""
        if not self.master_pid:
            return
        try:
            os.kill(self.master_pid, 0)
        except ProcessLookupError:
            self.master_pid, self.master_name = 0, "Master"
            os.environ.pop(OLD_MASTER, None)
        except PermissionError:
            pass  # it lives, and is another user's

    def configure(self, cfg: Cfg, app: Application, log, listeners: list[Listener]) -> None:
        """Takes the settings of a start or a reload; what hooks have put here stays."""
        self.cfg, self.app, self.log = cfg, app, log
        self.address = cfg.address
        self.timeout = cfg.timeout
        self.proc_name = cfg.proc_name
        self.worker_class = cfg.worker_class
        self.LISTENERS = listeners

    @property
    def num_workers(self) -> int:
        return self._num_workers

    @num_workers.setter
    def num_workers(self, value: int) -> None:
        """A hook wants more workers, or fewer; nworkers_changed tells of it as of any change."""
        self._scale(value)

    def note_workers(self, value: int) -> None:
        self._num_workers = value


class GunicornWorker:
    """A worker as hooks see it. Hooks may put attributes of their own on it."""

    def __init__(self, age: int, server: Arbiter) -> None:
        cfg = server.cfg
        self.age = age
        self.pid: int | str = "[booting]"
        self.ppid = server.pid
        self.sockets = server.LISTENERS
        self.app = server.app
        self.timeout = cfg.timeout / 2
        self.cfg = cfg
        self.log = server.log
        self.booted = False
        self.aborted = False
        self.reloader = None
        self.nr = 0  # requests, counted where a hook of requests is set
        self.max_requests = cfg.max_requests or sys.maxsize
        self.tmp = Heartbeat()
        self.wsgi = None  # the app, once it is imported
        self._alive = True

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

    def notify(self) -> None:
        """Under girin the master asks for signs of life."""

    def __str__(self) -> str:
        return f"<Worker {self.pid}>"
