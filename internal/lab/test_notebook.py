"""examples/lab.ipynb runs from its first cell to its last, and draws."""
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
NOTEBOOK = HERE.parents[1] / "examples" / "lab.ipynb"


ARTICLE = HERE.parents[1] / "docs" / "article-run" / "results.csv"


def run(results, monkeypatch):
    """All outputs of the notebook."""
    monkeypatch.setenv("LAB_RESULTS", str(results))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    return [o for cell in notebook.cells for o in cell.get("outputs", [])]


def test_notebook_draws_the_charts(monkeypatch):
    outputs = run(HERE / "testdata" / "results.csv", monkeypatch)
    figures = [o for o in outputs if "application/vnd.plotly.v1+json" in o.get("data", {})]
    assert len(figures) == 3
    bars = figures[0]["data"]["application/vnd.plotly.v1+json"]["data"]
    assert {b["marker"]["color"] for b in bars} == {"pink", "skyblue", "lightgreen"}
    assert "valid runs of 25 settings" in str(outputs[0])


def test_notebook_says_what_the_article_found(monkeypatch):
    """Where requests wait, W x T of them do at once, in gevent all; where they compute, processes help up to the cores."""
    outputs = run(ARTICLE, monkeypatch)
    assert "423 valid runs of 47 settings" in str(outputs[0])
    said = outputs[-1]["text"]
    assert "sleep, girin: of what sync 1 x 1 answers, gaiohttp 4.0 times (4 x 1), gevent 15.8 times (1 x 1), sync 15.8 times (4 x 4)" in said
    assert "compute, gunicorn: of what sync 1 x 1 answers, gevent 1.9 times (2 x 2), sync 1.9 times (4 x 1)" in said


def test_notebook_is_committed_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in notebook.cells)
