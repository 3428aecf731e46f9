#!/usr/bin/env python3
"""girin as the server that clients reach: TLS, HTTP/2, large answers, beside Granian
and beside nginx in front of gunicorn.

Servers take turns within a case, started anew in each round, and medians of the
rounds are compared. HTTP/1.1 is driven by wrk, HTTP/2 by h2load, from one thread
each; in a case named "50%" girin bench sends half of the rate that the slower of
the makers' best settings reached in the case before. Costs are those of the
whole tree of processes, nginx's with gunicorn's. Prints a table in Markdown and
whether the targets hold; ends with 1 if one does not.
"""
from __future__ import annotations

import argparse
import contextlib
import http.client
import re
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import peers
import servers
from peers import Report
from rounds import Figures, Rounds, median, warn_if_busy
from servers import BIN, Server

HERE = Path(__file__).resolve().parent
WARM_UP = 1  # seconds


@dataclass(frozen=True)
class Case:
    app: str  # module:object
    over: str = "tls"  # clear; tls: HTTP/1.1; h2: HTTP/2 over TLS, 16 connections of 8 streams
    path: str = "/"
    connections: int = 64
    fresh: bool = False  # a connection for each request
    half_of: str = ""  # the case before, half of whose rate is offered

    @property
    def protocol(self) -> str:
        return "http" if self.over == "clear" else "https"


CASES = {
    "hello tls": Case("apps:hello"),
    "hello h2": Case("apps:hello", "h2"),
    "flask tls": Case("apps:flask"),
    "flask tls 50%": Case("apps:flask", half_of="flask tls"),
    "flask h2": Case("apps:flask", "h2"),
    "handshakes": Case("apps:hello", fresh=True),
    "10 KiB": Case("apps:blob", "clear", "/10k"),
    "100 KiB": Case("apps:blob", "clear", "/100k"),
    "1 MiB": Case("apps:blob", "clear", "/1024k", 16),
    "10 KiB tls": Case("apps:blob", "tls", "/10k"),
    "100 KiB tls": Case("apps:blob", "tls", "/100k"),
    "1 MiB tls": Case("apps:blob", "tls", "/1024k", 16),
}


@dataclass(frozen=True)
class Keys:
    """A certificate for 127.0.0.1, in a folder that goes with the benchmark."""
    folder: Path

    @property
    def certificate(self) -> str:
        return str(self.folder / "cert.pem")

    @property
    def key(self) -> str:
        return str(self.folder / "key.pem")

    def make(self) -> None:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.certificate],
                       check=True, capture_output=True)


def girin(keys: Keys, over: str, server: Server) -> Server:
    if over == "clear":
        return server
    return Server(server.maker, server.setting, (
        *server.command[:-1], "--certfile", keys.certificate, "--keyfile", keys.key, "--http-protocols", "h2,h1", server.command[-1]))


def granian(keys: Keys, over: str, workers: int, threads: int = 1) -> Server:
    server = servers.granian(workers, threads)
    if over == "clear":
        return server
    command = [part if part != "1" or before != "--http" else "auto" for before, part in zip(("", *server.command), server.command)]
    return Server(server.maker, server.setting, (
        *command[:-1], "--ssl-certificate", keys.certificate, "--ssl-keyfile", keys.key, command[-1]))


def behind_nginx(keys: Keys, worker_class: str, workers: int, threads: int = 1) -> Server:
    """gunicorn on a unix socket, and Debian's nginx before it."""
    return Server("nginx", f"+ gunicorn {servers.setting(worker_class, workers, threads)}", (
        sys.executable, str(HERE / "behind_nginx.py"), str(keys.folder), "{port}", str(BIN / "gunicorn"),
        "-k", worker_class, "-w", str(workers), "--threads", str(threads), "{app}"))


def compared(keys: Keys, over: str) -> list[Server]:
    ours = [servers.girin("sync", 1), servers.girin("sync", 2), servers.girin_auto()]
    found = [girin(keys, over, server) for server in ours] + [granian(keys, over, 1), granian(keys, over, 2, 4)]
    if over != "clear":
        found += [behind_nginx(keys, "sync", 5), behind_nginx(keys, "gthread", 2, 4), behind_nginx(keys, "gevent", 2)]
    return found


TARGETS = (
    peers.Target("hello tls", "rate", "granian", 1.0),
    peers.Target("hello h2", "rate", "granian", 1.0),
    peers.Target("hello h2", "cpu", "granian", 1.0),
    peers.Target("flask tls", "rate", "granian", 1.25),
    peers.Target("flask h2", "rate", "granian", 1.2),
    peers.Target("handshakes", "rate", "granian", 1.0),
    *(peers.Target(case, "rate", "granian", 1.0) for case in ("10 KiB", "100 KiB", "1 MiB", "100 KiB tls", "1 MiB tls")),
)


def load(run: servers.Running, case: Case, seconds: int, offered: float) -> Report:
    """Offered is a rate; 0: as fast as the server answers."""
    url = f"{case.protocol}://127.0.0.1:{run.port}"
    if case.over == "h2":
        return h2load(url + case.path, seconds)
    plain = peers.Case(case.app, case.path, case.connections)
    if offered:
        return peers.open_loop(url, plain, seconds, offered, "--insecure")
    return peers.wrk(url, plain, seconds, *(("-H", "Connection: close") if case.fresh else ()))


