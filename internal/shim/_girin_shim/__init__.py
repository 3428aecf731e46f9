"""The Python half of a Girin worker: reads requests from the lanes, runs the
WSGI app, sends response frames. It knows no HTTP and no client; the protocol
is specified in internal/wire/doc.go.

The package is loaded from a descriptor by loader.py and never stands on
sys.path. It uses only the standard library, and takes what it needs of
threads, locks, sockets and epoll before anything can be monkey-patched: so
every module here imports names, not modules, where gevent would replace them.
"""
