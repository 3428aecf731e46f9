"""Lists the routes of an application that need no arguments, as JSON on descriptor 3.

Arguments: the application, and the configuration file, or nothing. The shim is on the module search
path, so that the application is found by the rules of the server.
"""

import importlib.util
import json
import os
import re
import runpy
import sys
import traceback

from _girin_shim import detect, importing

READS = ("GET", "HEAD")


def settle(file):
    """What a configuration file says about the place that the application is imported in."""
    settings = runpy.run_path(file) if file else {}
    for pair in settings.get("raw_env") or []:
        name, _, value = pair.partition("=")
        os.environ[name] = value
    if settings.get("chdir"):
        os.chdir(settings["chdir"])
    sys.path.insert(0, os.getcwd())
    for folder in filter(None, (settings.get("pythonpath") or "").split(",")):
        sys.path.insert(0, folder)
    return settings.get("wsgi_app")


def flask(app):
    for rule in app.url_map.iter_rules():
        yield rule.rule, sorted(rule.methods or ()), sorted(rule.arguments - set(rule.defaults or {}))


def starlette(routes, prefix=""):
    for route in routes:
        path = prefix + getattr(route, "path", "")
        inner = getattr(route, "routes", None)
        if inner:
            yield from starlette(inner, path)
        elif getattr(route, "methods", None) and getattr(route, "include_in_schema", True):  # not the documentation
            yield path, sorted(route.methods), re.findall(r"{(\w+)", path)


def fastapi(app):
    """What its schema tells: routers that it includes are no list of routes, and required parameters are known."""
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            needs = [p["name"] for p in operation.get("parameters", ()) if p.get("required")]
            yield path, [method.upper()], needs
    yield from starlette([r for r in app.routes if not getattr(r, "methods", None)])


def django(patterns, prefix="", arguments=()):
    for pattern in patterns:
        text = str(pattern.pattern)
        if type(pattern.pattern).__name__ == "RegexPattern":  # a regular expression, of which only plain ones can be asked for
            named = re.findall(r"\(\??P?<?(\w*)>?", text)
            text = text.lstrip("^").rstrip("$").replace("\\Z", "").replace("\\", "")
            if re.search(r"[*+?()\[\]|{}]", text):
                named = named or ["a pattern"]
        else:
            named = re.findall(r"<(?:\w+:)?(\w+)>", text)
        taken = arguments + tuple(named)
        inner = getattr(pattern, "url_patterns", None)
        if inner is not None:
            yield from django(inner, prefix + text, taken)
        else:
            yield prefix + text, [], list(taken)


def routes(app):
    """The framework, and its routes as (path, methods, arguments)."""
    seen = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        if hasattr(getattr(app, "url_map", None), "iter_rules"):
            return "Flask", flask(app)
        if type(app).__module__.startswith("django."):
            from django.urls import get_resolver

            return "Django", django(get_resolver().url_patterns, "/")
        if isinstance(getattr(app, "routes", None), list):
            if callable(getattr(app, "openapi", None)):
                return "FastAPI", fastapi(app)
            return "Starlette", starlette(app.routes)
        for name in ("app", "wsgi_app", "application", "__wrapped__"):  # a middleware around it
            inner = getattr(app, name, None)
            if callable(inner) and id(inner) not in seen:
                break
        else:
            return "", []
        app = getattr(inner, "__self__", inner)
    return "", []


def explain(error):
    """Prints a traceback without frames of this script and the shim."""
    own = os.path.dirname(os.path.abspath(__file__))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith((own, "<frozen", importlib.__path__[0]))]
    if frames:
        print("Traceback (most recent call last):\n", *traceback.format_list(frames), sep="", end="", file=sys.stderr)
    print(*traceback.format_exception_only(type(error), error), sep="", end="", file=sys.stderr)


def main():
    spec, file = sys.argv[1], sys.argv[2]
    sys.argv[:] = ["girin"]
    out = os.fdopen(3, "w")
    try:
        spec = settle(file) if spec == "" else (settle(file), spec)[1]
        app = importing.import_app(spec)
    except BaseException as error:
        explain(error)
        return 1
    framework, found = routes(app)
    listed = [{"path": path, "methods": methods, "arguments": arguments} for path, methods, arguments in found]
    json.dump({
        "asgi": detect.is_asgi(app),
        "framework": framework,
        "gevent": importlib.util.find_spec("gevent") is not None,
        "gunicorn": importlib.util.find_spec("gunicorn") is not None,
        "routes": listed,
    }, out)
    out.close()
    return 0


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # an import may have started threads that do not end
