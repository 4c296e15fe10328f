"""The folder that keeps generated Verilog and simulator builds between calls."""

import hashlib
import os
from pathlib import Path

__all__ = ["cache_dir", "key_of"]


def cache_dir() -> Path:
    """Folder for what can be made again.

    ``$HWSHIFT_CACHE_DIR``, or else ``$XDG_CACHE_HOME/hwshift``, or else ``~/.cache/hwshift``.
    """
    own = os.environ.get("HWSHIFT_CACHE_DIR")
    if own:
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "hwshift"


def key_of(*parts: str) -> str:
    """The name under which a result is kept that follows from these texts alone."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
