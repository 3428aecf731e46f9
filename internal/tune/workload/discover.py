"""Lists the routes of an application that need no arguments, as JSON on descriptor 3.

Arguments, each of which may be empty: the application, the configuration file, and the application
where neither of them names one. The shim is on the module search path, so that the application is found
by the rules of the server.
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


def flask(app, prefix):
    for rule in app.url_map.iter_rules():
        yield prefix + rule.rule, sorted(rule.methods or ()), sorted(rule.arguments - set(rule.defaults or {}))


def starlette(listed, prefix=""):
    for route in listed:
        path = prefix + getattr(route, "path", "")
        inner = getattr(route, "routes", None)
        if callable(getattr(getattr(route, "app", None), "openapi", None)):
            yield from routes(route.app, path)[1]
        elif inner:
            yield from starlette(inner, path)
        elif getattr(route, "methods", None) and getattr(route, "include_in_schema", True):  # not the documentation
            yield path, sorted(route.methods), re.findall(r"{(\w+)", path)
        elif callable(getattr(route, "app", None)) and not getattr(route, "methods", None):  # mounted, and of another kind
            yield from routes(route.app, path)[1]


def fastapi(app, prefix):
    """What its schema tells: routers that it includes are no list of routes, and required parameters are known."""
    try:
        paths = app.openapi()["paths"]
    except Exception as error:  # a schema that cannot be made is no reason not to serve
        print(f"its OpenAPI schema cannot be made ({error!r}): parameters that it requires are not known", file=sys.stderr)
        yield from starlette(app.routes, prefix)
        return
    for path, operations in paths.items():
        for method, operation in operations.items():
            needs = [p["name"] for p in operation.get("parameters", ()) if p.get("required")]
            yield prefix + path, [method.upper()], needs
    yield from starlette([r for r in app.routes if not getattr(r, "methods", None)], prefix)


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


def is_application(value):
    return callable(value) and not isinstance(value, type)


def inside(app):
    """The application that a middleware or a router of protocols is around; None if there is none."""
    protocols = getattr(app, "application_mapping", None)  # Channels'
    if isinstance(protocols, dict):
        return protocols.get("http")
    for name in ("app", "wsgi_app", "application", "other_asgi_app", "__wrapped__"):
        inner = getattr(app, name, None)
        if is_application(inner):
            return getattr(inner, "__self__", inner)
    return None


def routes(app, prefix="", depth=0):
    """The framework, and its routes as (path, methods, arguments)."""
    if app is None or depth > 20:  # what wraps itself
        return "", []
    if hasattr(getattr(app, "url_map", None), "iter_rules"):
        quart = any(c.__module__.startswith("quart.") for c in type(app).__mro__)
        return "Quart" if quart else "Flask", list(flask(app, prefix)) + beside(getattr(app, "wsgi_app", None), prefix, depth)
    if type(app).__module__.startswith("django."):
        from django.urls import get_resolver

        return "Django", list(django(get_resolver().url_patterns, prefix + "/"))
    if isinstance(getattr(app, "routes", None), list):
        if callable(getattr(app, "openapi", None)):
            return "FastAPI", list(fastapi(app, prefix))
        return "Starlette", list(starlette(app.routes, prefix))
    framework, found = routes(inside(app), prefix, depth + 1)
    mounted = [routes(other, prefix + path, depth + 1) for path, other in mounts_of(app)]
    names = [framework, *(name for name, _ in mounted)]
    return next(filter(None, names), ""), found + [route for _, more in mounted for route in more]


def mounts_of(app):
    """What Werkzeug's dispatcher has beside its own application, by path."""
    mounts = getattr(app, "mounts", None)
    return mounts.items() if isinstance(mounts, dict) else ()


def beside(app, prefix, depth):
    """The routes of what dispatchers between a Flask application and its server have mounted."""
    found = []
    while app is not None and not hasattr(app, "__self__") and depth <= 20:
        for path, other in mounts_of(app):
            found += routes(other, prefix + path, depth + 1)[1]
        app, depth = next((a for a in (getattr(app, name, None) for name in ("app", "wsgi_app")) if is_application(a)), None), depth + 1
    return found


def explain(error):
    """Prints a traceback without frames of this script and the shim."""
    own = os.path.dirname(os.path.abspath(__file__))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith((own, "<frozen", importlib.__path__[0]))]
    if frames:
        print("Traceback (most recent call last):\n", *traceback.format_list(frames), sep="", end="", file=sys.stderr)
    print(*traceback.format_exception_only(type(error), error), sep="", end="", file=sys.stderr)


def main():
    spec, file, found = sys.argv[1:]
    sys.argv[:] = ["girin"]
    out = os.fdopen(3, "w")
    try:
        named = settle(file)
        spec = spec or named or found
        if not spec:
            raise importing.AppError("no application is named, neither on the command line nor by wsgi_app in the configuration file")
        app = importing.import_app(spec, "sync")  # which refuses what is neither a WSGI nor an ASGI application
    except BaseException as error:
        explain(error)
        return 1
    framework, found = routes(getattr(app, "__self__", app))  # app.wsgi_app is a method
    listed = [{"path": path, "methods": methods, "arguments": arguments} for path, methods, arguments in found]
    json.dump({
        "spec": spec,
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
