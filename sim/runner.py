"""Builds RTL for a simulator and runs cocotb benches on it.

The one place that talks to cocotb's runner: it behaves the same under pytest, in a script and from
the command line, says nothing unless something fails, and reuses a build whose inputs are the same.
"""

import hashlib
import json
import re
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from hwshift.errors import SimulationError
from hwshift.sim._host import environment, locked
from hwshift.tools import SIMULATORS, VERILATOR_WAIVED, package_dir, require, simulator_env, simulator_problem

__all__ = ["Build", "RunResult", "available_simulators", "build_rtl", "run_cocotb", "run_tests"]

_TAIL_LINES = 40
_STAMP = "hwshift-build.json"
_WARNING = re.compile(r"^%Warning-([A-Z0-9_]+):", re.MULTILINE)


@dataclass(frozen=True)
class Build:
    """RTL built for one simulator.

    Members
    -------
    simulator, top : str
    directory : Path
        Holds the build, its log ``build.log`` and the folders of the runs.
    parameters : dict
        The top's parameters.
    waves : bool
        Whether runs can record waveforms.
    warnings : dict of str to int
        Count of each waived warning class that was raised.
    reused : bool
        Whether the build was found done.
    """

    simulator: str
    top: str
    directory: Path
    parameters: dict[str, object]
    waves: bool
    warnings: dict[str, int]
    reused: bool

    @property
    def log(self) -> Path:
        """What the simulator's compiler printed."""
        return self.directory / "build.log"


@dataclass(frozen=True)
class RunResult:
    """A run whose tests all passed.

    Members
    -------
    build : Build
    tests : int
        Number of cocotb tests that ran; at least 1.
    seed : int
        Seed of the run; the same seed repeats it.
    directory : Path
        Working directory of the simulator, which holds waveforms.
    log, results : Path
        What the simulation printed, and the results in JUnit's format.
    """

    build: Build
    tests: int
    seed: int
    directory: Path
    log: Path
    results: Path


def available_simulators() -> tuple[str, ...]:
    """Names of the simulators that can be used on this machine, out of `SIMULATORS`."""
    return tuple(name for name in SIMULATORS if simulator_problem(name) is None)


def run_cocotb(
    *,
    sources: Sequence[Path | str],
    top: str,
    test_module: str | Sequence[str],
    simulator: str,
    build_dir: Path | str,
    parameters: Mapping[str, object] | None = None,
    plusargs: Sequence[str] = (),
    seed: int | None = None,
    testcase: str | Sequence[str] | None = None,
    extra_env: Mapping[str, str] | None = None,
    build_args: Sequence[str] = (),
    defines: Mapping[str, object] | None = None,
    python_path: Sequence[Path | str] = (),
    waves: bool = False,
    waive: Iterable[str] = (),
) -> RunResult:
    """Build RTL and run cocotb tests on it; see `build_rtl` and `run_tests` for the parameters.

    Returns
    -------
    RunResult

    Raises
    ------
    SimulationError
        If the build fails, a test fails, no test runs, or the simulator does not end properly.
    ToolError
        If the simulator cannot be used here.
    """
    build = build_rtl(
        sources=sources,
        top=top,
        simulator=simulator,
        build_dir=build_dir,
        parameters=parameters,
        defines=defines,
        build_args=build_args,
        waves=waves,
        waive=waive,
    )
    return run_tests(
        build,
        test_module=test_module,
        testcase=testcase,
        plusargs=plusargs,
        seed=seed,
        extra_env=extra_env,
        python_path=python_path,
        waves=waves,
    )


