"""Does an app keep in its process what a client's next request needs?

A client of Socket.IO, of Gradio or of the Model Context Protocol sends requests that only the
process can answer which has begun with it, and an in-memory channel layer reaches none
but its own. Where the server chooses how many processes there are, such an app has one.
"""
from __future__ import annotations

import gc
import sys

# By module and class, what keeps clients' sessions in memory, with who is known by it.
_KEEPERS = {
    ("engineio.base_server", "BaseServer"): "Socket.IO",
    ("gradio.routes", "App"): "Gradio",
    ("mcp.server.sse", "SseServerTransport"): "the Model Context Protocol",
    ("mcp.server.streamable_http_manager", "StreamableHTTPSessionManager"): "the Model Context Protocol",
    ("broadcaster._backends.memory", "MemoryBackend"): "broadcaster",
}
_CHANNEL_LAYER = "channels.layers.InMemoryChannelLayer"


def keeper() -> str:
    """Who keeps sessions in this process; "": nobody who is known."""
    classes: dict[type, str] = {}
    for (module, name), known in _KEEPERS.items():
        found = getattr(sys.modules.get(module), name, None)
        if isinstance(found, type):
            classes[found] = known
    return classes and _lives(classes) or _layer() or _events()


def _lives(classes: dict[type, str]) -> str:
    """Of which of these classes there is an object that keeps anything."""
    gc.unfreeze()  # what was imported before the fork is not listed else
    for one in gc.get_objects():
        cls = next((cls for cls in classes if issubclass(type(one), cls)), None)  # isinstance would ask the objects
        if cls is not None and not getattr(one, "stateless", False):
            return classes[cls]
    return ""


def _layer() -> str:
    layers = getattr(sys.modules.get("channels.layers"), "channel_layers", None)
    configs = getattr(layers, "configs", None) or {}
    return "the in-memory channel layer" if any(config.get("BACKEND") == _CHANNEL_LAYER for config in configs.values()) else ""


def _events() -> str:
    """django-eventstream sends events from one process to another only by Redis, or its proxy."""
    if "django_eventstream" not in sys.modules:
        return ""
    settings = sys.modules["django.conf"].settings
    ways = ("EVENTSTREAM_REDIS", "GRIP_URL", "GRIP_PROXIES")
    return "" if any(getattr(settings, way, None) for way in ways) else "django-eventstream"
