"""Configures Python's logging as gunicorn's settings say.

Imported only where one of them is set, after monkey-patching.
"""
from __future__ import annotations

import json
import os
from logging.config import dictConfig, fileConfig

# gunicorn's, which the user's dictionary lies over. Its loggers are left out:
# gunicorn.error is the master's unless the user says otherwise.
DEFAULTS = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "INFO", "handlers": ["console"]},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stdout"},
        "error_console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"},
    },
    "formatters": {
        "generic": {
            "format": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s",
            "datefmt": "[%Y-%m-%d %H:%M:%S %z]",
            "class": "logging.Formatter",
        }
    },
}


def configure(key: str, value) -> None:
    """Takes the setting's name and its value: the dictionary, or a file's path."""
    if key == "logconfig_dict":
        dictConfig({**DEFAULTS, **value})
    elif key == "logconfig_json":
        with open(value, encoding="utf-8") as file:
            dictConfig({**DEFAULTS, **json.load(file)})
    else:
        here = os.path.dirname(value)
        fileConfig(value, defaults={"__file__": value, "here": here}, disable_existing_loggers=False)
