"""Builds generated C++ with a plain compiler, and runs its testbench.

A build goes into a folder named after a hash of everything it depends on and is found there again; processes that
want the same build wait for one of them, as for RTL (`hwshift.sim.runner`).
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from hwshift.errors import SimulationError, ToolError
from hwshift.sim._host import locked, run_logged

__all__ = ["FLAGS", "SANITIZE", "build_testbench", "compiler", "run_testbench"]

FLAGS = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-O2")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")
"""Flags that add the compiler's run-time checks."""

_COMPILERS = ("g++", "c++", "clang++")
_FOREIGN = ("CPATH", "CPLUS_INCLUDE_PATH")
_TOLD = slice(40)  # a compiler's first errors tell most


def compiler() -> str:
    """Path of the C++ compiler.

    Raises
    ------
    ToolError
        If there is none.
    """
    for name in _COMPILERS:
        path = shutil.which(name)
        if path is not None:
            return path
    raise ToolError("not found; comes with the system's packages (build-essential on Debian)", where="g++")


def build_testbench(
    files: Mapping[str, bytes],
    build_dir: Path | str,
    *,
    cxx: str | None = None,
    flags: Sequence[str] = (),
) -> Path:
    """The testbench of a project as a program.

    Parameters
    ----------
    files : mapping of path to content
        The project's files; those below ``src/`` are built.
    build_dir : Path or str
        Folder that holds builds; made if missing.
    cxx : str or None
        The compiler; None: `compiler`.
    flags : sequence of str
        Beside `FLAGS`.

    Raises
    ------
    SimulationError
        If the build fails, a warning included.
    ToolError
        If there is no compiler.
    """
    cxx = cxx or compiler()
    sources = {name: data for name, data in sorted(files.items()) if name.startswith("src/")}
    key = [cxx, *FLAGS, *flags, *((name, hashlib.sha256(data).hexdigest()) for name, data in sources.items())]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    base = Path(build_dir).resolve()
    base.mkdir(parents=True, exist_ok=True)
    folder = base / f"hls-{digest}"
    program = folder / "testbench"
    with locked(base / f".{folder.name}.lock"):
        if not program.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            for name, data in sources.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            units = [name for name in sources if name.endswith(".cpp")]
            partial = folder / "testbench.partial"
            command = [cxx, *FLAGS, *flags, "-Isrc", "-o", str(partial), *units]
            env = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
            run_logged(command, folder / "build.log", env, cwd=folder, told=_TOLD)
            partial.rename(program)
    return program


def run_testbench(program: Path, vectors: Path, results: Path | None = None) -> tuple[bool, str]:
    """Run a testbench: whether everything agreed, and what it printed.

    Parameters
    ----------
    program : Path
        From `build_testbench`.
    vectors : Path
        The folder of vectors.
    results : Path or None
        Folder for what the design left.

    Raises
    ------
    SimulationError
        If the program neither passes nor fails, for example when a check inside of it stops it.
    """
    command = [str(program), str(vectors), *([] if results is None else [str(results)])]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode not in (0, 1):
        error = SimulationError(f"C simulation ends with status {done.returncode}: {_last(done.stderr)}")
        error.add_note(done.stdout + done.stderr)
        raise error
    return done.returncode == 0, done.stdout


def _last(text: str) -> str:
    """The line that tells most: the first of a checker, the last of anything else."""
    lines = text.strip().splitlines()
    told = [line for line in lines if "ERROR" in line or "runtime error" in line]
    return (told or lines[-1:] or ["it says nothing"])[0]
