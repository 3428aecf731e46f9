"""One light route, pairs that block: in a coroutine, as they should not, and beside the loop; and a clock.

    girin phases_fastapi:app

girin finds out that this is ASGI. Each of its workers is an event loop: what
awaits leaves it to others; what blocks it keeps the worker's other requests
waiting, and those that come meanwhile go to another worker.
"""
import asyncio
import time
from datetime import datetime

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse

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


PAGE = """<!doctype html>
<title>Clock</title>
<p id=time>connecting</p>
<script>
function connect() {
  const socket = new WebSocket(location.href.replace(/^http/, "ws"));
  socket.onmessage = (event) => { document.getElementById("time").textContent = event.data; };
  socket.onclose = () => setTimeout(connect, 500 + 500 * Math.random());  // after a reload it goes on
}
connect();
</script>
"""


@app.get("/clock")
async def clock_page():
    return HTMLResponse(PAGE)


@app.websocket("/clock")
async def clock(socket: WebSocket):
    """The server's time, ten times a second, for as long as somebody looks."""
    await socket.accept()
    try:
        while True:
            await socket.send_text(datetime.now().isoformat(sep=" ", timespec="milliseconds"))
            await asyncio.sleep(0.1)
    except WebSocketDisconnect:
        pass
