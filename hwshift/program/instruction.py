"""One instruction as named fields, and its 64 bytes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from hwshift.errors import ProgramError
from hwshift.program.isa import FORMATS, INSTRUCTION_BYTES, Opcode, Token

__all__ = ["INSTRUCTION_WORDS", "Instruction", "decode", "encode", "to_words"]

INSTRUCTION_WORDS = INSTRUCTION_BYTES // 4


@dataclass(frozen=True)
class Instruction:
    """An operation and all of its fields; those left out are 0.

    Parameters
    ----------
    opcode : Opcode
    fields : mapping of str to int
        By the names of the instruction set, without ``opcode``.

    Raises
    ------
    ProgramError
        For a field the operation does not have.
    """

    opcode: Opcode
    fields: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        layout = FORMATS[self.opcode]
        unknown = sorted(set(self.fields) - set(layout.by_name))
        if unknown or "opcode" in self.fields:
            raise ProgramError(f"{layout.name} has no field {(unknown or ['opcode'])[0]!r}")
        names = (item.name for item in layout.fields if item.name != "opcode")
        object.__setattr__(self, "fields", {name: int(self.fields.get(name, 0)) for name in names})

    def __getitem__(self, name: str) -> int:
        return self.fields[name]

    def __hash__(self) -> int:
        return hash((self.opcode, tuple(self.fields.values())))

    @property
    def pop(self) -> Token:
        """Tokens taken before it starts."""
        return Token(self.fields["pop"])

    @property
    def push(self) -> Token:
        """Tokens given when it retires."""
        return Token(self.fields["push"])

    def with_(self, **changes: int) -> "Instruction":
        """A copy with fields replaced."""
        return Instruction(self.opcode, {**self.fields, **changes})


def encode(instruction: Instruction) -> np.ndarray:
    """The instruction's sixteen words.

    Returns
    -------
    ndarray of uint32, shape (16,)

    Raises
    ------
    ProgramError
        For a value that does not fit its field.
    """
    try:
        value = FORMATS[instruction.opcode].pack({"opcode": instruction.opcode, **instruction.fields})
    except ValueError as error:
        raise ProgramError(str(error)) from None
    return np.frombuffer(value.to_bytes(INSTRUCTION_BYTES, "little"), "<u4").astype(np.uint32)


def decode(words: np.ndarray) -> Instruction:
    """Inverse of `encode`.

    Raises
    ------
    ProgramError
        For an unknown operation, or words that have not the shape (16,).
    """
    if np.shape(words) != (INSTRUCTION_WORDS,):
        raise ProgramError(f"an instruction has {INSTRUCTION_WORDS} words, not the shape {np.shape(words)}")
    value = int.from_bytes(np.asarray(words, "<u4").tobytes(), "little")
    try:
        opcode = Opcode(value & 15)
    except ValueError:
        raise ProgramError(f"unknown operation {value & 15}") from None
    fields = FORMATS[opcode].unpack(value)
    del fields["opcode"]
    return Instruction(opcode, fields)


def to_words(instructions: Iterable[Instruction]) -> np.ndarray:
    """All instructions' words, ndarray of uint32, shape (instructions, 16)."""
    rows = [encode(instruction) for instruction in instructions]
    return np.stack(rows) if rows else np.zeros((0, INSTRUCTION_WORDS), np.uint32)
