"""How many block RAMs and multiplier blocks a configuration takes: from the shapes of memories and products.

Counted as Yosys maps them: a memory goes into the kind of block RAM and the width that takes the fewest, unless
distributed RAM is cheaper by the weights that its library gives both; a product wider than a block's is cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import MANTISSA_BITS, QFormat
from hwshift.golden.sigmoid import SIGMOID_ENTRIES
from hwshift.synthesis.widths import scale_parts
from hwshift.timing import PART_BITS, timing

__all__ = ["Memory", "block_ram", "dsp_blocks", "memories", "multipliers", "ram_blocks"]

_PARAMETER = 64  # bits of an epilogue parameter


@dataclass(frozen=True)
class Memory:
    """A memory of a block.

    Members
    -------
    block : str
        Of `hwshift.synthesis.run.BLOCKS`.
    width, depth : int
    count : int
        How often it is there.
    segment : int
        Bits with one write enable.
    shared : bool
        Whether a port both reads and writes, or both ports read: not simply one that writes and one that reads.
    """

    block: str
    width: int
    depth: int
    count: int = 1
    segment: int = 0
    shared: bool = False


def memories(config: AcceleratorConfig) -> Iterator[Memory]:
    """The memories with synchronous reads of an accelerator."""
    c, times = config, timing(config)
    yield Memory("shift buffer", c.act.bits, c.feature_depth, c.rows * c.sub_banks, shared=True)
    yield Memory("shift buffer", c.rows * 32, c.lane_rows, segment=c.bus_width)
    yield Memory("weight buffer", c.weight_rows * c.columns * c.chip_code_bits, c.weight_tiles * c.tile_words)
    yield Memory("accumulator", c.columns * c.acc_width, c.acc_depth, c.pixels)
    yield Memory("epilogue", c.columns * _PARAMETER, c.param_tiles,
                 segment=min(c.bus_width, c.columns * _PARAMETER))  # fmt: skip
    if c.sigmoid:
        yield Memory(
            "epilogue", min(c.act.bits, c.act.n + 1), SIGMOID_ENTRIES, c.columns * c.pixels // 2, shared=True
        )
    yield Memory("compute side", c.bus_width, max(1, c.ktile_entries // (c.bus_width // 32)))
    yield Memory("loader", c.bus_width, times.load_fifo)


@dataclass(frozen=True)
class _Ram:
    """Block RAM of a family: shapes as (bits, words), weights as Yosys' libraries give them.

    Members
    -------
    simple, shared : tuple of (int, int)
        With a port that writes and one that reads; with ports that do both.
    byte : int
        Bits that one write enable covers at least.
    weight : int
        Of one block, beside that of distributed RAM for ``lutram`` bits and words.
    lutram : (int, int, int) or None
        Bits, words and weight.
    """

    simple: tuple[tuple[int, int], ...]
    shared: tuple[tuple[int, int], ...]
    byte: int
    weight: int
    lutram: tuple[int, int, int] | None


_NINES = ((1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024))
_RAMS = {
    "ecp5": _Ram((*_NINES, (36, 512)), _NINES, 9, 128, (4, 16, 4)),
    # in halves of a RAMB36E2: the whole ones hold twice as many words of a width
    "xilinx": _Ram((*_NINES, (36, 512)), _NINES, 9, 129, (7, 64, 16)),
    "ice40": _Ram(((2, 2048), (4, 1024), (8, 512), (16, 256)), (), 1, 64, None),
}
_PRODUCTS = {"ecp5": (18, 18, 18, 0), "xilinx": (27, 18, 18, 1), "ice40": (16, 16, 16, 0)}
"""Bits of a multiplier's inputs, those of a part of the first, and bits of a part that only carry its sign."""


def block_ram(memory: Memory, target: str) -> float:
    """Block RAMs of one memory; 0 where it goes into distributed RAM."""
    ram = _RAMS[target]
    shapes, copies = (ram.shared, 1) if memory.shared and ram.shared else (ram.simple, 1 + memory.shared)
    segment = memory.segment or memory.width
    padded = -(-segment // ram.byte) * ram.byte * -(-memory.width // segment)
    needed = {bits: -(-(padded if bits >= ram.byte else memory.width) // bits) * -(-memory.depth // words)
              for bits, words in shapes}  # fmt: skip
    blocks = min(needed.values()) * copies
    if ram.lutram and not memory.shared:
        bits, words, weight = ram.lutram
        if weight * -(-memory.width // bits) * -(-memory.depth // words) < ram.weight * blocks:
            return 0
    return blocks / 2 if target == "xilinx" else blocks


def ram_blocks(config: AcceleratorConfig, target: str) -> dict[str, float]:
    """Block RAMs of every block that has memories."""
    out: dict[str, float] = {}
    if target not in _RAMS:
        return out
    for memory in memories(config):
        out[memory.block] = out.get(memory.block, 0) + memory.count * block_ram(memory, target)
    return out


def _parts(bits: int, most: int, part: int, sign: int) -> int:
    """Into how many a factor is cut."""
    return 1 if bits <= most else 1 + (bits - most + part - sign - 1) // (part - sign)


def multipliers(first: int, second: int, target: str) -> int:
    """Multiplier blocks of a signed product."""
    wide, narrow, part, sign = _PRODUCTS[target]
    first, second = max(first, second), min(first, second)
    return _parts(first, wide, part, sign) * _parts(second, narrow, part, sign)


def dsp_blocks(config: AcceleratorConfig, target: str) -> dict[str, float]:
    """Multiplier blocks of every block that has products."""
    out: dict[str, float] = {}
    if target not in _PRODUCTS:
        return out
    lanes = config.columns * config.pixels
    if isinstance(config.weights, QFormat):
        out["array"] = lanes * config.rows * multipliers(config.act.bits, config.weights.bits, target)
    if config.scale_digits is None:
        out["epilogue"] = lanes * scale_parts(config) * multipliers(PART_BITS + 1, MANTISSA_BITS, target)
    return out
