"""What other tools need to take the Verilog in: a FuseSoC core file, and constraints to begin with."""

from hwshift import __version__
from hwshift.config import AcceleratorConfig
from hwshift.tools import VERILATOR_WAIVED

__all__ = ["CLOCK_MHZ", "fusesoc_core", "handover_files", "lpf", "xdc"]

CLOCK_MHZ = 100.0
"""The clock in the examples of constraints."""


def fusesoc_core(config: AcceleratorConfig) -> str:
    """A CAPI2 core file: the Verilog for other cores, Verilator's lint, and the core alone in Vivado and on an ECP5."""
    size = f"{config.rows}x{config.columns}x{config.pixels}"
    waived = "".join(f"        - -Wno-{name}\n" for name in VERILATOR_WAIVED)
    return f"""\
CAPI=2:
name: hwshift:accelerator:hwshift_core:{__version__}
description: "{size} {config.pe} accelerator, {config.act}, configuration 0x{config.hash:08x}"
filesets:
  rtl:
    files:
      - rtl/hwshift_core.v
    file_type: verilogSource-2005
  xilinx:
    files:
      - constraints/hwshift_core.xdc
    file_type: xdc
  ecp5:
    files:
      - constraints/hwshift_core.lpf
    file_type: LPF
targets:
  default: &default
    description: the Verilog, for a design around it
    filesets:
      - rtl
    toplevel: hwshift_core
  lint:
    <<: *default
    description: lint with Verilator
    flow: lint
    flow_options:
      tool: verilator
      verilator_options:
{waived}  xilinx:
    description: the core alone, with example constraints, in Vivado; choose your part
    filesets:
      - rtl
      - xilinx
    toplevel: hwshift_core
    flow: vivado
    flow_options:
      part: xczu9eg-ffvb1156-2-e
  ecp5:
    description: the core alone, with example constraints, with Yosys and nextpnr; its ports get no pins
    filesets:
      - rtl
      - ecp5
    toplevel: hwshift_core
    flow: trellis
    flow_options:
      nextpnr_options:
        - --85k
        - --package
        - CABGA756
        - --speed
        - "6"
        - --out-of-context
"""


def xdc(clock_mhz: float = CLOCK_MHZ) -> str:
    """Constraints for Vivado, to be read for the core itself or scoped to an instance of it."""
    return f"""\
# Example: aclk at {clock_mhz:g} MHz. Inside a block design the clock is constrained by its source: leave this line out.
create_clock -name aclk -period {1000 / clock_mhz:.3f} [get_ports aclk]
# All ports are synchronous to aclk; half of the period is left to the logic on the other side.
set_input_delay -clock aclk {500 / clock_mhz:.3f} [get_ports -filter {{DIRECTION == IN && NAME != "aclk"}}]
set_output_delay -clock aclk {500 / clock_mhz:.3f} [get_ports -filter {{DIRECTION == OUT}}]
"""


def lpf(clock_mhz: float = CLOCK_MHZ) -> str:
    """Constraints for nextpnr-ecp5 or Diamond."""
    return f"""\
# Example: aclk at {clock_mhz:g} MHz. The AXI ports belong inside the device; a board gives sites to the others:
# LOCATE COMP "aclk" SITE "P3"; IOBUF PORT "aclk" IO_TYPE=LVCMOS33;
FREQUENCY PORT "aclk" {clock_mhz:g} MHZ;
"""


def handover_files(config: AcceleratorConfig) -> dict[str, bytes]:
    """The files, by their paths in the design's folder."""
    return {
        "hwshift_core.core": fusesoc_core(config).encode(),
        "constraints/hwshift_core.xdc": xdc().encode(),
        "constraints/hwshift_core.lpf": lpf().encode(),
    }
