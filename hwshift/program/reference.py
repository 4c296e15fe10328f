"""The written instruction-set reference, rendered from `hwshift.program.isa`."""

from hwshift.program import isa

__all__ = ["render_instruction_set"]

_INTRO = """\
# Instruction set and program image

Rendered from `hwshift/program/isa.py`; version {version}.

An instruction is {bytes} bytes: sixteen 32-bit words, little-endian. A field's position counts bits from bit 0 of
word 0. Fields are packed in order; one that would cross the end of a 32-bit word starts at the next; 64-bit fields
start at an even word. Bits that no field covers are 0. Signed fields are two's complement.

A program starts with HEADER at a multiple of 256 bytes and ends with END. What the instructions do cycle by cycle is
in `architecture.md`.

Token masks (`pop`, `push`): {tokens}. Queues and the tokens they may use: {queues}.
"""

_IMAGE = """\
## Memory image

All addresses are bytes; every region starts at a multiple of 64 bytes. Activations are stored in 8, 16 or 32 bits
(the next width that holds the format), sign-extended, little-endian.

| what | layout |
|---|---|
| network input | `[H][W][C]` without gaps, for 1 to 4 channels; with more it is a map |
| map | `[H][W][slots][R]`: bank b of slot s is element s * R + b of a pixel; unused lanes are 0 |
| weight tile | R rows of C codes, row 0 first, column 0 lowest, packed at code width; padded to whole beats |
| weight code | fixed: two's complement. pow2: q in the low bits, sign above |
| k-tile entry | 32 bits, below; a table load is padded to whole beats |
| lane-table row | R entries of 32 bits, lane 0 first |
| parameter tile | C entries of 64 bits, column 0 first; padded to a whole beat |
| gates | a pixel of a map as parameter tiles, R / C for each slot |
"""


def _table(layout: isa.Layout) -> list[str]:
    lines = ["| field | bits | width | signed | meaning |", "|---|---|---|---|---|"]
    for item in layout.fields:
        low = layout.offsets[item.name]
        place = f"{low + item.width - 1}:{low}" if item.width > 1 else str(low)
        lines.append(
            f"| `{item.name}` | {place} | {item.width} | {'yes' if item.signed else ''} | {item.doc} |"
        )
    return lines


def render_instruction_set() -> str:
    """Markdown with every bit field of instructions and tables."""
    tokens = ", ".join(f"{token.name} = {int(token)}" for token in isa.Token)
    queues = "; ".join(
        f"{name} pops {_names(pop)}, pushes {_names(push)}" for name, (pop, push) in isa.TOKENS.items()
    )
    lines = [
        _INTRO.format(version=isa.ISA_VERSION, bytes=isa.INSTRUCTION_BYTES, tokens=tokens, queues=queues)
    ]
    lines += ["## Instructions", ""]
    for opcode, layout in isa.FORMATS.items():
        lines += [f"### {layout.name} (opcode {int(opcode)})", "", layout.doc, "", *_table(layout), ""]
    lines += [_IMAGE, "## Table entries", ""]
    for layout in (isa.KTILE_ENTRY, isa.LANE_ENTRY, isa.PARAM_ENTRY):
        lines += [f"### {layout.name} ({layout.bits} bits)", "", layout.doc, "", *_table(layout), ""]
    return "\n".join(lines).rstrip() + "\n"


def _names(mask: isa.Token) -> str:
    return " + ".join(str(token.name) for token in isa.Token if token & mask)
