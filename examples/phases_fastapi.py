"""One light route, and pairs that block: in a coroutine, as they should not, and beside the loop.

    girin phases_fastapi:app

girin finds out that this is ASGI. Each of its workers is an event loop: what
awaits leaves it to others; what blocks it keeps the worker's other requests
waiting, and those that come meanwhile go to another worker.
"""
import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def index():
    return {"hello": "world"}


@app.get("/sleep/{seconds}")
async def sleep(seconds: float):
    """Waits as a coroutine does: thousands of these wait in one loop."""
    await asyncio.sleep(seconds)
    return {"slept": seconds}


@app.get("/sleep/blocking/{seconds}")
def sleep_in_a_thread(seconds: float):
    """No coroutine: FastAPI runs it in a thread, of which it has 40."""
    time.sleep(seconds)
    return {"slept": seconds}


@app.get("/sleep/wrong/{seconds}")
async def sleep_in_the_loop(seconds: float):
    """A coroutine that blocks: its loop does nothing else meanwhile."""
    time.sleep(seconds)
    return {"slept": seconds}


@app.get("/compute/{count}")
def compute(count: int):
    """Computes in a thread, and shares the interpreter with the loop."""
    total = 0
    for i in range(count):
        total += i * i
    return {"total": total}


@app.get("/compute/wrong/{count}")
async def compute_in_the_loop(count: int):
    """Computes in the loop."""
    return compute(count)
