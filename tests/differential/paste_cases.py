"""Applications that a PasteDeploy file describes, as Pyramid's are."""
from __future__ import annotations

from process_cases import ANSWER, root
from sidebyside import Case, Site

APP = ANSWER + """
import os
def main(global_config, **settings):
    def application(environ, start_response):
        return answer(start_response, [settings, global_config["here"] == os.getcwd(), os.path.basename(global_config["__file__"]), global_config.get("who")])
    return application
"""
INI = """
[app:main]
use = call:app:main
greeting = hello %(who)s

[app:admin]
use = call:app:main
place = admin

[DEFAULT]
who = nobody
"""
LOGGING = """
[loggers]
keys = root, gunicorn.error

[handlers]
keys = console

[formatters]
keys = own

[logger_root]
level = INFO
handlers = console

[logger_gunicorn.error]
level = INFO
handlers = console
propagate = 0
qualname = gunicorn.error

[handler_console]
class = StreamHandler
args = (sys.stdout,)
formatter = own

[formatter_own]
format = own %(name)s: %(message)s
"""


def logged(site: Site):
    site.get()
    site.stop()
    return site.lines("(own gunicorn.error: (?:Handling signal: term|Shutting down: Master))")


CASES = [
    *(
        Case(f"an app of a PasteDeploy file: {name}", root, app=APP, files={"production.ini": INI}, options=options, target="")
        for name, options in {
            "the main one": ("--paste", "production.ini"),
            "by its name": ("--paste", "production.ini#admin"),
            "with a global variable": ("--paste", "production.ini", "--paste-global", "who=somebody"),
            "with preload_app": ("--paste", "{folder}/production.ini", "--preload"),
        }.items()
    ),
    Case("a PasteDeploy file configures logging", logged, app=APP, files={"production.ini": INI + LOGGING}, options=("--paste", "production.ini"), target="",
         classes=("sync", "gthread")),
    Case("an app of a PasteDeploy file, after a configuration file", root, app=APP, files={"production.ini": INI}, config="raw_paste_global_conf = ['who=the file']\n",
         options=("--paste", "production.ini"), target=""),
]
