"""Writes gunicorn's settings as JSON: the list that TestTableKnowsGunicorn compares with.

    python -m venv venv && venv/bin/pip install gunicorn
    venv/bin/python internal/config/testdata/gunicorn_settings.py > internal/config/testdata/gunicorn_settings.json
"""

import json
import sys

import gunicorn
from gunicorn.config import KNOWN_SETTINGS, Config


def default(setting):
    """The default once gunicorn's own validator has seen it; functions become None."""
    value = setting().get()
    if callable(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return value


def row(setting):
    return {
        "name": setting.name,
        "flags": setting.cli or [],
        "default": default(setting),
        "type": getattr(setting.type, "__name__", None),
        "action": setting.action,
        "validator": getattr(setting.validator, "__name__", None),
    }


if __name__ == "__main__":
    Config()  # fails loudly if a default is invalid
    answer = {"gunicorn": gunicorn.__version__, "settings": [row(s) for s in KNOWN_SETTINGS]}
    json.dump(answer, sys.stdout, indent=1)
    print()
