"""The process around a simulator: its environment, programs with a log, and locks against other processes."""

import contextlib
import fcntl
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hwshift.errors import SimulationError

__all__ = ["environment", "locked", "run_logged"]

# Variables of the caller that would change what a run does; `extra_env` can set them again.
_FOREIGN = re.compile(
    r"COCOTB_|GPI_|PYGPI_|(WAVES|GUI|TOPLEVEL|TOPLEVEL_LANG|PYTEST_CURRENT_TEST|MFLAGS|VM_.*)$"
)
# cocotb's runner takes its environment from the process, which has only one.
_environment_lock = threading.RLock()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, against other processes and threads."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run_logged(
    command: Sequence[str],
    log: Path,
    env: Mapping[str, str],
    *,
    cwd: Path | None = None,
    told: slice = slice(-40, None),
) -> None:
    """Run a program, with what it prints in ``log``; raises SimulationError, with the lines ``told`` as a note."""
    with log.open("w") as file:
        done = subprocess.run(command, cwd=cwd, env=env, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        error = SimulationError(f"{Path(command[0]).name} ends with status {done.returncode}; see {log}")
        error.add_note("\n".join(log.read_text(errors="replace").splitlines()[told]))
        raise error


@contextlib.contextmanager
def environment(env: Mapping[str, str], python_path: Sequence[Path | str] = ()) -> Iterator[None]:
    """Set the process's environment and module path, without what would change a run, and restore them.

    Threads that need an environment take turns; processes do not wait for each other.
    """
    with _environment_lock:
        saved, saved_path = dict(os.environ), list(sys.path)
        for name in [name for name in os.environ if _FOREIGN.match(name)]:
            del os.environ[name]
        os.environ.update(env)
        sys.path[:0] = [str(Path(folder).resolve()) for folder in python_path]
        try:
            yield
        finally:
            sys.path[:] = saved_path
            for name in set(os.environ) - set(saved):
                del os.environ[name]
            os.environ.update(saved)
