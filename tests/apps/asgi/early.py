"""Apps that answer without reading what is sent."""


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    status = 200 if scope["method"] == "GET" else 403
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"early"})


def wsgi(environ, start_response):
    start_response("200 OK" if environ["REQUEST_METHOD"] == "GET" else "403 Forbidden", [("Content-Length", "5")])
    return [b"early"]
