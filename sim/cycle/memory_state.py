"""Cycle model: the registers of the memory side."""

from math import gcd

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import INSTRUCTION_BYTES
from hwshift.sim.cycle.transfers import BURST_COLUMNS, WALK_COLUMNS
from hwshift.timing import Timing

__all__ = ["LOADER", "MEMORY_STATE", "QUEUE", "STORER", "new_memory_state"]

LOADER, STORER = 0, 1
"""Rows of ``bursts`` and ``walks``."""
QUEUE = 16
"""Entries of the queues below: more than any holds."""

_I = np.int64
MEMORY_STATE = np.dtype([
    # what happens in the cycle: queue pops, token masks, ring strobes
    ("load_pop", _I), ("store_pop", _I), ("load_tokens", _I), ("load_pushes", _I),
    ("store_tokens", _I), ("store_reserves", _I), ("store_pushes", _I), ("take_room", _I), ("tile_done", _I),
    # port B as a mask of halves: granted to the loader, to the storer
    ("load_half", _I), ("store_half", _I),
    # program index of the load and the store that end in the cycle, -1 if none
    ("load_end", _I), ("store_end", _I),
    # what else happens in it: a beat of load data arrives, one goes to the FIFO's output, the writer takes it; the
    # storer is granted a read, or was in the last cycles (a bit each, the youngest the lowest; the data of the highest
    # comes in the next), a beat is sent; the gearbox emits a word, a pixel of an input is written or port B is refused;
    # or anything but these
    ("arrives", _I), ("ahead", _I), ("taken", _I), ("granted", _I), ("fetched", _I), ("sent", _I), ("works", _I),
    ("turns", _I),
    # what the last cycle was given
    ("given_load", _I), ("given_store", _I), ("given_available", _I), ("given_at_limit", _I), ("given_room", _I),
    # totals, named after the counters
    ("fetch_beats", _I), ("load_beats", _I), ("store_beats", _I), ("read_bursts", _I), ("write_bursts", _I),
    # constants of the configuration
    ("beat_bytes", _I), ("instruction_beats", _I), ("vector_beats", _I), ("beat_elements", _I), ("lane_beats", _I),
    ("param_beats", _I), ("gate_beats", _I), ("tile_words", _I), ("tile_beats", _I), ("pixel_bits", _I),
    ("word", _I), ("beat", _I), ("capacity", _I),
    ("instruction_queue", _I), ("fetch_burst", _I), ("outstanding_reads", _I), ("outstanding_writes", _I),
    ("job_queue", _I), ("fetched_all", _I),
    # fetch: instructions left to ask for, asked for and not popped, beats of the next one, instructions queued
    ("remaining", _I), ("owed", _I), ("collected", _I), ("queued", _I),
    # read master: AR register; bursts outstanding
    ("ar_valid", _I), ("ar_beats", _I), ("ar_owner", _I), ("reads", _I),
    # loader: addresses, job queue of program indices, data FIFO
    ("bursts", _I, (2, BURST_COLUMNS)), ("load_credit", _I), ("jobs", _I, QUEUE), ("job_head", _I), ("job_level", _I),
    ("stored", _I), ("beat_valid", _I),
    # load writer: job register, places, beats of a table, pixel cutter, gearbox
    ("busy", _I), ("job", _I), ("walks", _I, (2, WALK_COLUMNS)), ("table_left", _I), ("place", _I),
    ("used", _I), ("tile_word", _I), ("tile_left", _I), ("tiles_left", _I),
    # storer: reads, data FIFO; by burst the tokens to push, and the store that it ends or -1
    ("reading", _I), ("store", _I), ("store_credit", _I), ("store_level", _I),
    ("pushes", _I, QUEUE), ("ends", _I, QUEUE), ("push_head", _I), ("writes", _I),
    # write master: AW register; lengths of bursts whose beats go, and beats sent of the first
    ("aw_valid", _I), ("aw_beats", _I), ("lengths", _I, QUEUE), ("length_head", _I), ("length_level", _I),
    ("w_sent", _I),
])  # fmt: skip


def new_memory_state(config: AcceleratorConfig, timing: Timing, instructions: int) -> np.ndarray:
    """Registers at cycle 0 of a run of ``instructions`` instructions, as an array of one record."""
    state = np.zeros(1, MEMORY_STATE)
    for name in (
        "beat_bytes",
        "vector_beats",
        "beat_elements",
        "lane_beats",
        "param_beats",
        "gate_beats",
        "tile_words",
        "tile_beats",
    ):
        state[name] = getattr(config, name)
    for name in ("instruction_queue", "fetch_burst", "job_queue"):
        state[name] = getattr(timing, name)
    state["outstanding_reads"], state["outstanding_writes"] = timing.read_bursts, timing.write_bursts
    state["pixel_bits"] = config.pixels.bit_length() - 1
    state["instruction_beats"] = INSTRUCTION_BYTES // config.beat_bytes
    unit = gcd(config.weight_word_bits, config.bus_width)
    state["word"], state["beat"] = config.weight_word_bits // unit, config.bus_width // unit
    state["capacity"] = state["word"] + state["beat"] - 1
    state["fetched_all"] = (1 << timing.store_data - 1) - 1  # a bit of `fetched` for each cycle under way
    state["load_credit"], state["store_credit"] = timing.load_fifo, timing.store_fifo
    state["remaining"] = instructions
    state["load_end"], state["store_end"] = -1, -1
    return state
