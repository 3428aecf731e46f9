"""What follows a reload, setting by setting: the file says one thing at the start and another one when HUP
comes. Clients, the application and the logs tell which of the two holds."""
from __future__ import annotations

import contextlib
import json
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from process_cases import app
from sidebyside import PATIENCE, Case, Site

FACTS = "import os\nIMPORTED = os.getpid()\n" + app("""
return {
    "pid": os.getpid(), "imported here": IMPORTED == os.getpid(), "threads": environ["wsgi.multithread"], "processes": environ["wsgi.multiprocess"],
    "STAGE": os.environ.get("STAGE"), "folder": os.path.basename(os.getcwd()),
    "scheme": environ["wsgi.url_scheme"], "user": environ.get("HTTP_X_USER"), "client": environ["REMOTE_ADDR"], "module": __name__,
}""")
SAID = {"X-Forwarded-Proto": "https", "X_USER": "somebody"}


def ask(site: Site, before: bytes = b"", query: str = "") -> dict:
    """What the application tells, or {} if the connection ends without an answer."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in SAID.items())
    with socket.create_connection(("127.0.0.1", site.port), PATIENCE) as client:
        client.sendall(before + f"GET /?{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n".encode())
        answer = b""
        with contextlib.suppress(ConnectionError):
            while part := client.recv(1 << 16):
                answer += part
    body = answer.partition(b"\r\n\r\n")[2]
    return json.loads(body) if answer.startswith(b"HTTP/1.1 200") else {}


def hang_up(site: Site, text: str) -> None:
    """Returns when only workers of the file's new text answer."""
    before = Path("/proc", str(ask(site)["pid"]))
    (site.site / "gunicorn.conf.py").write_text(text)
    site.send(signal.SIGHUP)
    site.until(lambda: not before.exists())


def tells(name: str) -> Callable[[Site], object]:
    return lambda site: ask(site)[name]


PROXY = b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\n"



LOGS = ("first.log", "second.log")


def logs(after: str) -> Callable[[Site], object]:
    """Where the lines are of a request before the reload, and of one after it: in which file, or in the output."""

    def see(site: Site):
        ask(site, query="begun")
        hang_up(site, after)
        ask(site, query="changed")
        site.stop()
        texts = [file.read_text() if file.exists() else "" for file in (site.site / name for name in LOGS)] + [site.output()]
        return [[f"<{mark}>" in text for text in texts] for mark in ("begun", "changed")]

    return see


def errors(site: Site) -> list[bool]:
    """Which of the files, and does the output, say that a worker has started?"""
    ask(site)
    texts = [file.read_text() if file.exists() else "" for file in (site.site / name for name in LOGS)]
    return ["Booting worker" in text for text in (*texts, site.output())]


def both(look: Callable[[Site], object], after: str) -> Callable[[Site], object]:
    """What is to be seen before the reload and after it."""

    def see(site: Site):
        seen = [look(site)]
        hang_up(site, after)
        return [*seen, look(site)]

    return see


