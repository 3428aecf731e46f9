"""WebSockets of Flask, by flask-sock and simple-websocket."""
import gc
import sys
import time

import simple_websocket
from flask import Flask, Response, request
from flask_sock import Sock

app = Flask(__name__)
sock = Sock(app)


@app.get("/")
def home():
    gc.collect()  # what an exception's traceback holds goes now
    return "hello\n"


@sock.route("/echo")
def echo(ws):
    try:
        while True:
            data = ws.receive()
            if data == "close":
                ws.close(4001, "enough")
                return
            if data == "raise":
                raise RuntimeError("as asked")
            if data == "return":
                return
            if data == "busy":
                time.sleep(1)
            ws.send(data)
    finally:
        print(f"{request.path} ended", file=sys.stderr, flush=True)


@sock.route("/clock")
def clock(ws):
    for n in range(1_000_000):
        ws.send(str(n))
        time.sleep(0.02)


@sock.route("/flood")
def flood(ws):
    for _ in range(64):
        ws.send(b"x" * (1 << 20))


@sock.route("/deaf")
def deaf(ws):
    time.sleep(1)
    for n in range(400):
        ws.receive()
    ws.send("all came")


@app.route("/plain", websocket=True)
def plain():
    """It takes no socket."""
    return "not here", 403


@app.route("/gunicorn", websocket=True)
def as_under_gunicorn():
    """The way of apps that know gunicorn: they answer on its socket and say so by StopIteration."""
    environ = {key: value for key, value in request.environ.items() if key != "werkzeug.socket"}
    ws = simple_websocket.Server.accept(environ, subprotocols=["b"])
    ws.send(ws.receive())
    ws.close()

    class Answered(Response):
        def __call__(self, *_):
            raise StopIteration

    return Answered()
