"""What the Hello message says."""
from __future__ import annotations

from . import wire

CLASSES = ("sync", "gthread", "gevent", "gaiohttp", "asgi")


class Settings:
    """The settings of this worker, checked. Unknown keys are ignored."""

    def __init__(self, hello: dict) -> None:
        version = hello.get("version")
        if version != wire.VERSION:
            raise ValueError(f"the master speaks version {version} of the protocol, the shim {wire.VERSION}")
        self.app: str = hello["app"]
        self.paste_global: list[str] = hello.get("paste_global") or []  # KEY=VALUE, for a PasteDeploy file
        self.worker_class: str = hello.get("class", "sync")
        if self.worker_class not in CLASSES:
            raise ValueError(f"class is {self.worker_class!r}, not one of {', '.join(CLASSES)}")
        self.threads = max(1, int(hello.get("threads") or 1))
        self.connections = max(1, int(hello.get("connections") or 1000))
        self.argv: list[str] = hello.get("argv") or ["girin"]
        self.chdir: str = hello.get("chdir") or ""
        self.pythonpath: list[str] = hello.get("pythonpath") or []
        self.proc_name: str = hello.get("proc_name") or ""
        self.bases: list[dict[str, str]] = hello.get("bases") or [{}]
        self.unix: list[str] = hello.get("unix") or [""] * len(self.bases)  # the paths of those that are unix sockets
        self.lanes = max(1, int(hello.get("lanes") or 1))
        self.multiprocess = bool(hello.get("multiprocess"))
        self.sessions = bool(hello.get("sessions"))  # is the master to know who keeps clients' sessions in the process?
        self.capture = bool(hello.get("capture"))
        self.switch_interval: float = (hello.get("switch_interval_ms") or 0) / 1000  # s; 0: Python's own
        self.lifetime = int(hello.get("lifetime") or 0)  # requests; 0: for ever
        self.log_environ: list[str] = hello.get("log_environ") or []  # variables for the access log, in lower case
        self.log_changes: list[str] = hello.get("log_changes") or []  # variables that it shows if the app changes them
        self.jobs: str = hello.get("jobs") or ""  # what $GIRIN_JOBS is to be
        self.gc_freeze = bool(hello.get("gc_freeze"))
        self.loglevel: str = hello.get("loglevel") or "info"
        self.age = int(hello.get("age") or 0)
        self.config_file: str = hello.get("config_file") or ""
        self.from_file: list[str] = hello.get("from_file") or []
        self.hooks: list[str] = hello.get("hooks") or []
        self.cfg: dict = hello.get("cfg") or {}
        self.asgi_loop: str = hello.get("asgi_loop") or "auto"
        self.asgi_spec: str = hello.get("asgi_spec") or "2.3"
        self.lifespan: str = hello.get("lifespan") or "auto"
        self.disconnect_grace = float(hello.get("disconnect_grace") or 0)  # s
        self.ws_drain = float(hello.get("ws_drain") or 0)  # s
        self.graceful_timeout = float(hello.get("graceful_timeout") or 30)  # s
        self.accelerators: dict[str, int] = hello.get("accelerators") or {}

    @property
    def slots(self) -> int:
        """How many requests this worker runs at once."""
        if self.worker_class in ("gevent", "asgi"):
            return self.connections
        return self.threads if self.worker_class == "gthread" else 1

    @property
    def request_hooks(self) -> list[str]:
        """The hooks that must be called for each request."""
        return [name for name in ("pre_request", "post_request") if name in self.hooks]

    @property
    def multithread(self) -> bool:
        """wsgi.multithread: may the app be called again while it runs here?

        As in gunicorn true for greenlets, which share the process as threads do.
        """
        return self.slots > 1
