"""The devices that area is counted for: how Yosys maps to them, and what each of their cells is."""

import re
from dataclasses import dataclass, field

from hwshift.errors import ConfigError
from hwshift.synthesis.resources import Resources

__all__ = ["TARGETS", "Target", "target_named"]


@dataclass(frozen=True)
class Target:
    """A family of devices.

    Members
    -------
    name, device : str
        As on the command line, and what it stands for.
    script : str
        Yosys commands that map the design ``{top}``, multipliers into DSP blocks.
    script_without_dsp : str
        The same with multipliers of LUTs and carry cells.
    defines : tuple of str
        Macros of `hwshift.rtl.primitives` that the target can use.
    cells : dict of str to Resources
        What a cell takes, by a regular expression of its whole name; cells that match none take nothing.
    """

    name: str
    device: str
    script: str
    script_without_dsp: str
    defines: tuple[str, ...]
    cells: dict[str, Resources] = field(repr=False)

    def resources(self, cell: str, count: int = 1) -> Resources:
        """What so many cells of a type take."""
        for pattern, taken in self.cells.items():
            if re.fullmatch(pattern, cell):
                return taken * count
        return Resources()


def _luts(count: int) -> Resources:
    return Resources(lut=count)


def _lutram(count: int) -> Resources:
    return Resources(lut=count, lutram=count)


_FF, _DSP, _BRAM = Resources(ff=1), Resources(dsp=1), Resources(bram=1)

# Reading a word while it is written gives anything: the RTL never does so (docs/synthesis.md).
_GENERIC = (
    "synth -run begin:fine -flatten -top {top}; opt -fast -full; techmap; opt -fast; abc -lut 6; opt_clean"
)

_ALL = (
    Target(
        "ecp5",
        "Lattice ECP5",
        "synth_ecp5 -no-rw-check -top {top}",
        "synth_ecp5 -no-rw-check -nodsp -top {top}",
        ("HWSHIFT_ALU",),
        {
            "LUT4": _luts(1),
            "CCU2C": Resources(lut=2, carry=1),
            "TRELLIS_FF": _FF,
            "TRELLIS_DPR16X4": _lutram(6),  # four LUTs, and the two of the slice that writes them
            "MULT18X18D": _DSP,
            "DP16KD|PDPW16KD": _BRAM,
        },
    ),
    Target(
        "xilinx",
        "Xilinx UltraScale+",
        "synth_xilinx -family xcup -flatten -noiopad -noclkbuf -top {top}",
        "synth_xilinx -family xcup -flatten -noiopad -noclkbuf -nodsp -top {top}",
        ("HWSHIFT_ALU", "HWSHIFT_LUT6"),
        {
            "LUT[1-6]|SRL16E|SRLC16E|SRLC32E": _luts(1),
            "FD[RSCP]E": _FF,
            "CARRY4|CARRY8": Resources(carry=1),
            "DSP48E2": _DSP,
            "RAMB36E2": _BRAM,
            "RAMB18E2": Resources(bram=0.5),
            "RAM(32|64)X1D": _lutram(2),
            "RAM32M|RAM64M|RAM128X1D": _lutram(4),
            "RAM32M16|RAM64M8|RAM256X1D": _lutram(8),
        },
    ),
    Target(
        "ice40",
        "Lattice iCE40 UltraPlus",
        "synth_ice40 -no-rw-check -dsp -top {top}",
        "synth_ice40 -no-rw-check -top {top}",
        ("HWSHIFT_ALU",),
        {
            "SB_LUT4": _luts(1),
            "SB_DFF.*": _FF,
            "SB_CARRY": Resources(carry=1),
            "SB_MAC16": _DSP,
            "SB_RAM40_4K.*": _BRAM,
        },
    ),
    Target(
        "generic",
        "LUTs of six inputs, without carry chains; memories stay memories",
        _GENERIC,
        _GENERIC,
        (),
        {r"\$lut": _luts(1), r"\$_\w*DFF\w*_": _FF},
    ),
)

TARGETS: dict[str, Target] = {target.name: target for target in _ALL}
"""The targets by name."""


def target_named(name: str) -> Target:
    """A target of `TARGETS`; raises `ConfigError` for another name."""
    if name not in TARGETS:
        raise ConfigError(f"target must be one of {', '.join(TARGETS)}, not {name!r}", where="target")
    return TARGETS[name]