def h2load(url: str, seconds: int) -> Report:
    with tempfile.NamedTemporaryFile(prefix="h2load-") as log:
        command = ["h2load", "-t1", "-c16", "-m8", f"-D{seconds}", f"--log-file={log.name}", url]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        took = sorted(int(line.split()[2]) / 1e3 for line in Path(log.name).read_text().splitlines())
    done, succeeded = (int(re.search(rf"(\d+) {word}", text)[1]) for word in ("done", "succeeded"))
    if not took:
        return Report(0, 0, 0, 0, "no answers")
    return Report(done, float(re.search(r"([\d.]+) req/s", text)[1]), statistics.median(took), took[len(took) * 99 // 100],
                  "" if done == succeeded else f"{done - succeeded} failed")


def await_answer(case: Case):
    """A wait for servers.running, until the server answers over what the case speaks."""
    def wait(run: servers.Running, within: float) -> None:
        deadline = time.monotonic() + within
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        while time.monotonic() < deadline:
            if run.process.poll() is not None:
                raise RuntimeError(f"{run.server.name} ended with {run.process.returncode}:\n{run.output()}")
            connection = (http.client.HTTPConnection("127.0.0.1", run.port, timeout=within) if case.over == "clear" else
                          http.client.HTTPSConnection("127.0.0.1", run.port, timeout=within, context=trusting))
            with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
                connection.request("GET", case.path)
                if connection.getresponse().status == 200:  # nginx says 502 until gunicorn is there
                    return
            time.sleep(0.01)
        raise TimeoutError(f"{run.server.name} did not answer within {within} s:\n{run.output()}")
    return wait


def measure(server: Server, case: Case, seconds: int, offered: float) -> Figures:
    with servers.running(server, case.app, cwd=HERE, answers=await_answer(case)) as run:
        servers.settle(run)
        load(run, case, WARM_UP, offered)
        before = run.cpu_seconds()
        report = load(run, case, seconds, offered)
        spent = run.cpu_seconds() - before
        return Figures(report.rate, 1e6 * spent / max(report.count, 1), run.pss_mib(), report.p50, report.p99, report.faults)


def half_rate(rounds: Rounds, case: str) -> float:
    """Half of what the slower of the makers' best settings has reached in the case, so that all can bear it."""
    best: dict[str, float] = {}
    for (measured, name), figures in rounds.items():
        if measured == case:
            maker = name.split()[0]
            best[maker] = max(best.get(maker, 0), statistics.median(f.rate for f in figures))
    return min(best.values()) / 2


def measure_all(options: argparse.Namespace, keys: Keys) -> Rounds:
    rounds: Rounds = {}
    for name in options.cases:
        case = CASES[name]
        offered = half_rate(rounds, case.half_of) if case.half_of else 0
        turns = [s for s in compared(keys, case.over) if any(part in s.name for part in options.servers.split(","))]
        for number in range(options.rounds):
            turn = number % max(len(turns), 1)
            for server in turns[turn:] + turns[:turn]:
                f = measure(server, case, options.seconds, offered)
                rounds.setdefault((name, server.name), []).append(f)
                print(f"{number + 1}/{options.rounds} {name:13} {server.name:28} {f.rate:9,.0f}/s {f.cpu:7.1f} us {f.memory:5.0f} MiB "
                      f"{f.p50:8.2f} {f.p99:8.2f} ms {f.faults}", file=sys.stderr, flush=True)
    return rounds


def table(medians: dict[tuple[str, str], Figures]) -> str:
    lines = ["| case | server | requests/s | CPU us/request | MiB | p50 ms | p99 ms | |", "|---|---|--:|--:|--:|--:|--:|---|"]
    for (case, name), f in medians.items():
        lines.append(f"| {case} | {name} | {f.rate:,.0f} | {f.cpu:.1f} | {f.memory:.0f} | {f.p50:.2f} | {f.p99:.2f} | {f.faults} |")
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="hello tls,flask tls,hello h2,flask h2", help=f"of {', '.join(CASES).replace('%', '%%')} (default: %(default)s)")
    parser.add_argument("--servers", default="girin,granian", help="those whose name contains one of these (default: %(default)s; nginx is the third)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of load in each round, after a warm-up of 1 s")
    options = parser.parse_args()
    options.cases = options.cases.split(",")
    for case in options.cases:
        if case not in CASES:
            parser.error(f"--cases: there is no {case!r}; there are {', '.join(CASES)}")
        base = CASES[case].half_of
        if base and base not in options.cases[: options.cases.index(case)]:
            parser.error(f"--cases: {case!r} needs {base!r} before it")
    return options


def main() -> int:
    options = parse_arguments()
    for tool in ("wrk", "h2load", "openssl", *(["nginx"] if "nginx" in options.servers else [])):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed: make deb-packages")
    warn_if_busy()
    with tempfile.TemporaryDirectory(prefix="edge-") as folder:
        keys = Keys(Path(folder))
        keys.make()
        rounds = measure_all(options, keys)
    medians = {key: median(figures) for key, figures in rounds.items()}
    makers = {name.split()[0] for _, name in medians}
    verdicts = [t.verdict(medians) for t in TARGETS if t.case in options.cases and t.peer in makers]
    print(peers.heading(options), table(medians), "", *(f"- {said}" for _, said in verdicts), sep="\n")
    return 0 if all(holds for holds, _ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
