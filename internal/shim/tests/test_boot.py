"""From the first message to Ready or Broken: finding the app as gunicorn does."""
from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import master
import pytest
from test_same_asgi import packet as asgi_packet

APPS = """
    def application(environ, start_response):
        start_response("200 OK", [])
        return [b"application"]
    def make(name="none", *, shout=False):
        def app(environ, start_response):
            start_response("200 OK", [])
            return [(name.upper() if shout else name).encode()]
        return app
    class space:
        app = staticmethod(make("dotted"))
        class deeper:
            make = staticmethod(make)
    nothing = None
    number = 5
    def fails():
        raise TypeError("raised inside")
    """


@pytest.mark.parametrize(
    "spec, body",
    [
        ("wsgi_app", b"application"),
        ("wsgi_app:application", b"application"),
        ("wsgi_app:make()", b"none"),
        ("wsgi_app:make('x')", b"x"),
        ("wsgi_app:make('x', shout=True)", b"X"),
        ("wsgi_app:space.app", b"dotted"),
        ("wsgi_app:space.deeper.make('deep')", b"deep"),
    ],
)
def test_apps(start, spec, body):
    worker = start(APPS, app=spec)
    assert worker.get().body == body


def broken(start, code: str, app: str = "wsgi_app:app", **kwargs) -> tuple[int, str]:
    worker = start(code, app=app, ready=False, **kwargs)
    answer = json.loads(worker.message(master.BROKEN)[3])
    assert worker.wait() == answer["code"]
    return answer["code"], answer["text"]


@pytest.mark.parametrize(
    "spec, text",
    [
        ("wsgi_app:missing", "Failed to find attribute 'missing' in 'wsgi_app'."),
        ("wsgi_app:space.missing", "Failed to find attribute 'missing' in 'wsgi_app'."),
        ("wsgi_app:nothing", "Failed to find application object: 'nothing' is None"),
        ("wsgi_app:number", "Application object must be callable"),
        ("wsgi_app:1 +", "Failed to parse '1 +' as an attribute name or function call."),
        ("wsgi_app:[1]", "Failed to parse '[1]' as an attribute name or function call."),
        ("wsgi_app:make(name)", "Failed to parse arguments as literal values: 'make(name)'"),
        ("wsgi_app:make(1, 2, 3)", "TypeError: "),
        ("wsgi_app:number()", "TypeError: 'int' object is not callable"),
    ],
)
def test_an_app_that_is_missing(start, spec, text):
    code, said = broken(start, APPS, spec)
    assert code == 4
    assert said.startswith(text)
    assert "Traceback" not in said
    assert sys.executable in said


HIDES = "import importlib, pathlib; pathlib.Path('pytest.py').touch(); importlib.invalidate_caches(); {}"


@pytest.mark.parametrize(
    "code, spec, texts",
    [
        (APPS, "wsgi_app:fails()", ["Traceback", "TypeError: raised inside"]),
        ("1 / 0", "wsgi_app:app", ["Traceback", "wsgi_app.py\", line 1", "ZeroDivisionError"]),
        ("def (", "wsgi_app:app", ["SyntaxError"]),
        ("import sys; sys.exit(1)", "wsgi_app:app", ["SystemExit", "ended the interpreter"]),
        ("import nowhere_to_be_found", "wsgi_app:app", ["Traceback", "nowhere_to_be_found is not installed in", "-m pip install", "sys.path:"]),
        (HIDES.format("from pytest import mark"), "wsgi_app:app", ["Traceback", "pytest.py hides the pytest of /", "give it another name"]),
        (HIDES.format("import pytest; pytest.mark"), "wsgi_app:app", ["Traceback", "pytest.py hides the pytest of /"]),
        (HIDES.format("import pytest.plugins"), "wsgi_app:app", ["Traceback", "pytest.py hides the pytest of /"]),
        ("", "other_module:app", ["there is no module other_module in /", "--chdir", "sys.path:"]),
        ("", "wsgi_ap:app", ["Did you mean wsgi_app:app? "]),
        ("", "verison", ["If a command was meant: girin help lists them. "]),
    ],
)
def test_an_import_that_fails(start, code, spec, texts):
    status, said = broken(start, code, spec)
    assert status == 3
    for text in [*texts, "Directory: /"]:
        assert text in said
    assert "_girin_shim" not in said and "<girin>" not in said and "<frozen" not in said


