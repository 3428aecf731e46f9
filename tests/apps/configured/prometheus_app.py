"""Counts its requests over all processes."""
import os

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest, multiprocess

REQUESTS = Counter("shop_requests", "Requests.")
LIVE = Gauge("shop_live", "Processes.", multiprocess_mode="livesum")
LIVE.set(1)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/metrics":
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        return [generate_latest(registry)]
    REQUESTS.inc()
    return [str(os.getpid()).encode()]
