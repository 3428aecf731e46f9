"""What was written for uvicorn, given to girin: the same options, variables and files of logging."""
import contextlib
import json
import re
import sys

import pytest
import yaml
from uvicorn.config import LOGGING_CONFIG

import asgi_server
import servers
from servers import BIN, GIRIN, Server
from waiting import until

COMMANDS = {"girin": (str(GIRIN), "serve", "--python", sys.executable), "uvicorn": (str(BIN / "uvicorn"),)}
LINE = re.compile(r'^INFO: +127\.0\.0\.1:\d+ - "GET /here\?a=%20b HTTP/1.1" 200 OK$', re.M)


@contextlib.contextmanager
def serving(name, *options, app="factory:create", env=None):
    server = Server(name, "as uvicorn", (*COMMANDS[name], *options, "{app}"))
    with servers.running(server, app, asgi_server.APPS, env) as run:
        yield asgi_server.Served(run)


@pytest.mark.parametrize("name", COMMANDS)
def test_options(name):
    options = "--host", "127.0.0.1", "--port", "{port}", "--factory", "--root-path", "/api", "--workers", "1", "--loop", "asyncio", "--lifespan", "off"
    with serving(name, *options, "--http", "h11", "--no-access-log", "--no-server-header", "--timeout-keep-alive", "7") as served:
        answer = served.get("/here?a=%20b")
        assert answer.text == "/api /api/here"
        assert "server" not in answer.headers
        assert "GET /here" not in served.log()


@pytest.mark.parametrize("name", COMMANDS)
def test_variables(name):
    env = {"UVICORN_HOST": "localhost", "UVICORN_FACTORY": "true", "UVICORN_ROOT_PATH": "/v", "UVICORN_APP": "factory:create"}
    with serving(name, "--host", "127.0.0.1", "--port", "{port}", app="--reset-contextvars", env=env) as served:
        assert served.text("/here") == "/v /v/here"


@pytest.mark.parametrize("name", COMMANDS)
def test_no_websockets(name):
    """Who asks for one makes a plain request, whose Upgrade means nothing."""
    with serving(name, "--port", "{port}", "--factory", "--workers", "1", "--ws", "none") as served:
        fields = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        answer = served.get("/here", headers=fields)
        assert (answer.status_code, answer.text) == (200, " /here")


@pytest.mark.parametrize("form", ["json", "yaml", "ini"])
@pytest.mark.parametrize("name", COMMANDS)
def test_logging(name, form, tmp_path):
    path = tmp_path / f"logging.{form}"
    path.write_text({"json": json.dumps, "yaml": yaml.safe_dump, "ini": as_ini}[form](LOGGING_CONFIG))
    with serving(name, "--port", "{port}", "--factory", "--workers", "1", "--log-config", str(path)) as served:
        served.get("/here?a=%20b")
        until(lambda: LINE.search(served.log()), 10, "no line of uvicorn's form")
        assert re.search(r"^INFO: +[A-Z]", served.log(), re.M)  # of the server itself


@pytest.mark.parametrize("name", COMMANDS)
def test_no_access_log_beside_a_file(name, tmp_path):
    path = tmp_path / "logging.json"
    path.write_text(json.dumps(LOGGING_CONFIG))
    with serving(name, "--port", "{port}", "--factory", "--workers", "1", "--log-config", str(path), "--no-access-log") as served:
        served.get("/here?a=%20b")
        served.run.process.terminate()
        served.run.process.wait(10)  # by then all lines are written
        assert "GET /here" not in served.log()


def as_ini(config) -> str:
    """The same configuration in the form of fileConfig."""
    lines = ["[loggers]", "keys=root,uvicorn,access", "[handlers]", "keys=default,access", "[formatters]", "keys=default,access",
             "[logger_root]", "handlers=", "level=INFO"]
    for name, qualified in (("uvicorn", "uvicorn"), ("access", "uvicorn.access")):
        lines += [f"[logger_{name}]", f"qualname={qualified}", f"handlers={config['loggers'][qualified]['handlers'][0]}", "level=INFO", "propagate=0"]
    for name in ("default", "access"):
        stream = config["handlers"][name]["stream"].removeprefix("ext://")
        lines += [f"[handler_{name}]", "class=StreamHandler", f"args=({stream},)", f"formatter={name}",
                  f"[formatter_{name}]", f"class={config['formatters'][name]['()']}", f"format={config['formatters'][name]['fmt']}"]
    return "\n".join(lines)
