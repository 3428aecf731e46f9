"""Both implementations say the same, byte for byte: frames, logs, and how a
worker ends. What they say is right is checked by the other tests."""
from __future__ import annotations

import os
import random
import re
import struct
from unittest.mock import ANY

import master
import pytest
from master import IN_ARENA, MEASURE_CPU, QUICK, SLOW
from test_faults import BEFORE_THE_HEAD, BROKEN

REPEATED = re.compile(rb"\[Previous line repeated \d+ more times\]")
MUTATIONS = int(os.environ.get("GIRIN_MUTATIONS", "60"))  # packets of each seed
HEAD = struct.Struct("<BBBBIQIIQ")
ARENA = slice(master.FLAG_TABLE, master.FLAG_TABLE + 8192)  # where packets have their data

# Each app is the body of a function of environ and start_response.
ANSWERS = {
    "list": "start_response('200 OK', [('A', 'b')]); return [b'one', b'', b'two']",
    "tuple": "start_response('200 OK', [('A', 'b')]); return (b'one',)",
    "empty": "start_response('200 OK', []); return []",
    "hundred": "start_response('200 OK', []); return [b'x'] * 100",
    "large": "start_response('200 OK', [('Content-Length', '200000')]); return [b'x' * 200000]",
    "large_iterator": "start_response('200 OK', [('Content-Length', '200000')]); return iter([b'x' * 200000])",
    "bytearray": "start_response('200 OK', []); return [bytearray(b'x'), b'y']",
    "bytes_subclass": "start_response('200 OK', []); return [type('B', (bytes,), {})(b'x')]",
    "false_length": "start_response('200 OK', []); return [FalseBytes(b'true')]",
    "false_length_list": "start_response('200 OK', []); return [FalseBytes(b'true'), b'x']",
    "false_length_iterator": "start_response('200 OK', []); return iter([FalseBytes(b'true'), FalseBytes(b''), FalseBytes(b'x')])",
    "false_length_declared": "start_response('200 OK', [('Content-Length', '4')]); return iter([FalseBytes(b'true')])",
    "false_length_write": "start_response('200 OK', [])(FalseBytes(b'true')); return []",
    "false_class": "start_response('200 OK', []); return [FalseClass()]",
    "list_subclass": "start_response('200 OK', [('Content-Length', '1')]); return type('L', (list,), {})([b'x'])",
    "no_content": "start_response('204 No Content', [('A', 'b')]); return [b'x']",
    "not_modified": "start_response('304 Not Modified', [('Content-Length', '7')]); return []",
    "code_only": "start_response('299', []); return [b'x']",
    "latin": "start_response('200 Schön', [('X', 'dé\\tjà')]); return [b'x']",
    "snowman": "start_response('200 OK', [('X', '\\u2603')]); return [b'x']",
    "delete": "start_response('200 OK', [('X', '\\x7f')]); return [b'x']",
    "surrogate": "start_response('200 OK', [('X', '\\udc80')]); return [b'x']",
    "str_subclass": "start_response(type('S', (str,), {})('200 OK'), []); return [b'x']",
    "list_items": "start_response('200 OK', [['A', 'b']]); return [b'x']",
    "headers_tuple": "start_response('200 OK', (('A', 'b'),)); return [b'x']",
    "keywords": "start_response(status='200 OK', headers=[]); return [b'x']",
    "one_argument": "start_response('200 OK')",
    "spaces": "start_response('200 OK', [('A', ' b\\t'), ('B', ' \\t'), ('C', 'd  e '), ('Content-Length', ' 1 ')]); return [b'x']",
    "spaces_latin": "start_response('200 OK', [('X', ' d\xe9 ')]); return [b'x']",
    "length_case": "start_response('200 OK', [('cOnTeNt-LeNgTh', '01')]); return [b'x']",
    "length_digits": "start_response('200 OK', [('Content-Length', '1' * 30)]); return [b'x']",
    "length_empty": "start_response('200 OK', [('Content-Length', '')]); return [b'x']",
    "length_short": "start_response('200 OK', [('Content-Length', '1')]); return [b'xyz']",
    "length_long": "start_response('200 OK', [('Content-Length', '9')]); return [b'xyz']",
    "length_zero": "start_response('200 OK', [('Content-Length', '0')]); return iter([b''])",
    "many_fields": "start_response('200 OK', [('A', 'b')] * 5000); return [b'x']",
    "iterator": "start_response('200 OK', [('Content-Length', '3')]); return iter([b'', b'one', b''])",
    "iterator_more": "start_response('200 OK', [('Content-Length', '3')]); return iter([b'one', b'two', b'three'])",
    "iterator_parts": "start_response('200 OK', [('Content-Length', '6')]); return iter([b'one', b'two'])",
    "iterator_open": "start_response('200 OK', []); return iter([b'one', b'two'])",
    "iterator_empty": "start_response('200 OK', [('A', 'b')]); return iter([])",
    "iterator_str_last": "start_response('200 OK', [('Content-Length', '1')]); return iter([b'x', 'y'])",
    "iterator_fails": "start_response('200 OK', []); return map(int, ['x'])",
    "iterator_fails_later": "start_response('200 OK', [('Content-Length', '1')]); return map(bytes.lower, [b'x', 'y'])",
    "late_head": "def blocks():\n        start_response('200 OK', [('Content-Length', '1')])\n        yield b'x'\n    return blocks()",
    "write": "start_response('200 OK', [])(b'written'); return [b'returned']",
    "write_only": "start_response('200 OK', [('Content-Length', '7')])(b'written'); return []",
    "write_in_iterator": "write = start_response('200 OK', [])\n    def blocks():\n        write(b'w')\n        yield b'x'\n    return blocks()",
    "write_str": "start_response('200 OK', [])('text')",
    "replaced": "import sys\n    try:\n        start_response('200 OK', [])\n        1 / 0\n    except Exception:\n        start_response('500 Oops', [('A', 'b')], sys.exc_info())\n    return [b'x']",
    "exc_info_none": "start_response('200 OK', [], None); return [b'x']",
    "hints": "environ['wsgi.early_hints']([('Link', 'a')]); start_response('200 OK', []); return [b'x']",
    "hints_later": "start_response('200 OK', []); environ['wsgi.early_hints']([('Link', 'a')]); return [b'x']",
    "hints_wrong": "environ['wsgi.early_hints']([('L k', 'a')])",
    "arity": "return (lambda environ: None)(environ, start_response)",
    "closes": "start_response('200 OK', [('Content-Length', '1')])\n    class R:\n        def __iter__(self): return iter([b'x'])\n        def close(self): raise OSError('in close')\n    return R()",
    "close_broken": "start_response('200 OK', [('Content-Length', '1')])\n    class R(list):\n        close = property(Broken().fails)\n    return R([b'x'])",
    "close_missing": "start_response('200 OK', [('Content-Length', '1')])\n    class R(list):\n        close = property(lambda self: self.nothing)\n    return R([b'x'])",
    "getattr_broken": "start_response('200 OK', [])\n    class R:\n        __iter__ = lambda self: iter([b'x'])\n        __getattr__ = Broken.fails\n    return R()",
    "broken_result": "start_response('200 OK', []); return Broken()",
    "class_is_str": "start_response('200 OK', [])\n    class R:\n        __class__ = str\n        __iter__ = lambda self: iter([b'x'])\n    return R()",
    "str_subclass_value": "start_response('200 OK', [('X', FalseStr('plain'))]); return [b'x']",
    "str_subclass_name": "start_response('200 OK', [(FalseStr('X'), 'y')]); return [b'x']",
    "close_in_c": "start_response('200 OK', [('Content-Length', '1')])\n    class R(list):\n        close = int('1').__lshift__\n    return R([b'x'])",
    "environ": "del environ['wsgi.errors'], environ['wsgi.file_wrapper'], environ['wsgi.early_hints']\n    body = environ.pop('wsgi.input').read()\n    start_response('200 OK', []); return [repr(list(environ.items())).encode('latin-1', 'backslashreplace'), body]",
    "changes": "environ['REQUEST_METHOD'] = 'CHANGED'; environ['NEW'] = 1; start_response('200 OK', []); return [b'x']",
}
ANSWERS.update({f"fault_{name}": body.replace("app(", f"fault_{name}(") for name, (body, _) in BEFORE_THE_HEAD.items()})

