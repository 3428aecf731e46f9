"""A file is handed to the server only where no middleware could lose it or should have compressed it."""
from __future__ import annotations

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


def with_middleware(*classes):
    app = FastAPI()
    app.get("/")(lambda: None)
    for one in classes:
        app.add_middleware(one)
    return app


def mounted(wrapped=lambda app: app):
    return Starlette(routes=[Mount("/files", wrapped(StaticFiles(directory="/")))])


@pytest.mark.parametrize("app", [raw, with_middleware(), with_middleware(CORSMiddleware), mounted(), CORSMiddleware(mounted())])
def test_files_pass(app):
    assert passes_files(app)


@pytest.mark.parametrize("app", [
    with_middleware(GZipMiddleware), with_middleware(Own), with_middleware(Audit), with_middleware(CORSMiddleware, Own),
    mounted(GZipMiddleware), mounted(Own), Own(mounted()), closed_over(mounted()), closed_over(raw), calls_another, CallsAnother(),
])
def test_files_do_not_pass(app):
    assert not passes_files(app)
