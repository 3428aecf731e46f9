"""Configurations of Python's logging: a dictionary, or a file as gunicorn or as uvicorn has it."""
from __future__ import annotations

import json
import logging
import os

LOGCONFIG = ("logconfig_dict", "logconfig_json", "logconfig")  # of several the first counts

# gunicorn's, which the user's dictionary lies over.
CONFIG_DEFAULTS = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": True, "qualname": "gunicorn.error"},
        "gunicorn.access": {"level": "INFO", "handlers": ["console"], "propagate": True, "qualname": "gunicorn.access"},
    },
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


def apply_config(cfg) -> bool:
    """Configures Python's logging if one of LOGCONFIG is set. True if uvicorn's loggers are to get the
    server's lines: the configuration names them and not gunicorn's, or is a file as uvicorn reads it."""
    if not any(getattr(cfg, key) for key in LOGCONFIG):
        return False
    from logging.config import dictConfig  # milliseconds that other starts need not take

    if cfg.logconfig_dict or cfg.logconfig_json:
        given = cfg.logconfig_dict or _json(cfg.logconfig_json)
        dictConfig({**CONFIG_DEFAULTS, **given})
        return _names(given.get("loggers") or ()) == {"uvicorn"}
    ending = os.path.splitext(cfg.logconfig)[1].lower()
    if ending not in (".json", ".yaml", ".yml"):
        return _apply_ini(cfg.logconfig)
    given = _json(cfg.logconfig) if ending == ".json" else _yaml(cfg.logconfig)
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access")]
    for logger in loggers:  # the file says all
        logger.handlers, logger.propagate = [], True
    dictConfig(given)
    for logger in loggers:  # unless it leaves them out, with disable_existing_loggers
        logger.disabled = False
    return "gunicorn" not in _names(given.get("loggers") or ())


def _json(path: str) -> dict:
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _yaml(path: str) -> dict:
    try:
        import yaml
    except ImportError as error:
        raise ImportError(f"PyYAML is not installed, which reads {path}") from error
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def _apply_ini(path: str) -> bool:
    from configparser import RawConfigParser
    from logging.config import fileConfig

    here = {"__file__": path, "here": os.path.dirname(path)}
    fileConfig(path, defaults={**CONFIG_DEFAULTS, **here}, disable_existing_loggers=False)
    parser = RawConfigParser()
    parser.read(path)
    return _names(parser.get(section, "qualname", fallback="") for section in parser.sections() if section.startswith("logger_")) == {"uvicorn"}


def _names(loggers) -> set[str]:
    """Whose of the servers' loggers they are."""
    return {name.partition(".")[0] for name in loggers} & {"gunicorn", "uvicorn"}