CODE = BROKEN + """
class FalseBytes(bytes):
    __len__ = __hash__ = lambda self: 100_000
    __bool__ = lambda self: False
    __bytes__ = __getitem__ = lambda self, *_: b"false"
    __iter__ = lambda self: iter(b"false")
class FalseClass:
    __class__ = bytes
    __len__ = lambda self: 5
"""
CODE += "".join(f"def {name}(environ, start_response):\n    {body}\n" for name, body in ANSWERS.items())
CODE += "def app(environ, start_response):\n    return globals()[environ['PATH_INFO'][1:]](environ, start_response)\n"


def told(worker: master.Worker, ids: list[int]) -> list:
    """All frames of requests but for their times, and the log so far.

    How deep an app can recurse is not compared: one implementation is a frame less.
    """
    frames = [frame for id in ids for frame in worker.answer(id).frames]
    master.until(lambda: not worker.running())  # what follows the last frame is logged too
    worker.sync()
    logs = [(level, REPEATED.sub(b"", text)) for kind, level, _, text, _ in worker.messages if kind == master.LOG]
    worker.messages = [message for message in worker.messages if message[0] != master.LOG]
    return [[(f.id, f.kind, f.flags, f.fields, f.cpu == 0xFFFFFFFF, f.head, f.body) for f in frames], logs]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A worker of each implementation, with the same files."""
    folder = str(tmp_path_factory.mktemp("app"))
    workers = [
        master.Worker("wsgi_app:app", CODE, cls="gthread", threads=2, implementation=name, folder=folder)
        for name in master.implementations()
    ]
    yield workers
    for worker in workers:
        worker.close()


@pytest.mark.parametrize("flags", [0, QUICK, SLOW, IN_ARENA, MEASURE_CPU])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("name", ANSWERS)
def test_answers(pair, name, method, flags):
    said = []
    for worker in pair:
        body = b"body" if method == "POST" else b""
        id = worker.send(f"/{name}?a=b", method, body, flags)
        said.append(told(worker, [id]))
    assert said[0] == said[-1]


# What an app does to its environ, and the notes that go with its answer's head.
CHANGES = {
    "nothing": ("pass", {}),
    "an equal string": ("environ['REMOTE_ADDR'] = environ['REMOTE_ADDR'][:1] + environ['REMOTE_ADDR'][1:]", {}),
    "a string": ("environ['REMOTE_ADDR'] = '192.0.2.7'", {":remote_addr": "192.0.2.7"}),
    "three": ("environ.update(QUERY_STRING='', PATH_INFO='/x', REMOTE_ADDR='a')", {":remote_addr": "a", ":path_info": "/x", ":query_string": ""}),
    "one of latin-1": ("environ.update(QUERY_STRING='q', PATH_INFO='/\\xe9')", {":path_info": "/\xe9", ":query_string": "q"}),
    "a snowman": ("environ['REMOTE_ADDR'] = '\\u2603'", {":remote_addr": "\\u2603"}),
    "control characters": ("environ['REMOTE_ADDR'] = 'a\\0\\r\\n\\x1b'", {":remote_addr": "a\r\n\x1b"}),
    "control characters, no NUL": ("environ['REMOTE_ADDR'] = 'a\\r\\n\\x1b'", {":remote_addr": "a\r\n\x1b"}),
    "a long one": ("environ['REMOTE_ADDR'] = 'a' * 1024", {":remote_addr": "a" * 1024}),
    "one that is too long": ("environ['REMOTE_ADDR'] = 'a' * 100_000_000", {":remote_addr": "a" * 1024}),
    "a number": ("environ['REMOTE_ADDR'] = 7", {":remote_addr": "7"}),
    "None": ("environ['REMOTE_ADDR'] = None", {":remote_addr": "-"}),
    "one that has no text": ("environ['REMOTE_ADDR'] = type('N', (), {'__str__': lambda self: 1 / 0})()", {":remote_addr": "-"}),
    "a class of strings": ("environ['REMOTE_ADDR'] = FalseStr('plain')", {":remote_addr": ANY}),
    "it is gone": ("del environ['REMOTE_ADDR']", {":remote_addr": "-"}),
    "all are gone": ("environ.clear()", {":remote_addr": "-", ":path_info": "-", ":query_string": "-"}),
    "a key that fails": ("environ.pop('REMOTE_ADDR'); environ[type('K', (), {'__hash__': lambda self: hash('REMOTE_ADDR'), '__eq__': lambda self, other: 1 / 0})()] = 1", {}),
    "a key that clears the answer": ("environ.pop('REMOTE_ADDR'); environ[type('K', (), {'__hash__': lambda self: hash('REMOTE_ADDR'), '__eq__': lambda self, other: body.clear()})()] = 1", None),
}
WAYS = {
    "list": "{change}\n    start_response('200 OK', [('A', 'b')]); body[:] = [b'one', b'two']; return body",
    "after the head": "start_response('200 OK', [('A', 'b')]); {change}; return (b'one',)",
    "iterator": "start_response('200 OK', [('Content-Length', '3')]); {change}; return iter([b'', b'one'])",
    "parts": "start_response('200 OK', [('Content-Length', '6')]); {change}; return iter([b'one', b'two'])",
    "late": "def blocks():\n        start_response('200 OK', [])\n        {change}\n        yield b'x'\n    return blocks()",
    "late_whole": "def blocks():\n        start_response('200 OK', [('Content-Length', '1')])\n        {change}\n        yield b'x'\n    return blocks()",
    "write": "write = start_response('200 OK', []); {change}; write(b'written'); return [b'returned']",
    "no_content": "start_response('204 No Content', []); {change}; return []",
    "too much": "start_response('200 OK', [('Content-Length', '1')]); {change}; return [b'xyz']",
    "fails": "start_response('200 OK', []); {change}; raise OSError('late')",
}
WATCHING = CODE + "body = []\nWAYS = {}\n" + "".join(
    f"def way(environ, start_response):\n    {way.format(change=change)}\nWAYS[{name!r}, {number}] = way\n"
    for number, (change, _) in enumerate(CHANGES.values()) for name, way in WAYS.items()
) + "def app(environ, start_response):\n    return WAYS[environ['HTTP_WAY'], int(environ['HTTP_CHANGE'])](environ, start_response)\n"


@pytest.fixture(scope="module")
def watching(tmp_path_factory):
    """As pair, where the access log shows what apps change."""
    folder = str(tmp_path_factory.mktemp("watched"))
    workers = [
        master.Worker("wsgi_app:app", WATCHING, cls="gthread", implementation=name, folder=folder, log_changes=["REMOTE_ADDR", "PATH_INFO", "QUERY_STRING"])
        for name in master.implementations()
    ]
    yield workers
    for worker in workers:
        worker.close()


@pytest.mark.parametrize("way, method", [*((way, "GET") for way in WAYS), ("list", "HEAD"), ("iterator", "HEAD")])
@pytest.mark.parametrize("change", CHANGES)
def test_what_an_app_changes(watching, change, way, method):
    said, (_, notes) = [], CHANGES[change]
    for worker in watching:
        id = worker.send("/a?b", method, environ={"HTTP_WAY": way, "HTTP_CHANGE": str([*CHANGES].index(change)), "REMOTE_ADDR": "127.0.0.1"})
        said.append(told(worker, [id]))
        for _, kind, _, fields, _, head, _ in said[-1][0]:
            texts = head.decode("latin-1").split("\0")
            assert len(texts) == 1 + 2 * fields or kind != master.RESPONSE
            noted = {name: value for name, value in zip(texts[1::2], texts[2::2]) if name.startswith(":")}
            assert noted == (notes if kind == master.RESPONSE else {}) or notes is None
    assert said[0] == said[-1]


class Echoes:
    """A worker of each implementation; the app answers with what it is given."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.workers = [master.Worker("wsgi_app:app", ECHO, implementation=name) for name in master.implementations()]

    def close(self) -> None:
        for worker in self.workers:
            worker.close()


