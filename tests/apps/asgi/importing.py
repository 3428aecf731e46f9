"""What applications do with event loops while they are imported; $WAY says which."""
import asyncio
import os
import threading

ticks = 0


async def tick():
    global ticks
    while True:
        ticks += 1
        await asyncio.sleep(0.01)


def current():
    return asyncio.get_event_loop().create_task(tick())


def own():
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return loop.create_task(tick())


def running():
    return asyncio.create_task(tick())


def runs():
    asyncio.run(asyncio.sleep(0))


def closes():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def closes_the_current():
    loop = asyncio.get_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def in_a_thread():
    try:
        loop = asyncio.get_event_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    threading.Thread(target=loop.run_forever, daemon=True).start()


task = globals()[os.environ["WAY"]]()


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    for _ in range(500):
        if ticks > 3 or task is None:
            break
        await asyncio.sleep(0.01)
    here = asyncio.get_running_loop()
    answer = "served" if task is None else f"{ticks > 3} {task.get_loop() is here} {asyncio.get_event_loop() is here}"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": answer.encode()})
