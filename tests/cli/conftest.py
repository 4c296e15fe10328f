"""The command as it is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hwshift.network.random import csc_network
from hwshift.network.serialize import save


@pytest.fixture
def hwshift(tmp_path, rtl_builds):
    """Runs ``hwshift`` with arguments, in an empty folder; ``path`` replaces PATH."""
    program = Path(sys.executable).parent / "hwshift"
    folder = tmp_path / "here"
    folder.mkdir()

    def run(*arguments, path=None):
        env = os.environ | {"HWSHIFT_CACHE_DIR": str(rtl_builds)}
        if path is not None:
            env["PATH"] = str(path)
        return subprocess.run(
            [program, *map(str, arguments)], cwd=folder, env=env, capture_output=True, text=True
        )

    run.folder = folder
    return run


@pytest.fixture
def tiny(tmp_path):
    """A network file whose run takes some 600 cycles on 4x4."""
    path = tmp_path / "tiny.hwnet"
    save(csc_network(4, 4, 4, 1, classes=3, seed=1), path)
    return path
