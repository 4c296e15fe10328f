"""What is known of the inputs of modules, beyond what the modules themselves ask for."""

from .assumed import Known

KNOWN = (Known("shift_buffer.port_b", "!{write__payload}[1]", "one column group: its number is 0"),)
"""For mutants of the 4x4 core with small memories, `tests.sim.cases.SMALL`."""
