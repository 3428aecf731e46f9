"""girin with an ASGI app, and clients for it on each transport."""
import contextlib
import dataclasses
import subprocess
from pathlib import Path

import httpx

import servers
from waiting import until

APPS = Path(__file__).parent / "apps" / "asgi"
LOOPS = ["asyncio", "uvloop"]
TRANSPORTS = ["clear", "tls", "h2"]


@dataclasses.dataclass
class Served:
    """A server that runs, and how to talk to it."""

    run: servers.Running
    transport: str = "clear"

    @property
    def port(self):
        return self.run.port

    def client(self, timeout=30) -> httpx.Client:
        scheme = "http" if self.transport == "clear" else "https"
        http2 = self.transport == "h2"
        return httpx.Client(base_url=f"{scheme}://127.0.0.1:{self.port}", http2=http2, http1=not http2, verify=False, timeout=timeout)

    def get(self, path, **more) -> httpx.Response:
        with self.client() as client:
            return client.get(path, **more)

    def seen(self) -> list:
        return self.get("/seen").json()

    def text(self, path) -> str:
        return self.get(path).text

    def log(self) -> str:
        return self.run.output()


@contextlib.contextmanager
def serving(*options, transport="clear", app="main:app", cwd=APPS, env=None, certificate=None, answers=None):
    """One event loop, so that what the app has seen is in one process."""
    command = ["--log-level", "info", "-k", "asgi", *options]
    if transport != "clear":
        command += ["--certfile", str(certificate / "cert.pem"), "--keyfile", str(certificate / "key.pem")]
    if transport == "h2":
        command += ["--http-protocols", "h2,h1"]
    server = dataclasses.replace(servers.girin_auto(*command), setting=f"asgi {transport}")
    first = answers or (by_tls if transport != "clear" else servers.await_answer)
    with servers.running(server, app, cwd, env, answers=first) as run:
        yield Served(run, transport)


def by_tls(run, within) -> None:
    """Waits for the first answer."""
    def answers():
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"https://127.0.0.1:{run.port}/", verify=False, timeout=within)
        assert run.process.poll() is None, run.output()

    until(answers, within, "no answer by TLS")


def make_certificate(folder: Path) -> Path:
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
    return folder

