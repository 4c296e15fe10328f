"""The AXI4-Lite register map, declared once: RTL, benches, the reference page and the C header read it."""

from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import cached_property

from hwshift.program.counters import COUNTER_BITS, COUNTERS

__all__ = [
    "ADDRESS_BITS",
    "APERTURE",
    "ERRORS",
    "IDENTIFIER",
    "MAP_VERSION",
    "REGISTERS",
    "REGISTER",
    "Access",
    "BitField",
    "ErrorCode",
    "Launch",
    "Register",
    "counter_offset",
    "render_c_header",
    "render_markdown",
]

IDENTIFIER = 0x54485348  # "HSHT"
MAP_VERSION = 2
ADDRESS_BITS = 12
APERTURE = 1 << ADDRESS_BITS
"""Bytes of address space the accelerator occupies on its control bus."""
_COUNTER_BASE = 0x100


class ErrorCode(IntEnum):
    """Why a run ended early."""

    NONE = 0
    BAD_OPCODE = 1
    BAD_HEADER = 2
    CONFIG_MISMATCH = 3
    PROGRAM_REGION = 4
    READ_REGION = 5
    WRITE_REGION = 6
    READ_RESPONSE = 7
    WRITE_RESPONSE = 8
    WATCHDOG = 9
    PROGRAM_END = 10
    CYCLE_LIMIT = 11


ERRORS: dict[ErrorCode, str] = {
    ErrorCode.NONE: "no error",
    ErrorCode.BAD_OPCODE: "an instruction with an unknown operation, or a LOAD of an unknown kind",
    ErrorCode.BAD_HEADER: "the header's magic number or instruction-set version is wrong",
    ErrorCode.CONFIG_MISMATCH: "the program was made for another configuration",
    ErrorCode.PROGRAM_REGION: "an instruction lies outside PROGRAM_BASE .. PROGRAM_LIMIT",
    ErrorCode.READ_REGION: "a load lies outside READ_BASE .. READ_LIMIT, or has rows of no beats",
    ErrorCode.WRITE_REGION: "a store lies outside WRITE_BASE .. WRITE_LIMIT, or has rows of no beats",
    ErrorCode.READ_RESPONSE: "the memory answered a read with an error",
    ErrorCode.WRITE_RESPONSE: "the memory answered a write with an error",
    ErrorCode.WATCHDOG: "WATCHDOG cycles went by without a handshake or a step",
    ErrorCode.PROGRAM_END: "PROGRAM_COUNT instructions were executed and none was END",
    ErrorCode.CYCLE_LIMIT: "the run has not ended within CYCLE_LIMIT cycles",
}
"""What each error code means."""


class Access(Enum):
    """What a register does with a write; reads have no side effects."""

    RO = "read only: a write is answered with SLVERR"
    RW = "read and write"
    W1C = "writing 1 clears a bit"
    STROBE = "writing 1 acts; reads as 0"


@dataclass(frozen=True)
class BitField:
    """Some bits of a register."""

    name: str
    low: int
    width: int
    doc: str

    @property
    def mask(self) -> int:
        """The field's bits within the register."""
        return ((1 << self.width) - 1) << self.low

    def extract(self, word: int) -> int:
        """The field's value in a register's value."""
        return (word & self.mask) >> self.low


@dataclass(frozen=True)
class Register:
    """One 32-bit register; ``reset`` is None where the value depends on the configuration."""

    name: str
    offset: int
    access: Access
    doc: str
    fields: tuple[BitField, ...] = ()
    reset: int | None = 0

    @cached_property
    def by_name(self) -> dict[str, BitField]:
        """Field name to field."""
        return {item.name: item for item in self.fields}

    @property
    def mask(self) -> int:
        """Bits that a field covers; a register without fields is one field of 32 bits."""
        return sum(item.mask for item in self.fields) if self.fields else 0xFFFFFFFF

    def unpack(self, word: int) -> dict[str, int]:
        """Every field's value in a register's value."""
        return {item.name: item.extract(word) for item in self.fields}


def _wide(name: str, offset: int, doc: str) -> tuple[Register, Register]:
    """A 64-bit address as two registers; bits above the bus's address width read as 0."""
    return (
        Register(f"{name}_LO", offset, Access.RW, f"{doc}, bits 31..0"),
        Register(f"{name}_HI", offset + 4, Access.RW, f"{doc}, bits 63..32"),
    )


