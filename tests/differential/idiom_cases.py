"""What public configuration files do, an idiom each: the server starts, and serves as gunicorn does."""
from __future__ import annotations

import os
import signal

from process_cases import app
from sidebyside import Case, Site

IDIOMS = {
    "workers from the number of cores": "import multiprocessing\nworkers = multiprocessing.cpu_count() * 2 + 1",
    "workers from the environment": "import os\nworkers = int(os.environ.get('WEB_CONCURRENCY', 2))\nthreads = int(os.getenv('THREADS', '1'))",
    "settings from GUNICORN_ variables": "import os\nfor k, v in os.environ.items():\n    if k.startswith('GUNICORN_') and k != 'GUNICORN_CMD_ARGS':\n        locals()[k.split('_', 1)[1].lower()] = v",
    "a class of settings": "class C:\n    timeout = 60\nglobals().update({k: v for k, v in vars(C).items() if k[0] != '_'})",
    "json printed at the end": "import json\nworkers = 1\nprint(json.dumps({'workers': workers}))",
    "asserts about itself": "workers = 1\nassert workers > 0\nassert __file__.endswith('gunicorn.conf.py')",
    "bind as a list": "import os\nbacklog = 512\nkeepalive = 5",
    "worker_tmp_dir in memory": "worker_tmp_dir = '/dev/shm'",
    "max_requests with jitter": "max_requests = 1000\nmax_requests_jitter = 50",
    "timeouts": "timeout = 120\ngraceful_timeout = 30\nkeepalive = 2",
    "preload_app": "preload_app = True",
    "raw_env": "raw_env = ['A=1', 'B=two words']",
    "pythonpath": "pythonpath = '.'",
    "proc_name": "proc_name = 'shop'",
    "logging to the terminal": "accesslog = '-'\nerrorlog = '-'\nloglevel = 'info'\ncapture_output = True",
    "an access log in JSON by hand": "accesslog = '-'\naccess_log_format = '{\"m\": \"%(m)s\", \"s\": %(s)s, \"d\": %(D)s, \"u\": \"%(U)s\"}'",
    "trust in a proxy": "forwarded_allow_ips = '*'\nsecure_scheme_headers = {'X-FORWARDED-PROTO': 'https'}\nproxy_allow_ips = '*'",
    "limits": "limit_request_line = 8190\nlimit_request_fields = 200\nlimit_request_field_size = 16380",
    "a path of the project": "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))",
    "chdir to the file's folder": "import os\nchdir = os.path.dirname(os.path.abspath(__file__))",
    "a pidfile": "pidfile = 'server.pid'",
    "umask": "umask = 0o007",
    "its own user": "import os\nuser = os.getuid()\ngroup = os.getgid()",
    "hooks that log": "def on_starting(server): server.log.info('starting')\ndef when_ready(server): server.log.info('Server is ready. Spawning workers')\n"
                      "def pre_fork(server, worker): pass\ndef post_fork(server, worker): server.log.info('Worker spawned (pid: %s)', worker.pid)\n"
                      "def pre_exec(server): server.log.info('Forked child, re-executing.')\ndef worker_int(worker): worker.log.info('worker received INT or QUIT signal')\n"
                      "def worker_abort(worker): worker.log.info('worker received SIGABRT signal')",
    "stacks at worker_int": "def worker_int(worker):\n    import sys, threading, traceback\n    names = {t.ident: t.name for t in threading.enumerate()}\n"
                            "    for ident, stack in sys._current_frames().items(): worker.log.debug(names.get(ident)); traceback.extract_stack(stack)",
    "prometheus's child_exit": "def child_exit(server, worker):\n    try:\n        from prometheus_client import multiprocess\n    except ImportError:\n        return\n    multiprocess.mark_process_dead(worker.pid)",
    "a folder for metrics": "import os, shutil\nd = os.environ.setdefault('PROMETHEUS_MULTIPROC_DIR', os.path.abspath('metrics'))\nshutil.rmtree(d, ignore_errors=True)\nos.makedirs(d)",
    "request times in hooks": "import time\ndef pre_request(worker, req):\n    req.start = time.time()\ndef post_request(worker, req, environ, resp):\n    worker.log.debug('%s %.3f', req.path, time.time() - req.start)",
    "a header put in by pre_request": "import uuid\ndef pre_request(worker, req):\n    req.headers.append(('X-REQUEST-ID', 'fixed'))",
    "a nested logconfig_dict": "logconfig_dict = {'version': 1, 'loggers': {}, 'disable_existing_loggers': False, 'root': {'level': 'INFO', 'handlers': ['console']}, 'handlers': {'console': {'class': 'logging.StreamHandler', 'formatter': 'generic', 'stream': 'ext://sys.stdout'}}, 'formatters': {'generic': {'format': '%(asctime)s %(message)s'}}}",
    "a filter made by a function": "import logging\nclass F(logging.Filter):\n    def filter(self, r): return True\nlogconfig_dict = {'version': 1, 'loggers': {}, 'root': {'level': 'INFO', 'handlers': ['c']}, 'filters': {'f': {'()': F}}, 'handlers': {'c': {'class': 'logging.StreamHandler', 'filters': ['f']}}}",
    "gunicorn's Logger subclassed": "from gunicorn import glogging\nclass L(glogging.Logger):\n    def setup(self, cfg):\n        super().setup(cfg)\n        self.access_log.setLevel('INFO')\nlogger_class = L",
    "gunicorn's name changed": "import gunicorn\ngunicorn.SERVER_SOFTWARE = 'shop'",
    "a worker class by its path": "worker_class = 'gunicorn.workers.gthread.ThreadWorker'\nthreads = 2",
    "a thread of its own": "import threading\ndef when_ready(server):\n    threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "a health file": "import pathlib\ndef when_ready(server): pathlib.Path('ready').touch()\ndef on_exit(server): pathlib.Path('ready').unlink(missing_ok=True)",
    "a random seed for each worker": "import random\ndef post_fork(server, worker): random.seed()",
    "a connection for each worker": "import sqlite3\ndef post_fork(server, worker): worker.db = sqlite3.connect(':memory:', check_same_thread=False)\ndef worker_exit(server, worker): worker.db.close()",
    "one worker does the chores": "import os\ndef pre_fork(server, worker):\n    os.environ['CHORES'] = '1' if worker.age == 1 else ''",
    "a version read from a file": "import pathlib\nVERSION = pathlib.Path('app.py').stat().st_size\nraw_env = [f'VERSION={VERSION}']",
    "gc before the fork": "import gc\npreload_app = True\ndef when_ready(server):\n    gc.freeze()\ndef post_fork(server, worker): gc.enable()",
    "statsd": "statsd_host = '127.0.0.1:8125'\nstatsd_prefix = 'shop'\ndogstatsd_tags = 'env:test'",
    "syslog": "syslog = False\nsyslog_addr = 'udp://localhost:514'\nsyslog_prefix = 'shop'",
    "reload in development only": "import os\nreload = os.environ.get('ENV') == 'development'",
}

