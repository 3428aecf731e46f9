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


LOGGING = json.dumps({"formatters": {"generic": {"format": "first: %(message)s"}}})


def looks(site: Site) -> str:
    """How the line of the newest worker looks; afterwards the file of logging says otherwise."""
    ask(site)
    site.until(lambda: site.lines("(\\w+): Booting worker"))
    (site.site / "logging.json").write_text(LOGGING.replace("first", "second"))
    return site.lines("(\\w+): Booting worker")[-1]


MANY = ("threads", "processes", "STAGE", "folder", "scheme", "user")
FOLLOWED = [  # the settings, the file at the start and at the reload, what is looked at, what is seen
    ("workers, threads, raw_env, chdir, secure_scheme_headers, forwarder_headers", "raw_env = ['STAGE=first']\n",
     "import os\nworkers, threads, raw_env, chdir = 2, 2, ['STAGE=second'], os.path.abspath('other')\nsecure_scheme_headers = {'X-OTHER': 'secure'}\nforwarder_headers = 'X_USER'\n",
     lambda site: [ask(site)[name] for name in MANY], [[False, False, "first", "site", "https", None], [True, True, "second", "other", "http", "somebody"]]),
    ("the environment, forwarded_allow_ips, header_map, preload_app", "import os\nos.environ['STAGE'] = 'first'\n",
     "import os\nos.environ['STAGE'] = 'second'\nforwarded_allow_ips, header_map, preload_app = '192.0.2.1', 'dangerous', True\n",
     lambda site: [ask(site)[name] for name in ("STAGE", "scheme", "user", "imported here")], [["first", "https", None, True], ["second", "http", "somebody", False]]),
    ("wsgi_app and errorlog", "wsgi_app, errorlog = 'app', 'first.log'\n", "wsgi_app, errorlog = 'second', 'second.log'\n",
     lambda site: [ask(site)["module"], *errors(site)], [["app", True, False, False], ["second", True, True, False]]),
    ("an errorlog that cannot be opened", "errorlog = 'first.log'\n", "errorlog = '/nowhere/log'\nraw_env = ['STAGE=second']\n", tells("STAGE"), [None, "second"]),
]
FORMAT = "access_log_format = '<%(q)s>'\n"
PLACES = ["first.log", "second.log", "", "-", "first.log"]  # of the access log: at the start, and after each reload


def access_to(target: str) -> str:
    return FORMAT + (f"accesslog = {target!r}\n" if target else "")


def logged(site: Site) -> list[str]:
    """Where the lines are of a request to each place in turn: in which files, or in the output."""
    for n, place in enumerate(PLACES):
        if n:
            hang_up(site, access_to(place))
        ask(site, query=f"asked{n}")
    site.stop()
    texts = {name: file.read_text() for name in LOGS if (file := site.site / name).exists()} | {"-": site.output()}
    return [" ".join(name for name, text in texts.items() if f"<asked{n}>" in text) for n in range(len(PLACES))]


WITHOUT_A_CLASS = {"gunicorn": ("-k", "sync", "--threads", "1")}  # the last ones count: what the file says of workers then does


def classes_of_two(site: Site) -> list:
    """Is nothing said of a class that stays, and does the rest of the file take effect?"""
    hang_up(site, "workers = 2\nraw_env = ['STAGE=second']\n")
    return ["The class stays auto" not in site.output(), ask(site)["STAGE"]]


ONE = {"app": FACTS, "classes": ("sync",), "files": {"other/app.py": FACTS, "second.py": FACTS}}
CASES = [
    *(
        Case(f"a reload follows {name}", both(look, after), config=before, right=right, target="" if "wsgi_app" in name else "app", **ONE)
        for name, before, after, look, right in FOLLOWED
    ),
    Case("a reload follows the access log", logged, config=access_to(PLACES[0]), right=PLACES, **ONE),
    Case("a reload follows syslog", to_syslog, config="\n", right=[True, False], **ONE),
    Case("a reload follows proxy_protocol", proxied, config="\n", right=[None, "192.0.2.7"], **ONE),
    Case("a reload follows reload", watched, config="\n", right=True, **ONE),
    Case("a reload follows logconfig_json, whose file has changed", both(looks, "logconfig_json = 'logging.json'\nloglevel = 'info'\n"), config="logconfig_json = 'logging.json'\n",
         right=["first", "second"], app=FACTS, classes=("sync",), files={"logging.json": LOGGING}),
    Case("a reload with another class than auto", classes_of_two, app=FACTS, config="\n", own=WITHOUT_A_CLASS, classes=("auto",),
         right=[True, "second"], girin=[False, "second"], because="A reload does not change the class to or from `auto`"),
]
