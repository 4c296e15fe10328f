"""Cycle model: the registers of the compute side."""

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.program.counters import Cause
from hwshift.program.isa import Token
from hwshift.timing import Timing

__all__ = ["COMPUTE_STATE", "QUEUE", "RING", "TOKENS", "new_compute_state"]

TOKENS = len(Token)
RING = 64
"""Entries of the ring of instructions in the pipeline: more than it holds."""
QUEUE = 16
"""Entries of the queues: more than any holds."""

_I = np.int64
COMPUTE_STATE = np.dtype([
    # constants of the configuration
    ("unit_queue", _I), ("weight_queue", _I), ("pass_queue", _I), ("token_limit", _I), ("raw_distance", _I),
    ("retire", _I), ("weight_release", _I), ("yield_to_write", _I), ("yield_to_residual", _I), ("tile_words", _I),
    ("pixel_bits", _I),
    # dispatch: program index of the next instruction; queues hold program indices
    ("next", _I), ("end", _I),
    ("load_queue", _I, QUEUE), ("load_head", _I), ("load_level", _I), ("load_push", _I), ("load_pop", _I),
    ("compute_queue", _I, QUEUE), ("compute_head", _I), ("compute_level", _I), ("compute_push", _I),
    ("compute_pop", _I),
    ("store_queue", _I, QUEUE), ("store_head", _I), ("store_level", _I), ("store_push", _I), ("store_pop", _I),
    ("weight_records", _I, QUEUE), ("weight_head", _I), ("weight_level", _I), ("weight_push", _I), ("weight_pop", _I),
    ("fetched_pop", _I),
    # pass generator
    ("front", _I), ("work", _I), ("k", _I), ("chunk", _I), ("tile", _I), ("rows_left", _I),
    # pass queue
    ("pass_work", _I, QUEUE), ("pass_rows", _I, QUEUE), ("pass_last", _I, QUEUE), ("pass_swap", _I, QUEUE),
    ("pass_final", _I, QUEUE), ("pass_drain", _I, QUEUE), ("pass_head", _I), ("pass_level", _I), ("pass_push", _I),
    ("pass_pop", _I),
    # weight fetcher
    ("w_busy", _I), ("w_work", _I), ("w_k", _I), ("w_chunk", _I), ("w_tile", _I), ("w_row", _I), ("w_full", _I),
    ("w_loading", _I), ("w_first", _I), ("w_ahead", _I),
    ("avail", _I), ("room", _I), ("w_release", _I),
    # ring tiles whose room comes back: the cycles at whose end that is
    ("release_due", _I, QUEUE), ("release_head", _I), ("release_level", _I),
    # sequencer
    ("valid", _I), ("cur_work", _I), ("cur_rows", _I), ("cur_last", _I), ("cur_swap", _I), ("cur_final", _I),
    ("cur_drain", _I),
    ("row", _I), ("column", _I), ("since", _I), ("reserve", _I), ("cause", _I), ("take", _I),
    # tokens of final steps in the pipeline, and the cycles at whose end they are pushed
    ("push_mask", _I, RING), ("push_due", _I, RING), ("push_head", _I), ("push_level", _I),
    # last steps, and those with a residual: bits 2k and 2k + 1 are the halves of the step issued k cycles ago
    ("writes", _I), ("residuals", _I),
    # tokens: counters, what they will be, and the masks of those above zero and of those at their limits
    ("count", _I, TOKENS), ("owed", _I, TOKENS), ("available", _I), ("at_limit", _I), ("compute_tokens", _I),
    # counters; whether a queue, a token or the ring changed at the end of the cycle
    ("causes", _I, len(Cause)), ("steps", _I), ("changed", _I),
])  # fmt: skip


def new_compute_state(config: AcceleratorConfig, timing: Timing) -> np.ndarray:
    """Registers at cycle 0, as an array of one record."""
    state = np.zeros(1, COMPUTE_STATE)
    for name in (
        "unit_queue",
        "weight_queue",
        "pass_queue",
        "token_limit",
        "raw_distance",
        "retire",
        "weight_release",
    ):
        state[name] = getattr(timing, name)
    state["yield_to_write"], state["yield_to_residual"] = (
        timing.write_request + 1,
        timing.residual_request + 1,
    )
    state["tile_words"], state["pixel_bits"] = config.tile_words, config.pixels.bit_length() - 1
    state["room"], state["since"] = config.weight_tiles, timing.retire
    return state
