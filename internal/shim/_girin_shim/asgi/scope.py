"""The scope of a request, from its packet.

The block of a request in ASGI's form is, NUL between each: method, HTTP version,
scheme, decoded path, raw path, query, root path, client's address, client's
port, then a name and a value for each field, as they came, names in lower case.
An address that is not known is empty. Of a connection with TLS the last field is no
client's: :tls, whose value is the extension tls in JSON.
"""
from __future__ import annotations

import json

from .. import wire

FIXED = 9
TLS = b":tls"


class Scopes:
    """Makes scopes; owns what all of one listener share.

    templates has for each listener a scope of HTTP with all its keys, to be copied.
    """

    def __init__(self, settings, state: dict, passes_files: bool) -> None:
        self.extensions = {name: {} for name in HTTP_EXTENSIONS if passes_files or name != "http.response.pathsend"}
        version = "2.5" if settings.asgi_spec == "2.5" else "2.3"
        servers = [_server(base, unix) for base, unix in zip(settings.bases, settings.unix)]
        self.templates = [{
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": version},
            "http_version": "1.1",
            "scheme": "http",
            "path": "",
            "raw_path": b"",
            "query_string": b"",
            "root_path": "",
            "headers": [],
            "client": None,
            "server": server,
            "extensions": self.extensions,
            "method": "GET",
            "state": state,
        } for server in servers]
        self.state = state
        self._tls: tuple[bytes, dict] = (b"", {})  # the last one, and what it was made from
        self._asgi_socket = {"version": "3.0", "spec_version": "2.5"}

    def make(self, parts: list[bytes], base: int, websocket: bool) -> dict:
        """The scope of the request with these strings.

        Raises ProtocolError if they do not pair.
        """
        if len(parts) < FIXED or (len(parts) - FIXED) & 1:
            raise wire.ProtocolError("the request's fields do not pair")
        method, version, scheme, path, raw_path, query, root_path, client, port = parts[:FIXED]
        fields = iter(parts[FIXED:])
        scope = self.templates[base].copy()
        scope["asgi"] = scope["asgi"].copy()
        scope["http_version"] = version.decode("ascii")
        scope["scheme"] = scheme.decode("ascii")
        scope["path"] = path.decode("utf-8", "replace")
        scope["raw_path"] = raw_path
        scope["query_string"] = query
        scope["root_path"] = root_path.decode("utf-8", "replace")
        headers = scope["headers"] = list(zip(fields, fields))
        scope["client"] = (client.decode("ascii"), int(port)) if client else None
        if any(self.extensions.values()):  # an app has noted something in one of them: no later request sees it
            self.extensions.update((name, {}) for name in self.extensions)
        scope["extensions"] = self.extensions.copy()
        scope["method"] = method.decode("ascii")
        scope["state"] = self.state.copy()
        tls = self.tls_of(headers.pop()[1]) if headers and headers[-1][0] == TLS else None
        if websocket:
            self._make_socket(scope, scheme)
        if tls is not None:
            scope["extensions"]["tls"] = tls
        return scope

    def tls_of(self, text: bytes) -> dict:
        """The extension tls. Most requests of a worker have the same."""
        if self._tls[0] != text:
            self._tls = (text, json.loads(text))
        known = self._tls[1]
        return {**known, "client_cert_chain": [*known["client_cert_chain"]]}

    def _make_socket(self, scope: dict, scheme: bytes) -> None:
        scope["type"] = "websocket"
        scope["asgi"] = self._asgi_socket.copy()
        scope["scheme"] = _SOCKET_SCHEMES.get(scheme, "ws")
        scope["extensions"] = {"websocket.http.response": {}}
        scope["subprotocols"] = _subprotocols(scope["headers"])
        del scope["method"]


_SOCKET_SCHEMES = {b"http": "ws", b"https": "wss"}
HTTP_EXTENSIONS: dict[str, dict] = {"http.response.pathsend": {}, "http.response.zerocopysend": {}, "http.response.early_hint": {},
                                    "http.response.trailers": {}}


def _server(base: dict[str, str], unix: str) -> tuple[str, int | None]:
    """The listener's address: of a unix socket its path and None."""
    if unix:
        return unix, None
    return base.get("SERVER_NAME", ""), int(base.get("SERVER_PORT") or 0)


def _subprotocols(headers: list[tuple[bytes, bytes]]) -> list[str]:
    """What a client offers, in its order (RFC 6455 section 11.3.4)."""
    offered: list[str] = []
    for name, value in headers:
        if name == b"sec-websocket-protocol":
            offered += (part.strip() for part in value.decode("latin-1").split(","))
    return [name for name in offered if name]


def from_environ(environ: dict[str, str]) -> list[bytes]:
    """The strings of a request that was packed as for WSGI, when nobody knew the app yet."""
    raw = environ.get("RAW_URI", "").partition("?")[0]
    if not raw.startswith("/"):  # RFC 9112 section 3.2.2: with scheme and authority
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    mount = environ.get("SCRIPT_NAME", "")
    version = environ.get("SERVER_PROTOCOL", "").partition("/")[2]
    texts = [
        environ["REQUEST_METHOD"],
        "2" if version.startswith("2") else version,
        environ.get("wsgi.url_scheme", "http"),
        mount + environ.get("PATH_INFO", ""),
        raw if not mount or raw.startswith(mount) else mount + raw,
        environ.get("QUERY_STRING", ""),
        mount,
        environ.get("REMOTE_ADDR", ""),
        environ.get("REMOTE_PORT") or "0",
    ]
    for key, value in environ.items():
        if key.startswith("HTTP_") or key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            texts += (key.removeprefix("HTTP_").replace("_", "-").lower(), value)
    return [text.encode("latin-1") for text in texts]


def joined(block: bytes) -> list[bytes]:
    """The strings of a block of form 3."""
    return block.split(b"\0")


def with_lengths(block: bytes) -> list[bytes]:
    """The strings of a block of form 4: a u32 length before each."""
    parts: list[bytes] = []
    at = 0
    while at < len(block):
        end = at + 4 + int.from_bytes(block[at : at + 4], "little")
        if end > len(block):
            raise wire.ProtocolError("a string reaches over the end of the request's block")
        parts.append(block[at + 4 : end])
        at = end
    return parts
