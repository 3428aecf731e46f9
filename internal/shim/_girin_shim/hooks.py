"""The hooks of the configuration file that run in a worker.

gunicorn's names, signatures and order: post_fork before the app is imported,
post_worker_init after it, worker_exit when all requests have ended. Where there is
no file, NoHooks stands in their place.
"""
from __future__ import annotations

import os
import signal
import sys

from . import configfile, signals
from .cfg import Cfg
from .heritage import Heritage
from .logconfig import LOGCONFIG
from .logger import Logger, MasterHandler
from .objects import Application, Arbiter, GunicornWorker
from .requesthooks import HookedApp

EXIT_ABORTED = 1  # as gunicorn's worker after worker_abort


class Hooks:
    """A worker's hooks and what they are given."""

    def __init__(self, worker, heritage: Heritage) -> None:
        self._settings = worker.settings
        self._forked = worker.forked
        self._exited = False
        self._retire = worker.retire
        self._leave = worker.leave
        self._reset_signals = worker.handle_signals
        self._send = worker.control.log
        self._heritage = heritage
        self._logger = None  # set by load, as are those below
        self._arbiter: Arbiter | None = None
        self._worker: GunicornWorker | None = None
        self._functions: dict = {}

    def load(self) -> None:
        """Takes what the process that this one was forked from has; a started one runs the file."""
        given = self._heritage
        if given.server is None:
            self._alone()
        else:
            given.logs.in_worker(self._send)
            self._arbiter, self._functions = given.server, given.hooks
            self._worker = given.worker or GunicornWorker(self._settings.age, given.server)  # none: its pre_fork has failed
            self._logger = given.server.log
        self._worker.pid = os.getpid()
        self._worker.retire = self._retire
        self._handle_signals()

    def _alone(self) -> None:
        """Where workers cannot be forked from the process of the file."""
        settings = self._settings
        Logger.to_errors = MasterHandler(self._send)
        file = configfile.run(settings.config_file)
        values = {"loglevel": settings.loglevel, **dict.fromkeys(LOGCONFIG), **settings.cfg}
        for key in settings.from_file:
            values[key] = file.variables[key]
        cfg = Cfg(values, file.hooks)
        self._logger = Logger(cfg)
        self._arbiter = Arbiter(os.getppid())
        self._arbiter.configure(cfg, Application(settings.app, cfg), self._logger, [])
        self._worker = GunicornWorker(settings.age, self._arbiter)
        self._functions = file.hooks

    def imported(self):
        """The app, if it was imported before the fork."""
        return self._heritage.app

    def post_fork(self) -> None:
        self._run("post_fork", self._arbiter, self._worker)

    def init_process(self) -> None:
        """What gunicorn's worker does between post_fork and the import of the app, whatever the hook has done."""
        os.environ.update(self._arbiter.cfg.env)
        if (random := sys.modules.get("random")) is not None:
            random.seed()
        self._reset_signals()
        self._handle_signals()

    def post_worker_init(self, app) -> None:
        self._worker.wsgi = self._worker.app.callable = app
        self._run("post_worker_init", self._worker)
        self._worker.booted = True

    def wrap(self, app):
        """Returns the app to serve: one that calls the hooks of requests, if there are any."""
        return HookedApp(app, self) if self._has("pre_request") or self._has("post_request") else app

    def pre_request(self, request) -> None:
        self._worker.nr += 1
        self._run("pre_request", self._worker, request)

    def post_request(self, request, environ: dict, response) -> None:
        """A hook may leave out the last one or two arguments, as in gunicorn."""
        function = self._functions.get("post_request")
        if function is None:
            return
        arguments = (self._worker, request, environ, response)
        count = next(n for n in (4, 3, 2) if configfile.takes(function, n))
        try:
            function(*arguments[:count])
        except Exception:
            self._logger.exception("Exception in post_request hook")

    def worker_exit(self) -> None:
        """Called once: a signal may come while the worker ends anyway."""
        if self._exited or self._logger is None:  # the file cannot be run
            return
        self._exited = True
        try:
            self._run("worker_exit", self._arbiter, self._worker)
        except Exception:
            self._logger.warning("Exception during worker exit:", exc_info=True)

    def _has(self, name: str) -> bool:
        return name in self._functions

    def _run(self, name: str, *arguments) -> None:
        function = self._functions.get(name)
        if function is not None:
            function(*arguments)

    def worker_int(self) -> None:
        self._last("worker_int")

    def _last(self, name: str) -> None:
        """The worker ends, whatever the hook does."""
        try:
            self._run(name, self._worker)
        except Exception:
            self._logger.exception("Exception in %s hook", name)
        except SystemExit:
            pass

    def _handle_signals(self) -> None:
        if self._heritage.server is not None:
            signal.signal(signal.SIGUSR1, self._on_reopen)
        if self._has("worker_abort"):
            signal.signal(signal.SIGABRT, self._on_abort)

    def _on_reopen(self, number: int, frame) -> None:
        """As under gunicorn: the files of log handlers were moved away."""
        if not self._forked:
            self._logger.reopen_files()

    def _on_abort(self, number: int, frame) -> None:
        """The master sends it only for the hook. Runs in the main thread, wherever it is: nothing may go on after it."""
        if self._forked:  # a child of the app's
            signals.die_by(number)
            return
        self._last("worker_abort")
        self._leave(code=EXIT_ABORTED)
