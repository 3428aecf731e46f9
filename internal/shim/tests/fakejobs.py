"""What takes jobs, for the tests: the master's unix socket, with a memory in place of an engine."""
from __future__ import annotations

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler


class FakeJobs:
    """Keeps what it was asked; answers are (status, value) by (method, path without its query), else the usual ones."""

    def __init__(self, path: str) -> None:
        self.asked: list[tuple[str, str, object]] = []
        self.answers: dict[tuple[str, str], object] = {}
        self.path = path
        self.came = threading.Condition()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                with server.came:
                    server.asked.append((self.command, self.path, body))
                    server.came.notify_all()
                status, value = server.answer(self.command, self.path.partition("?")[0])
                data = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *args) -> None:
                """Nothing."""

            def address_string(self) -> str:
                return "unix"

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

            def handle_error(self, request, client_address) -> None:
                """A worker that ends leaves without its answer."""

        self._server = Server("\0" + path[1:] if path.startswith("@") else path, Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def answer(self, method: str, path: str):
        answer = self.answers.get((method, path), (202, {"id": "J1", "status": "queued", "url": "/.girin/jobs/J1"}) if path == "/tasks" else (204, b""))
        if isinstance(answer, list):  # one after another, the last one stays
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer

    def wait(self, method: str, path: str, timeout: float = 20):
        """The body of the first such question."""
        with self.came:
            found = self.came.wait_for(lambda: [a for a in self.asked if a[:2] == (method, path)], timeout)
        assert found, self.asked
        return found[0][2]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
