"""Both implementations of the class asgi say the same: frames, scopes, logs, and
how a worker ends. What they say is right is checked by tests/test_asgi_http.py."""
from __future__ import annotations

import os
import random
import re
import struct

import master
import pytest
from cost import cpu_seconds
from master import IN_ARENA, QUICK
from test_same import mutate

OURS = re.compile(r'  File "<girin>[^\n]*\n(?:    [^\n]*\n)*')
MUTATIONS = int(os.environ.get("GIRIN_MUTATIONS", "12"))
HEAD = struct.Struct("<BBBBIQIIQ")
ARENA = slice(master.FLAG_TABLE, master.FLAG_TABLE + 8192)
FORM, LENGTHS, SPOOLED, UPGRADE, STREAMED = 3, 4, 8, 32, 64

# Each is the body of a coroutine function of scope, receive and send.
APPS = {
    "hello": "await start(); await body(b'hello')",
    "half_a_second": "await asyncio.sleep(0.5); await start(); await body(b'at last')",
    "no_headers": "await send({'type': START, 'status': 200}); await body(b'x')",
    "empty": "await start(); await body(b'')",
    "no_body_key": "await start(); await send({'type': BODY})",
    "length": "await start([(b'content-length', b'3')]); await body(b'abc')",
    "length_short": "await start([(b'content-length', b'5')]); await body(b'abc')",
    "length_long": "await start([(b'content-length', b'1')]); await body(b'abc')",
    "length_twice": "await start([(b'content-length', b'3')] * 2); await body(b'abc')",
    "length_text": "await start([(b'content-length', b'x')]); await body(b'abc')",
    "lists": "await start([[b'A', b' b\\t'], (b'c', b'')]); await body(b'x')",
    "tuple": "await start(((b'a', b'b'),)); await body(b'x')",
    "generator": "await start((n, b'v') for n in (b'a', b'b')); await body(b'x')",
    "transfer_encoding": "await start([(b'Transfer-Encoding', b'chunked'), (b'a', b'b')]); await body(b'x')",
    "bytearrays": "await start([(bytearray(b'a'), memoryview(b'b'))]); await body(bytearray(b'x'))",
    "memoryview": "await start(); await body(memoryview(b'xyz'))",
    "bad_name": "await start([(b'a b', b'c')]); await body(b'x')",
    "bad_value": "await start([(b'a', b'c\\r\\nd: e')]); await body(b'x')",
    "latin": "await start([(b'a', 'd\\xe9'.encode('latin-1'))]); await body(b'x')",
    "text_name": "await start([('a', 'b')]); await body(b'x')",
    "status_text": "await send({'type': START, 'status': '200'}); await body(b'x')",
    "status_none": "await send({'type': START}); await body(b'x')",
    "status_100": "await send({'type': START, 'status': 100}); await body(b'x')",
    "status_299": "await send({'type': START, 'status': 299}); await body(b'x')",
    "status_true": "await send({'type': START, 'status': True}); await body(b'x')",
    "no_content": "await send({'type': START, 'status': 204}); await body(b'')",
    "not_modified": "await send({'type': START, 'status': 304, 'headers': [(b'content-length', b'9')]}); await body(b'')",
    "many_fields": "await start([(b'a', b'b')] * 3000); await body(b'x')",
    "large": "await start(); await body(b'x' * 200000)",
    "waits_for_credit": "await start(); await body(b'x' * 300000)",
    "start_twice": "await start(); await start(); await body(b'x')",
    "start_bad_then_good": "\n    try:\n        await start([(b'a b', b'c')])\n    except ValueError as e:\n        await start([(b'x', b'y')])\n    await body(b'z')",
    "body_first": "await body(b'x')",
    "body_twice": "await start(); await body(b'x'); await body(b'y')",
    "parts": "await start(); await body(b'x', True); await body(b'y', True); await body(b'')",
    "many_parts": "await start()\n    for i in range(40):\n        await body(b'%d,' % i, True)\n    await body(b'end')",
    "parts_of_a_length": "await start([(b'content-length', b'6')]); await body(b'ab', True); await body(b'cd', True); await body(b'ef')",
    "parts_that_reach_a_length_early": "await start([(b'content-length', b'4')]); await body(b'ab', True); await body(b'cd', True); await body(b'')",
    "parts_beyond_a_length": "await start([(b'content-length', b'3')]); await body(b'ab', True); await body(b'cd', True); await body(b'')",
    "parts_short_of_a_length": "await start([(b'content-length', b'6')]); await body(b'ab', True); await body(b'cd')",
    "empty_parts": "await start(); await body(b'', True); await body(b'x', True); await body(b'', True); await body(b'')",
    "parts_of_other_types": "await start(); await body(b'x', True); await body(bytearray(b'y'), True); await body(memoryview(b'z'), True); await body(b'')",
    "a_part_of_text": "await start(); await body(b'x', True); await body('y', True)",
    "a_part_whose_more_is_none": "await start(); await body(b'x', True); await send({'type': BODY, 'body': b'y', 'more_body': None})",
    "parts_without_a_body": "await start(); await body(b'x', True); await send({'type': BODY, 'more_body': True}); await send({'type': BODY})",
    "parts_after_the_end": "await start(); await body(b'x', True); await body(b'y'); await body(b'z', True)",
    "start_between_parts": "await start(); await body(b'x', True); await start()",
    "unknown_between_parts": "await start(); await body(b'x', True); await send({'type': 'http.response.nonsense'})",
    "raises_between_parts": "await start(); await body(b'x', True); await body(b'y', True); raise KeyError('x')",
    "large_parts": "await start()\n    for _ in range(3):\n        await body(b'x' * 70000, True)\n    await body(b'y' * 1000)",
    "parts_wait_for_credit": "await start()\n    for i in range(6):\n        await body(b'%d' % i * 60000, True)\n    await body(b'')",
    "parts_of_another_task": "\n    async def stream():\n        await start()\n        for i in range(5):\n            await body(b'%d' % i, True)\n            await asyncio.sleep(0)\n        await body(b'')\n    task = asyncio.create_task(stream())\n    while (await receive())['type'] != 'http.disconnect':\n        pass\n    await task",
    "a_key_that_raises": "\n    class Key:\n        def __hash__(self):\n            return hash('more_body')\n        def __eq__(self, other):\n            raise ValueError('no key')\n    await start(); await body(b'x', True)\n    try:\n        await send({'type': BODY, Key(): True, 'body': b'y'})\n    except ValueError:\n        await body(b'z')",
    "part_then_nothing": "await start(); await body(b'x', True)",
    "nothing": "pass",
    "only_start": "await start()",
    "raises": "raise KeyError('x')",
    "raises_after_start": "await start(); raise KeyError('x')",
    "raises_after_end": "await start(); await body(b'x'); raise KeyError('x')",
    "exits": "raise SystemExit(3)",
    "cancels_itself": "raise asyncio.CancelledError",
    "unknown_message": "await send({'type': 'http.response.nonsense'})",
    "no_type": "await send({'status': 200})",
    "not_a_dict": "await send([1])",
    "dict_subclass": "await send(type('D', (dict,), {})(type=START, status=200, headers=[])); await body(b'x')",
    "built_type": "await send({'type': 'http.response.' + ''.join('start'), 'status': 200}); await body(b'x')",
    "more_body_none": "await start(); await send({'type': BODY, 'body': b'x', 'more_body': None})",
    "more_body_zero": "await start(); await send({'type': BODY, 'body': b'x', 'more_body': 0})",
    "early_hint": "await send({'type': 'http.response.early_hint', 'links': [b'</a>; rel=preload']}); await start(); await body(b'x')",
    "trailers": "await send({'type': START, 'status': 200, 'trailers': True}); await body(b'x', True); await body(b'y'); await trail([(b'a', b'b')], True); await trail([(b'c', b'd')])",
    "trailers_after_a_whole_body": "await send({'type': START, 'status': 200, 'headers': [(b'content-length', b'1')], 'trailers': True}); await body(b'x'); await trail([(b'a', b'b')])",
    "trailers_not_announced": "await send({'type': START, 'status': 200, 'trailers': False}); await body(b'x', True); await trail([(b'a', b'b')])",
    "trailers_too_early": "await send({'type': START, 'status': 200, 'trailers': True}); await body(b'x', True); await trail([])",
    "trailers_too_late": "await send({'type': START, 'status': 200, 'trailers': True}); await body(b'x'); await trail([]); await trail([])",
    "trailers_before_the_head": "await trail([(b'a', b'b')])",
    "trailers_are_forgotten": "await send({'type': START, 'status': 200, 'trailers': True}); await body(b'x')",
    "trailers_are_wrong": "await send({'type': START, 'status': 200, 'trailers': True}); await body(b'x'); await trail([(b'a b', b'c')])",
    "a_body_after_the_last": "await send({'type': START, 'status': 200, 'trailers': True}); await body(b'x'); await body(b'y')",
    "text_as_a_header": "await start([('a', b'b')]); await body(b'x')",
    "number_as_a_header": "await start([(b'a', 5)]); await body(b'x')",
    "bytearray_as_a_header": "await start([(bytearray(b'a'), bytearray(b'b'))]); await body(bytearray(b'x'))",
    "text_as_a_body": "await start(); await body('x')",
    "number_as_a_body": "await start(); await body(5)",
    "none_as_a_body": "await start(); await body(None)",
    "echo": "m = await receive(); await start([(b'x', repr(m).encode())]); await body(m['body'])",
    "receives_twice_at_the_end": "await receive(); await start(); await body(b'x'); m = await receive(); assert m == {'type': 'http.disconnect'}",
    "receives_late": "await start(); await body(b'x'); assert (await receive())['type'] == 'http.disconnect'; assert (await receive())['type'] == 'http.disconnect'",
    "waits_between": "await start(); await asyncio.sleep(0); await body(b'x')",
    "waits_first": "await asyncio.sleep(0.01); await start(); await body(b'x')",
    "other_task": "await asyncio.create_task(start()); await asyncio.create_task(body(b'x'))",
    "send_is_a_coroutine": "await asyncio.create_task(send({'type': START, 'status': 200})); await asyncio.gather(send({'type': BODY, 'body': b'x'}))",
    "receive_is_a_coroutine": "m = await asyncio.wait_for(asyncio.create_task(receive()), 5); await start(); await body(repr(m).encode())",
    "wait_for": "m = await asyncio.wait_for(receive(), 5); await start(); await body(m['body'])",
    "receive_given_up": "\n    task = asyncio.create_task(receive())\n    task.cancel()\n    await asyncio.gather(task, return_exceptions=True)\n    receive().close()\n    m = await receive(); await start(); await body(repr((task.cancelled(), m)).encode())",
    "receive_polled": "\n    try:\n        m = await asyncio.wait_for(receive(), 0)\n    except asyncio.TimeoutError:\n        m = await receive()\n    await start(); await body(repr(m).encode())",
    "cancelled_while_it_waits": "\n    task = asyncio.current_task()\n    asyncio.get_running_loop().call_later(0.01, task.cancel)\n    await asyncio.sleep(10)",
    "catches_cancel": "\n    asyncio.get_running_loop().call_later(0.01, asyncio.current_task().cancel)\n    try:\n        await asyncio.sleep(10)\n    except asyncio.CancelledError:\n        await start(); await body(b'caught')",
    "disconnect_after_the_end": "\n    waiting = asyncio.create_task(receive_twice(receive))\n    await asyncio.sleep(0)\n    await start(); await body(b'x')\n    assert (await waiting)['type'] == 'http.disconnect'",
    "current_task": "t = asyncio.current_task(); await start(); await body(repr((isinstance(t, asyncio.Task), t is asyncio.current_task(), t in asyncio.all_tasks() or sys.version_info >= (3, 12))).encode())",
    "context": "seen = VALUE.get(None); VALUE.set(1); await start(); await body(repr(seen).encode())",
    "stack": "await asyncio.sleep(0); f = asyncio.current_task().get_coro().cr_frame; await start(); await body(str(f is not None).encode())",
    "late_send": "LATE.append(send); await start(); await body(b'x')",
    "sends_of_the_one_before": "\n    late = LATE.pop() if LATE else None\n    said = None\n    if late:\n        try:\n            await late({'type': BODY, 'body': b'late'})\n        except RuntimeError as e:\n            said = str(e)\n    await start(); await body(repr(said).encode())",
    "leaves_sender": "await start(); LEFT.append(asyncio.create_task(body(b'x' * 300000, True))); await asyncio.sleep(0)",
    "left": "await start(); await body(repr([task.done() for task in LEFT]).encode())",
    "answers_while_it_receives": "\n    await receive(); waiting = asyncio.create_task(receive()); await asyncio.sleep(0.01)\n    await start(); await body(b'x')\n    assert (await asyncio.wait_for(waiting, 5))['type'] == 'http.disconnect'",
    "lacks_descriptors": "\n    kept, limits = [], resource.getrlimit(resource.RLIMIT_NOFILE)\n    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))\n    try:\n        while True:\n            kept.append(os.open('/dev/null', os.O_RDONLY))\n    except OSError:\n        pass\n    try:\n        said = (await receive())['body']\n    except OSError as e:\n        said = str(e.errno).encode()\n    while kept:\n        os.close(kept.pop())\n    resource.setrlimit(resource.RLIMIT_NOFILE, limits)\n    await start(); await body(said)",
    "receives_before_its_body": "await start(); await receive()\n    try:\n        await asyncio.wait_for(receive(), 0.2)\n    except asyncio.TimeoutError:\n        await body(b'x')",
    "nested_loop_error": "\n    try:\n        asyncio.get_running_loop().run_until_complete(receive())\n    except RuntimeError as e:\n        await start(); await body(b'refused')",
    "changes_its_scope": "scope['extensions']['x'] = 1; scope['extensions']['http.response.trailers']['x'] = 1; scope['state']['x'] = 1; scope['headers'].append((b'a', b'b')); await start(); await body(b'x')",
    "scope": "await start(); await body(repr(scope).encode())",
    "hint_of_keys": "await start(); await body(repr(list(scope)).encode())",
}

