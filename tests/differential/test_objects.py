"""The objects that hooks are given have what gunicorn's classes have, but for what is named here."""
from __future__ import annotations

import ast
import inspect
import textwrap

import pytest
from gunicorn import arbiter, config, glogging
from gunicorn.app import base
from gunicorn.http import message, wsgi
from gunicorn.workers import base as workers

import servers

SHIM = servers.ROOT / "internal" / "shim" / "_girin_shim"

# How gunicorn's own master and workers do their work, which here is the master's in Go.
ON_PURPOSE = {
    "Arbiter": """SIGNALS SIG_QUEUE WAKEUP_REQUEST dirty_arbiter dirty_arbiter_pid dirty_pidfile get_dirty_pidfile_path halt
        handle_chld handle_cld handle_dirty_arbiter_exit handle_hup handle_int handle_quit handle_term handle_ttin handle_ttou
        handle_usr1 handle_usr2 handle_winch init_signals kill_dirty_arbiter kill_worker kill_workers manage_dirty_arbiter
        manage_workers maybe_promote_master murder_workers reap_dirty_arbiter reap_workers reexec reload run setup signal
        signal_chld spawn_dirty_arbiter spawn_worker spawn_workers start stop wait_for_signals wakeup""",
    "Worker": """PIPE SIGNALS handle_abort handle_error handle_exit handle_quit handle_usr1 handle_winch init_process init_signals
        load_wsgi run wait_fds""",
    "Application": "chdir get_config_from_filename get_config_from_module_name init load_config load_config_from_file "
                   "load_config_from_module_name_or_filename load_default_config do_load_config reload run",
    "Config": "get_cmd_args_from_env parser validate reuse_port sendfile",  # the last two are settings like any other
    "Logger": "lock",
    "Request": """cfg fragment get_data limit_request_fields limit_request_field_size limit_request_line max_buffer_headers must_close
        parse parse_headers parse_request_line proxy_protocol_info read_into read_line req_number set_body_reader should_close
        trailers unreader expected_100_continue force_close peer_trusted proxy_protocol_access_check read_bytes""",
    "Response": """cfg close default_headers force_close is_chunked must_close process_headers req send_headers sendfile should_close
        sock start_response upgrade version write write_file can_sendfile set_status_and_check""",
}


def names_of(tree: ast.ClassDef) -> set[str]:
    """Attributes that a class's body and its methods set, and its methods, without private ones."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node in tree.body:
            found.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        for target in [inner for outer in targets for inner in (outer.elts if isinstance(outer, ast.Tuple) else [outer])]:
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
                found.add(target.attr)
            elif isinstance(target, ast.Name) and node in tree.body:
                found.add(target.id)
    return {name for name in found if not name.startswith("_")}


def gunicorns(*classes: type) -> set[str]:
    return set().union(*(names_of(ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]) for cls in classes))


def girins(*places: str) -> set[str]:
    found = set()
    for place in places:
        module, _, name = place.partition(":")
        tree = ast.parse((SHIM / f"{module}.py").read_text())
        found |= names_of(next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name))
    return found


OBJECTS = {
    "Arbiter": (gunicorns(arbiter.Arbiter), girins("objects:Arbiter")),
    "Worker": (gunicorns(workers.Worker), girins("objects:GunicornWorker")),
    "Application": (gunicorns(base.BaseApplication, base.Application), girins("objects:Application")),
    "Config": (gunicorns(config.Config), girins("cfg:Cfg") | {"settings", "usage", "prog", "env_orig"}),
    "Logger": (gunicorns(glogging.Logger), girins("logger:Logger")),
    "Request": (gunicorns(message.Message, message.Request), girins("requesthooks:Request")),
    "Response": (gunicorns(wsgi.Response), girins("requesthooks:Response")),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_nothing_is_missing_but_on_purpose(name):
    theirs, ours = OBJECTS[name]
    purpose = set(ON_PURPOSE[name].split())
    assert sorted(theirs - ours - purpose) == []
    assert sorted(purpose & ours) == [], "it is there"


def test_every_setting_is_one_of_cfg():
    known = (servers.ROOT / "docs" / "SETTINGS.md").read_text()
    assert [name for name in config.make_settings() if f"**{name}**" not in known] == []
