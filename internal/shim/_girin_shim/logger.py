"""gunicorn's logger: server.log, worker.log, and the loggers gunicorn.error and gunicorn.access.

Their lines go to the master's logs, unless the settings or a hook give them
handlers of their own. Applications hang their loggers onto these handlers, so
every worker has them.
"""
from __future__ import annotations

import logging
import os
import time
import traceback

from .handler import FORMAT, LEVELS, MasterHandler, give, level_of, set_up_uvicorn
from .logconfig import LOGCONFIG, apply_config


class SafeAtoms(dict):
    """What an access log's format may name, "-" for what there is not."""

    def __init__(self, atoms: dict) -> None:
        super().__init__((key, value.replace('"', '\\"') if isinstance(value, str) else value) for key, value in atoms.items())

    def __getitem__(self, key: str):
        return self.get(key.lower() if key.startswith("{") else key, "-")


class Logger:
    """The interface of gunicorn.glogging.Logger, of which logger_class may be a subclass."""

    LOG_LEVELS = LEVELS
    error_fmt = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
    datefmt = "[%Y-%m-%d %H:%M:%S %z]"
    access_fmt = FORMAT
    syslog_fmt = "[%(process)d] %(message)s"
    atoms_wrapper_class = SafeAtoms
    _uvicorn = False  # the lines go to uvicorn's loggers
    to_errors = MasterHandler(lambda level, text: None)  # set by who has a way to the master
    to_access = MasterHandler(lambda level, text: None)

    def __init__(self, cfg) -> None:
        self._name_loggers("gunicorn")
        self.error_log.propagate = self.access_log.propagate = False
        self.error_handlers: list = []
        self.access_handlers: list = []
        self.logfile = None
        self.cfg = cfg
        self.setup(cfg)

    def _name_loggers(self, server: str) -> None:
        self.error_log = logging.getLogger(f"{server}.error")
        self.access_log = logging.getLogger(f"{server}.access")
        self._uvicorn = server == "uvicorn"

    def setup(self, cfg) -> None:
        self.cfg = cfg
        if self._uvicorn:
            self._name_loggers("gunicorn")
        self.loglevel = level_of(str(cfg.loglevel))
        give(self.error_log, self.to_errors, self.loglevel, self.access_fmt)
        give(self.access_log, self.to_access, logging.INFO, self.access_fmt)
        set_up_uvicorn(self.to_errors, self.to_access, self.loglevel)
        if apply_config(cfg):
            self._name_loggers("uvicorn")

    def critical(self, msg, *args, **kwargs) -> None:
        self.error_log.critical(msg, *args, **kwargs)

    def error(self, msg, *args, **kwargs) -> None:
        self.error_log.error(msg, *args, **kwargs)

    def warning(self, msg, *args, **kwargs) -> None:
        self.error_log.warning(msg, *args, **kwargs)

    def info(self, msg, *args, **kwargs) -> None:
        self.error_log.info(msg, *args, **kwargs)

    def debug(self, msg, *args, **kwargs) -> None:
        self.error_log.debug(msg, *args, **kwargs)

    def exception(self, msg, *args, **kwargs) -> None:
        self.error_log.exception(msg, *args, **kwargs)

    def log(self, lvl, msg, *args, **kwargs) -> None:
        if isinstance(lvl, str):
            lvl = self.LOG_LEVELS.get(lvl.lower(), logging.INFO)
        self.error_log.log(lvl, msg, *args, **kwargs)

    @property
    def access_log_enabled(self) -> bool:
        cfg = self.cfg
        if self._uvicorn and cfg.accesslog == "":
            return False  # --no-access-log; where nothing is said it is None
        return bool(cfg.accesslog or any(getattr(cfg, key) for key in LOGCONFIG)
                    or cfg.syslog and not cfg.disable_redirect_access_to_syslog)

    def atoms(self, resp, req, environ: dict, request_time) -> dict:
        """What gunicorn's access log may name: see access_log_format."""
        seconds, microseconds = request_time.seconds, request_time.microseconds
        atoms = {
            "h": environ.get("REMOTE_ADDR", "-"),
            "l": "-",
            "u": environ.get("REMOTE_USER") or _user(environ) or "-",
            "t": self.now(),
            "r": f"{environ['REQUEST_METHOD']} {environ['RAW_URI']} {environ['SERVER_PROTOCOL']}",
            "s": resp.status.split(None, 1)[0] if isinstance(resp.status, str) else resp.status,
            "m": environ.get("REQUEST_METHOD"),
            "U": environ.get("PATH_INFO"),
            "q": environ.get("QUERY_STRING"),
            "H": environ.get("SERVER_PROTOCOL"),
            "b": str(resp.sent) if getattr(resp, "sent", None) is not None else "-",
            "B": getattr(resp, "sent", None),
            "f": environ.get("HTTP_REFERER", "-"),
            "a": environ.get("HTTP_USER_AGENT", "-"),
            "T": seconds,
            "D": seconds * 1000000 + microseconds,
            "M": seconds * 1000 + microseconds // 1000,
            "L": f"{seconds}.{microseconds:06d}",
            "p": f"<{os.getpid()}>",
        }
        atoms.update((f"{{{name.lower()}}}i", value) for name, value in req.headers)
        atoms.update((f"{{{name.lower()}}}o", value) for name, value in resp.headers)
        atoms.update((f"{{{name.lower()}}}e", value) for name, value in environ.items())
        return atoms

    def access(self, resp, req, environ: dict, request_time) -> None:
        if not self.access_log_enabled:
            return
        if self._uvicorn:  # its formatter takes the line apart again
            client = ":".join(map(str, req.peer_addr)) if req.peer_addr[0] else ""
            version = environ.get("SERVER_PROTOCOL", "").rpartition("/")[2]
            self.access_log.info('%s - "%s %s HTTP/%s" %d', client, req.method, req.uri, version, resp.status_code)
            return
        atoms = self.atoms_wrapper_class(self.atoms(resp, req, environ, request_time))
        try:
            self.access_log.info(self.cfg.access_log_format, atoms)
        except Exception:
            self.error(traceback.format_exc())

    def now(self) -> str:
        return time.strftime("[%d/%b/%Y:%H:%M:%S %z]")

    def reopen_files(self) -> None:
        """Opens the files of all handlers anew, for log rotation."""
        for log in map(logging.getLogger, list(logging.root.manager.loggerDict)):
            for handler in log.handlers:
                if isinstance(handler, logging.FileHandler):
                    with handler.lock:
                        if handler.stream:
                            handler.close()
                            handler.stream = handler._open()

    def close_on_exec(self) -> None:
        """Python's files are so anyway."""


def _user(environ: dict) -> str | None:
    """The name of HTTP's basic authentication."""
    scheme, _, credentials = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    import base64

    try:
        return base64.b64decode(credentials.strip()).split(b":", 1)[0].decode()
    except ValueError:
        return None
