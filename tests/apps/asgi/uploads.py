"""Apps that give back each piece of a body as soon as they have it."""
SEEN = []


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["method"] == "GET":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": " ".join(SEEN).encode()})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        event = await receive()
        SEEN.append(event["type"])
        if event["type"] == "http.disconnect":
            return
        await send({"type": "http.response.body", "body": event["body"], "more_body": event["more_body"]})
        if not event["more_body"]:
            return


def wsgi(environ, start_response):
    start_response("200 OK", [])
    return lines(environ)


def lines(environ):
    if environ["REQUEST_METHOD"] == "GET":
        yield " ".join(SEEN).encode()
        return
    yield b""
    try:
        for line in environ["wsgi.input"]:
            yield line
    except ConnectionError:
        SEEN.append("http.disconnect")
        raise
