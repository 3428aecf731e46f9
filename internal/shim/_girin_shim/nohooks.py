"""What stands in the place of hooks where no configuration file has any."""
from __future__ import annotations

import logging

from .handler import MasterHandler, level_of, set_up, set_up_uvicorn


class NoHooks:
    """Sets up the loggers gunicorn.error and gunicorn.access: applications hang theirs onto
    them. The rest does nothing."""

    def __init__(self, worker, app) -> None:
        self._loglevel = worker.settings.loglevel
        self._send = worker.control.log
        self._app = app

    def load(self) -> None:
        level = level_of(self._loglevel)
        errors, access = MasterHandler(self._send), MasterHandler(lambda level, text: None)
        set_up(logging.getLogger("gunicorn.error"), errors, level)
        set_up(logging.getLogger("gunicorn.access"), access, logging.INFO)
        set_up_uvicorn(errors, access, level)

    def imported(self):
        """The app, if it was imported before the fork."""
        return self._app

    def post_fork(self) -> None:
        pass

    def init_process(self) -> None:
        pass

    def post_worker_init(self, app) -> None:
        pass

    def wrap(self, app):
        return app

    def worker_int(self) -> None:
        pass

    def worker_exit(self) -> None:
        pass
