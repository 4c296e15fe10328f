"""The clock that blocks of an accelerator reach alone on an ECP5-85, speed grade 6, with a register at each port.

    python -m tests.synthesis.clocks 8x8 sequencer "read master"

Seconds each, where a whole core takes long; paths from one block to another are not in it.
"""

import sys

from hwshift.config import AcceleratorConfig, load_config
from hwshift.rtl.accumulator import AccumulatorLane
from hwshift.rtl.bursts import Bursts
from hwshift.rtl.export import convert, without_contents
from hwshift.rtl.fetch import Fetch
from hwshift.rtl.lane_address import LaneAddress
from hwshift.rtl.loader import Loader
from hwshift.rtl.pass_generator import PassGenerator
from hwshift.rtl.pixel_walk import PixelWalk
from hwshift.rtl.read_master import ReadMaster
from hwshift.rtl.sequencer import Sequencer
from hwshift.rtl.shift_buffer import PortB
from hwshift.rtl.storer import Storer
from hwshift.rtl.weight_fetch import WeightFetch
from hwshift.synthesis import fit_clock
from hwshift.synthesis.place import Placement, place
from hwshift.synthesis.verilog import plain_names

__all__ = ["BLOCKS", "clock_of"]

BLOCKS = fit_clock.BLOCKS | {
    "accumulator lane": AccumulatorLane, "lane address": LaneAddress, "port B": PortB, "sequencer": Sequencer,
    "pass generator": PassGenerator, "weight fetch": WeightFetch, "bursts": Bursts, "fetch": Fetch, "loader": Loader,
    "pixel walk": PixelWalk, "read master": ReadMaster, "storer": Storer,
}  # fmt: skip
"""The blocks of the estimate, those that are never the slowest, and those whose paths are mostly to others."""


def clock_of(block: str, config: AcceleratorConfig, seed: int = 1) -> Placement:
    """Place and route one of `BLOCKS` alone."""
    text = plain_names(without_contents(convert(BLOCKS[block](config), "block")))
    return place(text, "block", "clk", seeds=(seed,))[0]


def main(config: str, *blocks: str) -> None:
    """Print the clocks, and the slowest path of each block."""
    for block in blocks or BLOCKS:
        found = clock_of(block, load_config(config))
        print(f"{block}: {found.fmax_mhz:.1f} MHz", *found.path, sep="\n  ", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