def to_syslog(site: Site) -> list[bool]:
    """Does a daemon of syslog get the line of a request, as long as the file says so?"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(PATIENCE)
        hang_up(site, f"access_log_format = '<%(q)s>'\nsyslog = True\nsyslog_addr = 'udp://127.0.0.1:{daemon.getsockname()[1]}'\n")
        ask(site, query="first")
        while b"<first>" not in daemon.recv(1 << 16):
            pass
        hang_up(site, "access_log_format = '<%(q)s>'\n")
        ask(site, query="second")
        site.stop()
        daemon.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while b"<second>" not in daemon.recv(1 << 16):
                pass
            return [True, True]
    return [True, False]


def watched(site: Site) -> bool:
    """Does a change of the application replace its worker, once the file says so?"""
    hang_up(site, "reload = True\n")
    before = ask(site)["pid"]
    changes = iter(range(10_000))

    def replaced() -> bool:
        (site.site / "app.py").write_text(FACTS + f"# {next(changes)}\n")
        time.sleep(0.5)
        return ask(site).get("pid", before) != before

    site.until(replaced)
    return True


def proxied(site: Site) -> object:
    """Whom the application takes for its client, as a PROXY header names it."""
    before = ask(site, before=PROXY).get("client")
    hang_up(site, "proxy_protocol = True\n")
    return [before, ask(site, before=PROXY).get("client")]


OTHER_LOGS = """
logconfig_dict = {"formatters": {"generic": {"format": "other: %(message)s"}}}
"""


def looks(site: Site) -> bool:
    """Do lines of the error log look as logconfig says?"""
    return bool(site.lines("other: Booting worker"))


FOLLOWED = [  # the setting, the file at the start and at the reload, what is looked at, what is seen
    ("workers", "", "workers = 3\n", tells("processes"), [False, True]),
    ("threads", "", "threads = 4\n", tells("threads"), [False, True]),
    ("raw_env", "raw_env = ['STAGE=first']\n", "raw_env = ['STAGE=second']\n", tells("STAGE"), ["first", "second"]),
    ("the environment", "import os\nos.environ['STAGE'] = 'first'\n", "import os\nos.environ['STAGE'] = 'second'\n", tells("STAGE"), ["first", "second"]),
    ("chdir", "", "import os\nchdir = os.path.abspath('other')\n", tells("folder"), ["site", "other"]),
    ("preload_app", "", "preload_app = True\n", tells("imported here"), [True, False]),
    ("wsgi_app", "wsgi_app = 'app'\n", "wsgi_app = 'second'\n", tells("module"), ["app", "second"]),
    ("secure_scheme_headers", "", "secure_scheme_headers = {'X-OTHER': 'secure'}\n", tells("scheme"), ["https", "http"]),
    ("forwarded_allow_ips", "", "forwarded_allow_ips = '192.0.2.1'\n", tells("scheme"), ["https", "http"]),
    ("forwarder_headers", "", "forwarder_headers = 'X_USER'\n", tells("user"), [None, "somebody"]),
    ("header_map", "", "header_map = 'dangerous'\n", tells("user"), [None, "somebody"]),
    ("errorlog", "errorlog = 'first.log'\n", "errorlog = 'second.log'\n", errors, [[True, False, False], [True, True, False]]),
    ("errorlog that cannot be opened", "errorlog = 'first.log'\n", "errorlog = '/nowhere/log'\nraw_env = ['STAGE=second']\n", tells("STAGE"), [None, "second"]),
    ("logconfig_dict", "", OTHER_LOGS, looks, [False, True]),
]
FORMAT = "access_log_format = '<%(q)s>'\n"
MOVED = [  # the access log at the start and at the reload, and where its lines are of two requests
    ("a file and another one", "first.log", "second.log", [[True, False, False], [False, True, False]]),
    ("none and a file", "", "second.log", [[False, False, False], [False, True, False]]),
    ("a file and none", "first.log", "", [[True, False, False], [False, False, False]]),
    ("a file and the standard output", "first.log", "-", [[True, False, False], [False, False, True]]),
]


def access_to(target: str) -> str:
    return FORMAT + (f"accesslog = {target!r}\n" if target else "")


ONE = {"app": FACTS, "classes": ("sync",), "files": {"other/app.py": FACTS, "second.py": FACTS}}
CASES = [
    *(
        Case(f"a reload follows {name}", both(look, after), config=before or "\n", right=right, target="" if name == "wsgi_app" else "app", **ONE)
        for name, before, after, look, right in FOLLOWED
    ),
    *(
        Case(f"a reload follows the access log: {name}", logs(access_to(after)), config=access_to(before), right=right, **ONE)
        for name, before, after, right in MOVED
    ),
    Case("a reload follows syslog", to_syslog, config="\n", right=[True, False], **ONE),
    Case("a reload follows proxy_protocol", proxied, config="\n", right=[None, "192.0.2.7"], **ONE),
    Case("a reload follows reload", watched, config="\n", right=True, **ONE),
]
