"""Runs a configuration file and writes its settings, as JSON, to descriptor 3.

Arguments: the file's path or python:MODULE, and the names of all settings, separated by
commas. What the file prints goes to standard output and error, away from the answer.
"""

import json
import os
import sys
import traceback
import types

ANSWER = 3


def load(location):
    """The variables of the configuration, by name."""
    if location.startswith("python:"):
        name = location[len("python:"):]
        __import__(name)  # unlike importlib's function it leaves no trace in tracebacks
        return vars(sys.modules[name])
    module = types.ModuleType("__config__")
    module.__file__ = os.path.abspath(location)
    sys.modules["__config__"] = module
    with open(location, "rb") as source:
        code = compile(source.read(), module.__file__, "exec")
    exec(code, vars(module))
    return vars(module)


def tagged(value):
    """A value as [sort, value], where sort tells functions and classes from data."""
    if isinstance(value, type):
        return ["class", value.__module__ + "." + value.__qualname__]
    if callable(value):
        return ["callable", getattr(value, "__qualname__", type(value).__name__)]
    try:
        return ["value", json.loads(json.dumps(value, default=os.fspath))]
    except (TypeError, ValueError):
        return ["other", repr(value)]


def main():
    os.set_inheritable(ANSWER, False)
    location, keys = sys.argv[1], set(sys.argv[2].split(","))
    sys.argv[:] = ["girin"]
    try:
        variables = load(location)
    except BaseException as error:
        frames = error.__traceback__.tb_next.tb_next  # without main and load
        traceback.print_exception(type(error), error, frames)
        return 1
    plain = (bool, int, float, str, list, tuple, dict)
    answer = {
        "values": {name: tagged(value) for name, value in variables.items() if name in keys},
        "others": [
            name
            for name, value in variables.items()
            if name not in keys and name.islower() and name[0] != "_" and isinstance(value, plain)
        ],
    }
    with os.fdopen(ANSWER, "w", encoding="utf-8") as pipe:
        json.dump(answer, pipe)
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that the file has started shall not hold up the server.
    os._exit(status)
