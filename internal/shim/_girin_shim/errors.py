"""wsgi.errors, and how an app's faults are told."""
from __future__ import annotations

import sys
import traceback

ERROR, WARNING = 40, 30  # levels of the logging module
UNFORMATTED = 0  # text of the app's own: to be written as it is


class ErrorStream:
    """A text stream onto stderr as it is when written to."""

    def write(self, text: str) -> int:
        count = sys.stderr.write(text)
        sys.stderr.flush()
        return count

    def writelines(self, lines) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        sys.stderr.flush()


class LogStream:
    """A text stream onto the error log of the master: each write is one entry.

    The end of the line that print writes by itself makes no entry.
    """

    def __init__(self, log) -> None:
        self._log = log

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"wsgi.errors takes str, not {type(text).__name__}")
        entry = text.rstrip("\n")
        if entry:
            self._log(UNFORMATTED, entry)
        return len(text)

    def writelines(self, lines) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        pass


def _calls_the_app(frame) -> bool:
    """Is this a function of the shim that runs code of the app's? It says nothing
    of a fault, and the accelerator, whose frames are not Python's, has none."""
    own = frame.f_globals.get("__name__", "").startswith("_girin_shim.")
    return own and frame.f_code.co_name in ("serve", "stream", "_close")


def describe(error: BaseException) -> str:
    """The traceback, without the shim's own frames above the app's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        if not trace.tb_frame.f_globals.get("__name__", "").startswith("_girin_shim."):
            break
        trace = trace.tb_next
    if trace is not None and trace.tb_next is None and _calls_the_app(trace.tb_frame):
        trace = None
    try:
        return "".join(traceback.format_exception(type(error), error, trace)).rstrip()
    except Exception as e:  # an exception whose __str__ fails, or no memory
        return f"{type(error).__name__} (its traceback cannot be shown: {type(e).__name__})"


def uri(environ: dict) -> str:
    """The request's target for the log."""
    raw = environ.get("RAW_URI")
    if raw:
        return str(raw)
    query = environ.get("QUERY_STRING")
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
    return f"{path}?{query}" if query else path
