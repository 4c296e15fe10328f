"""Reports that the tests share."""

from functools import cache

from hwshift.cost.counting import count_program
from hwshift.cost.energy import energy_of
from hwshift.cost.tables import load_table
from hwshift.reports.report import build_report
from hwshift.simulation import simulate_program

from ..cost.examples import example

__all__ = ["report_of"]


@cache
def report_of(network, config, keep="outputs"):
    """The report of a compiled example at 100 MHz."""
    fixed, program, _ = example(network, config, keep)
    counts = count_program(program)
    energy = energy_of(counts, program.config, load_table())
    simulation = simulate_program(program, fixed, clock_mhz=100.0)
    return build_report(fixed, program, simulation, counts, energy, command=f"make <{network}> & go")
