"""Variables of the environ as the app leaves them, for the access log.

Only where access_log_format names some that are none of the request's fields: then they go
with the head of the answer, as fields whose names begin with a colon. What the app
sets after the head, in a stream, is not seen.
"""
from __future__ import annotations

FIRST = ":"  # no app can set such a field: it is no token


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
            (FIRST + name.lower(), _text(value))
            for name, value in environ.items()
            if isinstance(name, str) and name.lower() in self._names
        ]


def _text(value) -> str:
    return str(value).replace("\0", "").encode("latin-1", "backslashreplace").decode("latin-1")
