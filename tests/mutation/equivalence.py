"""Proofs that a mutant is equivalent to the design as it was.

A module alone, with any inputs in any cycle, is compared with its mutant by Yosys: ``equiv_make`` pairs the outputs
and the registers of equal name, and each pair is proven by SAT, by induction over a few cycles where it has to be.
A pair that cannot be decided leaves the mutant a survivor.
"""

import subprocess
from pathlib import Path

from .netlist import Mutant, yosys

SECONDS = 300

_MODULE_SCRIPT = """
read_rtlil design.il
select {module}
write_rtlil -selected {number}.il
design -reset
read_rtlil {number}.il
rename {module} gold
expose -evert t:hwshift_core.*
async2sync; memory_map; opt -full; clean
design -save gold
design -reset
read_rtlil {number}.il
{command}
rename {module} gate
expose -evert t:hwshift_core.*
async2sync; memory_map; opt -full; clean
design -copy-from gold gold
equiv_make gold gate equiv
cd equiv
equiv_struct
equiv_simple -undef
equiv_induct -undef -seq 4
equiv_status -assert
"""
"""Modules inside the module become ports: what goes into them has to be the same, what comes out may be anything."""


def equivalent(folder: Path, mutant: Mutant) -> str | None:
    """How the mutant was proven equivalent, or None."""
    script = _MODULE_SCRIPT.format(module=mutant.module, command=mutant.command, number=mutant.number)
    path = folder / f"equivalence_{mutant.number}.ys"
    path.write_text(script)
    try:
        yosys(f"script {path.name}", folder, timeout=SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return "by SAT and induction on its module"
