"""Streams that last: each says first which worker sends it."""
import asyncio
import os


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError("only HTTP")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d\n" % os.getpid(), "more_body": True})
    while scope["path"] == "/events":
        await asyncio.sleep(0.05)
        await send({"type": "http.response.body", "body": b".", "more_body": True})
    await send({"type": "http.response.body"})
