"""Runs the notebooks of this folder and stores what they show.

    python examples/run_notebooks.py [NAME ...]

Needs hwshift[notebooks]; `pytorch_to_verilog` also hwshift[torch].
"""

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

__all__ = ["FOLDER", "executed"]

FOLDER = Path(__file__).parent


def executed(path: Path, folder: Path | str) -> nbformat.NotebookNode:
    """The notebook with its outputs, run in a folder. Raises nbclient.exceptions.CellExecutionError."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times
    return notebook


def main(names: list[str]) -> None:
    """Run some, or all."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        if not names or path.stem in names:
            with tempfile.TemporaryDirectory() as folder:
                nbformat.write(executed(path, folder), path)
            print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
