"""environ["wsgi.websocket"]: gevent-websocket's object on the client's socket.

Under its own handler every request that asks for a WebSocket is accepted before the
app sees it. Here the handshake is answered when the app first uses the object, so that
apps that refuse, or that use another library, do as they like.
"""
from __future__ import annotations

import base64
import hashlib
import logging
from types import SimpleNamespace

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


def new_server(app):
    """What gives environs their object; None if gevent-websocket is not installed."""
    try:
        from geventwebsocket.handler import Client
        from geventwebsocket.websocket import Stream, WebSocket
    except ImportError:
        return None

    class LateWebSocket(WebSocket):
        """Its attributes are set, and the handshake is answered, when one of them is first asked for."""

        __slots__ = ("begin",)

        def __init__(self, begin) -> None:
            self.begin = begin

        def __getattr__(self, name: str):
            begin = self.begin
            if begin is None:
                raise AttributeError(name)
            self.begin = None
            super().__init__(*begin(self))
            return getattr(self, name)

        def __del__(self) -> None:
            """The front closes what the app has not."""

    return _Server(app, LateWebSocket, Client, Stream)


class _Server:
    """What apps of gevent-websocket know of their server."""

    def __init__(self, app, websocket: type, client: type, stream: type) -> None:
        self.application = app
        self.clients: dict = {}
        self.logger = logging.getLogger("geventwebsocket")
        self._websocket, self._client, self._stream = websocket, client, stream

    def give(self, environ: dict, client) -> None:
        if not _may_begin(environ):
            return
        address = (environ.get("REMOTE_ADDR", ""), environ.get("REMOTE_PORT", ""))
        handler = SimpleNamespace(
            server=self, environ=environ, socket=client, rfile=client.makefile("rb"), logger=self.logger, client_address=address, active_client=None
        )

        def begin(ws):
            client.sendall(self._accept(environ))
            handler.active_client = self.clients[address] = self._client(address, ws)
            return environ, self._stream(handler), handler

        environ["wsgi.websocket"] = self._websocket(begin)
        environ["wsgi.websocket_version"] = environ["HTTP_SEC_WEBSOCKET_VERSION"]

    def take_back(self, environ: dict) -> None:
        self.clients.pop((environ.get("REMOTE_ADDR", ""), environ.get("REMOTE_PORT", "")), None)

    def _accept(self, environ: dict) -> bytes:
        digest = hashlib.sha1((environ["HTTP_SEC_WEBSOCKET_KEY"].strip() + _GUID).encode("latin-1")).digest()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}"]
        protocol = self.application.app_protocol(environ.get("PATH_INFO", "")) if hasattr(self.application, "app_protocol") else None
        if protocol and protocol in [offer.strip() for offer in environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", "").split(",")]:
            lines.append(f"Sec-WebSocket-Protocol: {protocol}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _may_begin(environ: dict) -> bool:
    """Is the request a handshake that the library takes?"""
    try:
        key = base64.b64decode(environ.get("HTTP_SEC_WEBSOCKET_KEY", "").strip(), validate=True)
    except ValueError:
        return False
    return len(key) == 16 and environ.get("HTTP_SEC_WEBSOCKET_VERSION") in ("7", "8", "13")
