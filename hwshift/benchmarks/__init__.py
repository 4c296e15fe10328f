"""How fast hwshift is on this machine, beside what people would use instead: medians and ratios of one run."""

from hwshift.benchmarks.measure import Measurement, Row

__all__ = ["Measurement", "Row"]
