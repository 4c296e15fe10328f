"""The instruction set: every bit field of instructions and tables, declared once.

Assembler, verifier, simulators, RTL and the reference page all derive from the tables here.

An instruction is 64 bytes: sixteen 32-bit little-endian words. Fields are listed in order and packed from bit 0
upwards; a field that would cross the end of a 32-bit word starts at the next word; 64-bit fields start at an even
word. Unused bits are zero.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from functools import cached_property

__all__ = [
    "BURST_BEATS",
    "COMPUTE",
    "COORDINATE_BITS",
    "DESCRIPTORS",
    "DESCRIPTOR",
    "ACTIVATION",
    "END",
    "FORMATS",
    "HEADER",
    "INPUT_CHANNELS",
    "INSTRUCTION_BYTES",
    "ISA_VERSION",
    "KTILE_ENTRY",
    "LANE_ENTRY",
    "LOAD",
    "MAGIC",
    "PARAM_ENTRY",
    "STORE",
    "TOKENS",
    "Act",
    "Field",
    "Layout",
    "LoadKind",
    "Opcode",
    "Token",
]

ISA_VERSION = 4
MAGIC = 0x54485348  # "HSHT"
INSTRUCTION_BYTES = 64
DESCRIPTORS = 8
BURST_BEATS = 64
COORDINATE_BITS = 18
"""Bits of a row or column of a source map, which may lie outside of it."""
INPUT_CHANNELS = 4
"""Channels at most of a network input whose copies fill the banks; others are maps."""


class Opcode(IntEnum):
    """First field of every instruction."""

    END = 0
    HEADER = 1
    LOAD = 2
    DESCRIPTOR = 3
    ACTIVATION = 4
    COMPUTE = 5
    STORE = 6


class LoadKind(IntEnum):
    """What a LOAD fills."""

    MAP = 0
    INPUT = 1
    WEIGHTS = 2
    PARAMS = 3
    KTILES = 4
    LANES = 5


class Act(IntEnum):
    """Activation codes of COMPUTE."""

    NONE = 0
    RELU = 1
    CLAMP = 2
    SIGMOID = 3


class Token(IntFlag):
    """The five token counters, named producer to consumer; pop and push masks are sums of these."""

    LOAD_COMPUTE = 1
    COMPUTE_LOAD = 2
    COMPUTE_STORE = 4
    STORE_COMPUTE = 8
    STORE_LOAD = 16


TOKENS: dict[str, tuple[Token, Token]] = {
    "load": (Token.COMPUTE_LOAD | Token.STORE_LOAD, Token.LOAD_COMPUTE),
    "compute": (Token.LOAD_COMPUTE | Token.STORE_COMPUTE, Token.COMPUTE_LOAD | Token.COMPUTE_STORE),
    "store": (Token.COMPUTE_STORE, Token.STORE_COMPUTE | Token.STORE_LOAD),
}
"""Per queue: the tokens its instructions may pop and may push."""


@dataclass(frozen=True)
class Field:
    """One bit field: name, width in bits, signedness, meaning."""

    name: str
    width: int
    doc: str
    signed: bool = False

    @property
    def low(self) -> int:
        """Smallest value."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest value."""
        return (1 << (self.width - int(self.signed))) - 1


