"""Which interface an app has: told by what its call takes, without calling it."""
from __future__ import annotations

import functools

_COROUTINE, _ASYNC_GENERATOR, _VARARGS = 0x80, 0x200, 0x04  # of co_flags, as in inspect
_MARKS = ("_is_coroutine_marker", "_is_coroutine")  # of inspect.markcoroutinefunction, and asyncio's before it


def is_asgi(app) -> bool:
    """Is this an ASGI app, of version 3 or 2?"""
    return is_asgi3(app) or is_asgi2(app)


def is_asgi3(app) -> bool:
    """A coroutine function of (scope, receive, send), an object whose call is one, or
    something that names its parameters so and returns what can be awaited."""
    call = call_of(app)
    if isinstance(app, type) or call is None:
        return False
    code = _code(call)
    if code is not None and code.co_flags & (_COROUTINE | _ASYNC_GENERATOR):
        return bool(code.co_flags & _VARARGS) or len(_parameters(call)) >= 3
    return any(getattr(call, mark, None) for mark in _MARKS) or _parameters(call) == ("scope", "receive", "send")


def is_asgi2(app) -> bool:
    """A callable of (scope), which returns a coroutine function of (receive, send)."""
    app = _unwrapped(app)
    call = getattr(app, "__init__", None) if isinstance(app, type) else call_of(app)
    return call is not None and _parameters(call) == ("scope",)


def is_wsgi(app) -> bool:
    """Does it take just what a WSGI app takes?"""
    call = call_of(app)
    code = _code(call)
    return code is not None and not is_asgi(app) and not code.co_flags & _VARARGS and len(_parameters(call)) == 2


def version3(app):
    """The app as one of version 3."""
    if not is_asgi2(app):
        return app

    async def adapted(scope, receive, send):
        scope["asgi"] = {**scope["asgi"], "version": "2.0"}
        await app(scope)(receive, send)

    return adapted


def _unwrapped(app):
    while isinstance(app, functools.partial):
        app = app.func
    return app


def call_of(app):
    """The function that a call of the app runs."""
    app = _unwrapped(app)
    return app if _code(app) is not None else getattr(type(app), "__call__", None)


def _code(function):
    """The code of a function or method in Python; None for anything else."""
    return getattr(function, "__code__", None)


def _parameters(call) -> tuple[str, ...]:
    """The names of what it takes by position, without that of its object."""
    code = _code(call)
    if code is None:
        return ()
    names = code.co_varnames[: code.co_argcount]
    return names[1:] if names[:1] in (("self",), ("cls",)) else names
