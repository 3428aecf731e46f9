"""The process that an app finds itself in: imports, __main__, signals, threads, streams, mounts, logs."""
from __future__ import annotations

import contextlib
import http.client
import socket
from collections import Counter

from sidebyside import Case, Site

ANSWER = """
def answer(start_response, value):
    import json
    body = json.dumps(value).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""


def app(body: str) -> str:
    """An app.py whose application returns the JSON of what body returns; `environ` is there."""
    lines = "\n".join("    " + line for line in body.strip("\n").split("\n"))
    return f"{ANSWER}\ndef value(environ):\n{lines}\n\ndef application(environ, start_response):\n    return answer(start_response, value(environ))\n"


def root(site: Site):
    return site.get().json()


SHADOWS = "logging token types string signal socket operator re enum queue inspect random select ssl".split()

def statuses(*paths: str):
    """What is asked for, each with its status, and what the app saw."""

    def see(site: Site):
        answers = {path: site.get(path) for path in paths}
        return {path: answer.json() if answer.status == 200 else answer.status for path, answer in answers.items()}

    return see


def negative_sizes(size: int):
    return lambda site: site.get("/", method="POST", body=b"x" * size).json()


def wide_values(site: Site) -> list[str]:
    """As they are on the wire: http.client would take spaces off."""
    with socket.create_connection(("127.0.0.1", site.port), 20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        head = client.makefile("rb").read().partition(b"\r\n\r\n")[0].decode("latin-1")
    return [line.removeprefix("X-Wide: ") for line in head.split("\r\n") if line.startswith("X-Wide:")]


WIDE = """
def application(environ, start_response):
    start_response("200 OK", [("X-Wide", " a  b\\t "), ("X-Wide", "  "), ("X-Wide", " \\xe9 "), ("Content-Length", " 2")])
    return [b"ok"]
"""

STREAMS = '''
import time
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    if environ["PATH_INFO"] == "/silent":
        yield b"data: begins\\n\\n"
        time.sleep(60)
    for n in range(36):
        yield b"data: %d\\n\\n" % n
        time.sleep(0.25)
'''


def a_stream_beside_a_silent_one(site: Site):
    """Is the stream that sends whole, although it lasts longer than all times allowed to the silent one?"""
    silent = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    with contextlib.closing(silent):
        silent.request("GET", "/silent")
        silent.getresponse()
        return site.body("/sends").count("data: ")


LOGGED = """
def application(environ, start_response):
    environ["REMOTE_USER"] = "somebody"
    environ["HTTP_ACCEPT"] = "everything"
    if environ["PATH_INFO"] == "/late":
        start_response("200 OK", [("Content-Length", "2")])
        environ["Own"] = 5
        return [b"ok"]
    environ["Own"] = 4
    if environ["PATH_INFO"] == "/stream":
        def blocks():
            start_response("200 OK", [])
            yield b"o"
            yield b"k"
        return blocks()
    start_response("204 No Content", [])
    return []
"""

SET_BEHIND = 'environ.update(REMOTE_ADDR="192.0.2.7", QUERY_STRING="q=1")'
BEHIND_A_PROXY = f"""{LOGGED}
inner = application

def application(environ, start_response):
    path = environ["PATH_INFO"]
    {SET_BEHIND}
    result = inner(environ, start_response)
    environ["PATH_INFO"] = "/inner" + path
    return result
"""


def logged(headers: dict):
    """What the access log has of a few requests."""

    def see(site: Site):
        with site.connection() as connection:
            for path in ("/late", "/stream", "/none"):
                connection.putrequest("GET", path)
                for name, values in headers.items():
                    for value in values:
                        connection.putheader(name, value)
                connection.endheaders()
                response = connection.getresponse()
                assert not [name for name, _ in response.getheaders() if name.startswith(":")]
                response.read()
        site.until(lambda: len(site.lines("logged <(.*)>")) == 3)
        return site.lines("logged <(.*)>")

    return see


MOUNTED = app('return [environ["SCRIPT_NAME"], environ["PATH_INFO"]]')

CASES = [
    Case(
        "a file named json.py",
        root,
        app="import json\n" + app("return hasattr(json, 'OWN')").replace("    import json\n", ""),
        files={"json.py": "OWN = True\ndef dumps(value): return 'true'\n"},
        right=True,
        girin=False,
        because="A file of the application's named `json.py` is not what `import json` finds",
    ),
    *(
        Case(
            f"a file named {name}.py",
            root,
            app=f"import json, logging, {name}\n" + app(f"return [hasattr({name}, 'OWN'), json.dumps(1), logging.INFO]"),
            files={f"{name}.py": "OWN = True\n"},
            classes=("sync", "gevent"),
        )
        for name in SHADOWS
    ),
    Case(
        "__main__ is a program's",
        root,
        app=app("""
