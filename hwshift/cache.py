"""The folder that keeps generated Verilog and simulator builds between calls."""

import os
from pathlib import Path

__all__ = ["cache_dir"]


def cache_dir() -> Path:
    """Folder for what can be made again.

    ``$HWSHIFT_CACHE_DIR``, or else ``$XDG_CACHE_HOME/hwshift``, or else ``~/.cache/hwshift``.
    """
    own = os.environ.get("HWSHIFT_CACHE_DIR")
    if own:
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "hwshift"
