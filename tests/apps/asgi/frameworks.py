"""The same endpoints in each framework: what the tests of frameworks ask for."""
import asyncio
import json
import time


def fastapi():
    from fastapi import BackgroundTasks, FastAPI, Request
    from fastapi.responses import FileResponse, StreamingResponse

    app, seen = FastAPI(), []

    @app.get("/")
    async def index():
        return {"hello": "world"}

    @app.get("/blocking")
    def blocking():
        time.sleep(0.3)
        return {"blocking": True}

    @app.post("/upload")
    async def upload(request: Request):
        total = 0
        async for piece in request.stream():
            total += len(piece)
        return {"total": total}

    @app.get("/stream")
    async def stream():
        async def parts():
            try:
                for i in range(5):
                    yield f"{i}\n"
                    await asyncio.sleep(0.01)
            finally:
                seen.append("stream ended")

        return StreamingResponse(parts())

    @app.get("/endless")
    async def endless():
        async def parts():
            try:
                while True:
                    yield "tick\n"
                    await asyncio.sleep(0.02)
            finally:
                seen.append("endless ended")

        return StreamingResponse(parts())

    @app.get("/file")
    async def file():
        return FileResponse(__file__)

    @app.get("/watch")
    async def watch(request: Request):
        seen.append("watches")
        while not await request.is_disconnected():
            await asyncio.sleep(0.02)
        seen.append("disconnected")

    @app.get("/background")
    async def background(tasks: BackgroundTasks):
        async def later():
            await asyncio.sleep(0.5)
            seen.append("background")

        tasks.add_task(later)
        return {"answered": True}

    @app.get("/fails")
    async def fails():
        raise RuntimeError("a fault of the app")

    @app.get("/seen")
    async def tell():
        return seen

    return app


def marked():
    """With a middleware that runs the app in a task of its own."""
    from starlette.middleware.base import BaseHTTPMiddleware

    class Marking(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            response = await call_next(request)
            response.headers["x-marked"] = "yes"
            return response

    app = fastapi()
    app.add_middleware(Marking)
    return app


def starlette():
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, StreamingResponse
    from starlette.routing import Route

    async def index(request):
        return JSONResponse({"hello": "world"})

    async def upload(request):
        return JSONResponse({"total": len(await request.body())})

    async def stream(request):
        async def parts():
            for i in range(5):
                yield f"{i}\n"

        return StreamingResponse(parts())

    async def fails(request):
        raise RuntimeError("a fault of the app")

    return Starlette(routes=[Route("/", index), Route("/upload", upload, methods=["POST"]), Route("/stream", stream), Route("/fails", fails)])


def quart():
    from quart import Quart, request

    app = Quart(__name__)

    @app.get("/")
    async def index():
        return {"hello": "world"}

    @app.post("/upload")
    async def upload():
        return {"total": len(await request.get_data())}

    @app.get("/stream")
    async def stream():
        async def parts():
            for i in range(5):
                yield f"{i}\n"

        return parts()

    @app.get("/fails")
    async def fails():
        raise RuntimeError("a fault of the app")

    return app


def channels():
    import django
    from django.conf import settings

    settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="x", ALLOWED_HOSTS=["*"], DATA_UPLOAD_MAX_MEMORY_SIZE=None)
    django.setup()
    from channels.routing import ProtocolTypeRouter
    from django.core.asgi import get_asgi_application
    from django.http import HttpResponse, StreamingHttpResponse
    from django.urls import path
    from django.views.decorators.csrf import csrf_exempt

    def index(request):
        return HttpResponse(json.dumps({"hello": "world"}))

    @csrf_exempt
    async def upload(request):
        return HttpResponse(json.dumps({"total": len(request.body)}))

    async def stream(request):
        async def parts():
            for i in range(5):
                yield f"{i}\n"

        return StreamingHttpResponse(parts())

    def fails(request):
        raise RuntimeError("a fault of the app")

    urlpatterns[:] = [path("", index), path("upload", upload), path("stream", stream), path("fails", fails)]
    return ProtocolTypeRouter({"http": get_asgi_application()})


urlpatterns = []  # of channels