@pytest.fixture
def echoes():
    made = Echoes()
    yield made
    made.close()


VARIABLES = [
    {},
    {"HTTP_HOST": "a"},
    {"HTTP_HOST": "b", "HTTP_COOKIE": "c=d"},
    {"HTTP_COOKIE": "c=d", "HTTP_HOST": "b"},
    {"HTTP_COOKIE": "", "HTTP_HOST": "\xe9"},
    {"HTTP_H\xe9": "x", "SCRIPT_NAME": "/script"},
    {f"HTTP_X_{i}": str(i) for i in range(60)},
    {"HTTP_LONG": "x" * 2000},
]


def test_environs_of_requests_one_after_another(pair):
    """The template of one request must not show in the next."""
    order = random.Random(1)
    for _ in range(300):
        path = order.choice(["/environ", "/environ?a=b", "/changes"])
        body = order.choice([b"", b"body"])
        method = order.choice(["GET", "POST", "HEAD"])
        form = order.choice([1, 1, 1, 2])
        variables = order.choice(VARIABLES[:3] if order.random() < 0.7 else VARIABLES)
        ids = [worker.send(path, method, body, environ=variables, form=form) for worker in pair]
        said = [told(worker, [id]) for worker, id in zip(pair, ids)]
        assert said[0] == said[-1]


