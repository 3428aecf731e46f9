"""The class asgi: many requests and sockets on one event loop (ASGI 3.0, spec version 2.5)."""
