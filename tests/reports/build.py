"""Reports that the tests share."""

from functools import cache

from hwshift.cost.analysis import analyse_program
from hwshift.evaluation import LayerScore
from hwshift.reports.report import build_report
from hwshift.reports.variants import Variant, variant_of
from hwshift.synthesis import estimate

from ..cost.examples import example

__all__ = ["SATURATED", "report_of", "with_everything"]

SATURATED = LayerScore("conv<1>", "conv", "Q4.4", 2000, 3, 9.5, -0.2, 40.0, 1.0, 0.1, 0.0625)
"""A layer's values."""


@cache
def report_of(network, config, keep="outputs"):
    """The report of a compiled example at 100 MHz."""
    fixed, program, _ = example(network, config, keep)
    analysis = analyse_program(program, fixed, clock_mhz=100.0)
    return build_report(analysis, command=f"make <{network}> & go")


@cache
def with_everything(network="csc", config="8x8"):
    """A report with everything that can be asked for."""
    report = report_of(network, config)
    styles = (
        variant_of("this design", report.analysis, "ecp5"),
        Variant(
            "half <as> large",
            "4 × 4, mac",
            2 * report.simulation.counters["total"],
            12345,
            1e6,
            0.5,
            lut=1000,
            dsp=16,
            bram=8.5,
        ),
        Variant("shift-add", "8 × 8, shift-add", refused="conv: a weight of 3 & more"),
    )
    return build_report(
        report.analysis,
        styles=styles,
        accuracy={"images": "four", "top-1": "75.00%"},
        saturation=(SATURATED,),
        area=estimate(report.config),
        command="again",
    )
