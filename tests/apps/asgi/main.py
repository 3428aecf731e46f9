"""An ASGI app that does what the tests ask for, and tells what it has seen."""
import asyncio
import contextvars
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs

FILE = Path(os.environ.get("FILE", __file__))
SEEN = []  # what happened, for /seen
HELD = []  # what background tasks wait for
CONTEXT = contextvars.ContextVar("CONTEXT", default="")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    query = {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()}
    await ROUTES[scope["path"].strip("/") or "hello"](Request(scope, receive, send, query))


async def lifespan(scope, receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    way = os.environ.get("LIFESPAN", "")
    if way == "fails":
        await send({"type": "lifespan.startup.failed", "message": "the database is not there"})
        return
    if way == "raises":
        raise ValueError("no lifespan")
    scope["state"].update(started=time.time(), counter=[])
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    if way == "hangs":
        await asyncio.sleep(3600)
    print("the lifespan has ended", file=sys.stderr, flush=True)
    await send({"type": "lifespan.shutdown.complete"})


class Request:
    def __init__(self, scope, receive, send, query):
        self.scope, self.receive, self.send, self.query = scope, receive, send, query

    async def start(self, status=200, *headers, **more):
        await self.send({"type": "http.response.start", "status": status, "headers": list(headers), **more})

    async def body(self, body=b"", more=False):
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def answer(self, value):
        body = value if isinstance(value, bytes) else json.dumps(value, default=str).encode()
        await self.start(200, (b"content-length", b"%d" % len(body)))
        await self.body(body)


async def hello(r):
    await r.answer(b"hello")


async def scope(r):
    shown = dict(r.scope, state=sorted(r.scope.get("state", {})))
    await r.answer({key: repr(value) for key, value in shown.items()})


async def seen(r):
    await r.answer(SEEN)


async def count(r):
    """The size of the body and of its largest part."""
    total = largest = 0
    more = True
    while more:
        message = await r.receive()
        if message["type"] == "http.disconnect":
            SEEN.append("disconnect while reading")
            return
        total, largest, more = total + len(message["body"]), max(largest, len(message["body"])), message["more_body"]
        if "slowly" in r.query:
            await asyncio.sleep(0.01)
    await r.answer({"total": total, "largest": largest})


async def two_readers(r):
    """Two tasks receive the body, each what the other has not; one of them only a part."""
    total, complete = 0, asyncio.Event()

    async def read(parts):
        nonlocal total
        while parts and (message := await r.receive())["type"] == "http.request":
            total, parts = total + len(message["body"]), parts - 1
            if not message["more_body"]:
                complete.set()
                return

    readers = [asyncio.create_task(read(parts)) for parts in (-1, 1)]
    await complete.wait()
    await r.answer({"total": total})
    await asyncio.gather(*readers)


async def echo(r):
    await r.start()
    more = True
    while more:
        message = await r.receive()
        more = message["more_body"]
        await r.body(message["body"], True)
    await r.body()


async def refuse(r):
    await r.start(413, (b"content-length", b"0"))
    await r.body()
    if "then" in r.query:
        await asyncio.sleep(0.2)  # the server knows by then that the request has ended
        SEEN.append(f"after the answer {(await r.receive())['type']}")


async def answers_first(r):
    """Reads the body when a part of the answer is out."""
    await r.start()
    await r.body(b"early", True)
    total, message = 0, {"more_body": True}
    while message.get("more_body"):
        message = await r.receive()
        total += len(message.get("body", b""))
    await r.body(b" %d" % total)


async def late(r):
    """The head, and long after it a body."""
    await r.start(200, (b"x-late", b"yes"))
    await asyncio.sleep(float(r.query.get("t", 1)))
    await r.body(b"body")


async def endless(r):
    """A stream that never waits but in send."""
    await r.start()
    SEEN.append("endless begins")
    try:
        while True:
            await r.body(b"x" * 10_000, True)
    except asyncio.CancelledError:
        SEEN.append("endless was cancelled")
        raise
    except OSError as error:
        SEEN.append(f"endless: {type(error).__name__}")


async def ticks(r):
    await r.start(200, (b"content-type", b"text/event-stream"), (b"connection", b"keep-alive"))
    while True:
        await r.body(b"data: tick\n\n", True)
        await asyncio.sleep(0.05)


async def large(r):
    size = int(r.query["size"])
    await r.start()
    for _ in range(size // 100_000):
        await r.body(b"y" * 100_000, True)
        SEEN[:] = [SEEN[0] + 1 if SEEN and isinstance(SEEN[0], int) else 1]
    await r.body()


async def wait(r):
    """Until the client leaves; and then on, if it is to be cancelled."""
    SEEN.append("waits")
    try:
        while (await r.receive())["type"] != "http.disconnect":
            pass
        SEEN.append("disconnect")
        await asyncio.sleep(float(r.query.get("on", 0)))
        SEEN.append("ended by itself")
    except asyncio.CancelledError:
        SEEN.append("cancelled")
        raise


async def status(r):
    code = int(r.query["code"])
    await r.start(code, *([(b"content-length", b"5")] if "length" in r.query else []))
    await r.body(b"12345")


async def early(r):
    await r.send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]})
    await asyncio.sleep(0.1)
    await r.answer(b"late")