CODE = """
import asyncio, contextvars, os, resource, sys

START, BODY = "http.response.start", "http.response.body"
VALUE = contextvars.ContextVar("VALUE")
LATE = []
LEFT = []

async def receive_twice(receive):
    await receive()
    return await receive()
"""
CODE += "".join(
    f"async def {name}(scope, receive, send):\n"
    "    def start(headers=()):\n        return send({'type': START, 'status': 200, 'headers': list(headers) if isinstance(headers, list) else headers})\n"
    "    def body(data, more=False):\n        return send({'type': BODY, 'body': data, 'more_body': more})\n"
    "    def trail(headers, more=False):\n        return send({'type': 'http.response.trailers', 'headers': headers, 'more_trailers': more})\n"
    f"    {body}\n"
    for name, body in APPS.items()
)
CODE = CODE.replace("return send(", "return send_it(send, ") + """
async def send_it(send, message):
    await send(message)

class Awaitable:
    def __init__(self, coro):
        self.coro = coro

    def __await__(self):
        return self.coro.__await__()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["a"] = 1
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await globals()[scope["path"][1:]](scope, receive, send)

async def plain(scope, receive, send):
    await hello(scope, receive, send)

class App:
    # Not a coroutine function itself, and what it returns is only awaitable.
    def __call__(self, scope, receive, send):
        if scope["path"] == "/raises":
            raise KeyError("at once")
        return Awaitable(hello(scope, receive, send))
    _is_coroutine_marker = True
"""


