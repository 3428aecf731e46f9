"""The ASGI applications that servers are measured with."""
import asyncio
import tempfile

from fastapi import FastAPI
from fastapi.responses import FileResponse, StreamingResponse

HELLO = b"Hello, world!"
FIELDS = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(HELLO))]


async def lifespan(receive, send):
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def hello(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await send({"type": "http.response.start", "status": 200, "headers": FIELDS})
    await send({"type": "http.response.body", "body": HELLO})


async def echo(scope, receive, send):
    if scope["type"] != "websocket":
        return await hello(scope, receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


CLIENTS: set = set()


async def broadcast(scope, receive, send):
    if scope["type"] != "websocket":
        return await hello(scope, receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    CLIENTS.add(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            await asyncio.gather(*(other({"type": "websocket.send", "text": message["text"]}) for other in CLIENTS))
    finally:
        CLIENTS.discard(send)


api = FastAPI()


@api.get("/")
async def root():
    return {"hello": "world"}


PARTS, PART = 10, b"a part of an answer that is sent as it comes\n"
LARGE_PARTS, LARGE_PART = 64, b"x" * (64 << 10)
FILE = tempfile.NamedTemporaryFile(prefix="asgi-apps-")
FILE.write(LARGE_PARTS * LARGE_PART)
FILE.flush()


async def parts():
    for _ in range(PARTS):
        yield PART


async def events():
    for i in range(PARTS):
        yield f"id: {i}\ndata: tick\n\n"
        await asyncio.sleep(0)


async def large_parts():
    for _ in range(LARGE_PARTS):
        yield LARGE_PART


@api.get("/parts")
async def parts_one_by_one():
    return StreamingResponse(parts(), media_type="text/plain")


@api.get("/events")
async def server_sent_events():
    return StreamingResponse(events(), media_type="text/event-stream")


@api.get("/large")
async def large_parts_one_by_one():
    return StreamingResponse(large_parts())


@api.get("/file")
async def whole_file():
    return FileResponse(FILE.name)
