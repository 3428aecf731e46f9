"""The examples of deployment, run as they stand but for addresses, with the real proxies before the real server."""
from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from user import ROOT, Served, User, free_port, versions

DEPLOY = ROOT / "examples" / "deploy"
TOOLS = ROOT / "build" / "tools" / "bin"


@pytest.fixture
def env(environment: Callable[..., Path]) -> Path:
    return environment(versions()[max(versions())], "girin", "flask")


@pytest.fixture
def app(user: User) -> Path:
    folder = user.home / "app"
    folder.mkdir()
    shutil.copy(DEPLOY / "app.py", folder)
    return folder


def behind(user: User, proxy: list[str | Path], port: int) -> Served:
    """Starts a proxy that listens on port."""
    log = user.home / "proxy.log"
    with log.open("w") as out:
        process = subprocess.Popen(proxy, stdout=out, stderr=out, env=user.environ(XDG_DATA_HOME=str(user.home)))
    user.servers.append(process)
    return Served(f"http://127.0.0.1:{port}/", process, log).wait()


def check(served: Served, port: int) -> None:
    """The application sees who asked, not the proxy, and gets bodies."""
    request = urllib.request.Request(served.url, headers={"X-Forwarded-For": "203.0.113.9"})
    with urllib.request.urlopen(request) as answer:
        told = json.load(answer)
    assert told == {"client": "127.0.0.1", "url": f"http://127.0.0.1:{port}/"}
    upload = urllib.request.Request(f"{served.url}upload", data=b"x" * 3_000_000, headers={"Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(upload) as answer:
        assert json.load(answer) == {"bytes": 3_000_000}


def unix_server(user: User, env: Path, app: Path) -> Path:
    """girin on a unix socket, as it has from girin.socket."""
    path = user.home / "girin-app.sock"
    user.serve(env / "bin" / "girin", "app:app", "-b", f"unix:{path}", "-b", "{bind}", cwd=app)
    return path


def nginx(user: User, port: int, path: Path) -> Served:
    site = (DEPLOY / "nginx" / "girin.conf").read_text().replace("/run/girin-app.sock", str(path)).replace("listen 80;", f"listen 127.0.0.1:{port};")
    conf = user.home / "nginx.conf"
    root = "user root;" if os.getuid() == 0 else ""
    conf.write_text(f"{root} daemon off; pid {user.home}/nginx.pid; error_log stderr; events {{}} http {{ access_log off; {site} }}")
    return behind(user, [shutil.which("nginx") or "/usr/sbin/nginx", "-c", conf, "-p", user.home], port)


def test_nginx(user: User, env: Path, app: Path) -> None:
    port = free_port()
    check(nginx(user, port, unix_server(user, env, app)), port)


GREETS = """\
async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})
        await receive()
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": dict(scope["headers"]).get(b"connection", b"none")})
"""


def test_websockets_pass_nginx_and_requests_share_its_connections(user: User, env: Path, app: Path) -> None:
    (app / "app.py").write_text(GREETS)
    port = free_port()
    served = nginx(user, port, unix_server(user, env, app))
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        said = b""
        while not said.endswith(b"\x81\x05hello"):
            more = client.recv(4096)
            assert more, said
            said += more
    assert said.startswith(b"HTTP/1.1 101 ")
    assert served.get() == "none"  # and not "close"


def test_caddy(user: User, env: Path, app: Path) -> None:
    port, path = free_port(), unix_server(user, env, app)
    conf = user.home / "Caddyfile"
    text = (DEPLOY / "caddy" / "Caddyfile").read_text().replace("/run/girin-app.sock", str(path)).replace("example.org {", f"http://127.0.0.1:{port} {{")
    conf.write_text("{\n\tadmin off\n}\n" + text)
    check(behind(user, [TOOLS / "caddy", "run", "--config", conf, "--adapter", "caddyfile"], port), port)


def test_traefik(user: User, env: Path, app: Path) -> None:
    port = free_port()
    served = user.serve(env / "bin" / "girin", "app:app", "-b", "{bind}", "--health-check-path", "/healthz", cwd=app)
    conf = user.home / "dynamic.yaml"
    conf.write_text((DEPLOY / "traefik" / "dynamic.yaml").read_text().replace("http://127.0.0.1:8000", served.url.rstrip("/")))
    check(behind(user, [TOOLS / "traefik", f"--providers.file.filename={conf}", f"--entrypoints.web.address=127.0.0.1:{port}"], port), port)


def test_a_procfile_of_a_platform(user: User, env: Path, app: Path) -> None:
    """$PORT and $WEB_CONCURRENCY come from the platform; the class stays auto."""
    command = (DEPLOY / "procfile" / "Procfile").read_text().removeprefix("web: ").split()
    port = free_port()
    process = subprocess.Popen([env / "bin" / command[0], *command[1:]], cwd=app, stdout=(user.home / "log").open("w"), stderr=subprocess.STDOUT,
                               env=user.environ(PORT=str(port), WEB_CONCURRENCY="1"))
    user.servers.append(process)
    served = Served(f"http://127.0.0.1:{port}/", process, user.home / "log").wait()
    assert "Using worker: auto" in served.said()


def test_the_service_is_hardened_and_correct(user: User) -> None:
    for name, units in {"packages": ROOT / "packaging" / "linux", "example": DEPLOY / "systemd"}.items():
        folder = user.home / name
        folder.mkdir()
        for unit in units.glob("girin*.*"):
            text = re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", unit.read_text()).replace("Documentation=man:girin(1)\n", "")
            (folder / unit.name).write_text(text)
        said = subprocess.run(["systemd-analyze", "verify", *folder.glob("*.service")], capture_output=True, text=True)
        assert (said.returncode, said.stderr) == (0, "")
        rated = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=30", *folder.glob("*.service")], capture_output=True, text=True)
        assert rated.returncode == 0, rated.stdout


def test_ending_after_a_delay_fails_no_request(user: User, env: Path, app: Path) -> None:
    """Kubernetes' way: TERM, and only then the cluster sends elsewhere. New connections, 200 a second."""
    served = user.serve(env / "bin" / "girin", "app:app", "-b", "{bind}", "--health-check-path", "/healthz", "--shutdown-delay", "5", cwd=app)
    failed, done = [], []
    unhealthy = threading.Event()

    def ask(moment: float) -> None:
        time.sleep(max(0.0, moment - time.monotonic()))
        try:
            served.get()
            done.append(moment)
        except OSError as e:
            failed.append(e)

    began = time.monotonic() + 0.5
    threads = [threading.Thread(target=ask, args=(began + i / 200,)) for i in range(5 * 200)]
    for t in threads:
        t.start()
    time.sleep(1.5)
    served.process.send_signal(signal.SIGTERM)
    told = time.monotonic()
    while time.monotonic() < told + 1 and not unhealthy.is_set():
        try:
            served.get("healthz")
        except urllib.error.HTTPError as e:
            assert e.code == 503
            unhealthy.set()
    took = time.monotonic() - told
    for t in threads:
        t.join()
    assert not failed, failed[:3]
    assert len(done) == 1000 and unhealthy.is_set() and took < 0.1, took
    assert served.process.wait(20) == 0


@pytest.fixture(scope="session")
def helm() -> Path:
    program = TOOLS / "helm"
    if not program.exists():
        subprocess.run(["go", "build", "-modfile=packaging/tools/helm/go.mod", "-o", program, "helm.sh/helm/v3/cmd/helm"], cwd=ROOT, check=True)
    return program


@pytest.mark.parametrize("by", ["", "hpa", "keda"], ids=["fixed", "hpa", "keda"])
def test_the_chart_is_valid_and_its_command_is_girins(user: User, helm: Path, by: str) -> None:
    chart = DEPLOY / "kubernetes" / "chart"
    user.run(helm, "lint", "--strict", chart)
    rendered = user.run(helm, "template", "shop", chart, "--set", f"autoscaling.by={by}", "--set", "args={--threads=8}")
    file = user.home / "rendered.yaml"
    file.write_text(rendered)
    assert "ERROR" not in user.run(TOOLS / "kubernetes-validate", "--strict", file)
    assert ("kind: " + {"": "Deployment", "hpa": "HorizontalPodAutoscaler", "keda": "ScaledObject"}[by]) in rendered
    arguments = re.search(r"args:\n((?: +- .*\n)+)", rendered)[1]
    words = [line.strip()[2:].strip('"') for line in arguments.splitlines()]
    folder = user.home / "app"
    folder.mkdir()
    (folder / "app.py").write_text("def app(environ, start_response): pass\n")
    user.run(ROOT / "build" / "release" / "linux-amd64" / "girin", *words[1:], "--check-config", cwd=folder)
