"""Further public reports of people who ran applications under gunicorn: what they set, and what they saw."""
from __future__ import annotations

import contextlib
import re
import signal
from pathlib import Path

from config_cases import PID
from process_cases import app, root
from sidebyside import Case, Site

LOGFMT = 'gunicorn method=%(m)s path="%(U)s" status=%(s)s duration=%(M)sms request_id=%({x-request-id}i)s fwd="%({x-forwarded-for}i)s" <%({X_Forwarded_For}i)s>'


def as_logfmt(site: Site) -> list[str]:
    site.get("/a%20b?c")
    site.get(headers={"X-Request-ID": "7", "X-Forwarded-For": "192.0.2.1"})
    site.stop()
    return [re.sub(r"\d+ms", "N", line) for line in site.lines("gunicorn method=.*")]


def living(site: Site) -> set[str]:
    return {pid for pid in site.lines(r"Booting worker with pid: (\d+)") if Path("/proc", pid).exists()}


def more_and_reload(site: Site) -> list[int]:
    """How many workers there are after TTIN, and after HUP."""
    site.get()
    site.send(signal.SIGTTIN)
    site.until(lambda: len(living(site)) == 2)
    first = living(site)
    site.send(signal.SIGHUP)
    site.until(lambda: not first & living(site))
    site.get()
    return [len(first), len(living(site))]


def extra_file(site: Site) -> bool:
    """Is the worker replaced when a file changes that is not Python's?"""
    before, numbers = site.body(), iter(range(10_000))

    def replaced() -> bool:
        (site.site / "settings.yaml").write_text(f"n: {next(numbers)}")
        with contextlib.suppress(OSError):
            return site.body() != before
        return False

    site.until(replaced)
    return True


def long_ones(site: Site) -> list[int]:
    return [site.get("/?" + "0" * n).status for n in (3000, 20_000)]


ODD = """
raw_env, reload_extra_files, pythonpath = "", {}, ""
timeout, graceful_timeout, keepalive, max_requests = 10**12, True, "0x10", 10**12
syslog_addr, syslog_facility, http_protocols, umask = "", "", "", False
"""
BELOW = {"src/conf.py": "raw_env = ['STAGE=conf']\n", "src/main.py": app("import os\nreturn [os.environ['STAGE'], os.path.basename(os.getcwd())]")}
ARGUMENTS = "import sys\nraw_env = ['LAST=' + sys.argv[-1], 'HAS=%s' % ('-b' in sys.argv)]\n"

CASES = [
    Case("an access log in logfmt", as_logfmt, app=PID, options=("--access-logfile", "-", "--access-logformat", LOGFMT), classes=("sync",),
         right=['gunicorn method=GET path="/a b" status=200 duration=N request_id=- fwd="-" <->',
                'gunicorn method=GET path="/" status=200 duration=N request_id=7 fwd="192.0.2.1" <->']),
    Case("a double dash before the application", root, app=app("return 1"), target="", options=("--timeout", "60", "--", "app:application"), classes=("sync",), right=1),
    Case("one worker more, and a reload", more_and_reload, app=PID, config="\n", classes=("sync",), right=[2, 1]),
    Case("a file that --reload-extra-file names", extra_file, app=PID, files={"settings.yaml": ""}, options=("--reload", "--reload-extra-file", "settings.yaml"),
         classes=("sync",), right=True),
    Case("lines and fields without a limit", long_ones, app=PID, options=("--limit-request-line", "0", "--limit-request-field_size", "0"), classes=("sync",), right=[200, 200]),
    Case("a file below, with --chdir", root, files=BELOW, options=("-c", "src/conf.py", "--chdir", "src"), target="main", classes=("sync",), right=["conf", "src"]),
    Case("a file that reads sys.argv", root, app=app("import os, sys\nreturn [os.environ['LAST'], os.environ['HAS'], sys.argv[-1]]"), config=ARGUMENTS, classes=("sync",),
         right=["app", "True", "app"]),
    Case("values that Python takes for false, numbers and for ever", root, app=app("return 1"), config=ODD, classes=("sync",), right=1),
]
