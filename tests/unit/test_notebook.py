"""The notebook of the documentation runs in a real kernel, the interrupt in it included."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed: no kernel to run in")
nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")

pytestmark = [
    pytest.mark.any_set,
    pytest.mark.skipif(os.name != "posix", reason="sends signals"),
    pytest.mark.filterwarnings("ignore"),  # of the libraries that talk to the kernel
]

PATH = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


def text(cell: Any) -> str:
    """All that a cell has put out so far, as text and HTML."""
    found = []
    for output in cell.get("outputs", []):
        found.append(output.get("text", ""))
        found += [str(value) for value in output.get("data", {}).values()]
    return "".join(found)


def interrupt(client: Any, cell: Any) -> None:
    """Interrupt the kernel once the bar of the cell moves."""
    limit = time.monotonic() + 60
    while "steps/s" not in text(cell) and time.monotonic() < limit:
        time.sleep(0.02)
    os.kill(client.km.provisioner.pid, signal.SIGINT)


def test_the_notebook_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(PATH, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)

    def begun(cell: Any, cell_index: int) -> None:
        if "interrupt" in cell.metadata.get("tags", []):
            threading.Thread(target=interrupt, args=(client, cell), daemon=True).start()

    client = nbclient.NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
        on_cell_execute=begun,
    )
    client.execute()
    task, training, run, dataset, loop, after, simulation, end = (
        cell for cell in notebook.cells if cell.cell_type == "code"
    )
    assert "<strong>Task</strong>" in text(task)
    assert "<strong>Training</strong>" in text(training)
    shown = [data for output in run.outputs for data in output.get("data", {})]
    assert shown.count("image/png") == 1  # by itself, and once
    assert "100%" in text(run)
    assert "xarray" in text(dataset)
    assert "steps/s" in text(loop)
    assert "['interrupted']" in text(after)  # the loop around it stopped too
    assert "<strong>Simulation</strong>" in text(simulation)
    assert "100%" in text(end)