def test_a_python_that_is_too_old_says_so():
    """It comes to that line, since the file has nothing that it cannot compile."""
    loader = master.SHIM / "loader.py"
    ast.parse(loader.read_text(), feature_version=(3, 6))
    old = f"import sys; sys.version_info = (3, 6, 15); exec(open({str(loader)!r}).read(), {{'__name__': 'loader'}})"
    said = subprocess.run([sys.executable, "-c", old], capture_output=True, text=True)
    assert said.returncode == 1 and said.stderr.startswith("girin: Python 3.9 or newer is needed, and /"), said.stderr


@pytest.mark.parametrize(
    "code, hint",
    [
        ("app = print", "Hint: there is wsgi_app:app\n"),
        ("def create_app(): pass", "Hint: there is wsgi_app:create_app()\n"),
    ],
)
def test_an_app_of_another_name_is_pointed_out(start, code, hint):
    said = broken(start, code, "wsgi_app")[1]
    assert said.startswith("Failed to find attribute 'application' in 'wsgi_app'.\n" + hint)


def test_a_name_that_is_not_quite_right(start):
    said = broken(start, "import os\ndef webshop(environ, start_response): pass", "wsgi_app:webshp")[1]
    assert said.startswith("Failed to find attribute 'webshp' in 'wsgi_app'.\nHint: there is wsgi_app:webshop\n")


UNFIT = {
    "async def create_app(): pass\napp = create_app": "Hint: if it returns the application, name its call",
    "def app(): pass": "Hint: if it returns the application, name its call: wsgi_app:app()",
    "def app(config=None): pass": "Hint: if it returns the application, name its call: wsgi_app:app()",
    "def app(environ): pass": "cannot be called with environ and start_response",
    "def app(a, b, c): pass": "cannot be called with environ and start_response",
    "def app(a, b, *, c): pass": "cannot be called with environ and start_response",
    "def create_app(a=1, b=2): pass\napp = create_app": "Hint: if it returns the application, name its call",
}


@pytest.mark.parametrize("code", UNFIT)
def test_what_would_fail_in_each_request_is_refused(start, code):
    status, said = broken(start, code)
    assert status == 4 and UNFIT[code] in said and "Traceback" not in said


FIT = {
    "function": "app = answer",
    "defaults": "def app(environ, start_response, more=None): return answer(environ, start_response)",
    "keyword": "def app(environ, start_response, *, more=None): return answer(environ, start_response)",
    "varargs": "def app(*args): return answer(*args)",
    "method": "class A:\n    def run(self, environ, start_response): return answer(environ, start_response)\napp = A().run",
    "instance": "class A:\n    def __call__(self, environ, start_response): return answer(environ, start_response)\napp = A()",
    "class": "class app(list):\n    def __init__(self, environ, start_response): super().__init__(answer(environ, start_response))",
    "partial": "import functools\napp = functools.partial(answer)",
    "wrapped": "import functools\n@functools.wraps(answer)\ndef app(*a, **k): return answer(*a, **k)",
}


@pytest.mark.parametrize("name", FIT)
def test_apps_of_every_kind_are_taken(start, name):
    code = "def answer(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ok']\n" + FIT[name] + "\n"
    assert start(code).get().body == b"ok"


@pytest.mark.parametrize(
    "spec, meant",
    [
        ("pkg/wsgi.py", "'pkg.wsgi:application'"),
        ("pkg/wsgi.py:other", "'pkg.wsgi:other'"),
        ("pkg/wsgi", "'pkg.wsgi:application'"),
        ("./pkg/made.py", "'pkg.made:create_app()'"),
        ("./my-site/wsgi.py", "--chdir ./my-site 'wsgi:application'"),
        ("pkg/__init__.py", "'pkg:app'"),
        ("manage.py", "'shop.wsgi:application'"),
        ("./django/manage.py", "--chdir ./django 'shop.wsgi:application'"),
    ],
)
def test_a_file_in_a_folder_instead_of_a_module(start, tmp_path, spec, meant):
    manage = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings.prod')"
    for file, text in {
        "pkg/wsgi.py": "app = application = 1", "pkg/made.py": "def create_app(): 1", "pkg/__init__.py": "app = 1", "my-site/wsgi.py": "",
        "manage.py": manage, "shop/wsgi.py": "", "django/manage.py": manage, "django/shop/wsgi.py": "",
    }.items():
        (tmp_path / file).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / file).write_text(text)
    worker = start(app=spec, folder=str(tmp_path), ready=False)
    text = json.loads(worker.message(master.BROKEN)[3])["text"]
    assert text.startswith(f"Failed to find application, did you mean {meant}?")


