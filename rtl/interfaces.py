"""Payloads that pass between the blocks of the engine, each declared once."""

from amaranth import signed, unsigned
from amaranth.lib import data

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import Pow2Format
from hwshift.program.isa import COORDINATE_BITS

__all__ = [
    "acc_shape",
    "act_shape",
    "code_layout",
    "epilogue_control",
    "load_request",
    "residual_request",
    "step_layout",
    "store_request",
    "weight_command",
    "write_data",
    "write_request",
]

COORDINATE = signed(COORDINATE_BITS)
"""A row or column of a source map, as far outside it as a step can reach."""
WORD = 16
"""Bits of a word address or offset in the shift buffer (see the instruction set)."""
SUM = WORD + 1
"""Bits of a sum of two offsets, before the conditional subtraction."""


def act_shape(config: AcceleratorConfig) -> signed:
    """One activation."""
    return signed(config.act.bits)


def acc_shape(config: AcceleratorConfig) -> signed:
    """One accumulator."""
    return signed(config.acc_width)


def code_layout(config: AcceleratorConfig) -> data.StructLayout:
    """One weight in the weight buffer: a fixed-point value, or q, sign and zero of a power of two.

    The fields before ``zero`` are the code as stored in memory, least significant first.
    """
    if isinstance(config.weights, Pow2Format):
        return data.StructLayout({"q": unsigned(config.weights.shift_bits), "sign": 1, "zero": 1})
    return data.StructLayout({"value": signed(config.weights.bits)})


def _index(values: int) -> unsigned:
    """A field that counts 0 .. values - 1, at least one bit wide."""
    return unsigned(max(1, (values - 1).bit_length()))


def _place(config: AcceleratorConfig) -> dict:
    """Where a step's output pixels lie: half, first sub-bank inside the half, column group."""
    return {"half": 1, "lane0": _index(config.pixels), "group": _index(config.groups)}


def step_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What the sequencer says about one step; travels down the rigid pipeline."""
    return data.StructLayout(
        {
            # reading: stages 0 to 5
            "lane_row": _index(config.lane_rows),
            "y": COORDINATE,
            "x": COORDINATE,
            "offset": SUM,
            "base": WORD,
            "length": WORD,
            "height": 16,
            "width": 16,
            "stride_x": 4,
            "relu_fetch": 1,
            "pad_min": 1,
            "swap": 1,
            **({"row_taps": 1} if config.row_taps else {}),
            # accumulating: stage S
            "acc": _index(config.acc_depth),
            "first": 1,
            "last": 1,
            "maximum": 1,
            # epilogue and writing: stages E to E + 8; sums are reduced and based on the way
            "param": _index(config.param_tiles),
            "act": 2,
            "residual_act": 2,
            "residual": 1,
            **_place(config),
            "pixels": config.pixels,
            "columns": config.columns,
            "out_sum": SUM,
            "out_base": WORD,
            "out_length": WORD,
            "res_sum": SUM,
            "res_base": WORD,
            "res_length": WORD,
        }
    )


def weight_command(config: AcceleratorConfig) -> data.StructLayout:
    """One row command: read weight-buffer word ``tile * tile_words + row`` into shadow rows ``row * W_r ...``."""
    return data.StructLayout({"tile": _index(config.weight_tiles), "row": _index(config.tile_words)})


def epilogue_control(config: AcceleratorConfig) -> data.StructLayout:
    """What the epilogue must know about one step, at stage E."""
    bound = act_shape(config)
    return data.StructLayout(
        {
            "act": 2,
            "residual_act": 2,
            "residual": 1,
            "lo": bound,
            "hi": bound,
            "residual_lo": bound,
            "residual_hi": bound,
        }
    )


def write_request(config: AcceleratorConfig) -> data.StructLayout:
    """Epilogue write on port B: pixel p goes to sub-bank half * P + lane0 + p, column c to bank group * C + c.

    Its data, `write_data`, comes two cycles later.
    """
    return data.StructLayout(
        {**_place(config), "word": WORD, "pixels": config.pixels, "columns": config.columns}
    )


def write_data(config: AcceleratorConfig) -> data.ArrayLayout:
    """What the epilogue writes: P pixels of C columns."""
    return data.ArrayLayout(data.ArrayLayout(act_shape(config), config.columns), config.pixels)


def residual_request(config: AcceleratorConfig) -> data.StructLayout:
    """Residual read on port B, addressed like a write; data follows three cycles later."""
    return data.StructLayout({**_place(config), "word": WORD})


def load_request(config: AcceleratorConfig) -> data.StructLayout:
    """Loader write on port B: one pixel, the banks of ``banks``."""
    return data.StructLayout(
        {
            "sub": _index(config.sub_banks),
            "word": WORD,
            "banks": config.rows,
            "data": data.ArrayLayout(act_shape(config), config.rows),
        }
    )


def store_request(config: AcceleratorConfig) -> data.StructLayout:
    """Storer read on port B: one pixel, all banks; data follows two cycles later."""
    return data.StructLayout({"sub": _index(config.sub_banks), "word": WORD})