def build_rtl(
    *,
    sources: Sequence[Path | str],
    top: str,
    simulator: str,
    build_dir: Path | str,
    parameters: Mapping[str, object] | None = None,
    defines: Mapping[str, object] | None = None,
    build_args: Sequence[str] = (),
    waves: bool = False,
    waive: Iterable[str] = (),
) -> Build:
    """Build Verilog sources for a simulator, or find them built.

    The build goes into a folder of `build_dir` named after the simulator, the top and a hash of
    everything it depends on. Processes that want the same build at the same time wait for one of them.

    Parameters
    ----------
    sources : sequence of Path or str
        Verilog files; files they include are not followed.
    top : str
        Name of the top module.
    simulator : str
        One of `SIMULATORS`.
    build_dir : Path or str
        Folder that holds builds; made if missing.
    parameters, defines : mapping of str to object or None
        The top's parameters and the preprocessor's macros.
    build_args : sequence of str
        More arguments for the simulator's compiler.
    waves : bool
        Build what records waveforms.
    waive : iterable of str
        Verilator warning classes accepted beside `hwshift.tools.VERILATOR_WAIVED`.

    Returns
    -------
    Build

    Raises
    ------
    SimulationError
        If the build fails or raises a Verilator warning that is not waived.
    ToolError
        If the simulator cannot be used here.
    """
    env = simulator_env(simulator)
    files = [Path(source).resolve() for source in sources]
    for file in files:
        if not file.is_file():
            raise SimulationError("no such source file", where=str(file))
    waived = sorted(waive)
    key = {
        "simulator": simulator,
        "versions": _versions(simulator),
        "top": top,
        "sources": [[file.name, hashlib.sha256(file.read_bytes()).hexdigest()] for file in files],
        "parameters": {name: str(value) for name, value in (parameters or {}).items()},
        "defines": {name: str(value) for name, value in (defines or {}).items()},
        "build_args": list(build_args),
        "waves": waves,
        "waive": waived,
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    base = Path(build_dir).resolve()
    base.mkdir(parents=True, exist_ok=True)
    directory = base / f"{simulator}-{top}-{digest}"
    with locked(base / f".{directory.name}.lock"):
        stamp = directory / _STAMP
        reused = stamp.is_file()
        if not reused:
            shutil.rmtree(directory, ignore_errors=True)  # what a killed build left
            directory.mkdir()
            options = {"parameters": dict(parameters or {}), "defines": dict(defines or {}), "waves": waves}
            _compile(files, top, simulator, directory, env, list(build_args), options)
            warnings = _check_warnings(directory / "build.log", {*VERILATOR_WAIVED, *waived})
            stamp.write_text(json.dumps(key | {"warnings": warnings}, indent=1))
        warnings = json.loads(stamp.read_text())["warnings"]
    return Build(simulator, top, directory, dict(parameters or {}), waves, warnings, reused)


def run_tests(
    build: Build,
    *,
    test_module: str | Sequence[str],
    testcase: str | Sequence[str] | None = None,
    plusargs: Sequence[str] = (),
    seed: int | None = None,
    extra_env: Mapping[str, str] | None = None,
    python_path: Sequence[Path | str] = (),
    waves: bool = False,
) -> RunResult:
    """Run cocotb tests on a build, in a fresh folder beneath it.

    Parameters
    ----------
    build : Build
        From `build_rtl`.
    test_module : str or sequence of str
        Importable names of the modules that hold the tests.
    testcase : str, sequence of str or None
        Names of the tests to run; all if None.
    plusargs : sequence of str
        Arguments that the simulated design and the tests can read.
    seed : int or None
        Seed of the tests' random numbers; None draws one. An error names it.
    extra_env : mapping of str to str or None
        More environment variables.
    python_path : sequence of Path or str
        Folders searched for modules before the present ones.
    waves : bool
        Record waveforms; needs a build with `waves`.

    Returns
    -------
    RunResult

    Raises
    ------
    SimulationError
        If a test fails, no test runs, or the simulator does not end properly.
    """
    from cocotb_tools.runner import get_runner

    if waves and not build.waves:
        raise ValueError("waves needs a build with waves=True")
    modules = [test_module] if isinstance(test_module, str) else list(test_module)
    seed = secrets.randbits(31) if seed is None else seed
    runs = build.directory / "runs"
    runs.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"{modules[0].rpartition('.')[2]}-", dir=runs))
    log, results = directory / "run.log", directory / "results.xml"
    env = simulator_env(build.simulator) | {"COCOTB_ANSI_OUTPUT": "0"} | dict(extra_env or {})
    arguments = list(plusargs)
    if waves and build.simulator == "icarus":  # the others record into the working directory
        arguments.append(f"+dumpfile_path={directory / build.top}.fst")
    ended = ""
    with environment(env, python_path):
        runner = get_runner(build.simulator)
        runner.log.disabled = True
        try:
            runner.test(
                test_module=modules,
                hdl_toplevel=build.top,
                hdl_toplevel_lang="verilog",
                testcase=testcase,
                seed=seed,
                plusargs=arguments,
                parameters=build.parameters,
                waves=waves,
                build_dir=build.directory,
                test_dir=directory,
                results_xml=str(results),
                log_file=log,
            )
        except (RuntimeError, SystemExit) as error:
            ended = str(error)
    return RunResult(build, _check_results(results, log, seed, ended), seed, directory, log, results)


