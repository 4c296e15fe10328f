"""Verilog of the accelerator: deterministic text, one file."""

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager

from amaranth.back import rtlil, verilog
from amaranth.hdl import Elaboratable

from hwshift import __version__
from hwshift.config import AcceleratorConfig
from hwshift.rtl.core import Core
from hwshift.rtl.primitives import PRIMITIVES, VerilogTarget
from hwshift.tools import pin_yosys

__all__ = [
    "TOP",
    "compact_memories",
    "convert",
    "core_verilog",
    "fast_memories",
    "trigger_at_start",
    "without_contents",
]

TOP = "hwshift_core"
"""Name of the top module."""

_INIT_BLOCK = re.compile(r"^  initial begin\n((?:    \S+ ?\[\d+\] = [^;\n]+;\n)+)  end\n", re.MULTILINE)
_TRIGGER = re.compile(r"^  reg (\\\$auto\$verilog_backend\S+)  = 0;$", re.MULTILINE)
_LOOP = re.compile(r"^  initial begin : init_memory_\d+\n    integer i;\n    for .*\n  end\n", re.MULTILINE)
_INIT_LINE = re.compile(r"    (\S+ ?)\[(\d+)\] = ([^;\n]+);\n")


def compact_memories(text: str) -> str:
    """Replace one assignment per memory word by a loop where all words start alike."""

    def loop(match: re.Match) -> str:
        lines = _INIT_LINE.findall(match.group(1))
        names, _, values = (set(column) for column in zip(*lines, strict=True))
        if len(names) != 1 or len(values) != 1 or len(lines) < 4:
            return match.group(0)
        name, value = names.pop(), values.pop()
        return (
            f"  initial begin : init_words_{match.start()}\n    integer i;\n"
            f"    for (i = 0; i < {len(lines)}; i = i + 1) {name}[i] = {value};\n  end\n"
        )

    text = _INIT_BLOCK.sub(loop, text)
    for number, label in enumerate(re.findall(r"init_words_\d+", text)):
        text = text.replace(f"{label}\n", f"init_memory_{number}\n", 1)
    return text


def without_contents(text: str) -> str:
    """Leave out the loops that set memories to one value.

    Yosys takes them apart into a cell per word, which needs minutes; an FPGA's memories start as zeros anyway.
    """
    return _LOOP.sub("", text)


def trigger_at_start(text: str) -> str:
    """Let every ``always @*`` run once at time 0, also where a declaration's value is not an event.

    Yosys names a register in each block that takes its first value at time 0. SystemVerilog sets a value in a
    declaration before any block runs, so that Icarus would keep outputs at X until an input changes.
    """
    return _TRIGGER.sub(r"  reg \1 ;\n  initial \1 = 0;", text)


def _emit_memory(self: rtlil.ModuleEmitter, cell_idx: int, cell: object) -> None:
    """What Amaranth's method of that name does, without an object and a dispatch per bit of contents."""
    memory, mask = self.memories[cell_idx], (1 << cell.width) - 1
    bits = "".join(f"{row & mask:0{cell.width}b}" for row in reversed(cell.init))
    self.builder.cell(
        "$meminit_v2",
        ports={
            "ADDR": self.sigspec(),
            "DATA": f"{len(bits)}'{bits}",
            "EN": f"{cell.width}'{'1' * cell.width}",
        },
        parameters={
            "MEMID": memory.memid, "ABITS": 0, "WIDTH": cell.width, "WORDS": cell.depth, "PRIORITY": 0,
        },
        src_loc=cell.src_loc,
    )  # fmt: skip


@contextmanager
def fast_memories() -> Iterator[None]:
    """Let Amaranth write the contents of large memories in a fraction of the time, as the same text.

    A 16x16 accelerator holds eight million bits of memory, whose initial zeros would otherwise take most of
    the time of a conversion.
    """
    original = rtlil.ModuleEmitter.emit_memory
    rtlil.ModuleEmitter.emit_memory = _emit_memory
    try:
        yield
    finally:
        rtlil.ModuleEmitter.emit_memory = original


@contextmanager
def _without_collector() -> Iterator[None]:
    """Leave cyclic garbage alone for a while.

    A conversion makes millions of small objects, nearly all of which stay until its end: looking through them again
    and again takes a third of its time. What is not collected meanwhile is half as much again; 32x32 takes 1.1 GB.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def convert(design: Elaboratable, name: str, **options: object) -> str:
    """Verilog of any component, without source locations, so that equal input gives equal bytes."""
    pin_yosys()
    with fast_memories(), _without_collector():
        text = verilog.convert(
            design, name=name, platform=VerilogTarget(), emit_src=False, strip_internal_attrs=True, **options
        )
    text = trigger_at_start(compact_memories(text))
    design = text
    for module, body in PRIMITIVES.items():  # one that another makes instances of comes after it
        instance = f"  {module} #("
        if instance in design:
            text += f"\n{body}"
        elif (
            instance in text
        ):  # by one that does so on Xilinx only; elsewhere it would be a second top module
            text += f"\n`ifdef HWSHIFT_LUT6\n{body}`endif\n"
    return text


def core_verilog(config: AcceleratorConfig) -> str:
    """The accelerator as one Verilog file with top module `TOP`."""
    size = f"{config.rows}x{config.columns}x{config.pixels}"
    numbers = f"{config.act}, weights {config.weights}, {config.guard} guard bits"
    head = f"// hwshift {__version__}: {size} {config.pe}, {numbers}\n"
    head += f"// configuration hash 0x{config.hash:08x}\n"
    return head + convert(Core(config), TOP)
