"""wsgi.errors, and how an app's faults are told."""
from __future__ import annotations

import sys
import traceback

CRITICAL, ERROR, WARNING, INFO = 50, 40, 30, 20  # levels of the logging module
ORIGIN = "<girin>/"  # how the file names of the shim's code begin, as in the loader
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


def is_own(code) -> bool:
    """Is this code of the shim's?"""
    return code.co_filename.startswith(ORIGIN)


def raised_by_handler(error: BaseException) -> bool:
    """Did a signal's handler raise this, between two of the shim's own steps?"""
    if issubclass(type(error), (SystemExit, KeyboardInterrupt)):
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and not is_own(trace.tb_frame.f_code)


def calls_the_app(code) -> bool:
    """Is this a function of the shim that runs code of the app's? It says nothing of a
    fault. The accelerator's frames are not Python's: there it is the one that runs C."""
    return is_own(code) and code.co_name in ("serve", "stream", "_close", "_lead", "__call__")


def _app_part(error: BaseException):
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        if not is_own(trace.tb_frame.f_code):
            break
        trace = trace.tb_next
    if trace is not None and trace.tb_next is None and calls_the_app(trace.tb_frame.f_code):
        trace = None
    return trace


def describe(error: BaseException) -> str:
    """The traceback, without the shim's own frames above the app's. Never raises."""
    try:
        return "".join(traceback.format_exception(type(error), error, _app_part(error))).rstrip()
    except BaseException as e:  # an exception whose __str__ fails, or no memory
        return f"{_name(error)} (its traceback cannot be shown: {_name(e)})"


_name_of_type = type.__dict__["__name__"].__get__  # whatever its own metaclass says


def _name(error: BaseException) -> str:
    return _name_of_type(type(error))


def uri(environ: dict) -> str:
    """The request's target for the log. What the app has put there may raise anything."""
    try:
        raw = environ.get("RAW_URI")
        if raw:
            return str(raw)
        query = environ.get("QUERY_STRING")
        path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
        return f"{path}?{query}" if query else path
    except BaseException as e:
        return f"(its environ cannot be read: {_name(e)})"


def flush_streams() -> None:
    """Flushes stdout and stderr, whatever the app has put in their place."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # None, something without flush, or a closed pipe