def _versions(simulator: str) -> list[str | None]:
    """Everything outside the sources that a build depends on."""
    tool = require("iverilog" if simulator == "icarus" else "verilator")
    return [tool.version, version("cocotb"), str(package_dir("cocotb")), sys.version]


def _compile(
    files: list[Path],
    top: str,
    simulator: str,
    directory: Path,
    env: Mapping[str, str],
    build_args: list[str],
    options: dict[str, Any],
) -> None:
    """Run the simulator's compiler."""
    from cocotb_tools.runner import get_runner

    log = directory / "build.log"
    fixed = ["-Wno-fatal"] if simulator == "verilator" else []
    with environment(env):
        runner = get_runner(simulator)
        runner.log.disabled = True
        try:
            runner.build(
                sources=files,
                hdl_toplevel=top,
                build_dir=directory,
                build_args=fixed + build_args,
                timescale=("1ns", "1ps"),
                always=True,
                log_file=log,
                **options,
            )
        except (RuntimeError, SystemExit) as error:
            raise _failure(f"{simulator} cannot build {top}: {error}", log) from None


def _check_warnings(log: Path, waived: set[str]) -> dict[str, int]:
    """Count Verilator's warnings by class and refuse those that are not waived."""
    found = Counter(_WARNING.findall(log.read_text(errors="replace")))
    if refused := sorted(set(found) - waived):
        raise _failure(f"Verilator raises {', '.join(refused)}, which is not waived", log)
    return dict(sorted(found.items()))


def _check_results(results: Path, log: Path, seed: int, ended: str) -> int:
    """Number of tests that ran, all of them passed."""
    from cocotb_tools.check_results import get_results

    if not results.is_file():
        raise _failure(f"the simulation left no results (seed {seed}): {ended or 'it ended early'}", log)
    listed, failures = get_results(results)
    tests = listed - len(_cases(results, "skipped"))  # cocotb lists what it skipped as well
    if failures:
        names = ", ".join(_cases(results, "failure", "error"))
        raise _failure(f"{failures} of {tests} cocotb tests failed (seed {seed}): {names}", log)
    if tests == 0:
        raise _failure("no cocotb test ran", log)
    if ended:
        raise _failure(
            f"all {tests} cocotb tests passed, but the simulator failed (seed {seed}): {ended}", log
        )
    return tests


def _cases(results: Path, *marks: str) -> list[str]:
    """Names of the tests that carry one of some marks, such as ``failure``."""
    cases = ElementTree.parse(results).iter("testcase")
    found = (case for case in cases if any(case.find(mark) is not None for mark in marks))
    return [f"{case.get('classname')}.{case.get('name')}" for case in found]


def _failure(message: str, log: Path) -> SimulationError:
    """An error that names the log and carries its end as a note."""
    error = SimulationError(f"{message}; see {log}")
    if log.is_file():
        lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        error.add_note("\n".join([f"the end of {log}:", *lines]))
    return error
