"""examples/lab.ipynb runs from its first cell to its last, and draws."""
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
NOTEBOOK = HERE.parents[1] / "examples" / "lab.ipynb"


def test_notebook_draws_the_charts(monkeypatch):
    monkeypatch.setenv("LAB_RESULTS", str(HERE / "testdata" / "results.csv"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    client.execute()
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    figures = [o for o in outputs if "application/vnd.plotly.v1+json" in o.get("data", {})]
    assert len(figures) == 3
    bars = figures[0]["data"]["application/vnd.plotly.v1+json"]["data"]
    assert {b["marker"]["color"] for b in bars} == {"pink", "skyblue", "lightgreen"}
    assert "valid runs of 25 settings" in str(outputs[0])


def test_notebook_is_committed_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in notebook.cells)
