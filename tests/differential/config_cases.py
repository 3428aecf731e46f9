"""The configuration file as a program, its hooks, and the loggers that it names.

The objects that hooks are given: what their classes have under the installed gunicorn is
drawn there, by the same file.
"""
from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from process_cases import app, root
from sidebyside import Case, Site

def at_once(site: Site) -> list[str]:
    """What several requests at the same time are answered."""
    with ThreadPoolExecutor(8) as pool:
        return [answer.body for answer in pool.map(lambda _: site.get(), range(16))]


def several(site: Site):
    """What two workers answer."""
    seen: set[str] = set()
    site.until(lambda: (seen.update(at_once(site)), len(seen) >= 2)[1], f"{seen}: {site.output()[-1500:]}")
    return sorted(seen)


def one_value(site: Site):
    """How many values two workers have between them: one, if it was made before the fork."""
    seen: dict[int, str] = {}
    site.until(lambda: (seen.update(map(json.loads, at_once(site))), len(seen) >= 2)[1], f"{seen}: {site.output()[-1500:]}")
    return len(set(seen.values()))


def marks(site: Site) -> list[str]:
    """What hooks have noted in the file marks, in order."""
    path = site.site / "marks"
    return path.read_text().split() if path.exists() else []


MARK = """
import os
def mark(text):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "marks"), "a") as file:
        file.write(text + "\\n")
"""
HOOKS = """
def on_starting(server): mark("on_starting")
def on_reload(server): mark("on_reload")
def when_ready(server): mark("when_ready")
def pre_fork(server, worker): mark(f"pre_fork:{worker.age}")
def post_fork(server, worker): mark(f"post_fork:{worker.age}")
def post_worker_init(worker): mark(f"init:{worker.age}")
def worker_int(worker): mark(f"int:{worker.age}")
def worker_exit(server, worker): mark(f"exit:{worker.age}")
def child_exit(server, worker): mark(f"child_exit:{worker.age}")
def nworkers_changed(server, new, old): mark(f"workers:{old}-{new}")
def on_exit(server): mark("on_exit")
"""


def life(*steps):
    """The hooks of a server that has one worker and is told to do these things."""

    def see(site: Site):
        site.get()
        for step in steps:
            step(site)
        site.stop()
        return marks(site)

    return see


def comes(site: Site, *wanted: str) -> None:
    site.until(lambda: set(wanted) <= set(marks(site)), f"{wanted}, not only {marks(site)}: {site.output()[-1500:]}")


def hang_up(site: Site) -> None:
    comes(site, "init:1")
    site.send(signal.SIGHUP)
    comes(site, "init:2", "child_exit:1")


