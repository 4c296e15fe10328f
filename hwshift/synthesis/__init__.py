"""Area and speed of an accelerator: measured with Yosys and nextpnr, or estimated from such measurements."""

from hwshift.synthesis.place import Placement, place_core
from hwshift.synthesis.resources import Resources
from hwshift.synthesis.run import Synthesis, synthesize
from hwshift.synthesis.targets import TARGETS, Target

__all__ = ["TARGETS", "Placement", "Resources", "Synthesis", "Target", "place_core", "synthesize"]
