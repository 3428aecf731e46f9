"""WebSockets over HTTP/2 (RFC 8441) for clients that know only HTTP/1.1: what they say goes on as streams.

    client ─ HTTP/1.1 ─▶ Bridge ─ extended CONNECT ─▶ server

One connection of HTTP/2 carries up to MOST sockets; each has its windows, so a slow one holds up no other.
"""
from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import ssl
import threading
from collections.abc import Iterator

import h2.connection
import h2.events
from h2.config import H2Configuration
from h2.settings import SettingCodes

MOST = 50
NOT_OF_HTTP2 = {"host", "connection", "upgrade", "sec-websocket-key"}


class Stream:
    """One socket's stream: what came for its client, and how it ended."""

    def __init__(self, id: int):
        self.id = id
        self.head: asyncio.Future = asyncio.get_running_loop().create_future()
        self.came: asyncio.Queue = asyncio.Queue()  # (bytes, what they count for); None: the end; an error: a reset
        self.open = asyncio.Event()  # a window may have opened

    def end(self, how: Exception | None) -> None:
        self.came.put_nowait(how)
        self.open.set()
        if not self.head.done():
            self.head.set_exception(how or ConnectionError("the stream ended before its head"))


class Upstream:
    """A connection of HTTP/2."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader, self.writer = reader, writer
        self.h2 = h2.connection.H2Connection(H2Configuration(client_side=True, header_encoding="latin-1"))
        self.streams: dict[int, Stream] = {}
        self.ready = asyncio.get_running_loop().create_future()
        self.over: Exception | None = None
        self.h2.initiate_connection()
        self.flush()
        self.task = asyncio.create_task(self._read())

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    async def _read(self) -> None:
        try:
            while data := await self.reader.read(1 << 16):
                for event in self.h2.receive_data(data):
                    self._take(event)
                self.flush()
            self.over = ConnectionError("the connection ended")
        except Exception as error:  # it is every stream's
            self.over = error
        for stream in list(self.streams.values()):
            stream.end(self.over)
        if not self.ready.done():
            self.ready.set_exception(self.over)
        self.writer.close()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RemoteSettingsChanged) and not self.ready.done():
            self.ready.set_result(self.h2.remote_settings.get(SettingCodes.ENABLE_CONNECT_PROTOCOL, 0))
        stream = self.streams.get(getattr(event, "stream_id", 0) or 0)
        if isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
            for each in self.streams.values():
                each.open.set()
        elif stream is None:
            pass
        elif isinstance(event, h2.events.ResponseReceived):
            stream.head.set_result(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            stream.came.put_nowait((event.data, event.flow_controlled_length))
        elif isinstance(event, h2.events.StreamEnded):
            stream.end(None)
        elif isinstance(event, h2.events.StreamReset):
            stream.end(ConnectionResetError(f"reset with {event.error_code!r}"))

    async def connect(self, path: str, authority: str, fields: list[tuple[str, str]]) -> Stream:
        assert await self.ready == 1, "the server does not offer extended CONNECT"
        stream = Stream(self.h2.get_next_available_stream_id())
        self.streams[stream.id] = stream
        self.h2.send_headers(stream.id, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", path),
                                         (":authority", authority), *fields])
        self.flush()
        return stream

    async def send(self, stream: Stream, data: bytes) -> None:
        while data:
            if self.over:
                raise self.over
            room = min(self.h2.local_flow_control_window(stream.id), self.h2.max_outbound_frame_size, len(data))
            if room <= 0:
                stream.open.clear()
                await stream.open.wait()
                continue
            self.h2.send_data(stream.id, data[:room])
            data = data[room:]
            self.flush()
            await self.writer.drain()


class Bridge:
    """A port for clients of HTTP/1.1; each connection to it is a stream of a server's."""

    def __init__(self, server_port: int):
        self.server_port = server_port
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._upstreams: list[Upstream] = []
        self._opening = asyncio.Lock()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self._listening = threading.Event()

    def __enter__(self) -> Bridge:
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def __exit__(self, *_) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._stop.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _upstream(self) -> Upstream:
        async with self._opening:
            self._upstreams = [up for up in self._upstreams if not up.over]
            for up in self._upstreams:
                if len(up.streams) < MOST and not up.h2.state_machine.state == h2.connection.ConnectionState.CLOSED:
                    return up
            context = _trusting()
            context.set_alpn_protocols(["h2"])
            up = Upstream(*await asyncio.open_connection("127.0.0.1", self.server_port, ssl=context))
            self._upstreams.append(up)
            return up

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                await self._pass(reader, writer)
            finally:
                writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = head.rstrip("\r\n").split("\r\n")
        fields = [(name.lower(), value.strip()) for name, _, value in (each.partition(":") for each in lines)]
        known = dict(fields)
        up = await self._upstream()
        stream = await up.connect(line.split(" ")[1], known["host"], [f for f in fields if f[0] not in NOT_OF_HTTP2])
        try:
            await self._answer(up, stream, known["sec-websocket-key"], reader, writer)
        finally:
            up.streams.pop(stream.id, None)
            with contextlib.suppress(h2.exceptions.ProtocolError):
                up.h2.reset_stream(stream.id, 8)  # CANCEL; unless it has ended
                up.flush()

    async def _answer(self, up, stream, key, reader, writer) -> None:
        headers = await stream.head
        status = dict(headers)[":status"]
        rest = "".join(f"{name}: {value}\r\n" for name, value in headers if name[0] != ":")
        if status != "200":
            writer.write(f"HTTP/1.1 {status} -\r\n{rest}Connection: close\r\n\r\n".encode("latin-1"))
            await self._out(up, stream, writer)
            return
        accept = base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
        writer.write(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      f"Sec-WebSocket-Accept: {accept}\r\n{rest}\r\n").encode("latin-1"))
        sending = asyncio.create_task(self._in(up, stream, reader))
        try:
            await self._out(up, stream, writer)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _in(self, up, stream, reader) -> None:
        """What the client sends; its end is END_STREAM."""
        try:
            while data := await reader.read(1 << 16):
                await up.send(stream, data)
            up.h2.end_stream(stream.id)
            up.flush()
        except ConnectionError as error:
            stream.end(error)

    async def _out(self, up, stream, writer) -> None:
        while (came := await stream.came.get()) is not None:
            if isinstance(came, Exception):
                writer.transport.abort()
                raise came if isinstance(came, ConnectionError) else ConnectionError(str(came))
            data, counts = came
            writer.write(data)
            await writer.drain()
            with contextlib.suppress(h2.exceptions.ProtocolError):
                up.h2.acknowledge_received_data(counts, stream.id)
            up.flush()


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@contextlib.contextmanager
def bridged(server_port: int) -> Iterator[Bridge]:
    with Bridge(server_port) as bridge:
        yield bridge
