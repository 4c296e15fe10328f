"""Proofs that a mutant is never seen: whatever comes in, from the beginning on, the same goes out.

The module and its mutant begin in the same state (registers without one are 0) and are given the same inputs in every
cycle; ABC searches for an invariant of both that keeps their outputs equal (property directed reachability). That
relates registers of one to registers of the other, which `equivalence` does not. Memories are cut: see `cuts`. What a
module is never given may be assumed: `Known`.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

from .cuts import without_memories
from .netlist import ONE_OF_MANY, WORKERS, Mutant, yosys

SECONDS = 20
"""Of CPU, for one search."""
_MEMORY_BITS = 10_000
"""Modules with more memory are not tried."""


@dataclass(frozen=True)
class Known:
    """What is known of what a module is given, and what follows from it for its registers.

    In Verilog, with names in braces, without the numbers that Amaranth gives: ``{NAME}`` is an input, or a wire of the
    design as it was; ports that have no name are called ``port_`` and their width.

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


_FLAT = """
read_rtlil ../design.il
hierarchy -top {scope}
flatten
{one_of_many}
{memories}
setundef -zero -init
opt_clean
rename {scope} {side}
write_rtlil {side}.il
design -reset
"""
_MUTANT = _FLAT.replace("hierarchy", "{command}\nhierarchy", 1)
_WATCH = """
read_rtlil watch.il
expose {wires}
"""
_SIDES = """
read_rtlil gold.il
read_rtlil gate.il
"""
_MITER = "miter -equiv -flatten gold gate miter\n"
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
abc -script "+read_aiger,netlist.aig;strash;lcorr;scorr;write_aiger,reduced.aig;strash;pdr,-T,{seconds},-L,verdict.txt"
"""
_LEMMA = _WATCH + _TOP.format(top="follows") + _INDUCTION
_STEP = f"""{_SIDES}
expose -shared -dff gold gate
expose -shared {{wires}}
miter -equiv -flatten -make_outputs gold gate miter
{_TOP.format(top="stays")}{_INDUCTION}
"""
_EVER = _SIDES + _MITER + _TOP.format(top="seen") + _SEARCH
_EVER_KNOWN = _SIDES + _MITER + _WATCH + _TOP.format(top="seen") + _SEARCH
_STUB = "module stub(input a, b, output y);\n  assign y = a & b;\nendmodule\n"
_WIRE = re.compile(r"^  wire (?:width (\d+) )?(?:\w+ \S+ )*?\\(\S+)$", re.MULTILINE)
_INPUT = re.compile(r"^  wire .*\binput \d+ \\(\S+)$", re.MULTILINE)
_NAME = re.compile(r"{([\w.]+)}")
_MEMORY = re.compile(r"parameter (?:signed )?\\(SIZE|WIDTH) (\d+)$", re.MULTILINE)


def never_seen(folder: Path, mutants: Iterable[Mutant], known: Iterable[Known]) -> dict[Mutant, str]:
    """Those that are proven never to be seen outside of a module, and what that takes."""
    texts, chosen, given = _modules(folder / "design.il"), list(mutants), tuple(known)
    with ThreadPoolExecutor(WORKERS) as pool:
        found = pool.map(lambda item: _never_seen(folder, item, given, texts), chosen)
        return {item: how for item, how in zip(chosen, found, strict=True) if how}


def _never_seen(folder: Path, mutant: Mutant, known: tuple[Known, ...], texts: dict[str, str]) -> str | None:
    if "CLK" in mutant.options["port"]:
        return None  # here all registers have the same clock
    for scope in scopes(mutant.module):
        small = _memory_bits(texts, scope) <= _MEMORY_BITS
        path = f".{scope.partition('$')[0]}"
        mine = tuple(item for item in known if path.endswith(f".{item.module}"))
        for given, cut in product([(), mine] if mine else [()], [True, False] if small else [True]):
            if _Proof(folder / f"sequences_{mutant.number}", scope, given, cut).equal(mutant.command):
                return "; ".join([f"never seen outside of {scope}", *(item.why for item in given)])
    return None


def follows(folder: Path, scope: str, known: Known) -> bool:
    """Whether a lemma of a module is proven."""
    return _Proof(folder / "follows", scope, (known,), cut=True).lemma()


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


@dataclass(frozen=True)
class _Proof:
    """Of one module, with what is known of what it is given."""

    place: Path
    scope: str
    known: tuple[Known, ...]
    cut: bool
    """Whether memories are cut, or registers."""

    def lemma(self) -> bool:
        """Whether what is said to follow does."""
        self._begin()
        return self._run("follows", _LEMMA)

    def equal(self, command: str) -> bool:
        """Whether a mutant is never seen: by induction over one step, if more is known than `equivalence` does, or by
        a search for an invariant."""
        self._begin(command)
        if any(item.lemma for item in self.known) and not self._run("follows", _LEMMA):
            return False
        if self.known and self._run("stays", _STEP):
            return True
        self._run("seen", _EVER_KNOWN if self._watched else _EVER)
        verdict = self.place / "verdict.txt"
        proven = verdict.is_file() and verdict.read_text().startswith("snl_UNSAT")
        return proven or _nothing(self.place / "reduced.aig")

    def _begin(self, command: str = "") -> None:
        """The design and the mutant, each as one module."""
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        (self.place / "stub.v").write_text(_STUB)
        values = {"scope": self.scope, "command": command, "one_of_many": ONE_OF_MANY,
                  "memories": "" if self.cut else "memory_map"}  # fmt: skip
        sides = {"gold": _FLAT, "watch": _FLAT, "gate": _MUTANT}
        (self.place / "flat.ys").write_text(
            "".join(text.format(side=side, **values) for side, text in sides.items())
        )
        yosys("script flat.ys", self.place)
        for side in sides if self.cut else ():
            path = self.place / f"{side}.il"
            path.write_text(without_memories(path.read_text()))

    def _run(self, top: str, script: str) -> bool:
        """Whether a script came to its end and said so."""
        (self.place / f"{top}.v").write_text(self._top(top))
        wires = " ".join(f"w:{name}" for name in self._watched) or "w:*clk*"
        (self.place / f"{top}.ys").write_text(script.format(top=top, wires=wires, seconds=SECONDS))
        try:
            yosys(f"script {top}.ys", self.place, 2 * SECONDS)
        except subprocess.CalledProcessError:
            pass  # Yosys cannot take back what ABC makes of a search: its verdict is in files
        return (self.place / f"{top}.txt").is_file()

    # -- names ---------------------------------------------------------------------------------------------

    @cached_property
    def _text(self) -> str:
        return (self.place / "gold.il").read_text()

    @cached_property
    def _widths(self) -> dict[str, int]:
        return {name: int(width or 1) for width, name in _WIRE.findall(self._text)}

    @cached_property
    def _inputs(self) -> list[str]:
        return _INPUT.findall(self._text)

    @cached_property
    def _long(self) -> dict[str, str]:
        """Names as they are written to those with the numbers that Amaranth gives."""
        short = {name: re.sub(r"\$\d+", "", name) for name in self._widths}
        return {
            f"{plain}_{self._widths[name]}" if plain == "port" else plain: name
            for name, plain in short.items()
        } | {name: name for name in short}

    @cached_property
    def _watched(self) -> list[str]:
        """Wires of the design as it was that have to be looked at."""
        texts = [text for item in self.known for text in (item.state, item.expression, item.lemma)]
        used = {self._long[name] for name in _NAME.findall(" ".join(texts))}
        return sorted(used - set(self._inputs))

    # -- what is to be proven ------------------------------------------------------------------------------

    def _top(self, name: str) -> str:
        """A module that says what is wrong while what is known has held.

        ``follows``: a lemma does not hold. ``seen``: outputs are different while the lemmas held, too; ``stays``: the
        same of a miter that shows registers.
        """
        states, given, lemmas = ([_NAME.sub(self._use, item) for item in column if item] for column in (
            [item.state for item in self.known], [item.expression for item in self.known],
            [item.lemma for item in self.known],
        ))  # fmt: skip
        given += [] if name == "follows" else lemmas
        joined = [f".\\in_{item} (\\{item} )" for item in self._inputs]
        shown = ", ".join(f".\\{item} (\\{item} )" for item in [*self._inputs, *self._watched])
        design = f"watch design({shown});" if self._watched and name != "stays" else ""
        if name == "stays":
            joined += [f".\\gold_{item} (\\{item} )" for item in self._watched]
        wrong = f"miter both(.trigger(wrong_now), {', '.join(joined)});"
        if name == "follows":
            wrong = f"assign wrong_now = !({_all(lemmas)});"
        lines = [
            f"module {name}({', '.join(['output wrong', *(self._declared('input', item) for item in self._inputs)])});",
            *(f"  {self._declared('wire', item)};" for item in self._watched), *states,
            "  wire wrong_now;", "  reg so_far = 1;", f"  wire known = {_all(given)};", f"  {design}", f"  {wrong}",
            *(["  always @(posedge clk) so_far <= so_far & known;"] if "clk" in self._inputs else []),
            "  assign wrong = so_far & known & wrong_now;", "endmodule", "",
        ]  # fmt: skip
        return "\n".join(lines)

    def _declared(self, kind: str, name: str) -> str:
        return f"{kind} [{self._widths[name] - 1}:0] \\{name} "

    def _use(self, found: re.Match) -> str:
        return f"\\{self._long[found[1]]} "


def _nothing(path: Path) -> bool:
    """Whether all that is left of a network is an output that is 0."""
    if not path.is_file():
        return False
    head, *lines = path.read_bytes().split(b"\n")
    _, _, _, latches, _, gates = head.split()[:6]
    return latches == gates == b"0" and lines[0] == b"0"


def _all(expressions: list[str]) -> str:
    return " && ".join(["1'b1", *(f"({item})" for item in expressions)])
