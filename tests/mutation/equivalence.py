"""Proofs that mutants are equivalent to the design as it was.

A module is compared with its mutant by Yosys, in any state and with any inputs. Registers and memories are cut: both
sides see the same outputs of theirs, and what goes into them has to be the same, as has what goes out of the module.
That is an induction over cycles with one step. Registers that nothing depends on are left out. First the module is
taken alone, then the module around it, and so on up to a quarter of the core. A proof that is not found leaves the
mutant a survivor.
"""

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from .netlist import ONE_OF_MANY, Mutant, yosys

SECONDS = 300
"""Of CPU, for all mutants of a module."""

_REGISTER = re.compile(r"^  cell (\$\w*(?:ff|mem)\w*) (\$\S+)$", re.MULTILINE)
_INSIDE = f"hierarchy -top {{scope}}; flatten; {ONE_OF_MANY}; rename {{scope}} {{side}}; rename -hide w:*; opt_clean"
_GOLD = f"read_rtlil named.il; {_INSIDE}; design -save gold\n"
_MUTANT = f"""
design -reset
read_rtlil named.il
{{command}}
{_INSIDE}
design -copy-from gold gold
equiv_make gold gate equiv
cd equiv
opt_expr
opt_merge
simplemap
opt_merge
opt_clean -purge
equiv_simple
tee -q -o proof_{{number}}.txt equiv_status
cd ..
"""


def equivalent(folder: Path, mutants: Iterable[Mutant]) -> dict[Mutant, str]:
    """Those that are proven equivalent, and within which module."""
    renamed = _name(folder)
    left, out = {item: item.module for item in mutants}, {}
    while left:
        by_scope = defaultdict(list)
        for mutant, scope in left.items():
            by_scope[scope].append(mutant)
        for scope, mine in by_scope.items():
            _try(folder, scope, mine, renamed)
            out |= {
                item: f"by SAT within {scope}"
                for item in mine
                if _proven(folder / f"proof_{item.number}.txt")
            }
        left = {item: scope.rpartition(".")[0] for item, scope in left.items() if item not in out}
        left = {item: scope for item, scope in left.items() if scope.count(".") > 1}
    return out


def _name(folder: Path) -> dict[str, str]:
    """Give registers and memories public names, by which Yosys finds pairs; the new names."""
    renamed: dict[str, str] = {}

    def name(found: re.Match) -> str:
        renamed[found[2]] = f"cut_{len(renamed)}"
        return f"  cell {found[1]} \\{renamed[found[2]]}"

    (folder / "named.il").write_text(_REGISTER.sub(name, (folder / "design.il").read_text()))
    return renamed


def _try(folder: Path, scope: str, mutants: list[Mutant], renamed: dict[str, str]) -> None:
    """One process for all mutants within a module; those that it does not get to stay undecided."""
    script = _GOLD.format(scope=scope, side="gold")
    for item in mutants:
        (folder / f"proof_{item.number}.txt").unlink(missing_ok=True)
        cell = item.options["cell"]
        command = item.command.replace(f"-cell {cell} ", f"-cell {renamed.get(cell, cell)} ")
        script += _MUTANT.format(scope=scope, side="gate", command=command, number=item.number)
    path = folder / f"proofs_{mutants[0].number}.ys"
    path.write_text(script)
    try:
        yosys(f"script {path.name}", folder, SECONDS)
    except subprocess.CalledProcessError:
        return


def _proven(status: Path) -> bool:
    return status.is_file() and bool(re.search(r"Equivalence successfully proven", status.read_text()))
