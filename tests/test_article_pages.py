"""The pages about the article say what their run says: each table, and each number in their sentences."""
from __future__ import annotations

import csv
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
SIZES = [(w, t) for w in (1, 2, 4) for t in (1, 2, 4)]


@pytest.fixture(scope="module")
def runs() -> dict[tuple[str, str], list[dict[str, str]]]:
    """Valid runs by endpoint and setting."""
    found = defaultdict(list)
    with open(DOCS / "article-run" / "results.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["valid"] == "true" and row["control_again"] == "false":
                found[row["stream"], row["setting"]].append(row)
    return found


def values(rows: list[dict[str, str]], column: str = "requests_per_s") -> list[float]:
    return [float(row[column]) for row in rows]


def spread(rows: list[dict[str, str]]) -> float:
    """By how much runs of one setting differ, in per cent."""
    rates = values(rows)
    return 100 * (max(rates) / min(rates) - 1)


def page(name: str) -> str:
    """A page's text in one line, without the marks of its tables."""
    return " ".join((DOCS / name).read_text().split())


def test_tables_are_those_of_the_run() -> None:
    said = subprocess.run([sys.executable, DOCS.parent / "scripts" / "article-pages", "--check"], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr


def test_how_far_runs_differ(runs) -> None:
    crowd = [f"gunicorn sync {w}x{t}" for w, t in SIZES if w > 1 and t > 1]
    worst = max(spread(runs[e, s]) for e in ("sleep", "request") for s in crowd)
    sleep = max(spread(rows) for (e, s), rows in runs.items() if e == "sleep" and s not in crowd)
    request = max(spread(rows) for (e, s), rows in runs.items() if e == "request" and s not in [*crowd, "girin auto"])
    slow, *others = sorted(values(runs["request", "girin auto"]))
    assert f"(up to {worst:.0f} %)" in page("article.md") and f"({worst:.0f} %까지)" in page("article.ko.md")
    assert f"({slow:.0f} requests a second, the others {others[0]:.0f} and {others[1]:.0f})" in page("article.md")
    assert f"(초당 {slow:.0f}, 나머지는 {others[0]:.0f}과 {others[1]:.0f})" in page("article.ko.md")
    assert sleep < 2 and request < 9
    assert "within 2 % on sleep and within 9 % on request" in page("article.md") and "sleep에서 2 %, request에서 9 %" in page("article.ko.md")
    assert 0.7 < slow / others[0] < 0.8  # "a quarter slower"
    assert 0.2 < median(float(r["duration_s"]) for (e, _), rows in runs.items() if e == "compute" for r in rows) < 0.3  # "a quarter of a second"


def test_the_rule_of_thumb(runs) -> None:
    figures = {s: (median(values(runs["compute", s], "memory_mib")), median(values(runs["compute", s]))) for s in ("gunicorn sync 5x1", "gunicorn sync 2x1")}
    (five, five_rate), (two, two_rate) = figures.values()
    assert f"held {five:.0f} MiB, two held {two:.0f} MiB" in page("article-answers.md")
    assert f"({five_rate:.0f} and {two_rate:.0f} a second)" in page("article-answers.md")
    assert f"프로세스 다섯은 {five:.0f} MiB, 둘은 {two:.0f} MiB" in page("article-answers.ko.md")
    assert f"{five_rate:.0f}와 {two_rate:.0f}으로" in page("article-answers.ko.md")
    usual = median(spread(rows) for (e, _), rows in runs.items() if e == "compute")
    assert f"for what computes that is {usual:.0f} %" in page("article-answers.md") and f"계산하는 일에서는 {usual:.0f} %" in page("article-answers.ko.md")
    for endpoint in ("sleep", "request", "compute"):  # auto is as good as the best, as far as runs can tell
        best = max(median(values(rows)) for (e, s), rows in runs.items() if e == endpoint and s.startswith("girin"))
        assert median(values(runs[endpoint, "girin auto"])) > best / (1 + usual / 100)


def test_when_threads_stop_helping(runs) -> None:
    def rate(endpoint: str, server: str, workers: int, threads: int) -> float:
        return median(values(runs[endpoint, f"{server} sync {workers}x{threads}"]))

    for workers, threads in SIZES:  # on girin each thread brings its share, in each size
        share = rate("sleep", "girin", workers, threads) / (workers * threads * rate("sleep", "girin", 1, 1))
        assert 0.98 < share < 1.02, (workers, threads)
    assert rate("sleep", "gunicorn", 1, 4) > 3.9 * rate("sleep", "gunicorn", 1, 1)
    assert rate("sleep", "gunicorn", 4, 4) < 3 * rate("sleep", "gunicorn", 1, 4)
    for server in ("girin", "gunicorn"):  # what computes: four threads answer no more than one
        assert rate("compute", server, 1, 4) <= rate("compute", server, 1, 1)
        assert rate("compute", server, 2, 1) > 1.6 * rate("compute", server, 1, 1)
