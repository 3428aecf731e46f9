"""What frameworks do when a client leaves, and what they tell of it."""
import asyncio

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

SEEN = []


async def watch(request):
    """Asks again and again whether the client is still there."""
    SEEN.append("watches")
    while not await request.is_disconnected():
        await asyncio.sleep(0.02)
    SEEN.append("is_disconnected")
    return PlainTextResponse("nobody reads this")


def streaming(name, wait):
    async def parts():
        try:
            while True:
                yield b"data: x\n\n"
                await asyncio.sleep(wait)
        except BaseException as error:
            SEEN.append(f"{name}: {type(error).__name__}")
            raise

    async def endpoint(request):
        return StreamingResponse(parts(), media_type="text/event-stream")

    return endpoint


async def read(request):
    SEEN.append("reads")
    try:
        await request.body()
    except Exception as error:
        SEEN.append(f"read: {type(error).__name__}")
        raise


async def seen(request):
    return JSONResponse(SEEN)


class Around(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        return await call_next(request)


ROUTES = [Route("/watch", watch), Route("/busy", streaming("busy", 0.02)), Route("/idle", streaming("idle", 3600)),
          Route("/read", read, methods=["POST"]), Route("/", seen)]
plain = Starlette(routes=ROUTES)
wrapped = Starlette(routes=ROUTES, middleware=[Middleware(Around)])
