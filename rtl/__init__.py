"""The accelerator in Amaranth, from the shift buffer to the AXI top level, and its Verilog."""
