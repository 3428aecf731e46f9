"""Apps of each kind that a server must know by itself."""
import asyncio
import functools
import os
import time


async def app(scope, receive, send):
    """Of the lifespan only what raises an exception: this app knows none."""
    assert scope["type"] == "http"
    if scope["path"] == "/slow":
        await asyncio.sleep(0.3)
    body = f"asgi {scope['path']} {scope['root_path']} {os.getpid()} {scope['asgi']['version']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


class Object:
    async def __call__(self, scope, receive, send):
        await app(scope, receive, send)


class Two:
    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        await app(self.scope, receive, send)


def two(scope):
    return functools.partial(app, scope)


def plain(scope, receive, send):
    """What a decorator makes, that is no coroutine function itself."""
    return app(scope, receive, send)


def create_app():
    return Object()


def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b"wsgi"]


an_object = Object()
partial = functools.partial(app)


async def greets(scope, receive, send):
    """A WebSocket that says hello."""
    if scope["type"] == "http":
        return await app(scope, receive, send)
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "hello"})
    await receive()


def late(name="app"):
    time.sleep(1)
    return globals()[name]
