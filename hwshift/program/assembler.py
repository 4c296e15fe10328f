"""Programs as text: one instruction per line, ``NAME field=value ...``, fields that are 0 left out.

``kind``, ``act``, ``residual_act``, ``pop`` and ``push`` take names (``pop=LOAD_COMPUTE+STORE_COMPUTE``), all
others integers in decimal or, after ``0x``, hexadecimal. ``#`` starts a comment; empty lines are skipped.
"""

from collections.abc import Iterable

from hwshift.errors import ProgramError
from hwshift.program.instruction import Instruction, decode, encode
from hwshift.program.isa import FORMATS, Act, LoadKind, Opcode, Token

__all__ = ["assemble", "decode", "disassemble", "encode", "format_instruction"]

_NAMED = {"kind": LoadKind, "act": Act, "residual_act": Act}
_TOKENS = ("pop", "push")
_HEX = ("address", "magic", "config_hash", "last_columns", "last_lanes")


def disassemble(instructions: Iterable[Instruction]) -> str:
    """The text of a program; `assemble` gives the same instructions again."""
    return "".join(f"{format_instruction(instruction)}\n" for instruction in instructions)


def assemble(text: str) -> tuple[Instruction, ...]:
    """Read the text of a program.

    Raises
    ------
    ProgramError
        Naming the line: unknown operation, unknown, repeated or malformed field, value that does not fit.
    """
    out = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            instruction = _parse(words)
            encode(instruction)
        except ProgramError as error:
            raise ProgramError(error.message, where=f"line {number}") from None
        out.append(instruction)
    return tuple(out)


def format_instruction(instruction: Instruction) -> str:
    """One line, without its end."""
    parts = [instruction.opcode.name]
    for name, value in instruction.fields.items():
        if value:
            parts.append(f"{name}={_format(name, value)}")
    return " ".join(parts)


def _format(name: str, value: int) -> str:
    if name in _TOKENS:
        return "+".join(str(token.name) for token in Token if token & value)
    if name in _NAMED and value in set(_NAMED[name]):
        return _NAMED[name](value).name
    return f"0x{value:x}" if name in _HEX else str(value)


def _parse(words: list[str]) -> Instruction:
    if words[0] not in Opcode.__members__:
        raise ProgramError(f"unknown operation {words[0]!r}; known: {', '.join(Opcode.__members__)}")
    opcode = Opcode[words[0]]
    fields: dict[str, int] = {}
    for word in words[1:]:
        name, equals, text = word.partition("=")
        if not equals:
            raise ProgramError(f"a field is written name=value, not {word!r}")
        if name in fields:
            raise ProgramError(f"{opcode.name} has the field {name!r} twice")
        if name not in FORMATS[opcode].by_name or name == "opcode":
            raise ProgramError(f"{opcode.name} has no field {name!r}")
        fields[name] = _value(name, text)
    return Instruction(opcode, fields)


def _value(name: str, text: str) -> int:
    try:
        if name in _TOKENS and not text.isdecimal():
            return sum({Token[item].value for item in text.split("+")})
        if name in _NAMED and text in _NAMED[name].__members__:
            return _NAMED[name][text].value
        return int(text, 0)
    except (KeyError, ValueError):
        raise ProgramError(f"{name} cannot be {text!r}") from None
