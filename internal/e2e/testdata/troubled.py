"""An application for girin tune that has all that an application can have: slow routes, failing ones, one that hangs."""
import itertools
import time

from flask import Flask, redirect

app = Flask(__name__)
asked = itertools.count()


@app.get("/")
def index():
    return "hello\n"


@app.get("/slow")
def slow():
    time.sleep(1)
    return "waited\n"


@app.get("/flaky")
def flaky():
    if next(asked) % 2:
        raise RuntimeError("every second request fails")
    return "fine\n"


@app.get("/hang")
def hang():
    time.sleep(3600)
    return "never\n"


@app.get("/moved")
def moved():
    return redirect("/")


@app.get("/compute")
def compute():
    return str(sum(range(2_000_000)))
