"""Variables of the environ as the app leaves them, for the access log.

They go with the head of the answer, as fields whose names begin with a colon. What
the app sets after the head, in a stream, is not seen.

Those that %(h)s, %(U)s and %(q)s show go there only if the app has changed them
(changes). Where access_log_format names any as %({NAME}e)s, all of both kinds go (NotingApp).
"""
from __future__ import annotations

NOTE = ":"  # no app can set such a field: it is no token
LONGEST = 1024  # characters of a value; a line of the log is no place for more


class NotingApp:
    def __init__(self, app, names: list[str]) -> None:
        self._app = app
        self._names = frozenset(names)  # in lower case

    def __call__(self, environ: dict, start_response):
        exchange = start_response.__self__
        exchange.notes = lambda: self._variables(environ)
        result = self._app(environ, start_response)
        exchange.note()
        return result

    def _variables(self, environ: dict) -> list[tuple[str, str]]:
        return [
            (NOTE + name.lower(), _text(value))
            for name, value in environ.items()
            if isinstance(name, str) and name.lower() in self._names
        ]


def changes(environ: dict, worker, before: list | tuple) -> list[tuple[str, str]]:
    """Those of the watched variables that are not what they were before, as notes."""
    found = []
    for name, note, was in zip(worker.watched, worker.notes, before):
        try:
            now = environ.get(name)
        except Exception:  # of a key that the app has put there
            continue
        if now is not was and not (type(now) is str and now == was):
            found.append((note, "-" if now is None else _text(now)))
    return found


def _text(value) -> str:
    """Never fails: what an app leaves in its environ is no reason to lose its answer."""
    if type(value) is not str:
        try:
            value = str.__str__(str(value))
        except Exception:
            return "-"
    return value[:LONGEST].replace("\0", "").encode("latin-1", "backslashreplace").decode("latin-1")
