"""What public configuration files do, an idiom each: the server starts, and serves as gunicorn does."""
from __future__ import annotations

from process_cases import app
from sidebyside import Case

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
