"""What people have reported of their apps under gunicorn and others, done as they do it: metrics servers in
hooks, WebSockets of WSGI apps, polling sessions, a virtual environment's own command, terminals, file systems
that cannot be written."""
from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import servers
from config_cases import HOOKS, MARK, PID, comes, hang_up
from process_cases import app, root
from sidebyside import PATIENCE, Case, Site
from websockets.sync.client import connect

METRICS = MARK + HOOKS.replace('mark("when_ready")', """
    mark("when_ready")
    import prometheus_client
    metrics, _ = prometheus_client.start_http_server(0, "127.0.0.1")
    with open("address.part", "w") as file:
        file.write("http://127.0.0.1:%d/metrics" % metrics.server_port)
    os.rename("address.part", "address")
""")


def metrics_through_reloads(site: Site) -> list[bool]:
    address = site.site / "address"
    site.until(address.exists)
    shown = []

    def look() -> None:
        with urllib.request.urlopen(address.read_text(), timeout=PATIENCE) as answer:
            shown.append(b"python_info" in answer.read())

    look()
    hang_up(site)
    look()
    source = site.site / "app.py"
    source.write_text(source.read_text() + "# changed\n")
    comes(site, "init:3", "child_exit:2")
    look()
    return shown


SOCKETS = """
from flask import Flask
from flask_sock import Sock
app = Flask(__name__)
sock = Sock(app)
@app.get("/")
def index(): return "here"
@sock.route("/echo")
def echo(ws):
    while (message := ws.receive()) != "enough":
        ws.send(message)
    ws.close(1000, "enough")
"""


def echoes(site: Site):
    site.get()
    with connect(f"ws://127.0.0.1:{site.port}/echo", open_timeout=PATIENCE, compression=None) as ws:
        answers = []
        for message in ("one", b"\0\xff", "\u00e9" * 50_000):
            ws.send(message)
            answers.append(ws.recv(PATIENCE) == message)
        ws.send("enough")
        site.until(lambda: ended(ws))
        return [answers, ws.close_code, ws.close_reason, site.body()]


def ended(ws) -> bool:
    try:
        ws.recv(0.1)
    except TimeoutError:
        return False
    except Exception:
        return True
    return False


POLLING = """
from flask import Flask
from flask_socketio import SocketIO
app = Flask(__name__)
socketio = SocketIO(app, async_mode=%r)
@socketio.on("connect")
def connected(): socketio.emit("hello", {"n": 1})
"""


def polls(site: Site):
    """A session by requests alone, as engine.io begins each."""
    path = "/socket.io/?EIO=4&transport=polling"
    opened = site.get(path)
    session = opened.body.partition('"sid":"')[2].partition('"')[0]
    said = site.get(f"{path}&sid={session}", method="POST", body=b"40")
    heard = site.get(f"{path}&sid={session}")
    return [opened.status, said.status, said.body, heard.status, '["hello",{"n":1}]' in heard.body]


def tells_of_processes(site: Site) -> bool:
    site.get()
    if site.maker == "girin":
        site.said("each with its own memory")  # which may be after its first answer
    site.stop()
    return "each with its own memory" in site.output()


def environment_of_its_own(site: Path) -> None:
    """A virtual environment with both servers' commands in it, as pip installs them."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", site / "venv"], check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(site / "venv")}))
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib"))
    command = site / "venv" / "bin" / "gunicorn"
    command.write_text(f"#!{site}/venv/bin/python\nfrom gunicorn.app.wsgiapp import run\nrun()\n")
    command.chmod(0o755)
    subprocess.run(["cp", servers.GIRIN, site / "venv" / "bin"], check=True)  # no descriptor of it is here for a fork to inherit


ASKING = app("""
if environ["PATH_INFO"] == "/break":
    breakpoint()
    return "went on"
return input("what? ")
""")


def on_the_terminal(site: Site) -> list[str]:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(site.body, "/input")
        site.said("what? ")
        site.type("typed")
        typed = asked.result()
        stopped = pool.submit(site.body, "/break")
        site.said("(Pdb)")
        site.type("p 6 * 7, environ['PATH_INFO']")
        site.said("(42, '/break')")
        site.type("c")
        return [typed, stopped.result()]


UPLOAD = os.urandom(1 << 20) * 3
UPLOADED = app('import hashlib\nreturn hashlib.sha256(environ["wsgi.input"].read()).hexdigest()')


def uploaded(site: Site) -> bool:
    return site.get("/", method="POST", body=UPLOAD).json() == hashlib.sha256(UPLOAD).hexdigest()


CASES = [
    Case("prometheus_client's server of when_ready lives through HUP and --reload", metrics_through_reloads, app=PID, config=METRICS, options=("--reload",),
         right=[True] * 3),
    Case("flask-sock's echo", echoes, app=SOCKETS, target="app:app", right=[[True] * 3, 1000, "enough", "here"]),
    *(
        Case(f"a polling session of Flask-SocketIO, {mode}", polls, app=POLLING % mode, target="app:app", options=("-w", "1"), classes=classes,
             right=[200, 200, "OK", 200, True])
        for mode, classes in {"threading": ("sync", "gthread"), "gevent": ("gevent",)}.items()
    ),
    Case(
        "without a number of workers there are several processes",
        tells_of_processes,
        app=PID,
        classes=("auto",),
        girin=True,
        because="Where neither workers nor threads nor a class is set, several processes run the application",
    ),
    Case(
        "a virtual environment's own command, with nothing activated",
        root,
        app=app("import os, sys\nreturn [os.path.basename(sys.prefix), sys.prefix == os.path.join(os.getcwd(), 'venv')]"),
        prepare=environment_of_its_own,
        program={"girin": ("{folder}/venv/bin/girin", "serve"), "gunicorn": ("{folder}/venv/bin/gunicorn", "--no-control-socket")},
        env={"PATH": "/usr/bin:/bin", "VIRTUAL_ENV": ""},
        right=["venv", True],
    ),
    Case("input() and breakpoint() in the foreground", on_the_terminal, app=ASKING, terminal=True, own={"girin": ("--debugger",)}, classes=("sync",),
         right=['"typed"', '"went on"']),
    Case("an upload where no temporary file can be made", uploaded, app=UPLOADED, env={"TMPDIR": "{folder}/nowhere"}, options=("--worker-tmp-dir", "/dev/shm"),
         right=True),
]
