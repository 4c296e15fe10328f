"""What a design takes of an FPGA."""

from dataclasses import asdict, dataclass, fields

__all__ = ["Resources"]


@dataclass(frozen=True)
class Resources:
    """Counts of cells; added and multiplied as a whole.

    Members
    -------
    lut : float
        Look-up tables, also those that are memories, shift registers or half of an ECP5 carry cell.
    ff : float
        Flip-flops.
    dsp : float
        Multiplier blocks.
    bram : float
        Block RAMs of the device's larger kind: 36 Kibit on Xilinx, whose halves count 0.5; 18 on ECP5; 4 on iCE40.
    carry : float
        Carry cells: CARRY4 on Xilinx, CCU2C on ECP5, SB_CARRY on iCE40.
    lutram : float
        The part of ``lut`` that are memories.
    memory_bits : float
        Bits of memories that the target keeps as such: `generic` only.
    """

    lut: float = 0
    ff: float = 0
    dsp: float = 0
    bram: float = 0
    carry: float = 0
    lutram: float = 0
    memory_bits: float = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __mul__(self, count: float) -> "Resources":
        return Resources(*(getattr(self, f.name) * count for f in fields(self)))

    __rmul__ = __mul__

    def to_dict(self) -> dict[str, float]:
        """Plain numbers, whole ones as integers."""
        return {name: int(value) if value == int(value) else value for name, value in asdict(self).items()}
