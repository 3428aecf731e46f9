"""The examples with WebSockets, as their readers start them."""
import json
from datetime import datetime

import client
import servers
from websockets.sync.client import connect

from asgi_server import serving


def test_the_clock():
    server = servers.girin_auto()
    with servers.running(server, "phases_fastapi:app") as run:
        assert b"new WebSocket" in client.get(run.port, "/clock").body
        with connect(f"ws://127.0.0.1:{run.port}/clock") as ws:
            times = [datetime.fromisoformat(ws.recv(timeout=10)) for _ in range(5)]
        assert times == sorted(set(times))


def test_the_chat():
    with serving("-w", "1", app="chat:application", cwd=servers.EXAMPLES / "channels_chat") as s:
        assert "new WebSocket" in s.text("/room/tea")
        room = f"ws://127.0.0.1:{s.port}/room/"
        with connect(room + "tea") as one, connect(room + "tea") as two, connect(room + "coffee") as elsewhere:
            one.send(json.dumps({"said": "hello"}))
            for ws in (one, two):
                assert json.loads(ws.recv(timeout=10)) == {"said": "hello"}
            elsewhere.send(json.dumps({"said": "alone"}))
            assert json.loads(elsewhere.recv(timeout=10)) == {"said": "alone"}
