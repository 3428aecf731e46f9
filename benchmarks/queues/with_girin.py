"""The same for girin: a route that --offload names, and tasks."""
import os
import time

from girin import task


@task
def add(x, y):
    return x + y


@task(retries=2)
def slowly(path, seconds):
    with open(path, "a") as f:
        f.write(f"{os.getpid()}\n")
    time.sleep(float(seconds))
    return "done"


def app(environ, start_response):
    said = b"3"
    if environ["PATH_INFO"] == "/socket":  # of which the driver is told
        said = os.environ["GIRIN_JOBS"].encode()
    elif environ["PATH_INFO"] == "/slowly":
        said = slowly.delay(*environ["QUERY_STRING"].split("&")).id.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(said)))])
    return [said]