def packet(path: str, method: bytes = b"GET", body: bytes = b"", flags: int = 0, id: int = 1, fields=(), form: int = FORM, base: int = 0,
           window: int = 256 << 10, query: bytes = b"", client: bytes = b"127.0.0.1", port: bytes = b"5000", version: bytes = b"1.1") -> bytes:
    raw = path.encode()
    parts = [method, version, b"http", raw, raw, query, b"", client, port, *(text for pair in fields for text in pair)]
    if form == FORM:
        block = b"\0".join(parts)
    else:
        block = b"".join(struct.pack("<I", len(part)) + part for part in parts)
    return HEAD.pack(form, flags, base, 0, window, id, len(block), len(body), 0) + block + body


class Pair:
    """A worker of each implementation, with the same files."""

    def __init__(self, folder: str, loop: str, app: str = "wsgi_app:app") -> None:
        self._arguments = (folder, loop, app)
        self.start()

    def start(self) -> None:
        folder, loop, app = self._arguments
        self.workers = [
            master.Worker(app, CODE, cls="asgi", implementation=name, folder=folder, asgi_loop=loop, graceful_timeout=5)
            for name in master.implementations("asgi")
        ]
        self.id = 0

    def close(self) -> None:
        for worker in self.workers:
            worker.close()

    def told(self, *packets: bytes, id: int | None = None) -> list:
        """What each says to the packets, whose id is one that both have not seen."""
        if id is None:
            self.id += 1
            id = self.id
            packets = tuple(p[:8] + struct.pack("<Q", id) + p[16:] for p in packets)
        return [told(worker, packets, id) for worker in self.workers]


