"""What soakapp answers, as an ASGI app."""
import asyncio
import hashlib
from urllib.parse import parse_qs

from soakapp import FILE_SIZE, opened, pieces

HEAD = [(b"content-type", b"application/octet-stream")]


async def digest(receive):
    """None: the client has left."""
    size, digest, more = 0, hashlib.sha256(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        size += len(message["body"])
        digest.update(message["body"])
        more = message["more_body"]
    return f"{size} {digest.hexdigest()}".encode()


async def stream(send, parts):
    await send({"type": "http.response.start", "status": 200, "headers": HEAD})
    async for part in parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


async def each(parts):
    for part in parts:
        yield part


async def events(pause):
    while True:
        yield b"data: tick\n\n"
        await asyncio.sleep(pause)


async def echo(receive, send):
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message["bytes"]})


async def say(send, seed, size, count):
    body = b"".join(pieces(seed, size))
    for _ in range(count):
        await send({"type": "websocket.send", "bytes": body})
    await send({"type": "websocket.close"})


async def socket(path, receive, send, query):
    await receive()
    await send({"type": "websocket.accept"})
    try:
        if path == "/say":
            await say(send, int(query["seed"]), int(query["size"]), int(query["count"]))
        else:
            await echo(receive, send)
    except OSError:
        pass  # the client has left


async def application(scope, receive, send):
    if scope["type"] not in ("http", "websocket"):
        raise NotImplementedError(scope["type"])
    path = scope["path"]
    query = {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()}
    if scope["type"] == "websocket":
        await socket(path, receive, send, query)
        return
    size, seed, pause = int(query.get("size", 0)), int(query.get("seed", 0)), float(query.get("pause", 0))
    if path == "/pieces":
        await stream(send, each(pieces(seed, size)))
        return
    if path == "/events":
        await stream(send, events(pause))
        return
    if path == "/file":
        await send({"type": "http.response.start", "status": 200, "headers": [*HEAD, (b"content-length", b"%d" % FILE_SIZE)]})
        with opened() as file:
            await send({"type": "http.response.zerocopysend", "file": file, "offset": 0})
        return
    body = b"hello"
    if path == "/bytes":
        body = b"".join(pieces(seed, size))
    elif path == "/digest":
        body = await digest(receive)
        if body is None:
            return
    elif path == "/unread":
        body = b"not read"
    elif path == "/sleep":
        await asyncio.sleep(pause)
        body = b"slept"
    await send({"type": "http.response.start", "status": 200, "headers": [*HEAD, (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