def repeat_until_ended(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        for n in range(100):
            time.sleep(0.1)
            os.kill(pid, number if n % 20 == 19 else 0)


PID = app("import os\nreturn os.getpid()")

OBJECTS = """
import json, os
bind = os.environ.get("BIND", "127.0.0.1:0")
timeout = 20
max_requests = 1000
raw_env = ["STAGE=tests"]
def names(found):
    return {key: type(value).__name__ for key, value in found.items()}
def when_ready(server):
    server.seen = {
        "address": len(server.address), "wsgi": callable(server.app.wsgi()), "listeners": len(server.LISTENERS),
        "workers": dict(server.WORKERS), "access": server.log.access_log.name, "error": server.log.error_log.name,
        "num_workers": server.num_workers, "timeout": server.timeout, "pid": server.pid == os.getpid() or server.pid == os.getppid(),
        "master": server.master_name, "proc_name": server.proc_name, "uri": server.app.app_uri, "again": server.app.callable is server.app.wsgi(),
    }
def post_worker_init(worker):
    cfg = worker.cfg
    seen = {
        "threads": cfg.settings["threads"].value, "get": cfg.settings["timeout"].get(), "env": cfg.env, "ssl": bool(cfg.is_ssl),
        "timeout": worker.timeout, "max_requests": worker.max_requests, "sockets": len(worker.sockets), "tmp": worker.tmp.last_update() > 0,
        "callable": worker.app.callable is worker.wsgi, "wsgi": worker.app.wsgi() is worker.wsgi, "age": worker.age, "ppid": worker.ppid == os.getppid(),
        "booted": worker.booted, "aborted": worker.aborted, "alive": worker.alive, "nr": worker.nr, "workers": cfg.workers,
        "address": len(cfg.address), "class": cfg.worker_class_str, "proc_name": cfg.proc_name, "uid": cfg.uid, "reuse": cfg.reuse_port,
        "env_orig": "PATH" in cfg.env_orig, "forwarded": [str(n) for n in cfg.forwarded_allow_networks()], "paste": cfg.paste_global_conf,
        "bytes": cfg.limit_request_line, "umask": cfg.umask, "text": str(worker).startswith("<Worker "), "hook": callable(cfg.post_fork),
    }
    os.environ["SEEN"] = json.dumps(seen, default=str)
def post_fork(server, worker):
    os.environ["SERVER"] = json.dumps(server.seen, default=str)
"""

REQUESTS = """
def pre_request(worker, req):
    worker.log.info("pre %s %s %s %s", req.method, req.path, req.peer_addr[0] == req.remote_addr[0], len(req.peer_addr))
def post_request(worker, req, environ, resp):
    worker.log.info("post %s %s %s %s", resp.status_code, resp.response_length, resp.sent, dict(resp.headers).get("Content-Type"))
"""

LOGGER = """
import logging
from gunicorn.glogging import Logger
class Quiet(logging.Filter):
    def filter(self, record):
        return "/health" not in record.getMessage()
class Own(Logger):
    def setup(self, cfg):
        super().setup(cfg)
        self.access_log.addFilter(Quiet())
    def access(self, resp, req, environ, request_time):
        if req.path != "/left-out":
            super().access(resp, req, environ, request_time)
logger_class = Own
accesslog = "-"
access_log_format = '%(h)s %(m)s %(U)s %(q)s %(H)s %(s)s %(b)s %({x-a}i)s %({Content-Type}o)s %({REQUEST_METHOD}e)s %(L)s'
"""

DICT = """
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "INFO", "handlers": ["error"]},
    "formatters": {"plain": {"format": "%(name)s|%(levelname)s|%(message)s"}},
    "handlers": {
        "access": {"class": "logging.FileHandler", "filename": "access.log", "formatter": "plain"},
        "error": {"class": "logging.FileHandler", "filename": "error.log", "formatter": "plain"},
    },
    "loggers": {
        "gunicorn.access": {"level": "INFO", "handlers": ["access"], "propagate": False},
        "gunicorn.error": {"level": "INFO", "handlers": ["error"], "propagate": False},
    },
}
access_log_format = "%(m)s %(U)s %(s)s"
"""


def asked(site: Site, *paths: str) -> None:
    with site.connection() as connection:
        for path in paths:
            connection.request("GET", path, headers={"X-A": "7"})
            connection.getresponse().read()


def access_lines(site: Site):
    asked(site, "/a?b=c", "/health", "/left-out", "/last")
    site.said("/last")
    return site.lines(r"127.0.0.1 GET (?!/ )\S* .*? GET")


def in_files(site: Site):
    asked(site, "/one", "/two")
    access = site.site / "access.log"
    site.until(lambda: access.exists() and "/two" in access.read_text(), site.output()[-2000:])
    site.stop()
    error = (site.site / "error.log").read_text()
    return [
        [line for line in access.read_text().splitlines() if "GET / " not in line],
        sorted(set(re.findall(r"gunicorn.error\|INFO\|(Listening at|Handling signal: term|Worker exiting|Shutting down)", error))),
    ]


def in_own_file(site: Site):
    """What a hook's handler has of before a reload, and of after it."""
    hang_up(site)
    site.get()
    site.stop()
    text = (site.site / "own.log").read_text()
    return re.findall(r"own (Hang up: Master|Handling signal: term|Shutting down: Master)", text)


def rotated(site: Site):
    """Log files that are moved away are made anew after USR1."""
    asked(site, "/one")
    access = site.site / "access.log"
    site.until(lambda: access.exists() and "/one" in access.read_text(), site.output()[-2000:])
    access.rename(site.site / "access.log.1")
    site.send(signal.SIGUSR1)
    site.until(access.exists, site.output()[-2000:])
    asked(site, "/two")
    site.until(lambda: "/two" in access.read_text(), site.output()[-2000:])
    return [line for line in access.read_text().splitlines() if "/one" in line or "/two" in line]


def served_twice(site: Site):
    """What a thread of when_ready counts goes on through a reload."""
    before = site.body("/")
    site.send(signal.SIGHUP)
    site.until(lambda: len(marks(site)) >= 2, str(marks(site)))
    time.sleep(0.3)
    return before, site.body("/"), len(set(marks(site)))


def refuses(site: Site):
    """A file that no server starts with."""
    return [site.ended() != 0, "on_starting" in site.output() or "pre_request" in site.output() or "arity" in site.output()]


def goes_on(site: Site):
    """A file that fails at a reload."""
    before = site.body("/")
    (site.site / "gunicorn.conf.py").write_text("import os\nos.environ['STAGE'] = 'broken'\nraise RuntimeError('not today')\n")
    site.send(signal.SIGHUP)
    site.said("not today")
    time.sleep(0.5)
    return [before, site.process.poll() is None and site.body("/")]


def environ_of(name: str) -> str:
    return app(f"import os\nreturn os.environ.get({name!r})")


CASES = [
    Case(
        "the file's environ.setdefault comes before the app's",
        root,
        app="import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_development')\n" + environ_of("DJANGO_SETTINGS_MODULE"),
        config="import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_production')\n",
        right="site_production",
    ),
    Case(
        "the file puts a folder on sys.path",
        root,
        app="import helper\n" + app("return helper.NAME"),
        files={"lib/helper.py": "NAME = 'from lib'\n"},
        config="import sys\nsys.path.insert(0, 'lib')\n",
        right="from lib",
    ),
    Case(
        "the file patches a module",
        root,
        app=app("import json\nreturn json.PATCHED"),
        config="import json\njson.PATCHED = 'yes'\n",
        right="yes",
    ),
    Case(
        "a secret drawn at the top is one for all workers",
        one_value,
        app=app("import os\nreturn [os.getpid(), os.environ['SECRET']]"),
        config="import os, secrets\nworkers = 2\nos.environ['SECRET'] = secrets.token_hex(4)\ndef post_fork(server, worker): pass\n",
        right=1,
    ),
    Case(
        "the top runs once, however many workers are started",
        lambda site: (several(site), [os.kill(int(pid), signal.SIGKILL) for pid in several(site)], time.sleep(1), site.get(), len(marks(site)))[-1],
        app=PID,
        config=MARK + "workers = 2\nmark('top')\ndef post_fork(server, worker): pass\n",
        classes=("sync", "gthread", "gevent"),
        right=1,
    ),
    Case(
        "pre_fork puts an attribute on the worker",
        root,
        app=environ_of("NUMBER"),
        config="import os\ndef pre_fork(server, worker):\n    worker.number = 40 + worker.age\n"
               "def post_fork(server, worker):\n    os.environ['NUMBER'] = 'yes' if worker.number > 40 else 'no'\n",
        right="yes",
    ),
    Case(
        "pre_fork gives each worker a device of its own",
        several,
        app=environ_of("CUDA_VISIBLE_DEVICES"),
        config="import os\nworkers = 2\nfree = ['0', '1', '2', '3', '4', '5']\ndef on_starting(server):\n    free.reverse()\n"
               "def pre_fork(server, worker):\n    os.environ['CUDA_VISIBLE_DEVICES'] = free.pop()\n"
               "def child_exit(server, worker):\n    free.append('again')\n",
        classes=("sync", "gthread", "gevent"),
        right=['"0"', '"1"'],
    ),
    Case(
        "pre_fork gives each worker a device, with preload_app",
        several,
        app=environ_of("CUDA_VISIBLE_DEVICES"),
        config="import os\nworkers = 2\npreload_app = True\nfree = ['1', '0']\n"
               "def pre_fork(server, worker):\n    os.environ['CUDA_VISIBLE_DEVICES'] = worker.device = free.pop()\n"
               "def post_fork(server, worker):\n    assert worker.device == os.environ['CUDA_VISIBLE_DEVICES']\n",
        classes=("sync", "gthread", "gevent"),
        right=['"0"', '"1"'],
    ),
    Case(
        "on_starting sets the environment",
        root,
        app=environ_of("STARTED"),
        config="import os\ndef on_starting(server):\n    os.environ['STARTED'] = 'yes'\n",
        right="yes",
    ),
    Case(
        "a value and a lock of multiprocessing are shared",
        lambda site: max(int(site.body()) for _ in range(40)),
        app="import __config__\n" + app("with __config__.number.get_lock():\n    __config__.number.value += 1\n    return __config__.number.value"),
        config="import multiprocessing\nworkers = 2\nnumber = multiprocessing.Value('i')\n",
        right=40,
    ),
    Case(
        "a queue of multiprocessing reaches a helper of on_starting",
        lambda site: ([site.get() for _ in range(8)], site.until(lambda: marks(site) == ["got"] * 8, str(marks(site))), marks(site))[-1],
        app="import __config__\n" + app("__config__.queue.put('got')\nreturn 1"),
        config=MARK + "import multiprocessing\nworkers = 2\nqueue = multiprocessing.get_context('fork').Queue()\n"
               "def helper():\n    while True: mark(queue.get())\n"
               "def on_starting(server):\n    server.helper = multiprocessing.get_context('fork').Process(target=helper, daemon=True)\n    server.helper.start()\n",
        right=["got"] * 8,
        classes=("sync", "gthread", "auto"),  # gevent's locks and multiprocessing's threads do not agree, under gunicorn too
    ),
    Case(
        "a server of when_ready lives through a reload",
        lambda site: (hang_up(site), [mark for mark in marks(site) if mark.startswith("thread")][:1], marks(site).count("when_ready"),
                      [int(site.body("/")) > 0])[1:],
        app=app("import urllib.request\nreturn int(urllib.request.urlopen(open('address').read(), timeout=5).read())"),
        config=MARK + HOOKS.replace('mark("when_ready")', """
    mark("when_ready")
    import http.server, os, threading
    class Count(http.server.BaseHTTPRequestHandler):
        asked = 0
        def do_GET(self):
            Count.asked += 1
            self.send_response(200); self.end_headers(); self.wfile.write(str(Count.asked).encode())
        def log_message(self, *args): pass
    server.metrics = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Count)
    open("address", "w").write("http://127.0.0.1:%d/" % server.metrics.server_port)
    threading.Thread(target=server.metrics.serve_forever, daemon=True).start()
"""),
        classes=("sync", "gthread", "gevent"),
    ),
    Case("the hooks of a life", life(lambda site: comes(site, "init:1")), app=PID, config=MARK + HOOKS, classes=("sync", "gthread", "gevent")),
    Case(
        "the hooks of a reload",
        lambda site: (life(hang_up)(site), [mark for mark in marks(site) if not mark.startswith(("exit", "child"))])[1],
        app=PID, config=MARK + HOOKS, classes=("sync", "gthread", "gevent"),
    ),
    Case(
        "the hooks of an app that cannot be imported",
        lambda site: (site.ended(), sorted({mark.partition(":")[0] for mark in marks(site)} - {"child_exit", "when_ready"}))[1],
        app="import nothing_of_this_name\n", config=MARK + HOOKS, classes=("sync", "gthread", "gevent"),
    ),
    Case(
        "the objects of hooks",
        lambda site: [site.get("/").json(), site.get("/server").json()],
        app=app("import json, os\nreturn json.loads(os.environ['SEEN' if environ['PATH_INFO'] == '/' else 'SERVER'])"),
        config=OBJECTS, classes=("sync", "gthread", "gevent"),
    ),
    Case(
        "the objects of hooks of requests",
        lambda site: (site.get("/x"), site.said("post 200"), site.lines(r"INFO\] ((?:pre GET /x|post 200) .*)")[:2])[-1],
        app=PID, config=REQUESTS, classes=("sync", "gthread", "gevent"),
    ),
    Case("a logger_class with a filter", access_lines, app=PID, config=LOGGER, classes=("sync", "gthread", "gevent", "auto")),
    Case(
        "a filter that on_starting adds to the access log",
        access_lines,
        app=PID,
        config="import logging\naccesslog = '-'\naccess_log_format = '%(h)s %(m)s %(U)s %(s)s %({REQUEST_METHOD}e)s'\n"
               "class Quiet(logging.Filter):\n    def filter(self, record): return '/health' not in record.getMessage()\n"
               "def on_starting(server):\n    server.log.access_log.addFilter(Quiet())\n",
    ),
    Case(
        "a handler that on_starting adds to the error log stays through a reload",
        in_own_file,
        app=PID,
        config=MARK + HOOKS.replace('mark("on_starting")', """
    mark("on_starting")
    import logging
    handler = logging.FileHandler("own.log")
    handler.setFormatter(logging.Formatter("own %(message)s"))
    server.log.error_log.addHandler(handler)
"""),
        classes=("sync", "gevent"),
    ),
    Case(
        "a logger_class that notes requests itself, without an access log",
        lambda site: (asked(site, "/a", "/b"), site.said("noted /b"), site.lines(r"(noted /[ab] \d+)"))[-1],
        app=PID,
        config="from gunicorn.glogging import Logger\nclass Noting(Logger):\n"
               "    def access(self, resp, req, environ, request_time):\n        self.error_log.info('noted %s %d', req.path, resp.status_code)\n"
               "logger_class = Noting\n",
        right=["noted /a 200", "noted /b 200"],
    ),
    Case("logconfig_dict for both logs", in_files, app=PID, config=DICT),
    Case("logconfig_dict, and files that are moved away", rotated, app=PID, config=DICT, classes=("sync", "gthread")),
    Case(
        "a hook of requests that lacks an argument",
        refuses, app=PID, config="def pre_request(worker): pass\n", classes=("sync",), right=[True, True],
    ),
    Case(
        "a hook of the master that lacks an argument",
        refuses, app=PID, config="def on_starting(): pass\n", classes=("sync",), right=[True, True],
    ),
    Case(
        "a file that fails at a reload",
        goes_on,
        app=environ_of("STAGE"),
        config="import os\nos.environ['STAGE'] = 'first'\n",
        classes=("sync", "gthread", "gevent"),
        girin=['"first"', '"first"'],
        because="A configuration file that fails at a reload changes nothing",
    ),
    *(
        Case(f"loglevel = {level!r}", root, app=app("return 1"), config=f"loglevel = {level!r}\n", classes=("sync",), right=1)
        for level in ("warn", "trace", "", "WARNING")
    ),
]
CASES.append(
    Case(
        "a hook sets server.num_workers",
        several,
        app=PID.replace("os.getpid()", "os.environ['AGE']"),
        config="import os\nworkers = 1\ndef when_ready(server): server.num_workers = 2\ndef pre_fork(server, worker): os.environ['AGE'] = str(worker.age)\n",
        classes=("sync", "gthread"),
        right=['"1"', '"2"'],
    )
)
