"""The hooks of the configuration file that run in a worker.

gunicorn's names, signatures and order: post_fork before the app is imported,
post_worker_init after it, worker_exit when all requests have ended. Without
hooks every method here does nothing.
"""
from __future__ import annotations

import os
import signal
import sys

from .configfile import ConfigFile
from .logger import error_logger
from .objects import Arbiter, Cfg, GunicornWorker
from .requesthooks import HookedApp

EXIT_ABORTED = 1  # as gunicorn's worker after worker_abort
_VARARGS = 4  # of co_flags: inspect.CO_VARARGS


class Hooks:
    """A worker's hooks and what they are given."""

    def __init__(self, worker) -> None:
        settings = worker.settings
        log = error_logger(worker.control.log, settings.loglevel)
        cfg = Cfg(settings.cfg)
        self._file = ConfigFile(settings)
        self._functions: dict = {}
        self._forked = worker.forked
        self._exited = False
        self._arbiter = Arbiter(os.getppid(), cfg, log)
        self._worker = GunicornWorker(settings.age, os.getppid(), cfg, log)
        self._worker.pid = os.getpid()
        self._worker.retire = worker.retire

    def load(self) -> None:
        """Runs the configuration file, if it has something for workers."""
        self._functions = self._file.apply()
        self._handle_signals()

    def post_fork(self) -> None:
        self._run("post_fork", self._arbiter, self._worker)

    def post_worker_init(self, app) -> None:
        self._worker.wsgi = app
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
        try:
            function(*arguments[: _arity(function)])
        except Exception:
            self._worker.log.exception("Exception in post_request hook")

    def worker_exit(self) -> None:
        """Called once: a signal may come while the worker ends anyway."""
        if self._exited:
            return
        self._exited = True
        try:
            self._run("worker_exit", self._arbiter, self._worker)
        except Exception:
            self._worker.log.warning("Exception during worker exit:", exc_info=True)

    def _has(self, name: str) -> bool:
        return name in self._functions

    def _run(self, name: str, *arguments) -> None:
        function = self._functions.get(name)
        if function is not None:
            function(*arguments)

    # A worker that is ended at once, by signals that the master sends only for these hooks.

    def _handle_signals(self) -> None:
        if self._has("worker_int") or self._has("worker_exit"):
            signal.signal(signal.SIGQUIT, self._on_quit)
        if self._has("worker_abort"):
            signal.signal(signal.SIGABRT, self._on_abort)

    def _on_quit(self, number: int, frame) -> None:
        self._end(number, "worker_int", 0)

    def _on_abort(self, number: int, frame) -> None:
        self._end(number, "worker_abort", EXIT_ABORTED)

    def _end(self, number: int, name: str, code: int) -> None:
        """Runs in the main thread, wherever it is: nothing may go on after it."""
        if self._forked:  # a child of the app's: the signal means what it means to any process
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        try:
            self._run(name, self._worker)
        except Exception:
            self._worker.log.exception("Exception in %s hook", name)
        self.worker_exit()
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _arity(function) -> int:
    """How many arguments a hook of up to four takes."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_flags & _VARARGS:
        return 4
    return min(code.co_argcount - hasattr(function, "__self__"), 4)
