"""Area and speed of an accelerator: measured with Yosys and nextpnr, or estimated from such measurements."""

from hwshift.synthesis.resources import Resources
from hwshift.synthesis.run import Synthesis, synthesize
from hwshift.synthesis.targets import TARGETS, Target

__all__ = ["TARGETS", "Resources", "Synthesis", "Target", "synthesize"]
