"""Area and speed of an accelerator: measured with Yosys and nextpnr, or estimated from such measurements."""

from hwshift.synthesis.estimate import AreaEstimate, estimate, fitted
from hwshift.synthesis.place import Placement, place_core
from hwshift.synthesis.resources import Resources
from hwshift.synthesis.run import Synthesis, synthesize
from hwshift.synthesis.targets import TARGETS, Target

__all__ = [
    "TARGETS",
    "AreaEstimate",
    "Placement",
    "Resources",
    "Synthesis",
    "Target",
    "estimate",
    "fitted",
    "place_core",
    "synthesize",
]
