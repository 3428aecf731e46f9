"""pre_request and post_request, and the request and response they are given.

Nothing here runs unless the configuration file defines one of the two: then
the slots' serve is wrapped (hooked) and so is the app (HookedApp), and the
accelerator stays out (accelerator.new_runner).
"""
from __future__ import annotations

from collections.abc import Callable

from .noting import NOTE

_UNPREFIXED = ("CONTENT_TYPE", "CONTENT_LENGTH")


class Request:
    """gunicorn's request, read from the environ."""

    def __init__(self, environ: dict) -> None:
        self._environ = environ
        self._headers: list[tuple[str, str]] | None = None
        self._before: list[tuple[str, str]] = []
        self.method: str = environ["REQUEST_METHOD"]
        self.uri: str = environ.get("RAW_URI", "")
        self.query: str = environ.get("QUERY_STRING", "")
        self.path = self.uri.partition("?")[0]
        self.scheme: str = environ["wsgi.url_scheme"]
        self.version = (1, 0) if environ.get("SERVER_PROTOCOL") == "HTTP/1.0" else (1, 1)

    @property
    def peer_addr(self):
        """(host, port) of the client; "" behind a unix socket."""
        environ = self._environ
        port = environ.get("REMOTE_PORT")
        return (environ.get("REMOTE_ADDR", ""), int(port)) if port else environ.get("REMOTE_ADDR", "")

    remote_addr = peer_addr

    @property
    def body(self):
        return self._environ.get("wsgi.input")

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Names in capitals. A pre_request hook may change the list; the app sees that."""
        if self._headers is None:
            self._before = [
                (key[5:].replace("_", "-") if key.startswith("HTTP_") else key.replace("_", "-"), value)
                for key, value in self._environ.items()
                if key.startswith("HTTP_") or key in _UNPREFIXED
            ]
            self._headers = self._before[:]
        return self._headers

    def apply(self) -> None:
        """Puts changed headers into the environ."""
        if self._headers == self._before:
            return
        for name, _ in self._before:
            self._environ.pop(_key(name), None)
        for name, value in self._headers or ():
            key = _key(name)
            before = self._environ.get(key)
            self._environ[key] = value if before is None else f"{before},{value}"


def _key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in _UNPREFIXED else "HTTP_" + key


class Response:
    """gunicorn's response: what the app has answered so far."""

    def __init__(self, exchange) -> None:
        self._exchange = exchange
        self._size = 0  # of an answer that was one list

    def note(self, result) -> None:
        if type(result) is list or type(result) is tuple:
            self._size = sum(map(len, result))

    def _texts(self) -> list[str]:
        head = self._exchange.head
        return head.block.decode("latin-1").split("\0") if head is not None else [""]

    @property
    def status(self) -> str:
        return self._texts()[0]

    @property
    def status_code(self) -> int:
        return int(self.status[:3] or 0)

    @property
    def headers(self) -> list[tuple[str, str]]:
        texts = self._texts()
        return [field for field in zip(texts[1::2], texts[2::2]) if not field[0].startswith(NOTE)]

    @property
    def response_length(self) -> int | None:
        """What Content-Length says."""
        for name, value in self.headers:
            if name.lower() == "content-length":
                return int(value)
        return None

    @property
    def chunked(self) -> bool:
        """The master frames a body of unknown length."""
        return self.response_length is None

    @property
    def headers_sent(self) -> bool:
        return self._exchange.head is not None

    @property
    def sent(self) -> int:
        """Bytes of the body."""
        return self._exchange.sent or self._size


class HookedApp:
    """The app with pre_request before it, in whose place an error of the hook counts as the app's."""

    def __init__(self, app, hooks) -> None:
        self._app = app
        self._hooks = hooks

    def __call__(self, environ: dict, start_response):
        exchange = start_response.__self__
        request = Request(environ)
        exchange.slot.hooked = (request, {}, None)  # what post_request gets if pre_request fails
        self._hooks.pre_request(request)
        request.apply()
        response = Response(exchange)
        exchange.slot.hooked = (request, environ, response)
        result = self._app(environ, start_response)
        response.note(result)
        return result


def hooked(slot) -> Callable:
    """Returns the slot's serve with post_request after it, when the answer is sent."""
    serve, worker = slot.serve, slot.worker

    def serve_hooked(packet: bytes, head: tuple, began: int) -> None:
        slot.hooked = None
        serve(packet, head, began)
        if slot.hooked is not None:
            slot.flush()
            worker.hooks.post_request(*slot.hooked)
            slot.hooked = None

    return serve_hooked