def counter_offset(index: int) -> int:
    """Offset of the low word of a counter, by its place in `COUNTERS`; the high word follows."""
    return _COUNTER_BASE + 8 * index


def _counters() -> list[Register]:
    out = []
    for index, counter in enumerate(COUNTERS):
        name, offset = f"COUNT_{counter.name.upper()}", counter_offset(index)
        high = BitField("value", 0, COUNTER_BITS - 32, f"bits {COUNTER_BITS - 1}..32")
        out += [
            Register(f"{name}_LO", offset, Access.RO, f"{counter.doc}, bits 31..0"),
            Register(f"{name}_HI", offset + 4, Access.RO, f"{counter.doc}, upper bits", (high,)),
        ]
    return out


_IRQ_FIELDS = (
    BitField("done", 0, 1, "a run ended as its program says"),
    BitField("error", 1, 1, "a run ended with an error"),
    BitField("aborted", 2, 1, "a run was ended by soft_reset"),
)

REGISTERS: tuple[Register, ...] = (
    Register("ID", 0x00, Access.RO, '"HSHT"', reset=IDENTIFIER),
    Register("VERSION", 0x04, Access.RO, "version of this register map", reset=MAP_VERSION),
    Register("ISA_VERSION", 0x08, Access.RO, "version of the instruction set", reset=None),
    Register("CONFIG_HASH", 0x0C, Access.RO, "configuration that programs must be made for", reset=None),
    Register(
        "CONTROL",
        0x10,
        Access.STROBE,
        "starts and ends runs; soft_reset goes before start and queue",
        (
            BitField("start", 0, 1, "start a run; during a run it is refused with SLVERR and STATUS.refused"),
            BitField(
                "soft_reset", 1, 1, "end the run without an error, drop those that wait, reset the engine"
            ),
            BitField("queue", 2, 1, "start a run, or let it wait for those before it; refused if 4 wait"),
            BitField("snapshot", 3, 1, "copy the counters of the run that goes on to COUNT_*"),
        ),
    ),
    Register(
        "STATUS",
        0x14,
        Access.RO,
        "state; an accepted start and soft_reset clear all but busy",
        (
            BitField("busy", 0, 1, "a run is going on or being ended"),
            BitField("done", 1, 1, "the last run ended as its program says"),
            BitField(
                "refused", 2, 1, "a start during a run was refused, or a run that found no place to wait"
            ),
            BitField("aborted", 3, 1, "the last run was ended by soft_reset"),
            BitField("undrained", 4, 1, "the engine was reset with transfers under way: reset the bus too"),
            BitField("halting", 5, 1, "the run is being ended: transfers under way finish"),
            BitField("error", 8, 8, "error code of the last run"),
            BitField("queued", 16, 3, "runs that wait"),
        ),
    ),
    Register("IRQ_ENABLE", 0x18, Access.RW, "causes that raise irq", _IRQ_FIELDS),
    Register("IRQ_STATUS", 0x1C, Access.W1C, "causes that are pending", _IRQ_FIELDS),
    *_wide("PROGRAM_BASE", 0x20, "address of the first instruction, a multiple of 256"),
    *_wide("PROGRAM_LIMIT", 0x28, "address of the last byte that instructions may be fetched from"),
    Register("PROGRAM_COUNT", 0x30, Access.RW, "instructions, HEADER and END included"),
    Register("WATCHDOG", 0x34, Access.RW, "cycles without handshake or step that end a run; 0: never"),
    Register("RUNS", 0x38, Access.RO, "runs that ended as their programs say, since reset; modulo 2^32"),
    Register("CYCLE_LIMIT", 0x3C, Access.RW, "cycles that a run may take; 0: any number"),
    *_wide("READ_BASE", 0x40, "address of the first byte that loads may read"),
    *_wide("READ_LIMIT", 0x48, "address of the last byte that loads may read"),
    *_wide("WRITE_BASE", 0x50, "address of the first byte that stores may write"),
    *_wide("WRITE_LIMIT", 0x58, "address of the last byte that stores may write"),
    *_counters(),
)
"""Every register in the order of offsets. An access elsewhere is answered with SLVERR, and reads 0."""