def test_a_module_of_a_package_by_its_own_name(start, tmp_path):
    (tmp_path / "shop").mkdir()
    for name, code in {"__init__": "", "models": "", "app": "from . import models"}.items():
        (tmp_path / "shop" / f"{name}.py").write_text(code)
    worker = start(app="app:create_app()", folder=str(tmp_path / "shop"), ready=False)
    text = json.loads(worker.message(master.BROKEN)[3])["text"]
    assert "attempted relative import with no known parent package" in text
    assert f"part of a package: name it as --chdir {tmp_path} 'shop.app:create_app()'\n" in text


def test_django_without_its_wsgi_module(start, tmp_path):
    (tmp_path / "mysite").mkdir()
    for name in ("__init__.py", "wsgi.py"):
        (tmp_path / "mysite" / name).write_text("")
    worker = start(app="mysite", folder=str(tmp_path), ready=False)
    text = json.loads(worker.message(master.BROKEN)[3])["text"]
    assert "Hint: Django's application is in mysite.wsgi:application" in text


def test_a_file_instead_of_a_module(start):
    code, said = broken(start, "", "wsgi_app.py")
    assert code == 3
    assert said.startswith("Failed to find application, did you mean 'wsgi_app:application'?")


def test_threads_left_by_a_failed_import_do_not_hold_it_up(start):
    code = "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,)).start()\n1 / 0\n"
    assert broken(start, code)[0] == 3


def test_another_version_of_the_protocol(start):
    code, text = broken(start, "app = print", version=99)
    assert code == 3 and "version 99" in text


def test_ready(start, cls):
    worker = start("app = print", cls=cls)
    ready = worker.ready
    assert ready["version"] == master.VERSION
    assert ready["pid"] == worker.pid
    assert ready["python"] == ".".join(map(str, sys.version_info[:3]))
    assert ready["implementation"] == "cpython"
    assert ready["gil"] is master.GIL
    assert ready["free_threaded"] is ("t" in sys.abiflags)
    assert worker.page[master.PAGE_PARALLEL] == (not master.GIL)
    assert ready["import_ms"] > 0
    assert ("gevent" in ready["modules"]) is (cls == "gevent")


def test_a_gil_that_is_turned_on_later_is_told(start):
    worker = start("def app(environ, start_response): start_response('200 OK', []); return []", cls="gthread", implementation="python")
    worker.page[master.PAGE_PARALLEL] = 1
    worker.get()
    assert worker.page[master.PAGE_PARALLEL] == 1, "looked at for each request, which costs"
    worker.get(flags=master.MEASURE_CPU)
    assert worker.page[master.PAGE_PARALLEL] == (not master.GIL)


SURROUNDINGS = """
    import json, sys, os
    seen = {
        "path": list(sys.path), "argv": list(sys.argv), "cwd": os.getcwd(),
        "main": sorted(k for k in vars(sys.modules["__main__"]) if not k.startswith("__")),
        "file": hasattr(sys.modules["__main__"], "__file__"),
        "finders": [type(f).__name__ for f in sys.meta_path],
    }
    def app(environ, start_response):
        start_response("200 OK", [])
        return [json.dumps(seen).encode()]
    """


def test_surroundings(start, cls):
    worker = start(SURROUNDINGS, cls=cls, pythonpath=["/first", "second"], argv=["/usr/bin/girin", "-w", "2"])
    seen = json.loads(worker.get().body)
    folder = os.path.realpath(worker.folder)
    assert seen["path"][:3] == [f"{folder}/second", "/first", folder]
    assert "" not in seen["path"]
    assert seen["argv"] == ["/usr/bin/girin", "-w", "2"]
    assert seen["cwd"] == folder
    assert seen["main"] == [] and seen["file"]
    assert "Loader" not in seen["finders"]


