"""One request and its answer: start_response, write, and the frames they make.

An exchange is used by the one thread or greenlet that runs the request;
grant() and the like are called by the control thread. States:

    NOTHING  no byte of the answer is out        -> STARTED, ENDED
    STARTED  head sent, the body is not complete -> ENDED
    ENDED    a final frame is out: whatever the app does now reaches nobody
"""
from __future__ import annotations

from time import monotonic_ns, thread_time_ns

from . import wire
from .files import FileWrapper, regular_file
from .heads import SWITCHING_STATUS
from .noting import changes

NOTHING, STARTED, ENDED = 0, 1, 2

_pack = wire.FRAME.pack


class Exchange:
    """See the module. The class attributes are an exchange's first values."""

    state = NOTHING
    head = None  # what start_response was given, encoded
    sent = 0  # body bytes; written by the request's thread only
    granted = 0  # body bytes of credit; written by the control thread only
    gate = None  # where this exchange waits for credit or its spooled body
    spool = None  # the spooled body, once it has come
    cpu_began = None
    hinted = False  # an Early frame went out
    notes = None  # what tells the variables that go with the head, for the access log
    watched = None  # what those variables were that go with it only if they were changed, until that was looked at
    noted = False  # the app's excess over its Content-Length was logged
    client = None  # a socket that stands for the client's, if the app may speak on it

    def __init__(self, slot, id: int, began: int, window: int, quick: bool, is_head: bool) -> None:
        self.slot = slot
        self.id = id
        self.began = began
        self.window = window
        self.quick = quick
        self.is_head = is_head

    # What the app calls.

    def start_response(self, status, headers, exc_info=None):
        """PEP 3333. Raises HeadError or TypeError if a part of the head is not legal."""
        if exc_info is not None:
            try:
                if self.state != NOTHING:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # breaks the cycle with this frame
        elif self.head is not None:
            raise AssertionError("start_response was called twice without exc_info")
        self.head = self.slot.worker.heads.encode(status, headers)
        if self.notes is not None:
            self.note()
        return self.write

    def note(self) -> None:
        """Puts the variables, as they are now, into a head that was not sent yet."""
        if self.state == NOTHING and self.head is not None:
            self.head.note(self.notes())

    def note_changes(self) -> None:
        """Puts those of the watched variables that the app has changed into the head, which is about to leave."""
        before, self.watched = self.watched, None
        environ, worker, i = self.slot.environ, self.slot.worker, 0
        try:
            for name in worker.watched:
                if environ.get(name) is not before[i]:
                    break
                i += 1
            else:
                return  # nearly always, and without a call of changes
        except Exception:  # of a key that the app has put there
            pass
        if found := changes(environ, worker, before):
            self.head.note(found)

    def write(self, data: bytes) -> None:
        """Sends data before it returns; does nothing once the answer has ended."""
        if type(data) is not bytes:
            data = _plain(data)
        if self.state == ENDED:
            if data:
                self._note_excess()
        elif data and not self._left():
            self._put(data)
            self.slot.flush()

    def early_hints(self, headers) -> None:
        """Sends a 103 with these headers; does nothing once the head is out."""
        if self.state != NOTHING:
            return
        pairs = [(_text(name), _text(value)) for name, value in headers]
        head = self.slot.worker.heads.encode("103 Early Hints", pairs)
        self._emit(wire.EARLY, 0, head, b"")
        self.slot.flush()
        self.hinted = True

    # What the slot calls with the app's result.

    def whole(self, blocks) -> None:
        """Answers with a list or tuple of blocks, in one frame if the window allows."""
        if self.watched is not None and self.head is not None:
            self.note_changes()
        body = blocks[0] if len(blocks) == 1 else b"".join(blocks)
        if type(body) is not bytes:
            body = _plain(body)
        head = self.head
        size = len(body)
        if (
            head is None
            or self.state != NOTHING
            or size > self.window
            or (head.length is not None and head.length != size)
            or self.is_head
            or head.bodiless
        ):
            self._whole(body)
            return
        self._answer(head, body)

    def _answer(self, head, body: bytes) -> None:
        """Puts the whole answer into the batch as one frame: the usual case."""
        cpu = self.cpu_began
        service = (monotonic_ns() - self.began) // 1000
        block = head.block
        size = len(body)
        self.slot.out += (
            _pack(
                self.id,
                self.began,
                service if service < wire.NOT_MEASURED else wire.MAX_MICROSECONDS,
                wire.NOT_MEASURED if cpu is None else (thread_time_ns() - cpu) // 1000,
                len(block),
                size,
                1,  # RESPONSE
                3,  # FINAL | WHOLE
                head.fields,
            ),
            block,
            body,
        )
        self.sent = size
        self.state = ENDED

    def _whole(self, body: bytes) -> None:
        if self.state == ENDED:
            if body:
                self._note_excess()
            return
        head = self._need_head()
        if body and self.state == NOTHING and head.length is None and not head.bodiless:
            head.declare(len(body))
        if body:
            self._put(body)
        if self.state != ENDED:
            self.end()

    def stream(self, result) -> None:
        """Sends each block of an iterable before it asks for the next one.

        If a declared Content-Length is reached the frame is final, and the
        iterable's last steps follow it.
        """
        if type(result) is FileWrapper and self._send_file(result):
            return
        if issubclass(type(result), (bytes, str)):  # isinstance would ask the app's object
            kind = type(result).__name__
            raise TypeError(f"the app returned {kind}; it must return an iterable of bytes, such as [body]")
        slot = self.slot
        forked = slot.worker.forked
        for block in result:
            if forked:
                slot.worker.leave_child()
            if type(block) is not bytes:
                block = _plain(block)
            if self.state == ENDED:
                if block:
                    self._note_excess()
                    return
            elif self._left():
                return
            elif block:
                head = self.head
                if (
                    head is not None
                    and head.length == len(block) <= self.window
                    and self.state == NOTHING
                    and not self.is_head
                    and not head.bodiless
                ):
                    if self.watched is not None:
                        self.note_changes()
                    self._answer(head, block)
                    slot.before_tail(self.quick)
                    continue
                self._put(block)
                if self.state != ENDED:
                    slot.flush()
                elif self.is_head:
                    return  # the rest would be thrown away
                else:
                    slot.before_tail(self.quick)
        if self.state != ENDED:
            self.end()
            slot.before_tail(self.quick)

    def end(self) -> None:
        """The app has nothing more to send."""
        head = self._need_head()
        missing = head.length is not None and self.sent < head.length and not self._discards(head)
        if missing:
            if self.state == NOTHING:
                self._emit(wire.RESPONSE, 0, head, b"")
            self._emit(wire.FAILED, wire.FINAL, None, b"")
            self.slot.warn(f"the app sent {self.sent} of the {head.length} bytes of its Content-Length")
        elif self.state == NOTHING:
            self._emit(wire.RESPONSE, wire.FINAL if self._discards(head) else wire.FINAL | wire.WHOLE, head, b"")
        else:
            self._emit(wire.BLOCK, wire.FINAL, None, b"")
        self.state = ENDED

    def switched(self) -> None:
        """The app says that it has answered on its client's socket: if it has not, its client gets a 500."""
        if self.state == NOTHING:
            self.head = self.slot.worker.heads.encode(SWITCHING_STATUS, [])
            self._emit(wire.RESPONSE, wire.FINAL, self.head, b"")
            self.state = ENDED
        else:
            self.fail()

    def fail(self) -> None:
        """The client gets a 500, or its connection is cut if the head is out."""
        if self.state != ENDED:
            self._emit(wire.FAILED, wire.FINAL, None, b"")
            self.state = ENDED

    def drop(self) -> None:
        """The request was cancelled before the app ran."""
        self._emit(wire.DROPPED, wire.FINAL, None, b"")
        self.state = ENDED

    def fetch(self) -> bool:
        """Asks for the body and waits until its file or pipe is in spool; False: cancelled."""
        self._register()
        self._emit(wire.FETCH, 0, None, b"")
        while self.spool is None:
            self._wait()
            if self.spool is None and self.cancelled():
                return False
        return True

    def ended(self) -> bool:
        """Is a final frame out, after which the master wants to hear nothing of this request?"""
        return self.state == ENDED

    def release(self) -> None:
        """Forgets what the control thread knows of this exchange."""
        if self.gate is not None:
            del self.slot.worker.exchanges[self.id]
            self.gate = None

    def cancelled(self) -> bool:
        return self.slot.worker.flags[self.id & wire.FLAG_MASK] != 0

    # What the control thread calls.

    def grant(self, credit: int) -> None:
        self.granted += credit
        self.wake()

    def wake(self) -> None:
        gate = self.gate
        if gate is not None:
            gate.open()

    # Sending.

    def _put(self, block: bytes) -> None:
        """Sends a block, with the head before the first; cuts it at Content-Length."""
        head = self._need_head()
        if self._discards(head):
            self._emit(wire.RESPONSE, wire.FINAL, head, b"")
            self.state = ENDED
            return
        if head.length is None:
            self._send(head, block, False)
            return
        left = head.length - self.sent
        self._send(head, block[:left], len(block) >= left)
        if len(block) > left:
            self._note_excess()

    def _send(self, head, block: bytes, final: bool) -> None:
        """Sends a block piece by piece, as the window and credit allow."""
        if final and self.state == NOTHING and len(block) <= self.window:
            self._emit(wire.RESPONSE, wire.FINAL | wire.WHOLE, head, block)
            self.sent = len(block)
            self.state = ENDED
            return
        rest = memoryview(block)
        while True:
            room = min(self.window + self.granted - self.sent, wire.MAX_BLOCK)
            if room <= 0 and rest:
                if self.state == NOTHING:
                    self._register()
                    self._emit(wire.RESPONSE, 0, head, b"")
                    self.state = STARTED
                self._wait()
                if self._left():
                    return
                continue
            piece, rest = rest[:room], rest[room:]
            last = final and not rest
            if not last:
                self._register()
            flags = wire.FINAL if last else 0
            if self.state == NOTHING:
                self._emit(wire.RESPONSE, flags, head, piece)
            else:
                self._emit(wire.BLOCK, flags, None, piece)
            self.sent += len(piece)
            self.state = ENDED if last else STARTED
            if not rest:
                return

    def _send_file(self, wrapper: FileWrapper) -> bool:
        """Hands a regular file to the master; False: it must be iterated."""
        if self.state != NOTHING or self.hinted or self.is_head:
            return False
        head = self._need_head()
        found = regular_file(wrapper.filelike)
        if found is None or head.bodiless:
            return False
        fd, offset, size = found
        length = size if head.length is None else head.length
        if length <= 0:
            return False
        message = wire.FILE.pack(offset, length) + self._frame(wire.RESPONSE, wire.FINAL, head, 0) + head.block
        if len(message) + wire.CONTROL_HEAD > wire.MAX_CONTROL:
            return False
        self.slot.flush()
        if not self.slot.worker.control.send(wire.FILE_BODY, 0, self.id, message, fd):
            return False
        self.state = ENDED
        if length > size:
            self.slot.warn(f"the file has {size} of the {length} bytes of the app's Content-Length")
        return True

    def _emit(self, kind: int, flags: int, head, body) -> None:
        """Puts a frame into the slot's batch."""
        if self.slot.worker.forked:
            self.slot.worker.leave_child()
        frame = self._frame(kind, flags, head, len(body))
        self.slot.out += (frame, head.block if head else b"", body)

    def _frame(self, kind: int, flags: int, head, body: int) -> bytes:
        service = (monotonic_ns() - self.began) // 1000
        cpu = wire.NOT_MEASURED
        if self.cpu_began is not None:
            cpu = min((thread_time_ns() - self.cpu_began) // 1000, wire.MAX_MICROSECONDS)
        return _pack(
            self.id,
            self.began,
            min(service, wire.MAX_MICROSECONDS),
            cpu,
            len(head.block) if head else 0,
            body,
            kind,
            flags,
            head.fields if head else 0,
        )

    # Waiting.

    def _register(self) -> None:
        """Makes this exchange known to the control thread."""
        if self.gate is None:
            self.gate = self.slot.new_gate()
            self.slot.worker.exchanges[self.id] = self

    def _wait(self) -> None:
        self.slot.flush()
        self.slot.step_down()
        self.gate.wait()

    def _left(self) -> bool:
        """Ends the answer if nobody waits for it any more."""
        if not self.cancelled():
            return False
        self.fail()
        return True

    # Rules.

    def _need_head(self):
        if self.head is None:
            raise AssertionError("the app did not call start_response before the first block of its body")
        if self.watched is not None:
            self.note_changes()
        return self.head

    def _discards(self, head) -> bool:
        return self.is_head or head.bodiless

    def _note_excess(self) -> None:
        """Names, once, an app that sends more than its Content-Length."""
        head = self.head
        if head is None or head.length is None or self._discards(head):
            return
        if self.sent >= head.length and not self.noted:
            self.noted = True
            self.slot.warn(f"the app sent more than the {head.length} bytes of its Content-Length; cut there")


def _plain(block) -> bytes:
    """The bytes of a block of a class derived from bytes, whatever its methods say of them."""
    if not issubclass(type(block), bytes):
        raise TypeError(f"a block of the body must be bytes, not {type(block).__name__}")
    return b"".join((block,))


def _text(value) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
