"""The app under test and two stamps: when each request reached it, when it answered.

Every server of the lab imports this module in place of the app, so what it costs (about
2 us a request) is the same for all. It adds one response header:

    X-Girin-Lab: BEGIN END    in nanoseconds of CLOCK_MONOTONIC, which the client shares

The end is where the app calls start_response: for an app that computes first and then
answers, as Flask's views do, that is all of its work.
"""
import importlib
import os
from time import monotonic_ns


def stamped(app):
    """Wraps a WSGI application."""
    def application(environ, start_response):
        begin = monotonic_ns()

        def start(status, headers, *exc_info):
            stamp = ("X-Girin-Lab", f"{begin} {monotonic_ns()}")
            return start_response(status, [*headers, stamp], *exc_info)
        return app(environ, start)
    return application


def stamped_asgi(app):
    """Wraps an ASGI application. The end is where it sends its response's start."""
    async def application(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        begin = monotonic_ns()

        async def stamping(message):
            if message["type"] == "http.response.start":
                stamp = (b"x-girin-lab", f"{begin} {monotonic_ns()}".encode())
                message = {**message, "headers": [*message.get("headers", ()), stamp]}
            await send(message)
        await app(scope, receive, stamping)
    return application


def load(name):
    """Imports module:callable."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


wrap = stamped_asgi if os.environ.get("GIRIN_LAB_INTERFACE") == "asgi" else stamped
application = wrap(load(os.environ["GIRIN_LAB_APP"]))


async def aiohttp_application():
    """The same as an aiohttp application, for gunicorn's successor of gaiohttp."""
    from concurrent.futures import ThreadPoolExecutor

    from aiohttp import web
    from aiohttp_wsgi import WSGIHandler
    threads = ThreadPoolExecutor(int(os.environ["GIRIN_LAB_THREADS"]))
    app = web.Application()
    app.router.add_route("*", "/{path_info:.*}", WSGIHandler(application, executor=threads))
    return app
