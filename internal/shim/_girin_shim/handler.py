"""The loggers gunicorn.error and gunicorn.access, whose lines go to the master."""
from __future__ import annotations

import logging
from collections.abc import Callable

FORMAT = "%(message)s"  # the master writes time, process and level
LEVELS = {name: getattr(logging, name.upper()) for name in ("critical", "error", "warning", "info", "debug")}


class MasterHandler(logging.Handler):
    """Hands lines to the master; send takes a level and a text."""

    def __init__(self, send: Callable[[int, str], None]) -> None:
        super().__init__()
        self.send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.send(record.levelno, self.format(record))
        except Exception:
            self.handleError(record)


def give(log: logging.Logger, handler: logging.Handler, level: int, format: str = FORMAT) -> None:
    """Makes the handler the only one of a logger."""
    handler.setFormatter(logging.Formatter(format))
    log.setLevel(level)
    log.handlers = [handler]


def set_up(log: logging.Logger, handler: logging.Handler, level: int) -> None:
    log.propagate = False
    give(log, handler, level)


def set_up_uvicorn(errors: MasterHandler, access: MasterHandler, level: int) -> None:
    """Gives uvicorn's loggers what uvicorn gives them: ASGI apps log by them, and change their handlers,
    which are no other logger's."""
    set_up(logging.getLogger("uvicorn"), _beside(errors), level)
    logging.getLogger("uvicorn.error").setLevel(level)
    set_up(logging.getLogger("uvicorn.access"), _beside(access), logging.INFO)


def _beside(handler: MasterHandler) -> MasterHandler:
    """One that hands lines where the other does, also after a fork."""
    return MasterHandler(lambda level, text: handler.send(level, text))


def level_of(name: str) -> int:
    return LEVELS.get(name.lower(), logging.INFO)