@dataclass(frozen=True)
class Layout:
    """A packed record: the fields of one instruction or table entry."""

    name: str
    bits: int
    fields: tuple[Field, ...]
    doc: str = ""

    @cached_property
    def offsets(self) -> dict[str, int]:
        """Field name to bit position."""
        out: dict[str, int] = {}
        position = 0
        for item in self.fields:
            align = 64 if item.width == 64 else 32
            if item.width == 64 or position % 32 + item.width > 32:
                position = -(-position // align) * align
            out[item.name] = position
            position += item.width
        if position > self.bits:
            raise ValueError(f"layout {self.name} needs {position} bits, has {self.bits}")
        return out

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """Field name to field."""
        return {item.name: item for item in self.fields}

    def pack(self, values: dict[str, int]) -> int:
        """Field values to one unsigned integer of ``bits`` bits; fields left out are 0.

        Raises
        ------
        ValueError
            Unknown field, or a value outside a field, naming the field, the value and the range.
        """
        word = 0
        for name, value in values.items():
            item = self.by_name.get(name)
            if item is None:
                raise ValueError(f"{self.name} has no field {name!r}")
            if not item.low <= value <= item.high:
                raise ValueError(f"{self.name}.{name} must lie in {item.low}..{item.high}, not {value}")
            word |= (int(value) & ((1 << item.width) - 1)) << self.offsets[name]
        return word

    def unpack(self, word: int) -> dict[str, int]:
        """Inverse of `pack`: every field's value."""
        out = {}
        for item in self.fields:
            value = word >> self.offsets[item.name] & ((1 << item.width) - 1)
            out[item.name] = value - (1 << item.width) if item.signed and value >> (item.width - 1) else value
        return out


def _instruction(name: str, doc: str, *fields: Field) -> Layout:
    head = (
        Field("opcode", 4, "operation"),
        Field("pop", 5, "tokens taken before it starts"),
        Field("push", 5, "tokens given when it retires"),
    )
    return Layout(name, INSTRUCTION_BYTES * 8, head + fields, doc)


def _side(prefix: str, what: str) -> tuple[Field, ...]:
    """Where a COMPUTE writes its output or reads its residual."""
    return (
        Field(f"{prefix}_base", 16, f"{what} buffer: first word"),
        Field(f"{prefix}_length", 16, f"{what} buffer: words"),
        Field(f"{prefix}_offset", 16, f"{what} buffer: offset of the first row and slot"),
        Field(f"{prefix}_row_step", 16, f"{what} buffer: words per row"),
        Field(f"{prefix}_pitch", 16, f"{what} buffer: words per slot"),
    )


_REGION = (
    Field("base", 16, "first word of the buffer in every sub-bank"),
    Field("length", 16, "words of the buffer: offsets are modulo this"),
    Field("offset", 16, "offset of the first row"),
    Field("row_step", 16, "words from one row to the next, below length"),
    Field("pitch", 16, "words from one slot to the next"),
    Field("slots", 16, "slots per pixel that are moved"),
    Field("width", 16, "pixels per row that are moved"),
    Field("x0", 16, "first pixel, counted in the buffer"),
)

_TRANSFER = (
    Field("rows", 16, "rows that are moved"),
    Field("row_beats", 32, "bus beats per row"),
    Field("row_stride", 32, "bytes from one row to the next in memory"),
)

_ADDRESS = "byte address in memory, a multiple of the bus width"

END = _instruction("END", "Last instruction: the run ends when everything before it has retired.")

HEADER = _instruction(
    "HEADER",
    "First instruction of a program.",
    Field("version", 16, "instruction-set version"),
    Field("magic", 32, "0x54485348"),
    Field("config_hash", 32, "hash of the configuration the program is for"),
    Field("count", 32, "instructions, header and END included"),
)

LOAD = _instruction(
    "LOAD",
    "Move memory into a buffer or table.",
    Field("kind", 3, "MAP, INPUT, WEIGHTS, PARAMS, KTILES or LANES"),
    Field("zero_code", 1, "WEIGHTS: the code of -2**p_min means zero"),
    Field("channels", 3, "INPUT: values of a pixel, 1..4; bank b receives channel b mod channels"),
    *_TRANSFER,
    Field("address", 64, f"{_ADDRESS}; INPUT: that of the first value"),
    *_REGION,
    Field("dest", 16, "PARAMS: first tile; KTILES: first entry; LANES: first row"),
    Field(
        "count",
        16,
        "INPUT, LANES: rows (an INPUT is one in memory); WEIGHTS, PARAMS: tiles; KTILES: entries",
    ),
)

DESCRIPTOR = _instruction(
    "DESCRIPTOR",
    "Set a source descriptor for the COMPUTE instructions that follow.",
    Field("id", 3, "which one"),
    Field("base", 16, "first word of the buffer in every sub-bank"),
    Field("length", 16, "words of the buffer"),
    Field("offset", 16, "offset of the source row y0"),
    Field(
        "row_step", 16, "offset between source rows of successive output rows (stride included), below length"
    ),
    Field("chunk_step", 16, "offset between successive chunks, below length"),
)

ACTIVATION = _instruction(
    "ACTIVATION",
    "Set the clamp bounds for the COMPUTE instructions that follow.",
    Field("lo", 32, "lower bound of the first activation", signed=True),
    Field("hi", 32, "upper bound of the first activation", signed=True),
    Field("residual_lo", 32, "lower bound of the activation after the residual", signed=True),
    Field("residual_hi", 32, "upper bound of the activation after the residual", signed=True),
)

COMPUTE = _instruction(
    "COMPUTE",
    "Output tiles over a rectangle of pixels: order output tile, chunk of rows, k-tile, pixel.",
    Field("drain", 1, "wait until every earlier write is visible"),
    Field("relu_fetch", 1, "rectify values as they are read"),
    Field("pad_min", 1, "positions outside the map read as the format's minimum instead of 0"),
    Field("maximum", 1, "accumulate the maximum instead of the sum"),
    Field("hold_weights", 1, "one weight tile serves every pass of the instruction"),
    Field("residual", 1, "add a residual"),
    Field("ktile_advance", 1, "each output tile has its own k-tiles: ktile_base grows by ktile_count"),
    Field("act", 2, "first activation; SIGMOID only without a residual"),
    Field("residual_act", 2, "activation after the residual"),
    Field("group0", 4, "column group of the first output tile: columns go to banks group * C + column"),
    Field("row_taps", 1, "two elements of a column take what its lane read one and two steps ago"),
    Field("ktile_base", 16, "first k-tile table entry"),
    Field("ktile_count", 16, "k-tiles per output tile, at least 1"),
    Field("tiles", 16, "output tiles, at least 1"),
    Field("rows", 16, "output rows, at least 1"),
    Field(
        "steps",
        16,
        "steps per row, at least 1; chunk_rows * steps <= T; row_taps: the first two give no pixels",
    ),
    Field("chunk_rows", 16, "rows per chunk, at least 1"),
    Field("chunks", 16, "chunks: ceil(rows / chunk_rows)"),
    Field("chunk_y", 16, "source rows from one chunk to the next: chunk_rows * stride"),
    Field("height", 16, "rows of the source map, for the range check"),
    Field("width", 16, "columns of the source map, for the range check"),
    Field("y0", 16, "source row of the first output row", signed=True),
    Field("x0", 16, "source column of the first output pixel", signed=True),
    Field("stride_y", 8, "source rows per output row"),
    Field("x_step", 8, "source columns per step"),
    Field("stride_x", 4, "source columns from one pixel lane to the next; 0: all lanes read the same"),
    Field("out_step", 4, "output pixels from one step to the next; min(out_step, P) of them are written"),
    Field("last_pixels", 4, "pixel lanes that count in the last step of a row, at least 1"),
    Field("param_base", 12, "epilogue parameters of the first output tile"),
    Field("out_x0", 16, "first output pixel, counted in the buffer; a multiple of min(out_step, P)"),
    *_side("out", "output"),
    *_side("res", "residual"),
    Field("last_columns", 32, "mask of the columns that are written in the last output tile"),
    Field(
        "weight_offset", 16, "tiles in the weight ring before the instruction's own; 0 unless keep_weights"
    ),
    Field("keep_weights", 1, "the tiles stay in the ring for a later instruction"),
)

STORE = _instruction(
    "STORE",
    "Move a map from the shift buffer to memory.",
    *_TRANSFER,
    Field("address", 64, _ADDRESS),
    *_REGION,
    Field("last_lanes", 32, "mask of the lanes of the last slot; the others are stored as 0"),
    Field("gates", 1, "store epilogue parameters: bias 0, m = the value at 16 fraction bits, s = 16"),
)

FORMATS: dict[Opcode, Layout] = {
    Opcode.END: END,
    Opcode.HEADER: HEADER,
    Opcode.LOAD: LOAD,
    Opcode.DESCRIPTOR: DESCRIPTOR,
    Opcode.ACTIVATION: ACTIVATION,
    Opcode.COMPUTE: COMPUTE,
    Opcode.STORE: STORE,
}

KTILE_ENTRY = Layout(
    "KTILE",
    32,
    (
        Field("offset", 16, "added to the row's offset, below length"),
        Field("descriptor", 3, "source descriptor"),
        Field("lane_row", 12, "lane-table row"),
    ),
    "One k-tile.",
)

LANE_ENTRY = Layout(
    "LANE",
    32,
    (
        Field("offset", 16, "slot and row displacement in words, modulo length, so never negative"),
        Field("dy", 7, "row displacement, for the range check", signed=True),
        Field("dx", 7, "column displacement", signed=True),
        Field("enable", 1, "0: the lane reads as 0, pad_min or not"),
    ),
    "One lane of one lane-table row.",
)

PARAM_ENTRY = Layout(
    "PARAM",
    64,
    (
        Field("bias", 32, "b in the activation format, sign-extended", signed=True),
        Field("scale", 24, "m (18 bits, signed), or 4 digits: position (5 bits, 31: none) and sign (1 bit)"),
        Field("shift", 6, "s"),
    ),
    "Epilogue parameters of one output channel.",
)