# These make processes, set up logging, or reach into gunicorn: what a reload and a worker's death must not undo
# as well. The app answers with what the file has made of its process.
LIVED = {
    "cfg.set in a hook": "import os\ndef on_starting(server): server.cfg.set('timeout', 21)\ndef post_fork(server, worker): os.environ['MADE'] = str(worker.cfg.timeout)\n",
    "a pool of a class of the file's": (
        "import multiprocessing\nclass Job:\n    def __init__(self, n): self.n = n\ndef double(job): return job.n * 2\n"
        "def on_starting(server):\n    with multiprocessing.get_context('fork').Pool(1) as pool:\n        server.first = pool.map(double, [Job(2)])\n"
        "def post_fork(server, worker):\n    import os\n    os.environ['MADE'] = str(server.first)\n"
    ),
    "a process that on_starting waits for": (
        "import multiprocessing, os\ndef child(): open('ran', 'w').close()\n"
        "def on_starting(server):\n    process = multiprocessing.get_context('fork').Process(target=child)\n    process.start(); process.join()\n"
        "def post_fork(server, worker): os.environ['MADE'] = str(os.path.exists('ran'))\n"
    ),
    "an executor": (
        "import os\nfrom concurrent.futures import ThreadPoolExecutor\nexecutor = ThreadPoolExecutor(1)\n"
        "def on_starting(server): os.environ['MADE'] = str(executor.submit(pow, 2, 5).result())\n"
    ),
    "asyncio.run in a hook": "import asyncio, os\nasync def warm(): return 3\ndef on_starting(server): os.environ['MADE'] = str(asyncio.run(warm()))\n",
    "a program that runs beside": (
        "import os, subprocess\nos.environ['MADE'] = subprocess.run(['echo', 'abc'], stdout=subprocess.PIPE).stdout.decode()\n"
        "def on_starting(server): server.helper = subprocess.Popen(['sleep', '60'])\n"
        "def on_exit(server): server.helper.terminate(); server.helper.wait()\n"
    ),
    "dictConfig": (
        "import logging, logging.config\nlogging.config.dictConfig({'version': 1, 'disable_existing_loggers': False, 'handlers': {'h': {'class': 'logging.StreamHandler'}},\n"
        " 'root': {'handlers': ['h'], 'level': 'WARNING'}})\ndef post_fork(server, worker):\n    import os\n    os.environ['MADE'] = str(len(logging.getLogger().handlers))\n"
    ),
    "formatters in JSON": (
        "import json, logging\nclass Line(logging.Formatter):\n    def format(self, record): return json.dumps({'m': record.getMessage()})\n"
        "logconfig_dict = {'version': 1, 'disable_existing_loggers': False, 'loggers': {}, 'root': {'level': 'INFO', 'handlers': ['h']}, 'formatters': {'j': {'()': Line}},\n"
        " 'handlers': {'h': {'class': 'logging.StreamHandler', 'formatter': 'j'}}}\n"
    ),
    "gunicorn's insides imported": (
        "import os, gunicorn.util, gunicorn.arbiter, gunicorn.app.base, gunicorn.config, gunicorn.errors, gunicorn.http\n"
        "from gunicorn.workers.base import Worker\nfrom gunicorn.workers.gthread import ThreadWorker\n"
        "timeout = gunicorn.config.Timeout.default + 5\ndef post_fork(server, worker): os.environ['MADE'] = str(worker.cfg.timeout)\n"
    ),
    "callable objects and partials as hooks": (
        "import functools, os\nclass Ready:\n    def __call__(self, server): pass\nwhen_ready = Ready()\n"
        "def fork(tag, server, worker): os.environ['MADE'] = tag\npost_fork = functools.partial(fork, 'tagged')\n"
    ),
    "os.register_at_fork": "import os\nos.register_at_fork(after_in_child=lambda: os.environ.update(MADE='in the child'))\n",
    "another file's code": "import os\nwith open('base.py') as base: exec(compile(base.read(), 'base.py', 'exec'))\nos.environ['MADE'] = str(timeout)\n",
    "from another import *": "import os\nfrom base import *\nos.environ['MADE'] = str(timeout)\n",
    "the settings of an ini": "import configparser, os\nini = configparser.ConfigParser()\nini.read('site.ini')\ntimeout = ini.getint('web', 'timeout')\nos.environ['MADE'] = ini['web']['color']\n",
    "numbers as text": "import os\ntimeout = '25'\nkeepalive = '5'\nmax_requests = '0'\ndef post_fork(server, worker): os.environ['MADE'] = repr(worker.cfg.timeout)\n",
}


