"""A file is handed to the server only where no middleware could lose it or should have compressed it."""
from __future__ import annotations

import functools
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from _girin_shim.asgi.wrapping import passes_files  # noqa: E402


class Own:
    def __init__(self, app) -> None:
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        await self.app(scope, receive, send)


class Audit(BaseHTTPMiddleware):
    pass


async def raw(scope, receive, send) -> None:
    pass


def closed_over(app):
    async def asgi(scope, receive, send) -> None:
        await app(scope, receive, send)

    return asgi


inner = Starlette()


async def calls_another(scope, receive, send) -> None:
    async def timed(message) -> None:
        await send(message)

    await inner(scope, receive, timed)


class CallsAnother:
    async def __call__(self, scope, receive, send) -> None:
        await inner(scope, receive, send)


def chooses(scope, receive, send):
    return {"/": raw, "/again": chooses}.get(scope["path"], raw)(scope, receive, send)


def chooses_one_that_wraps(scope, receive, send):
    return {"/": raw, "/inner": calls_another}[scope["path"]](scope, receive, send)


def wraps_by_a_function(scope, receive, send):
    return raw(scope, receive, other_send(send))


def wraps_by_a_class(scope, receive, send):
    return raw(scope, receive, OtherSend(send))


def wraps_by_a_module(scope, receive, send):
    return raw(scope, receive, functools.partial(send))


class Chooser:
    def wrapped(self, send):
        return lambda message: send(message)

    async def __call__(self, scope, receive, send) -> None:
        await raw(scope, receive, self.wrapped(send))


def chooses_an_object(scope, receive, send):
    return inner(scope, receive, send)


def wrapped(app):
    async def wrapper(scope, receive, send) -> None:
        await app(scope, receive, other_send(send))

    return wrapper


wrapped_beside = wrapped(raw)


def chooses_what_was_wrapped(scope, receive, send):
    return wrapped_beside(scope, receive, send)


def wraps_by_what_it_imports(scope, receive, send):
    from types import SimpleNamespace

    return raw(scope, receive, SimpleNamespace(send=send))


class Tools:
    def made(self, send):
        return other_send(send)


tools = Tools()


def wraps_by_an_object(scope, receive, send):
    return raw(scope, receive, tools.made(send))


def wraps_by_a_default(scope, receive, send, wraps=lambda send: send):
    return raw(scope, receive, wraps(send))


def other_send(send):
    return lambda message: send(message)


class OtherSend:
    def __init__(self, send) -> None:
        self.send = send


def with_middleware(*classes):
    app = FastAPI()
    app.get("/")(lambda: None)
    for one in classes:
        app.add_middleware(one)
    return app


def mounted(wrapped=lambda app: app):
    return Starlette(routes=[Mount("/files", wrapped(StaticFiles(directory="/")))])


@pytest.mark.parametrize("app", [raw, chooses, with_middleware(), with_middleware(CORSMiddleware), mounted(), CORSMiddleware(mounted())])
def test_files_pass(app):
    assert passes_files(app)


@pytest.mark.parametrize("app", [
    with_middleware(GZipMiddleware), with_middleware(Own), with_middleware(Audit), with_middleware(CORSMiddleware, Own),
    mounted(GZipMiddleware), mounted(Own), Own(mounted()), closed_over(mounted()), closed_over(raw), calls_another, CallsAnother(),
    chooses_one_that_wraps, wraps_by_a_function, wraps_by_a_class, wraps_by_a_module, Chooser(), chooses_an_object,
    chooses_what_was_wrapped, wraps_by_what_it_imports, wraps_by_an_object, wraps_by_a_default,
])
def test_files_do_not_pass(app):
    assert not passes_files(app)
