"""What takes jobs, for the tests: the master's unix socket, with a memory in place of an engine."""
from __future__ import annotations

import json
import socketserver
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler


class FakeJobs:
    """Keeps what it was asked; answers are (status, value) by (method, path without its query), else the usual ones.

    Status 0: none, and the connection is closed. With closes set each is, after its answer and without a word.
    """

    def __init__(self, path: str) -> None:
        self.asked: list[tuple[str, str, object]] = []
        self.answers: dict[tuple[str, str], object] = {}
        self.path = path
        self.closes = False
        self.connections = self.closed = 0
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
                self.close_connection = server.closes or status == 0
                if status == 0:
                    return
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

            def get_request(self):
                server.connections += 1
                return super().get_request()

            def shutdown_request(self, request) -> None:
                request.close()
                with server.came:
                    server.closed += 1
                    server.came.notify_all()

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


class FakeEngine(FakeJobs):
    """Runs what it takes, in this process and only when it is told to."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.jobs: dict[str, dict] = {}
        self.results: dict[str, tuple[int, bytes]] = {}

    def answer(self, method: str, path: str):
        body = self.asked[-1][2]
        if path == "/tasks":
            id = f"J{len(self.jobs) + 1}"
            self.jobs[id] = {"id": id, "status": "queued", "attempt": 0, "url": f"/.girin/jobs/{id}", "created": _now(),
                             "route": f"TASK {body['task']}", "meta": body.get("meta"), "body": body}
            return 202, self._shown(id)
        _, _, id, *rest = path.split("/")
        if id not in self.jobs:
            return 404, {"error": "there is no such job"}
        if rest == ["result"]:
            return self.results.get(id, (409, {"error": "it runs"}))
        if method == "GET":
            return 200, self._shown(id)
        return 204, b""

    def _shown(self, id: str) -> dict:
        return {key: value for key, value in self.jobs[id].items() if key != "body" and value is not None}

    def run(self, id: str) -> None:
        """An attempt, as a worker makes it."""
        from girin import jobs, tasks

        job = self.jobs[id]
        body = job["body"]
        job.update(status="running", attempt=job["attempt"] + 1, began=_now(), node="n1")
        running = jobs.Running(id, job["attempt"], lambda: False)
        status, answer, _ = tasks.run(body["task"], json.dumps({"args": body["args"], "kwargs": body["kwargs"]}).encode(), running)
        self.results[id] = status, answer
        again = status >= 500 and job["attempt"] <= body["retries"]
        job.update(status="queued" if again else "failed" if status >= 500 else "done", code=status, ended=None if again else _now())


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()
