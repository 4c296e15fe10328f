"""The instruction set as Amaranth layouts: the bit positions come from `hwshift.program.isa`."""

from amaranth import Shape, unsigned
from amaranth.lib import data

from hwshift.program import isa

__all__ = ["EARLY", "INSTRUCTION", "layout_of"]

INSTRUCTION = unsigned(isa.INSTRUCTION_BYTES * 8)
"""A raw instruction."""
EARLY = isa.DESCRIPTOR.offsets["id"] + isa.DESCRIPTOR.by_name["id"].width
"""Low bits of an instruction from which follows what becomes of it: opcode, tokens, the kind of a LOAD."""


def layout_of(layout: isa.Layout) -> data.FlexibleLayout:
    """The packed record ``layout`` as an Amaranth layout with the same fields at the same bits."""
    return data.FlexibleLayout(
        layout.bits,
        {
            item.name: data.Field(Shape(item.width, signed=item.signed), layout.offsets[item.name])
            for item in layout.fields
        },
    )