import __main__, os
return [os.path.isabs(__main__.__file__), os.path.exists(__main__.__file__), hasattr(__main__, "__spec__"), __main__.__name__]
"""),
        right=[True, True, True, "__main__"],
    ),
    Case(
        "python-dotenv finds the app's .env",
        root,
        # As dotenv.find_dotenv: it begins at the working directory if nobody runs a program.
        app=app("""
import __main__, os
return "interactive" if not hasattr(__main__, "__file__") else open(os.path.join(os.path.dirname(__file__), ".env")).read()
"""),
        files={".env": "A=1"},
        right="A=1",
    ),
    *(
        Case(
            f"a process pool by {method}",
            root,
            app=f"""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
{app(f'''
with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("{method}")) as pool:
    return pool.submit(pow, 2, 5).result(10)
''')}""",
            classes=("sync", "gthread", "auto"),
            right=32,
        )
        for method in ("spawn", "forkserver")
    ),
    *(
        Case(
            f"mounted at {mount} by {how}",
            statuses(mount, mount.rstrip("/") + "/x", mount.rstrip("/") + "/x%20y/"),
            app=MOUNTED,
            **{name: value(mount) for name, value in settings.items()},
        )
        for mount in ("/app", "/app/", "/")
        for how, settings in {
            "the environment": {"env": lambda mount: {"SCRIPT_NAME": mount}},
            "-e": {"options": lambda mount: ("-e", f"SCRIPT_NAME={mount}")},
            "raw_env": {"config": lambda mount: f"raw_env = ['SCRIPT_NAME={mount}']"},
            "the file's os.environ": {"config": lambda mount: f"import os\nos.environ['SCRIPT_NAME'] = {mount!r}"},
        }.items()
        if mount == "/app" or how in ("-e",)
    ),
    *(
        Case(
            f"mounted by {how}, asked before the first worker is there",
            statuses("/app/x"),
            app="import time\ntime.sleep(1)\n" + MOUNTED,
            config=f"import os\n{config}\n",
            classes=("sync", "auto"),
            right={"/app/x": ["/app", "/x"]},
        )
        for how, config in {
            "the file": "os.environ['SCRIPT_NAME'] = '/app'",
            "on_starting": "def on_starting(server): os.environ['SCRIPT_NAME'] = '/app'",
        }.items()
    ),
    Case(
        "a path outside of the mount point",
        statuses("/app/x", "/other", "/application"),
        app=MOUNTED,
        env={"SCRIPT_NAME": "/app"},
        girin={"/app/x": ["/app", "/x"], "/other": 404, "/application": 404},
        because="A path outside of `$SCRIPT_NAME` is answered with 404",
    ),
    *(
        Case(
            f"max_requests is exact: {most} ({', '.join(classes)})",
            lambda site, most=most: sorted(Counter(site.body() for _ in range(12)).values()),
            app=app("import os\nreturn os.getpid()"),
            options=("--max-requests", str(most), "-w", "1"),
            classes=classes,
            girin=[most] * (12 // most),
            because=because,
        )
        for most in (1, 3)
        for classes, because in {("sync",): "", ("gthread", "gevent"): "`max_requests` up to 100 is exact in every class"}.items()
    ),
    Case(
        "a stream beside one that falls silent",
        a_stream_beside_a_silent_one,
        app=STREAMS,
        options=("--timeout", "2", "--graceful-timeout", "2"),
        classes=("gthread", "gevent", "auto"),
        right=36,
    ),
    *(
        Case(
            f"the access log has {name}",
            logged(headers),
            app=LOGGED,
            options=("--access-logfile", "-", "--access-logformat", f"logged <{form}>"),
        )
        for name, form, headers in [
            ("what the app sets in the environ", "%({REMOTE_USER}e)s %({own}e)s %({wsgi.url_scheme}e)s", {}),
            ("what the app leaves alone", "%({SERVER_PROTOCOL}e)s %({CONTENT_LENGTH}e)s %({SCRIPT_NAME}e)s %({none}e)s", {}),
            ("the last of repeated fields", "%({X-Forwarded-For}i)s", {"X-Forwarded-For": ["a", "b"]}),
            ("all of repeated fields in the environ", "%({HTTP_X_FORWARDED_FOR}e)s %({HTTP_X_AGAIN}e)s", {"X-Forwarded-For": ["a", "b"], "X-Again": ["c", "", "d"]}),
        ]
    ),
    Case("beginnings of flags, and True for a number", root, app=app("return [environ['wsgi.multithread'], environ['wsgi.multiprocess']]"),
         options=("--thread", "3", "--keep-al=1", "--error-log", "-"), config="workers = True\nmax_requests = False\n", classes=("sync",), right=[True, False]),
    Case(
        "the access log has a request field that the app changes in the environ",
        logged({}),
        app=LOGGED,
        options=("--access-logfile", "-", "--access-logformat", "logged <%({HTTP_ACCEPT}e)s>"),
        classes=("sync",),
        girin=["-"] * 3,
        because="`%({HTTP_NAME}e)s` in the access log is what the client sent",
    ),
    *(
        Case(
            f"the access log has what the app changes in the environ, as {form}", logged({}), app=BEHIND_A_PROXY,
            options=("--access-logfile", "-", "--access-logformat", f"logged <{form}>"), classes=classes, right=right,
        )
        for form, classes, right in [
            ("%(h)s", ("sync",), ["192.0.2.7"] * 3),
            ("%(h)s %(U)s %(q)s", ("sync", "gthread", "gevent", "auto"), [f"192.0.2.7 /inner{path} q=1" for path in ("/late", "/stream", "/none")]),
            ("%(h)s %({REMOTE_ADDR}e)s %(U)s", ("sync",), [f"192.0.2.7 192.0.2.7 /inner{path}" for path in ("/late", "/stream", "/none")]),
        ]
    ),
    *(
        Case(f"the access log has what the app makes of REMOTE_ADDR: {change}", logged({}), app=BEHIND_A_PROXY.replace(SET_BEHIND, change),
             options=("--access-logfile", "-", "--access-logformat", "logged <%(h)s>"), classes=("sync",), right=[right] * 3)
        for change, right in [("del environ['REMOTE_ADDR']", "-"), ("environ['REMOTE_ADDR'] = 7", "7")]
    ),
    Case("the method in the access log is what came", logged({}), app=BEHIND_A_PROXY.replace("REMOTE_ADDR", "REQUEST_METHOD"), classes=("sync",),
         options=("--access-logfile", "-", "--access-logformat", "logged <%(m)s>"), girin=["GET"] * 3, because="`%(m)s` and `%(r)s` in the access log are what came"),
    *(
        Case(f"wsgi.input takes any negative size, of {name}", negative_sizes(size), app=app("return len(environ['wsgi.input'].read(-5))"), right=size)
        for name, size in [("a small body", 9), ("a body in the arena", 100_000), ("a body in a file", 2_000_000)]
    ),
    Case(
        "wsgi.file_wrapper gives blocks by index",
        root,
        app=app("import io\nblocks = environ['wsgi.file_wrapper'](io.BytesIO(b'abcdef'), 4)\nreturn [blocks[0].decode(), blocks[0].decode(), len(list(blocks))]"),
        right=["abcd", "ef", 0],
    ),
    Case(
        "spaces around the value of a field",
        wide_values,
        app=WIDE,
        right=["a  b", "", "\xe9"],
    ),
    Case(
        "SERVER_SOFTWARE is in the environment",
        root,
        app=app('import os\nreturn "gunicorn" in os.environ.get("SERVER_SOFTWARE", "")'),
        right=True,
    ),
]
