"""Which interface an app has."""
from __future__ import annotations

import functools
import inspect


def is_asgi(app) -> bool:
    """Is this an ASGI app, of version 3 or 2? Asked once, when it is imported."""
    return is_asgi3(app) or is_asgi2(app)


def is_asgi3(app) -> bool:
    """A coroutine function of (scope, receive, send), or an object whose call is one."""
    app = _unwrapped(app)
    if inspect.isclass(app):
        return False
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(getattr(app, "__call__", None))


def is_asgi2(app) -> bool:
    """A callable of (scope), which returns a coroutine function of (receive, send).

    It is known by its one parameter's name: a WSGI app has two.
    """
    app = _unwrapped(app)
    if is_asgi3(app):
        return False
    try:
        return list(inspect.signature(app).parameters) == ["scope"]
    except (TypeError, ValueError):
        return False


def _unwrapped(app):
    while isinstance(app, functools.partial):
        app = app.func
    return app


def version3(app):
    """The app as one of version 3."""
    if not is_asgi2(app):
        return app

    async def adapted(scope, receive, send):
        await app(scope)(receive, send)

    return adapted
