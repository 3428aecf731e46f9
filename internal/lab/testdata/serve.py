"""serve.py HOST PORT APP [BODY]: a server with a thread per connection."""
import socketserver
import sys
from importlib import import_module
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class Handler(WSGIRequestHandler):
    def get_environ(self):
        environ = super().get_environ()
        if len(sys.argv) > 4:
            environ["lab.body"] = sys.argv[4].encode()
        return environ

    def log_message(self, *args):
        pass


host, port, name = sys.argv[1:4]
module, _, attribute = name.partition(":")
server = Server((host, int(port)), Handler)
server.set_app(getattr(import_module(module), attribute))
server.serve_forever()
