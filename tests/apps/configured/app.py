"""What the configuration files of this folder are tried with."""
import json
import logging
import os
import time

import database

log = logging.getLogger("shop")
log.handlers = logging.getLogger("gunicorn.error").handlers
log.setLevel(logging.INFO)


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/log":
        log.warning("sold out: %s", "apples")
        logging.getLogger("orders").debug("shipped: %s", "pears")
    if path == "/wait":
        if "SHOP_BEGUN" in os.environ:
            open(os.environ["SHOP_BEGUN"], "w").close()
        database.wait(1.0)
    seen = {
        "environ": {key: value for key, value in environ.items() if key.startswith(("HTTP_X", "REMOTE_A", "wsgi.u"))},
        "settings": {key: value for key, value in os.environ.items() if key.startswith("SHOP_")},
        "connected_here": database.owner == os.getpid(),
        "pid": os.getpid(),
        "time": time.time(),
    }
    body = json.dumps(seen).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
