"""An application for girin tune: one light route, one that waits, and two that cannot be asked."""
import time

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index():
    return "hello\n"


@app.get("/wait")
def wait():
    time.sleep(0.02)
    return "waited\n"


@app.get("/item/<int:number>")
def item(number):
    return f"{number}\n"


@app.get("/broken")
def broken():
    raise RuntimeError("there is no database")