def told(worker: master.Worker, packets, id: int):
    """All frames of a request but for their times, and the log so far; or how the worker ends."""
    for p in packets:
        worker.lane.put(p)
    try:
        frames = [worker.frame(id)]
        while not frames[-1].flags & master.FINAL:
            worker.tell(master.CREDIT, 1 << 20, id)  # which an answer may wait for that is larger than the window
            frames.append(worker.frame(id))
        master.until(lambda: not worker.running())  # what follows the last frame is logged too
        worker.sync()
    except (EOFError, ConnectionResetError):
        return worker.wait(), worker.log()[1].rpartition("\n")[2]
    logs = [(level, OURS.sub("", text)) for kind, level, _, text, _ in ((m[0], m[1], m[2], m[3].decode(), m[4]) for m in worker.messages) if kind == master.LOG]
    worker.messages = [message for message in worker.messages if message[0] != master.LOG]
    return [[(f.kind, f.flags, f.fields, f.cpu == 0xFFFFFFFF, f.head, f.body) for f in frames], logs]


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def pair(request, tmp_path_factory):
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    made = Pair(str(tmp_path_factory.mktemp("app")), request.param)
    yield made
    made.close()


@pytest.mark.parametrize("method, flags", [(b"GET", QUICK), (b"HEAD", 0), (b"POST", QUICK)])
@pytest.mark.parametrize("name", [name for name in APPS if "for_credit" not in name])
def test_answers(pair, name, method, flags):
    said = pair.told(packet(f"/{name}", method, b"body" if method == b"POST" else b"", flags))
    assert said[0] == said[-1]
    assert said[0][0], "nothing was answered"


