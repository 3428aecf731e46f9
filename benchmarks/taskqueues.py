#!/usr/bin/env python3
"""girin's jobs beside Celery with Redis: round trips, CPU time and memory of everything.

A round trip is a task that adds two numbers, from when it is handed over to when its result
is there. For Celery that is add.delay(1, 2).get(), in 1 and in 16 threads of one process; for
girin the same with girin.task, whose jobs are on the disk before delay() returns, and a client
that waits for a route of --offload. CPU and memory are those of all processes: broker, workers,
server, engine; of CPU the client's as well.

Celery and its Redis client are installed, pinned, into build/queues; redis-server is Debian's
(`make bench` once installs it). Celery is as it comes. Redis stores nothing on the disk, and in a
third run writes and syncs its log for each change (appendfsync always), as girin does. Prints
a table in Markdown and whether the targets hold; ends with 1 if one does not. --scenes kills
workers in the middle of a task, too, and says whether the task is begun again.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import client
import servers
from servers import GIRIN, ROOT, Running, Server

HERE = Path(__file__).resolve().parent / "queues"
VENV = ROOT / "build" / "queues"
PINNED = ROOT / "requirements" / "queues.txt"
PROCESSES = 2  # of Celery's pool, and slots of girin's
THREADS = (1, 16)


@dataclass(frozen=True)
class Figures:
    rate: float  # round trips per second
    p50: float  # ms
    p99: float
    cpu: float  # us for each, of everything
    memory: float  # MiB of everything but the client, after the load


def environment() -> dict[str, str]:
    """Makes the virtual environment of Celery, if there is none or it is an old one."""
    stamp = VENV / "installed"
    if not stamp.exists() or stamp.read_text() != PINNED.read_text():
        subprocess.run([str(ROOT / "scripts" / "venv"), sys.executable, str(VENV), str(PINNED)], check=True, stdout=sys.stderr)
        stamp.write_text(PINNED.read_text())
    return {"PYTHONPATH": str(HERE), "C_FORCE_ROOT": "1"}


def redis_server() -> str:
    found = shutil.which("redis-server")
    if not found:
        sys.exit("redis-server is not there: scripts/install-debs bench")
    return found


def tree_cpu(runs: list[Running]) -> float:
    return sum(run.cpu_seconds() for run in runs)


def tree_memory(runs: list[Running]) -> float:
    return sum(run.pss_mib() for run in runs)


@contextlib.contextmanager
def started(name: str, command: list[str], cwd: Path, env: dict[str, str], ready):
    """A command, from when ready(run) says so on."""
    server = Server(name, "", tuple(command))

    def answers(run: Running, within: float) -> None:
        deadline = time.monotonic() + within
        while not ready(run):
            if run.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start:\n{run.output()}")
            time.sleep(0.02)

    with servers.running(server, "", cwd, env, 60, answers) as run:
        yield run


def takes_tasks(run: Running) -> bool:
    return "takes tasks" in run.output()


@contextlib.contextmanager
def celery(pool: str, folder: Path, env: dict[str, str], acks_late: bool = False, on_disk: bool = False):
    """Redis and Celery's worker; yields both, and the driver's command and environment."""
    port = servers.free_port()
    redis = [redis_server(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", tempfile.mkdtemp(dir=folder),
             "--appendonly", "yes" if on_disk else "no", "--appendfsync", "always"]
    env = {**env, "REDIS": f"redis://127.0.0.1:{port}/0", "ACKS_LATE": str(int(acks_late))}
    python = str(VENV / "bin" / "python")
    worker = [python, "-m", "celery", "-A", "with_celery", "worker", "--pool", pool, "-c", str(PROCESSES), "-l", "warning", "--without-gossip", "--without-mingle"]
    with started("redis", redis, folder, {}, lambda run: "Ready to accept" in run.output()) as broker:
        with started("celery", worker, HERE, env, takes_tasks) as run:
            yield [broker, run], [python, "-m", "with_celery"], env


@contextlib.contextmanager
def girin(folder: Path, *more: str):
    """A server with jobs; yields it, and the driver's command and environment."""
    server = Server("girin", "", (
        str(GIRIN), "serve", "--python", sys.executable, "--log-level", "info", "-b", "127.0.0.1:{port}", "--tasks", "--offload", "/offloaded",
        "--offload-slots", str(PROCESSES), "--offload-dir", str(folder / "store"), *more, "{app}"))
    with servers.running(server, "with_girin:app", HERE) as run:
        while "Jobs: connected" not in run.output():
            time.sleep(0.02)
        servers.settle(run)
        env = {"GIRIN_JOBS": client.get(run.port, "/socket").body.decode(), "PYTHONPATH": f"{HERE}:{ROOT / 'internal' / 'shim' / '_girin_shim'}"}
        yield [run], [sys.executable, "-m", "drive_girin"], env