REGISTER: dict[str, Register] = {item.name: item for item in REGISTERS}
"""Register name to register."""


@dataclass(frozen=True)
class Launch:
    """What the host sets before it starts a run. Regions are bytes from ``base`` to ``limit``, both included.

    Members
    -------
    program_base, program_count : int
        Address of the first instruction, a multiple of 256; number of instructions.
    program_limit, read_base, read_limit, write_base, write_limit : int
        Regions of instructions, loads and stores.
    watchdog : int
        Cycles without progress that end a run; 0: never.
    cycle_limit : int
        Cycles that a run may take; 0: any number.
    """

    program_base: int
    program_count: int
    program_limit: int
    read_base: int
    read_limit: int
    write_base: int
    write_limit: int
    watchdog: int = 0
    cycle_limit: int = 0

    def registers(self) -> dict[str, int]:
        """Register name to value, for every register that has to be written."""
        values = {
            "PROGRAM_COUNT": self.program_count,
            "WATCHDOG": self.watchdog,
            "CYCLE_LIMIT": self.cycle_limit,
        }
        for name in ("program_base", "program_limit", "read_base", "read_limit", "write_base", "write_limit"):
            address = getattr(self, name)
            if not 0 <= address < 1 << 64:
                raise ValueError(f"{name} must be an address of 64 bits, not {address!r}")
            values[f"{name.upper()}_LO"], values[f"{name.upper()}_HI"] = address & 0xFFFFFFFF, address >> 32
        for name, value in values.items():
            if not 0 <= value < 1 << 32:
                raise ValueError(f"{name.lower()} must be a number of 32 bits, not {value!r}")
        return values


def _reset_text(register: Register) -> str:
    return "fixed" if register.reset is None else f"0x{register.reset:08X}"


def render_markdown() -> str:
    """The reference tables: registers, fields, ways of access, error codes."""
    lines = [
        "| offset | register | access | reset | meaning |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| 0x{item.offset:03X} | {item.name} | {item.access.name} | {_reset_text(item)} | {item.doc} |"
        for item in REGISTERS
    ]
    lines += ["", "| register | bits | field | meaning |", "|---|---|---|---|"]
    for item in REGISTERS:
        for field in item.fields:
            high = field.low + field.width - 1
            bits = f"{high}..{field.low}" if field.width > 1 else str(field.low)
            lines.append(f"| {item.name} | {bits} | {field.name} | {field.doc} |")
    lines += ["", "| access | meaning |", "|---|---|"]
    lines += [f"| {access.name} | {access.value} |" for access in Access]
    lines += ["", "| error | code | meaning |", "|---|---|---|"]
    lines += [f"| {code.name} | {int(code)} | {doc} |" for code, doc in ERRORS.items()]
    return "\n".join(lines) + "\n"


def render_c_header() -> str:
    """The map as C macros: ``HWSHIFT_<register>`` offsets, ``_MASK``, ``_SHIFT`` of fields, error codes."""
    lines = [
        "/* Register map of the accelerator's AXI4-Lite port; generated. */",
        "#ifndef HWSHIFT_REGISTERS_H",
        "#define HWSHIFT_REGISTERS_H",
        "",
        f"#define HWSHIFT_APERTURE 0x{APERTURE:X}u",
        f"#define HWSHIFT_ID_VALUE 0x{IDENTIFIER:08X}u",
        f"#define HWSHIFT_VERSION_VALUE {MAP_VERSION}u",
        f"#define HWSHIFT_COUNTER_BITS {COUNTER_BITS}",
    ]
    for item in REGISTERS:
        lines += ["", f"/* {item.doc} ({item.access.name}) */"]
        lines.append(f"#define HWSHIFT_{item.name} 0x{item.offset:03X}u")
        for field in item.fields:
            name = f"HWSHIFT_{item.name}_{field.name.upper()}"
            lines += [f"#define {name}_MASK 0x{field.mask:08X}u", f"#define {name}_SHIFT {field.low}"]
    lines += ["", "/* Error codes */"]
    lines += [f"#define HWSHIFT_ERROR_{code.name} {int(code)}u" for code in ErrorCode]
    return "\n".join([*lines, "", "#endif", ""])
