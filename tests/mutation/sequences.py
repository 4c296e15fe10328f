"""Proofs that a mutant is never seen: whatever comes in, from the beginning on, the same goes out.

The module and its mutant begin in the same state and are given the same inputs in every cycle; ABC searches for an
invariant of both that keeps their outputs equal (property directed reachability). That relates registers of one to
registers of the other, which `equivalence` does not. What a module is never given may be assumed: `Known`.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .netlist import ONE_OF_MANY, Mutant, yosys

SECONDS = 30
"""For one search."""
_MEMORY_BITS = 10_000
"""Modules with more memory are not tried."""


@dataclass(frozen=True)
class Known:
    """What is known of what a module is given, and what follows from it for its registers.

    In Verilog, with names in braces, without the numbers that Amaranth gives: ``{NAME}`` is an input, or a wire of the
    design as it was.

    Members
    -------
    module : str
        End of its path, whole names.
    expression : str
        True in every cycle.
    why : str
        Who sees to it.
    state : str
        Declarations of what the expressions remember of inputs.
    lemma : str
        True in every cycle, if the expression has been so far: proven by induction, and used.
    """

    module: str
    expression: str
    why: str
    state: str = ""
    lemma: str = ""


_SIDE = f"hierarchy -top {{scope}}; flatten; {ONE_OF_MANY}; memory_map; opt_clean; rename {{scope}} {{side}}"
_WATCH = """
read_rtlil ../design.il
{watch}
expose {wires}
design -stash watch
"""
_SIDES = """
read_rtlil ../design.il
{gold}
design -stash gold
read_rtlil ../design.il
{command}
{gate}
design -stash gate
design -copy-from gold -as gold gold
design -copy-from gate -as gate gate
"""
_MITER = """
miter -equiv -flatten gold gate miter
design -copy-from watch -as watch watch
"""
_TOP = """
read_verilog {top}.v
hierarchy -top {top}
proc
flatten
opt
"""
_INDUCTION = """
dffunmap
opt_clean
sat -tempinduct -prove wrong 0 -maxsteps 3 -verify -timeout {seconds} {top}
tee -q -o {top}.txt log proven
design -reset
"""
_SEARCH = """
techmap
opt
dffunmap
setundef -anyseq
aigmap
opt_clean
write_aiger -zinit netlist.aig
design -reset
read_verilog stub.v
simplemap
abc -script "+read_aiger,netlist.aig;strash;scorr;write_aiger,reduced.aig;strash;pdr,-T,{seconds},-L,verdict.txt"
"""
_LEMMA = _WATCH + "design -copy-from watch -as watch watch\n" + _TOP.format(top="follows") + _INDUCTION
_STEP = f"""{_SIDES}
expose -shared -dff gold gate
expose -shared {{wires}}
miter -equiv -flatten -make_outputs gold gate miter
{_TOP.format(top="stays")}{_INDUCTION}
"""
_EVER = _WATCH + _SIDES + _MITER + _TOP.format(top="seen") + _SEARCH
_STUB = "module stub(input a, b, output y);\n  assign y = a & b;\nendmodule\n"
_WIRE = re.compile(r"^  wire (?:width (\d+) )?(?:\w+ \S+ )*?\\(\S+)$", re.MULTILINE)
_INPUT = re.compile(r"^  wire .*\binput \d+ \\(\S+)$", re.MULTILINE)
_NAME = re.compile(r"{([\w.]+)}")
_MEMORY = re.compile(r"parameter (?:signed )?\\(SIZE|WIDTH) (\d+)$", re.MULTILINE)


def never_seen(folder: Path, mutants: Iterable[Mutant], known: Iterable[Known]) -> dict[Mutant, str]:
    """Those that are proven never to be seen outside of a module, and what that takes."""
    texts = _modules(folder / "design.il")
    out = {}
    for mutant in mutants:
        if "CLK" in mutant.options["port"]:
            continue  # here all registers have the same clock
        for scope in scopes(mutant.module):
            if _memory_bits(texts, scope) > _MEMORY_BITS:
                break
            path = f".{scope.partition('$')[0]}"
            mine = [item for item in known if path.endswith(f".{item.module}")]
            for given in [[], mine] if mine else [[]]:
                if mutant not in out and _proven(folder, mutant, scope, texts[scope], given):
                    out[mutant] = "; ".join([f"never seen outside of {scope}", *(item.why for item in given)])
            if mutant in out:
                break
    return out


def scopes(module: str) -> Iterator[str]:
    """A module and those around it, without the core and its halves."""
    yield module
    while module.count(".") > 2:
        module = module.rpartition(".")[0]
        yield module


def _modules(path: Path) -> dict[str, str]:
    """Name to RTLIL."""
    texts = re.split(r"^module \\(\S+)$", path.read_text(), flags=re.MULTILINE)
    return dict(zip(texts[1::2], texts[2::2], strict=True))


def _memory_bits(texts: dict[str, str], scope: str) -> int:
    """Of all memories within a module."""
    total = 0
    for name, text in texts.items():
        if name == scope or name.startswith(f"{scope}."):
            for cell in text.split("\n  cell ")[1:]:
                if cell.startswith("$mem"):
                    sizes = {key: int(value) for key, value in _MEMORY.findall(cell)}
                    total += sizes["SIZE"] * sizes["WIDTH"]
    return total


def _proven(folder: Path, mutant: Mutant, scope: str, text: str, known: list[Known]) -> bool:
    """By induction over one step, if more is known than `equivalence` does, or by a search for an invariant."""
    place = folder / f"sequences_{mutant.number}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    (place / "stub.v").write_text(_STUB)
    for top in ("follows", "seen", "stays"):
        verilog, watched = _top(top, text, known)
        (place / f"{top}.v").write_text(verilog)
    values = {side: _SIDE.format(scope=scope, side=side) for side in ("gold", "gate", "watch")} | {
        "wires": " ".join(f"w:{name}" for name in watched) or "w:*clk*", "command": mutant.command,
        "seconds": str(SECONDS),
    }  # fmt: skip
    if any(item.lemma for item in known) and not _run(place, "follows", _LEMMA.format(top="follows", **values)):
        return False
    if known and _run(place, "stays", _STEP.format(top="stays", **values)):
        return True
    _run(place, "ever", _EVER.format(**values))
    verdict = place / "verdict.txt"
    return _nothing(place / "reduced.aig") or (verdict.is_file() and verdict.read_text().startswith("snl_UNSAT"))


def _run(place: Path, name: str, script: str) -> bool:
    """Whether a script came to its end and said so."""
    (place / f"{name}.ys").write_text(script)
    try:
        yosys(f"script {name}.ys", place, timeout=2 * SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        # Yosys cannot take back what ABC makes of a search: its verdict is in files
        pass
    return (place / f"{name}.txt").is_file()


def _nothing(path: Path) -> bool:
    """Whether all that is left of a network is an output that is 0."""
    if not path.is_file():
        return False
    head, *lines = path.read_bytes().split(b"\n")
    _, _, _, latches, _, gates = head.split()[:6]
    return latches == gates == b"0" and lines[0] == b"0"


def _top(name: str, text: str, known: list[Known]) -> tuple[str, list[str]]:
    """A module that says what is wrong while what is known has held, and the wires it looks at.

    ``follows``: a lemma does not hold. ``seen``: outputs are different while the lemmas held, too; ``stays``: the same
    of a miter that shows registers.
    """
    widths = {name: int(width or 1) for width, name in _WIRE.findall(text)}
    inputs = _INPUT.findall(text)
    short = {re.sub(r"\$\d+", "", name): name for name in [*widths, *inputs]}
    watched: list[str] = []

    def use(found: re.Match) -> str:
        name = short[found[1]]
        if name not in [*inputs, *watched]:
            watched.append(name)
        return f"\\{name} "

    states, given, lemmas = ([_NAME.sub(use, item) for item in column] for column in (
        [item.state for item in known], [item.expression for item in known], [item.lemma for item in known],
    ))  # fmt: skip
    declared = [f"input [{widths[name] - 1}:0] \\{name} " for name in inputs]
    wires = [f"  wire [{widths[name] - 1}:0] \\{name} ;" for name in watched]
    joined = ", ".join(f".\\in_{name} (\\{name} )" for name in inputs)
    shown = ", ".join(f".\\{name} (\\{name} )" for name in [*inputs, *watched])
    design, miter = f"watch design({shown});", f"miter both(.trigger(wrong_now), {joined});"
    if name == "follows":
        miter = "assign wrong_now = ~lemma;"
    elif name == "stays":
        golden = ", ".join(f".\\gold_{name} (\\{name} )" for name in watched)
        design, miter = "", f"miter both(.trigger(wrong_now), {', '.join(filter(None, [joined, golden]))});"
    lines = [
        f"module {name}({', '.join(['output wrong', *declared])});", *wires, *states,
        "  wire wrong_now;", "  reg so_far = 1;", f"  {design}",
        f"  wire lemma = {_all(lemmas)};",
        f"  wire known = {_all([*given, 'lemma'] if name != 'follows' else given)};", f"  {miter}",
        *(["  always @(posedge clk) so_far <= so_far & known;"] if "clk" in inputs else []),
        "  assign wrong = so_far & known & wrong_now;", "endmodule", "",
    ]  # fmt: skip
    return "\n".join(lines), watched


def _all(expressions: list[str]) -> str:
    return " && ".join(f"({item})" for item in expressions if item) or "1"