def test_names_given_twice(pair):
    block = b"REQUEST_METHOD\0GET\0PATH_INFO\0/environ\0A\0%s\0A\0%s"
    for values in ((b"1", b"2"), (b"1", b"2"), (b"3", b"2"), (b"1", b"3")):
        packet = block % values
        packet = HEAD.pack(1, 0, 0, 0, 1 << 18, 7, len(packet), 0, 0) + packet
        for worker in pair:
            worker.lane.put(packet)
        said = [told(worker, [7]) for worker in pair]
        assert said[0] == said[-1]


def mutate(order: random.Random, packet: bytes) -> bytes:
    """Changes a packet a little, most often where its lengths are."""
    data = bytearray(packet)
    for _ in range(order.randrange(1, 4)):
        what = order.randrange(6)
        if what == 0:
            data[order.randrange(len(data))] = order.randrange(256)
        elif what == 1:
            struct.pack_into("<I", data, order.choice([16, 20]), order.choice([0, 1, 0xFFFFFFFF, order.randrange(4096)]))
        elif what == 2:
            struct.pack_into("<Q", data, 24, order.choice([0, 1 << 16, 1 << 40, (1 << 64) - 1, order.randrange(1 << 21)]))
        elif what == 3:
            data[order.choice([0, 1, 2])] = order.choice([0, 1, 2, 3, 4, 5, 16, 255])
        elif what == 4 and len(data) > 40:
            del data[order.randrange(32, len(data)) :]
        else:
            at = order.randrange(32, len(data) + 1)
            data[at:at] = order.choice([b"\0", b"\0\0", b"A\0b\0", b"\4\0\0\0", bytes(order.randrange(64))])
        if len(data) < 32:
            data.extend(bytes(32 - len(data)))
    return bytes(data[:4096])


