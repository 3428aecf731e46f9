"""The computing of blocking_flask.py handed over by an option alone: the application knows nothing of it.

    cd examples/jobs && girin compute_option:app --offload 'POST /compute,both'

    curl -X POST localhost:8000/compute                                  # waits for the answer
    curl -i -X POST -H 'Prefer: respond-async' localhost:8000/compute    # 202, and where it will be
"""
from flask import Flask, jsonify

app = Flask(__name__)


@app.get("/")
def hello():
    return "Hello, World!\n"


@app.post("/compute")
def compute():
    return jsonify(result=sum(i * i for i in range(3_000_000)))
