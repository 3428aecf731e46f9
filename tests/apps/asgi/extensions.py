"""What the extensions of ASGI offer, used and shown."""
import asyncio
import json


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan")
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": json.dumps(scope["extensions"])})
        note(scope)
        await send({"type": "websocket.close"})
        return
    await ROUTES[scope["path"]](scope, send)


async def start(send, *headers, **more):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"trailer", b"x-sum"), *headers], **more})


async def body(send, data, more=False):
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def trail(send, *headers, more=False):
    await send({"type": "http.response.trailers", "headers": headers, "more_trailers": more})


def note(scope):
    """Changes what no other request may see."""
    for extension in scope["extensions"].values():
        extension["noted"] = True


async def index(scope, send):
    told = json.dumps(scope["extensions"]).encode()
    note(scope)
    await start(send)
    await body(send, told)


async def trailers(scope, send):
    await start(send, trailers=True)
    for _ in range(3):
        await body(send, b"part.", True)
    await body(send, b"end")
    await asyncio.sleep(0.01)
    await trail(send, (b"x-sum", b"1"), more=True)
    await trail(send, (b"X-More", b"2"), (b"content-length", b"7"), (b"connection", b"close"))


async def large(scope, send):
    """More than any window, and then trailers."""
    await start(send, trailers=True)
    for _ in range(40):
        await body(send, b"x" * 100_000, True)
    await body(send, b"")
    await trail(send, (b"x-sum", b"4000000"))


async def empty(scope, send):
    await start(send, trailers=True)
    await body(send, b"")
    await trail(send, (b"x-sum", b"0"))


async def length(scope, send):
    await start(send, (b"content-length", b"4"), trailers=True)
    await body(send, b"four")
    await trail(send, (b"x-sum", b"4"))


async def none(scope, send):
    await start(send, trailers=True)
    await body(send, b"none")
    await trail(send)


async def forgotten(scope, send):
    await start(send, trailers=True)
    await body(send, b"forgotten")


ROUTES = {"/": index, **{f"/{f.__name__}": f for f in (trailers, large, empty, length, none, forgotten)}}
