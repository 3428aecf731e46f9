"""docs/RELIABILITY.md, from what the tests measured."""
from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "RELIABILITY.md"

INTRODUCTION = """\
# What girin promises, and what was measured

In plain words:

1. A slow request holds up nobody else as long as another thread is free.
2. A slow client holds no thread of yours, in whichever direction it is slow. (It does where you
   ask for that: `--stream-requests`, responses without an end or beyond `--spool-response`, and
   WebSockets of WSGI applications; and where the disk is full, once 32 MiB of responses wait in
   memory, or one has as much there as it leaves to others.)
3. A request is never run twice by girin, and none is lost without an answer: what cannot be
   served gets a status that says why. (A job of `--offload` is run again where HTTP says that it
   may be.)
4. A request that runs too long gets 504, and the log shows where it stood.
5. A worker that dies takes only the requests and WebSockets along that it had; another takes its
   place. (Answers of very quick requests leave it together: at most 32 that it had finished within
   about a millisecond go with it. What it has written is delivered.)
6. A reload refuses nobody, and a version that cannot be loaded never replaces one that works.
   WebSockets are closed with 1012, a few at a time; endless streams end within
   `--graceful-timeout`.
7. A stop finishes what runs, takes no longer than `--graceful-timeout` (after `--shutdown-delay`),
   whatever hangs, and leaves no process behind. (The configuration file's last hooks have a second
   more.)
8. An application that lies, breaks or never answers harms its own request only.
9. Floods, crowds and full disks are refused early, with bounded memory and descriptors.
10. What a client sends is never taken for two different things by girin and a proxy before it.

And in numbers. `make faults` wrote this page on {machine}, {python}.
Every line is a test that injects a real fault into real processes and fails if the promise does not
hold, which its line then says; the figures are those of that run, or of a later one of that test
alone (`make faults ARGS='-k TEST'` renews its line). Beside girin stands gunicorn {gunicorn}, with the
same class, workers, threads and load, where the same fault can be put to it; beside what is
ASGI's stand uvicorn {uvicorn} and Granian {granian}, as they are with that number of workers. They are
measured, not judged. A dash means that there is no such promise or that the fault cannot be put
to them.

"""
HEAD = "| Promise | Fault, and how it is injected | girin | {} | Test |\n|---|---|---|---|---|\n"
BROKEN = "**does not hold**"
BAR = r"\|"


@dataclass
class Row:
    """A promise: what each variant of its test (a worker class, most often) measured."""
    promise: str
    fault: str
    test: str
    chapter: str
    girin: dict[str, str] = field(default_factory=dict)
    gunicorn: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        cells = self.promise, self.fault, cell(self.girin), cell(self.gunicorn) or "-", f"`{self.test}`"
        return f"| {' | '.join(one.replace('|', BAR).replace(chr(10), ' ') for one in cells)} |"


def cell(figures: dict[str, str]) -> str:
    """One text for all variants, if it is the same."""
    texts = set(figures.values())
    if len(texts) == 1:
        every = f"{', '.join(figures)}: " if len(figures) > 1 else ""
        return every + texts.pop()
    return "<br>".join(f"{variant}: {text}" if variant else text for variant, text in figures.items())


def renew(rows: list[Row], path: Path = PAGE) -> None:
    """Puts the lines of these tests in the place of older ones, or at the end of their chapter."""
    page = path.read_text()
    for row in rows:
        line = re.compile(rf"^\|.*\| `{row.test}` \|$", re.MULTILINE)
        if line.search(page):
            page = line.sub(lambda _: str(row), page)
        else:
            if f"## {row.chapter}\n" not in page:
                page = f"{page.rstrip()}\n\n## {row.chapter}\n\n{head([row]).rstrip()}\n"
            start = page.index(f"## {row.chapter}\n")
            end = page.find("\n\n## ", start)
            end = len(page.rstrip()) if end < 0 else end
            page = f"{page[:end]}\n{row}{page[end:]}"
    put(page.rstrip() + "\n", path)


def head(rows: list[Row]) -> str:
    """With who stands beside girin in a chapter."""
    asgi = any("uvicorn" in row.gunicorn for row in rows)
    return HEAD.format("uvicorn, Granian" if asgi else "gunicorn")


def put(page: str, path: Path) -> None:
    """At once: whoever is cut leaves a whole page."""
    new = path.with_name(path.name + ".new")
    new.write_text(page)
    new.replace(path)


def write(rows: list[Row], path: Path = PAGE) -> None:
    page = INTRODUCTION.format(
        machine=f"{os.cpu_count()} cores, {platform.system()} {platform.release().partition('-')[0]}",
        python=f"Python {platform.python_version()}", **{name: metadata.version(name) for name in ("gunicorn", "uvicorn", "granian")})
    for chapter in dict.fromkeys(row.chapter for row in rows):
        some = [row for row in rows if row.chapter == chapter]
        page += f"## {chapter}\n\n{head(some)}"
        page += "".join(f"{row}\n" for row in some) + "\n"
    put(page.rstrip() + "\n", path)
