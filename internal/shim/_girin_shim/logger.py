"""The logger gunicorn.error, whose lines go to the master's error log.

Hooks have it as log. Applications hang their own loggers onto its handlers, so
every worker has it. Imported after monkey-patching, which patches logging.
"""
from __future__ import annotations

import logging
from collections.abc import Callable


class _Handler(logging.Handler):
    def __init__(self, send: Callable[[int, str], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._send(record.levelno, self.format(record))
        except Exception:
            self.handleError(record)


def error_logger(send: Callable[[int, str], None], level: str) -> logging.Logger:
    """Returns the logger; send takes a level of logging and a text."""
    logger = logging.getLogger("gunicorn.error")
    logger.propagate = False
    logger.setLevel(level.upper())
    logger.handlers[:] = [_Handler(send)]
    return logger
