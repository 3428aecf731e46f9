"""What the tests ask of an application: its environ, who it runs as, to wait."""
import os
import time


def environ(env, query):
    return "".join(f"{key}={value}\n" for key, value in sorted(env.items()) if isinstance(value, str))


def identity(env, query):
    return f"uid={os.getuid()}\ngid={os.getgid()}\ngroups={sorted(os.getgroups())}\nppid={os.getppid()}\npid={os.getpid()}\n"


def variables(env, query):
    return "".join(f"{key}={value}\n" for key, value in sorted(os.environ.items()))


def wait(env, query):
    time.sleep(float(query))
    return "waited\n"


def orphan(env, query):
    """Leave a process behind that ends soon, and say which."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        if grandchild == 0:
            time.sleep(float(query))
            os._exit(7)
        os.write(write, b"%d" % grandchild)
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(read, 20).decode() + "\n"


def large(env, query):
    return "x" * int(query)


def sink(env, query):
    return f"{len(env['wsgi.input'].read())}\n"


def sip(env, query):
    """Read a byte of the body, and then wait."""
    env["wsgi.input"].read(1)
    return wait(env, query)


def compute(env, query):
    """Use so many seconds of CPU."""
    end = time.thread_time() + float(query)
    while time.thread_time() < end:
        sum(range(1000))
    return "computed\n"


PATHS = {
    "/environ": environ, "/identity": identity, "/variables": variables, "/wait": wait, "/orphan": orphan, "/large": large, "/sink": sink, "/sip": sip,
    "/compute": compute,
}


def application(env, start_response):
    make = PATHS.get(env["PATH_INFO"])
    body = make(env, env["QUERY_STRING"]).encode("latin-1", "replace") if make else b"hello\n" * 100
    status = "404 Not Found" if env["PATH_INFO"].startswith("/missing/") else "200 OK"
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
