"""--metrics: what Prometheus would scrape, from a server that really did it."""
from __future__ import annotations

import os
import re
import signal
import threading
import time

import pytest
import requests

import servers

APP = """
import time
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/slow":
        time.sleep(1.2)
    if path == "/fail":
        raise ValueError
    environ["wsgi.input"].read()
    start_response(path[1:4] + " Status" if path[1:].isdigit() else "200 OK", [])
    return [b"x" * 100]
"""


class Scraped:
    """The metrics of a server."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/metrics"

    def __getitem__(self, name: str) -> float:
        text = requests.get(self.url, timeout=10).text
        value = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
        assert value, f"{name} is not in\n{text}"
        return float(value[1])

    def eventually(self, name: str, value: float) -> None:
        deadline = time.monotonic() + 20
        while (seen := self[name]) != value:
            assert time.monotonic() < deadline, f"{name} is {seen}, not {value}"
            time.sleep(0.01)


@pytest.fixture
def served(tmp_path):
    (tmp_path / "app.py").write_text(APP)
    port = servers.free_port()
    server = servers.girin("gthread", 2, 1, "--metrics", f"127.0.0.1:{port}", "--health-check-path", "/health")
    with servers.running(server, "app:app", cwd=tmp_path) as run:
        servers.settle(run)
        yield run, Scraped(port)


def test_requests_are_counted(served):
    run, metrics = served
    before, connections, sent = (metrics[name] for name in (
        'girin_responses_total{status="2xx"}', "girin_connections_total", "girin_response_body_bytes_total"))
    with requests.Session() as session:
        for path in ("/", "/204", "/302", "/404", "/503", "/fail", "/health"):
            session.get(run.url + path, allow_redirects=False)
        session.post(run.url, data=b"a" * 70)
        session.post(run.url, data=b"a" * 100_000)
        assert metrics["girin_connections"] == 1
    metrics.eventually('girin_responses_total{status="5xx"}', 2)
    assert metrics['girin_responses_total{status="2xx"}'] == before + 5
    assert metrics['girin_responses_total{status="3xx"}'] == 1
    assert metrics['girin_responses_total{status="4xx"}'] == 1
    assert metrics["girin_request_body_bytes_total"] == 100_070
    assert metrics["girin_response_body_bytes_total"] >= sent + 600
    assert metrics["girin_connections_total"] == connections + 1
    metrics.eventually("girin_connections", 0)


def test_waiting_and_running(served):
    run, metrics = served
    slow = metrics['girin_request_service_seconds_bucket{le="1"}'] - metrics["girin_request_service_seconds_count"]
    clients = [requests.Session() for _ in range(3)]
    threads = [threading.Thread(target=c.get, args=(run.url + "/slow",)) for c in clients]
    for thread in threads:
        thread.start()
    metrics.eventually("girin_requests_in_flight", 3)
    metrics.eventually("girin_slots_busy", 2)
    metrics.eventually("girin_requests_queued", 1)
    assert metrics["girin_slots"] == 2 and metrics["girin_workers"] == 2
    for thread in threads:
        thread.join()
    metrics.eventually("girin_requests_in_flight", 0)
    assert metrics['girin_request_service_seconds_bucket{le="1"}'] - metrics["girin_request_service_seconds_count"] == slow - 3
    assert metrics['girin_request_queue_seconds_bucket{le="1"}'] == metrics["girin_request_queue_seconds_count"] - 1
    assert metrics["girin_request_service_seconds_sum"] > 3.5


def test_workers_come_and_go(served):
    run, metrics = served
    started = metrics["girin_workers_started_total"]
    os.kill(run.children[0], signal.SIGKILL)
    metrics.eventually('girin_workers_ended_total{how="killed"}', 1)
    metrics.eventually("girin_workers", 2)
    run.process.send_signal(signal.SIGTTOU)
    metrics.eventually('girin_workers_ended_total{how="finished"}', 1)
    assert metrics["girin_workers_started_total"] == started + 1


def test_an_address_that_is_taken(served, tmp_path):
    _, metrics = served
    port = metrics.url.split(":")[2].split("/")[0]
    server = servers.girin("sync", 1, 1, "--metrics", f"127.0.0.1:{port}")
    with open(tmp_path / "log", "w+") as log:
        process = servers.launch(server, "app:app", tmp_path, servers.free_port(), log)
        assert process.wait(20) == 1
        log.seek(0)
        assert f"girin: metrics 127.0.0.1:{port}: " in log.read()
