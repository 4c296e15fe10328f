"""The accelerator as C++ for high-level synthesis: an engine that runs programs, and streaming designs."""

from hwshift.hls.estimates import Estimate, estimate

__all__ = ["Estimate", "estimate"]
