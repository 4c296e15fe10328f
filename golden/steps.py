"""The record of one step of a plan: what the compiled engine reads instead of a layer.

Numbers are indices into the plan's tables ``ints`` (int64) and ``reals`` (float64), or -1 where a step has no
such table.
"""

import numpy as np

__all__ = [
    "CONVOLVE",
    "COPY",
    "CUTS",
    "DIRECT",
    "LEAVE",
    "NORM",
    "PARAMETERS",
    "POOL",
    "SCALE",
    "SHIFT",
    "STEP",
    "SUM",
    "UPSAMPLE",
    "WHOLE_BIAS",
]

COPY, CONVOLVE, DIRECT, POOL, SUM, SCALE, NORM, SHIFT, UPSAMPLE, LEAVE = range(10)
"""Kinds of step: input into planes; convolution in blocks, or channel by channel; rows of others; the output."""

PARAMETERS = 8
"""Reals of an output channel: m, 2**k, 2**-k, 2**-(t-k), b, t, m / 2**t, and in the bits of the last b as an int64.

t is the shift of the scale, k = min(t, 24)."""
WHOLE_BIAS = 7
"""Which of them is the integer."""

CUTS = 2
"""Most bytes below the point that sums of the matrix unit are cut by in integers of 32 bits."""

_INTS = {
    "kind": "one of the constants above",
    "parts": "pieces that threads take one by one",
    "rows": "COPY and LEAVE: of the image, in a part",
    # maps
    "channels": "of the output",
    "source": "ints: planes that are read",
    "second": "ints: planes of the second operand: addend, or gates of a scale",
    "target": "ints: planes that are written",
    "residual": "ints: planes of the residual",
    "residual_up": "left shift that aligns it", "residual_down": "right shift",
    "residual_sources": "ints: numbers of its maps", "residual_source_count": "how many",
    "sources": "ints: numbers of the maps that are read, for their peaks",
    "source_count": "how many",
    "map": "number of the map that is written",
    # geometries of source and target
    "in_height": "", "in_width": "", "in_first": "", "in_pitch": "", "in_step": "",
    "height": "", "width": "", "first": "", "pitch": "", "step": "", "images": "",
    # convolutions
    "groups": "",
    "per_group": "output channels of a group",
    "taps": "of a group",
    "tap_at": "ints: (groups, taps) arena index of what a tap reads for position 0",
    "weights": "reals: CONVOLVE (groups, blocks, [factor, sign], taps, ROWS); DIRECT (outputs, [factor, sign], taps)",
    "weights_step": "DIRECT: from one output's weights to the next's", "terms_step": "the same for its terms",
    "terms": "ints: the same order, [factor, right, sign]: what integers need beyond exact 32-bit weights",
    "exact": "terms lose nothing",
    "linear": "source and target have one geometry: position p reads p + constant",
    "count": "positions to compute, from `first` on if linear",
    "read_at": "ints: source position of each, unless linear",
    "read_strides": "ints: for each LANES positions, at which stride they and the next read: 1, 2, or 0 for any other",
    "write_at": "ints: target position of each, unless linear",
    "mask": "reals: 1.0 for each position that is a pixel; -1: all are",
    "tap_edges": "ints: (groups, chunks, chunk) where the bits of a tap begin in `edges`; -1: maps have margins",
    "tap_planes": "ints: the same, where the plane begins that a tap reads; only with `tap_edges`",
    "before": "positions that are read before a pixel; only with `tap_edges`", "behind": "behind it",
    "tiles": "tiles: the matrix unit's configuration, then weights",
    "tile_limbs": "most limbs of an input with which it is used if nothing can saturate; DIRECT: 0 without vectors",
    "tile_wild": "the same if something can",
    "tile_taps": "ints: (groups, chunks, chunk) as tap_at", "tile_chunk": "taps", "tile_chunks": "",
    "ahead": "codes from what tiles read and write to what they ask for",
    "tile_cut": "1 to CUTS: sums that cannot saturate stay integers of 32 bits; 0: they are scaled in float64",
    "tile_rest": "shift behind the cut", "tile_lift": "shift of the sums above it",
    "tile_blocks": "ints: (groups, blocks, [offset of its tiles, limbs])",
    "tile_signed": "all limbs are signed",
    "tile_rows": "output channels of a block; DIRECT: of a part",
    "panels": "panels of COLUMNS positions of a part",
    "splits": "parts that share the output channels of the same positions",
    # pools, sums, upsampling
    "kernel_y": "", "kernel_x": "", "stride_y": "", "stride_x": "", "top": "", "left": "",
    "maximum": "1 for a maximum, 0 for a sum",
    "outside": "what a pool reads outside the map",
    "up": "left shift of the accumulator: guard bits, and what aligns the first operand",
    "second_up": "the same for the second operand",
    "gate_first": "position of the first image's gate", "gate_step": "to the next image's",
    "gate_map": "where the gates' own peak goes",
    "gate_up": "left shift that gives a gate 16 fraction bits; negative: right",
    "offsets": "ints: (dy, dx) per channel of a spatial shift",
    # epilogue
    "parameters": "reals: (channels, PARAMETERS)",
    "scale": "how sums are scaled, unless in integers: PLAIN or FULL",
    "pixel_scales": "ints: (m, t) per output pixel of an image, for averages that leave out the border",
    "table": "ints: the first activation as a table of a sigmoid",
    "residual_table": "ints: the second",
}  # fmt: skip
_REALS = {
    "low": "the format's range", "high": "",
    "floor": "the range of the first activation", "ceiling": "",
    "residual_floor": "of the second", "residual_ceiling": "",
    "residual_factor": "power of two that aligns the residual",
    "reach": "times the largest |input| it bounds every scaled sum; CONVOLVE and DIRECT only", "bias": "largest |b|",
    "largest": "times the largest |input| it bounds every sum: largest sum of |weights| of an output",
    "table_scale": "codes of the output to entries of the table",
}  # fmt: skip

STEP = np.dtype([(name, np.int64) for name in _INTS] + [(name, np.float64) for name in _REALS])
