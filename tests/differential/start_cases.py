"""A worker's start, step by step: in which order hooks and the import of the app come, what the class has
patched by then, what of a hook's work is left afterwards, and files and apps that close descriptors or
ignore signals."""
from __future__ import annotations

import os
import signal

from config_cases import MARK, PID, comes, marks
from process_cases import MOUNTED, app, root, statuses
from sidebyside import Case, Site

# Marks the class's work as it stands at each step: is gevent imported, and has it patched?
STEPS = MARK + """
import sys
def step(name):
    monkey = sys.modules.get("gevent.monkey")
    patched = monkey is not None and [n for n in ("socket", "threading", "time", "os", "ssl") if monkey.is_module_patched(n)]
    mark(name + ":" + ("-" if monkey is None else "+".join(patched) or "unpatched"))
def on_starting(server): step("on_starting")
def when_ready(server): step("when_ready")
def pre_fork(server, worker): step("pre_fork")
def post_fork(server, worker): step("post_fork")
def post_worker_init(worker): step("post_worker_init")
def worker_exit(server, worker): step("worker_exit")
"""
STEP_APP = "import __config__\n__config__.step('import')\n" + app("import __config__\n__config__.step('request')\nreturn 1")


def steps(site: Site) -> list[str]:
    site.get()
    site.stop()
    return marks(site)


def in_worker(site: Site) -> list[str]:
    """The same without what the master does, whose order against a worker's is nobody's promise."""
    return [mark for mark in steps(site) if mark.split(":")[0] in ("post_fork", "import", "post_worker_init", "request", "worker_exit")]


LEFT = """
import os, random, signal
raw_env = ["STAGE=raw", "OTHER=raw"]
NUMBERS = [getattr(signal, "SIG" + name) for name in "HUP QUIT INT TERM USR1 USR2 WINCH CHLD".split()]
def mine(number, frame): pass
def on_starting(server): os.environ["STAGE"] = "on_starting"
def pre_fork(server, worker): os.environ["OTHER"] = "pre_fork"
def post_fork(server, worker):
    os.environ["STAGE"] = "post_fork"
    os.environ["OWN"] = "post_fork"
    random.seed(1)
    for number in (*NUMBERS, signal.SIGALRM):
        signal.signal(number, mine)
"""

LEFT_APP = """
import os, random, signal, __config__
DRAWN = random.random()
LEFT = [signal.Signals(n).name for n in (*__config__.NUMBERS, signal.SIGALRM) if signal.getsignal(n) is __config__.mine]
KNOWN = random.Random(1).random()
""" + app("return [os.environ[k] for k in ('STAGE', 'OTHER', 'OWN')] + [DRAWN == KNOWN, LEFT]")

MANAGER = """
import multiprocessing
def on_starting(server):
    server.manager = multiprocessing.get_context("fork").Manager()
    server.seen = server.manager.list()
def post_fork(server, worker):
    server.seen.append(worker.age)
    import os
    os.environ["SEEN"] = str(len(server.seen))
"""

CLOSING = {
    "closerange up to 256": "os.closerange(3, 256)",
    "closerange up to 65536": "os.closerange(3, 65536)",
    "one by one": "for number in range(3, 1024):\n    try: os.close(number)\n    except OSError: pass",
    "what /proc lists": "for number in os.listdir('/proc/self/fd'):\n    if int(number) > 2:\n        try: os.close(int(number))\n        except OSError: pass",
}


def replaced(site: Site) -> list[object]:
    """Another worker takes the place of one that is killed, and the server ends as ever."""
    pid = int(site.body())
    os.kill(pid, signal.SIGKILL)
    site.until(lambda: int(site.body()) != pid)
    return [site.stop()]


def asked_once_forked(site: Site):
    comes(site, "forked")
    return statuses("/app/x")(site)


CASES = [
    Case("what the class has patched at each step", in_worker, app=STEP_APP, config=STEPS, classes=("sync", "gthread", "gevent")),
    Case(
        "what the class has patched at each step, with preload_app",
        in_worker,
        app=STEP_APP,
        config=STEPS + "preload_app = True\n",
        classes=("sync", "gthread"),
    ),
    Case(
        "what the master's hooks find patched",
        lambda site: [mark for mark in steps(site) if mark.split(":")[0] in ("on_starting", "when_ready", "pre_fork")],
        app=STEP_APP,
        config=STEPS,
        classes=("sync", "gthread", "gevent"),
    ),
    Case("what is left of post_fork's work", root, app=LEFT_APP, config=LEFT),
    Case("post_fork talks to a manager of on_starting's", root, app=app("import os\nreturn os.environ['SEEN']"), config=MANAGER, right="1"),
    *(
        Case(
            f"the file closes descriptors: {how}",
            root,
            app=app("import os\nreturn [os.environ['STAGE'], open('app.py').read(3)]"),
            config=f"import os\n{code}\nos.environ['STAGE'] = 'set'\nkept = open(__file__)\ndef post_fork(server, worker):\n    kept.read()\n",
            right=["set", "\nde"],
        )
        for how, code in CLOSING.items()
    ),
    *(
        Case(
            f"the app ignores SIGCHLD{', with preload_app' * bool(options)}",
            replaced,
            app="import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n" + PID,
            options=options,
            right=[0],
        )
        for options in ((), ("--preload",))
    ),
    Case(
        "the app ignores SIGCHLD, and runs a program",
        root,
        app="import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n" + app("import subprocess\nreturn subprocess.run(['echo', 'said'], stdout=subprocess.PIPE).stdout.decode()"),
        right="said\n",
    ),
    *(
        Case(
            f"pre_fork mounts the app{', with preload_app' * bool(options)}",
            asked_once_forked,
            app="import time\ntime.sleep(0.5)\n" + MOUNTED,
            config=MARK + "def pre_fork(server, worker): os.environ['SCRIPT_NAME'] = '/app'\ndef post_fork(server, worker): mark('forked')\n",
            options=options,
            right={"/app/x": ["/app", "/x"]},
        )
        for options in ((), ("--preload",))
    ),
]
