"""What keeps clients' sessions in its process: sessions that only the process knows which has begun them."""
import importlib
import os
import sys
import types

import engineio
from django.conf import settings


async def answer(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})


def wsgi_answer(environ, start_response):
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]


def socketio():
    return engineio.ASGIApp(engineio.AsyncServer(async_mode="asgi"), other_asgi_app=answer)


def wsgi_socketio():
    return engineio.WSGIApp(engineio.Server(async_mode="threading"), wsgi_answer)


def layer():
    settings.configure(CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}})
    importlib.import_module("channels.layers")
    return answer


class Manager:
    """As that of the MCP's SDK."""

    def __init__(self, stateless):
        self.stateless = stateless


def manager(stateless):
    name = "mcp.server.streamable_http_manager"
    module = sys.modules[name] = types.ModuleType(name)
    module.StreamableHTTPSessionManager = Manager
    answer.kept = Manager(stateless)
    return answer


def none():
    return answer
