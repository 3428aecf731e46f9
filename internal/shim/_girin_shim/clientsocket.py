"""The socket of a request that may become a WebSocket, for apps that speak it themselves.

WSGI knows no WebSocket. flask-sock, simple-websocket and Flask-SocketIO look for the
server's socket in the environ, answer the handshake on it, and hold their thread or
greenlet until it ends. What they get is one end of a pair: the front passes bytes on.
"""
from __future__ import annotations

import os
import socket
from io import BytesIO
from socket import SHUT_RD, SocketType  # taken before gevent replaces the former

# What apps raise that have answered on the socket: those that know gunicorn, and engineio
# where it has found Werkzeug's socket.
ANSWERED = (StopIteration, ConnectionError)


def give(environ: dict, exchange, kind: type | None = None) -> None:
    """Fills environ; simple-websocket looks for werkzeug.socket first, and then answers like any app."""
    with exchange.spool as spool:  # closed, so that the app's is the only one
        client = (kind or socket.socket)(fileno=os.dup(spool.fileno()))
    exchange.client = client
    environ["wsgi.input"] = BytesIO()
    environ["werkzeug.socket"] = environ["gunicorn.socket"] = client
    if exchange.slot.worker.lanes.stopped:
        _end(client)  # end_all may have come before it


def end_all(exchanges: dict) -> None:
    """What apps wait for on such sockets ends, as if their clients had left; from any thread, once the lanes are stopped."""
    for exchange in list(exchanges.values()):
        if exchange.client is not None:
            _end(exchange.client)


def _end(client) -> None:
    try:
        SocketType.shutdown(getattr(client, "_sock", client), SHUT_RD)
    except OSError:
        pass  # it has ended by itself