ECHO = """
    def app(environ, start_response):
        body = environ["wsgi.input"].read()
        items = [(k, v) for k, v in environ.items() if isinstance(v, str)]
        start_response("200 OK", [])
        return [repr(items).encode("latin-1", "backslashreplace"), body]
    """


def outcome(worker: master.Worker, packet: bytes):
    """What comes of a packet: frames, or how the worker ends."""
    worker.lane.put(packet)
    id = struct.unpack_from("<Q", packet, 8)[0]
    try:
        return told(worker, [id])
    except (EOFError, ConnectionResetError):
        return worker.wait(), worker.log()[1].rpartition("\n")[2]


@pytest.mark.parametrize("seed", range(4))
def test_mutated_packets(echoes, seed):
    """A packet that lies is answered, or it ends the worker cleanly.

    More of them: GIRIN_MUTATIONS=5000 python -m pytest -k mutated
    """
    order = random.Random(seed)
    for _ in range(MUTATIONS):
        pair = echoes.workers
        form = order.choice([1, 1, 2])
        flags = order.choice([0, QUICK, SLOW, IN_ARENA])
        _, packet = pair[0].packet("/a?b", "POST", b"body" * order.randrange(20), flags, form=form)
        for worker in pair[1:]:
            worker.arena.map[ARENA] = pair[0].arena.map[ARENA]
        packet = mutate(order, packet)
        if packet[1] & master.SPOOLED:
            continue  # it would wait for a body
        said = [outcome(worker, packet) for worker in pair]
        assert said[0] == said[-1], packet
        if isinstance(said[0], tuple):
            assert said[0][0] == 70
            echoes.close()
            echoes.start()


def test_cancelled_requests(echoes):
    said = []
    for worker in echoes.workers:
        ids = [worker.packet(id=1000 + i, flags=QUICK) for i in range(5)]
        worker.arena.cancel(1002)
        for _, packet in ids:
            worker.lane.put(packet)
        said.append(told(worker, [id for id, _ in ids]))
    assert said[0] == said[-1]
    assert [f[1] for f in said[0][0]].count(master.DROPPED) == 1
