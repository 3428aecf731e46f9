"""The computing of blocking_flask.py, handed to Celery. girin keeps Celery's worker beside the server:

    cd examples/jobs && girin compute_celery:app --sidecar 'celery -A compute_celery:tasks worker'

    curl -i -X POST localhost:8000/compute     # 202, and where the result will be
    curl localhost:8000/compute/ID

$CELERY_BROKER names the broker, such as redis://localhost; without it messages are files in the
temporary directory, which is enough for one machine and for trying it out.
"""
import os
import tempfile

from celery import Celery
from celery.result import AsyncResult
from flask import Flask, jsonify, url_for

broker = os.environ.get("CELERY_BROKER", "filesystem://")
tasks = Celery(__name__, broker=broker, backend=broker)
if broker == "filesystem://":
    folder = os.path.join(tempfile.gettempdir(), f"compute-celery-{os.getuid()}")
    for name in ("messages", "control", "results"):
        os.makedirs(os.path.join(folder, name), mode=0o700, exist_ok=True)
    tasks.conf.result_backend = f"file://{folder}/results"
    tasks.conf.broker_transport_options = {
        "data_folder_in": f"{folder}/messages", "data_folder_out": f"{folder}/messages", "control_folder": f"{folder}/control",
    }

app = Flask(__name__)


@tasks.task
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
    job = AsyncResult(id, app=tasks)
    if not job.ready():
        return jsonify(id=id, status="waits or runs"), 200, {"Retry-After": "1"}
    if job.failed():
        return jsonify(id=id, status="failed", error=str(job.result)), 500
    return jsonify(id=id, status="done", result=job.result)
