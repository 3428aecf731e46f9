"""Imports an application as a worker would; exit status 1 and a traceback if it fails.

Arguments: the application, the worker class, and directories for the module search path,
separated by commas.
"""

import ast
import sys
import traceback


def load(uri):
    """The application that module:attribute or module:factory(arguments) names."""
    module, _, expression = uri.partition(":")
    target = ast.parse(expression or "application", mode="eval").body
    call = isinstance(target, ast.Call)
    name = target.func if call else target
    if not isinstance(name, ast.Name):
        raise ValueError("%r is neither a name nor a call of one" % expression)
    __import__(module)  # unlike importlib's function it leaves no trace in tracebacks
    app = getattr(sys.modules[module], name.id)
    if call:
        arguments = [ast.literal_eval(a) for a in target.args]
        app = app(*arguments, **{k.arg: ast.literal_eval(k.value) for k in target.keywords})
    if not callable(app):
        raise TypeError("%r is not callable" % uri)
    return app


def main():
    uri, worker_class, paths = sys.argv[1:4]
    sys.argv[:] = ["girin"]
    for path in filter(None, paths.split(",")):
        sys.path.insert(0, path)
    try:
        if worker_class == "gevent":
            from gevent import monkey

            monkey.patch_all()
        load(uri)
    except Exception as error:
        print("\nError while loading the application:\n", file=sys.stderr)
        frames = error.__traceback__.tb_next  # without main
        if frames and frames.tb_frame.f_code is load.__code__:
            frames = frames.tb_next
        traceback.print_exception(type(error), error, frames)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
