"""The most memory that this process has held."""

import re
from pathlib import Path

__all__ = ["peak_memory"]

_STATUS = Path("/proc/self/status")


def peak_memory() -> float | None:
    """Most resident memory of this process until now in MiB; None where the system does not tell."""
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())
    except OSError:
        return None
    return int(found[1]) / 1024 if found else None
