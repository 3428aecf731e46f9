"""The logger of the settings or of a hook, and the thread that gives it the master's lines.

The master sends them only if something in Python waits for them (wanted): a
logger_class, a logging configuration, or a filter or handler that a hook has added.
Under gunicorn the workers log; here it is one process, so record attributes that
name one (process, and atom p) are set to the worker's.
"""
from __future__ import annotations

import importlib
import logging
import threading

from .channel import Channel
from .logconfig import LOGCONFIG
from .logger import Logger, MasterHandler

OWN = ("gunicorn.glogging.Logger", "gunicorn.instrument.statsd.Statsd", "simple", "", None)  # the master does what these do
_ITS_OWN = ("loglevel", "accesslog", "errorlog", "capture_output", "syslog", "syslog_addr", "syslog_prefix", "syslog_facility", "disable_redirect_access_to_syslog")
_FORK_WAIT = 1.0  # s that a fork waits for a handler that hangs


class Request:
    """gunicorn's request, as far as access logs read it."""

    def __init__(self, environ: dict, headers: list) -> None:
        self.method = environ.get("REQUEST_METHOD", "")
        self.uri = environ.get("RAW_URI", "")
        self.path, _, self.query = self.uri.partition("?")
        self.scheme = environ.get("wsgi.url_scheme", "http")
        self.version = (1, 0) if environ.get("SERVER_PROTOCOL") == "HTTP/1.0" else (1, 1)
        self.headers = headers
        self.peer_addr = self.remote_addr = (environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT") or 0))


class Response:
    """gunicorn's response, as far as access logs read it."""

    def __init__(self, status: str, headers: list, sent: int) -> None:
        self.status = status
        self.status_code = int(status[:3])
        self.headers = headers
        self.sent = self.response_length = sent


class Logs:
    """The logger, and what of the master's lines it wants."""

    def __init__(self, channel: Channel) -> None:
        self.logger = None
        self._settings: list = []  # it was set up with
        self._source: Channel | None = None
        self._lines: list[str] = []  # of the access log, until the end of a batch
        self._lock = threading.Lock()  # held while lines are logged, and by who forks
        self._pid = threading.local()
        Logger.to_errors = MasterHandler(channel.log)
        Logger.to_access = MasterHandler(lambda level, text: self._lines.append(text + "\n"))
        self._own = {Logger.to_errors, Logger.to_access}

    def configure(self, cfg) -> None:
        """Makes the logger, or makes it follow new settings. Where there is no configuration for
        logging, whose file may have changed, nor anything else of the logs that has, it is not set up
        again: the handlers and filters of hooks stay."""
        wanted = _class(cfg.logger_class)
        settings = [getattr(cfg, key, None) for key in (*LOGCONFIG, *_ITS_OWN)]
        settings, self._settings = self._settings, settings
        if type(self.logger) is wanted:
            self.logger.cfg = cfg
            if settings != self._settings or any(settings[: len(LOGCONFIG)]):
                self.logger.setup(cfg)
            return
        if hasattr(wanted, "install"):
            wanted.install()
        self.logger = wanted(cfg)
        self._name_the_worker(self.logger)

    def _name_the_worker(self, logger) -> None:
        atoms = logger.atoms

        def with_pid(*arguments) -> dict:
            found = atoms(*arguments)
            pid = getattr(self._pid, "now", 0)
            if pid:
                found["p"] = f"<{pid}>"
            return found

        def set_process(record: logging.LogRecord) -> bool:
            record.process = getattr(self._pid, "now", 0) or record.process
            return True

        logger.atoms = with_pid
        for log in (logger.error_log, logger.access_log):
            log.addFilter(set_process)
        self._own.add(set_process)

    def wanted(self) -> dict[str, bool]:
        """Which of the master's lines must come here."""
        logger = self.logger
        cfg = logger.cfg
        if type(logger) is not Logger or any(getattr(cfg, key) for key in LOGCONFIG):
            return {"error": True, "access": _overrides_access(logger) or bool(getattr(logger, "access_log_enabled", True))}
        return {"error": self._touched(logger.error_log), "access": self._touched(logger.access_log)}

    def _touched(self, log: logging.Logger) -> bool:
        return log.propagate or not self._own.issuperset(log.handlers) or not self._own.issuperset(log.filters)

    def serve(self, fd: int) -> None:
        """Logs what comes from the descriptor, in a thread."""
        self._source = Channel(fd)
        threading.Thread(target=self._run, args=(self._source,), name="girin-logs", daemon=True).start()

    def _run(self, channel: Channel) -> None:
        while True:
            message = channel.receive()
            if message is None:
                return
            with self._lock:
                for line in message[0]["lines"]:
                    self._log(*line)
            channel.send(access="".join(self._lines))  # also tells that the next may come
            self._lines.clear()

    def _log(self, pid: int, level: int, text, *access) -> None:
        self._pid.now = pid
        try:
            if access:
                from datetime import timedelta

                status, sent, microseconds, request_headers, headers, environ = access
                request, response = Request(environ, request_headers), Response(status, headers, sent)
                self.logger.access(response, request, environ, timedelta(microseconds=microseconds))
            else:
                getattr(self.logger, _METHODS.get(level, "info"))(text)
        except Exception:
            logging.getLogger("gunicorn.error").exception("the logger of the configuration file failed")
        finally:
            self._pid.now = 0

    def quiet(self) -> bool:
        """Waits until no line is being logged; release lets it go on. False: it hangs."""
        return self._lock.acquire(timeout=_FORK_WAIT)

    def release(self) -> None:
        self._lock.release()

    def leave(self) -> None:
        """Called in a forked process: the master's lines do not come there."""
        if self._source is not None:
            self._source.close()

    def in_worker(self, send) -> None:
        """Called in a worker, which has a way of its own to the master."""
        Logger.to_errors.send = send
        Logger.to_access.send = lambda level, text: None


_METHODS = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error", logging.CRITICAL: "critical"}


def _overrides_access(logger) -> bool:
    """Does it do with requests what it likes, whether or not there is an access log?"""
    return getattr(type(logger).access, "__module__", "") not in (Logger.__module__, "gunicorn.glogging", "gunicorn.instrument.statsd")


def _class(value) -> type:
    """logger_class may be a class, or the dotted or colon'd path of one."""
    if value in OWN or getattr(value, "__module__", "") + "." + getattr(value, "__qualname__", "") in OWN:
        return Logger
    if isinstance(value, type):
        return value
    module, _, name = value.replace(":", ".").rpartition(".")
    return getattr(importlib.import_module(module), name)