def test_a_chdir_through_a_symlink_stays_on_the_path(start, tmp_path):
    (tmp_path / "release").mkdir()
    current = tmp_path / "current"
    current.symlink_to("release")
    worker = start(SURROUNDINGS, folder=str(current), chdir=str(current))
    assert json.loads(worker.get().body)["path"][0] == str(current)


def test_the_app_may_have_modules_named_like_ours(start, cls, tmp_path):
    names = ["wire", "config", "worker", "front", "shim", "control", "page", "boot", "loader", "lanes", "errors"]
    for name in names:
        (tmp_path / f"{name}.py").write_text(f"name = 'my {name}'\n")
    code = "\n".join(f"import {name}" for name in names)
    (tmp_path / "own.py").write_text(
        f"{code}\ndef app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        f"    return [' '.join([{', '.join(n + '.name' for n in names)}]).encode()]\n"
    )
    worker = start(app="own:app", cls=cls, folder=str(tmp_path))
    assert worker.get().body.decode() == " ".join(f"my {name}" for name in names)


def test_gevent_is_patched_before_the_app_is_imported(start):
    worker = start(
        """
        import socket, threading, time
        from gevent import monkey
        patched = all(map(monkey.is_module_patched, ["socket", "threading", "time", "subprocess", "select"]))
        def app(environ, start_response):
            start_response("200 OK", [])
            return [str(patched).encode()]
        """,
        cls="gevent",
    )
    assert worker.get().body == b"True"


def test_gaiohttp_runs_on_an_event_loop(start):
    worker = start(
        """
        import asyncio
        done = []
        async def later():
            await asyncio.sleep(0)
            done.append(1)
        def app(environ, start_response):
            if environ["PATH_INFO"] == "/start":
                asyncio.get_running_loop().create_task(later())
            start_response("200 OK", [])
            return [str(done).encode()]
        """,
        cls="gaiohttp",
    )
    worker.get("/start")
    master.until(lambda: worker.get().body == b"[1]")


def test_the_process_is_named(start):
    worker = start("app = print", proc_name="girin-test")
    assert Path(f"/proc/{worker.pid}/comm").read_text() == "girin-test\n"


def test_a_module_that_gevent_lacks_is_explained(start, tmp_path):
    (tmp_path / "gevent.py").write_text("raise ModuleNotFoundError(\"No module named 'gevent'\", name='gevent')\n")
    worker = start("app = print", cls="gevent", env={"PYTHONPATH": str(tmp_path)}, ready=False)
    answer = json.loads(worker.message(master.BROKEN)[3])
    assert answer["code"] == 3
    assert "gevent is not installed in" in answer["text"]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_app_for_a_loop_that_closes_all_while_it_is_imported(start, loop, implementation):
    worker = start(
        """
        import os
        os.closerange(3, 4096)
        async def app(scope, receive, send):
            if os.close.__module__ != "posix": raise ValueError(os.close.__module__)
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"good"})
        """,
        cls="asgi",
        asgi_loop=loop,
        lifespan="off",
    )
    worker.lane.put(asgi_packet("/"))
    assert worker.answer(1).body == b"good"


def test_what_the_app_has_put_before_os_close_stays(start, cls):
    worker = start(
        """
        import os
        closed, usual = [], os.close
        def close(fd):
            closed.append(fd)
            usual(fd)
        os.close = close
        def app(environ, start_response):
            fd = os.dup(2)
            os.close(fd)
            start_response("200 OK", [])
            return [str(closed == [fd]).encode()]
        """,
        cls=cls,
    )
    assert worker.get().body == b"True"


def test_standard_error_of_jobs_may_be_set_back(start):
    worker = start(
        """
        import gc, sys
        sys.stderr = sys.__stderr__
        gc.collect()
        def app(environ, start_response):
            print("still open", file=sys.stderr, flush=True)
            start_response("200 OK", [])
            return [b"good"]
        """,
        jobs="/nowhere",
    )
    assert worker.get().body == b"good"
    assert "still open" in worker.stderr()


@pytest.mark.parametrize("what", [{"log_environ": ["remote_addr"]}, {"hooks": ["post_request"]}])
@pytest.mark.parametrize("named", ["gthread", "asgi"])
def test_what_is_for_wsgi_alone_leaves_an_asgi_app_its_c_code(start, named, what):
    """But what an app is is known only when it was imported."""
    code = "async def app(scope, receive, send): pass"
    start(code, cls=named, **what)  # which looks whether it has it
