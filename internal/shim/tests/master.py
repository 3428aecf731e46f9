"""A master for the tests: real worker processes, the real protocol, no HTTP."""
from __future__ import annotations

import array
import fcntl
import json
import mmap
import os
import re
import select
import signal
import socket
import struct
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

SHIM = Path(__file__).resolve().parent.parent / "_girin_shim"
BUILT = Path(os.environ.get("GIRIN_ACCELERATORS", SHIM.parent / "accelerator" / "built"))
CLASSES = ("sync", "gthread", "gevent", "gaiohttp")
ACCELERATED = ("sync", "gthread")  # of CLASSES; asgi too
FLAG_TABLE = 1 << 16
VERSION = 2
PATIENCE = 20.0  # seconds until a test that waits for a worker fails

QUICK, SLOW, IN_ARENA, SPOOLED, MEASURE_CPU, UPGRADE, STREAMED = 1, 2, 4, 8, 16, 32, 64
RESPONSE, BLOCK, EARLY, DROPPED, FAILED, FETCH = 1, 2, 3, 4, 5, 6
FINAL, WHOLE, IN_PAGE = 1, 2, 4
PAGE_FIRST_SLOT, PAGE_UNIT = 16, 16 << 10
PAGE_PARALLEL = 7  # the cell
HELLO, CREDIT, PROMOTE, DRAIN, BODY_FILE, PING, DUMP, LANES = 1, 2, 3, 4, 5, 6, 7, 8
TERM = 10
READY, BROKEN, LOG, PONG, FILE, IDLE, STACKS, RETIRE = 65, 66, 67, 68, 69, 70, 71, 72
CANCELLED = 0xFFFFFFFF
GIL = getattr(sys, "_is_gil_enabled", lambda: True)()  # is there one in the Python that runs this?

# The -c line, as package shim has it.
BOOTSTRAP = re.search(r"const bootstrap = `(.*)`", (SHIM.parent / "shim.go").read_text()).group(1)


def archive(code: Path | None = None) -> bytes:
    """As shim.Archive makes it; code is where interpreters keep what they have compiled."""
    files = sorted(SHIM.rglob("*.py"), key=lambda path: (path.name != "loader.py", path))
    parts = [part for f in files for part in (str(f.relative_to(SHIM)).encode(), f.read_bytes())]
    return b"\0".join([*parts, b"code", os.fsencode(code)] if code else parts)


def builds() -> dict[str, Path]:
    """The accelerators that were built, by tag, as package accelerator embeds them."""
    return {path.stem[len("girin-") :]: path for path in BUILT.glob("girin-*.so")}


def implementations(cls: str = "sync") -> list[str]:
    """python, and native if this interpreter's accelerator was built and the class has one."""
    fitting = {"cp%d%d" % sys.version_info[:2]} | ({"abi3"} if sys.version_info >= (3, 12) else set())
    return ["python", "native"] if cls in (*ACCELERATED, "asgi") and fitting & set(builds()) else ["python"]


def variants(*classes: str) -> list[tuple[str, str]]:
    """Each class with each of its implementations."""
    return [(cls, implementation) for cls in classes for implementation in implementations(cls)]


def memfd(name: str, size: int = 0, data: bytes = b"") -> int:
    fd = os.memfd_create(name)
    os.truncate(fd, size or len(data))
    os.pwrite(fd, data, 0)
    return fd


class Frame:
    """A response frame, decoded."""

    HEAD = struct.Struct("<QQIIIIBBH")
    place: int | None = None  # the first unit of a body in the state page

    def __init__(self, head: bytes, rest: bytes) -> None:
        fields = self.HEAD.unpack(head)
        self.id, self.began, self.service, self.cpu, size, _, self.kind, self.flags, self.fields = fields
        self.head, self.body = rest[:size], rest[size:]

    @property
    def status(self) -> str:
        return self.head.split(b"\0")[0].decode("latin-1")

    @property
    def headers(self) -> list[tuple[str, str]]:
        texts = self.head.decode("latin-1").split("\0")
        assert len(texts) == 1 + 2 * self.fields
        return list(zip(texts[1::2], texts[2::2]))

    def __repr__(self) -> str:
        return f"Frame(id={self.id} kind={self.kind} flags={self.flags} head={self.head!r} body={self.body[:60]!r})"