def test_late_senders(pair):
    said = pair.told(packet("/late_send")), pair.told(packet("/sends_of_the_one_before"))
    for one in said:
        assert one[0] == one[-1]
    assert b"after the answer was complete" in said[1][0][0][0][5]


def test_a_sender_that_is_left_behind_ends(pair):
    pair.told(packet("/leaves_sender"))
    said = pair.told(packet("/left"))
    assert said[0] == said[-1] and b"False" not in said[0][0][0][5]


def test_a_head_goes_out_alone_while_its_app_receives(pair):
    said = pair.told(packet("/receives_before_its_body"))
    assert said[0] == said[-1] and [frame[1] for frame in said[0][0]] == [0, 0, master.FINAL]


def test_who_waits_for_more_of_a_body_hears_of_the_end_of_the_answer(pair):
    for worker in pair.workers:
        worker.lane.put(packet("/answers_while_it_receives", b"POST", flags=STREAMED, id=29_000))
        assert worker.frame(29_000).kind == master.FETCH
        read_end, write_end = os.pipe()
        os.write(write_end, b"a part")
        worker.tell(master.BODY_FILE, 0, 29_000, bytes(8), read_end)
        assert worker.answer(29_000).body == b"x"
        master.until(lambda: not worker.running())
        os.close(read_end)
        os.close(write_end)
        worker.sync()
        assert not worker.messages


