"""Serves an app with gevent's own server: python -m _girin_lab_pywsgi HOST PORT APP"""
from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402 - nothing may be imported before the patch

from _girin_lab import load  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402

host, port, app = sys.argv[1:]
WSGIServer((host, int(port)), load(app), log=None).serve_forever()
