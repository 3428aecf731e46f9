"""The frames' layouts and constants, named as in internal/wire. Codec only."""
from __future__ import annotations

from struct import Struct

VERSION = 2

CONTROL_FD = 3
RESPONSE_FD = 4
PAGE_FD = 5
ARENA_FD = 6
SHIM_FD = 7
LANE_FD = 8  # the first lane

MAX_PACKET = 4096
MAX_CONTROL = 128 << 10
MAX_HEAD_BLOCK = 32 << 20
MAX_BLOCK = 64 << 20
MAX_FIELDS = (1 << 16) - 1
FLAG_MASK = (1 << 16) - 1  # an id's cell in the flag table

# Request packets: form, flags, base, reserved, window, id, environ, body, at.
REQUEST = Struct("<BBBBIQIIQ")
REQUEST_HEAD = REQUEST.size

JOINED, LENGTHS, ASGI_JOINED, ASGI_LENGTHS = 1, 2, 3, 4
QUICK, SLOW, IN_ARENA, SPOOLED, MEASURE_CPU, UPGRADE, STREAMED = 1, 2, 4, 8, 16, 32, 64

# Response frames: id, began, service, cpu, head, body, kind, flags, fields.
FRAME = Struct("<QQIIIIBBH")
RESPONSE_HEAD = FRAME.size

RESPONSE, BLOCK, EARLY, DROPPED, FAILED, FETCH = 1, 2, 3, 4, 5, 6
ACCEPT, TEXT_MESSAGE, BINARY_MESSAGE, CLOSE, TAKEN = 7, 8, 9, 10, 11
MAX_CLOSE = 125  # bytes of a close frame
MESSAGE_COST = 256  # what a message counts for beside its own bytes
FINAL, WHOLE = 1, 2
NOT_MEASURED = 0xFFFFFFFF
MAX_MICROSECONDS = NOT_MEASURED - 1

# Control messages: kind, n, id.
CONTROL = Struct("<BxxxIQ")
CONTROL_HEAD = CONTROL.size
FILE = Struct("<QQ")  # the start of a File payload: offset, length
BODY = Struct("<Q")  # the payload of a Body message: length

HELLO, CREDIT, PROMOTE, DRAIN, BODY_FILE, PING, DUMP, LANES, FORK, TERM = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
READY, BROKEN, LOG, PONG, FILE_BODY, IDLE, STACKS, RETIRE, FORKED, HELD = 65, 66, 67, 68, 69, 70, 71, 72, 73, 74
FLAG_END = 2  # in the flag table: what still runs should be ended
SPENT, TOLD = 1, 2  # the n of a Retire: no more packets are read, at the end of a lifetime or by a signal
COPY = 1  # the n of a Log: what a job wrote to standard error
CANCELLED = 0xFFFFFFFF  # the n of a Credit: look at the flag table

JOBS = "GIRIN_JOBS"  # the environment variable that names the socket which takes jobs

PAGE_MAGIC = 0x6E69726967  # "girin"
# Cells of a loop: the longest it was held up of late, in ns; its tasks; since when a step
# holds it; how many of the sockets that it was given it has begun.
PAGE_LAG, PAGE_TASKS, PAGE_STEP, PAGE_OPENED, PAGE_SILENT, PAGE_THREADS = 3, 4, 5, 6, 8, 9
PAGE_PARALLEL = 7  # 1: there is no GIL
PAGE_QUIT = 10  # 1: the QUIT that comes is the master's, which waits for nothing that runs
PAGE_FIRST_SLOT = 16


class ProtocolError(Exception):
    """The master sent what the specification does not allow: the worker ends."""


def joined_environ(block: bytes) -> dict[str, str]:
    """Decodes an environ block of form 1: key NUL value NUL key NUL value."""
    texts = block.decode("latin-1").split("\0")
    if len(texts) & 1:
        raise ProtocolError("the environ block's keys and values do not pair")
    pairs = iter(texts)
    return dict(zip(pairs, pairs))


def lengths_environ(block: bytes) -> dict[str, str]:
    """Decodes an environ block of form 2: a u32 length before each string."""
    texts: list[str] = []
    at = 0
    while at < len(block):
        end = at + 4 + int.from_bytes(block[at : at + 4], "little")
        if end > len(block):
            raise ProtocolError("a string reaches over the end of the environ block")
        texts.append(block[at + 4 : end].decode("latin-1"))
        at = end
    if len(texts) & 1:
        raise ProtocolError("the environ block's keys and values do not pair")
    pairs = iter(texts)
    return dict(zip(pairs, pairs))
