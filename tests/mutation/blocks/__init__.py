"""Benches of single blocks: vectors for `tests.mutation.replay`, from models in plain integers."""

from ..replay import Block
from . import bursts, compute, control, datapath, epilogue, masters, passes, queues, storer, walks, writer

SHORT: tuple[Block, ...] = (
    *bursts.BLOCKS, *walks.SHORT, *passes.BLOCKS, *writer.BLOCKS, *queues.BLOCKS, *control.BLOCKS, *compute.BLOCKS,
    *masters.BLOCKS, *datapath.BLOCKS, *epilogue.BLOCKS, *storer.BLOCKS,
)  # fmt: skip
"""Blocks that every mutant in them meets."""
LONG: tuple[Block, ...] = walks.LONG
"""Those of many cycles, in which counters of 16 bits run through: for what is left."""
