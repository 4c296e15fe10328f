"""Vectors of one block, replayed on its Verilog by Icarus: inputs of every cycle, and what has to come out.

The vectors of a block come from a model in plain integers, cycle by cycle; what the model leaves open is not compared.
Inputs change with the clock's rising edge, as in the core, and outputs are looked at before the next one: a register
that takes them at the falling edge has them too early.
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from amaranth import Shape
from amaranth.lib import data

from hwshift.rtl.export import TOP

from .netlist import WORKERS, Mutant, limited, modules

Values = Mapping[str, object]
"""Port or field to its value: an integer, fields by name, elements in a list. Left out, or None: open."""
Cycles = Iterator[tuple[Values, Values]]
"""Inputs and outputs of every cycle."""

_SECONDS, _SLOWER, _CPU_SECONDS = 10, 10, 600
"""A mutant that takes so many seconds and so many times what the design takes has hung up; seconds of the design."""
_PORT = re.compile(r"^  (input|output) (?:\[(\d+):0\] )?(?:\\(\S+) |(\w+));$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A bench of one module.

    Members
    -------
    module : str
        Its path below the core's top; a name that Amaranth numbers is given without the number.
    shapes : mapping of str to shape
        Of ports that are not plain numbers.
    cycles : callable
        From a generator of random numbers and the number of a part to the part's vectors. Every part begins in a
        cycle of reset of its own.
    parts : int
    names : mapping of str to str
        Ports that the Verilog calls otherwise, without the numbers that Amaranth gives.
    parted : mapping of str to tuple of str
        Ports of several drivers, which the Verilog has as one port for each, low bits first: all of the same name or
        called by direction and width.
    deposits : mapping of str to int
        Registers that vectors may set, with their widths: inputs called ``deposit`` map some of them to values, which
        they have from the beginning of that cycle on. For counters that no run brings to their upper bits.
    """

    module: str
    shapes: Mapping[str, object]
    cycles: Callable[[Random, int], Cycles]
    parts: int
    names: Mapping[str, str] = field(default_factory=dict)
    parted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    deposits: Mapping[str, int] = field(default_factory=dict)
    watched: Mapping[str, int] = field(default_factory=dict)


def pack(shape: object, value: object) -> tuple[int, int]:
    """A value in bits, and a mask of those that are given."""
    if value is None:
        return 0, 0
    if isinstance(shape, data.StructLayout | data.ArrayLayout | data.FlexibleLayout):
        bits = mask = 0
        items = value.items() if isinstance(value, Mapping) else enumerate(value)  # type: ignore[arg-type]
        for name, item in items:
            part = shape[name]
            low, known = pack(part.shape, item)
            bits |= low << part.offset
            mask |= known << part.offset
        return bits, mask
    width = shape if isinstance(shape, int) else Shape.cast(shape).width  # type: ignore[arg-type]
    full = (1 << width) - 1
    return int(value) & full, full  # type: ignore[call-overload]


@dataclass(frozen=True)
class Port:
    """A port of a module in Verilog."""

    name: str
    width: int
    inward: bool


def ports(module: str) -> list[Port]:
    """Those of a module's text."""
    found = []
    for direction, high, escaped, plain in _PORT.findall(module):
        found.append(Port(escaped or plain, int(high or 0) + 1, direction == "input"))
    return found


