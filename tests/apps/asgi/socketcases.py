"""What ASGI applications do with WebSockets, right and wrong, each under a path of its own."""
import json


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})
        return
    await receive()
    await CASES.get(scope["path"].rpartition("/")[2], tell)(scope, receive, send)


def case(f):
    CASES[f.__name__.rstrip("_")] = f
    return f


CASES = {}


async def accept(send, **more):
    await send({"type": "websocket.accept", **more})


async def tell(scope, receive, send):
    """Says what the scope says."""
    await accept(send)
    headers = [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]]
    keys = ("type", "http_version", "scheme", "path", "root_path", "client", "server", "subprotocols")
    said = {key: scope.get(key) for key in keys}
    said |= {"headers": headers, "raw_path": scope["raw_path"].decode(), "query_string": scope["query_string"].decode()}
    await send({"type": "websocket.send", "text": json.dumps(said)})
    await receive()


@case
async def echo(scope, receive, send):
    await accept(send)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


@case
async def raises_before(scope, receive, send):
    raise ValueError("meant")


@case
async def raises_after(scope, receive, send):
    await accept(send)
    raise ValueError("meant")


@case
async def returns_before(scope, receive, send):
    pass


@case
async def returns_after(scope, receive, send):
    await accept(send)


@case
async def closes_before(scope, receive, send):
    await send({"type": "websocket.close", "code": 4000, "reason": "no"})


@case
async def sends_before(scope, receive, send):
    await send({"type": "websocket.send", "text": "too early"})


@case
async def accepts_twice(scope, receive, send):
    await accept(send)
    await accept(send)


@case
async def sends_after(scope, receive, send):
    await accept(send)
    await send({"type": "websocket.close", "code": 4000})
    await send({"type": "websocket.send", "text": "too late"})


@case
async def closes_twice(scope, receive, send):
    await accept(send)
    await send({"type": "websocket.close", "code": 4000})
    await send({"type": "websocket.close", "code": 4001})


@case
async def closes(scope, receive, send):
    """With the code and the reason that the query says."""
    code, _, reason = scope["query_string"].decode().partition("&")
    await accept(send)
    await send({"type": "websocket.close", "code": int(code), "reason": reason})


@case
async def closes_plainly(scope, receive, send):
    await accept(send)
    await send({"type": "websocket.close"})


@case
async def sends_an_unknown_event(scope, receive, send):
    await accept(send)
    await send({"type": "websocket.nonsense"})


@case
async def sends_nothing(scope, receive, send):
    await accept(send)
    await send({"type": "websocket.send"})


@case
async def gives_headers(scope, receive, send):
    await accept(send, headers=[(b"x-one", b"1"), (b"set-cookie", b"a=b"), (b"set-cookie", b"c=d")], subprotocol=(scope["subprotocols"] or [None])[-1])


@case
async def denies(scope, receive, send):
    await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"none")]})
    await send({"type": "websocket.http.response.body", "body": b"who are you"})
