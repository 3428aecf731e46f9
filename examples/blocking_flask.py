"""One light route, and four that block, each in a way of its own.

    girin blocking_flask:app
    gunicorn blocking_flask:app -w 4 --threads 4

How many of these can be under way at once, and does `/` still answer while
they are? That is what a server's workers, threads and classes decide.
"""
import os
import time

import requests
from flask import Flask
from sqlalchemy import create_engine, text

# A service that takes 5 seconds to answer; `girin upstream` is one.
UPSTREAM_URL = os.environ.get("UPSTREAM_URL", "http://127.0.0.1:8001/delay/5")
DATABASE_URL = os.environ.get("DATABASE_URL", "sqlite://")

# The same in SQLite and PostgreSQL, and it needs no table.
QUERY = text("""
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
    SELECT count(*), sum(i) FROM n
""")

app = Flask(__name__)
engine = create_engine(DATABASE_URL)


@app.get("/")
def index():
    return "Hello, world!\n"


@app.get("/sleep/<int:seconds>")
@app.get("/sleep/<float:seconds>")
def sleep(seconds):
    """Waits, and leaves the CPU to others."""
    time.sleep(seconds)
    return f"slept {seconds} s\n"


@app.get("/compute/<int:count>")
def compute(count):
    """Computes in pure Python, and holds the interpreter while it does."""
    total = 0
    for i in range(count):
        total += i * i
    return f"{total}\n"


@app.get("/request")
def request():
    """Calls another service, and waits for it."""
    try:
        answer = requests.get(UPSTREAM_URL, timeout=60)
    except requests.ConnectionError:
        return f"no answer from {UPSTREAM_URL}; is `girin upstream` running?\n", 502
    return f"{UPSTREAM_URL} answered {answer.status_code}\n"


@app.get("/query")
def query():
    """Asks a database, and waits for it."""
    with engine.connect() as connection:
        count, total = connection.execute(QUERY).one()
    return f"{count} rows, sum {total}\n"