def test_a_body_for_which_no_descriptor_is_left(pair):
    for worker in pair.workers:
        worker.lane.put(packet("/lacks_descriptors", b"POST", flags=SPOOLED, id=29_500))
        assert worker.frame(29_500).kind == master.FETCH
        with open(__file__, "rb") as file:
            worker.tell(master.BODY_FILE, 0, 29_500, bytes(8), file.fileno())
        assert worker.answer(29_500).body == b"24"  # EMFILE


def test_an_answer_larger_than_the_window(pair):
    for worker in pair.workers:
        worker.lane.put(packet("/waits_for_credit", id=30_000))
        assert len(worker.frame(30_000).body) == 256 << 10
        worker.tell(master.CREDIT, 1 << 20, 30_000)
        assert len(worker.answer(30_000).frames) == 2


def test_parts_that_are_larger_than_the_window(pair):
    for worker in pair.workers:
        worker.lane.put(packet("/parts_wait_for_credit", id=31_000))
        frames = []
        while sum(len(frame.body) for frame in frames) < 256 << 10:
            frames.append(worker.frame(31_000))
        worker.sync()
        assert not worker.frames, "more was sent than the window"
        worker.tell(master.CREDIT, 1 << 20, 31_000)
        frames += worker.answer(31_000).frames
        assert b"".join(frame.body for frame in frames) == b"".join(b"%d" % i * 60_000 for i in range(6))


FIELDS = [
    [],
    [(b"host", b"a")],
    [(b"host", b"b"), (b"cookie", b"c=d")],
    [(b"cookie", b"c=d"), (b"host", b"b"), (b"host", b"b")],
    [(b"cookie", b""), (b"host", "\xe9".encode("latin-1"))],
    [(b"x-%d" % i, b"%d" % i) for i in range(60)],
    [(b"long", b"x" * 2000)],
    [(b"host", b"a"), (b":tls", b'{"tls_version": 772, "client_cert_chain": []}')],
    [(b":tls", b'{"tls_version": 771, "client_cert_chain": ["a", "b"]}')],
]


def test_scopes_of_requests_one_after_another(pair):
    """What was made for one request must not show in the next."""
    order = random.Random(1)
    for _ in range(150):
        path = order.choice(["/scope", "/scope", "/hint_of_keys", "/changes_its_scope", "/echo"])
        one = packet(
            path, order.choice([b"GET", b"POST"]), order.choice([b"", b"body"]), form=order.choice([FORM, FORM, FORM, LENGTHS]),
            fields=order.choice(FIELDS), query=order.choice([b"", b"a=b", b"\xff"]), client=order.choice([b"127.0.0.1", b"::1", b""]),
            port=order.choice([b"5000", b"1", b"65535"]), version=order.choice([b"1.1", b"1.0", b"2"]), flags=order.choice([0, QUICK]))
        said = pair.told(one)
        assert said[0] == said[-1]
        assert not said[0][1], said[0][1]


