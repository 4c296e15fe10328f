"""cocotb benches of the blocks; each is run by a test through `hwshift.sim.runner`."""
