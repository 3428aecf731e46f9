"""Handlers that hold their loop, beside light ones."""
import asyncio
import time

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def light(request):
    return PlainTextResponse("light")


async def block(request):
    time.sleep(float(request.query_params.get("for", "0.2")))
    return PlainTextResponse("blocked")


async def later(request):
    await asyncio.sleep(0.05)
    time.sleep(0.3)
    return PlainTextResponse("blocked later")


class Around(BaseHTTPMiddleware):
    """Which runs the app in another task."""

    async def dispatch(self, request, call_next):
        return await call_next(request)


app = Starlette(
    routes=[Route("/", light), Route("/block", block), Route("/later/{n:int}", later)],
    middleware=[Middleware(Around)],
)
