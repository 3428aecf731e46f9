"""An ASGI application of WebSockets: what it does is in the path."""
import asyncio
import time

ended = []  # what the disconnects said


async def app(scope, receive, send):
    if scope["type"] == "http":
        if scope["path"] == "/hold":
            time.sleep(float(scope["query_string"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": repr(ended).encode()})
    elif scope["type"] == "websocket":
        assert (await receive())["type"] == "websocket.connect"
        await PATHS[scope["path"]](scope, receive, send)


async def echo(scope, receive, send):
    offered = scope["subprotocols"]
    await send({"type": "websocket.accept", "subprotocol": offered[-1] if offered else None, "headers": [(b"x-app", b"yes")]})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4001, "reason": "b" * 200})
        elif message.get("text") == "block":
            time.sleep(2)
            await send({"type": "websocket.send", "text": "blocked"})
        elif message.get("text") is not None:
            await send({"type": "websocket.send", "text": message["text"]})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})
    ended.append((message["code"], message["reason"]))


async def refuse(scope, receive, send):
    await send({"type": "websocket.close"})


async def deny(scope, receive, send):
    await send({"type": "websocket.http.response.start", "status": 429, "headers": [(b"x-why", b"many")]})
    await send({"type": "websocket.http.response.body", "body": b"too ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"many"})


async def raise_(scope, receive, send):
    await send({"type": "websocket.accept"})
    raise ValueError("meant")


async def raise_early(scope, receive, send):
    raise ValueError("meant")


async def number(scope, receive, send):
    """What is no message is refused, not made one."""
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "bytes": 5})


async def return_(scope, receive, send):
    await send({"type": "websocket.accept"})


async def think(scope, receive, send):
    """Waits for the client's end before it accepts."""
    ended.append((await receive())["code"])


async def deaf(scope, receive, send):
    """Receives nothing until it was told to by time."""
    await send({"type": "websocket.accept"})
    await asyncio.sleep(3)
    count = 0
    while (await receive())["type"] == "websocket.receive":
        count += 1
        await send({"type": "websocket.send", "text": str(count)})


async def flood(scope, receive, send):
    """Sends more than a client takes that does not read; tells how often it had to wait."""
    await send({"type": "websocket.accept"})
    for n in range(64):
        await send({"type": "websocket.send", "bytes": b"x" * (1 << 20)})
        ended.append(n)


async def tasks(scope, receive, send):
    """A task that receives and one that sends, which the end of the app's own function does not end."""
    async def until_it_ends(what, function, *args):
        try:
            while (message := await function(*args)) is None or message["type"] == "websocket.receive":
                pass
            ended.append((what, message["code"]))
        except OSError as error:
            ended.append((what, type(error).__name__))

    await send({"type": "websocket.accept"})
    kept.append(asyncio.create_task(until_it_ends("send", send, {"type": "websocket.send", "bytes": b"x" * (1 << 20)})))
    kept.append(asyncio.create_task(until_it_ends("receive", receive)))
    await asyncio.sleep(0.3)


async def unaware(scope, receive, send):
    """Neither receives nor sends once it has accepted."""
    await send({"type": "websocket.accept"})
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        ended.append("unaware, cancelled")
        raise


async def aware(scope, receive, send):
    """Takes its time when its client has left."""
    await send({"type": "websocket.accept"})
    assert (await receive())["type"] == "websocket.disconnect"
    await asyncio.sleep(2.5)
    ended.append("aware, to its end")


async def busy(scope, receive, send):
    """Receives its messages by and by, also when their client has left."""
    await send({"type": "websocket.accept"})
    count = 0
    while (await receive())["type"] == "websocket.receive":
        count += 1
        await asyncio.sleep(0.5)
    ended.append(f"busy, {count} messages")


kept = []  # tasks: of one that nobody holds the loop may forget

PATHS = {"/tasks": tasks, "/echo": echo, "/refuse": refuse, "/deny": deny, "/raise": raise_, "/raise_early": raise_early, "/return": return_, "/number": number,
         "/unaware": unaware, "/aware": aware, "/busy": busy, "/think": think, "/deaf": deaf, "/flood": flood}


async def echo_all(scope, receive, send):
    """echo, and whatever a text says, it is echoed."""
    if scope["type"] != "websocket":
        await app(scope, receive, send)
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