class Replay:
    """A block's vectors and its Verilog, compiled for Icarus.

    Parameters
    ----------
    folder : Path
        Gets what is made.
    block : Block
    rng : Random
    original, mutated : Path
        Verilog of the core as it was, which the vectors have to agree with, and with all mutants.

    Raises
    ------
    CalledProcessError
        Icarus refuses the Verilog.
    ValueError
        Vectors of ports that are not there.
    AssertionError
        The design as it was is not what the vectors say: names the outputs.
    """

    def __init__(self, folder: Path, block: Block, rng: Random, original: Path, mutated: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        texts = modules(original.read_text())
        self.module = find(texts, block.module)
        self._ports = ports(texts[self.module])
        self._write(block, rng)
        self._compile("original", original, texts[self.module], block)
        self._compile("mutated", mutated, modules(mutated.read_text())[self.module], block)
        self._seconds = _CPU_SECONDS
        for name in ("original", "mutated"):
            before = _children()
            if (cycle := self.different(0, name)) is not None:
                raise AssertionError(f"{self.module}, {name}, cycle {cycle}: {self._outputs(cycle, name)}")
        self._seconds = int(_SLOWER * (_children() - before)) + _SECONDS

    def different(self, number: int, name: str = "mutated") -> int | None:
        """The first cycle in which a mutant is different, or -1 if it does not come to an end; None for none."""
        # of CPU time, for a simulation that goes round in circles
        command = limited(["vvp", "-n", f"{name}.vvp", f"+mutant={number}"], self._seconds)
        done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True)
        found = re.search(r"^(different|same) (\d+)", done.stdout, re.MULTILINE)
        if found is None:
            return -1
        return int(found[2]) if found[1] == "different" else None

    def differences(self, numbers: Iterable[int]) -> list[int | None]:
        """Of some mutants."""
        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(self.different, numbers))

    def _compile(self, name: str, core: Path, module: str, block: Block) -> None:
        (self._folder / f"{name}.v").write_text(self._bench(deposited(module, block.deposits), block.watched))
        command = ["iverilog", "-g2012", "-s", "bench", "-o", f"{name}.vvp", f"{name}.v", str(core.resolve())]
        subprocess.run(command, cwd=self._folder, check=True, capture_output=True)

    def _outputs(self, cycle: int, name: str) -> str:
        """Names of the outputs that are not what the vectors say in a cycle, with both values."""
        done = subprocess.run(["vvp", "-n", f"{name}.vvp", f"+show={cycle}"], cwd=self._folder,
                              capture_output=True, text=True)  # fmt: skip
        got, want, mask = (done.stdout.split("show ")[1].split()[index] for index in range(3))
        lines, low = [], 0
        for item in self._order(inward=False):
            part = [value[::-1][low : low + item.width][::-1] for value in (got, want, mask)]
            if any(m == "1" and g != w for g, w, m in zip(*part, strict=True)):
                lines.append(f"{item.name}: {part[0]} not {part[1]}, mask {part[2]}")
            low += item.width
        return "\n".join(lines)

    # -- vectors -------------------------------------------------------------------------------------------

    def _order(self, *, inward: bool) -> list[Port]:
        return [item for item in self._ports if item.inward == inward and item.name != "clk"]

    def _write(self, block: Block, rng: Random) -> None:
        given = {verilog: name for name, verilog in block.names.items()}
        self._names = {name: given.get(short, short) for name, short in plain(self._ports).items()}
        rows = []
        for part in range(block.parts):
            rows.append(self._row(rng, {"rst": 1}, {}, block))
            for inputs, outputs in block.cycles(rng, part):
                rows.append(self._row(rng, {"rst": 0, "reset": 0, **inputs}, outputs, block))
        for index, name in enumerate(("inputs", "expected", "mask")):
            lines = "\n".join(f"{row[index]:x}" for row in rows)
            (self._folder / f"{name}.hex").write_text(lines + "\n")
        self.count = len(rows)

    def _row(self, rng: Random, inputs: Values, outputs: Values, block: Block) -> tuple[int, int, int]:
        """Inputs that are not given are random; outputs that are not given are open."""
        inputs, outputs = (self._parts(values, block) for values in (inputs, outputs))
        known = set(self._names.values()) | {"rst", "reset", "deposit", "watch"}
        if missing := (inputs.keys() | outputs.keys()) - known:
            raise ValueError(f"{self.module} has no ports {sorted(missing)}, but {sorted(known)}")
        bits, given = self._joined(inputs, block, inward=True)
        width = sum(item.width for item in self._order(inward=True))
        bits |= rng.getrandbits(width) & ~given
        for name, size in block.deposits.items():
            bits |= inputs.get("deposit", {}).get(name, 0) << width
            width += size
        bits |= ("deposit" in inputs) << width
        want, mask = self._joined(outputs, block, inward=False)
        width = sum(item.width for item in self._order(inward=False))
        for name, size in block.watched.items():
            value, known_bits = pack(size, outputs.get("watch", {}).get(name))
            want, mask, width = want | value << width, mask | known_bits << width, width + size
        return bits, want, mask

    def _parts(self, values: Values, block: Block) -> Values:
        """Values of ports, those in `Block.parted` cut."""
        widths = {self._names[item.name]: item.width for item in self._ports}
        out = dict(values)
        for whole, names in block.parted.items():
            if whole in out:
                value = out.pop(whole)
                if value is not None:  # then it is given as a whole
                    value, _ = pack(block.shapes.get(whole, sum(widths[name] for name in names)), value)
                for name in names:
                    out[name] = None if value is None else value & (1 << widths[name]) - 1
                    value = None if value is None else value >> widths[name]
        return out

    def _joined(self, values: Values, block: Block, *, inward: bool) -> tuple[int, int]:
        bits = mask = low = 0
        for item in self._order(inward=inward):
            name = self._names[item.name]
            value, known = pack(block.shapes.get(name, item.width), values.get(name))
            bits |= value << low
            mask |= known << low
            low += item.width
        return bits, mask

    # -- bench ---------------------------------------------------------------------------------------------

    def _bench(self, registers: list[tuple[str, int]], watched: Mapping[str, int]) -> str:
        sizes, joined = [], []
        for inward in (True, False):
            order = self._order(inward=inward)
            sizes.append(sum(item.width for item in order))
            low = 0
            for item in order:
                wire = f"ins[{low} +: {item.width}]" if inward else f"outs[{low} +: {item.width}]"
                joined.append(f".\\{item.name} ({wire})")
                low += item.width
        watches = []
        for name, size in watched.items():
            watches.append(f"assign outs[{sizes[1]} +: {size}] = dut.{name};")
            sizes[1] += size
        deposits, low = [], sizes[0]
        for register, size in registers:
            deposits.append(f"dut.{register} = inputs[i][{low} +: {size}];")
            low += size
        sizes[0] = low + 1
        clock = ".clk(clk), " if any(item.name == "clk" for item in self._ports) else ""
        return f"""\
module bench;
  reg clk = 0;
  reg [{sizes[0] - 1}:0] ins, inputs [0:{self.count - 1}];
  reg [{sizes[1] - 1}:0] want, mask, expected [0:{self.count - 1}], masks [0:{self.count - 1}];
  wire [{sizes[1] - 1}:0] outs;
  integer i, show = -1;
  \\{self.module} dut ({clock}{", ".join(joined)});
  {" ".join(watches)}
  initial begin
    $readmemh("inputs.hex", inputs);
    $readmemh("expected.hex", expected);
    $readmemh("mask.hex", masks);
    if (!$value$plusargs("show=%d", show)) show = -1;
    for (i = 0; i < {self.count}; i = i + 1) begin
      ins = inputs[i]; want = expected[i]; mask = masks[i];
      if (ins[{low}]) begin
        {" ".join(deposits)}
      end
      #1 clk = 0; #1;
      if (i == show) $display("show %b %b %b", outs, want, mask);
      if (((outs ^ want) & mask) !== 0) begin
        $display("different %0d", i);
        $finish;
      end
      clk = 1; #1;
    end
    $display("same %0d", i);
    $finish;
  end
endmodule
"""


