"""An ASGI app for faults: sockets, event streams and bodies without end."""
import asyncio
import os
import time

PID = str(os.getpid())
STEP = bytes(64 << 10)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    handlers = SOCKETS if scope["type"] == "websocket" else PAGES
    await handlers[scope["path"]](scope, receive, send)


async def echo(scope, receive, send):
    """Says first which process it is."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": PID})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def flood(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    for _ in range(1 << 12):  # 256 MiB
        await send({"type": "websocket.send", "bytes": STEP})


async def begin(send, status=200, **fields):
    await send({"type": "http.response.start", "status": status, "headers": [(name.encode(), str(value).encode()) for name, value in fields.items()]})


async def home(scope, receive, send):
    await begin(send)
    await send({"type": "http.response.body", "body": b"hello"})


async def tasks(scope, receive, send):
    """How many this loop has."""
    await begin(send)
    await send({"type": "http.response.body", "body": str(len(asyncio.all_tasks())).encode()})


async def events(scope, receive, send):
    await begin(send, **{"content-type": "text/event-stream"})
    while True:
        await send({"type": "http.response.body", "body": b"data: tick\n\n", "more_body": True})
        await asyncio.sleep(0.2)


async def hold(scope, receive, send):
    """Holds the loop, as a handler does that should not."""
    time.sleep(float(scope["query_string"]))
    await home(scope, receive, send)


async def up(scope, receive, send):
    total = 0
    while True:
        message = await receive()
        total += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await begin(send)
    await send({"type": "http.response.body", "body": str(total).encode()})


async def down(scope, receive, send):
    await begin(send)
    for _ in range(int(scope["query_string"]) // len(STEP)):
        await send({"type": "http.response.body", "body": STEP, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


SOCKETS = {"/echo": echo, "/flood": flood}
PAGES = {"/": home, "/tasks": tasks, "/events": events, "/hold": hold, "/up": up, "/down": down}