@pytest.mark.parametrize("size", [0, 1, 10_000, 60_000])
def test_a_request_in_the_arena(pair, size):
    """Head and body lie there; the worker has a copy of them before it sees to another request."""
    body = bytes(range(256)) * (size // 256 + 1)
    whole = packet("/echo", b"POST", body[:size], IN_ARENA | QUICK, fields=FIELDS[5])
    at = master.FLAG_TABLE + 1000
    for worker in pair.workers:
        worker.arena.map[at : at + len(whole) - 32] = whole[32:]
    said = pair.told(whole[:24] + struct.pack("<Q", at))
    assert said[0] == said[-1] and said[0][0][-1][5] == body[:size]


def test_a_cancelled_request_is_dropped(pair):
    said = []
    for worker in pair.workers:
        worker.arena.cancel(40_000)
        said.append(told(worker, [packet("/hello", id=40_000)], 40_000))
        worker.arena.cancel(40_000, 0)
    assert said[0] == said[-1] and said[0][0][0][0] == master.DROPPED


def test_answers_of_a_turn_come_together(pair):
    """64 quick ones that wait in the lane, and one that is not quick among them."""
    for worker in pair.workers:
        for i in range(64):
            worker.lane.put(packet("/hello", id=50_000 + i, flags=QUICK if i != 30 else 0))
        answers = [worker.answer(50_000 + i) for i in range(64)]
        assert all(answer.body == b"hello" for answer in answers)
        master.until(lambda: not worker.running())


@pytest.mark.parametrize("path", ["hello", "raises"])
def test_an_app_that_is_only_called(tmp_path, path):
    """It is no coroutine function: what it raises when called is a request's fault all the same."""
    made = Pair(str(tmp_path), "asyncio", "wsgi_app:App()")
    try:
        for _ in range(2):
            said = made.told(packet(f"/{path}"))
            assert said[0] == said[-1]
    finally:
        made.close()


@pytest.mark.parametrize("seed", range(2))
def test_mutated_packets(tmp_path, seed):
    """A packet that lies is answered, or it ends the worker cleanly."""
    order = random.Random(seed)
    made = Pair(str(tmp_path), "asyncio")
    try:
        for _ in range(MUTATIONS):
            form = order.choice([FORM, FORM, LENGTHS])
            flags = order.choice([0, QUICK, IN_ARENA])
            one = packet("/scope", b"POST", b"body" * order.randrange(20), flags, id=77, form=form, fields=order.choice(FIELDS[:4]))
            if flags == IN_ARENA:
                for worker in made.workers:
                    worker.arena.map[ARENA.start : ARENA.start + len(one) - 32] = one[32:]
                one = one[:24] + struct.pack("<Q", ARENA.start)
            one = mutate(order, one)
            if one[1] & (SPOOLED | UPGRADE | STREAMED):
                continue  # it would wait for what does not come
            said = made.told(one, id=struct.unpack_from("<Q", one, 8)[0])
            assert said[0] == said[-1], one
            if isinstance(said[0], tuple):
                assert said[0][0] == 70
                made.close()
                made.start()
    finally:
        made.close()


def test_the_last_of_a_lifetime(tmp_path):
    ends = []
    for name in master.implementations("asgi"):
        worker = master.Worker("wsgi_app:app", CODE, cls="asgi", implementation=name, folder=str(tmp_path), lifetime=3, graceful_timeout=5)
        try:
            for i in range(1, 6):
                worker.lane.put(packet("/hello", id=i, flags=QUICK))
            bodies = [worker.answer(i).body for i in range(1, 4)]
            worker.message(master.RETIRE)
            worker.message(master.IDLE)
            ends.append((bodies, worker.wait(), worker.lane.waiting() > 0))
        finally:
            worker.close()
    assert ends[0] == ends[-1] == ([b"hello"] * 3, 0, True)


def test_a_loop_without_room_rests(tmp_path):
    """What waits in the lane does not wake it; it is read when there is room."""
    for name in master.implementations("asgi"):
        worker = master.Worker("wsgi_app:app", CODE, cls="asgi", implementation=name, folder=str(tmp_path), connections=1, graceful_timeout=5)
        try:
            for i in range(1, 4):
                worker.lane.put(packet("/half_a_second", id=i))
            master.until(lambda: worker.running())
            before = cpu_seconds(worker.pid)
            assert [worker.answer(i).body for i in range(1, 4)] == [b"at last"] * 3
            assert cpu_seconds(worker.pid) - before < 0.5
        finally:
            worker.close()