def find(texts: Mapping[str, str], path: str) -> str:
    """The module at a path below the top, whatever number its name has."""
    wanted = f"{TOP}.{path}" if path else TOP
    (name,) = [item for item in texts if item.partition("$")[0] == wanted]
    return name


def plain(found: list[Port]) -> dict[str, str]:
    """Names of ports without the numbers that Amaranth gives; by direction and width where nothing is left.

    Ports that would have the same name are told apart by 2, 3 and so on behind it, in the order of their numbers.
    """
    out: dict[str, str] = {}
    names: list[str] = []
    for item in sorted(
        found, key=lambda item: [(int(part) if part.isdecimal() else -1) for part in item.name.split("$")]
    ):
        name = item.name.partition("$")[0]
        name = f"{'in' if item.inward else 'out'}_{item.width}" if name == "port" else name
        names.append(name)
        out[item.name] = name if names.count(name) == 1 else f"{name} {names.count(name)}"
    return out


def deposited(module: str, registers: Mapping[str, int]) -> list[tuple[str, int]]:
    """What holds these registers in a module's Verilog, with their widths: Yosys splits the wires of some."""
    out = []
    for name, width in registers.items():
        found = re.search(rf"^  assign \{{[^}}]*\\?{name}\[[^}}]*\}} = (_\d+_);$", module, re.MULTILINE)
        out.append((found[1] if found else name, width))
    return out


def covers(block: Block, mutant: Mutant) -> bool:
    """Whether a mutant is in a block."""
    path = mutant.module.partition("$")[0]
    return path == f"{TOP}.{block.module}" or path.startswith(f"{TOP}.{block.module}.")


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system
