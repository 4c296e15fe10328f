"""Proofs that mutants are equivalent wherever the design can get, or wherever the verifier lets programs get.

As in `equivalence`, registers are cut and a module is compared with its mutant by SAT; here what is known of inputs and
registers is assumed. A register's value before an edge is the input ``NAME.q``, the value it takes the output
``NAME.d``; memories are not cut, so modules with memories are left out.
"""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .netlist import Mutant, modules, yosys
from .replay import ports

SECONDS = 120
"""For one mutant."""


@dataclass(frozen=True)
class Known:
    """What is known of a module's inputs and registers.

    Members
    -------
    module : str
        End of its path, whole names.
    expression : str
        In Verilog, of names in braces: ``{NAME}`` an input, ``{NAME.q}`` a register.
    why : str
        Who sees to it.
    """

    module: str
    expression: str
    why: str


_CUT = "hierarchy -top {scope}; flatten; rename {scope} {side}; dffunmap; expose -evert-dff; opt_clean"
_MITER = """
read_rtlil design.il
{gold}
design -stash gold
read_rtlil design.il
{command}
{gate}
design -stash gate
design -copy-from gold -as gold gold
design -copy-from gate -as gate gate
miter -equiv -flatten gold gate miter
opt_clean
select miter
write_verilog -noattr -selected miter_{number}.v
"""
_PROOF = """
read_verilog miter_{number}.v assumed_{number}.v
hierarchy -top assumed
proc; flatten; opt
sat -verify -prove trigger 0 -set known 1 -timeout {seconds} assumed
tee -q -o assumed_{number}.txt log proven
"""


def assumed(folder: Path, mutants: Iterable[Mutant], known: Iterable[Known]) -> dict[Mutant, str]:
    """Those that are proven equivalent under what is known of their module, and what that is."""
    out = {}
    for mutant in mutants:
        path = f".{mutant.module.partition('$')[0]}"
        mine = [item for item in known if path.endswith(f".{item.module}")]
        if mine and _proven(folder, mutant, mine):
            out[mutant] = "; ".join(item.why for item in mine)
    return out


def _proven(folder: Path, mutant: Mutant, known: list[Known]) -> bool:
    number = mutant.number
    result = folder / f"assumed_{number}.txt"
    result.unlink(missing_ok=True)
    script = folder / f"assumed_{number}.ys"
    try:
        cuts = {side: _CUT.format(scope=mutant.module, side=side) for side in ("gold", "gate")}
        script.write_text(_MITER.format(**cuts, command=mutant.command, number=number))
        yosys(f"script {script.name}", folder, timeout=SECONDS)
        (miter,) = modules((folder / f"miter_{number}.v").read_text()).values()
        (folder / f"assumed_{number}.v").write_text(_wrapped(miter, [item.expression for item in known]))
        script.write_text(_PROOF.format(number=number, seconds=SECONDS))
        yosys(f"script {script.name}", folder, timeout=2 * SECONDS)
    except (
        subprocess.CalledProcessError,
        subprocess.TimeoutExpired,
        KeyError,
    ):  # KeyError: no such name is left
        return False
    return result.is_file()


def _wrapped(miter: str, expressions: list[str]) -> str:
    """A module with the miter's inputs, its verdict, and whether what is known holds."""
    inward = [item for item in ports(miter) if item.inward]
    short = {_without_numbers(item.name): item.name for item in inward}

    def port(found: re.Match) -> str:
        return f"\\{short[f'in_{found[1]}']} "

    known = " && ".join(f"({re.sub(r'{([^{}]+)}', port, item)})" for item in expressions)
    lines = ["module assumed(output trigger, output known", *(
        f", input [{item.width - 1}:0] \\{item.name} " for item in inward
    ), ");"]  # fmt: skip
    joined = ", ".join(f".\\{item.name} (\\{item.name} )" for item in inward)
    return "\n".join(
        [*lines, f"  miter m(.trigger(trigger), {joined});", f"  assign known = {known};", "endmodule", ""]
    )


def _without_numbers(name: str) -> str:
    """``in_base$12.q`` without the number that Amaranth gave."""
    return re.sub(r"\$\d+", "", name)