async def path(r):
    await r.start(200, (b"content-type", b"application/x-test"))
    await r.send({"type": "http.response.pathsend", "path": str(FILE)})


async def zero(r):
    """Parts of a file, with bytes between."""
    await r.start()
    with FILE.open("rb") as file:
        await r.send({"type": "http.response.zerocopysend", "file": file, "offset": 10, "count": 20, "more_body": True})
        await r.body(b"|", True)
        for _ in range(2):  # from where the one before has ended
            await r.send({"type": "http.response.zerocopysend", "file": file, "count": 5, "more_body": True})
        await r.send({"type": "http.response.zerocopysend", "file": file, "offset": 100})


async def wrong(r):
    """What is against the specification raises in the app."""
    start = {"type": "http.response.start", "status": 200, "headers": []}
    body = {"type": "http.response.body", "body": b""}
    messages = {
        "unknown": [{"type": "http.nothing"}], "body first": [body], "twice": [start, start],
        "status": [{**start, "status": "200"}], "low": [{**start, "status": 101}], "header": [{**start, "headers": [(b"a b", b"c")]}],
        "pipe": [start, {"type": "http.response.pathsend", "path": a_pipe()}],
        "split": [{**start, "headers": [(b"a", b"b\r\nc: d")]}], "text": [{**start, "headers": [("a", "b")]}], "str": [start, {**body, "body": "text"}],
    }[r.query["kind"]]
    try:
        for message in messages:
            await r.send(message)
    except Exception as error:
        SEEN.append(f"{r.query['kind']}: {type(error).__name__}")
        raise
    SEEN.append(f"{r.query['kind']}: nothing was raised")


FOLDER = tempfile.TemporaryDirectory()


def a_pipe() -> str:
    """A pipe in which nobody writes: to open it waits for somebody."""
    path = Path(FOLDER.name) / "pipe"
    if not path.exists():
        os.mkfifo(path)
    return str(path)


async def lies(r):
    await r.start(200, (b"content-length", b"10"))
    await r.body(b"x" * int(r.query["sends"]))


async def fails(r):
    if r.query["when"] == "after":
        await r.start()
        await r.body(b"some", True)
        await asyncio.sleep(0.05)
    raise RuntimeError("the app fails")


async def nothing(r):
    pass


async def only_a_head(r):
    code = int(r.query["code"])
    await r.start(code, *([(b"content-length", r.query["length"].encode())] if "length" in r.query else []))
    await asyncio.sleep(float(r.query.get("waits", 0)))


async def closes(r):
    await r.start(200, (b"connection", b"X-Other, Close"))
    await r.body(b"bye")


async def no_body(r):
    await r.start(200)
    await r.send({"type": "http.response.body", "body": None})


async def background(r):
    """Goes on after its answer, until /let_go."""
    await r.answer(b"answered")
    HELD.append(asyncio.Event())
    await HELD[-1].wait()
    SEEN.append("background task")


async def let_go(r):
    for event in HELD:
        event.set()
    await r.answer(b"")


async def context(r):
    before = CONTEXT.get()
    CONTEXT.set(r.query["value"])
    await asyncio.sleep(0.05)
    await r.answer([before, await asyncio.create_task(read_context())])


async def read_context():
    return CONTEXT.get()


async def sleep(r):
    try:
        await asyncio.sleep(float(r.query["t"]))
    except asyncio.CancelledError:
        SEEN.append("sleep was cancelled")
        raise
    await r.answer(b"slept")


async def block(r):
    time.sleep(float(r.query["t"]))
    await r.answer(b"blocked")


async def state(r):
    r.scope["state"]["counter"].append(1)  # shared
    r.scope["state"]["own"] = r.scope["asgi"]["own"] = True  # not
    await r.answer([len(r.scope["state"]["counter"]), sorted(r.scope["state"])])


async def pid(r):
    await r.answer(str(os.getpid()).encode())


async def loop(r):
    await r.answer(type(asyncio.get_running_loop()).__module__.encode())


ROUTES = {name: value for name, value in globals().items() if asyncio.iscoroutinefunction(value)}
