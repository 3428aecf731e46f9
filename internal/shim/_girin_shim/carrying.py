"""What pre_fork has done to a worker, packed for a process that was forked before it ran.

Imported only with preload_app.
"""
from __future__ import annotations

import io
import pickle
from base64 import b64decode, b64encode


def pack(value, variables: dict) -> str:
    """Raises if value cannot be pickled. What the file's variables hold goes by name: locks and queues."""
    stream = io.BytesIO()
    pickler = _Pickler(stream)
    pickler.names = {id(held): name for name, held in variables.items()}
    pickler.dump(value)
    return b64encode(stream.getvalue()).decode()


def unpack(text: str, variables: dict):
    unpickler = _Unpickler(io.BytesIO(b64decode(text)))
    unpickler.variables = variables
    return unpickler.load()


class _Pickler(pickle.Pickler):
    def persistent_id(self, held):
        plain = isinstance(held, (bool, int, float, str, bytes, type(None)))
        return None if plain else self.names.get(id(held))


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, name: str):
        return self.variables[name]
