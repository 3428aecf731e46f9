"""The ASGI applications that servers are measured with."""
import asyncio

from fastapi import FastAPI

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
