"""Flask-SocketIO, in the mode that the class of workers wants."""
import os

from flask import Flask, request
from flask_socketio import SocketIO

app = Flask(__name__)
socketio = SocketIO(app, async_mode=os.environ["SOCKETIO_MODE"], cors_allowed_origins="*")
SEEN: list[str] = []


@app.get("/")
def home():
    return "hello\n"


@app.get("/seen")
def seen():
    return SEEN


@socketio.on("shout")
def shout(text):
    socketio.emit("heard", text.upper())


@socketio.on("connect")
def connected():
    SEEN.append("connect")


@socketio.on("disconnect")
def disconnected(reason):
    SEEN.append("disconnect")
