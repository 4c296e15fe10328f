"""Proofs that mutants are equivalent to the design as it was.

A module alone is compared with its mutant by Yosys, in any state and with any inputs. Registers, memories and modules
inside it are cut: both sides see the same outputs of theirs, and what goes into them has to be the same, as has what
goes out of the module. That is an induction over cycles with one step. Registers that nothing depends on are left out.
A proof that is not found leaves the mutant a survivor.
"""

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from .netlist import Mutant, yosys

SECONDS = 300
"""For all mutants of a module."""
PROOF = "by SAT on its module"

_REGISTER = re.compile(r"^  cell (\$\w*(?:ff|mem)\w*) (\$\S+)$", re.MULTILINE)
_EXTRACT = "read_rtlil design.il\nselect {module}\nwrite_rtlil -selected {file}.il\n"
_GOLD = """
design -reset
read_rtlil {file}.il
rename {module} gold
rename -hide w:*
design -save gold
"""
_MUTANT = """
design -reset
read_rtlil {file}.il
{command}
rename {module} gate
rename -hide w:*
design -copy-from gold gold
equiv_make gold gate equiv
cd equiv
opt_expr
opt_merge
simplemap
opt_merge
opt_clean -purge
equiv_simple -undef
tee -q -o proof_{number}.txt equiv_status
cd ..
"""


def equivalent(folder: Path, mutants: Iterable[Mutant]) -> dict[Mutant, str]:
    """Those that are proven equivalent, and how."""
    by_module = defaultdict(list)
    for mutant in mutants:
        by_module[mutant.module].append(mutant)
    out = {}
    for module, mine in by_module.items():
        _try(folder, module, mine)
        out |= {item: PROOF for item in mine if _proven(folder / f"proof_{item.number}.txt")}
    return out


def _try(folder: Path, module: str, mutants: list[Mutant]) -> None:
    """One process for all mutants of a module; those that it does not get to stay undecided."""
    names = {"module": module, "file": f"proofs_{mutants[0].number}"}
    path = folder / f"{names['file']}.il"
    for item in mutants:
        (folder / f"proof_{item.number}.txt").unlink(missing_ok=True)
    try:
        yosys(_EXTRACT.format(**names), folder, timeout=SECONDS)
        text, renamed = _named(path.read_text())
        path.write_text(text)
        script = _GOLD.format(**names)
        for item in mutants:
            cell = item.options["cell"]
            command = item.command.replace(f"-cell {cell} ", f"-cell {renamed.get(cell, cell)} ")
            script += _MUTANT.format(**names, command=command, number=item.number)
        path.with_suffix(".ys").write_text(script)
        yosys(f"script {path.stem}.ys", folder, timeout=SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return


def _named(module: str) -> tuple[str, dict[str, str]]:
    """A module whose registers and memories have public names, by which Yosys finds pairs; and these names."""
    renamed = {}

    def name(found: re.Match) -> str:
        renamed[found[2]] = f"cut_{len(renamed)}"
        return f"  cell {found[1]} \\{renamed[found[2]]}"

    return _REGISTER.sub(name, module), renamed


def _proven(status: Path) -> bool:
    return status.is_file() and bool(re.search(r"Equivalence successfully proven", status.read_text()))