def drive(runs: list[Running], command: list[str], env: dict[str, str], threads: int, seconds: float) -> Figures:
    driver = subprocess.Popen([*command, str(threads), str(seconds)], cwd=HERE, env={**os.environ, **env}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if driver.stdout.readline() != "warm\n":
            raise RuntimeError("the driver has ended:\n" + "\n".join(run.output() for run in runs))
        before = tree_cpu(runs)
        out, _ = driver.communicate("\n", timeout=seconds + 60)
    finally:
        driver.kill()
        driver.wait()
    said = json.loads(out)
    if said["faults"]:
        raise RuntimeError(f"the driver: {said['faults']}")
    cpu = tree_cpu(runs) - before + said["cpu"]
    return Figures(said["count"] / seconds, said["p50_ms"], said["p99_ms"], 1e6 * cpu / max(said["count"], 1), tree_memory(runs))


def bench(runs: list[Running], clients: int, seconds: float) -> Figures:
    """Clients that wait for a route of --offload."""
    url = runs[0].url + "/offloaded"

    def load(duration: float) -> dict:
        command = [str(GIRIN), "bench", "--quiet", "--json", "-c", str(clients), "-d", f"{duration:g}s", url]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    load(1)
    before, me = tree_cpu(runs), os.times()
    said = load(seconds)
    now = os.times()
    cpu = tree_cpu(runs) - before + now.children_user + now.children_system - me.children_user - me.children_system
    quantiles = {p["p"]: p["ms"] for p in said["latency"]["percentiles"]}
    done = said["requests"]["done"]
    if any(d["code"] == "errors" for d in said["doubts"]):
        raise RuntimeError(f"clients that wait were refused:\n{runs[0].output()}")
    return Figures(said["rate"]["ok"], said["latency"]["median_ms"], quantiles[99], 1e6 * cpu / max(done, 1), tree_memory(runs))


def measure(seconds: float, at_once: Sequence[int], folder: Path, env: dict[str, str]) -> dict[tuple[str, int], Figures]:
    """One round: every kind in turn, each started anew."""
    found = {}
    for pool, on_disk in (("prefork", False), ("threads", False), ("prefork", True)):
        with celery(pool, folder, env, on_disk=on_disk) as (runs, command, environ):
            for threads in at_once:
                name = f"Celery {pool} -c {PROCESSES}, Redis" + on_disk * " on the disk"
                found[name, threads] = drive(runs, command, environ, threads, seconds)
    with girin(Path(tempfile.mkdtemp(dir=folder)), "-w", str(PROCESSES), "--threads", "4") as (runs, command, environ):
        for threads in at_once:
            found["girin, clients that wait (--offload)", threads] = bench(runs, threads, seconds)
        for threads in at_once:
            found["girin.task, on the disk", threads] = drive(runs, command, environ, threads, seconds)
    return found


def median(rounds: list[Figures]) -> Figures:
    return Figures(*(statistics.median(getattr(one, field) for one in rounds) for field in ("rate", "p50", "p99", "cpu", "memory")))


def table(medians: dict[tuple[str, int], Figures]) -> str:
    lines = ["| task.delay().get() and the like | at once | round trips/s | p50, p99 ms | CPU us of each | MiB |", "|---|--:|--:|--:|--:|--:|"]
    lines += [f"| {name} | {threads} | {f.rate:,.0f} | {f.p50:.2f}, {f.p99:.2f} | {f.cpu:,.0f} | {f.memory:.0f} |" for (name, threads), f in medians.items()]
    return "\n".join(lines)


def verdicts(medians: dict[tuple[str, int], Figures], at_once: Sequence[int]) -> list[tuple[bool, str]]:
    """Clients that wait against Celery's better pool, at each number at once; and the memory of all."""
    said = []
    for threads in at_once:
        theirs = [f for (name, n), f in medians.items() if n == threads and name.startswith("Celery")]
        ours = medians["girin, clients that wait (--offload)", threads]
        rate, cpu = ours.rate / max(f.rate for f in theirs), ours.cpu / min(f.cpu for f in theirs)
        said += [(rate >= 10, f"{threads} at once: {rate:.1f} times the round trips (at least 10)"),
                 (cpu <= 0.2, f"{threads} at once: {cpu:.2f} of the CPU of each (at most 0.2)")]
    memory = max(f.memory for (name, _), f in medians.items() if name.startswith("girin"))
    least = min(f.memory for (name, _), f in medians.items() if name.startswith("Celery prefork"))
    return [*said, (memory <= least, f"memory of everything {memory:.0f} MiB, of Celery prefork's {least:.0f} MiB")]


def ran(file: Path) -> list[int]:
    """The processes that have begun the task, in turn."""
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def await_runs(file: Path, count: int, within: float) -> float | None:
    """How long it took until the task was begun so often; None: it was not."""
    began = time.monotonic()
    while time.monotonic() - began < within:
        if len(ran(file)) >= count:
            return time.monotonic() - began
        time.sleep(0.02)
    return None


def killed(within: float, folder: Path, env: dict[str, str]) -> list[str]:
    """kill -9 for the process that runs a task: is it run again, and when?"""
    lines = []
    for late in (False, True):
        file = folder / f"celery-{late}"
        with celery("prefork", folder, env, late) as (runs, _, environ):
            hand_over = f"import with_celery; with_celery.slowly.delay({str(file)!r}, 2)"
            subprocess.run([str(VENV / "bin" / "python"), "-c", hand_over], cwd=HERE, env={**os.environ, **environ}, check=True)
            await_runs(file, 1, 20)
            os.kill(ran(file)[0], signal.SIGKILL)
            again = await_runs(file, 2, within)
            lines.append(f"| Celery {'acks_late, reject_on_worker_lost' if late else 'as it is'}: a pool process is killed | {verdict(again, within)} |")
        file = folder / f"celery-worker-{late}"
        with celery("prefork", folder, env, late) as (runs, _, environ):
            hand_over = f"import with_celery; with_celery.slowly.delay({str(file)!r}, 2)"
            subprocess.run([str(VENV / "bin" / "python"), "-c", hand_over], cwd=HERE, env={**os.environ, **environ}, check=True)
            await_runs(file, 1, 20)
            command = list(runs[1].server.command)
            for pid in runs[1].tree:
                os.kill(pid, signal.SIGKILL)
            with started("celery", command, HERE, environ, takes_tasks):
                again = await_runs(file, 2, within)
            lines.append(f"| Celery {'acks_late, reject_on_worker_lost' if late else 'as it is'}: the whole worker is killed, and started anew | {verdict(again, within)} |")
    for whole in (False, True):
        file, store = folder / f"girin-{whole}", Path(tempfile.mkdtemp(dir=folder))
        with girin(store, "-w", "2") as (runs, _, _):
            client.get(runs[0].port, f"/slowly?{file}&2")
            await_runs(file, 1, 20)
            if not whole:
                os.kill(ran(file)[0], signal.SIGKILL)
                lines.append(f"| girin: a worker is killed | {verdict(await_runs(file, 2, within), within)} |")
                continue
            os.kill(runs[0].process.pid, signal.SIGKILL)
            runs[0].process.wait()
            with girin(store, "-w", "2"):
                lines.append(f"| girin: the whole server is killed, and started anew | {verdict(await_runs(file, 2, within), within)} |")
    return ["", f"| in the middle of a task, looked at for {within:.0f} s | |", "|---|---|", *lines]


def verdict(again: float | None, within: float) -> str:
    return f"begun again {again:.1f} s later" if again is not None else "not begun again"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=THREADS, help="how many hand tasks over at once, or wait")
    parser.add_argument("--scenes", action="store_true", help="also kill workers in the middle of a task")
    parser.add_argument("--within", type=float, default=25, help="seconds that a scene waits for the task to be run again")
    options = parser.parse_args()
    env = environment()
    holds = True
    with tempfile.TemporaryDirectory(prefix="taskqueues-") as name:
        folder = Path(name)
        if options.rounds:
            rounds = [measure(options.seconds, options.threads, folder, env) for _ in range(options.rounds)]
            medians = {key: median([one[key] for one in rounds]) for key in rounds[0]}
            print(table(medians), end="\n\n")
            for good, text in verdicts(medians, options.threads):
                print(("holds: " if good else "DOES NOT HOLD: ") + text)
                holds = holds and good
        if options.scenes:
            print("\n".join(killed(options.within, folder, env)))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
