"""An application whose runs are counted outside of Girin: each is a line in $RUNS."""
import hashlib
import os
import signal
import sys
import time

from girin import task


@task()
def echo(*args):
    return args


if os.environ.get("CRON"):
    @task(cron=os.environ["CRON"], tz="Asia/Seoul", retries=1)
    def tick():
        note("tick")


@task()
def boom(why):
    print("said before it raised", file=sys.stderr)
    raise ValueError(why)


def note(*what):
    if os.environ.get("RUNS"):
        with open(os.environ["RUNS"], "a") as f:
            f.write(" ".join(map(str, what)) + "\n")


def application(environ, start_response):
    _, _, path = environ["PATH_INFO"].rpartition("/")
    query, job = environ["QUERY_STRING"], environ.get("girin.job")
    note("begin", query.partition("&")[0], os.getppid(), os.getpid(), job.attempt if job else 0)
    body = environ["wsgi.input"].read()
    if path == "wait":
        name, _, seconds = query.partition("&")
        time.sleep(float(seconds))
    if path == "die":
        os._exit(9)
    if path == "slain":
        print("last words of", query, file=sys.stderr)
        os.kill(os.getpid(), signal.SIGKILL)
    while path == "told" and not job.cancelled():
        time.sleep(0.01)
    if path == "until":  # a file is there
        name, _, file = query.partition("&")
        while not os.path.exists(file):
            time.sleep(0.01)
    note("end", query.partition("&")[0], os.getppid(), os.getpid())
    if path == "stream":
        blocks, size = map(int, query.split("&")[1:])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (bytes([65 + i % 26]) * size for i in range(blocks))
    if path == "fail":
        raise ValueError("as it was asked to")
    if path == "file":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return environ["wsgi.file_wrapper"](open(query.partition("&")[2], "rb"))
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Server", environ["SERVER_PORT"])])
    return [
        f"master={os.getppid()}\nworker={os.getpid()}\njob={job.id if job else ''}\nattempt={job.attempt if job else ''}\n"
        f"socket={os.environ.get('GIRIN_JOBS', '')}\nlength={len(body)}\ndigest={hashlib.sha256(body).hexdigest()}\nscheme={environ['wsgi.url_scheme']}\n"
        f"host={environ.get('HTTP_HOST', '')}\nmethod={environ['REQUEST_METHOD']}\n".encode()
    ]