class Answer:
    """All frames of one request, put together."""

    def __init__(self, frames: list[Frame]) -> None:
        self.frames = frames
        first = next((f for f in frames if f.kind == RESPONSE), None)
        self.status = first.status if first else None
        self.headers = first.headers if first else []
        self.body = b"".join(f.body for f in frames if f.kind in (RESPONSE, BLOCK))
        self.failed = frames[-1].kind == FAILED
        self.dropped = frames[-1].kind == DROPPED

    def header(self, name: str) -> str | None:
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)


def readable(fd: int, timeout: float) -> bool:
    """Is there something to read, or does it come within so many seconds? (select knows numbers below 1024 only.)"""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


class Lane:
    """A packet pipe."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
        self._open = [self.read_end, self.write_end]

    def put(self, packet: bytes) -> None:
        assert len(packet) <= 4096
        os.write(self.write_end, packet)

    def close(self) -> None:
        """Closes both ends; a lane may belong to several workers."""
        while self._open:
            os.close(self._open.pop())

    def waiting(self) -> int:
        """Bytes that no worker has read."""
        return array.array("i", fcntl.ioctl(self.read_end, 0x541B, b"\0" * 4))[0]


class Arena:
    def __init__(self, size: int = 1 << 20) -> None:
        self.fd = memfd("arena", FLAG_TABLE + size)
        self.map = mmap.mmap(self.fd, 0)

    def cancel(self, id: int, value: int = 1) -> None:
        self.map[id & 0xFFFF] = value


class Worker:
    """A worker process and the master's ends of its descriptors.

    The code, if given, is the module wsgi_app in the worker's folder.
    """

    def __init__(
        self,
        app: str,
        code: str | None = None,
        cls: str = "sync",
        threads: int = 1,
        connections: int = 8,
        lanes: list[Lane] | None = None,
        python: str = sys.executable,
        env: dict[str, str] | None = None,
        ready: bool = True,
        folder: str | None = None,
        implementation: str = "python",
        units: int = 0,
        missing_units: int = 0,  # that the page claims to have besides
        arena: int = 1 << 20,  # bytes
        code_place: Path | None = None,
        **hello,
    ) -> None:
        self._own_folder = None if folder else tempfile.TemporaryDirectory(prefix="girin-shim-", ignore_cleanup_errors=True)  # goes with this
        self.folder = folder or self._own_folder.name
        if code is not None:
            Path(self.folder, "wsgi_app.py").write_text(textwrap.dedent(code))
        self.lanes = lanes or [Lane()]
        self.lane = self.lanes[0]
        self.arena = Arena(arena)
        self.slots = connections if cls in ("gevent", "asgi") else threads if cls == "gthread" else 1
        self.states = PAGE_FIRST_SLOT + 2 * self.slots  # the cell of the first unit's state
        self._first_unit = -(-8 * (self.states + units) // 4096) * 4096
        page_size = self._first_unit + units * PAGE_UNIT
        self._page_fd = memfd("page", page_size, struct.pack("<QQQ", 0x6E69726967, self.slots, units + missing_units))
        self.page = memoryview(mmap.mmap(self._page_fd, 0)).cast("Q")
        self.control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.responses, responses = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.stderr_fd = memfd("stderr")
        fcntl.fcntl(self.stderr_fd, fcntl.F_SETFL, os.O_APPEND)  # several processes write to it
        shim = memfd("shim", data=archive(code_place))
        inherited = [control.fileno(), responses.fileno(), self._page_fd, self.arena.fd, shim]
        inherited += [lane.read_end for lane in self.lanes]
        accelerators = builds() if implementation == "native" else {}
        offered = {tag: memfd(tag, data=path.read_bytes()) for tag, path in accelerators.items()}
        tags = {tag: 3 + len(inherited) + i for i, tag in enumerate(offered)}
        self.pid = self._spawn(python, inherited + [*offered.values()], env or {})
        for fd in offered.values():
            os.close(fd)
        control.close()
        responses.close()
        os.close(shim)
        self.control.settimeout(PATIENCE)
        self.responses.settimeout(PATIENCE)
        self.frames: list[Frame] = []
        self.messages: list[tuple[int, int, int, bytes, list[int]]] = []
        self.next_id = 1
        self._buffer = b""
        self.exit_code: int | None = None
        settings = {
            "version": VERSION,
            "app": app,
            "class": cls,
            "threads": threads,
            "connections": connections,
            "argv": ["/usr/bin/girin", app],
            "bases": [{"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "wsgi.url_scheme": "http"}],
            "lanes": len(self.lanes),
            "accelerators": tags,
            "multiprocess": True,
            **hello,
        }
        self.tell(HELLO, payload=json.dumps(settings).encode())
        self.tell(LANES, (1 << len(self.lanes)) - 1)
        if ready:
            self.ready = json.loads(self.message(READY)[3])
            hooked = {"pre_request", "post_request"} & set(hello.get("hooks", ())) and self.ready["interface"] != "asgi"
            expected = implementation == "native" and cls in (*ACCELERATED, "asgi") and not hooked
            assert bool(self.ready["accelerator"]) == expected, self.ready["no_accelerator"]

    def _spawn(self, python: str, inherited: list[int], env: dict[str, str]) -> int:
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in inherited]
        actions = [(os.POSIX_SPAWN_DUP2, fd, 3 + i) for i, fd in enumerate(high)]
        actions.append((os.POSIX_SPAWN_DUP2, self.stderr_fd, 2))
        command = ["/bin/sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", self.folder]
        command += [python, "-c", BOOTSTRAP, "girin-worker"]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
        pid = os.posix_spawn("/bin/sh", command, {**clean, **env}, file_actions=actions)
        for fd in high:
            os.close(fd)
        return pid

    # Requests.

    def packet(
        self,
        path: str = "/",
        method: str = "GET",
        body: bytes = b"",
        flags: int = 0,
        base: int = 0,
        window: int = 256 << 10,
        environ: dict[str, str] | None = None,
        id: int | None = None,
        form: int = 1,
    ) -> tuple[int, bytes]:
        if id is None:
            id = self.next_id
            self.next_id += 1
        path, _, query = path.partition("?")
        pairs = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "RAW_URI": path + ("?" + query if query else ""),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            **({"CONTENT_LENGTH": str(len(body))} if body else {}),
            **(environ or {}),
        }
        texts = [text.encode("latin-1") for pair in pairs.items() for text in pair]
        if form == 1:
            block = b"\0".join(texts)
        else:
            block = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        at = 0
        data = block + body
        if flags & IN_ARENA:
            at = FLAG_TABLE + 64
            self.arena.map[at : at + len(data)] = data
            data = b""
        head = struct.pack("<BBBBIQIIQ", form, flags, base, 0, window, id, len(block), len(body), at)
        return id, head + data

    def send(self, *args, **kwargs) -> int:
        id, packet = self.packet(*args, **kwargs)
        self.lane.put(packet)
        return id

    def get(self, *args, **kwargs) -> Answer:
        return self.answer(self.send(*args, **kwargs))

    # Frames.

    def frame(self, id: int | None = None, timeout: float = PATIENCE) -> Frame:
        """The next frame, or the next of one request."""
        deadline = time.monotonic() + timeout
        while True:
            for i, frame in enumerate(self.frames):
                if id is None or frame.id == id:
                    return self.frames.pop(i)
            self._read_frames(deadline)

    def _read_frames(self, deadline: float) -> None:
        self.responses.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            data = self.responses.recv(1 << 20)
        except socket.timeout:  # TimeoutError only since 3.10
            raise TimeoutError from None
        if not data:
            raise EOFError(f"the worker closed the response socket; stderr: {self.stderr()}")
        self._buffer += data
        while len(self._buffer) >= 36:
            head, body = struct.unpack_from("<II", self._buffer, 24)
            in_page = self._buffer[33] & IN_PAGE
            size = 36 + head + (4 if in_page else body)
            if len(self._buffer) < size:
                return
            frame = Frame(self._buffer[:36], self._buffer[36:size])
            if in_page:
                frame.place = int.from_bytes(frame.body, "little")
                at = self._first_unit + frame.place * PAGE_UNIT
                frame.body = bytes(self.page.cast("B")[at : at + body])
            self.frames.append(frame)
            self._buffer = self._buffer[size:]

    def answer(self, id: int, timeout: float = PATIENCE) -> Answer:
        frames = [self.frame(id, timeout)]
        while not frames[-1].flags & FINAL:
            frames.append(self.frame(id, timeout))
        return Answer(frames)

    # Control.

    def tell(self, op: int, n: int = 0, id: int = 0, payload: bytes = b"", fd: int | None = None) -> None:
        rights = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        self.control.sendmsg([struct.pack("<BxxxIQ", op, n, id), payload], rights)

    def message(self, op: int, timeout: float = PATIENCE) -> tuple[int, int, int, bytes, list[int]]:
        """The next message of a kind; others wait for their turn."""
        deadline = time.monotonic() + timeout
        while True:
            for i, message in enumerate(self.messages):
                if message[0] == op:
                    return self.messages.pop(i)
            self.control.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data, ancillary, _, _ = self.control.recvmsg(1 << 18, 64)
            except ConnectionResetError:  # it ended with messages unread; what it sent is still there
                data, ancillary, _, _ = self.control.recvmsg(1 << 18, 64)
            if not data:
                raise EOFError(f"the worker closed the control socket; stderr: {self.stderr()}")
            fds = [fd for _, _, rights in ancillary for fd in array.array("i", rights)]
            self.messages.append((*struct.unpack_from("<BxxxIQ", data), data[16:], fds))

    def log(self) -> tuple[int, str]:
        """Level and text of the next log message."""
        _, level, _, payload, _ = self.message(LOG)
        return level, payload.decode()

    def sync(self) -> None:
        """Returns when the control thread has handled all messages so far."""
        self.tell(PING, 7)
        assert self.message(PONG)[1] == 7

    def running(self) -> list[int]:
        """The ids in the state page."""
        return [id for id in self.page[PAGE_FIRST_SLOT : self.states : 2].tolist() if id]

    # The process.

    def stderr(self) -> str:
        return os.pread(self.stderr_fd, 1 << 20, 0).decode(errors="replace")

    def drain(self) -> int:
        """Drains the worker and returns its exit code."""
        self.tell(DRAIN)
        self.message(IDLE)
        return self.wait()

    def wait(self, timeout: float = PATIENCE) -> int:
        if self.exit_code is None:
            pidfd = os.pidfd_open(self.pid)
            ended = readable(pidfd, timeout)
            os.close(pidfd)
            assert ended, f"worker {self.pid} does not end; stderr: {self.stderr()}"
            self.exit_code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.exit_code

    def close(self) -> None:
        if self.exit_code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        self.control.close()
        self.responses.close()
        for lane in self.lanes:
            lane.close()
        for fd in (self._page_fd, self.arena.fd, self.stderr_fd):
            os.close(fd)


def until(condition, timeout: float = PATIENCE) -> None:
    """Waits for something that only the outside of a process shows."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        threading.Event().wait(0.001)
