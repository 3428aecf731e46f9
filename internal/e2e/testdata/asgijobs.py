"""An ASGI application whose answers say what it got, with the tasks of jobs.py."""
import jobs  # noqa: F401


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    text = f"method={scope['method']}\npath={scope['path']}\nlength={size}\n"
    await send({"type": "http.response.body", "body": text.encode() * 2, "more_body": True})
    await send({"type": "http.response.body", "body": b"end=yes\n"})
