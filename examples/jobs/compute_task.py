"""The computing of blocking_flask.py as a task of girin's own: no broker, no second process.

    cd examples/jobs && girin compute_task:app --tasks

    curl -i -X POST localhost:8000/compute     # 202, and where the result will be
    curl localhost:8000/compute/ID

Outside of girin (flask run, tests) the task runs at once, where it is handed over.
"""
from flask import Flask, jsonify, url_for

from girin import Job, JobFailed, task

app = Flask(__name__)


@task(retries=2, timeout="10m")
def compute(n):
    return sum(i * i for i in range(n))


@app.get("/")
def hello():
    return "Hello, World!\n"


@app.post("/compute")
def hand_over():
    job = compute.delay(3_000_000)
    place = url_for("result", id=job.id)
    return jsonify(id=job.id, url=place), 202, {"Location": place}


@app.get("/compute/<id>")
def result(id):
    job = Job(id)
    status = job.status
    if status in ("queued", "running"):
        return jsonify(id=id, status=status), 200, {"Retry-After": "1"}
    try:
        return jsonify(id=id, status=status, result=job.get())
    except JobFailed as e:
        return jsonify(id=id, status=status, error=str(e)), 500
