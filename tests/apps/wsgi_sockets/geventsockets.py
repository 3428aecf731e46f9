"""The WebSocket of gevent-websocket, as flask-sockets and others use it: environ["wsgi.websocket"]."""


def app(environ, start_response):
    if environ["PATH_INFO"] != "/echo":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello\n"]
    ws = environ.get("wsgi.websocket")
    if ws is None:
        start_response("400 Bad Request", [])
        return [b"a WebSocket is wanted\n"]
    while (message := ws.receive()) is not None:
        if message == "raise":
            raise RuntimeError("as asked")
        ws.send(message)
    return []
