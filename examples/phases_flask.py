"""blocking_flask and one route more, whose requests both compute and wait.

A server that gives computing requests a place of their own must notice that
this one leaves the CPU to others for most of its time.
"""
from blocking_flask import app, compute, sleep


@app.get("/compute-then-sleep/<int:count>/<float:seconds>")
def compute_then_sleep(count, seconds):
    """Computes first, then waits."""
    return compute(count) + sleep(seconds)