def through_its_life(site: Site):
    """What the file has made is there at the start, after HUP, and in the place of a worker that was killed."""
    seen = []

    def another(than: int) -> int:
        site.until(lambda: site.get().json()[0] != than)
        pid, made = site.get().json()
        seen.append(made)
        return pid

    pid = another(0)
    site.send(signal.SIGHUP)
    pid = another(pid)
    os.kill(pid, signal.SIGKILL)
    another(pid)
    return [*seen, site.stop()]


def status(site):
    answer = site.get("/a?b=c")
    return answer.status, answer.body


CASES = [
    Case(
        f"idiom: {name}", status,
        app=app("import os\nreturn [environ['PATH_INFO'], os.environ.get('A'), os.environ.get('B'), environ.get('HTTP_X_REQUEST_ID'), __file__.endswith('app.py')]"),
        config=config + "\n", classes=("sync",),
    )
    for name, config in IDIOMS.items()
]
CASES += [
    Case(
        "the field Server of a file that gives gunicorn another name", lambda site: [value for name, value in site.get().headers if name == "Server"], app=app("return 1"),
        config="import gunicorn\ngunicorn.SERVER = \"Nobody's business\"\n", right=["Nobody's business"], classes=("sync", "auto"),
    ),
]


def starts(site: Site):
    try:
        return site.get().status
    except OSError:
        return ["it ends", site.ended() != 0, "classes of one's own do not run here" in site.output()]


CASES += [
    Case(
        "a worker class of the file's own", starts, app=app("return 1"), classes=("auto",),
        config="from gunicorn.workers.gthread import ThreadWorker\nclass Own(ThreadWorker): pass\nworker_class = '__config__.Own'\n",
        girin=["it ends", True, True], because="A worker class of one's own does not run",
    ),
    *(
        Case(
            f"lives: {name}", through_its_life, app=app("import os\nreturn [os.getpid(), os.environ.get('MADE')]"), config=config,
            files={"base.py": "timeout = 33\ndef when_ready(server): pass\n", "site.ini": "[web]\ntimeout = 20\ncolor = blue\n"},
            classes=(("gthread", "gevent", "auto")[n % 3],),  # the cases above are in sync; cfg.set is not in auto, where one of several workers may answer from before HUP
        )
        for n, (name, config) in enumerate(LIVED.items())
    ),
]
