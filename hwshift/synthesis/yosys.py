"""Runs Yosys in a process of its own.

The Yosys of the wheel has abc inside, which takes over standard output and does not give it back: whatever is
printed after the first abc is lost, though the run goes on and ends well. So results are files (``tee -o``,
``write_json``), and errors are read from the log (``-l``).
"""

import re
import subprocess
from pathlib import Path

from hwshift.errors import ToolError
from hwshift.tools import program

__all__ = ["run_yosys", "yosys_version"]


def yosys_version() -> str:
    """The version, which says so where it is not the wheel's."""
    return program("yosys").version


def run_yosys(script: str, folder: Path) -> str:
    """Run commands in a folder, which gets their log as ``yosys.log``; the log is returned.

    Raises
    ------
    ToolError
        Yosys is missing, or a command failed; the message is Yosys' own.
    """
    log = folder / "yosys.log"
    log.unlink(missing_ok=True)
    done = subprocess.run(
        [*program("yosys").command, "-q", "-l", log.name, "-p", script],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
    )
    text = log.read_text(errors="replace") if log.is_file() else ""
    found = re.search(r"^ERROR: (.*)", text, re.MULTILINE)
    if found or done.returncode:
        reason = found[1] if found else (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        error = ToolError(f"Yosys fails: {reason}", where="yosys")
        error.add_note(text[-2000:])
        raise error
    return text
